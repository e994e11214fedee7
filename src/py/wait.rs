//! How a call with a time-out waits: try, poll(2) with the GIL released, try again.
//!
//! `EINTR` runs Python's signal handlers and goes on with the time that is left (PEP 475).

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;

use crate::error::{Error, Result};
use crate::net::Socket;
use crate::sys::clock::Deadline;
pub(super) use crate::sys::poll::Interest;

/// How long to wait on a condition variable before signals are looked at and the wait goes on:
/// unlike a system call, it is not interrupted by them.
pub(super) fn signal_slice(deadline: Deadline) -> Duration {
    const SLICE: Duration = Duration::from_millis(50);
    deadline.remaining().map_or(SLICE, |left| left.min(SLICE))
}

/// A socket's time-out: `None` waits for ever, zero never. Any thread may change it.
#[derive(Debug)]
pub(super) struct Timeout(AtomicI64);

const FOREVER: i64 = -1;

impl Timeout {
    pub(super) fn new(timeout: Option<Duration>) -> Self {
        let cell = Self(AtomicI64::new(FOREVER));
        cell.set(timeout);
        cell
    }

    pub(super) fn set(&self, timeout: Option<Duration>) {
        let nanos = timeout.map_or(FOREVER, |timeout| {
            i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX)
        });
        self.0.store(nanos, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn get(&self) -> Option<Duration> {
        u64::try_from(self.0.load(Ordering::Relaxed))
            .ok()
            .map(Duration::from_nanos)
    }
}

/// Runs `call` until it is done or the socket's time-out is up.
#[inline]
pub(super) fn retry<T>(
    py: Python<'_>,
    socket: &Socket,
    timeout: Option<Duration>,
    interest: Interest,
    mut call: impl FnMut() -> Result<T>,
) -> PyResult<T> {
    match call() {
        Ok(done) => Ok(done),
        Err(error) => wait_and_retry(py, socket, Deadline::after(timeout), interest, error, call),
    }
}

/// Runs `call` until it is done or the deadline has passed, which others may share.
pub(super) fn retry_until<T>(
    py: Python<'_>,
    socket: &Socket,
    deadline: Deadline,
    interest: Interest,
    mut call: impl FnMut() -> Result<T>,
) -> PyResult<T> {
    match call() {
        Ok(done) => Ok(done),
        Err(error) => wait_and_retry(py, socket, deadline, interest, error, call),
    }
}

#[cold]
fn wait_and_retry<T>(
    py: Python<'_>,
    socket: &Socket,
    deadline: Deadline,
    interest: Interest,
    mut error: Error,
    mut call: impl FnMut() -> Result<T>,
) -> PyResult<T> {
    let may_wait = !matches!(deadline, Deadline::Past);
    loop {
        if error.is(libc::EINTR) {
            py.check_signals()?;
        } else if error.is(libc::EAGAIN) && may_wait {
            until_ready(py, socket, deadline, interest)?;
        } else {
            return Err(error.into());
        }
        match call() {
            Ok(done) => return Ok(done),
            Err(again) => error = again,
        }
    }
}

/// Waits until the socket is ready; `TimeoutError("timed out")` as the stdlib raises it.
pub(super) fn until_ready(
    py: Python<'_>,
    socket: &Socket,
    deadline: Deadline,
    interest: Interest,
) -> PyResult<()> {
    loop {
        match py.detach(|| socket.wait(interest, deadline.remaining())) {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(PyTimeoutError::new_err("timed out")),
            Err(error) if error.is(libc::EINTR) => py.check_signals()?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// One call that must not wait: None for EAGAIN, again after EINTR.
#[inline]
pub(super) fn at_once<T>(
    py: Python<'_>,
    mut call: impl FnMut() -> Result<T>,
) -> PyResult<Option<T>> {
    loop {
        match call() {
            Ok(done) => return Ok(Some(done)),
            Err(error) if error.is(libc::EAGAIN) => return Ok(None),
            Err(error) if error.is(libc::EINTR) => py.check_signals()?,
            Err(error) => return Err(error.into()),
        }
    }
}
