//! `Socket`: the Python class.

use std::os::fd::RawFd;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use pyo3::exceptions::{
    PyBlockingIOError, PyOSError, PyResourceWarning, PyRuntimeError, PyTimeoutError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use super::args::{self, Address, Seconds, address_to_py};
use super::buffer::{Data, Room};
use super::error::with_note;
use super::objects::{Family, Kind, OptionArg, ReadableArg, StdlibSocket, WritableArg};
use super::recv::{Drained, drain, large_room, recv_bytes};
use super::wait::{Interest, Timeout, retry, retry_until, until_ready};
use crate::error::Error;
use crate::net;
use crate::net::Progress;
use crate::net::connect::{is_under_way, look};
use crate::sys;
use crate::sys::clock::Deadline;

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
    pub(super) fn wrap(socket: net::Socket, timeout: Option<Duration>) -> Self {
        Self {
            opened: OnceLock::from(Arc::new(socket)),
            timeout: Timeout::new(timeout),
        }
    }

    /// The core's socket, to be shared with native threads and with registrations.
    #[inline]
    pub(super) fn inner(&self) -> &Arc<net::Socket> {
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
    fn connect_errno(&self, py: Python<'_>, address: &Address<'_>) -> PyResult<Result<(), Error>> {
        let address = address.for_family("connect", self.inner().family())?;
        let timeout = self.timeout.get();
        match self.inner().connect(&address) {
            Err(error) if is_under_way(&error) && timeout != Some(Duration::ZERO) => {
                until_ready(
                    py,
                    self.inner(),
                    Deadline::after(timeout),
                    Interest::Writable,
                )?;
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
        let accepted = self.retry(py, Interest::Readable, || self.inner().accept())?;
        Self::accepted(py, accepted)
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
            match self.inner().accept() {
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
            .bind(&address.for_family("bind", self.inner().family())?)?)
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

    /// connect(2).
    ///
    /// Args:
    ///     address: as for `bind`. A host name is resolved, and that may take its time; see
    ///         `epollkit.connect` for one deadline over both.
    ///
    /// Raises:
    ///     BlockingIOError: EINPROGRESS, under way. Wait until the socket is writable, then read
    ///         `error()`; `Connecting` does it for you. On a Unix socket EAGAIN: the backlog is
    ///         full.
    ///     ConnectionRefusedError: nobody listens there.
    ///     TimeoutError: not connected within the time-out.
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
            Err(error) if error.is_instance_of::<PyTimeoutError>(py) => Ok(libc::EAGAIN),
            Err(error) => Err(error),
        }
    }

    /// Give the open descriptor away; the object is closed from here on.
    ///
    /// Returns:
    ///     The descriptor, which is now yours to close; -1 if it was closed before.
    fn detach(&self) -> RawFd {
        self.inner().detach()
    }

    /// Read until there is no more: the edge-triggered read loop in one call. Never waits.
    ///
    /// Args:
    ///     limit: stop after so many bytes.
    ///
    /// Returns:
    ///     Drained(data, eof): `eof` says that the peer has shut down its side. An error behind
    ///     some data does not lose them: it is in `error`. `limited` says that there may be more.
    ///
    /// Raises:
    ///     OSError: ECONNRESET, ENOTCONN, ... when there was no data before it.
    ///     ValueError: a limit below 1.
    #[pyo3(signature = (limit = 1 << 20))]
    fn drain(&self, py: Python<'_>, limit: isize) -> PyResult<Drained> {
        let limit = usize::try_from(limit)
            .ok()
            .filter(|limit| *limit > 0)
            .ok_or_else(|| {
                PyValueError::new_err(format!("drain(): limit must be at least 1, not {limit}"))
            })?;
        drain(py, self.inner(), limit)
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

    /// SO_ERROR: the pending error. Reading it clears it.
    ///
    /// Returns:
    ///     The errno, or 0.
    fn error(&self) -> PyResult<i32> {
        Ok(self.inner().take_error()?)
    }

    /// The descriptor's number; -1 once closed.
    pub(super) fn fileno(&self) -> RawFd {
        self.inner().fileno()
    }

    /// Whether calls may wait: the time-out is not 0.0.
    fn getblocking(&self) -> bool {
        self.timeout.get() != Some(Duration::ZERO)
    }

    /// getpeername(2): the address at the other end.
    ///
    /// Raises:
    ///     OSError: ENOTCONN.
    fn getpeername<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        address_to_py(py, self.inner().getpeername()?.as_ref())
    }

    /// getsockname(2): the local address.
    ///
    /// Raises:
    ///     OSError: EBADF.
    fn getsockname<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        address_to_py(py, self.inner().getsockname()?.as_ref())
    }

    /// getsockopt(2).
    ///
    /// Args:
    ///     level: SOL_SOCKET, IPPROTO_TCP, ...
    ///     optname: SO_*, TCP_*, ...
    ///     buflen: 0, the default, for an int; else at most so many bytes, at most 1024.
    ///
    /// Returns:
    ///     int, or bytes where `buflen` is given.
    ///
    /// Raises:
    ///     OSError: ENOPROTOOPT, EINVAL; a buflen out of range.
    #[pyo3(signature = (level, optname, buflen = 0) -> "Any")]
    fn getsockopt<'py>(
        &self,
        py: Python<'py>,
        level: i32,
        optname: i32,
        buflen: isize,
    ) -> PyResult<Bound<'py, PyAny>> {
        if buflen == 0 {
            let value = self.inner().getsockopt_int(level, optname)?;
            return Ok(value.into_pyobject(py)?.into_any());
        }
        match usize::try_from(buflen) {
            Ok(length) if length <= 1024 => {
                let mut value = vec![0; length];
                let filled = self.inner().getsockopt(level, optname, &mut value)?;
                Ok(PyBytes::new(py, value.get(..filled).unwrap_or(&value)).into_any())
            }
            _ => Err(PyOSError::new_err("getsockopt buflen out of range")),
        }
    }

    /// Seconds that a call may wait; None for ever, 0.0 never.
    fn gettimeout(&self) -> Option<f64> {
        self.timeout.get().map(|timeout| timeout.as_secs_f64())
    }

    /// SIOCINQ: bytes in the receive queue.
    ///
    /// Raises:
    ///     OSError: EINVAL on a listener.
    ///
    /// References:
    ///     tcp(7), unix(7)
    fn inq(&self) -> PyResult<usize> {
        Ok(self.inner().inq()?)
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

    /// SIOCOUTQ: bytes that were sent but not acknowledged, and bytes not sent yet.
    ///
    /// Raises:
    ///     OSError: EINVAL on a listener.
    fn outq(&self) -> PyResult<usize> {
        Ok(self.inner().outq()?)
    }

    /// recv(2).
    ///
    /// Args:
    ///     bufsize: at most so many bytes.
    ///     flags: MSG_*.
    ///
    /// Returns:
    ///     bytes, 1 to `bufsize` of them; b"" at end of stream (or for an empty datagram).
    ///
    /// Raises:
    ///     BlockingIOError: EAGAIN, nothing there.
    ///     TimeoutError: nothing within the time-out.
    ///     ConnectionResetError: the peer has reset the connection.
    ///     OSError: ENOTCONN, EBADF, ...
    ///     ValueError: a negative size.
    ///     MemoryError: a size that there is no memory for.
    ///
    /// References:
    ///     recv(2) https://man7.org/linux/man-pages/man2/recv.2.html
    #[pyo3(signature = (bufsize, flags = 0))]
    fn recv<'py>(
        &self,
        py: Python<'py>,
        bufsize: isize,
        flags: i32,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let size = size_of_recv(bufsize, "recv")?;
        let mut room = large_room(size)?;
        self.retry(py, Interest::Readable, || {
            recv_bytes(py, self.inner(), size, flags, &mut room)
        })
    }

    /// recv(2) into a buffer of yours.
    ///
    /// Args:
    ///     buffer: writable and contiguous.
    ///     nbytes: at most so many; 0 for the buffer's length.
    ///     flags: MSG_*.
    ///
    /// Returns:
    ///     How many bytes arrived; 0 at end of stream.
    ///
    /// Raises:
    ///     TypeError: a read-only buffer.
    ///     ValueError: a negative size, or one beyond the buffer.
    ///     OSError: as `recv`.
    #[pyo3(signature = (buffer, nbytes = 0, flags = 0))]
    fn recv_into(
        &self,
        py: Python<'_>,
        buffer: WritableArg<'_>,
        nbytes: isize,
        flags: i32,
    ) -> PyResult<usize> {
        let room = Room::get(&buffer.0)?;
        let size = size_of_recv_into(&room, nbytes)?;
        self.retry(py, Interest::Readable, || {
            room.recv(self.inner(), size, flags)
        })
    }

    /// send(2). May take fewer bytes than you gave: look at the result.
    ///
    /// Args:
    ///     data: bytes or any contiguous buffer.
    ///     flags: MSG_*; MSG_NOSIGNAL is always on.
    ///
    /// Returns:
    ///     How many bytes the kernel took over. That is not to say that the peer has them: `outq`
    ///     tells.
    ///
    /// Raises:
    ///     BlockingIOError: EAGAIN, the send buffer is full.
    ///     TimeoutError: full for as long as the time-out.
    ///     BrokenPipeError: EPIPE, the connection's sending side is gone.
    ///     ConnectionResetError: the peer has reset the connection.
    ///
    /// References:
    ///     send(2) https://man7.org/linux/man-pages/man2/send.2.html
    #[pyo3(signature = (data, flags = 0))]
    fn send(&self, py: Python<'_>, data: ReadableArg<'_>, flags: i32) -> PyResult<usize> {
        let data = Data::get(&data.0)?;
        self.retry(py, Interest::Writable, || data.send(self.inner(), 0, flags))
    }

    /// Send all of the data, waiting as often as needed; the time-out is for the whole.
    ///
    /// Args:
    ///     data: bytes or any contiguous buffer.
    ///     flags: MSG_*; MSG_NOSIGNAL is always on.
    ///
    /// Raises:
    ///     BlockingIOError: EAGAIN when the time-out is 0.0. `characters_written` says how many
    ///         bytes had been sent; so does a note on any other error.
    ///     TimeoutError: the time-out is up.
    ///     OSError: as `send`.
    #[pyo3(signature = (data, flags = 0))]
    fn sendall(&self, py: Python<'_>, data: ReadableArg<'_>, flags: i32) -> PyResult<()> {
        let data = Data::get(&data.0)?;
        let deadline = Deadline::after(self.timeout.get());
        let mut sent = 0;
        loop {
            let call = || data.send(self.inner(), sent, flags);
            match retry_until(py, self.inner(), deadline, Interest::Writable, call) {
                Ok(count) => sent += count,
                Err(error) => return Err(partly_sent(py, error, sent, data.len())),
            }
            if sent >= data.len() {
                return Ok(());
            }
            py.check_signals()?;
        }
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

    /// setsockopt(2).
    ///
    /// Args:
    ///     level: SOL_SOCKET, IPPROTO_TCP, ...
    ///     optname: SO_*, TCP_*, ...
    ///     value: int, a buffer, or None with `optlen` (a NULL pointer).
    ///     optlen: only with None.
    ///
    /// Raises:
    ///     OSError: ENOPROTOOPT, EINVAL, EPERM, ...
    ///     TypeError: a value of another type; `optlen` without None, or None without it.
    #[pyo3(signature = (level, optname, value, optlen = None))]
    fn setsockopt(
        &self,
        level: i32,
        optname: i32,
        value: OptionArg<'_>,
        optlen: Option<args::Mask>,
    ) -> PyResult<()> {
        match (value.0.is_none(), optlen) {
            (true, Some(length)) => Ok(self.inner().call("setsockopt", |fd| {
                sys::socket::setsockopt_null(fd, level, optname, length.0)
            })?),
            (false, None) => {
                Ok(self
                    .inner()
                    .setsockopt(level, optname, &args::option_value(&value.0)?)?)
            }
            (true, None) => Err(pyo3::exceptions::PyTypeError::new_err(
                "setsockopt(): None needs optlen",
            )),
            (false, Some(_)) => Err(pyo3::exceptions::PyTypeError::new_err(
                "setsockopt(): optlen goes with None only",
            )),
        }
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
        at_once(py, || self.inner().accept())?
            .map(|accepted| Self::accepted(py, accepted))
            .transpose()
    }

    /// `recv`, with None where it would have to wait. Never waits, whatever the time-out.
    #[pyo3(signature = (bufsize, flags = 0))]
    fn try_recv<'py>(
        &self,
        py: Python<'py>,
        bufsize: isize,
        flags: i32,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let size = size_of_recv(bufsize, "try_recv")?;
        let mut room = large_room(size)?;
        at_once(py, || recv_bytes(py, self.inner(), size, flags, &mut room))
    }

    /// `recv_into`, with None where it would have to wait. Never waits, whatever the time-out.
    #[pyo3(signature = (buffer, nbytes = 0, flags = 0))]
    fn try_recv_into(
        &self,
        py: Python<'_>,
        buffer: WritableArg<'_>,
        nbytes: isize,
        flags: i32,
    ) -> PyResult<Option<usize>> {
        let room = Room::get(&buffer.0)?;
        let size = size_of_recv_into(&room, nbytes)?;
        at_once(py, || room.recv(self.inner(), size, flags))
    }

    /// `send`, with None where it would have to wait. Never waits, whatever the time-out.
    #[pyo3(signature = (data, flags = 0))]
    fn try_send(
        &self,
        py: Python<'_>,
        data: ReadableArg<'_>,
        flags: i32,
    ) -> PyResult<Option<usize>> {
        let data = Data::get(&data.0)?;
        at_once(py, || data.send(self.inner(), 0, flags))
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

fn size_of_recv(size: isize, call: &str) -> PyResult<usize> {
    usize::try_from(size)
        .map_err(|_| PyValueError::new_err(format!("negative buffersize in {call}")))
}

fn size_of_recv_into(room: &Room, size: isize) -> PyResult<usize> {
    match size_of_recv(size, "recv_into")? {
        0 => Ok(room.len()),
        size if size <= room.len() => Ok(size),
        _ => Err(PyValueError::new_err(
            "buffer too small for requested bytes",
        )),
    }
}

/// One call that must not wait: None for EAGAIN, again after EINTR.
#[inline]
fn at_once<T>(
    py: Python<'_>,
    mut call: impl FnMut() -> crate::error::Result<T>,
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

/// Says in the exception of `sendall` how far it came.
fn partly_sent(py: Python<'_>, error: PyErr, sent: usize, length: usize) -> PyErr {
    let value = error.value(py);
    if value.is_instance_of::<PyBlockingIOError>()
        && let Err(refused) = value.setattr("characters_written", sent)
    {
        return refused;
    }
    with_note(
        py,
        error,
        &format!("sendall: {sent} of {length} bytes were sent"),
    )
}
