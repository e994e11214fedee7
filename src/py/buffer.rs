#![expect(unsafe_code, reason = "unsafe island 2: memory that Python owns")]
//! Python buffers, handed to the kernel as address and length.
//!
//! A buffer stays exported while [`Data`] or [`Room`] lives, so its memory can neither move nor be
//! freed. Its *content* may be changed by other Python code at the same time; therefore no Rust
//! reference to it is ever made: only the kernel touches the bytes.

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use crate::error::Result;
use crate::net::Socket;
use crate::sys;

/// Exports `object`'s buffer. Some (ctypes arrays) leave the strides out, which pyo3 refuses and a
/// memoryview fills in.
fn export(object: &Bound<'_, PyAny>) -> PyResult<PyUntypedBuffer> {
    PyUntypedBuffer::get(object).or_else(|error| {
        let view = PyMemoryView::from(object).map_err(|_| error)?;
        PyUntypedBuffer::get(&view)
    })
}

/// Bytes to be read: `bytes`, which nobody can change, or any contiguous buffer.
#[derive(Debug)]
pub(super) enum Data<'py> {
    Bytes(Bound<'py, PyBytes>),
    Buffer(PyUntypedBuffer),
}

impl<'py> Data<'py> {
    /// Exports `object`'s buffer.
    #[inline]
    pub(super) fn get(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.clone()));
        }
        let buffer = export(object).map_err(|error| {
            if error.is_instance_of::<PyTypeError>(object.py()) {
                let kind = object.get_type().name().map(|name| name.to_string());
                let kind = kind.unwrap_or_else(|_| "?".to_owned());
                PyTypeError::new_err(format!("a bytes-like object is required, not '{kind}'"))
            } else {
                error
            }
        })?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err(
                "memoryview: underlying buffer is not C-contiguous",
            ));
        }
        Ok(Self::Buffer(buffer))
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().len(),
            Self::Buffer(buffer) => buffer.len_bytes(),
        }
    }

    /// send(2) of what lies behind the first `skip` bytes.
    #[inline]
    pub(super) fn send(&self, socket: &Socket, skip: usize, flags: i32) -> Result<usize> {
        match self {
            Self::Bytes(bytes) => socket.send(bytes.as_bytes().get(skip..).unwrap_or(&[]), flags),
            Self::Buffer(buffer) => {
                let skip = skip.min(buffer.len_bytes());
                let start = buffer.buf_ptr().cast::<u8>().wrapping_add(skip);
                let length = buffer.len_bytes() - skip;
                socket.call("send", |fd| {
                    // SAFETY: the exported, contiguous buffer has `length` bytes from `start` on
                    // (PEP 3118) and is not released during the call.
                    unsafe { sys::socket::send_raw(fd, start, length, flags) }
                })
            }
        }
    }

    /// A copy.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().to_vec(),
            Self::Buffer(buffer) => {
                let mut copy = vec![0; buffer.len_bytes()];
                let start = buffer.buf_ptr().cast::<u8>();
                // SAFETY: the source as in `send`; the target was just made with that length.
                unsafe { start.copy_to_nonoverlapping(copy.as_mut_ptr(), copy.len()) };
                copy
            }
        }
    }
}

/// Room to be filled: a writable contiguous buffer.
#[derive(Debug)]
pub(super) struct Room(PyUntypedBuffer);

impl Room {
    /// Exports `object`'s buffer for writing.
    pub(super) fn get(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let wrong = || {
            let kind = object.get_type().name().map(|name| name.to_string());
            let kind = kind.unwrap_or_else(|_| "?".to_owned());
            PyTypeError::new_err(format!(
                "recv_into() argument 1 must be read-write bytes-like object, not {kind}"
            ))
        };
        let buffer = export(object).map_err(|_| wrong())?;
        if buffer.readonly() || !buffer.is_c_contiguous() {
            return Err(wrong());
        }
        Ok(Self(buffer))
    }

    /// Length in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.len_bytes()
    }

    /// recv(2) of at most `length` bytes, and at most what fits.
    #[inline]
    pub(super) fn recv(&self, socket: &Socket, length: usize, flags: i32) -> Result<usize> {
        let start = self.0.buf_ptr().cast::<u8>();
        let length = length.min(self.len());
        if length == 0 {
            // As the stdlib has it: no bytes are there at once, and nobody need be asked.
            return Ok(0);
        }
        socket.call("recv", |fd| {
            // SAFETY: the exported, writable, contiguous buffer has `length` bytes and is not
            // released during the call.
            unsafe { sys::socket::recv_raw(fd, start, length, flags) }
        })
    }
}
