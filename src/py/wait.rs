//! How a call waits: with a time-out it is tried, then poll(2) with the GIL released, then tried
//! again; without one the kernel waits in the call itself.
//!
//! `EINTR` runs Python's signal handlers and goes on with the time that is left (PEP 475).

use std::io;
use std::os::fd::BorrowedFd;
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

    /// The same as Python counts it.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "as CPython converts it")]
    pub(super) fn seconds(&self) -> Option<f64> {
        match self.0.load(Ordering::Relaxed) {
            FOREVER => None,
            nanos => Some(nanos as f64 / 1e9),
        }
    }

    /// Whether no call may wait.
    #[inline]
    pub(super) fn is_zero(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// A transfer of bytes: which call, which way, with which MSG_* flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    pub(super) op: &'static str,
    pub(super) interest: Interest,
    pub(super) flags: i32,
}

impl Transfer {
    pub(super) fn receive(op: &'static str, flags: i32) -> Self {
        let interest = Interest::Readable;
        Self {
            op,
            interest,
            flags,
        }
    }

    pub(super) fn send(op: &'static str, flags: i32) -> Self {
        let interest = Interest::Writable;
        Self {
            op,
            interest,
            flags,
        }
    }
}

impl Transfer {
    /// Whether a send is to go on until all is sent, as the kernel does in blocking mode.
    pub(super) fn waits_for_all(self, timeout: Option<Duration>) -> bool {
        timeout.is_none() && self.flags & libc::MSG_DONTWAIT == 0
    }

    /// Whether trying it at once would give something else than waiting does: less than all, or
    /// than SO_RCVLOWAT asks for; an attempt to connect.
    fn is_the_kernels(self, socket: &Socket) -> bool {
        self.flags & (libc::MSG_WAITALL | libc::MSG_FASTOPEN) != 0
            || self.interest == Interest::Readable && socket.low_water() > 1
    }
}

/// Runs one transfer: at once with the GIL held if that can be, else by waiting without it until it
/// is done or the time is up.
///
/// Without a time-out it is the kernel that waits, in the call itself, so that all it knows about
/// waiting holds: SO_RCVTIMEO, SO_RCVLOWAT, MSG_WAITALL, MSG_FASTOPEN (which connects first), the
/// MSG_DONTWAIT of the caller.
#[inline]
pub(super) fn transfer<T: Send>(
    py: Python<'_>,
    socket: &Socket,
    timeout: Option<Duration>,
    transfer: Transfer,
    mut call: impl FnMut(BorrowedFd<'_>, i32) -> io::Result<T> + Send,
) -> PyResult<T> {
    let Transfer { op, flags, .. } = transfer;
    if timeout.is_none() && transfer.is_the_kernels(socket) {
        return in_the_kernel(py, socket, transfer, call);
    }
    match socket.call(op, |fd| call(fd, flags | libc::MSG_DONTWAIT)) {
        Ok(done) => Ok(done),
        Err(error) => transfer_later(py, socket, Deadline::after(timeout), transfer, error, call),
    }
}

/// [`transfer`] within a deadline, which others may share.
pub(super) fn transfer_until<T: Send>(
    py: Python<'_>,
    socket: &Socket,
    deadline: Deadline,
    transfer: Transfer,
    mut call: impl FnMut(BorrowedFd<'_>, i32) -> io::Result<T> + Send,
) -> PyResult<T> {
    match socket.call(transfer.op, |fd| {
        call(fd, transfer.flags | libc::MSG_DONTWAIT)
    }) {
        Ok(done) => Ok(done),
        Err(error) => transfer_later(py, socket, deadline, transfer, error, call),
    }
}

#[cold]
fn transfer_later<T: Send>(
    py: Python<'_>,
    socket: &Socket,
    deadline: Deadline,
    transfer: Transfer,
    error: Error,
    mut call: impl FnMut(BorrowedFd<'_>, i32) -> io::Result<T> + Send,
) -> PyResult<T> {
    if matches!(deadline, Deadline::Never) && (error.is(libc::EAGAIN) || error.is(libc::EINTR)) {
        return in_the_kernel(py, socket, transfer, call);
    }
    let Transfer {
        op,
        interest,
        flags,
    } = transfer;
    wait_and_retry(py, socket, deadline, interest, error, || {
        socket.call(op, |fd| call(fd, flags | libc::MSG_DONTWAIT))
    })
}

/// The call in blocking mode, without the GIL.
fn in_the_kernel<T: Send>(
    py: Python<'_>,
    socket: &Socket,
    Transfer { op, flags, .. }: Transfer,
    mut call: impl FnMut(BorrowedFd<'_>, i32) -> io::Result<T> + Send,
) -> PyResult<T> {
    without_gil(py, || socket.waiting(op, |fd| call(fd, flags)))
}

/// Runs a call that waits in the kernel, again after each signal.
pub(super) fn without_gil<T: Send>(
    py: Python<'_>,
    mut call: impl FnMut() -> Result<T> + Send,
) -> PyResult<T> {
    loop {
        match py.detach(&mut call) {
            Err(error) if error.is(libc::EINTR) => py.check_signals()?,
            result => return Ok(result?),
        }
    }
}

/// Runs `call` until it is done or the time is up.
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
    let mut waited = false;
    loop {
        if error.is(libc::EINTR) {
            py.check_signals()?;
        } else if error.is(libc::EAGAIN) && may_wait {
            if waited {
                // Ready, and yet there is nothing: another had it, or what is ready is not what the
                // call asks for (MSG_ERRQUEUE beside unread bytes). It must end all the same.
                py.check_signals()?;
                if deadline.has_passed() {
                    return Err(timed_out());
                }
            }
            until_ready(py, socket, deadline, interest)?;
            waited = true;
        } else {
            return Err(error.into());
        }
        match call() {
            Ok(done) => return Ok(done),
            Err(again) => error = again,
        }
    }
}

/// As the stdlib raises it.
fn timed_out() -> PyErr {
    PyTimeoutError::new_err("timed out")
}

/// Waits until the socket is ready.
pub(super) fn until_ready(
    py: Python<'_>,
    socket: &Socket,
    deadline: Deadline,
    interest: Interest,
) -> PyResult<()> {
    loop {
        match py.detach(|| socket.wait(interest, deadline.remaining())) {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(timed_out()),
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
