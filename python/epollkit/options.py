"""Socket options as attributes: the kernel's names in lower case, true types, and units.

`sock.options.tcp_nodelay = True`. A time is in seconds, a size in bytes, and None stands for the
value by which the kernel means "none" or "for ever". A value that the option cannot have is refused
before the kernel sees it, in particular one that the kernel would cut, wrap or take for something
else. `SocketOptions.tcp_nodelay` (of the class) is the `Option` itself: its level, its number, and
in `doc` what it does and what people trip on.

Each access is one getsockopt(2) or setsockopt(2) and some Python around it: setting tcp_nodelay
took 2.6 times as long as `Socket.setsockopt`, reading it 1.7 times as long as `getsockopt` (1.1 and
0.4 us more; medians of 9 interleaved runs). It counts where an option is set for each message
(TCP_QUICKACK, TCP_CORK).

References:
    socket(7) https://man7.org/linux/man-pages/man7/socket.7.html
    tcp(7) https://man7.org/linux/man-pages/man7/tcp.7.html
    ip(7) https://man7.org/linux/man-pages/man7/ip.7.html
    ipv6(7) https://man7.org/linux/man-pages/man7/ipv6.7.html
    udp(7) https://man7.org/linux/man-pages/man7/udp.7.html
"""

import difflib
import enum
import errno
import html
import math
import operator
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from socket import (
    AF_UNIX,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPPROTO_UDP,
    SOL_SOCKET,
    AddressFamily,
    SocketKind,
)
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NamedTuple,
    NoReturn,
    Protocol,
    Self,
    TypeVar,
    overload,
)

__all__ = [
    "MemoryInfo",
    "Option",
    "PathMtuDiscovery",
    "PeerCredentials",
    "PortRange",
    "ReadOnlyOption",
    "SocketOptions",
]

T = TypeVar("T")

_INT_MAX = 2**31 - 1
_UNSIGNED_MAX = 2**32 - 1
_NO_RATE_LIMIT = 2**64 - 1
_LONG_MAX = 2 ** (8 * struct.calcsize("l") - 1) - 1


class HasOptions(Protocol):
    """An `epollkit.Socket`, or the standard library's."""

    @overload
    def getsockopt(self, level: int, optname: int, /) -> int: ...
    @overload
    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes: ...
    def setsockopt(self, level: int, optname: int, value: int | bytes, /) -> None: ...
    @property
    def family(self) -> int: ...


class PeerCredentials(NamedTuple):
    """struct ucred: who was at the other end when it connected (or called socketpair)."""

    pid: int
    """Process; 0 where its namespace is not visible from here."""
    uid: int
    """Effective user."""
    gid: int
    """Effective group."""


class MemoryInfo(NamedTuple):
    """SO_MEMINFO: what the socket holds of the kernel's memory. Bytes, but for `drops`."""

    rmem_alloc: int
    """Received and not read yet, with the kernel's own overhead."""
    rcvbuf: int
    """The receive buffer's limit."""
    wmem_alloc: int
    """Handed to the network and not released yet."""
    sndbuf: int
    """The send buffer's limit."""
    fwd_alloc: int
    """Reserved ahead."""
    wmem_queued: int
    """In the send queue."""
    optmem: int
    """Options, filters, and notices of zero-copy sends."""
    backlog: int
    """Arrived while a call had the socket locked."""
    drops: int
    """Datagrams thrown away for want of room; a count."""


class PortRange(NamedTuple):
    """The ports that the kernel chooses from."""

    low: int
    """The first; 0 for the system's (net.ipv4.ip_local_port_range)."""
    high: int
    """The last; 0 for the system's."""


class PathMtuDiscovery(enum.IntEnum):
    """IP_MTU_DISCOVER: who may cut packets to size."""

    DONT = 0
    """Routers may fragment."""
    WANT = 1
    """As the route says."""
    DO = 2
    """Nobody: what is too large fails with EMSGSIZE."""
    PROBE = 3
    """Nobody, and what is known of the path is ignored."""
    INTERFACE = 4
    """The interface's MTU, whatever ICMP says; larger packets fail."""
    OMIT = 5
    """As INTERFACE, and larger packets are fragmented here."""


@dataclass(frozen=True, slots=True)
class _Codec(Generic[T]):
    """How a value is written and read."""

    pack: Callable[[str, T], int | bytes]
    """(name, value) to what setsockopt takes; raises where the option cannot have that value."""
    unpack: Callable[[Any], T]
    size: int = 0
    """How many bytes to ask for; 0 for an int."""


def _refuse(name: str, value: object, expected: str) -> NoReturn:
    raise TypeError(f"{name} must be {expected}, not {value!r} ({type(value).__name__})")


def _whole(name: str, value: object, low: int, high: int, expected: str) -> int:
    """An int within limits; what merely looks like one is refused."""
    if isinstance(value, bool):
        _refuse(name, value, expected)
    try:
        number = operator.index(value)  # type: ignore[arg-type] # whatever has no __index__ raises
    except TypeError:
        _refuse(name, value, expected)
    if not -(2**31) <= number <= _UNSIGNED_MAX:
        raise OverflowError(f"{name}: {number} does not fit a C int; expected {expected}")
    if not low <= number <= high:
        raise ValueError(f"{name} must be {expected}, not {number}")
    return number


def _seconds(name: str, value: object, expected: str) -> float:
    """A time that is not negative, and finite."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(name, value, expected)
    if math.isnan(value) or value < 0:
        raise ValueError(f"{name} must be {expected}, not {value!r}")
    if math.isinf(value):
        raise OverflowError(f"{name} cannot be infinite; expected {expected}")
    return value


def _ticks(name: str, value: object, per_second: int, most: int, expected: str) -> int:
    """A time in the option's unit, rounded up: more than nothing must not become nothing."""
    seconds = _seconds(name, value, expected)
    ticks = math.ceil(round(seconds * per_second, 3))  # 1.1 s are 1100 ms, not 1101
    if ticks > most:
        raise OverflowError(f"{name}: {value!r} s is too long, at most {most / per_second} s fit")
    return ticks


def _flag() -> _Codec[bool]:
    def pack(name: str, value: object) -> int:
        if isinstance(value, int) and value in (0, 1):
            return int(value)
        _refuse(name, value, "True or False")

    return _Codec(pack, bool)


def _number(low: int = 0, high: int = _INT_MAX, unit: str = "") -> _Codec[int]:
    expected = f"an int from {low} to {high}" + (f" ({unit})" if unit else "")

    def pack(name: str, value: int) -> int:
        return _whole(name, value, low, high, expected)

    return _Codec(pack, int)


def _optional_number(none: int, high: int = _INT_MAX) -> _Codec[int | None]:
    """None for the number `none`; others from 0, or from 1 where 0 is that number."""
    low = 1 if none == 0 else 0
    expected = f"an int from {low} to {high}, or None"

    def pack(name: str, value: int | None) -> int:
        return none if value is None else _whole(name, value, low, high, expected)

    def unpack(value: int) -> int | None:
        return None if value == none else value

    return _Codec(pack, unpack)


def _unsigned(form: str = "=I") -> _Codec[int]:
    size = struct.calcsize(form)
    high = 2 ** (8 * size) - 1

    def pack(name: str, value: int) -> bytes:
        return struct.pack(form, _whole(name, value, 0, high, f"an int from 0 to {high}"))

    def unpack(raw: bytes) -> int:
        return int.from_bytes(raw[:size], sys.byteorder)

    return _Codec(pack, unpack, size)


def _rate() -> _Codec[int | None]:
    """Bytes per second; the largest number is no limit."""

    def pack(name: str, value: object) -> bytes:
        if value is None:
            return struct.pack("=Q", _NO_RATE_LIMIT)
        if isinstance(value, bool) or not isinstance(value, int):
            _refuse(name, value, "an int (bytes per second) or None")
        if not 0 < value < _NO_RATE_LIMIT:
            raise ValueError(f"{name} must be at least 1 byte per second, or None, not {value}")
        return struct.pack("=Q", value)

    def unpack(raw: bytes) -> int | None:
        rate = int.from_bytes(raw, sys.byteorder)
        return None if rate in (_NO_RATE_LIMIT, _UNSIGNED_MAX) else rate

    return _Codec(pack, unpack, 8)


def _time(per_second: int, most: int = _INT_MAX) -> _Codec[float]:
    """Seconds, counted by the kernel in so many ticks per second; 0.0 is a time like others."""

    def pack(name: str, value: float) -> int:
        return _ticks(name, value, per_second, most, "seconds, 0 or more")

    def unpack(ticks: int) -> float:
        return ticks / per_second

    return _Codec(pack, unpack)


def _time_or_none(per_second: int) -> _Codec[float | None]:
    """Seconds; None for the kernel's 0, which is no time but "none of its own"."""
    expected = "seconds above 0, or None"

    def pack(name: str, value: float | None) -> int:
        if value is None:
            return 0
        if value == 0:
            raise ValueError(f"{name} must be {expected}: the kernel takes 0 for None")
        return _ticks(name, value, per_second, _INT_MAX, expected)

    def unpack(ticks: int) -> float | None:
        return ticks / per_second if ticks else None

    return _Codec(pack, unpack)


def _whole_seconds(low: int, high: int) -> _Codec[int]:
    """Seconds that the kernel counts as an int: half of one would be cut to none."""
    expected = f"whole seconds from {low} to {high}"

    def pack(name: str, value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return _whole(name, value, low, high, expected)

    return _Codec(pack, int)


def _timeval() -> _Codec[float | None]:
    """A struct timeval; None for the kernel's 0, which is for ever."""
    expected = "seconds above 0, or None for ever"
    form = "ll"

    def pack(name: str, value: float | None) -> bytes:
        if value is None:
            return struct.pack(form, 0, 0)
        if value == 0:
            raise ValueError(f"{name} must be {expected}: the kernel takes 0 for ever")
        # The kernel counts in jiffies, and takes what does not fit for ever.
        ticks = _ticks(name, value, 1_000_000, _LONG_MAX // 1000, expected)
        return struct.pack(form, *divmod(ticks, 1_000_000))

    def unpack(raw: bytes) -> float | None:
        seconds, microseconds = struct.unpack(form, raw)
        return seconds + microseconds / 1e6 if seconds or microseconds else None

    return _Codec(pack, unpack, struct.calcsize(form))


def _linger() -> _Codec[float | None]:
    """A struct linger; None where it is off."""
    expected = "whole seconds, or None"

    def pack(name: str, value: float | None) -> bytes:
        if value is None:
            return struct.pack("ii", 0, 0)
        seconds = _seconds(name, value, expected)
        if seconds != int(seconds):
            raise ValueError(f"{name} counts whole seconds: {value!r} would be {int(seconds)}")
        if seconds > _INT_MAX:
            raise OverflowError(f"{name}: {value!r} s is too long, at most {_INT_MAX} s fit")
        return struct.pack("ii", 1, int(seconds))

    def unpack(raw: bytes) -> float | None:
        on, seconds = struct.unpack("ii", raw)
        return float(seconds) if on else None

    return _Codec(pack, unpack, 8)


def _encoded(name: str, value: object, most: int, expected: str) -> bytes:
    if not isinstance(value, str):
        _refuse(name, value, expected)
    raw = value.encode()
    if not 0 < len(raw) < most or b"\0" in raw:
        raise ValueError(f"{name} must be 1 to {most - 1} bytes without NUL, not {value!r}")
    return raw


def _decoded(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode(errors="backslashreplace")


def _text(most: int) -> _Codec[str]:
    def pack(name: str, value: str) -> bytes:
        return _encoded(name, value, most, "a str")

    return _Codec(pack, _decoded, most)


def _text_or_none(most: int) -> _Codec[str | None]:
    def pack(name: str, value: str | None) -> bytes:
        return b"\0" if value is None else _encoded(name, value, most, "a str or None")

    def unpack(raw: bytes) -> str | None:
        return _decoded(raw) or None

    return _Codec(pack, unpack, most)


E_ = TypeVar("E_", bound=enum.IntEnum)


def _member(kind: type[E_]) -> _Codec[E_]:
    def pack(name: str, value: E_) -> int:
        try:
            return int(kind(value))
        except ValueError:
            names = ", ".join(member.name for member in kind)
            _refuse(name, value, f"one of {kind.__name__}'s {names}")

    return _Codec(pack, kind)


def _no_pack(_name: str, _value: object) -> NoReturn:
    raise AssertionError  # only for options that cannot be set


def _credentials(raw: bytes) -> PeerCredentials:
    return PeerCredentials(*struct.unpack("iII", raw))


def _memory(raw: bytes) -> MemoryInfo:
    # A later kernel may have more.
    return MemoryInfo(*struct.unpack_from("=9I", raw.ljust(36, b"\0")))


def _port_range() -> _Codec[PortRange]:
    def pack(name: str, value: PortRange) -> int:
        try:
            low, high = value
        except (TypeError, ValueError):
            _refuse(name, value, "two ports, the first and the last")
        for port in (low, high):
            _whole(name, port, 0, 65535, "two ports from 0 to 65535; 0 for the system's")
        if low and high and low > high:
            raise ValueError(f"{name}: the first port, {low}, is above the last, {high}")
        number = high << 16 | low
        return number - 2**32 if number > _INT_MAX else number

    def unpack(number: int) -> PortRange:
        return PortRange(number & 0xFFFF, (number >> 16) & 0xFFFF)

    return _Codec(pack, unpack)


class ReadOnlyOption(Generic[T]):
    """An option that the kernel only tells.

    Attributes:
        name: the attribute's name: the kernel's in lower case.
        level: SOL_SOCKET, IPPROTO_TCP, ...
        number: SO_*, TCP_*, ... on this machine.
        doc: what it is, and what people trip on.
    """

    settable: bool = False

    def __init__(
        self,
        level: int,
        number: int,
        codec: _Codec[T],
        doc: str,
        *,
        family: int | None = None,
        reading_changes_it: bool = False,
    ) -> None:
        """An option; its name is that of the attribute it is bound to."""
        self.name: str = "?"
        self.level: int = level
        self.number: int = number
        self.doc: str = " ".join(doc.split())
        self.__doc__ = self.doc
        self.family: int | None = family
        self.reading_changes_it: bool = reading_changes_it
        self._codec = codec

    def __set_name__(self, owner: type, name: str) -> None:
        """Take the attribute's name, and the number that this machine has for it."""
        self.name = name
        # A few architectures have numbers of their own, and the standard library knows them.
        self.number = getattr(socket, name.upper(), self.number)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: "SocketOptions", owner: type) -> T: ...
    def __get__(self, instance: "SocketOptions | None", owner: type) -> Self | T:
        """getsockopt(2)."""
        if instance is None:
            return self
        sock, size = instance.sock, self._codec.size
        try:
            raw: int | bytes = (
                sock.getsockopt(self.level, self.number, size)
                if size
                else sock.getsockopt(self.level, self.number)
            )
        except OSError as error:
            error.add_note(f"getsockopt {self.name}: {self.doc}")
            raise
        return self._codec.unpack(raw)

    def applies_to(self, sock: HasOptions) -> bool:
        """Whether an option of this family of sockets; the kernel may still say no."""
        return self.family in (None, sock.family)

    def __repr__(self) -> str:
        """Name and numbers."""
        return f"<{type(self).__name__} {self.name} level={int(self.level)} number={self.number}>"


class Option(ReadOnlyOption[T]):
    """An option that can be set, too. See `ReadOnlyOption` for its attributes."""

    settable: bool = True

    def __set__(self, instance: "SocketOptions", value: T) -> None:
        """setsockopt(2), if the value is one that this option can have."""
        packed = self._codec.pack(self.name, value)
        try:
            instance.sock.setsockopt(self.level, self.number, packed)
        except OSError as error:
            error.add_note(f"setsockopt {self.name} = {value!r}: {self.doc}")
            raise


class SocketOptions(Mapping[str, object]):
    """The options of one socket, each an attribute. `Socket.options` gives this.

    It holds the socket and nothing else: each access asks the kernel. As a mapping it goes over the
    names that this socket has and that can be read without a change; `print` shows them with their
    values. What the kernel refuses is an OSError with the option's description in a note.

    Args:
        sock: an `epollkit.Socket`; a `socket.socket` will do.

    Attributes:
        sock: that socket.
    """

    __slots__ = ("__weakref__", "sock")

    def __init__(self, sock: HasOptions) -> None:
        """A view of the options of `sock`."""
        self.sock: HasOptions = sock

    # Of every socket: see socket(7).

    so_acceptconn: ReadOnlyOption[bool] = ReadOnlyOption(
        SOL_SOCKET, 30, _flag(), "Whether the socket listens."
    )
    so_bindtodevice: Option[str | None] = Option(
        SOL_SOCKET,
        25,
        _text_or_none(16),
        """Interface that packets must come in and go out by; None for any. Since Linux 5.7 anyone
        may bind an unbound socket; to change or undo it takes CAP_NET_RAW. ENODEV: no such
        interface.""",
    )
    so_bindtoifindex: Option[int | None] = Option(
        SOL_SOCKET, 62, _optional_number(0), "As so_bindtodevice, by the interface's index."
    )
    so_broadcast: Option[bool] = Option(
        SOL_SOCKET, 6, _flag(), "Allow datagrams to broadcast addresses; EACCES without it."
    )
    so_busy_poll: Option[float] = Option(
        SOL_SOCKET,
        46,
        _time(1_000_000),
        """Seconds (counted in microseconds) to poll the network card before a read sleeps. To set
        it above what it is (net.core.busy_read, usually 0) takes CAP_NET_ADMIN: EPERM. For epoll
        the sysctl net.core.busy_poll counts, and loopback has no card to poll.""",
    )
    so_busy_poll_budget: Option[int] = Option(
        SOL_SOCKET,
        70,
        _number(0, 65535, "packets"),
        "Packets per round of busy polling; above 8 it takes CAP_NET_ADMIN. It cannot be read.",
    )
    so_cookie: ReadOnlyOption[int] = ReadOnlyOption(
        SOL_SOCKET,
        57,
        _unsigned("=Q"),
        """A number that no other socket of this boot has had or will have. A duplicate of the
        descriptor has the same. sock_diag(7), `ss -e` and BPF show it.""",
    )
    so_debug: Option[bool] = Option(
        SOL_SOCKET, 1, _flag(), "Debugging; to turn it on takes CAP_NET_ADMIN."
    )
    so_domain: ReadOnlyOption[AddressFamily] = ReadOnlyOption(
        SOL_SOCKET, 39, _member(AddressFamily), "AF_*."
    )
    so_dontroute: Option[bool] = Option(
        SOL_SOCKET, 5, _flag(), "Send to directly connected hosts only."
    )
    so_error: ReadOnlyOption[int] = ReadOnlyOption(
        SOL_SOCKET,
        4,
        _number(),
        "Errno of the pending error, 0 for none. Reading clears it; printing leaves it alone.",
        reading_changes_it=True,
    )
    so_incoming_cpu: Option[int] = Option(
        SOL_SOCKET,
        49,
        _number(),
        """CPU that handled the last packet; -1 before any. Set on the listeners of a so_reuseport
        group it says which CPU's connections each prefers. It moves neither interrupts nor your
        thread.""",
    )
    so_incoming_napi_id: ReadOnlyOption[int] = ReadOnlyOption(
        SOL_SOCKET, 56, _unsigned(), "Receive queue of the last packet; 0 on loopback."
    )
    so_keepalive: Option[bool] = Option(
        SOL_SOCKET,
        9,
        _flag(),
        "Probe an idle connection: see tcp_keepidle, tcp_keepintvl, tcp_keepcnt (by default the "
        "first probe is sent after two hours).",
    )
    so_linger: Option[float | None] = Option(
        SOL_SOCKET,
        13,
        _linger(),
        """What close does with data that is not acknowledged. None, the default: close returns and
        the kernel goes on sending. 0.0: they are thrown away and the peer gets a reset. More: close
        of a blocking socket waits so many whole seconds; of a non-blocking one, as epollkit's are,
        too, for close(2) does not look at O_NONBLOCK.""",
    )
    so_mark: Option[int] = Option(
        SOL_SOCKET,
        36,
        _unsigned(),
        "Mark for policy routing and netfilter. CAP_NET_ADMIN or, since Linux 5.17, CAP_NET_RAW.",
    )
    so_max_pacing_rate: Option[int | None] = Option(
        SOL_SOCKET,
        47,
        _rate(),
        "Ceiling of the sending rate, bytes per second; None for no ceiling. TCP paces by itself; "
        "UDP needs the fq queueing discipline.",
    )
    so_meminfo: ReadOnlyOption[MemoryInfo] = ReadOnlyOption(
        SOL_SOCKET, 55, _Codec(_no_pack, _memory, 64), "What it holds of the kernel's memory."
    )
    so_netns_cookie: ReadOnlyOption[int] = ReadOnlyOption(
        SOL_SOCKET, 71, _unsigned("=Q"), "A number of the socket's network namespace."
    )
    so_oobinline: Option[bool] = Option(
        SOL_SOCKET,
        10,
        _flag(),
        """Leave urgent data (MSG_OOB) in the stream. Without it the urgent byte is taken out, and
        only recv with MSG_OOB gives it.""",
    )
    so_passcred: Option[bool] = Option(
        SOL_SOCKET,
        16,
        _flag(),
        """Receive SCM_CREDENTIALS with each message (Unix and netlink). An unbound socket gets an
        abstract name by it when it connects or sends.""",
    )
    so_peek_off: Option[int | None] = Option(
        SOL_SOCKET,
        42,
        _optional_number(-1),
        "Where MSG_PEEK looks, in bytes from the queue's head; it moves on with each peek. None: "
        "always at the head.",
    )
    so_peercred: ReadOnlyOption[PeerCredentials] = ReadOnlyOption(
        SOL_SOCKET,
        17,
        _Codec(_no_pack, _credentials, 12),
        """Who was at the other end of a Unix stream when it connected. A process may have given the
        descriptor away since. Process 0 and user 2**32 - 1: nobody.""",
        family=AF_UNIX,
    )
    so_prefer_busy_poll: Option[bool] = Option(
        SOL_SOCKET, 69, _flag(), "Prefer busy polling to interrupts. CAP_NET_ADMIN."
    )
    so_priority: Option[int] = Option(
        SOL_SOCKET,
        12,
        _number(),
        "Queueing priority of what is sent: 0 to 6; above takes CAP_NET_ADMIN. ip_tos sets it too.",
    )
    so_protocol: ReadOnlyOption[int] = ReadOnlyOption(SOL_SOCKET, 38, _number(), "IPPROTO_*.")
    so_rcvbuf: Option[int] = Option(
        SOL_SOCKET,
        8,
        _number(0, _INT_MAX // 2, "bytes"),
        """Receive buffer, bytes. The kernel doubles what is set, for its own overhead, and tells
        the double; it caps at net.core.rmem_max without an error (SO_RCVBUFFORCE does not, with
        CAP_NET_ADMIN). Setting it ends TCP's own sizing of the buffer, and for a large window it
        must be set before connect or listen.""",
    )
    so_rcvlowat: Option[int] = Option(
        SOL_SOCKET,
        18,
        _number(0, _INT_MAX, "bytes"),
        """Bytes that must be there before the socket is readable, to epoll and poll too; end of
        stream and errors always are. 0 counts as 1. A non-blocking recv takes fewer all the same.
        TCP enlarges the buffer for it, and cuts it without an error to half of the largest one
        (so_rcvbuf where that was set, else net.ipv4.tcp_rmem).""",
    )
    so_rcvtimeo: Option[float | None] = Option(
        SOL_SOCKET,
        20,
        _timeval(),
        """Seconds that a blocking receive or accept may take; None for ever. It has no effect on a
        non-blocking descriptor, which epollkit's are: use `settimeout`. Rounded up to the kernel's
        clock tick (1 to 10 ms).""",
    )
    so_reserve_mem: Option[int] = Option(
        SOL_SOCKET,
        73,
        _number(0, _INT_MAX, "bytes"),
        "Memory that stays this socket's, bytes; for sockets under a memory cgroup only.",
    )
    so_reuseaddr: Option[bool] = Option(
        SOL_SOCKET,
        2,
        _flag(),
        """Bind although connections in TIME_WAIT have the port, if they had set this too: what
        every server wants. It does not let two listeners share a port (so_reuseport does). For UDP
        it does, and the last one gets the datagrams.""",
    )
    so_reuseport: Option[bool] = Option(
        SOL_SOCKET,
        15,
        _flag(),
        """Share the port with others of the same user that all set this before bind. Connections
        are spread by a hash of the addresses, and one that waits in the queue of a listener is lost
        when that is closed (see net.ipv4.tcp_migrate_req). It does not bind over TIME_WAIT of
        sockets that had not set it.""",
    )
    so_rxq_ovfl: Option[bool] = Option(
        SOL_SOCKET, 40, _flag(), "Receive the count of dropped datagrams with each message."
    )
    so_select_err_queue: Option[bool] = Option(
        SOL_SOCKET, 45, _flag(), "The error queue makes POLLPRI too, not POLLERR alone."
    )
    so_sndbuf: Option[int] = Option(
        SOL_SOCKET,
        7,
        _number(0, _INT_MAX // 2, "bytes"),
        """Send buffer, bytes. The kernel doubles what is set and tells the double; it caps at
        net.core.wmem_max without an error. Setting it ends TCP's own sizing of the buffer.""",
    )
    so_sndlowat: ReadOnlyOption[int] = ReadOnlyOption(
        SOL_SOCKET, 19, _number(), "Always 1 on Linux."
    )
    so_sndtimeo: Option[float | None] = Option(
        SOL_SOCKET,
        21,
        _timeval(),
        """Seconds that a blocking send or connect may take; None for ever. No effect on a
        non-blocking descriptor, which epollkit's are: use `settimeout`.""",
    )
    so_timestamp: Option[bool] = Option(
        SOL_SOCKET, 29, _flag(), "Receive SCM_TIMESTAMP, microseconds, with each message."
    )
    so_timestampns: Option[bool] = Option(
        SOL_SOCKET, 35, _flag(), "Receive SCM_TIMESTAMPNS, nanoseconds; turns so_timestamp off."
    )
    so_txrehash: Option[int] = Option(
        SOL_SOCKET, 74, _number(-1, 1), "Try another path after time-outs: 1 yes, 0 no, -1 default."
    )
    so_type: ReadOnlyOption[SocketKind] = ReadOnlyOption(
        SOL_SOCKET, 3, _member(SocketKind), "SOCK_*."
    )
    so_zerocopy: Option[bool] = Option(
        SOL_SOCKET,
        60,
        _flag(),
        """Allow MSG_ZEROCOPY. The memory must not change until the kernel says so on the error
        queue: `epollkit.zerocopy` sees to that. Not for Unix sockets (errno 524).""",
    )

    # Of TCP: see tcp(7).

    tcp_congestion: Option[str] = Option(
        IPPROTO_TCP,
        13,
        _text(16),
        """Congestion control: "cubic", "bbr", "reno", ... ENOENT: not loaded
        (net.ipv4.tcp_available_congestion_control). EPERM: not in
        net.ipv4.tcp_allowed_congestion_control, and no CAP_NET_ADMIN.""",
    )
    tcp_cork: Option[bool] = Option(
        IPPROTO_TCP,
        3,
        _flag(),
        """Hold partial segments back until it is turned off, or for 200 ms. Turning it off sends
        what was held.""",
    )
    tcp_defer_accept: Option[int] = Option(
        IPPROTO_TCP,
        9,
        _whole_seconds(0, _INT_MAX),
        """On a listener: accept a connection only when data have come, for about so many seconds;
        then it is accepted without. Rounded up to a number of SYN-ACK retransmissions (1, 3, 7, 15,
        ... s), and that is what reading gives. 0: off.""",
    )
    tcp_delack_max_us: Option[float] = Option(
        IPPROTO_TCP, 46, _time(1_000_000), "Longest delay of an acknowledgement, seconds (6.15)."
    )
    tcp_fastopen: Option[int] = Option(
        IPPROTO_TCP,
        23,
        _number(),
        """On a listener: allow data in the SYN, and queue at most so many requests that have not
        been confirmed. A queue length, not a switch. The server's bit of net.ipv4.tcp_fastopen (2)
        must be set, else it is silently off.""",
    )
    tcp_fastopen_connect: Option[bool] = Option(
        IPPROTO_TCP,
        30,
        _flag(),
        """At a client: connect returns at once where a cookie is known, and the first send carries
        the data in the SYN. Without a cookie it connects as ever. The client's bit of
        net.ipv4.tcp_fastopen (1) must be set: EOPNOTSUPP.""",
    )
    tcp_fastopen_no_cookie: Option[bool] = Option(
        IPPROTO_TCP, 34, _flag(), "Fast Open without a cookie: anyone can make the server work."
    )
    tcp_inq: Option[bool] = Option(
        IPPROTO_TCP, 36, _flag(), "Receive what is still in the queue (TCP_CM_INQ) with recvmsg."
    )
    tcp_keepcnt: Option[int] = Option(
        IPPROTO_TCP, 6, _number(1, 127), "Unanswered keep-alive probes until ETIMEDOUT."
    )
    tcp_keepidle: Option[int] = Option(
        IPPROTO_TCP,
        4,
        _whole_seconds(1, 32767),
        "Whole seconds of silence before the first keep-alive probe. Needs so_keepalive.",
    )
    tcp_keepintvl: Option[int] = Option(
        IPPROTO_TCP, 5, _whole_seconds(1, 32767), "Whole seconds between keep-alive probes."
    )
    tcp_linger2: Option[int] = Option(
        IPPROTO_TCP,
        8,
        _whole_seconds(-1, 120),
        """Whole seconds that a closed socket stays in FIN_WAIT2; 0 for the system's
        (net.ipv4.tcp_fin_timeout), -1 for none at all. Nothing to do with so_linger.""",
    )
    tcp_maxseg: Option[int] = Option(
        IPPROTO_TCP,
        2,
        _number(0, 32767, "bytes"),
        """Largest segment, bytes, at least 88; 0 for the path's own. Set before connect or listen;
        reading gives what the connection really uses.""",
    )
    tcp_nodelay: Option[bool] = Option(
        IPPROTO_TCP,
        1,
        _flag(),
        """Send small segments at once, without waiting for acknowledgements (Nagle's algorithm).
        Inherited from the listener. tcp_cork goes before it.""",
    )
    tcp_notsent_lowat: Option[int] = Option(
        IPPROTO_TCP,
        25,
        _unsigned(),
        """Writable (EPOLLOUT) only while fewer than half of so many bytes wait to be sent; from so
        many on, send takes no more. What is queued stays little, and late changes of mind are
        possible. 0 is the system's (net.ipv4.tcp_notsent_lowat, no limit by default).""",
    )
    tcp_quickack: Option[bool] = Option(
        IPPROTO_TCP,
        12,
        _flag(),
        """Acknowledge at once. Not permanent: the kernel goes back to delayed acknowledgements when
        it sees fit, so it must be set again after each receive; `setsockopt` is faster for
        that.""",
    )
    tcp_rto_max_ms: Option[float] = Option(
        IPPROTO_TCP, 44, _time(1000), "Longest retransmission time-out: 1 to 120 s (Linux 6.15)."
    )
    tcp_rto_min_us: Option[float] = Option(
        IPPROTO_TCP, 45, _time(1_000_000), "Shortest retransmission time-out, seconds (6.15)."
    )
    tcp_save_syn: Option[int] = Option(
        IPPROTO_TCP, 27, _number(0, 2), "On a listener: keep the headers of each SYN (2: with MAC)."
    )
    tcp_syncnt: Option[int] = Option(
        IPPROTO_TCP,
        7,
        _number(1, 127),
        "SYN retransmissions until connect gives ETIMEDOUT; 6 are about 127 s.",
    )
    tcp_thin_linear_timeouts: Option[bool] = Option(
        IPPROTO_TCP, 16, _flag(), "Do not double the time-out of a stream with few packets."
    )
    tcp_ulp: Option[str | None] = Option(
        IPPROTO_TCP, 31, _text_or_none(16), 'Upper layer protocol: "tls", ... It cannot be undone.'
    )
    tcp_user_timeout: Option[float | None] = Option(
        IPPROTO_TCP,
        18,
        _time_or_none(1000),
        """Seconds (counted in milliseconds) that sent data may stay unacknowledged until ETIMEDOUT;
        None for the system's retransmissions (net.ipv4.tcp_retries2, 13 to 30 minutes). It also
        replaces tcp_keepcnt.""",
    )
    tcp_window_clamp: Option[int] = Option(
        IPPROTO_TCP,
        10,
        _number(0, _INT_MAX, "bytes"),
        "Ceiling of the window we advertise, bytes; at least half of the least receive buffer.",
    )

    # Of UDP: see udp(7).

    udp_cork: Option[bool] = Option(
        IPPROTO_UDP, 1, _flag(), "Join what is sent into one datagram until it is turned off."
    )
    udp_gro: Option[bool] = Option(
        IPPROTO_UDP, 104, _flag(), "Receive runs of datagrams as one, with their size beside them."
    )
    udp_segment: Option[int] = Option(
        IPPROTO_UDP,
        103,
        _number(0, 65535, "bytes"),
        "Cut each send into datagrams of so many bytes (GSO); 0: off.",
    )

    # Of IPv4, and of IPv6 sockets for the IPv4 they speak: see ip(7).

    ip_bind_address_no_port: Option[bool] = Option(
        IPPROTO_IP,
        24,
        _flag(),
        """bind with port 0 chooses no port; connect does. Then a port is taken per pair of
        addresses: clients that bind an address can have more than 28,000 connections, as many as
        to each destination.""",
    )
    ip_freebind: Option[bool] = Option(
        IPPROTO_IP, 15, _flag(), "Bind an address that is not there (yet)."
    )
    ip_local_port_range: Option[PortRange] = Option(
        IPPROTO_IP,
        51,
        _port_range(),
        "Ports that the kernel chooses from for this socket (Linux 6.3), within the system's range "
        "where it is narrower.",
    )
    ip_minttl: Option[int] = Option(
        IPPROTO_IP, 21, _number(0, 255), "Drop packets that have come further than 255 less this."
    )
    ip_mtu: ReadOnlyOption[int] = ReadOnlyOption(
        IPPROTO_IP, 14, _number(), "The path's MTU, bytes; ENOTCONN before connect."
    )
    ip_mtu_discover: Option[PathMtuDiscovery] = Option(
        IPPROTO_IP, 10, _member(PathMtuDiscovery), "Who may fragment: see `PathMtuDiscovery`."
    )
    ip_multicast_loop: Option[bool] = Option(IPPROTO_IP, 34, _flag(), "Hear one's own multicast.")
    ip_multicast_ttl: Option[int] = Option(
        IPPROTO_IP, 33, _number(-1, 255), "Hops of multicast; 1 by default."
    )
    ip_pktinfo: Option[bool] = Option(
        IPPROTO_IP, 8, _flag(), "Receive each datagram's destination and interface with recvmsg."
    )
    ip_recverr: Option[bool] = Option(
        IPPROTO_IP,
        11,
        _flag(),
        """Queue each ICMP error with its details (recv with MSG_ERRQUEUE). On TCP errors become
        final at once.""",
    )
    ip_recvtos: Option[bool] = Option(
        IPPROTO_IP, 13, _flag(), "Receive each datagram's TOS byte with recvmsg."
    )
    ip_recvttl: Option[bool] = Option(
        IPPROTO_IP, 12, _flag(), "Receive each datagram's TTL with recvmsg."
    )
    ip_tos: Option[int] = Option(
        IPPROTO_IP,
        1,
        _number(0, 255),
        "DSCP in the upper six bits; TCP keeps the lower two (ECN) for itself. Sets so_priority.",
    )
    ip_transparent: Option[bool] = Option(
        IPPROTO_IP, 19, _flag(), "Bind and accept foreign addresses. CAP_NET_ADMIN or CAP_NET_RAW."
    )
    ip_ttl: Option[int] = Option(
        IPPROTO_IP,
        2,
        _number(-1, 255),
        "Hops until a packet is dropped: 1 to 255; -1 for the system's (net.ipv4.ip_default_ttl).",
    )

    # Of IPv6: see ipv6(7).

    ipv6_dontfrag: Option[bool] = Option(IPPROTO_IPV6, 62, _flag(), "Do not fragment; EMSGSIZE.")
    ipv6_freebind: Option[bool] = Option(
        IPPROTO_IPV6, 78, _flag(), "Bind an address that is not there (yet)."
    )
    ipv6_mtu_discover: Option[PathMtuDiscovery] = Option(
        IPPROTO_IPV6, 23, _member(PathMtuDiscovery), "Who may fragment: see `PathMtuDiscovery`."
    )
    ipv6_multicast_hops: Option[int] = Option(
        IPPROTO_IPV6, 18, _number(-1, 255), "Hops of multicast."
    )
    ipv6_multicast_loop: Option[bool] = Option(
        IPPROTO_IPV6, 19, _flag(), "Hear one's own multicast."
    )
    ipv6_recverr: Option[bool] = Option(IPPROTO_IPV6, 25, _flag(), "As ip_recverr.")
    ipv6_recvpktinfo: Option[bool] = Option(
        IPPROTO_IPV6, 49, _flag(), "Receive each datagram's destination and interface."
    )
    ipv6_tclass: Option[int] = Option(
        IPPROTO_IPV6, 67, _number(-1, 255), "Traffic class, as ip_tos; -1 for the default, 0."
    )
    ipv6_transparent: Option[bool] = Option(IPPROTO_IPV6, 75, _flag(), "As ip_transparent.")
    ipv6_unicast_hops: Option[int] = Option(
        IPPROTO_IPV6, 16, _number(-1, 255), "Hops; -1 for the route's and the system's."
    )
    ipv6_v6only: Option[bool] = Option(
        IPPROTO_IPV6,
        26,
        _flag(),
        """Off (net.ipv6.bindv6only): bound to "::" it takes IPv4 too, as ::ffff:a.b.c.d, and nobody
        else can have the port for IPv4. Set it before bind: EINVAL after.""",
    )

    def __iter__(self) -> Iterator[str]:
        """The names that this socket has and that can be read without a change."""
        return iter(self._known())

    def __len__(self) -> int:
        """How many names `iter` goes over."""
        return len(self._known())

    def __contains__(self, name: object) -> bool:
        """Whether `iter` goes over that name."""
        return name in self._known()

    def __getitem__(self, name: str) -> object:
        """An option by its name."""
        if name not in OPTIONS:
            raise KeyError(_unknown(name))
        return getattr(self, name)

    def __eq__(self, other: object) -> bool:
        """Whether it is a view of the same object."""
        return isinstance(other, SocketOptions) and self.sock is other.sock

    def __hash__(self) -> int:
        """As of the socket object."""
        return hash((SocketOptions, id(self.sock)))

    def _known(self) -> dict[str, object]:
        """Name and value of each option that this socket has, but for those reading changes."""
        found: dict[str, object] = {}
        for name, option in OPTIONS.items():
            if option.reading_changes_it or not option.applies_to(self.sock):
                continue
            try:
                found[name] = getattr(self, name)
            except OSError as error:  # it is not an option of this kind of socket, in this state
                if error.errno == errno.EBADF:
                    raise
        return found

    def __repr__(self) -> str:
        """Of which socket."""
        return f"<SocketOptions of {self.sock!r}>"

    def __str__(self) -> str:
        """A line for each option of this socket: `name = value`."""
        known = self._known()
        width = max(map(len, known))
        return "\n".join(f"{name:{width}} = {_shown(value)}" for name, value in known.items())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{name}</td><td>{html.escape(_shown(value))}</td>"
            f"<td>{html.escape(OPTIONS[name].doc)}</td></tr>"
            for name, value in self._known().items()
        )
        head = "<tr><th>option</th><th>value</th><th>what it is</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"

    if not TYPE_CHECKING:  # to a type checker an unknown name is an error, as it should be

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(_unknown(name), name=name, obj=self)

        def __setattr__(self, name: str, value: object) -> None:
            if name != "sock":
                option = OPTIONS.get(name)
                if option is None:
                    raise AttributeError(_unknown(name), name=name, obj=self)
                if not option.settable:
                    raise AttributeError(f"{name} can only be read: {option.doc}")
            object.__setattr__(self, name, value)


OPTIONS: dict[str, ReadOnlyOption[Any]] = {
    name: option
    for name, option in vars(SocketOptions).items()
    if isinstance(option, ReadOnlyOption)
}
"""Every option by name."""


def _shown(value: object) -> str:
    """A member of an enum by its name, the rest as Python writes it."""
    return value.name if isinstance(value, enum.Enum) else repr(value)


def _unknown(name: str) -> str:
    """That there is no such option, and which may be meant."""
    lower = name.lower()
    meant = difflib.get_close_matches(lower, OPTIONS)
    meant += [known for known in OPTIONS if known.partition("_")[2] == lower and known not in meant]
    hint = f"; did you mean {' or '.join(meant)}?" if meant else ""
    return f"no socket option {name!r}{hint}"
