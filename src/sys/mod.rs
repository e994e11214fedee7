//! Layer 0: the only libc, and (with `py/buffer.rs` and one line of `peer/handle.rs`) the only `unsafe`.
//!
//! One function per system call, under its name, returning [`io::Result`]. A function is safe to
//! call with any arguments, or it is `unsafe fn` and says what the caller owes. Nothing here
//! retries, waits or keeps state, except [`fd::FdCell`], which owns descriptors, and [`fork`], which
//! keeps a fork and a look apart.

use std::io;

pub mod clock;
pub mod epoll;
pub mod eventfd;
pub mod fd;
pub mod filling;
pub mod fork;
pub mod interface;
pub mod message;
pub mod owner;
pub mod poll;
pub mod resolve;
pub mod select;
pub mod socket;
pub mod span;
pub mod table;
pub mod thread;

/// `-1` means: look at `errno`.
#[inline]
fn cvt(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// [`cvt`] for the calls that return a byte count (`ssize_t`, or `long` through syscall(2)).
#[inline]
fn cvt_len(result: impl TryInto<usize>) -> io::Result<usize> {
    result.try_into().map_err(|_| io::Error::last_os_error())
}

/// The errno's text, as strerror(3) has it.
pub fn strerror(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    let suffix = format!(" (os error {errno})");
    text.strip_suffix(&suffix)
        .map(str::to_owned)
        .unwrap_or(text)
}
