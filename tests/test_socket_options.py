import errno
import socket
import struct
from array import array
from collections.abc import Callable
from socket import (
    IP_TTL,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPV6_V6ONLY,
    SO_ACCEPTCONN,
    SO_BROADCAST,
    SO_KEEPALIVE,
    SO_LINGER,
    SO_OOBINLINE,
    SO_PRIORITY,
    SO_PROTOCOL,
    SO_RCVBUF,
    SO_RCVLOWAT,
    SO_RCVTIMEO,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SO_SNDBUF,
    SO_TYPE,
    SOL_SOCKET,
    TCP_CONGESTION,
    TCP_DEFER_ACCEPT,
    TCP_INFO,
    TCP_KEEPCNT,
    TCP_KEEPIDLE,
    TCP_MAXSEG,
    TCP_NODELAY,
    TCP_QUICKACK,
    TCP_USER_TIMEOUT,
)
from typing import Any

import pytest

from endpoints import outcome
from epollkit import Socket

SO_DOMAIN = 39  # linux/socket.h; the socket module has no name for it


class Index:
    """An int by `__index__` only, as numpy's are."""

    def __init__(self, value: int) -> None:
        self._value = value

    def __index__(self) -> int:
        return self._value

    def __repr__(self) -> str:
        return f"Index({self._value})"


def both(call: Callable[[Any], object]) -> tuple[object, object]:
    """The call's outcome on our socket and on the stdlib's; values as they are."""

    def run(made: Socket | socket.socket) -> object:
        with made:
            try:
                return call(made)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
                return type(error), getattr(error, "errno", None)

    return run(Socket()), run(socket.socket())


def described(arguments: tuple) -> str:
    """A test id without memory addresses."""
    return ", ".join(
        type(each).__name__ if isinstance(each, memoryview) else repr(each) for each in arguments
    )


INTS = [
    (SOL_SOCKET, SO_REUSEADDR, 1),
    (SOL_SOCKET, SO_REUSEPORT, 1),
    (SOL_SOCKET, SO_KEEPALIVE, 1),
    (SOL_SOCKET, SO_BROADCAST, 1),
    (SOL_SOCKET, SO_OOBINLINE, True),
    (SOL_SOCKET, SO_RCVBUF, 30_000),
    (SOL_SOCKET, SO_SNDBUF, 30_000),
    (SOL_SOCKET, SO_RCVLOWAT, 10),
    (SOL_SOCKET, SO_PRIORITY, 3),
    (IPPROTO_IP, IP_TTL, 7),
    (IPPROTO_TCP, TCP_NODELAY, 1),
    (IPPROTO_TCP, TCP_KEEPIDLE, 77),
    (IPPROTO_TCP, TCP_KEEPCNT, 5),
    (IPPROTO_TCP, TCP_MAXSEG, 1000),
    (IPPROTO_TCP, TCP_USER_TIMEOUT, 1234),
    (IPPROTO_TCP, TCP_DEFER_ACCEPT, 3),
    (IPPROTO_TCP, TCP_QUICKACK, 0),
    (IPPROTO_IP, socket.IP_TOS, 16),
]


@pytest.mark.parametrize(("level", "name", "value"), INTS)
def test_an_int_option_reads_back_as_in_the_stdlib(level: int, name: int, value: int) -> None:
    def set_and_get(sock: Socket | socket.socket) -> object:
        assert sock.setsockopt(level, name, value) is None
        return sock.getsockopt(level, name), sock.getsockopt(level, name, 4)

    ours, theirs = both(set_and_get)
    assert ours == theirs
    assert isinstance(ours, tuple)
    assert struct.unpack("i", ours[1])[0] == ours[0]


def test_the_kernel_doubles_a_buffer_size() -> None:
    with Socket() as sock:
        sock.setsockopt(SOL_SOCKET, SO_RCVBUF, 30_000)
        assert sock.getsockopt(SOL_SOCKET, SO_RCVBUF) == 60_000


def test_one_call_with_both_reuse_options_sets_reuseport_alone() -> None:
    with Socket() as sock:
        sock.setsockopt(SOL_SOCKET, SO_REUSEADDR | SO_REUSEPORT, 1)
        assert sock.getsockopt(SOL_SOCKET, SO_REUSEADDR) == 0
        assert sock.getsockopt(SOL_SOCKET, SO_REUSEPORT) == 1


LINGER = struct.pack("ii", 1, 7)
EVERY_OTHER_BYTE = memoryview(bytes(16))[::2]


@pytest.mark.parametrize(
    "value",
    [LINGER, bytearray(LINGER), memoryview(LINGER), array("i", [1, 7])],
    ids=lambda value: type(value).__name__,
)
def test_a_structure_may_be_any_buffer(value: object) -> None:
    with Socket() as sock:
        sock.setsockopt(SOL_SOCKET, SO_LINGER, value)
        assert sock.getsockopt(SOL_SOCKET, SO_LINGER, 8) == LINGER


@pytest.mark.parametrize(
    ("level", "name", "value"),
    [
        (SOL_SOCKET, SO_LINGER, LINGER),
        (SOL_SOCKET, SO_RCVTIMEO, struct.pack("ll", 2, 0)),
        (IPPROTO_TCP, TCP_CONGESTION, b"reno"),
        (IPPROTO_TCP, TCP_NODELAY, struct.pack("i", 1)),
    ],
)
@pytest.mark.parametrize("length", [1, 4, 8, 16, 100, 1024])
def test_bytes_read_back_as_in_the_stdlib_at_every_buflen(
    level: int, name: int, value: bytes, length: int
) -> None:
    def set_and_get(sock: Socket | socket.socket) -> object:
        sock.setsockopt(level, name, value)
        return sock.getsockopt(level, name, length)

    ours, theirs = both(set_and_get)
    assert ours == theirs


def test_tcp_info_is_as_long_as_the_kernel_makes_it() -> None:
    with Socket() as sock:
        assert len(sock.getsockopt(IPPROTO_TCP, TCP_INFO, 8)) == 8
        assert 104 <= len(sock.getsockopt(IPPROTO_TCP, TCP_INFO, 1024)) < 1024


@pytest.mark.parametrize("length", [-1, -(2**31), 1025, 2**31 - 1])
def test_a_buflen_out_of_range_is_refused_as_in_the_stdlib(length: int) -> None:
    ours, theirs = both(lambda sock: sock.getsockopt(SOL_SOCKET, SO_LINGER, length))
    assert ours == theirs == (OSError, None)
    with Socket() as sock, pytest.raises(OSError, match=r"^getsockopt buflen out of range$"):
        sock.getsockopt(SOL_SOCKET, SO_LINGER, length)


@pytest.mark.parametrize(
    "arguments",
    [
        (SOL_SOCKET, SO_REUSEADDR, 1.0),
        (SOL_SOCKET, SO_REUSEADDR, "1"),
        (SOL_SOCKET, SO_REUSEADDR, None),
        (SOL_SOCKET, SO_REUSEADDR, [1]),
        (SOL_SOCKET, SO_REUSEADDR, 2**31),
        (SOL_SOCKET, SO_REUSEADDR, -(2**31) - 1),
        (SOL_SOCKET, SO_REUSEADDR, 10**30),
        (SOL_SOCKET, SO_REUSEADDR, Index(1)),
        (SOL_SOCKET, SO_REUSEADDR, 1, 4),
        (SOL_SOCKET, SO_REUSEADDR, b"1234", 4),
        (SOL_SOCKET, SO_REUSEADDR, None, "4"),
        (SOL_SOCKET, SO_REUSEADDR, None, 4.0),
        (SOL_SOCKET, SO_REUSEADDR, None, 0),
        (SOL_SOCKET, SO_REUSEADDR, None, 4),
        (SOL_SOCKET, SO_REUSEADDR, None, -1),
        (SOL_SOCKET, SO_REUSEADDR, b""),
        (SOL_SOCKET, SO_REUSEADDR, b"123"),
        (SOL_SOCKET, SO_LINGER, 1),
        (SOL_SOCKET, SO_LINGER, b"1234"),
        (SOL_SOCKET, SO_LINGER, EVERY_OTHER_BYTE),
        (SOL_SOCKET, SO_TYPE, 1),
        (SOL_SOCKET, 9999, 1),
        (9999, 1, 1),
        (SOL_SOCKET, "2", 1),
        ("1", SO_REUSEADDR, 1),
        (SOL_SOCKET, 2**40, 1),
        (IPPROTO_IPV6, IPV6_V6ONLY, 1),
        (IPPROTO_TCP, TCP_CONGESTION, b"no-such-algorithm"),
        (IPPROTO_TCP, TCP_MAXSEG, 1),
        (SOL_SOCKET,),
        (),
    ],
    ids=described,
)
def test_setsockopt_refuses_what_the_stdlib_refuses(arguments: tuple) -> None:
    ours, theirs = both(lambda sock: sock.setsockopt(*arguments))
    assert ours == theirs


@pytest.mark.parametrize(
    "arguments",
    [
        (SOL_SOCKET, 9999),
        (SOL_SOCKET, 9999, 4),
        (9999, 1),
        (SOL_SOCKET, "2"),
        (SOL_SOCKET, SO_TYPE, "4"),
        (SOL_SOCKET, SO_TYPE, None),
        (SOL_SOCKET, SO_TYPE, 4.0),
        (SOL_SOCKET, 2**40),
        (IPPROTO_IPV6, IPV6_V6ONLY),
        (SOL_SOCKET,),
    ],
    ids=described,
)
def test_getsockopt_refuses_what_the_stdlib_refuses(arguments: tuple) -> None:
    ours, theirs = both(lambda sock: sock.getsockopt(*arguments))
    assert ours == theirs


def test_an_unknown_option_is_enoprotoopt() -> None:
    with Socket() as sock:
        assert outcome(lambda: sock.getsockopt(SOL_SOCKET, 9999)) == (OSError, errno.ENOPROTOOPT)


def test_what_a_socket_is_can_be_asked(loopback: str) -> None:
    with Socket() as sock:
        asked = {
            name: sock.getsockopt(SOL_SOCKET, name)
            for name in (SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN)
        }
        assert asked == {
            SO_TYPE: socket.SOCK_STREAM,
            SO_DOMAIN: socket.AF_INET,
            SO_PROTOCOL: IPPROTO_TCP,
            SO_ACCEPTCONN: 0,
        }
        sock.bind((loopback, 0))
        sock.listen()
        assert sock.getsockopt(SOL_SOCKET, SO_ACCEPTCONN) == 1


def test_a_duplicate_shares_the_options() -> None:
    with Socket() as sock, sock.dup() as duplicate:
        duplicate.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
        assert sock.getsockopt(SOL_SOCKET, SO_KEEPALIVE) == 1


def test_the_send_low_water_mark_cannot_be_set() -> None:
    with Socket() as sock:
        set_it = outcome(lambda: sock.setsockopt(SOL_SOCKET, socket.SO_SNDLOWAT, 10))
        assert set_it == (OSError, errno.ENOPROTOOPT)
