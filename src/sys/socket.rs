#![expect(unsafe_code, reason = "socket calls on raw buffers")]
//! The socket calls of the hot path, sorted by name: buffers in, counts out, nothing retried.
//!
//! Calls that take an address are in `message`, or go through socket2 in `net`.
//!
//! recv(2) and send(2) go to the kernel by number. The C library's are cancellation points
//! (pthreads(7)): in a process with threads each pays two atomic operations to allow a
//! pthread_cancel(3) that nobody here ever makes.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::filling::Filling;
use super::span::{Span, SpanMut};
use super::{cvt, cvt_len};

/// accept4(2) without the peer's address. `SOCK_NONBLOCK | SOCK_CLOEXEC`.
///
/// # Errors
///
/// `EAGAIN` (queue empty), `EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`, `ECONNABORTED`, `EINTR`.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no address is asked for, so both pointers may be NULL.
    let raw = cvt(unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            ptr::null_mut(),
            ptr::null_mut(),
            flags,
        )
    })?;
    // SAFETY: just returned by accept4(2).
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// getsockopt(2) into `value`; returns the length that the kernel filled in.
///
/// # Errors
///
/// `ENOPROTOOPT`, `EINVAL`, `ENOTSOCK`, `EBADF`.
pub fn getsockopt(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: &mut [u8],
) -> io::Result<usize> {
    getsockopt_of(fd.as_raw_fd(), level, name, value)
}

/// [`getsockopt`] of a number that is not owned.
fn getsockopt_of(
    raw: RawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &mut [u8],
) -> io::Result<usize> {
    let mut length = libc::socklen_t::try_from(value.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: `value` is live and `length` is not more than its size.
    cvt(unsafe { libc::getsockopt(raw, level, name, value.as_mut_ptr().cast(), &raw mut length) })?;
    Ok(length as usize)
}

/// getsockopt(2) of an `int` option.
///
/// # Errors
///
/// As [`getsockopt`].
pub fn getsockopt_int(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
) -> io::Result<libc::c_int> {
    let mut value = [0; size_of::<libc::c_int>()];
    getsockopt(fd, level, name, &mut value)?;
    Ok(libc::c_int::from_ne_bytes(value))
}

/// `FIONREAD` / SIOCINQ (tcp(7)): bytes in the receive queue.
///
/// # Errors
///
/// `EINVAL` on a listener, `ENOTTY` where the family has no such count.
pub fn inq(fd: BorrowedFd<'_>) -> io::Result<usize> {
    inq_of(fd.as_raw_fd())
}

/// [`inq`] of a number that is not owned: the kernel, not the caller, knows whether it is open.
///
/// # Errors
///
/// As [`inq`], and `EBADF`.
pub fn inq_of(raw: RawFd) -> io::Result<usize> {
    queue_length(raw, libc::FIONREAD)
}

/// `TIOCOUTQ` / SIOCOUTQ (tcp(7)): bytes sent but not acknowledged, and bytes not sent yet.
///
/// # Errors
///
/// As [`inq`].
pub fn outq(fd: BorrowedFd<'_>) -> io::Result<usize> {
    outq_of(fd.as_raw_fd())
}

/// [`outq`] of a number that is not owned.
///
/// # Errors
///
/// As [`outq`], and `EBADF`.
pub fn outq_of(raw: RawFd) -> io::Result<usize> {
    queue_length(raw, libc::TIOCOUTQ)
}

fn queue_length(raw: RawFd, request: libc::Ioctl) -> io::Result<usize> {
    let mut length: libc::c_int = 0;
    // SAFETY: both requests write one int.
    cvt(unsafe { libc::ioctl(raw, request, &raw mut length) })?;
    Ok(usize::try_from(length).unwrap_or(0))
}

/// recv(2).
///
/// # Errors
///
/// `EAGAIN`, `ECONNRESET`, `ENOTCONN`, `EINTR`, ...
#[inline]
pub fn recv(fd: BorrowedFd<'_>, into: SpanMut<'_>, flags: libc::c_int) -> io::Result<usize> {
    let (fd, nobody) = (fd.as_raw_fd(), ptr::null_mut::<libc::sockaddr>());
    let (start, length) = (into.start(), into.len());
    // SAFETY: live memory; the sender's address is not asked for.
    cvt_len(unsafe { libc::syscall(libc::SYS_recvfrom, fd, start, length, flags, nobody, nobody) })
}

/// recv(2) into memory that need not be initialised.
///
/// # Errors
///
/// As [`recv`].
#[inline]
pub fn recv_filling(
    fd: BorrowedFd<'_>,
    memory: &mut Filling<'_>,
    flags: libc::c_int,
) -> io::Result<()> {
    let received = recv(fd, memory.room(flags), flags)?;
    // SAFETY: recv(2) has written them; with MSG_TRUNC, when it may write none, `room` has.
    unsafe { memory.set_filled(received) };
    Ok(())
}

/// send(2). `MSG_NOSIGNAL` is always set: `EPIPE`, never a signal.
///
/// # Errors
///
/// `EAGAIN`, `EPIPE`, `ECONNRESET`, `ENOTCONN`, `EMSGSIZE`, `EINTR`, ...
#[inline]
pub fn send(fd: BorrowedFd<'_>, data: Span<'_>, flags: libc::c_int) -> io::Result<usize> {
    let (fd, nobody) = (fd.as_raw_fd(), ptr::null::<libc::sockaddr>());
    let (start, length) = (data.start(), data.len());
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: live memory; no address is given.
    cvt_len(unsafe { libc::syscall(libc::SYS_sendto, fd, start, length, flags, nobody, 0) })
}

/// sendfile(2): at most `count` bytes of `file` from `offset` on, within the kernel. 0: the file
/// has no more.
///
/// # Errors
///
/// `EAGAIN`, `EPIPE` (a signal too, which Python ignores), `EINVAL` (a file that cannot be mapped),
/// `EOVERFLOW`, ...
pub fn sendfile(
    fd: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    mut offset: libc::off_t,
    count: usize,
) -> io::Result<usize> {
    // SAFETY: two open descriptors and a live offset.
    cvt_len(unsafe { libc::sendfile(fd.as_raw_fd(), file.as_raw_fd(), &raw mut offset, count) })
}

/// setsockopt(2) from raw bytes.
///
/// # Errors
///
/// `ENOPROTOOPT`, `EINVAL`, `EDOM`, `EPERM`, ...
pub fn setsockopt(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: &[u8],
) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: a live slice of that length.
    cvt(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value.as_ptr().cast(), length) })
        .map(drop)
}

/// setsockopt(2) with a NULL value and a length, as `AF_ALG` wants it.
///
/// # Errors
///
/// As [`setsockopt`].
pub fn setsockopt_null(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    length: u32,
) -> io::Result<()> {
    // SAFETY: the kernel answers EFAULT where it would read through NULL.
    cvt(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, ptr::null(), length) }).map(drop)
}

/// setsockopt(2) of an `int` option.
///
/// # Errors
///
/// As [`setsockopt`].
pub fn setsockopt_int(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    setsockopt(fd, level, name, &value.to_ne_bytes())
}

/// The state of a TCP connection, the first byte of `TCP_INFO` (tcp(7)), of a number that is not owned.
///
/// # Errors
///
/// `EOPNOTSUPP`, `ENOPROTOOPT` (not a TCP socket), `ENOTSOCK`, `EBADF`.
pub fn tcp_state_of(raw: RawFd) -> io::Result<u8> {
    let mut state = [0];
    getsockopt_of(raw, libc::IPPROTO_TCP, libc::TCP_INFO, &mut state)?;
    Ok(state[0])
}

/// shutdown(2). `how` is `SHUT_RD`, `SHUT_WR` or `SHUT_RDWR`.
///
/// # Errors
///
/// `ENOTCONN`, `EINVAL` (another `how`).
pub fn shutdown(fd: BorrowedFd<'_>, how: libc::c_int) -> io::Result<()> {
    // SAFETY: takes two ints.
    cvt(unsafe { libc::shutdown(fd.as_raw_fd(), how) }).map(drop)
}
