#![expect(unsafe_code, reason = "unsafe island 2: memory that Python owns")]
//! Python buffers, handed to the kernel as address and length.
//!
//! A buffer stays exported while [`Data`] or [`Room`] lives, so its memory can neither move nor be
//! freed. Its *content* may be changed by other Python code at the same time; therefore no Rust
//! reference to it is ever made: only the kernel touches the bytes.
//!
//! A [`Span`] is what a system call gets of a buffer: an address and a length, which unlike Python
//! objects may be used without the GIL, and which live no longer than the export.

use std::io;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use socket2::SockAddr;

use crate::sys;
use crate::sys::message::{Outgoing, Received};

/// Memory of a live export: readable, and writable if it came from a [`Room`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'export> {
    address: usize,
    length: usize,
    export: PhantomData<&'export ()>,
}

impl Span<'_> {
    fn new(start: *const u8, length: usize) -> Self {
        Self {
            address: start.expose_provenance(),
            length,
            export: PhantomData,
        }
    }

    /// Length in bytes.
    pub(super) fn len(self) -> usize {
        self.length
    }

    /// What lies behind the first `count` bytes.
    pub(super) fn skip(self, count: usize) -> Self {
        let count = count.min(self.length);
        Self {
            address: self.address + count,
            length: self.length - count,
            ..self
        }
    }

    /// The first `count` bytes.
    pub(super) fn take(self, count: usize) -> Self {
        Self {
            length: self.length.min(count),
            ..self
        }
    }

    fn start(self) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.address)
    }

    pub(super) fn iovec(self) -> libc::iovec {
        libc::iovec {
            iov_base: self.start().cast(),
            iov_len: self.length,
        }
    }

    /// send(2).
    #[inline]
    pub(super) fn send(self, fd: BorrowedFd<'_>, flags: i32) -> io::Result<usize> {
        // SAFETY: the export is alive and has these bytes (PEP 3118).
        unsafe { sys::socket::send_raw(fd, self.start(), self.length, flags) }
    }

    /// sendto(2).
    #[inline]
    pub(super) fn sendto(self, fd: BorrowedFd<'_>, flags: i32, to: &SockAddr) -> io::Result<usize> {
        // SAFETY: as in `send`.
        unsafe { sys::message::sendto(fd, self.start(), self.length, flags, to) }
    }
}

/// A [`Span`] that may be written to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writable<'export>(Span<'export>);

impl Writable<'_> {
    /// Length in bytes.
    pub(super) fn len(self) -> usize {
        self.0.len()
    }

    /// The first `count` bytes.
    pub(super) fn take(self, count: usize) -> Self {
        Self(self.0.take(count))
    }

    /// recv(2).
    #[inline]
    pub(super) fn recv(self, fd: BorrowedFd<'_>, flags: i32) -> io::Result<usize> {
        // SAFETY: the export is alive, writable, and has these bytes.
        unsafe { sys::socket::recv_raw(fd, self.0.start(), self.0.length, flags) }
    }

    /// recvfrom(2).
    #[inline]
    pub(super) fn recvfrom(self, fd: BorrowedFd<'_>, flags: i32) -> io::Result<(usize, SockAddr)> {
        // SAFETY: as in `recv`.
        unsafe { sys::message::recvfrom(fd, self.0.start(), self.0.length, flags) }
    }
}

/// sendmsg(2), gathering from all the spans.
pub(super) fn sendmsg(
    fd: BorrowedFd<'_>,
    spans: &[Span<'_>],
    to: Option<&SockAddr>,
    control: &[u8],
    flags: i32,
) -> io::Result<usize> {
    let parts: Vec<libc::iovec> = spans.iter().map(|span| span.iovec()).collect();
    // SAFETY: each span's export is alive and has these bytes.
    unsafe { sys::message::sendmsg(fd, &parts, to, control, flags) }
}

/// sendmmsg(2) of one span each.
pub(super) fn sendmmsg(
    fd: BorrowedFd<'_>,
    messages: &[(Span<'_>, Option<&SockAddr>, &[u8])],
    flags: i32,
) -> io::Result<usize> {
    let outgoing: Vec<Outgoing<'_>> = messages
        .iter()
        .take(sys::message::MOST)
        .map(|&(span, to, control)| Outgoing {
            part: span.iovec(),
            to,
            control,
        })
        .collect();
    // SAFETY: each span's export is alive and has these bytes.
    unsafe { sys::message::sendmmsg(fd, &outgoing, flags) }
}

/// recvmsg(2), scattering over all the rooms.
pub(super) fn recvmsg(
    fd: BorrowedFd<'_>,
    rooms: &[Writable<'_>],
    control: &mut [u8],
    flags: i32,
) -> io::Result<Received> {
    let mut parts: Vec<libc::iovec> = rooms.iter().map(|room| room.0.iovec()).collect();
    // SAFETY: each room's export is alive, writable, and has these bytes.
    unsafe { sys::message::recvmsg(fd, &mut parts, control, flags) }
}

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

    /// The bytes, for as long as they are exported.
    #[inline]
    pub(super) fn span(&self) -> Span<'_> {
        match self {
            Self::Bytes(bytes) => {
                let bytes = bytes.as_bytes();
                Span::new(bytes.as_ptr(), bytes.len())
            }
            Self::Buffer(buffer) => Span::new(buffer.buf_ptr().cast(), buffer.len_bytes()),
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
            let kind = object.get_type().name().map(|name| name.to_string());
            let kind = kind.unwrap_or_else(|_| "?".to_owned());
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
    pub(super) fn span(&self) -> Writable<'_> {
        Writable(Span::new(self.0.buf_ptr().cast(), self.0.len_bytes()))
    }
}
