//! `socketpair` and `fromfd`: sockets that are open from the start.

use std::os::fd::{AsRawFd, IntoRawFd};

use pyo3::prelude::*;

use super::args::{self, Fileno, Seconds};
use super::socket::Socket;
use crate::error::Op;
use crate::net;
use crate::sys;

/// socketpair(2) with SOCK_NONBLOCK | SOCK_CLOEXEC: two connected sockets.
///
/// Args:
///     family: AF_UNIX, also for None; Linux has pairs of no other family that is in use.
///     type: SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET; SOCK_NONBLOCK and SOCK_CLOEXEC are always
///         on.
///     proto: 0.
///     timeout: seconds that a call on either may wait; 0.0 never, None for ever.
///
/// Returns:
///     (socket, socket), each the other's peer.
///
/// Raises:
///     OSError: EOPNOTSUPP (another family), EAFNOSUPPORT, EPROTONOSUPPORT, EINVAL (unknown type),
///         EMFILE, ENFILE.
///     ValueError: a negative time-out.
///
/// References:
///     socketpair(2) https://man7.org/linux/man-pages/man2/socketpair.2.html
#[pyfunction]
#[pyo3(signature = (family = None, r#type = libc::SOCK_STREAM, proto = 0, *, timeout = Some(Seconds::ZERO)))]
pub(crate) fn socketpair(
    family: Option<i32>,
    r#type: i32,
    proto: i32,
    timeout: Option<Seconds>,
) -> PyResult<(Socket, Socket)> {
    let timeout = args::timeout(timeout)?;
    let (one, other) = net::Socket::pair(family.unwrap_or(libc::AF_UNIX), r#type, proto)?;
    Ok((Socket::made(one, timeout)?, Socket::made(other, timeout)?))
}

/// dup(2): a socket of its own for an open descriptor, which stays open and the caller's.
///
/// Both descriptors are of one open file (open(2)): with a time-out the given one is O_NONBLOCK
/// afterwards, too; with None the mode is left as it is.
/// The new one is close-on-exec.
///
/// Args:
///     fd: a descriptor, or an object with `fileno()`.
///     family: AF_*.
///     type: SOCK_*.
///     proto: protocol number.
///     timeout: seconds that a call may wait; 0.0 never, None for ever.
///
/// Returns:
///     The socket.
///
/// Raises:
///     OSError: EBADF (not open), ENOTSOCK, EMFILE.
///     ValueError: a negative descriptor or time-out.
///
/// References:
///     dup(2) https://man7.org/linux/man-pages/man2/dup.2.html
#[pyfunction]
#[pyo3(signature = (fd, family, r#type, proto = 0, *, timeout = Some(Seconds::ZERO)))]
pub(crate) fn fromfd(
    fd: Fileno,
    family: i32,
    r#type: i32,
    proto: i32,
    timeout: Option<Seconds>,
) -> PyResult<Socket> {
    let timeout = args::timeout(timeout)?;
    let copy = sys::fd::duplicate_raw(fd.0).op("dup")?;
    // Refused, it stays `copy`'s, which closes it.
    let raw = copy.as_raw_fd();
    let socket = net::Socket::from_raw_fd(raw, Some(family), Some(r#type), Some(proto))?;
    let _raw = copy.into_raw_fd();
    Socket::adopted(socket, timeout)
}
