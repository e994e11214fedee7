//! The descriptor: closing it, duplicates, file objects over it, the standard library's socket.

use std::os::fd::{AsFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::Socket;
use crate::error::{Error, Op};
use crate::net;
use crate::py::args::{self, Fileno};
use crate::py::objects::StdlibSocket;
use crate::py::wait::{Interest, retry};
use crate::sys;
use crate::sys::fd::duplicate_raw;

/// The file objects that `makefile` gave out. They keep the socket open past its `close`, as in the
/// stdlib; the last one closes it.
#[derive(Debug, Default)]
pub(super) struct Files {
    open: AtomicUsize,
    closing: AtomicBool,
}

impl Socket {
    fn close_now(&self, py: Python<'_>) -> PyResult<()> {
        // With SO_LINGER close(2) waits, even in non-blocking mode.
        let closed = if self.inner().lingers() {
            py.detach(|| self.inner().close())
        } else {
            self.inner().close()
        };
        match closed {
            // The peer's reset is no failure of close.
            Err(error) if error.is(libc::ECONNRESET) => Ok(()),
            result => Ok(result?),
        }
    }
}

#[pymethods]
impl Socket {
    /// close(2). Further calls raise OSError (EBADF); closing again does nothing.
    ///
    /// A thread that waits on this socket keeps it open until its wait ends, as poll(2) does, and so
    /// do the file objects of `makefile` until they are closed.
    ///
    /// Raises:
    ///     OSError: what close(2) says (EIO, ...); the descriptor is gone all the same.
    pub(super) fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.files.closing.store(true, Ordering::SeqCst);
        if self.files.open.load(Ordering::SeqCst) > 0 {
            return Ok(());
        }
        self.close_now(py)
    }

    /// Give the open descriptor away; the object is closed from here on.
    ///
    /// Returns:
    ///     The descriptor, which is now yours to close; -1 if it was closed before.
    fn detach(&self) -> RawFd {
        self.files.closing.store(true, Ordering::SeqCst);
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

    /// fcntl(F_GETFD): whether programs started by this one get the descriptor.
    ///
    /// Raises:
    ///     OSError: EBADF.
    fn get_inheritable(&self) -> PyResult<bool> {
        Ok(self
            .inner()
            .call("fcntl(F_GETFD)", sys::fd::is_inheritable)?)
    }

    /// fcntl(F_SETFD): let programs started by this one have the descriptor, or not (the default).
    ///
    /// Raises:
    ///     OSError: EBADF.
    ///
    /// References:
    ///     PEP 446 https://peps.python.org/pep-0446/
    fn set_inheritable(&self, inheritable: bool) -> PyResult<()> {
        Ok(self.inner().call("fcntl(F_SETFD)", |fd| {
            sys::fd::set_inheritable(fd, inheritable)
        })?)
    }

    /// A file object over the socket, as `socket.socket.makefile`.
    ///
    /// It works as the time-out has it: with 0.0, reads return None where there is nothing. Closing
    /// it leaves the socket open; the socket stays open while a file object is.
    ///
    /// Args:
    ///     mode: of "r", "w" and "b"; text without "b".
    ///     buffering: bytes of buffer; 0 (binary only) for none, None for io.DEFAULT_BUFFER_SIZE.
    ///     encoding, errors, newline: for text, as `io.TextIOWrapper`.
    ///
    /// Returns:
    ///     socket.SocketIO without a buffer, else io.BufferedReader, io.BufferedWriter,
    ///     io.BufferedRWPair, or io.TextIOWrapper.
    ///
    /// Raises:
    ///     ValueError: another mode; text without a buffer.
    #[pyo3(signature = (mode = "r", buffering = None, *, encoding = None, errors = None, newline = None) -> "Any")]
    fn makefile<'py>(
        slf: &Bound<'py, Self>,
        mode: &str,
        buffering: Option<i64>,
        encoding: Option<&str>,
        errors: Option<&str>,
        newline: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        static MAKEFILE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        MAKEFILE
            .import(slf.py(), "epollkit._files", "makefile")?
            .call1((slf, mode, buffering, encoding, errors, newline))
    }

    /// Send a file: sendfile(2) for a regular one, which never copies it to this process, else by
    /// reading it.
    ///
    /// Args:
    ///     file: a file object opened in binary mode.
    ///     offset: where to start; bytes.
    ///     count: at most so many bytes; None for all.
    ///
    /// Returns:
    ///     How many bytes were sent. The file's position is behind them, also after an error.
    ///
    /// Raises:
    ///     ValueError: text mode; a count below 1; a socket that is no stream or has time-out 0.0.
    ///     TypeError: a count that is no int.
    ///     OSError: as `send`. TimeoutError: no progress within the time-out.
    ///
    /// References:
    ///     sendfile(2) https://man7.org/linux/man-pages/man2/sendfile.2.html
    #[pyo3(signature = (file, offset = 0, count = None) -> "int")]
    fn sendfile<'py>(
        slf: &Bound<'py, Self>,
        file: &Bound<'py, PyAny>,
        offset: i64,
        count: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        static SENDFILE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        SENDFILE
            .import(slf.py(), "epollkit._files", "sendfile")?
            .call1((slf, file, offset, count))
    }

    /// sendfile(2) of the descriptor `fd`, waiting as the time-out has it until something is sent,
    /// then on for as long as it goes without waiting. For `sendfile`.
    ///
    /// Returns:
    ///     How many of the `count` bytes were sent; 0 at the end of the file.
    ///
    /// Raises:
    ///     OSError, TimeoutError: as `sendfile`, when nothing was sent before it.
    fn _sendfile(&self, py: Python<'_>, fd: Fileno, offset: i64, count: usize) -> PyResult<usize> {
        let file = duplicate_raw(fd.0).op("dup")?;
        let step = |sent: usize| {
            let at = offset.saturating_add_unsigned(sent as u64);
            py.detach(|| {
                self.inner().waiting("sendfile", |socket| {
                    sys::socket::sendfile(socket, file.as_fd(), at, count - sent)
                })
            })
        };
        // The file may have to be read first, so no step keeps the GIL.
        let call = || step(0);
        let mut sent = retry(
            py,
            self.inner(),
            self.timeout.get(),
            Interest::Writable,
            call,
        )?;
        while sent > 0 && sent < count {
            match step(sent) {
                Ok(0) | Err(_) => break, // the next call will see it, too
                Ok(more) => sent += more,
            }
        }
        Ok(sent)
    }

    /// The stdlib's name for the number of `makefile`'s files that are open; for `socket.SocketIO`.
    #[getter]
    fn _io_refs(&self) -> usize {
        self.files.open.load(Ordering::SeqCst)
    }

    /// One file object of `makefile` more.
    fn _incref_socketios(&self) {
        self.files.open.fetch_add(1, Ordering::SeqCst);
    }

    /// The stdlib's name for: one file object of `makefile` less; for `socket.SocketIO`.
    fn _decref_socketios(&self, py: Python<'_>) -> PyResult<()> {
        let less = |open: usize| open.checked_sub(1);
        let order = Ordering::SeqCst;
        let before = self.files.open.fetch_update(order, order, less);
        if before.is_ok_and(|before| before == 1) && self.files.closing.load(order) {
            return self.close_now(py);
        }
        Ok(())
    }

    /// The stdlib's name for: `close` or `detach` was called.
    #[getter]
    fn _closed(&self) -> bool {
        self.files.closing.load(Ordering::SeqCst)
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
