//! Bytes in and out, and what lies in the queues.

use pyo3::exceptions::{PyBlockingIOError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::Socket;
use crate::py::buffer::{Data, Room};
use crate::py::error::with_note;
use crate::py::objects::{ReadableArg, WritableArg};
use crate::py::recv::{Drained, drain, large_room, recv_bytes};
use crate::py::wait::{Interest, at_once, retry_until};
use crate::sys::clock::Deadline;

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
