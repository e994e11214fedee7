//! `Connecting`: the Python face of one connection attempt.

use std::os::fd::RawFd;
use std::sync::Mutex;
use std::time::Duration;

use pyo3::PyTraverseError;
use pyo3::gc::PyVisit;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyTuple;

use super::address::{Address, Target};
use super::args::{self, SocketOptions};
use super::error::ignore_poison;
use super::resolve::{Patience, first_of};
use super::socket::Socket;
use crate::error::Error;
use crate::net;
use crate::net::Progress;

/// A connection attempt under way: connect(2) on a non-blocking socket, as a state machine.
///
/// Made, it has called connect(2). Watch `fileno()` for EPOLLOUT with any selector, then call
/// `finish()`: writable does not mean connected, and `finish` tells the two apart.
///
/// Args:
///     address: (host, port) or a Unix name, as for `Socket.connect`; of a host name's addresses
///         the first is taken. To look a name up takes as long as the resolver does; Ctrl-C ends
///         it.
///     source_address: connect from here; port 0 is chosen at connect time.
///     options: (level, optname, int | bytes) triples, set before connect(2).
///
/// Raises:
///     OSError: what the kernel knows at once: ENETUNREACH, EADDRNOTAVAIL, EMFILE, for Unix
///         sockets also ECONNREFUSED, ENOENT, EAGAIN (backlog full); what the options gave.
///     socket.gaierror: the name is not known.
///
/// References:
///     connect(2) https://man7.org/linux/man-pages/man2/connect.2.html
#[pyclass(frozen, module = "epollkit")]
#[derive(Debug)]
pub(crate) struct Connecting {
    attempt: Mutex<Option<net::Connecting>>,
    /// The address as it was given.
    #[pyo3(get)]
    address: Py<PyAny>,
}

#[pymethods]
impl Connecting {
    #[new]
    #[pyo3(signature = (address, *, source_address = None, options = SocketOptions::default()))]
    fn new(
        py: Python<'_>,
        address: Address<'_>,
        source_address: Option<Address<'_>>,
        options: SocketOptions,
    ) -> PyResult<Self> {
        let target = address.target("connect")?;
        let options = args::connect_options(Some(&target), source_address.as_ref(), options)?;
        let addr = match target {
            Target::Known(addr) => addr,
            Target::Named(host, port) => {
                first_of(py, &host, port, libc::AF_UNSPEC, Patience::of(None))?
            }
        };
        let attempt = Mutex::new(Some(net::Connecting::start(addr, &options)?));
        Ok(Self {
            attempt,
            address: address.0.unbind(),
        })
    }

    /// The descriptor to watch for EPOLLOUT; -1 once finished or closed.
    fn fileno(&self, py: Python<'_>) -> RawFd {
        let attempt = ignore_poison(self.attempt.lock_py_attached(py));
        attempt
            .as_ref()
            .map_or(-1, |attempt| attempt.socket().fileno())
    }

    /// Ask for the outcome. Does not wait.
    ///
    /// Returns:
    ///     The connected socket, once; from then on this object is closed.
    ///
    /// Raises:
    ///     BlockingIOError: EINPROGRESS, not decided yet.
    ///     OSError: why the attempt failed: ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT,
    ///         ECONNRESET, ...; its socket is closed. EBADF when there is no attempt any more.
    fn finish(&self, py: Python<'_>) -> PyResult<Socket> {
        let mut slot = ignore_poison(self.attempt.lock_py_attached(py));
        let attempt = slot
            .as_mut()
            .ok_or_else(|| Error::from_errno("connect", libc::EBADF))?;
        match attempt.check() {
            Ok(Progress::Pending) => Err(Error::from_errno("connect", libc::EINPROGRESS)
                .about(attempt.address())
                .into()),
            Ok(Progress::Connected) => {
                let done = slot
                    .take()
                    .ok_or_else(|| Error::from_errno("connect", libc::EBADF))?;
                Ok(Socket::wrap(done.into_socket(), Some(Duration::ZERO)))
            }
            Err(error) => {
                drop(slot.take());
                Err(error.into())
            }
        }
    }

    /// Give the attempt up and close its socket. Does nothing when there is none any more.
    fn close(&self, py: Python<'_>) {
        drop(ignore_poison(self.attempt.lock_py_attached(py)).take());
    }

    /// Whether there is no attempt any more: finished, failed or closed.
    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        ignore_poison(self.attempt.lock_py_attached(py)).is_none()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.address)
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception: "object") -> "None")]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        match &*ignore_poison(self.attempt.lock_py_attached(py)) {
            Some(attempt) => {
                let fd = attempt.socket().fileno();
                format!("<epollkit.Connecting fd={fd} to {}>", attempt.address())
            }
            None => "<epollkit.Connecting closed>".to_owned(),
        }
    }
}
