#![expect(unsafe_code, reason = "poll, ppoll")]
//! poll(2): which of these descriptors are ready.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::ptr;
use std::time::Duration;

use super::clock::{to_millis, to_timespec};
use super::cvt;

/// `struct pollfd`: a number, what is asked about it, and what the kernel found.
///
/// The number is not owned: the kernel, not the caller, knows whether it is open, and says
/// `POLLNVAL` if it is not.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct PollFd(libc::pollfd);

impl PollFd {
    /// Asks for `events`, which are `POLL*` bits.
    #[inline]
    pub fn new(fd: RawFd, events: u16) -> Self {
        Self(libc::pollfd {
            fd,
            events: events.cast_signed(),
            revents: 0,
        })
    }

    /// The number; what is negative is skipped by the kernel.
    #[inline]
    pub fn fd(self) -> RawFd {
        self.0.fd
    }

    /// What the kernel found: `POLLERR`, `POLLHUP` and `POLLNVAL` come unasked.
    #[inline]
    pub fn found(self) -> u16 {
        self.0.revents.cast_unsigned()
    }
}

impl fmt::Debug for PollFd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(libc::pollfd {
            fd,
            events,
            revents,
        }) = self;
        write!(
            f,
            "PollFd {{ fd: {fd}, events: {events:#x}, found: {revents:#x} }}"
        )
    }
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// `POLLIN`: data, end of stream, a connection, or an error.
    Readable,
    /// `POLLOUT`: room in the send buffer, a finished connect, or an error.
    Writable,
}

/// How many entries have something, none when the time is up; `None` waits for ever.
///
/// Zero and forever are poll(2), which is the quicker call (measured: 0.8 against 1.1 us). Any
/// other time-out is ppoll(2), since milliseconds cannot express short waits.
///
/// # Errors
///
/// `EINTR` when a signal arrived; it is not retried here. `EINVAL` for more entries than
/// `RLIMIT_NOFILE`. `ENOMEM`.
#[inline]
pub fn poll(entries: &mut [PollFd], timeout: Option<Duration>) -> io::Result<usize> {
    let first = entries.as_mut_ptr().cast::<libc::pollfd>();
    let count = entries.len() as libc::nfds_t; // both as wide as a pointer
    let ready = match timeout {
        Some(timeout) if !timeout.is_zero() => {
            let timespec = to_timespec(timeout);
            // SAFETY: `count` live pollfds (`PollFd` is transparent), a live timespec, no signal
            // mask.
            cvt(unsafe { libc::ppoll(first, count, &raw const timespec, ptr::null()) })
        }
        _ => {
            // SAFETY: `count` live pollfds.
            cvt(unsafe { libc::poll(first, count, to_millis(timeout)) })
        }
    }?;
    Ok(usize::try_from(ready).unwrap_or(0))
}

/// [`poll`] on one descriptor: how a call with a time-out waits. False: the time is up.
///
/// # Errors
///
/// `EINTR` when a signal arrived; it is not retried here.
pub fn wait_one(
    fd: BorrowedFd<'_>,
    interest: Interest,
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let events = match interest {
        Interest::Readable => libc::POLLIN,
        Interest::Writable => libc::POLLOUT,
    };
    let mut entry = [PollFd::new(fd.as_raw_fd(), events.cast_unsigned())];
    poll(&mut entry, timeout).map(|ready| ready > 0)
}
