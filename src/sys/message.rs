#![expect(unsafe_code, reason = "msghdr, sockaddr and raw buffers")]
//! Messages: recvfrom(2), sendto(2), recvmsg(2), sendmsg(2), and many of them in one call.

use std::collections::TryReserveError;
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use socket2::{SockAddr, SockAddrStorage};

use super::filling::Filling;
use super::span::{Span, SpanMut};
use super::{cvt, cvt_len};

/// The most messages that the kernel takes in one call (`UIO_MAXIOV`).
pub const MOST: usize = 1024;

/// No address is longer.
const ADDRESS: usize = size_of::<SockAddrStorage>();

/// What recvmsg(2) says beside the bytes.
#[derive(Debug)]
pub struct Received {
    /// Bytes that arrived; with `MSG_TRUNC` the datagram's length, which may be more than fitted.
    pub length: usize,
    /// Bytes of control messages.
    pub control: usize,
    /// `MSG_TRUNC`, `MSG_CTRUNC`, `MSG_EOR`, ...
    pub flags: libc::c_int,
    /// Who sent it; of length 0 where the protocol does not say.
    pub address: SockAddr,
}

/// recvfrom(2).
///
/// # Errors
///
/// As recv(2).
pub fn recvfrom(
    fd: BorrowedFd<'_>,
    into: SpanMut<'_>,
    flags: libc::c_int,
) -> io::Result<(usize, SockAddr)> {
    let mut storage = SockAddrStorage::zeroed();
    let mut filled = storage.size_of();
    let (fd, start, length) = (fd.as_raw_fd(), into.start(), into.len());
    let (name, name_length) = (&raw mut storage, &raw mut filled);
    // SAFETY: live memory, and a live address of the length given.
    let received = cvt_len(unsafe {
        libc::syscall(
            libc::SYS_recvfrom,
            fd,
            start,
            length,
            flags,
            name,
            name_length,
        )
    })?;
    Ok((received, address(storage, filled)))
}

/// recvfrom(2) into memory that need not be initialised.
///
/// # Errors
///
/// As recv(2).
pub fn recvfrom_filling(
    fd: BorrowedFd<'_>,
    memory: &mut Filling<'_>,
    flags: libc::c_int,
) -> io::Result<SockAddr> {
    let (received, address) = recvfrom(fd, memory.room(flags), flags)?;
    // SAFETY: as in `recv_filling`.
    unsafe { memory.set_filled(received) };
    Ok(address)
}

/// sendto(2). `MSG_NOSIGNAL` is always set.
///
/// # Errors
///
/// As send(2), and `EDESTADDRREQ`, `EISCONN`, `EAFNOSUPPORT`, ...
pub fn sendto(
    fd: BorrowedFd<'_>,
    data: Span<'_>,
    flags: libc::c_int,
    to: &SockAddr,
) -> io::Result<usize> {
    let (fd, flags) = (fd.as_raw_fd(), flags | libc::MSG_NOSIGNAL);
    let (start, length) = (data.start(), data.len());
    let (name, name_length) = (to.as_ptr(), to.len());
    // SAFETY: live memory, and a live address of its own length.
    cvt_len(unsafe {
        libc::syscall(
            libc::SYS_sendto,
            fd,
            start,
            length,
            flags,
            name,
            name_length,
        )
    })
}

/// recvmsg(2): scatters one message over `parts`, its control messages into `control`.
///
/// # Errors
///
/// As recv(2), and `EMSGSIZE` for more than [`MOST`] parts.
pub fn recvmsg(
    fd: BorrowedFd<'_>,
    parts: &[SpanMut<'_>],
    control: &mut [u8],
    flags: libc::c_int,
) -> io::Result<Received> {
    let mut storage = SockAddrStorage::zeroed();
    let mut header = header();
    header.msg_name = (&raw mut storage).cast();
    header.msg_namelen = storage.size_of();
    header.msg_iov = parts.as_ptr().cast_mut().cast();
    header.msg_iovlen = as_c(parts.len());
    if !control.is_empty() {
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = as_c(control.len());
    }
    let fd = fd.as_raw_fd();
    // SAFETY: live memory, in parts laid out as iovecs, which are only read; all else in the header
    // is live and its length.
    let length = cvt_len(unsafe { libc::syscall(libc::SYS_recvmsg, fd, &raw mut header, flags) })?;
    Ok(Received {
        length,
        control: as_c(header.msg_controllen),
        flags: header.msg_flags,
        address: address(storage, header.msg_namelen),
    })
}

/// [`recvmsg`] into memory that need not be initialised.
///
/// # Errors
///
/// As [`recvmsg`].
pub fn recvmsg_filling(
    fd: BorrowedFd<'_>,
    memory: &mut Filling<'_>,
    control: &mut [u8],
    flags: libc::c_int,
) -> io::Result<Received> {
    let received = recvmsg(fd, &[memory.room(flags)], control, flags)?;
    // SAFETY: as in `recv_filling`.
    unsafe { memory.set_filled(received.length) };
    Ok(received)
}

/// sendmsg(2): gathers one message from `parts`. `MSG_NOSIGNAL` is always set.
///
/// # Errors
///
/// As send(2), and `EMSGSIZE` for more than [`MOST`] parts, `EINVAL` for wrong control messages.
pub fn sendmsg(
    fd: BorrowedFd<'_>,
    parts: &[Span<'_>],
    to: Option<&SockAddr>,
    control: &[u8],
    flags: libc::c_int,
) -> io::Result<usize> {
    let header = outgoing(parts, to, control);
    let (fd, flags) = (fd.as_raw_fd(), flags | libc::MSG_NOSIGNAL);
    // SAFETY: live memory, in parts laid out as iovecs; all else in the header is live and its
    // length, and the kernel writes through none of its pointers.
    cvt_len(unsafe { libc::syscall(libc::SYS_sendmsg, fd, &raw const header, flags) })
}

/// One message for [`sendmmsg`].
#[derive(Debug)]
pub struct Outgoing<'message> {
    /// Its bytes, one part after the other.
    pub parts: &'message [Span<'message>],
    /// Where to, unless the socket is connected.
    pub to: Option<&'message SockAddr>,
    /// Its control messages.
    pub control: &'message [u8],
}

/// sendmmsg(2): at most [`MOST`] of the messages; how many were sent. An error is the first one's:
/// behind some messages that were sent it shows at the next call. `MSG_NOSIGNAL` is always set.
///
/// # Errors
///
/// As [`sendmsg`].
pub fn sendmmsg(
    fd: BorrowedFd<'_>,
    messages: &[Outgoing<'_>],
    flags: libc::c_int,
) -> io::Result<usize> {
    let mut headers: Vec<libc::mmsghdr> = messages
        .iter()
        .take(MOST)
        .map(|message| libc::mmsghdr {
            msg_hdr: outgoing(message.parts, message.to, message.control),
            msg_len: 0,
        })
        .collect();
    let length = libc::c_uint::try_from(headers.len()).unwrap_or(0);
    let flags = flags | libc::MSG_NOSIGNAL;
    // SAFETY: live headers, as in `sendmsg`; the kernel writes msg_len of each only.
    let sent =
        cvt(unsafe { libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), length, as_c(flags)) })?;
    Ok(usize::try_from(sent).unwrap_or(0))
}

/// Room for many messages of recvmmsg(2).
#[derive(Debug)]
pub struct Batch {
    /// All of it is spare capacity, which costs nothing until it is written to.
    bytes: Vec<u8>,
    size: usize,
    control: Vec<u8>,
    control_size: usize,
    names: Vec<[u8; ADDRESS]>,
    headers: Vec<Seen>,
}

/// What the kernel said about one message of a batch.
#[derive(Clone, Copy, Debug)]
struct Seen {
    length: usize,
    control: usize,
    name: usize,
    flags: libc::c_int,
}

/// One message of a batch.
#[derive(Debug)]
pub struct Message<'batch> {
    /// Its bytes, as many as fitted.
    pub data: &'batch [u8],
    /// Its control messages.
    pub control: &'batch [u8],
    /// As [`Received::flags`].
    pub flags: libc::c_int,
    /// Who sent it, in the kernel's form; empty where the protocol does not say.
    pub address: &'batch [u8],
}

impl Batch {
    /// Room for `count` messages (at most [`MOST`]) of `size` bytes each.
    ///
    /// # Errors
    ///
    /// When there is no memory for that.
    pub fn new(count: usize, size: usize, control_size: usize) -> Result<Self, TryReserveError> {
        let count = count.min(MOST);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(count.saturating_mul(size))?;
        let mut control = Vec::new();
        control.try_reserve_exact(count.saturating_mul(control_size))?;
        control.resize(count * control_size, 0);
        Ok(Self {
            bytes,
            size,
            control,
            control_size,
            names: vec![[0; ADDRESS]; count],
            headers: Vec::with_capacity(count),
        })
    }

    /// How many messages came.
    pub fn len(&self) -> usize {
        self.headers.len()
    }

    /// Whether none came.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// The messages that came, in order.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        self.headers.iter().enumerate().map(|(index, seen)| {
            let start = self.bytes.as_ptr().wrapping_add(index * self.size).cast();
            // SAFETY: recvmmsg(2) initialised so many bytes of this message's room.
            let data = unsafe { std::slice::from_raw_parts(start, seen.length.min(self.size)) };
            let control = self.control.get(index * self.control_size..).unwrap_or(&[]);
            Message {
                data,
                control: control.get(..seen.control).unwrap_or(&[]),
                flags: seen.flags,
                address: self
                    .names
                    .get(index)
                    .and_then(|name| name.get(..seen.name))
                    .unwrap_or(&[]),
            }
        })
    }
}

/// recvmmsg(2): as many messages as there is room for and the queue has; what came before is
/// forgotten.
///
/// # Errors
///
/// As recv(2), when no message came before it.
pub fn recvmmsg(fd: BorrowedFd<'_>, batch: &mut Batch, flags: libc::c_int) -> io::Result<()> {
    batch.headers.clear();
    if flags & libc::MSG_TRUNC != 0 {
        // As in `Filling::room`.
        batch.bytes.spare_capacity_mut().fill(MaybeUninit::new(0));
    }
    let mut parts: Vec<libc::iovec> = (0..batch.names.len())
        .map(|index| libc::iovec {
            iov_base: batch
                .bytes
                .as_mut_ptr()
                .wrapping_add(index * batch.size)
                .cast(),
            iov_len: batch.size,
        })
        .collect();
    let mut headers: Vec<libc::mmsghdr> = Vec::with_capacity(parts.len());
    for (index, (name, part)) in batch.names.iter_mut().zip(&mut parts).enumerate() {
        let mut header = header();
        header.msg_name = name.as_mut_ptr().cast();
        header.msg_namelen = as_c(name.len());
        header.msg_iov = part;
        header.msg_iovlen = 1;
        if batch.control_size > 0 {
            let control = batch
                .control
                .as_mut_ptr()
                .wrapping_add(index * batch.control_size);
            header.msg_control = control.cast();
            header.msg_controllen = as_c(batch.control_size);
        }
        headers.push(libc::mmsghdr {
            msg_hdr: header,
            msg_len: 0,
        });
    }
    let length = libc::c_uint::try_from(headers.len()).unwrap_or(0);
    let (start, nothing) = (headers.as_mut_ptr(), ptr::null_mut());
    // SAFETY: live headers whose pointers lie within the batch, which is borrowed for the call.
    let came = cvt(unsafe { libc::recvmmsg(fd.as_raw_fd(), start, length, as_c(flags), nothing) })?;
    let came = usize::try_from(came).unwrap_or(0);
    batch
        .headers
        .extend(headers.iter().take(came).map(|header| Seen {
            length: header.msg_len as usize,
            control: as_c(header.msg_hdr.msg_controllen),
            name: header.msg_hdr.msg_namelen as usize,
            flags: header.msg_hdr.msg_flags,
        }));
    Ok(())
}

/// The kernel's form of an address as bytes, the family's two first.
pub fn address_bytes(address: &SockAddr) -> &[u8] {
    let start = address.as_ptr().cast::<u8>();
    let length = (address.len() as usize).min(ADDRESS);
    // SAFETY: a `SockAddr` has `len` bytes of plain data.
    unsafe { std::slice::from_raw_parts(start, length) }
}

/// An address from the kernel's bytes of it; `None` where they are too many.
pub fn address_from_bytes(bytes: &[u8]) -> Option<SockAddr> {
    let mut storage = SockAddrStorage::zeroed();
    let length = libc::socklen_t::try_from(bytes.len()).ok()?;
    if length > storage.size_of() {
        return None;
    }
    let start = (&raw mut storage).cast::<u8>();
    // SAFETY: at least as many bytes of plain data are there.
    unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Some(address(storage, length))
}

fn address(storage: SockAddrStorage, length: libc::socklen_t) -> SockAddr {
    let length = length.min(storage.size_of());
    // SAFETY: plain data, zeroed where nothing was written, and at least `length` bytes of it.
    unsafe { SockAddr::new(storage, length) }
}

/// A header with nothing in it.
fn header() -> libc::msghdr {
    // SAFETY: NULL pointers, zero lengths and no flags are a valid msghdr. (Its padding on some
    // architectures cannot be named, hence no literal.)
    unsafe { mem::zeroed() }
}

fn outgoing(parts: &[Span<'_>], to: Option<&SockAddr>, control: &[u8]) -> libc::msghdr {
    let mut header = header();
    if let Some(to) = to {
        header.msg_name = to.as_ptr().cast_mut().cast();
        header.msg_namelen = to.len();
    }
    header.msg_iov = parts.as_ptr().cast_mut().cast();
    header.msg_iovlen = as_c(parts.len());
    if !control.is_empty() {
        header.msg_control = control.as_ptr().cast_mut().cast();
        header.msg_controllen = as_c(control.len());
    }
    header
}

/// A number as the C library types it: lengths and flags differ between glibc and musl.
fn as_c<T: TryFrom<N> + Default, N>(number: N) -> T {
    T::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn a_batch_has_what_came_and_no_more() {
        let (left, right) = UnixDatagram::pair().unwrap();
        for data in [&b"one"[..], b"", b"longer than its room"] {
            left.send(data).unwrap();
        }
        let mut batch = Batch::new(8, 6, 0).unwrap();
        recvmmsg(right.as_fd(), &mut batch, libc::MSG_DONTWAIT).unwrap();
        let seen: Vec<(Vec<u8>, i32)> = batch
            .messages()
            .map(|message| (message.data.to_vec(), message.flags & libc::MSG_TRUNC))
            .collect();
        assert_eq!(
            seen,
            [
                (b"one".to_vec(), 0),
                (Vec::new(), 0),
                (b"longer".to_vec(), libc::MSG_TRUNC)
            ]
        );
        let error = recvmmsg(right.as_fd(), &mut batch, libc::MSG_DONTWAIT).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
        assert!(batch.is_empty());
    }

    #[test]
    fn an_address_survives_as_bytes() {
        let address = SockAddr::from("127.0.0.1:7".parse::<std::net::SocketAddr>().unwrap());
        let again = address_from_bytes(address_bytes(&address)).unwrap();
        assert_eq!(again.as_socket(), address.as_socket());
        assert!(address_from_bytes(&[0; 129]).is_none());
    }
}
