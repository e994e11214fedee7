//! Messages: bytes with an address, with control messages, and many of them in one call.

use pyo3::exceptions::{PyRuntimeWarning, PyTypeError, PyValueError};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use smallvec::SmallVec;
use socket2::SockAddr;

use super::Socket;
use super::transfer::{part_of, size_of_recv};
use crate::net::Addr;
use crate::net::control;
use crate::net::segments::{self, Datagram};
use crate::py::address::Address;
use crate::py::args::{c_text, type_name};
use crate::py::buffer::{Data, FEW, Room};
use crate::py::objects::{
    AncillaryArg, BuffersArg, FlagsOrAddress, MessagesArg, ReadableArg, RoomsArg, WritableArg,
};
use crate::py::recv::{no_room, receive_bytes};
use crate::py::wait::{Transfer, transfer, without_gil};
use crate::sys;
use crate::sys::message::{Batch, Message};
use crate::sys::span::{Span, SpanMut};

#[pymethods]
impl Socket {
    /// recvfrom(2): bytes, and who sent them.
    ///
    /// Args:
    ///     bufsize: at most so many bytes; what a datagram has beyond them is lost (MSG_TRUNC in
    ///         `recvmsg`'s flags says so).
    ///     flags: MSG_*.
    ///
    /// Returns:
    ///     (data, address): the address is None on a connected stream socket and for a datagram
    ///     from an unnamed Unix socket.
    ///
    /// Raises:
    ///     OSError, ValueError, MemoryError: as `recv`.
    ///
    /// References:
    ///     recvfrom(2) https://man7.org/linux/man-pages/man2/recv.2.html
    #[pyo3(signature = (bufsize, flags = 0) -> "tuple[bytes, Any]")]
    fn recvfrom<'py>(
        &self,
        py: Python<'py>,
        bufsize: isize,
        flags: i32,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyAny>)> {
        let size = size_of_recv(bufsize, "recvfrom")?;
        let (data, from) = receive_bytes(py, size, |memory| {
            let call = Transfer::receive("recvfrom", flags);
            transfer(py, self.inner(), self.timeout.get(), call, |fd, flags| {
                sys::message::recvfrom_filling(fd, memory, flags)
            })
        })?;
        Ok((data, self.sender(py, &from)?))
    }

    /// recvfrom(2) into a buffer of yours.
    ///
    /// Args:
    ///     buffer: writable and contiguous.
    ///     nbytes: at most so many; 0 for the buffer's length.
    ///     flags: MSG_*.
    ///
    /// Returns:
    ///     (how many bytes arrived, address), as `recvfrom`.
    ///
    /// Raises:
    ///     TypeError, ValueError, OSError: as `recv_into`.
    #[pyo3(signature = (buffer, nbytes = 0, flags = 0) -> "tuple[int, Any]")]
    fn recvfrom_into<'py>(
        &self,
        py: Python<'py>,
        buffer: WritableArg<'py>,
        nbytes: isize,
        flags: i32,
    ) -> PyResult<(usize, Bound<'py, PyAny>)> {
        let room = Room::get(&buffer.0, "recvfrom_into() argument 1")?;
        let room = part_of(&room, nbytes, "recvfrom_into")?;
        let call = Transfer::receive("recvfrom", flags);
        let (received, from) =
            transfer(py, self.inner(), self.timeout.get(), call, |fd, flags| {
                sys::message::recvfrom(fd, room, flags)
            })?;
        Ok((received, self.sender(py, &from)?))
    }

    /// recvmsg(2): bytes, control messages, flags, and who sent them.
    ///
    /// Args:
    ///     bufsize: at most so many bytes of data.
    ///     ancbufsize: room for control messages, in bytes; `socket.CMSG_SPACE` says how much one
    ///         takes.
    ///     flags: MSG_*. MSG_CMSG_CLOEXEC makes descriptors that arrive close-on-exec.
    ///
    /// Returns:
    ///     (data, ancdata, msg_flags, address): `ancdata` is a list of (level, type, data); in
    ///     `msg_flags` MSG_TRUNC and MSG_CTRUNC say that there was more than fitted.
    ///
    /// Raises:
    ///     ValueError: a negative size. OSError, MemoryError: as `recv`.
    ///     RuntimeWarning: a control message was cut short; what there is of it is in the list.
    ///
    /// References:
    ///     recvmsg(2) https://man7.org/linux/man-pages/man2/recvmsg.2.html
    ///     cmsg(3) https://man7.org/linux/man-pages/man3/cmsg.3.html
    #[pyo3(signature = (bufsize, ancbufsize = 0, flags = 0) -> "tuple[bytes, list[tuple[int, int, bytes]], int, Any]")]
    fn recvmsg<'py>(
        &self,
        py: Python<'py>,
        bufsize: isize,
        ancbufsize: isize,
        flags: i32,
    ) -> PyResult<ReceivedTuple<'py, Bound<'py, PyBytes>>> {
        let size = size_of_recv(bufsize, "recvmsg")?;
        let mut control = room_for_control(ancbufsize, "recvmsg")?;
        let (data, seen) = receive_bytes(py, size, |memory| {
            let call = Transfer::receive("recvmsg", flags);
            transfer(py, self.inner(), self.timeout.get(), call, |fd, flags| {
                sys::message::recvmsg_filling(fd, memory, &mut control, flags)
            })
        })?;
        control.truncate(seen.control);
        let answer = || {
            let ancdata = ancillary(py, &control)?;
            Ok((data, ancdata, seen.flags, self.sender(py, &seen.address)?))
        };
        answer().inspect_err(|_| close_descriptors(&control))
    }

    /// recvmsg(2) into buffers of yours, one after the other.
    ///
    /// Args:
    ///     buffers: an iterable of writable, contiguous buffers.
    ///     ancbufsize, flags: as `recvmsg`.
    ///
    /// Returns:
    ///     (how many bytes arrived, ancdata, msg_flags, address), as `recvmsg`.
    ///
    /// Raises:
    ///     TypeError: a read-only buffer. OSError: EMSGSIZE for more than 1,024 buffers, and as
    ///     `recv`.
    #[pyo3(signature = (buffers, ancbufsize = 0, flags = 0) -> "tuple[int, list[tuple[int, int, bytes]], int, Any]")]
    fn recvmsg_into<'py>(
        &self,
        py: Python<'py>,
        buffers: RoomsArg<'py>,
        ancbufsize: isize,
        flags: i32,
    ) -> PyResult<ReceivedTuple<'py, usize>> {
        let rooms = each(&buffers.0, "recvmsg_into() argument 1", |buffer| {
            let what = "recvmsg_into() argument 1 must be an iterable of buffers: each";
            Room::get(buffer, what)
        })?;
        let spans: SmallVec<[SpanMut<'_>; FEW]> = rooms.iter().map(Room::span).collect();
        let mut control = room_for_control(ancbufsize, "recvmsg_into")?;
        let call = Transfer::receive("recvmsg", flags);
        let seen = transfer(py, self.inner(), self.timeout.get(), call, |fd, flags| {
            sys::message::recvmsg(fd, &spans, &mut control, flags)
        })?;
        control.truncate(seen.control);
        let answer = || {
            let ancdata = ancillary(py, &control)?;
            let from = self.sender(py, &seen.address)?;
            Ok((seen.length, ancdata, seen.flags, from))
        };
        answer().inspect_err(|_| close_descriptors(&control))
    }

    /// recvmmsg(2): many datagrams in one system call.
    ///
    /// Args:
    ///     count: at most so many messages; the kernel takes 1,024 at a time.
    ///     bufsize: room for each, in bytes.
    ///     ancbufsize: room for each one's control messages, in bytes.
    ///     flags: MSG_*.
    ///
    /// Returns:
    ///     List of what `recvmsg` returns: (data, ancdata, msg_flags, address), at least one.
    ///
    /// Raises:
    ///     BlockingIOError: EAGAIN, nothing there. TimeoutError: nothing within the time-out. (It
    ///     waits for the first message only, as with MSG_WAITFORONE.)
    ///     ValueError: a negative size, or a count below 1. MemoryError: no room for so many.
    ///     OSError: as `recv`.
    ///
    /// References:
    ///     recvmmsg(2) https://man7.org/linux/man-pages/man2/recvmmsg.2.html
    #[pyo3(signature = (count, bufsize, ancbufsize = 0, flags = 0) -> "list[tuple[bytes, list[tuple[int, int, bytes]], int, Any]]")]
    fn recvmmsg<'py>(
        &self,
        py: Python<'py>,
        count: isize,
        bufsize: isize,
        ancbufsize: isize,
        flags: i32,
    ) -> PyResult<Bound<'py, PyList>> {
        let count = usize::try_from(count).ok().filter(|count| *count > 0);
        let count = count
            .ok_or_else(|| PyValueError::new_err("recvmmsg(): count must be at least 1"))?
            .min(sys::message::MOST);
        let size = size_of_recv(bufsize, "recvmmsg")?;
        let control = size_of_control(ancbufsize, "recvmmsg")?;
        let mut batch = Batch::new(count, size, control)
            .map_err(|_| no_room(count.saturating_mul(size.saturating_add(control))))?;
        let call = Transfer::receive("recvmmsg", flags | libc::MSG_WAITFORONE);
        transfer(py, self.inner(), self.timeout.get(), call, |fd, flags| {
            sys::message::recvmmsg(fd, &mut batch, flags)
        })?;
        let mut from = LastSender::default();
        let messages = batch.messages().map(|message| {
            let Message {
                data,
                control,
                flags,
                address,
            } = message;
            let data = PyBytes::new(py, data);
            let from = from.of(self, py, address)?;
            (data, ancillary(py, control)?, flags, from).into_pyobject(py)
        });
        let messages = messages.collect::<PyResult<Vec<_>>>();
        messages
            .and_then(|messages| PyList::new(py, messages))
            .inspect_err(|_| {
                for message in batch.messages() {
                    close_descriptors(message.control);
                }
            })
    }

    /// sendto(2): send a datagram to an address.
    ///
    /// Called as sendto(data, address) or sendto(data, flags, address), as the stdlib's.
    ///
    /// Args:
    ///     data: bytes or any contiguous buffer.
    ///     flags_or_address: MSG_* when there is a third argument, else the address.
    ///     address: as for `bind`; a host name is resolved at every call.
    ///
    /// Returns:
    ///     How many bytes were sent: all of a datagram, or it would be an error; on a stream as
    ///     `send`.
    ///
    /// Raises:
    ///     BlockingIOError: EAGAIN. TimeoutError: no room within the time-out.
    ///     OSError: EMSGSIZE (too long for one datagram), ECONNREFUSED (an earlier one was refused),
    ///         EDESTADDRREQ, EISCONN, ENETUNREACH, EACCES (broadcast), ...
    ///     TypeError, OverflowError: for the address, as `bind`.
    ///
    /// References:
    ///     sendto(2) https://man7.org/linux/man-pages/man2/send.2.html
    #[pyo3(signature = (data, flags_or_address, address = ThirdArgument::Absent))]
    fn sendto(
        &self,
        py: Python<'_>,
        data: ReadableArg<'_>,
        flags_or_address: FlagsOrAddress<'_>,
        address: ThirdArgument<'_>,
    ) -> PyResult<usize> {
        let data = Data::get(&data.0)?;
        let (flags, address) = match address {
            ThirdArgument::Given(address) => (flags_or_address.0.extract()?, address),
            ThirdArgument::Absent => (0, Address(flags_or_address.0)),
        };
        let to = address.for_socket("sendto", self.inner())?.to_sockaddr()?;
        let (data, timeout) = (data.span(), self.timeout.get());
        let call = Transfer::send("sendto", flags);
        let sent = transfer(py, self.inner(), timeout, call, |fd, flags| {
            sys::message::sendto(fd, data, flags, &to)
        })?;
        if sent < data.len() && call.waits_for_all(timeout) {
            // Only a stream takes a part, and it is connected.
            return Ok(sent + self.send_rest(py, data.skip(sent), flags));
        }
        Ok(sent)
    }

    /// sendmsg(2): send buffers as one message, with control messages beside it.
    ///
    /// Args:
    ///     buffers: an iterable of bytes-like objects, sent one after the other.
    ///     ancdata: an iterable of (level, type, data) control messages, such as
    ///         (SOL_SOCKET, SCM_RIGHTS, array("i", [fd])) on a Unix socket.
    ///     flags: MSG_*.
    ///     address: where to, unless the socket is connected.
    ///
    /// Returns:
    ///     How many bytes were sent; on a stream socket with a time-out perhaps not all.
    ///
    /// Raises:
    ///     OSError: EINVAL (a control message that the kernel does not take), EMSGSIZE (more than
    ///         1,024 buffers), EBADF (a descriptor in SCM_RIGHTS), and as `send` and `sendto`.
    ///     TypeError: for the arguments.
    ///
    /// References:
    ///     sendmsg(2) https://man7.org/linux/man-pages/man2/send.2.html
    ///     cmsg(3) https://man7.org/linux/man-pages/man3/cmsg.3.html
    #[pyo3(signature = (buffers, ancdata = None, flags = 0, address = None))]
    fn sendmsg(
        &self,
        py: Python<'_>,
        buffers: BuffersArg<'_>,
        ancdata: Option<AncillaryArg<'_>>,
        flags: i32,
        address: Option<Address<'_>>,
    ) -> PyResult<usize> {
        let data = each(&buffers.0, "sendmsg() argument 1", Data::get)?;
        let control = ancdata.map_or_else(|| Ok(Vec::new()), |ancdata| control_of(&ancdata.0))?;
        let to = address
            .map(|address| {
                Ok::<_, PyErr>(address.for_socket("sendmsg", self.inner())?.to_sockaddr()?)
            })
            .transpose()?;
        self.send_message(py, &data, to.as_ref(), &control, flags)
    }

    /// sendmsg(2) on an AF_ALG socket, with the control messages that its ciphers need.
    ///
    /// Args:
    ///     msg: an iterable of bytes-like objects.
    ///     op: ALG_OP_ENCRYPT, ALG_OP_DECRYPT, ...
    ///     iv: the initialisation vector.
    ///     assoclen: bytes of associated data (AEAD).
    ///     flags: MSG_*.
    ///
    /// Returns:
    ///     How many bytes were sent.
    ///
    /// Raises:
    ///     OSError: as `sendmsg`. TypeError: a negative length.
    #[pyo3(signature = (msg = None, *, op, iv = None, assoclen = None, flags = 0))]
    fn sendmsg_afalg(
        &self,
        py: Python<'_>,
        msg: Option<BuffersArg<'_>>,
        op: u32,
        iv: Option<ReadableArg<'_>>,
        assoclen: Option<i64>,
        flags: i32,
    ) -> PyResult<usize> {
        let data = match &msg {
            None => SmallVec::new(),
            Some(msg) => each(&msg.0, "sendmsg_afalg() argument 1", Data::get)?,
        };
        let mut messages = Vec::new();
        control::append(
            &mut messages,
            (libc::SOL_ALG, libc::ALG_SET_OP, &op.to_ne_bytes()),
        );
        if let Some(iv) = iv {
            let iv = Data::get(&iv.0)?.to_vec();
            let length = u32::try_from(iv.len())
                .map_err(|_| PyValueError::new_err("sendmsg_afalg(): iv is too long"))?;
            let value = [&length.to_ne_bytes()[..], &iv].concat();
            control::append(&mut messages, (libc::SOL_ALG, libc::ALG_SET_IV, &value));
        }
        if let Some(length) = assoclen {
            let value = u32::try_from(length)
                .map_err(|_| PyTypeError::new_err("assoclen must be positive"))?;
            let kind = libc::ALG_SET_AEAD_ASSOCLEN;
            control::append(&mut messages, (libc::SOL_ALG, kind, &value.to_ne_bytes()));
        }
        self.send_message(py, &data, None, &messages, flags)
    }

    /// sendmmsg(2): send many datagrams with as few system calls as that takes.
    ///
    /// On UDP, neighbours of one size and address also go through the kernel's stack together
    /// (UDP_SEGMENT); they arrive as they would have alone.
    ///
    /// Args:
    ///     messages: an iterable; each message is (data, address), (data, address, ancdata) as for
    ///         `sendmsg`, or only data where the socket is connected. Read whole before the first is
    ///         sent.
    ///     flags: MSG_*.
    ///
    /// Returns:
    ///     How many messages were sent, from the first on. Fewer than you gave: the queue was full
    ///     (without a time-out it waits for room) or the next one failed; sent again, that one gives its error. (Not if it was an earlier
    ///     one's, as ECONNREFUSED is: the kernel has then forgotten it.)
    ///
    /// Raises:
    ///     BlockingIOError, TimeoutError, OSError: as `sendto`, for the first message.
    ///     TypeError, OverflowError: for the arguments, before anything is sent.
    ///
    /// References:
    ///     sendmmsg(2) https://man7.org/linux/man-pages/man2/sendmmsg.2.html
    #[pyo3(signature = (messages, flags = 0))]
    fn sendmmsg(&self, py: Python<'_>, messages: MessagesArg<'_>, flags: i32) -> PyResult<usize> {
        let messages = self.messages_of(&messages.0)?;
        let prepared: Vec<Datagram<'_>> = messages
            .data
            .iter()
            .map(|message| Datagram {
                data: message.data.span(),
                to: message.to,
                control: &message.control,
            })
            .collect();
        let addresses = &messages.addresses;
        let segment = self.inner().is_udp();
        let timeout = self.timeout.get();
        let call = Transfer::send("sendmmsg", flags);
        let waits = call.waits_for_all(timeout);
        let mut sent = 0;
        while let Some(rest) = prepared.get(sent..).filter(|rest| !rest.is_empty()) {
            let in_the_kernel = || {
                self.inner().waiting("sendmmsg", |fd| {
                    segments::sendmmsg(fd, rest, addresses, segment, flags)
                })
            };
            let step = if waits && sent == 0 {
                without_gil(py, in_the_kernel)?
            } else if waits {
                py.detach(in_the_kernel).unwrap_or(0) // as below
            } else if sent == 0 {
                transfer(py, self.inner(), timeout, call, |fd, flags| {
                    segments::sendmmsg(fd, rest, addresses, segment, flags)
                })?
            } else {
                let flags = flags | libc::MSG_DONTWAIT;
                let more = self.inner().call("sendmmsg", |fd| {
                    segments::sendmmsg(fd, rest, addresses, segment, flags)
                });
                more.unwrap_or(0) // the next call gives the error
            };
            sent += step;
            if step < rest.len().min(sys::message::MOST) {
                break;
            }
        }
        Ok(sent)
    }
}

/// What recvmsg returns; the first part is data or a length.
type ReceivedTuple<'py, T> = (T, Bound<'py, PyList>, i32, Bound<'py, PyAny>);

/// The third argument of `sendto`: None is an address, if not a good one.
#[derive(Debug)]
pub(super) enum ThirdArgument<'py> {
    Absent,
    Given(Address<'py>),
}

impl<'py> FromPyObject<'_, 'py> for ThirdArgument<'py> {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = crate::py::hint::ADDRESS;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self::Given(object.extract()?))
    }
}

/// Messages for sendmmsg, whose equal addresses are kept once.
struct Messages<'py> {
    data: SmallVec<[OneMessage<'py>; FEW]>,
    addresses: Vec<SockAddr>,
}

struct OneMessage<'py> {
    data: Data<'py>,
    to: Option<usize>,
    control: Vec<u8>,
}

impl Socket {
    fn send_message(
        &self,
        py: Python<'_>,
        data: &[Data<'_>],
        to: Option<&SockAddr>,
        control: &[u8],
        flags: i32,
    ) -> PyResult<usize> {
        let spans: SmallVec<[Span<'_>; FEW]> = data.iter().map(Data::span).collect();
        let timeout = self.timeout.get();
        let call = Transfer::send("sendmsg", flags);
        let sent = transfer(py, self.inner(), timeout, call, |fd, flags| {
            sys::message::sendmsg(fd, &spans, to, control, flags)
        })?;
        let whole: usize = spans.iter().map(|span| span.len()).sum();
        if sent >= whole || !call.waits_for_all(timeout) {
            return Ok(sent);
        }
        // As `send_rest`: in blocking mode the kernel goes on until all is sent.
        let mut before = sent;
        let rest: Vec<Span<'_>> = spans
            .iter()
            .filter_map(|span| {
                let skipped = before.min(span.len());
                before -= skipped;
                Some(span.skip(skipped)).filter(|rest| !rest.is_empty())
            })
            .collect();
        let call = || {
            self.inner().waiting("sendmsg", |fd| {
                sys::message::sendmsg(fd, &rest, to, &[], flags)
            })
        };
        Ok(sent + py.detach(call).unwrap_or(0))
    }

    /// The address of a message's sender, or None.
    fn sender<'py>(&self, py: Python<'py>, address: &SockAddr) -> PyResult<Bound<'py, PyAny>> {
        self.shown(py, Addr::from_sockaddr(address).as_ref())
    }

    fn messages_of<'py>(&self, messages: &Bound<'py, PyAny>) -> PyResult<Messages<'py>> {
        let mut addresses = Vec::new();
        // Most callers send to one address many times: the same object is the same address.
        let mut last: Option<Bound<'py, PyAny>> = None;
        let data = each(messages, "sendmmsg() argument 1", |message| {
            let Ok(parts) = message.cast::<PyTuple>() else {
                return Ok(OneMessage {
                    data: Data::get(message)?,
                    to: None,
                    control: Vec::new(),
                });
            };
            if !(2..=3).contains(&parts.len()) {
                return Err(PyTypeError::new_err(
                    "sendmmsg(): a message must be (data, address), (data, address, ancdata), or \
                     bytes-like",
                ));
            }
            let address = parts.get_item(1)?;
            if address.is_none() {
                last = None;
            } else if !last.as_ref().is_some_and(|last| last.is(&address))
                || !address.is_instance_of::<PyTuple>()
            {
                // A bytearray may be the same and yet another name by now.
                let to = Address(address.clone()).for_socket("sendmmsg", self.inner())?;
                addresses.push(to.to_sockaddr()?);
                last = Some(address);
            }
            Ok(OneMessage {
                data: Data::get(&parts.get_item(0)?)?,
                to: last.as_ref().and_then(|_| addresses.len().checked_sub(1)),
                control: if parts.len() > 2 {
                    control_of(&parts.get_item(2)?)?
                } else {
                    Vec::new()
                },
            })
        })?;
        Ok(Messages { data, addresses })
    }
}

/// The senders of many messages: the one before is often the same, and then so is the object.
#[derive(Default)]
struct LastSender<'batch, 'py> {
    last: Option<(&'batch [u8], Bound<'py, PyAny>)>,
}

impl<'batch, 'py> LastSender<'batch, 'py> {
    fn of(
        &mut self,
        socket: &Socket,
        py: Python<'py>,
        address: &'batch [u8],
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some((bytes, object)) = &self.last
            && *bytes == address
        {
            return Ok(object.clone());
        }
        let object = match sys::message::address_from_bytes(address) {
            Some(found) => socket.sender(py, &found)?,
            None => py.None().into_bound(py),
        };
        self.last = Some((address, object.clone()));
        Ok(object)
    }
}

/// What `take` makes of each item of an iterable argument, up to the first that it refuses; `what`
/// names the argument in the error.
fn each<'py, T>(
    object: &Bound<'py, PyAny>,
    what: &str,
    mut take: impl FnMut(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<SmallVec<[T; FEW]>> {
    if let Ok(list) = object.cast_exact::<PyList>() {
        return list.iter().map(|item| take(&item)).collect();
    }
    let iterator = object.try_iter().map_err(|_| {
        let kind = type_name(object);
        PyTypeError::new_err(format!("{what} must be an iterable, not {kind}"))
    })?;
    iterator.map(|item| take(&item?)).collect()
}

fn size_of_control(size: isize, call: &str) -> PyResult<usize> {
    // The kernel counts it in an int.
    let fits = |size: &usize| i32::try_from(*size).is_ok();
    usize::try_from(size).ok().filter(fits).ok_or_else(|| {
        PyValueError::new_err(format!(
            "invalid ancillary data buffer length in {call}: {size}"
        ))
    })
}

fn room_for_control(size: isize, call: &str) -> PyResult<Vec<u8>> {
    let size = size_of_control(size, call)?;
    let mut room = Vec::new();
    room.try_reserve_exact(size).map_err(|_| no_room(size))?;
    room.resize(size, 0);
    Ok(room)
}

/// The kernel's form of `(level, type, data)` control messages.
fn control_of(ancdata: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let mut found = Vec::new();
    each(ancdata, "ancillary data", |item| {
        // A list will do, as in the stdlib.
        let item = item
            .cast::<PyList>()
            .map_or_else(|_| item.clone(), |list| list.to_tuple().into_any());
        if item.len().is_ok_and(|length| length != 3) {
            return Err(PyTypeError::new_err(
                "an item of ancillary data must be (level, type, data)",
            ));
        }
        let (level, kind, data) = item.extract::<(i32, i32, Bound<'_, PyAny>)>()?;
        control::append(&mut found, (level, kind, &Data::get(&data)?.to_vec()));
        Ok(())
    })?;
    Ok(found)
}

/// Control messages as a list of (level, type, data). Descriptors among them are nobody's yet: who
/// cannot hand the list on closes them.
fn ancillary<'py>(py: Python<'py>, control: &[u8]) -> PyResult<Bound<'py, PyList>> {
    if control.is_empty() {
        return Ok(PyList::empty(py));
    }
    let (messages, whole) = control::parse(control);
    if !whole {
        let text = c_text("received malformed or improperly-truncated ancillary data");
        PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 1)?;
    }
    let items = messages
        .iter()
        .map(|(level, kind, data)| (level, kind, PyBytes::new(py, data)));
    PyList::new(py, items)
}

/// Closes the descriptors among control messages.
fn close_descriptors(control: &[u8]) {
    for (level, kind, data) in control::parse(control).0 {
        if (level, kind) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            sys::fd::close_received(data);
        }
    }
}
