#![expect(unsafe_code, reason = "eventfd, read, write")]
//! eventfd(2) as a bell: one side rings, the other wakes up.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{cvt, cvt_len};

/// A bell that stays rung until it is drained. Rings from any thread, any number of times.
#[derive(Debug)]
pub struct Waker {
    fd: OwnedFd,
}

impl Waker {
    /// A silent bell.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE`, `ENOMEM`.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes a start value and flags.
        let raw = cvt(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: just returned by eventfd(2).
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Self { fd })
    }

    /// Rings. `EAGAIN` (a full counter) means that it is ringing already.
    ///
    /// # Errors
    ///
    /// None that an open eventfd gives.
    pub fn wake(&self) -> io::Result<()> {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: eight live bytes, as eventfd(2) asks.
        match cvt_len(unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) }) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Silences the bell; says whether it had been rung.
    ///
    /// # Errors
    ///
    /// None that an open eventfd gives.
    pub fn drain(&self) -> io::Result<bool> {
        let mut count = [0_u8; 8];
        // SAFETY: room for the eight bytes that eventfd(2) gives.
        match cvt_len(unsafe {
            libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len())
        }) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(false),
            result => result.map(|_| true),
        }
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_until_drained() {
        let waker = Waker::new().unwrap();
        assert!(!waker.drain().unwrap());
        waker.wake().unwrap();
        waker.wake().unwrap();
        assert!(waker.drain().unwrap());
        assert!(!waker.drain().unwrap());
    }
}
