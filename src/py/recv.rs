//! Receiving: memory for one call, and as many calls as it takes.

use std::mem::MaybeUninit;

use pyo3::exceptions::{PyMemoryError, PyOSError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::buffer::NewBytes;
use super::objects::PairIterator;
use crate::net::Socket;
use crate::sys::filling::Filling;

/// How much `drain` reads at a time, and up to where `recv` reads into little stack.
const SCRATCH: usize = 4096;
/// Up to here `recv` reads into the stack: what comes is mostly less than what is asked for, and a
/// copy of that is cheaper than memory for all. Beyond, it reads into the object.
const LARGE_SCRATCH: usize = 16 * 1024;

/// Runs `receive` with memory for `size` bytes, and makes `bytes` of what it has filled: of the stack
/// for small sizes, else in an object's own memory, which is copied from only if less came.
#[inline]
pub(super) fn receive_bytes<R>(
    py: Python<'_>,
    size: usize,
    receive: impl FnOnce(&mut Filling<'_>) -> PyResult<R>,
) -> PyResult<(Bound<'_, PyBytes>, R)> {
    if size <= SCRATCH {
        return on_the_stack::<SCRATCH, R>(py, size, receive);
    }
    receive_large(py, size, receive)
}

#[inline]
fn on_the_stack<const MOST: usize, R>(
    py: Python<'_>,
    size: usize,
    receive: impl FnOnce(&mut Filling<'_>) -> PyResult<R>,
) -> PyResult<(Bound<'_, PyBytes>, R)> {
    let mut scratch = [MaybeUninit::uninit(); MOST];
    let mut memory = Filling::over(&mut scratch[..size]);
    let result = receive(&mut memory)?;
    Ok((PyBytes::new(py, memory.filled()), result))
}

/// Apart, so that small sizes need little stack.
#[inline(never)]
fn receive_large<R>(
    py: Python<'_>,
    size: usize,
    receive: impl FnOnce(&mut Filling<'_>) -> PyResult<R>,
) -> PyResult<(Bound<'_, PyBytes>, R)> {
    if size <= LARGE_SCRATCH {
        return on_the_stack::<LARGE_SCRATCH, R>(py, size, receive);
    }
    let mut bytes = NewBytes::new(py, size)?;
    let mut memory = Filling::over(bytes.memory());
    let result = receive(&mut memory)?;
    let received = memory.filled().len();
    let part = (received < size).then(|| PyBytes::new(py, memory.filled()));
    let data = part.or_else(|| bytes.whole(received));
    Ok((data.ok_or_else(|| no_room(size))?, result))
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
