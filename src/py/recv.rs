//! Receiving: memory for one call, and as many calls as it takes.

use std::mem::MaybeUninit;

use pyo3::exceptions::{PyMemoryError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::objects::PairIterator;
use crate::net::Socket;
use crate::sys::filling::Filling;

/// How much `drain` reads at a time, and up to where `recv` reads into little stack.
const SCRATCH: usize = 4096;
/// Up to here `recv` reads into the stack; beyond, into memory of the size asked for.
const LARGE_SCRATCH: usize = 64 * 1024;

/// Runs `receive` with memory for `size` bytes: `bytes` cannot shrink, and zero-filling it would cost
/// more than the copy of what did arrive.
#[inline]
pub(super) fn with_memory<R>(
    size: usize,
    receive: impl FnOnce(&mut Filling<'_>) -> PyResult<R>,
) -> PyResult<R> {
    if size <= SCRATCH {
        let mut scratch = [MaybeUninit::uninit(); SCRATCH];
        return receive(&mut Filling::over(&mut scratch[..size]));
    }
    with_large_memory(size, receive)
}

#[inline(never)]
#[expect(
    clippy::large_stack_arrays,
    reason = "64 KiB of a thread's 8 MiB, for as long as one call"
)]
fn with_large_memory<R>(
    size: usize,
    receive: impl FnOnce(&mut Filling<'_>) -> PyResult<R>,
) -> PyResult<R> {
    if size <= LARGE_SCRATCH {
        let mut scratch = [MaybeUninit::uninit(); LARGE_SCRATCH];
        return receive(&mut Filling::over(&mut scratch[..size]));
    }
    let mut room = Vec::new();
    room.try_reserve_exact(size).map_err(|_| no_room(size))?;
    receive(&mut Filling::over(&mut room.spare_capacity_mut()[..size]))
}

/// There is no memory for what was asked for.
pub(super) fn no_room(size: usize) -> PyErr {
    PyMemoryError::new_err(format!("no room for {size} bytes"))
}

/// Reads until there is nothing left, the stream ends, or `limit` bytes have come. An error behind
/// some data is kept beside them.
pub(super) fn drain(py: Python<'_>, socket: &Socket, limit: usize) -> PyResult<Drained> {
    let mut data = Vec::new();
    let mut scratch = [MaybeUninit::uninit(); SCRATCH];
    let (mut eof, mut error, mut limited) = (false, None, true);
    while data.len() < limit {
        let room = scratch.len().min(limit - data.len());
        let mut memory = Filling::over(&mut scratch[..room]);
        match socket.recv_filling(&mut memory, 0) {
            Ok(()) if memory.filled().is_empty() => eof = true,
            Ok(()) => {
                data.extend_from_slice(memory.filled());
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
