//! Receiving: one recv(2) into `bytes`, and as many as it takes.

use std::mem::MaybeUninit;

use pyo3::exceptions::{PyMemoryError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::objects::PairIterator;
use crate::error::Result;
use crate::net::Socket;

/// How much `drain` and small `recv` calls read at a time.
const SCRATCH: usize = 4096;
/// Up to here `recv` reads into the stack; beyond, into a buffer of the size asked for.
const LARGE_SCRATCH: usize = 64 * 1024;

/// recv(2) through scratch memory: `bytes` cannot shrink, and zero-filling it would cost more than
/// the copy of what did arrive.
#[inline]
pub(super) fn recv_bytes<'py>(
    py: Python<'py>,
    socket: &Socket,
    size: usize,
    flags: i32,
    room: &mut Vec<u8>,
) -> Result<Bound<'py, PyBytes>> {
    if size == 0 {
        // As the stdlib has it: no bytes are there at once, and nobody need be asked.
        return Ok(PyBytes::new(py, &[]));
    }
    if size <= SCRATCH {
        let mut scratch = [MaybeUninit::uninit(); SCRATCH];
        let received = socket.recv_uninit(&mut scratch[..size], flags)?;
        return Ok(PyBytes::new(py, received));
    }
    recv_large(py, socket, size, flags, room)
}

#[inline(never)]
#[expect(
    clippy::large_stack_arrays,
    reason = "64 KiB of a thread's 8 MiB, for as long as one call"
)]
fn recv_large<'py>(
    py: Python<'py>,
    socket: &Socket,
    size: usize,
    flags: i32,
    room: &mut Vec<u8>,
) -> Result<Bound<'py, PyBytes>> {
    if size > LARGE_SCRATCH {
        let received = socket.recv_uninit(&mut room.spare_capacity_mut()[..size], flags)?;
        return Ok(PyBytes::new(py, received));
    }
    let mut scratch = [MaybeUninit::uninit(); LARGE_SCRATCH];
    let received = socket.recv_uninit(&mut scratch[..size], flags)?;
    Ok(PyBytes::new(py, received))
}

/// Room for a recv(2) that is too large for the stack; none for others.
pub(super) fn large_room(size: usize) -> PyResult<Vec<u8>> {
    let mut room = Vec::new();
    if size > LARGE_SCRATCH {
        room.try_reserve_exact(size)
            .map_err(|_| PyMemoryError::new_err(format!("no room for {size} bytes")))?;
    }
    Ok(room)
}

/// Reads until there is nothing left, the stream ends, or `limit` bytes have come. An error behind
/// some data is kept beside them.
pub(super) fn drain(py: Python<'_>, socket: &Socket, limit: usize) -> PyResult<Drained> {
    let mut data = Vec::new();
    let mut scratch = [MaybeUninit::uninit(); SCRATCH];
    let (mut eof, mut error, mut limited) = (false, None, true);
    while data.len() < limit {
        let room = scratch.len().min(limit - data.len());
        match socket.recv_uninit(&mut scratch[..room], 0) {
            Ok([]) => eof = true,
            Ok(chunk) => {
                data.extend_from_slice(chunk);
                continue;
            }
            Err(seen) if seen.is(libc::EINTR) => continue,
            Err(seen) if seen.is(libc::EAGAIN) => {}
            Err(seen) if data.is_empty() => return Err(seen.into()),
            Err(seen) => error = Some(os_error(py, seen.into())?),
        }
        limited = false;
        break;
    }
    Ok(Drained {
        data: PyBytes::new(py, &data).unbind(),
        eof,
        limited,
        error,
    })
}

/// The exception object of an error that is an `OSError`.
pub(super) fn os_error(py: Python<'_>, error: PyErr) -> PyResult<Py<PyOSError>> {
    Ok(error
        .into_value(py)
        .into_bound(py)
        .cast_into::<PyOSError>()?
        .unbind())
}

/// What `Socket.drain` read. Unpacks to `data, eof`.
#[pyclass(frozen, get_all, module = "epollkit")]
#[derive(Debug)]
pub(crate) struct Drained {
    /// What was there to be read.
    data: Py<PyBytes>,
    /// The peer has shut down its side: no more will come.
    eof: bool,
    /// The limit was reached: there may be more to read now.
    limited: bool,
    /// The error that came after the data, or None.
    error: Option<Py<PyOSError>>,
}

#[pymethods]
impl Drained {
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<PairIterator<'py>> {
        Ok(PairIterator(
            (self.data.clone_ref(py), self.eof)
                .into_pyobject(py)?
                .try_iter()?,
        ))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (eof, limited) = (python_bool(self.eof), python_bool(self.limited));
        let error = match &self.error {
            Some(error) => error.bind(py).repr()?.to_string(),
            None => "None".to_owned(),
        };
        let data = self.data.bind(py).repr()?;
        Ok(format!(
            "Drained(data={data}, eof={eof}, limited={limited}, error={error})"
        ))
    }
}

fn python_bool(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}
