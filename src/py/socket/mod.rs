//! `Socket`: the Python class. This file has its life and its time-out; what it does is beside it:
//!
//! | file         | calls                                                                  |
//! |--------------|------------------------------------------------------------------------|
//! | `connection` | bind, listen, accept, connect, shutdown, who is at the two ends        |
//! | `transfer`   | bytes: recv, send, and what lies in the queues                         |
//! | `options`    | getsockopt, setsockopt                                                 |
//! | `files`      | the descriptor: its number, duplicates, the stdlib's socket            |
//! | `tcp`        | TCP_INFO, and the typed view of the options                            |

mod connection;
mod files;
mod options;
pub(crate) mod tcp;
mod transfer;

use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use pyo3::exceptions::{PyResourceWarning, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::args::{self, Seconds};
use super::objects::{Family, Kind};
use super::wait::{Interest, Timeout, retry};
use crate::net;

/// A Linux socket, non-blocking unless told otherwise.
///
/// socket(2) with SOCK_NONBLOCK | SOCK_CLOEXEC in one call. A superset of the core of
/// `socket.socket`: the same methods, arguments, results and exceptions. Two things differ. The
/// default time-out is 0.0: a call that would have to wait raises BlockingIOError, and its `try_`
/// twin returns None. And the descriptor stays O_NONBLOCK whatever the time-out is; waiting
/// happens in poll(2), with the GIL released, and Ctrl-C ends it.
///
/// Args:
///     family: AF_INET (the default), AF_INET6, AF_UNIX, ...; with `fileno`, asked of the kernel.
///     type: SOCK_STREAM (the default), SOCK_DGRAM, ...; SOCK_NONBLOCK and SOCK_CLOEXEC are always
///         on.
///     proto: protocol number; 0, the default, is the family's own.
///     fileno: take over this open descriptor instead; the object closes it.
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
}

impl Socket {
    pub(in crate::py) fn wrap(socket: net::Socket, timeout: Option<Duration>) -> Self {
        Self {
            opened: OnceLock::from(Arc::new(socket)),
            timeout: Timeout::new(timeout),
        }
    }

    /// The core's socket, to be shared with native threads and with registrations.
    #[inline]
    pub(in crate::py) fn inner(&self) -> &Arc<net::Socket> {
        static NONE: LazyLock<Arc<net::Socket>> = LazyLock::new(|| Arc::new(net::Socket::closed()));
        self.opened.get().unwrap_or_else(|| &NONE)
    }

    fn retry<T>(
        &self,
        py: Python<'_>,
        interest: Interest,
        call: impl FnMut() -> crate::error::Result<T>,
    ) -> PyResult<T> {
        retry(py, self.inner(), self.timeout.get(), interest, call)
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
        }
    }

    #[pyo3(signature = (family = -1, r#type = -1, proto = -1, fileno = None, *, timeout = Some(Seconds::ZERO)))]
    fn __init__(
        &self,
        family: i32,
        r#type: i32,
        proto: i32,
        fileno: Option<args::Fileno>,
        timeout: Option<Seconds>,
    ) -> PyResult<()> {
        if self.opened.get().is_some() {
            return Err(PyRuntimeError::new_err(
                "Socket.__init__ must be called once",
            ));
        }
        let timeout = args::timeout(timeout)?;
        let known = |value: i32| (value != -1).then_some(value);
        let socket = match fileno {
            Some(fd) => net::Socket::from_raw_fd(fd.0, known(family), known(r#type), known(proto))?,
            None => net::Socket::new(
                known(family).unwrap_or(libc::AF_INET),
                known(r#type).unwrap_or(libc::SOCK_STREAM),
                known(proto).unwrap_or(0),
            )?,
        };
        self.timeout.set(timeout);
        // Another thread was first: that one's socket stays, this one is closed.
        self.opened
            .set(Arc::new(socket))
            .map_err(|_| PyRuntimeError::new_err("Socket.__init__ must be called once"))
    }

    /// close(2). Further calls raise OSError (EBADF); closing again does nothing.
    ///
    /// A thread that waits on this socket keeps it open until its wait ends, as poll(2) does.
    ///
    /// Raises:
    ///     OSError: what close(2) says (EIO, ...); the descriptor is gone all the same.
    fn close(&self) -> PyResult<()> {
        match self.inner().close() {
            // The peer's reset is no failure of close.
            Err(error) if error.is(libc::ECONNRESET) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Whether calls may wait: the time-out is not 0.0.
    fn getblocking(&self) -> bool {
        self.timeout.get() != Some(Duration::ZERO)
    }

    /// Seconds that a call may wait; None for ever, 0.0 never.
    fn gettimeout(&self) -> Option<f64> {
        self.timeout.get().map(|timeout| timeout.as_secs_f64())
    }

    /// settimeout(None) for a true flag, settimeout(0.0) for a false one.
    fn setblocking(&self, flag: &Bound<'_, PyAny>) -> PyResult<()> {
        let timeout = if flag.is_truthy()? {
            None
        } else {
            Some(Duration::ZERO)
        };
        self.timeout.set(timeout);
        Ok(())
    }

    /// Set the seconds that a call may wait.
    ///
    /// Args:
    ///     timeout: seconds; None for ever, 0.0 never.
    ///
    /// Raises:
    ///     ValueError: a negative number.
    fn settimeout(&self, timeout: Option<Seconds>) -> PyResult<()> {
        self.timeout.set(args::timeout(timeout)?);
        Ok(())
    }

    /// Whether the object has been closed or detached.
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
    fn __exit__(&self, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close()
    }

    fn __repr__(&self) -> String {
        format!("<epollkit.Socket {}>", self.inner())
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
