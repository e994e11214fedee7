//! `Socket`: the Python class. This file has its life and its time-out; what it does is beside it:
//!
//! | file         | calls                                                                  |
//! |--------------|------------------------------------------------------------------------|
//! | `connection` | bind, listen, accept, connect, shutdown, who is at the two ends        |
//! | `transfer`   | bytes: recv, send, and what lies in the queues                         |
//! | `message`    | with addresses and control messages: recvfrom, sendmsg, and many more  |
//! | `options`    | getsockopt, setsockopt                                                 |
//! | `files`      | the descriptor: close, duplicates, file objects, the stdlib's socket   |
//! | `tcp`        | TCP_INFO, and the typed view of the options                            |

mod connection;
mod files;
mod message;
mod options;
pub(crate) mod tcp;
mod transfer;

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use pyo3::exceptions::{PyResourceWarning, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::address::address_to_py;
use super::args::{self, Seconds};
use super::families;
use super::objects::{Family, Kind};
use super::wait::Timeout;
use crate::error::Result;
use crate::net::{self, Addr};
use files::Files;

/// A Linux socket, non-blocking unless told otherwise.
///
/// socket(2) with SOCK_NONBLOCK | SOCK_CLOEXEC in one call. A superset of `socket.socket`: the same
/// methods, arguments, results and exceptions. One thing differs: the default time-out is 0.0, so
/// that a call that would have to wait raises BlockingIOError, and its `try_` twin returns None.
/// (`epollkit.stdlib.socket` has the stdlib's default.) With a time-out, calls wait in poll(2);
/// with None the descriptor is in blocking mode and the kernel waits in the call itself. Either
/// way the GIL is released only to wait, and Ctrl-C ends it.
///
/// Args:
///     family: AF_INET (the default), AF_INET6, AF_UNIX, ...; with `fileno`, asked of the kernel.
///     type: SOCK_STREAM (the default), SOCK_DGRAM, ...; SOCK_CLOEXEC is always on, and
///         SOCK_NONBLOCK means a time-out of 0.0.
///     proto: protocol number; 0, the default, is the family's own.
///     fileno: take over this open descriptor instead; the object closes it. With a time-out it is
///         put into non-blocking mode; with None its mode, which others may share, is left as it is.
///     timeout: seconds that a call may wait; 0.0 never, None for ever.
///
/// Raises:
///     OSError: EAFNOSUPPORT, EPROTONOSUPPORT, EINVAL (unknown type), EMFILE, ENFILE; with
///         `fileno` EBADF or ENOTSOCK.
///     ValueError: a negative time-out.
///
/// References:
///     socket(2) https://man7.org/linux/man-pages/man2/socket.2.html
#[pyclass(frozen, subclass, weakref, module = "epollkit")]
#[derive(Debug)]
pub(crate) struct Socket {
    /// Empty until `__init__`, which a subclass may have its own of.
    opened: OnceLock<Arc<net::Socket>>,
    timeout: Timeout,
    files: Files,
}

impl Socket {
    pub(in crate::py) fn wrap(socket: net::Socket, timeout: Option<Duration>) -> Self {
        Self {
            opened: OnceLock::from(Arc::new(socket)),
            timeout: Timeout::new(timeout),
            files: Files::default(),
        }
    }

    /// A socket that was just made, and O_NONBLOCK.
    pub(in crate::py) fn made(socket: net::Socket, timeout: Option<Duration>) -> PyResult<Self> {
        settle_own(&socket, timeout)?;
        Ok(Self::wrap(socket, timeout))
    }

    /// A socket over a descriptor whose open file others may share.
    pub(in crate::py) fn adopted(socket: net::Socket, timeout: Option<Duration>) -> PyResult<Self> {
        settle_shared(&socket, timeout)?;
        Ok(Self::wrap(socket, timeout))
    }

    /// The core's socket, to be shared with native threads and with registrations.
    #[inline]
    pub(in crate::py) fn inner(&self) -> &Arc<net::Socket> {
        static NONE: LazyLock<Arc<net::Socket>> = LazyLock::new(|| Arc::new(net::Socket::closed()));
        self.opened.get().unwrap_or_else(|| &NONE)
    }

    /// An address as this socket's family and protocol write it.
    fn shown<'py>(&self, py: Python<'py>, address: Option<&Addr>) -> PyResult<Bound<'py, PyAny>> {
        match address {
            Some(Addr::Other(bytes)) => families::decode(py, self.inner().protocol(), bytes),
            address => address_to_py(py, address),
        }
    }

    /// The time-out, and the kernel's mode with it: blocking without one, as in the stdlib.
    fn set_timeout(&self, timeout: Option<Duration>) -> PyResult<()> {
        self.timeout.set(timeout); // also where the call then fails, as in the stdlib
        Ok(self.inner().set_nonblocking(timeout.is_some())?)
    }
}

#[pymethods]
impl Socket {
    /// The arguments are `__init__`'s, so that a subclass may have others.
    #[new]
    #[pyo3(signature = (*_arguments: "object", **_keywords: "object"))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            opened: OnceLock::new(),
            timeout: Timeout::new(Some(Duration::ZERO)),
            files: Files::default(),
        }
    }

    #[pyo3(signature = (family = -1, r#type = -1, proto = -1, fileno = None, *, timeout = Some(Seconds::ZERO)))]
    fn __init__(
        &self,
        family: i32,
        r#type: i32,
        proto: i32,
        fileno: Option<args::SocketFileno>,
        timeout: Option<Seconds>,
    ) -> PyResult<()> {
        if self.opened.get().is_some() {
            return Err(PyRuntimeError::new_err(
                "Socket.__init__ must be called once",
            ));
        }
        let known = |value: i32| (value != -1).then_some(value);
        let creation = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let timeout = match known(r#type) {
            Some(kind) if kind & libc::SOCK_NONBLOCK != 0 => Some(Duration::ZERO),
            _ => args::timeout(timeout)?,
        };
        let kind = known(r#type).map(|kind| kind & !creation);
        let socket = if let Some(fd) = fileno {
            let socket = net::Socket::from_raw_fd(fd.0, known(family), kind, known(proto))?;
            settle_shared(&socket, timeout)?;
            socket
        } else {
            let socket = net::Socket::new(
                known(family).unwrap_or(libc::AF_INET),
                kind.unwrap_or(libc::SOCK_STREAM),
                known(proto).unwrap_or(0),
            )?;
            settle_own(&socket, timeout)?;
            socket
        };
        self.timeout.set(timeout);
        // Another thread was first: that one's socket stays, this one is closed.
        self.opened
            .set(Arc::new(socket))
            .map_err(|_| PyRuntimeError::new_err("Socket.__init__ must be called once"))
    }

    /// Whether calls may wait: the time-out is not 0.0.
    fn getblocking(&self) -> bool {
        !self.timeout.is_zero()
    }

    /// Seconds that a call may wait; None for ever, 0.0 never.
    fn gettimeout(&self) -> Option<f64> {
        self.timeout.seconds()
    }

    /// settimeout(None) for a true flag, settimeout(0.0) for a false one.
    fn setblocking(&self, flag: &Bound<'_, PyAny>) -> PyResult<()> {
        let timeout = if flag.is_truthy()? {
            None
        } else {
            Some(Duration::ZERO)
        };
        self.set_timeout(timeout)
    }

    /// Set the seconds that a call may wait.
    ///
    /// Args:
    ///     timeout: seconds; None for ever, 0.0 never.
    ///
    /// Raises:
    ///     ValueError: a negative number.
    ///     OSError: EBADF.
    fn settimeout(&self, timeout: Option<Seconds>) -> PyResult<()> {
        self.set_timeout(args::timeout(timeout)?)
    }

    /// Whether the object has been closed or detached. Not before the file objects of `makefile` are
    /// closed, too.
    #[getter]
    fn closed(&self) -> bool {
        self.inner().is_closed()
    }

    /// AF_*.
    #[getter]
    fn family(&self) -> Family {
        Family(self.inner().family())
    }

    /// Protocol number.
    #[getter]
    fn proto(&self) -> i32 {
        self.inner().protocol()
    }

    /// As `gettimeout()`.
    #[getter]
    fn timeout(&self) -> Option<f64> {
        self.gettimeout()
    }

    /// SOCK_*.
    #[getter]
    fn r#type(&self) -> Kind {
        Kind(self.inner().kind())
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception: "object") -> "None")]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        format!("<epollkit.Socket {}>", self.inner())
    }
}

/// The mode of a socket of our own follows its time-out; it was made O_NONBLOCK.
fn settle_own(socket: &net::Socket, timeout: Option<Duration>) -> Result<()> {
    match timeout {
        None => socket.set_nonblocking(false),
        Some(_) => Ok(()),
    }
}

/// With a time-out calls must not block; without one the mode, which others may share, is theirs.
fn settle_shared(socket: &net::Socket, timeout: Option<Duration>) -> Result<()> {
    match timeout {
        None => Ok(()),
        Some(_) => socket.set_nonblocking(true),
    }
}

impl Drop for Socket {
    /// An open socket that nobody can reach any more is closed, and said to be a leak.
    fn drop(&mut self) {
        if self.inner().is_closed() {
            return;
        }
        // At interpreter exit there is nobody to warn.
        Python::try_attach(|py| {
            // The last reference may go while an exception is on its way; that one comes first.
            let on_its_way = PyErr::take(py);
            let text = args::c_text(&format!("unclosed {}", self.__repr__()));
            let category = py.get_type::<PyResourceWarning>();
            if let Err(error) = PyErr::warn(py, &category, &text, 1) {
                error.write_unraisable(py, None);
            }
            if let Some(error) = on_its_way {
                error.restore(py);
            }
        });
        // Registrations and native threads may share the core's socket: they see it closed.
        drop(self.inner().close());
    }
}
