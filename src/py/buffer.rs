#![expect(unsafe_code, reason = "unsafe island 2: memory that Python owns")]
//! Python buffers, handed to the kernel as address and length.
//!
//! A buffer stays exported while [`Data`] or [`Room`] lives, so its memory can neither move nor be
//! freed. Its *content* may be changed by other Python code at the same time; therefore no Rust
//! reference to it is ever made: only the kernel touches the bytes.
//!
//! A [`Span`] is what a system call gets of a buffer; unlike a Python object it may be used without
//! the GIL, and it lives no longer than the export.

use std::mem::MaybeUninit;
use std::ptr;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use super::args::type_name;
use crate::sys::span::{Span, SpanMut};

/// So many buffers of one message need no allocation.
pub(super) const FEW: usize = 4;

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
                let kind = type_name(object);
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

    /// The bytes, for as long as they are exported.
    #[inline]
    pub(super) fn span(&self) -> Span<'_> {
        match self {
            Self::Bytes(bytes) => Span::of(bytes.as_bytes()),
            // SAFETY: the export has so many bytes (PEP 3118), and is not released before `self`.
            Self::Buffer(buffer) => unsafe {
                Span::new(buffer.buf_ptr().cast(), buffer.len_bytes())
            },
        }
    }

    /// A copy.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().to_vec(),
            Self::Buffer(buffer) => {
                let mut copy = vec![0; buffer.len_bytes()];
                let start = buffer.buf_ptr().cast::<u8>();
                // SAFETY: the exported, contiguous buffer has so many bytes (PEP 3118); the target was
                // just made with that length.
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
    /// Exports `object`'s buffer for writing; `what` names the argument in the error.
    pub(super) fn get(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Self> {
        let wrong = || {
            let kind = type_name(object);
            PyTypeError::new_err(format!(
                "{what} must be read-write bytes-like object, not {kind}"
            ))
        };
        let buffer = export(object).map_err(|_| wrong())?;
        if buffer.readonly() || !buffer.is_c_contiguous() {
            return Err(wrong());
        }
        Ok(Self(buffer))
    }

    /// The room, for as long as it is exported.
    pub(super) fn span(&self) -> SpanMut<'_> {
        // SAFETY: the export has so many bytes, writable, and is not released before `self`; no Rust
        // reference to them is ever made.
        unsafe { SpanMut::new(self.0.buf_ptr().cast(), self.0.len_bytes()) }
    }
}

/// `bytes` that nobody has seen yet, to be received into.
#[derive(Debug)]
pub(super) struct NewBytes<'py> {
    object: Bound<'py, PyBytes>,
    size: usize,
}

impl<'py> NewBytes<'py> {
    /// `size` bytes without a value.
    pub(super) fn new(py: Python<'py>, size: usize) -> PyResult<Self> {
        let length = isize::try_from(size).unwrap_or(isize::MAX);
        // SAFETY: NULL asks for bytes without a value; the result is a new object, or NULL with an
        // exception set.
        let raw = unsafe { ffi::PyBytes_FromStringAndSize(ptr::null(), length) };
        // SAFETY: as just said.
        let object = unsafe { Bound::from_owned_ptr_or_err(py, raw) }?;
        let object = object.cast_into::<PyBytes>()?;
        Ok(Self { object, size })
    }

    /// All of it.
    pub(super) fn memory(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: a bytes object.
        let start = unsafe { ffi::PyBytes_AsString(self.object.as_ptr()) };
        // SAFETY: `size` bytes of an object that only `self` has, as long as it is borrowed.
        unsafe { std::slice::from_raw_parts_mut(start.cast(), self.size) }
    }

    /// The object, if so many bytes have been received that each has its value.
    pub(super) fn whole(self, received: usize) -> Option<Bound<'py, PyBytes>> {
        (received == self.size).then_some(self.object)
    }
}
