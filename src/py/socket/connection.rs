//! Addresses and connections: bind, listen, accept, connect, shutdown.

use std::os::fd::RawFd;
use std::time::Duration;

use pyo3::exceptions::{PyTimeoutError, PyValueError};
use pyo3::prelude::*;

use super::Socket;
use crate::error::{Error, Result};
use crate::net;
use crate::net::Progress;
use crate::net::connect::{is_under_way, look};
use crate::py::address::{Address, address_to_py};
use crate::py::resolve::Patience;
use crate::py::wait::{Interest, at_once, retry, until_ready, without_gil};

impl Socket {
    /// accept4(2) that does not wait. There is no MSG_DONTWAIT for it, so in blocking mode the queue
    /// is looked at first; it can only block if another process then takes the connection.
    fn accept_at_once(&self) -> Result<(net::Socket, Option<net::Addr>)> {
        if self.timeout.get().is_none()
            && !self
                .inner()
                .wait(Interest::Readable, Some(Duration::ZERO))?
        {
            return Err(Error::from_errno("accept", libc::EAGAIN));
        }
        self.inner().accept()
    }

    fn accepted(
        py: Python<'_>,
        (socket, address): (net::Socket, Option<net::Addr>),
    ) -> PyResult<(Self, Bound<'_, PyAny>)> {
        Ok((
            Self::wrap(socket, Some(Duration::ZERO)),
            address_to_py(py, address.as_ref())?,
        ))
    }

    /// Connects as the stdlib does: 0, the errno, or the exception of a time-out.
    fn connect_errno(&self, py: Python<'_>, address: &Address<'_>) -> PyResult<Result<()>> {
        let timeout = self.timeout.get();
        let patience = Patience::of_socket(timeout);
        let address = address.for_socket_within("connect", self.inner(), patience)?;
        let result = match timeout {
            None => py.detach(|| self.inner().connect_waiting(&address)),
            Some(_) => self.inner().connect(&address),
        };
        match result {
            Err(error) if goes_on(&error, timeout) => {
                py.check_signals()?;
                until_ready(py, self.inner(), patience.deadline, Interest::Writable)?;
                Ok(match look(self.inner()) {
                    Ok(Progress::Connected) => Ok(()),
                    Ok(Progress::Pending) => Err(error.about(&address)),
                    Err(error) => Err(error.about(&address)),
                })
            }
            result => Ok(result.map_err(|error| error.about(&address))),
        }
    }
}

/// Whether an attempt that connect(2) has left under way is waited for.
///
/// Without a time-out that is one that a signal has interrupted, since connect(2) must not be called
/// again. `EINPROGRESS` is then the end of `SO_SNDTIMEO`, and the caller's to know, as in the stdlib.
fn goes_on(error: &Error, timeout: Option<Duration>) -> bool {
    match timeout {
        None => error.is(libc::EINTR),
        Some(timeout) => !timeout.is_zero() && is_under_way(error),
    }
}

#[pymethods]
impl Socket {
    /// accept4(2): take the next connection from the queue.
    ///
    /// Returns:
    ///     (socket, address): the new socket is non-blocking and close-on-exec.
    ///
    /// Raises:
    ///     BlockingIOError: EAGAIN, the queue is empty.
    ///     TimeoutError: still empty after the time-out.
    ///     OSError: EMFILE or ENFILE (the connection stays queued), ECONNABORTED, EINVAL (not
    ///         listening).
    ///
    /// References:
    ///     accept(2) https://man7.org/linux/man-pages/man2/accept.2.html
    #[pyo3(signature = () -> "tuple[Socket, Any]")]
    fn accept<'py>(&self, py: Python<'py>) -> PyResult<(Self, Bound<'py, PyAny>)> {
        let accepted = match self.timeout.get() {
            None => without_gil(py, || self.inner().accept_waiting())?,
            timeout => {
                let call = || self.inner().accept();
                retry(py, self.inner(), timeout, Interest::Readable, call)?
            }
        };
        Self::accepted(py, accepted)
    }

    /// The stdlib's name for `accept` with a bare descriptor, close-on-exec and non-blocking.
    ///
    /// Returns:
    ///     (descriptor, address); the descriptor is yours to close.
    #[pyo3(signature = () -> "tuple[int, Any]")]
    fn _accept<'py>(&self, py: Python<'py>) -> PyResult<(RawFd, Bound<'py, PyAny>)> {
        let (socket, address) = self.accept(py)?;
        Ok((socket.inner().detach(), address))
    }

    /// accept4(2) with flags of your own.
    ///
    /// Args:
    ///     flags: SOCK_NONBLOCK and SOCK_CLOEXEC are always on, so they change nothing.
    ///
    /// Returns:
    ///     (socket, address), as `accept`.
    ///
    /// Raises:
    ///     ValueError: another flag.
    ///     OSError: as `accept`.
    #[pyo3(signature = (flags = 0) -> "tuple[Socket, Any]")]
    fn accept4<'py>(&self, py: Python<'py>, flags: i32) -> PyResult<(Self, Bound<'py, PyAny>)> {
        let unknown = flags & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        if unknown != 0 {
            let text = format!(
                "accept4(): unknown flags {unknown:#x}; SOCK_NONBLOCK and SOCK_CLOEXEC exist"
            );
            return Err(PyValueError::new_err(text));
        }
        self.accept(py)
    }

    /// Accept until the queue is empty: what an edge-triggered listener needs. Never waits.
    ///
    /// Args:
    ///     limit: at most so many.
    ///
    /// Returns:
    ///     List of (socket, address), possibly empty. After an error it holds what came before
    ///     it; the error comes again at the next call.
    ///
    /// Raises:
    ///     OSError: as `accept`, when nothing was accepted before it.
    ///     ValueError: a negative limit.
    #[pyo3(signature = (limit = 1024) -> "list[tuple[Socket, Any]]")]
    fn accept_many<'py>(
        &self,
        py: Python<'py>,
        limit: isize,
    ) -> PyResult<Vec<(Self, Bound<'py, PyAny>)>> {
        let limit = usize::try_from(limit).map_err(|_| {
            PyValueError::new_err(format!("accept_many(): limit cannot be negative: {limit}"))
        })?;
        let mut accepted = Vec::new();
        while accepted.len() < limit {
            match self.accept_at_once() {
                Ok(next) => accepted.push(Self::accepted(py, next)?),
                Err(error) if error.is(libc::EINTR) || error.is(libc::ECONNABORTED) => {}
                Err(error) if error.is(libc::EAGAIN) || !accepted.is_empty() => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(accepted)
    }

    /// bind(2): give the socket a local address.
    ///
    /// Args:
    ///     address: (host, port), (host, port, flowinfo, scope_id), or a Unix path; bytes that
    ///         begin with NUL are an abstract name. Port 0 lets the kernel choose.
    ///
    /// Raises:
    ///     OSError: EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL (bound already).
    ///     TypeError: an address of another shape.
    ///     OverflowError: a port outside 0-65535.
    ///
    /// References:
    ///     bind(2) https://man7.org/linux/man-pages/man2/bind.2.html
    fn bind(&self, address: Address<'_>) -> PyResult<()> {
        Ok(self
            .inner()
            .bind(&address.for_socket("bind", self.inner())?)?)
    }

    /// connect(2).
    ///
    /// Args:
    ///     address: as for `bind`. A host name is looked up first: within the time-out, which is
    ///         for name and connection together; without one, and for a time-out of 0.0, for as
    ///         long as the resolver takes. Ctrl-C ends it.
    ///
    /// Raises:
    ///     BlockingIOError: EINPROGRESS, under way. Wait until the socket is writable, then read
    ///         `error()`; `Connecting` does it for you. On a Unix socket EAGAIN: the backlog is
    ///         full.
    ///     ConnectionRefusedError: nobody listens there.
    ///     TimeoutError: not connected within the time-out; ETIMEDOUT, with a note, where the name
    ///         was not looked up within it.
    ///     socket.gaierror: the name is not known.
    ///     OSError: ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL (no port left), EISCONN, ...
    ///
    /// References:
    ///     connect(2) https://man7.org/linux/man-pages/man2/connect.2.html
    fn connect(&self, py: Python<'_>, address: Address<'_>) -> PyResult<()> {
        Ok(self.connect_errno(py, &address)??)
    }

    /// connect(2), with the errno as the result.
    ///
    /// Returns:
    ///     0 or the errno: EINPROGRESS while under way; EAGAIN when the time-out is up, as in the
    ///     stdlib.
    ///
    /// Raises:
    ///     TypeError, OverflowError, socket.gaierror: for the address, as `connect`.
    fn connect_ex(&self, py: Python<'_>, address: Address<'_>) -> PyResult<i32> {
        match self.connect_errno(py, &address) {
            Ok(Ok(())) => Ok(0),
            Ok(Err(error)) => match error.code() {
                crate::error::Code::Errno(errno) => Ok(errno),
                crate::error::Code::Resolver(_) => Err(error.into()),
            },
            // The value's class: the error's own is OSError where errno has chosen the subclass.
            Err(error) if error.value(py).is_instance_of::<PyTimeoutError>() => Ok(libc::EAGAIN),
            Err(error) => Err(error),
        }
    }

    /// getpeername(2): the address at the other end.
    ///
    /// Raises:
    ///     OSError: ENOTCONN.
    fn getpeername<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.shown(py, self.inner().getpeername()?.as_ref())
    }

    /// getsockname(2): the local address.
    ///
    /// Raises:
    ///     OSError: EBADF.
    fn getsockname<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.shown(py, self.inner().getsockname()?.as_ref())
    }

    /// listen(2): start queueing connections.
    ///
    /// Args:
    ///     backlog: how many may wait to be accepted; the kernel caps it at net.core.somaxconn
    ///         (4096 by default since Linux 5.4) and admits one more than it says.
    ///
    /// Raises:
    ///     OSError: EADDRINUSE, EOPNOTSUPP.
    ///
    /// References:
    ///     listen(2) https://man7.org/linux/man-pages/man2/listen.2.html
    #[pyo3(signature = (backlog = 128))]
    fn listen(&self, backlog: i32) -> PyResult<()> {
        Ok(self.inner().listen(backlog.max(0))?)
    }

    /// shutdown(2): end one direction, or both, for every descriptor of this socket.
    ///
    /// Args:
    ///     how: SHUT_RD, SHUT_WR or SHUT_RDWR.
    ///
    /// Raises:
    ///     OSError: ENOTCONN, EINVAL.
    ///
    /// References:
    ///     shutdown(2) https://man7.org/linux/man-pages/man2/shutdown.2.html
    fn shutdown(&self, how: i32) -> PyResult<()> {
        Ok(self.inner().shutdown(how)?)
    }

    /// `accept`, with None where it would have to wait. Never waits, whatever the time-out.
    #[pyo3(signature = () -> "tuple[Socket, Any] | None")]
    fn try_accept<'py>(&self, py: Python<'py>) -> PyResult<Option<(Self, Bound<'py, PyAny>)>> {
        at_once(py, || self.accept_at_once())?
            .map(|accepted| Self::accepted(py, accepted))
            .transpose()
    }
}
