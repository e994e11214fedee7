#![expect(unsafe_code, reason = "memory that is initialised by the kernel")]
//! `Filling`: memory to receive into that costs nothing to make, since only what a call has filled
//! can be read.

use std::mem::MaybeUninit;

use super::span::SpanMut;

/// Borrowed memory and how much of it has a value.
///
/// Invariant: the first `filled` bytes are initialised.
#[derive(Debug)]
pub struct Filling<'memory> {
    memory: &'memory mut [MaybeUninit<u8>],
    filled: usize,
}

impl<'memory> Filling<'memory> {
    /// All of `memory` is room.
    pub fn over(memory: &'memory mut [MaybeUninit<u8>]) -> Self {
        Self { memory, filled: 0 }
    }

    /// What the last call has filled.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        let start = self.memory.as_ptr().cast();
        // SAFETY: the type's invariant.
        unsafe { std::slice::from_raw_parts(start, self.filled) }
    }

    /// Where the room begins, and its length, for a call with these MSG_* flags; what was filled
    /// before is given up.
    ///
    /// With `MSG_TRUNC` a TCP socket says how much it received and stores none of it (tcp(7)).
    #[inline]
    pub(super) fn room(&mut self, flags: libc::c_int) -> SpanMut<'_> {
        self.filled = 0;
        if flags & libc::MSG_TRUNC != 0 {
            self.memory.fill(MaybeUninit::new(0));
        }
        SpanMut::of(self.memory)
    }

    /// Says how much a call has received into `room`; with `MSG_TRUNC` that may be more than there
    /// was room for.
    ///
    /// # Safety
    ///
    /// So many bytes are initialised, or all.
    #[inline]
    pub(super) unsafe fn set_filled(&mut self, received: usize) {
        self.filled = received.min(self.memory.len());
    }
}
