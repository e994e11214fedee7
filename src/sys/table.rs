#![expect(unsafe_code, reason = "close_range, and owners of what it leaves open")]
//! A descriptor table of a thread's own (close_range(2), `CLOSE_RANGE_UNSHARE`, Linux 5.9).
//!
//! Threads share one table, so the kernel must hold a file during each call on a descriptor, lest
//! another thread close it: two atomic operations, 60 ns of the 440 that the shortest recv(2) takes
//! here. A thread alone with its table is spared that. Besides, nobody can close a descriptor of
//! it by number, a child of fork(2) does not inherit it, RLIMIT_NOFILE counts for it alone, and the
//! kernel closes it with the thread, whatever happened to that.
//!
//! The price: /proc/PID/fd does not list the table, /proc/PID/task/TID/fd does.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use super::{cvt, thread};

/// [`thread::spawn`], with the thread in a table of its own that has standard input, output and
/// error and `keep`, which moves there. Where the kernel or a sandbox refuses (`ENOSYS`, `EINVAL`,
/// `EPERM`) the thread stays in the shared table, and all is as with `spawn`.
///
/// # Errors
///
/// `EAGAIN` when there is no room for another thread.
///
/// # Safety
///
/// `body` must hold no descriptor, neither itself nor through what it shares: in the new table its
/// number would be closed, or another file's.
pub unsafe fn spawn_apart<T: Send + 'static, const N: usize>(
    name: &str,
    keep: [OwnedFd; N],
    body: impl FnOnce([OwnedFd; N]) -> T + Send + 'static,
) -> io::Result<JoinHandle<Result<T, String>>> {
    // SAFETY: the caller's promise.
    unsafe { spawn_after(leave_all_but, name, keep, body) }
}

/// [`spawn_apart`], with the way to leave the shared table as an argument.
///
/// # Safety
///
/// As [`spawn_apart`].
unsafe fn spawn_after<T: Send + 'static, const N: usize>(
    leave: fn(&[RawFd]) -> io::Result<()>,
    name: &str,
    keep: [OwnedFd; N],
    body: impl FnOnce([OwnedFd; N]) -> T + Send + 'static,
) -> io::Result<JoinHandle<Result<T, String>>> {
    let numbers = keep.each_ref().map(AsRawFd::as_raw_fd);
    let (tell, told) = sync_channel(1);
    let started = thread::spawn(name, move || {
        let apart = leave(&numbers);
        // The caller waits for it.
        tell.send(apart.is_ok()).unwrap_or_default();
        // SAFETY: open in this thread's table. If that is its own, they have no other owner in it;
        // if it is the shared one, the caller gives its ownership up.
        body(numbers.map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }))
    })?;
    if told.recv() == Ok(false) {
        // The thread's now.
        std::mem::forget(keep);
    }
    Ok(started)
}

/// Moves this thread to a table of its own, and closes all in it but `keep` and 0 to 2.
fn leave_all_but(keep: &[RawFd]) -> io::Result<()> {
    let mut kept: Vec<RawFd> = keep.iter().copied().filter(|&raw| raw > 2).collect();
    kept.push(2);
    kept.sort_unstable();
    let last = kept[kept.len() - 1];
    // First what lies above, so that it need not even be copied.
    close_range(last + 1, RawFd::MAX, libc::CLOSE_RANGE_UNSHARE)?;
    for pair in kept.windows(2) {
        if pair[0] + 1 < pair[1] {
            close_range(pair[0] + 1, pair[1] - 1, 0)?;
        }
    }
    Ok(())
}

/// close_range(2), both ends included.
fn close_range(first: RawFd, last: RawFd, flags: u32) -> io::Result<()> {
    let (first, last) = (first.cast_unsigned(), last.cast_unsigned());
    // SAFETY: takes three ints. Called with CLOSE_RANGE_UNSHARE first, so that it closes numbers of
    // this thread's table only, of which the thread owns none (`spawn_apart`).
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    cvt(libc::c_int::try_from(closed).unwrap_or(-1)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fd::{adopt, spare};

    #[test]
    fn the_thread_has_what_it_was_given_and_nothing_else() {
        let (given, other) = (spare().unwrap(), spare().unwrap());
        let (given_raw, other_raw) = (given.as_raw_fd(), other.as_raw_fd());
        let body = move |[own]: [OwnedFd; 1]| {
            let other = adopt(other_raw).unwrap_err().raw_os_error();
            (own.as_raw_fd(), other, own.try_clone().is_ok())
        };
        // SAFETY: the body holds two numbers, and owns neither.
        let thread = unsafe { spawn_apart("epollkit-test", [given], body) }.unwrap();
        let seen = thread.join().unwrap().unwrap();
        assert_eq!(seen, (given_raw, Some(libc::EBADF), true));
        // It has moved there: here it is closed, and what was not given is open.
        other.try_clone().unwrap();
    }

    #[test]
    fn where_that_is_refused_the_thread_has_it_in_the_shared_table() {
        let given = spare().unwrap();
        let number = given.as_raw_fd();
        let refused = |_: &[RawFd]| Err(io::Error::from_raw_os_error(libc::ENOSYS));
        let body = move |[own]: [OwnedFd; 1]| own;
        // SAFETY: the body holds nothing.
        let thread = unsafe { spawn_after(refused, "epollkit-test", [given], body) }.unwrap();
        let own = thread.join().unwrap().unwrap();
        assert_eq!(own.as_raw_fd(), number);
        // Open, and owned once.
        own.try_clone().unwrap();
        drop(own);
    }
}
