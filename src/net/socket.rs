//! `Socket`: one method, one system call, its name. Sorted by that name.
//!
//! Every socket is born `SOCK_NONBLOCK | SOCK_CLOEXEC`. No method waits and none retries: `EAGAIN`
//! and `EINTR` are answers. Transfers say `MSG_DONTWAIT`, so that holds for a socket whose
//! `O_NONBLOCK` was taken away ([`Socket::set_nonblocking`]), too; only accept(2) and connect(2)
//! have no such flag. What waits says so in its name.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Type};

use super::Addr;
use crate::error::{Error, Op, Result};
use crate::sys;
use crate::sys::fd::{Closed, Fd, FdCell, Lent};
use crate::sys::filling::Filling;
use crate::sys::poll::Interest;
use crate::sys::span::{Span, SpanMut};

/// A non-blocking socket that any thread may use and any thread may close.
#[derive(Debug)]
pub struct Socket {
    cell: FdCell,
    family: i32,
    kind: i32,
    protocol: i32,
    /// `SO_RCVLOWAT` as last seen; 0: not asked yet, or set since.
    low_water: AtomicI32,
}

impl Socket {
    /// socket(2) with `SOCK_NONBLOCK | SOCK_CLOEXEC`, in one call.
    ///
    /// # Errors
    ///
    /// `EAFNOSUPPORT`, `EPROTONOSUPPORT`, `EINVAL` (unknown type), `EMFILE`, `ENFILE`, `EPERM`.
    pub fn new(family: i32, kind: i32, protocol: i32) -> Result<Self> {
        let kind = kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        let socket = socket2::Socket::new_raw(
            Domain::from(family),
            Type::from(kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC),
            Some(Protocol::from(protocol)),
        )
        .op("socket")?;
        Ok(Self::owning(socket.into(), family, kind, protocol))
    }

    /// A stream socket for the family of `address`.
    ///
    /// # Errors
    ///
    /// As [`Socket::new`].
    pub fn stream_for(address: &Addr) -> Result<Self> {
        Self::new(address.family(), libc::SOCK_STREAM, 0)
    }

    /// Takes over an open descriptor, in whatever mode it is. A `None` is asked of the kernel
    /// (`SO_DOMAIN`, `SO_TYPE`, `SO_PROTOCOL`).
    ///
    /// # Errors
    ///
    /// `EBADF` (not open), `ENOTSOCK`. The descriptor then stays open and the caller's.
    pub fn from_raw_fd(
        raw: RawFd,
        family: Option<i32>,
        kind: Option<i32>,
        protocol: Option<i32>,
    ) -> Result<Self> {
        let adopted = Self::owning(sys::fd::adopt(raw).op("fileno")?, 0, 0, 0);
        let seen = adopted.call("getsockopt", |fd| {
            let ask = |known: Option<i32>, name| match known {
                Some(known) => Ok(known),
                None => sys::socket::getsockopt_int(fd, libc::SOL_SOCKET, name),
            };
            // Asked even when all three are known: only a socket has an SO_TYPE.
            let actual = ask(None, libc::SO_TYPE)?;
            let family = ask(family, libc::SO_DOMAIN)?;
            let protocol = ask(protocol, libc::SO_PROTOCOL)?;
            Ok((family, kind.unwrap_or(actual), protocol))
        });
        match seen {
            Ok((family, kind, protocol)) => Ok(Self {
                family,
                kind,
                protocol,
                ..adopted
            }),
            Err(error) => {
                adopted.cell.detach();
                Err(error)
            }
        }
    }

    /// A socket that is closed from the start.
    pub fn closed() -> Self {
        Self {
            cell: FdCell::closed(),
            family: -1,
            kind: -1,
            protocol: -1,
            low_water: AtomicI32::new(0),
        }
    }

    /// The socket behind `fd`, which is non-blocking and of that kind.
    pub(crate) fn owning(fd: OwnedFd, family: i32, kind: i32, protocol: i32) -> Self {
        Self {
            cell: FdCell::new(fd),
            family,
            kind,
            protocol,
            low_water: AtomicI32::new(0),
        }
    }

    /// accept4(2). The new socket is non-blocking whatever the listener is.
    ///
    /// # Errors
    ///
    /// `EAGAIN` (queue empty), `EMFILE`, `ENFILE`, `ECONNABORTED`, `EINVAL` (not listening).
    pub fn accept(&self) -> Result<(Self, Option<Addr>)> {
        self.call("accept", |fd| self.accept_on(fd))
    }

    /// accept4(2) that waits for a connection if the socket is in blocking mode.
    ///
    /// # Errors
    ///
    /// As [`Socket::accept`], and `EINTR`.
    pub fn accept_waiting(&self) -> Result<(Self, Option<Addr>)> {
        self.waiting("accept", |fd| self.accept_on(fd))
    }

    fn accept_on(&self, fd: BorrowedFd<'_>) -> io::Result<(Self, Option<Addr>)> {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let (socket, address) = SockRef::from(&fd).accept4(flags)?;
        let accepted = Self::owning(socket.into(), self.family, self.kind, self.protocol);
        Ok((accepted, Addr::from_sockaddr(&address)))
    }

    /// bind(2).
    ///
    /// # Errors
    ///
    /// `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, `EINVAL` (bound already), `ENOENT` (Unix path).
    pub fn bind(&self, address: &Addr) -> Result<()> {
        let kernel = address.to_sockaddr()?;
        self.call("bind", |fd| SockRef::from(&fd).bind(&kernel))
            .map_err(|error| error.about(address))
    }

    /// close(2), once. Calls that are waiting keep the descriptor until they have returned.
    ///
    /// # Errors
    ///
    /// What close(2) says; the descriptor is gone all the same.
    pub fn close(&self) -> Result<()> {
        match self.cell.close() {
            Closed::Now(result) => result.op("close"),
            Closed::Deferred(_) | Closed::Before => Ok(()),
        }
    }

    /// connect(2). [`super::Connecting`] gives its errnos their meaning.
    ///
    /// # Errors
    ///
    /// `EINPROGRESS`, `EALREADY`, `EISCONN`, `EAGAIN` (Unix: backlog full), `ECONNREFUSED`,
    /// `ENETUNREACH`, `EADDRNOTAVAIL`, ...
    pub fn connect(&self, address: &Addr) -> Result<()> {
        let kernel = address.to_sockaddr()?;
        self.call("connect", |fd| SockRef::from(&fd).connect(&kernel))
    }

    /// connect(2) that waits for the connection if the socket is in blocking mode.
    ///
    /// # Errors
    ///
    /// As [`Socket::connect`]. After `EINTR` the attempt goes on in the kernel.
    pub fn connect_waiting(&self, address: &Addr) -> Result<()> {
        let kernel = address.to_sockaddr()?;
        self.waiting("connect", |fd| SockRef::from(&fd).connect(&kernel))
    }

    /// Gives the open descriptor away; -1 if there is none any more.
    pub fn detach(&self) -> RawFd {
        self.cell.detach().unwrap_or(-1)
    }

    /// Another descriptor of the same open socket (`F_DUPFD_CLOEXEC`).
    ///
    /// # Errors
    ///
    /// `EMFILE`, `EBADF`.
    pub fn duplicate(&self) -> Result<Self> {
        let fd = self.call("dup", sys::fd::duplicate)?;
        Ok(Self::owning(fd, self.family, self.kind, self.protocol))
    }

    /// getpeername(2).
    ///
    /// # Errors
    ///
    /// `ENOTCONN`.
    pub fn getpeername(&self) -> Result<Option<Addr>> {
        let address = self.call("getpeername", |fd| SockRef::from(&fd).peer_addr())?;
        Ok(Addr::from_sockaddr(&address))
    }

    /// getsockname(2).
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn getsockname(&self) -> Result<Option<Addr>> {
        let address = self.call("getsockname", |fd| SockRef::from(&fd).local_addr())?;
        Ok(Addr::from_sockaddr(&address))
    }

    /// getsockopt(2) into `value`; the length filled in.
    ///
    /// # Errors
    ///
    /// `ENOPROTOOPT`, `EINVAL`.
    pub fn getsockopt(&self, level: i32, name: i32, value: &mut [u8]) -> Result<usize> {
        self.call("getsockopt", |fd| {
            sys::socket::getsockopt(fd, level, name, value)
        })
    }

    /// getsockopt(2) of an `int` option.
    ///
    /// # Errors
    ///
    /// `ENOPROTOOPT`, `EINVAL`.
    pub fn getsockopt_int(&self, level: i32, name: i32) -> Result<i32> {
        self.call("getsockopt", |fd| {
            sys::socket::getsockopt_int(fd, level, name)
        })
    }

    /// `SIOCINQ`: bytes in the receive queue.
    ///
    /// # Errors
    ///
    /// `EINVAL` on a listener.
    pub fn inq(&self) -> Result<usize> {
        self.call("ioctl(SIOCINQ)", sys::socket::inq)
    }

    /// Whether close(2) may wait: `SO_LINGER` is on, with some time, on a family that heeds it.
    pub fn lingers(&self) -> bool {
        if !matches!(self.family, libc::AF_INET | libc::AF_INET6 | libc::AF_VSOCK) {
            return false;
        }
        let mut value = [0; 2 * size_of::<libc::c_int>()]; // struct linger: on, seconds
        let filled = self.getsockopt(libc::SOL_SOCKET, libc::SO_LINGER, &mut value);
        let [on, seconds] = [0, 4].map(|at| value[at..at + 4].iter().any(|byte| *byte != 0));
        filled.is_ok() && on && seconds
    }

    /// `SO_RCVLOWAT`: how many bytes a receiving call in blocking mode waits for; 1 unless set. Asked
    /// once, and again after it was set here: what another owner of the socket sets is not seen.
    pub fn low_water(&self) -> i32 {
        match self.low_water.load(Ordering::Relaxed) {
            0 => {
                let asked = self.getsockopt_int(libc::SOL_SOCKET, libc::SO_RCVLOWAT);
                let low_water = asked.unwrap_or(1);
                self.low_water.store(low_water, Ordering::Relaxed);
                low_water
            }
            known => known,
        }
    }

    /// Whether this is a UDP socket.
    pub fn is_udp(&self) -> bool {
        matches!(self.family, libc::AF_INET | libc::AF_INET6)
            && self.kind == libc::SOCK_DGRAM
            && matches!(self.protocol, 0 | libc::IPPROTO_UDP)
    }

    /// listen(2). The kernel caps `backlog` at `net.core.somaxconn`.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE`, `EOPNOTSUPP`.
    pub fn listen(&self, backlog: i32) -> Result<()> {
        self.call("listen", |fd| SockRef::from(&fd).listen(backlog))
    }

    /// `SIOCOUTQ`: bytes that the peer has not acknowledged yet.
    ///
    /// # Errors
    ///
    /// `EINVAL` on a listener.
    pub fn outq(&self) -> Result<usize> {
        self.call("ioctl(SIOCOUTQ)", sys::socket::outq)
    }

    /// socketpair(2) with `SOCK_NONBLOCK | SOCK_CLOEXEC`: two sockets, each the other's peer.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` (a family other than `AF_UNIX`), `EAFNOSUPPORT`, `EPROTONOSUPPORT`, `EINVAL`
    /// (unknown type), `EMFILE`, `ENFILE`.
    pub fn pair(family: i32, kind: i32, protocol: i32) -> Result<(Self, Self)> {
        let kind = kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        let (one, other) = socket2::Socket::pair_raw(
            Domain::from(family),
            Type::from(kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC),
            Some(Protocol::from(protocol)),
        )
        .op("socketpair")?;
        let owning = |socket: socket2::Socket| Self::owning(socket.into(), family, kind, protocol);
        Ok((owning(one), owning(other)))
    }

    /// recv(2).
    ///
    /// # Errors
    ///
    /// `EAGAIN`, `ECONNRESET`, `ENOTCONN`, `EINTR`.
    #[inline]
    pub fn recv(&self, buffer: &mut [u8], flags: i32) -> Result<usize> {
        self.call("recv", |fd| {
            sys::socket::recv(fd, SpanMut::of_bytes(buffer), flags | libc::MSG_DONTWAIT)
        })
    }

    /// recv(2) into memory that is not initialised yet.
    ///
    /// # Errors
    ///
    /// As [`Socket::recv`].
    #[inline]
    pub fn recv_filling(&self, memory: &mut Filling<'_>, flags: i32) -> Result<()> {
        self.call("recv", |fd| {
            sys::socket::recv_filling(fd, memory, flags | libc::MSG_DONTWAIT)
        })
    }

    /// send(2).
    ///
    /// # Errors
    ///
    /// `EAGAIN`, `EPIPE` (never the signal), `ECONNRESET`, `ENOTCONN`, `EINTR`.
    #[inline]
    pub fn send(&self, data: &[u8], flags: i32) -> Result<usize> {
        self.call("send", |fd| {
            sys::socket::send(fd, Span::of(data), flags | libc::MSG_DONTWAIT)
        })
    }

    /// Sets or clears `O_NONBLOCK`, which belongs to the open socket and so to all its duplicates.
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn set_nonblocking(&self, nonblocking: bool) -> Result<()> {
        self.call("ioctl(FIONBIO)", |fd| {
            sys::fd::set_nonblocking(fd, nonblocking)
        })
    }

    /// setsockopt(2) from raw bytes.
    ///
    /// # Errors
    ///
    /// `ENOPROTOOPT`, `EINVAL`, `EPERM`.
    pub fn setsockopt(&self, level: i32, name: i32, value: &[u8]) -> Result<()> {
        let set = self.call("setsockopt", |fd| {
            sys::socket::setsockopt(fd, level, name, value)
        });
        self.low_water.store(0, Ordering::Relaxed);
        set
    }

    /// setsockopt(2) of an `int` option.
    ///
    /// # Errors
    ///
    /// `ENOPROTOOPT`, `EINVAL`, `EPERM`.
    pub fn setsockopt_int(&self, level: i32, name: i32, value: i32) -> Result<()> {
        self.call("setsockopt", |fd| {
            sys::socket::setsockopt_int(fd, level, name, value)
        })
    }

    /// shutdown(2).
    ///
    /// # Errors
    ///
    /// `ENOTCONN`, `EINVAL`.
    pub fn shutdown(&self, how: i32) -> Result<()> {
        self.call("shutdown", |fd| sys::socket::shutdown(fd, how))
    }

    /// `SO_ERROR`: the pending error's errno, or 0. Reading it clears it.
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn take_error(&self) -> Result<i32> {
        self.getsockopt_int(libc::SOL_SOCKET, libc::SO_ERROR)
    }

    /// poll(2): waits until the socket is ready. False: the time is up.
    ///
    /// A close from another thread does not end the wait, as poll(2) says; the call that follows
    /// it gets `EBADF`.
    ///
    /// # Errors
    ///
    /// `EINTR` when a signal arrived, `EBADF`.
    pub fn wait(&self, interest: Interest, timeout: Option<Duration>) -> Result<bool> {
        let shared = self.cell.share().op("poll")?;
        sys::poll::wait_one(shared.borrow(), interest, timeout).op("poll")
    }

    /// Runs one system call on the open descriptor, for the layers above.
    ///
    /// # Errors
    ///
    /// `EBADF` once closed, else what `call` gives.
    #[inline]
    pub(crate) fn call<R>(
        &self,
        op: &'static str,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>,
    ) -> Result<R> {
        self.cell.with(call).op(op)
    }

    /// Runs one system call that may sleep, on a share of the open descriptor.
    ///
    /// # Errors
    ///
    /// As [`Socket::call`].
    pub(crate) fn waiting<R>(
        &self,
        op: &'static str,
        call: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>,
    ) -> Result<R> {
        let shared = self.cell.share().op(op)?;
        call(shared.borrow()).op(op)
    }

    /// The open descriptor for several calls that cannot sleep; [`Socket::close`] waits meanwhile.
    #[inline]
    pub(crate) fn lend(&self) -> Lent<'_> {
        self.cell.lend()
    }

    /// A share of the open descriptor, for a loop that must not have it closed under its feet.
    ///
    /// # Errors
    ///
    /// `EBADF` once closed.
    pub(crate) fn share(&self) -> Result<Arc<Fd>> {
        self.cell.share().op("share")
    }

    /// The descriptor's number; -1 once closed.
    pub fn fileno(&self) -> RawFd {
        self.cell.raw()
    }

    /// Whether this object has been closed or detached.
    pub fn is_closed(&self) -> bool {
        self.cell.is_closed()
    }

    /// Whether the descriptor was given away, and may be open still.
    pub fn is_detached(&self) -> bool {
        self.cell.is_detached()
    }

    /// `AF_*`.
    pub fn family(&self) -> i32 {
        self.family
    }

    /// `SOCK_*`, without the creation flags.
    pub fn kind(&self) -> i32 {
        self.kind
    }

    /// `IPPROTO_*`, or 0 for the family's own choice.
    pub fn protocol(&self) -> i32 {
        self.protocol
    }
}

/// A listening stream socket: `SO_REUSEADDR` (so that `TIME_WAIT` does not keep the port), bind,
/// listen.
///
/// # Errors
///
/// As [`Socket::bind`], with the address in the note.
pub fn listen_on(address: &Addr, backlog: i32) -> Result<Socket> {
    let socket = Socket::stream_for(address)?;
    if matches!(address, Addr::Ip(_)) {
        socket.setsockopt_int(libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    }
    socket.bind(address)?;
    socket.listen(backlog)?;
    Ok(socket)
}

/// The raw number of a socket that is known to be open.
///
/// # Errors
///
/// `EBADF` once closed.
pub(crate) fn open_number(socket: &Socket) -> Result<RawFd> {
    socket
        .call("epoll_ctl", |fd| Ok(fd.as_raw_fd()))
        .map_err(|_| Error::from_errno("epoll_ctl", libc::EBADF))
}

impl fmt::Display for Socket {
    /// `fd=7 AF_INET connected 127.0.0.1:40000 -> 127.0.0.1:80`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_closed() {
            return f.write_str("closed");
        }
        write!(f, "fd={} {} ", self.fileno(), family_name(self.family))?;
        let local = self.getsockname().ok().flatten();
        let listening = self.getsockopt_int(libc::SOL_SOCKET, libc::SO_ACCEPTCONN);
        match (local, self.getpeername(), listening) {
            (Some(local), Ok(Some(peer)), _) => write!(f, "connected {local} -> {peer}"),
            (Some(local), _, Ok(1)) => write!(f, "listening {local}"),
            (Some(local), ..) => write!(f, "unconnected {local}"),
            (None, ..) => f.write_str("unconnected"),
        }
    }
}

fn family_name(family: i32) -> String {
    match family {
        libc::AF_INET => "AF_INET".to_owned(),
        libc::AF_INET6 => "AF_INET6".to_owned(),
        libc::AF_UNIX => "AF_UNIX".to_owned(),
        other => format!("family {other}"),
    }
}
