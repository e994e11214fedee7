//! The descriptor: its number, duplicates of it, and the standard library's socket over it.

use std::os::fd::RawFd;

use pyo3::prelude::*;

use super::Socket;
use crate::error::Error;
use crate::net;
use crate::py::args;
use crate::py::objects::StdlibSocket;

#[pymethods]
impl Socket {
    /// Give the open descriptor away; the object is closed from here on.
    ///
    /// Returns:
    ///     The descriptor, which is now yours to close; -1 if it was closed before.
    fn detach(&self) -> RawFd {
        self.inner().detach()
    }

    /// Another descriptor of the same open socket (F_DUPFD_CLOEXEC).
    ///
    /// Closing one leaves the connection open; `shutdown` on either ends it for both.
    ///
    /// Raises:
    ///     OSError: EMFILE, EBADF.
    fn dup(&self) -> PyResult<Self> {
        Ok(Self::wrap(self.inner().duplicate()?, self.timeout.get()))
    }

    /// The descriptor's number; -1 once closed.
    pub(in crate::py) fn fileno(&self) -> RawFd {
        self.inner().fileno()
    }

    /// Take over the descriptor of a `socket.socket`, which is detached by it.
    ///
    /// Args:
    ///     sock: an open `socket.socket`.
    ///
    /// Returns:
    ///     A `Socket` with the same time-out.
    #[staticmethod]
    fn from_stdlib(sock: StdlibSocket<'_>) -> PyResult<Self> {
        let timeout = args::timeout(sock.0.call_method0("gettimeout")?.extract()?)?;
        let part =
            |name: &str| -> PyResult<Option<i32>> { sock.0.getattr(name)?.extract().map(Some) };
        let (family, kind, protocol) = (part("family")?, part("type")?, part("proto")?);
        let fd = sock.0.call_method0("fileno")?.extract()?;
        let socket = net::Socket::from_raw_fd(fd, family, kind, protocol)?;
        sock.0.call_method0("detach")?;
        Ok(Self::wrap(socket, timeout))
    }

    /// Give the descriptor to a new `socket.socket` with the same time-out; this object is closed.
    ///
    /// Raises:
    ///     OSError: EBADF, this object was closed before.
    fn to_stdlib<'py>(&self, py: Python<'py>) -> PyResult<StdlibSocket<'py>> {
        let class = py.import("socket")?.getattr("socket")?;
        let (family, kind, protocol) = (
            self.inner().family(),
            self.inner().kind(),
            self.inner().protocol(),
        );
        let fd = match self.inner().detach() {
            -1 => return Err(Error::from_errno("fileno", libc::EBADF).into()),
            fd => fd,
        };
        let sock = class.call1((family, kind, protocol, fd)).inspect_err(|_| {
            // Nobody's now: taken back, only to be closed.
            drop(net::Socket::from_raw_fd(fd, None, None, None));
        })?;
        sock.call_method1("settimeout", (self.gettimeout(),))?;
        Ok(StdlibSocket(sock))
    }
}
