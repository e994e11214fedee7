#![expect(unsafe_code, reason = "promises about memory, made once")]
//! Memory as the kernel sees it: an address and a length.
//!
//! The kernel does not care whether others write to the memory at the same time, which Rust's
//! references forbid: of a Python buffer there can only be a span. Whoever makes one says how long
//! the memory lives; the calls that take one are then safe.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;

/// Memory to send from. Laid out as `struct iovec`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Span<'memory> {
    address: usize,
    length: usize,
    memory: PhantomData<&'memory ()>,
}

/// Memory to receive into. Laid out as `struct iovec`.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct SpanMut<'memory>(Span<'memory>);

const _: () = {
    assert!(size_of::<Span<'_>>() == size_of::<libc::iovec>());
    assert!(align_of::<Span<'_>>() == align_of::<libc::iovec>());
    assert!(std::mem::offset_of!(Span<'_>, length) == std::mem::offset_of!(libc::iovec, iov_len));
};

impl<'memory> Span<'memory> {
    /// `length` bytes from `start` on.
    ///
    /// # Safety
    ///
    /// They can be read, by the kernel, for as long as `'memory`.
    pub unsafe fn new(start: *const u8, length: usize) -> Self {
        Self {
            address: start.expose_provenance(),
            length,
            memory: PhantomData,
        }
    }

    /// All of a slice.
    #[inline]
    pub fn of(slice: &'memory [u8]) -> Self {
        // SAFETY: a live slice.
        unsafe { Self::new(slice.as_ptr(), slice.len()) }
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.length == 0
    }

    /// What lies behind the first `count` bytes.
    #[must_use]
    pub fn skip(self, count: usize) -> Self {
        let count = count.min(self.length);
        Self {
            address: self.address + count,
            length: self.length - count,
            ..self
        }
    }

    pub(super) fn start(self) -> *mut u8 {
        ptr::with_exposed_provenance_mut(self.address)
    }
}

impl<'memory> SpanMut<'memory> {
    /// `length` bytes from `start` on.
    ///
    /// # Safety
    ///
    /// They can be written, by the kernel, for as long as `'memory`, and nobody holds a Rust
    /// reference to them meanwhile.
    pub unsafe fn new(start: *mut u8, length: usize) -> Self {
        // SAFETY: what can be written can be read.
        Self(unsafe { Span::new(start, length) })
    }

    /// All of a slice, whose bytes need have no value yet.
    #[inline]
    pub fn of(slice: &'memory mut [MaybeUninit<u8>]) -> Self {
        // SAFETY: a live slice, borrowed from its only user.
        unsafe { Self::new(slice.as_mut_ptr().cast(), slice.len()) }
    }

    /// All of a slice that has values.
    #[inline]
    pub fn of_bytes(slice: &'memory mut [u8]) -> Self {
        // SAFETY: as in `of`; the kernel writes nothing but values.
        unsafe { Self::new(slice.as_mut_ptr(), slice.len()) }
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        self.0.length
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.length == 0
    }

    /// The first `count` bytes.
    #[must_use]
    pub fn take(self, count: usize) -> Self {
        Self(Span {
            length: self.0.length.min(count),
            ..self.0
        })
    }

    pub(super) fn start(self) -> *mut u8 {
        self.0.start()
    }
}
