#![expect(unsafe_code, reason = "ppoll")]
//! poll(2) on one descriptor: how a call with a time-out waits.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

use super::clock::to_timespec;
use super::cvt;

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// `POLLIN`: data, end of stream, a connection, or an error.
    Readable,
    /// `POLLOUT`: room in the send buffer, a finished connect, or an error.
    Writable,
}

/// ppoll(2) on one descriptor. False: the time is up.
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
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    let timespec = timeout.map(to_timespec);
    let limit = timespec.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: one live pollfd, a live timespec or NULL (forever), no signal mask.
    let ready = cvt(unsafe { libc::ppoll(&raw mut entry, 1, limit, ptr::null()) })?;
    Ok(ready > 0)
}
