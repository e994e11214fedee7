//! Bytes in and out, and what lies in the queues.

use pyo3::exceptions::{PyBlockingIOError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::Socket;
use crate::py::buffer::{Data, Room};
use crate::py::error::with_note;
use crate::py::objects::{ReadableArg, WritableArg};
use crate::py::recv::{Drained, drain, receive_bytes};
use crate::py::wait::{Transfer, at_once, transfer, transfer_until};
use crate::sys;
use crate::sys::clock::Deadline;
use crate::sys::span::{Span, SpanMut};

#[pymethods]
impl Socket {
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
        if size == 0 {
            // As the stdlib has it: no bytes are there at once, and nobody need be asked.
            return Ok(PyBytes::new(py, &[]));
        }
        let (data, ()) = receive_bytes(py, size, |memory| {
            let call = Transfer::receive("recv", flags);
            transfer(py, self.inner(), self.timeout.get(), call, |fd, flags| {
                sys::socket::recv_filling(fd, memory, flags)
            })
        })?;
        Ok(data)
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
        let room = Room::get(&buffer.0, "recv_into() argument 1")?;
        let room = part_of(&room, nbytes, "recv_into")?;
        if room.is_empty() {
            return Ok(0);
        }
        let call = Transfer::receive("recv", flags);
        transfer(py, self.inner(), self.timeout.get(), call, |fd, flags| {
            sys::socket::recv(fd, room, flags)
        })
    }

    /// send(2). May take fewer bytes than you gave: look at the result. (Without a time-out a stream
    /// socket takes all of them, unless a signal or an error comes between.)
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
        let (data, timeout) = (data.span(), self.timeout.get());
        let call = Transfer::send("send", flags);
        let sent = transfer(py, self.inner(), timeout, call, |fd, flags| {
            sys::socket::send(fd, data, flags)
        })?;
        if sent < data.len() && call.waits_for_all(timeout) {
            return Ok(sent + self.send_rest(py, data.skip(sent), flags));
        }
        Ok(sent)
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
        let data = data.span();
        let deadline = Deadline::after(self.timeout.get());
        let call = Transfer::send("send", flags);
        let mut sent = 0;
        loop {
            let rest = data.skip(sent);
            match transfer_until(py, self.inner(), deadline, call, |fd, flags| {
                sys::socket::send(fd, rest, flags)
            }) {
                Ok(count) => sent += count,
                Err(error) => return Err(partly_sent(py, error, sent, data.len())),
            }
            if sent >= data.len() {
                return Ok(());
            }
            py.check_signals()?;
        }
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
        if size == 0 {
            return Ok(Some(PyBytes::new(py, &[])));
        }
        let (data, received) = receive_bytes(py, size, |memory| {
            at_once(py, || self.inner().recv_filling(memory, flags))
        })?;
        Ok(received.map(|()| data))
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
        let room = Room::get(&buffer.0, "try_recv_into() argument 1")?;
        let room = part_of(&room, nbytes, "try_recv_into")?;
        if room.is_empty() {
            return Ok(Some(0));
        }
        let flags = flags | libc::MSG_DONTWAIT;
        at_once(py, || {
            self.inner()
                .call("recv", |fd| sys::socket::recv(fd, room, flags))
        })
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
        let (data, flags) = (data.span(), flags | libc::MSG_DONTWAIT);
        at_once(py, || {
            self.inner()
                .call("send", |fd| sys::socket::send(fd, data, flags))
        })
    }
}

impl Socket {
    /// What a short send without a time-out goes on with, as the kernel does in blocking mode: until
    /// all is sent, or a signal or an error comes, which the next call will see.
    #[cold]
    pub(super) fn send_rest(&self, py: Python<'_>, rest: Span<'_>, flags: i32) -> usize {
        let call = || {
            self.inner()
                .waiting("send", |fd| sys::socket::send(fd, rest, flags))
        };
        py.detach(call).unwrap_or(0)
    }
}

/// A size that may not be negative.
pub(super) fn size_of_recv(size: isize, call: &str) -> PyResult<usize> {
    usize::try_from(size)
        .map_err(|_| PyValueError::new_err(format!("negative buffersize in {call}")))
}

/// The part of a buffer that is to be filled: `nbytes`, or all of it for 0.
pub(super) fn part_of<'room>(
    room: &'room Room,
    nbytes: isize,
    call: &str,
) -> PyResult<SpanMut<'room>> {
    let room = room.span();
    match size_of_recv(nbytes, call)? {
        0 => Ok(room),
        size if size <= room.len() => Ok(room.take(size)),
        _ => Err(PyValueError::new_err(
            "buffer too small for requested bytes",
        )),
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
