"""sendmsg, recvmsg, recvmsg_into: buffers in pieces and control messages, as the stdlib's."""

import array
import errno
import fcntl
import gc
import os
import select
import signal
import socket
import struct
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    CMSG_LEN,
    CMSG_SPACE,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_EOR,
    MSG_ERRQUEUE,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    MSG_WAITALL,
    SCM_RIGHTS,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
)
from typing import Any

import pytest

from endpoints import has_ipv6, is_ready, must_be_waiting, outcome, tcp
from epollkit import Socket, socketpair
from support import MUST_ARRIVE, descriptors

MSG_CMSG_CLOEXEC = 0x40000000
IP_RECVERR = 11
WOULD_BLOCK = (BlockingIOError, errno.EAGAIN)
needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")
Made = Callable[..., Any]


@pytest.fixture(params=[Socket, socket.socket], ids=["epollkit", "stdlib"])
def make(request: pytest.FixtureRequest) -> Made:
    """Whose socket: what is asserted of one is so of the other."""
    return request.param


@contextmanager
def pair(
    make: Made, kind: int = SOCK_STREAM, timeout: float | None = MUST_ARRIVE
) -> Generator[Any]:
    """Two Unix sockets of one library, each the other's peer."""
    ends = [make(fileno=end.detach()) for end in socket.socketpair(AF_UNIX, kind)]
    for end in ends:
        end.settimeout(timeout)
    with ends[0], ends[1]:
        yield ends


@contextmanager
def tcp_pair(make: Made, loopback: str) -> Generator[Any]:
    with tcp(loopback).pair() as ours:
        ends = [make(fileno=end.detach()) for end in ours]
        for end in ends:
            end.settimeout(MUST_ARRIVE)
        with ends[0], ends[1]:
            yield ends


def rights(*numbers: int) -> list[tuple[int, int, array.array]]:
    return [(SOL_SOCKET, SCM_RIGHTS, array.array("i", numbers))]


def numbers_in(ancdata: list[tuple[int, int, bytes]]) -> list[int]:
    return [
        number
        for level, kind, data in ancdata
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS)
        for (number,) in struct.iter_unpack("i", data[: len(data) // 4 * 4])
    ]


# Gather and scatter


def pieces() -> Iterator[bytes]:
    yield b"ge"
    yield b"ne"


@pytest.mark.parametrize(
    ("buffers", "whole"),
    [
        ([b"one", b"two"], b"onetwo"),
        ((b"tu", b"ple"), b"tuple"),
        ([b"", b"a", b"", b"b", b""], b"ab"),
        ([bytearray(b"ba"), memoryview(b"xvix")[1:3], array.array("B", b"ar")], b"baviar"),
        ([array.array("H", [0x6161, 0x6262])], b"aabb"),
        ({b"set": None}, b"set"),
        ([b"x"] * 1024, b"x" * 1024),
    ],
    ids=["list", "tuple", "empty ones", "buffers", "wide items", "dict", "as many as there may be"],
)
def test_buffers_are_gathered_in_order(buffers: Any, whole: bytes, make: Made) -> None:  # noqa: ANN401 - of any kind
    for kind in (SOCK_STREAM, SOCK_DGRAM):
        with pair(make, kind) as (one, other):
            assert one.sendmsg(buffers) == len(whole)
            assert other.recvmsg(2000) == (whole, [], 0, None)


def test_a_generator_is_read_once(make: Made) -> None:
    with pair(make) as (one, other):
        assert one.sendmsg(pieces()) == 4
        assert other.recv(10) == b"gene"


def test_an_error_of_the_generator_is_its_own(make: Made) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ZeroDivisionError

    with pair(make) as (one, other):
        assert outcome(lambda: one.sendmsg(broken())) == (ZeroDivisionError, None)
        other.settimeout(0.0)
        assert outcome(lambda: other.recv(1)) == WOULD_BLOCK


def test_no_buffers_are_an_empty_message(make: Made) -> None:
    with pair(make, SOCK_DGRAM) as (one, other):
        assert one.sendmsg([]) == 0
        assert other.recvmsg(10) == (b"", [], 0, None)


def test_more_buffers_than_the_kernel_takes_are_emsgsize(make: Made) -> None:
    with pair(make) as (one, other):
        too_many = (OSError, errno.EMSGSIZE)
        assert outcome(lambda: one.sendmsg([b"x"] * 1025)) == too_many
        one.send(b"x")
        rooms = [bytearray(1) for _ in range(1025)]
        assert outcome(lambda: other.recvmsg_into(rooms)) == too_many
        assert other.recv(2) == b"x"


def test_rooms_are_filled_in_order(make: Made) -> None:
    with pair(make, SOCK_DGRAM) as (one, other):
        one.send(b"0123456789")
        rooms = [
            bytearray(3),
            bytearray(0),
            memoryview(bytearray(4))[1:3],
            array.array("B", [9] * 9),
        ]
        assert other.recvmsg_into(iter(rooms)) == (10, [], 0, None)
        assert [bytes(room) for room in rooms] == [b"012", b"", b"34", b"56789" + b"\x09" * 4]


def test_a_message_longer_than_its_room_is_truncated(make: Made) -> None:
    with pair(make, SOCK_DGRAM) as (one, other):
        for _ in range(4):
            one.send(b"0123456789")
        room = bytearray(4)
        assert other.recvmsg(4) == (b"0123", [], MSG_TRUNC, None)
        assert other.recvmsg_into([room]) == (4, [], MSG_TRUNC, None)
        assert room == b"0123"
        assert other.recvmsg_into([room], 0, MSG_TRUNC) == (10, [], MSG_TRUNC, None)
        assert other.recvmsg_into([]) == (0, [], MSG_TRUNC, None)


def test_peeking_with_recvmsg_leaves_the_message(make: Made) -> None:
    with pair(make, SOCK_DGRAM) as (one, other):
        one.send(b"peek")
        assert other.recvmsg(10, 0, MSG_PEEK)[0] == b"peek"
        assert other.recvmsg(10)[0] == b"peek"


def test_messages_can_have_an_address(make: Made, loopback: str) -> None:
    with make(AF_INET, SOCK_DGRAM) as one, make(AF_INET, SOCK_DGRAM) as other:
        for sock in (one, other):
            sock.bind((loopback, 0))
            sock.settimeout(MUST_ARRIVE)
        assert one.sendmsg([b"a", b"b"], [], 0, other.getsockname()) == 2
        assert other.recvmsg(10) == (b"ab", [], 0, one.getsockname())
        one.connect(other.getsockname())
        assert one.sendmsg([b"c"], [], 0, None) == 1
        assert other.recvmsg_into([bytearray(1)]) == (1, [], 0, one.getsockname())


WRONG: dict[str, Callable[[Any], object]] = {
    "sendmsg nothing": lambda s: s.sendmsg(),
    "sendmsg None": lambda s: s.sendmsg(None),
    "sendmsg an int": lambda s: s.sendmsg(5),
    "sendmsg bytes": lambda s: s.sendmsg(b"abc"),
    "sendmsg strs": lambda s: s.sendmsg(["a"]),
    "sendmsg a strided view": lambda s: s.sendmsg([memoryview(b"0123")[::2]]),
    "ancdata an int": lambda s: s.sendmsg([b"x"], 5),
    "ancdata of ints": lambda s: s.sendmsg([b"x"], [5]),
    "ancdata of pairs": lambda s: s.sendmsg([b"x"], [(1, 1)]),
    "ancdata of fours": lambda s: s.sendmsg([b"x"], [(1, 1, b"", b"")]),
    "ancdata of strs": lambda s: s.sendmsg([b"x"], ["abc"]),
    "ancdata of bytes": lambda s: s.sendmsg([b"x"], [b"abc"]),
    "ancdata with a str level": lambda s: s.sendmsg([b"x"], [("1", 1, b"")]),
    "ancdata with a float type": lambda s: s.sendmsg([b"x"], [(1, 1.0, b"")]),
    "ancdata with str data": lambda s: s.sendmsg([b"x"], [(1, 1, "")]),
    "ancdata with an int for data": lambda s: s.sendmsg([b"x"], [(1, 1, 1)]),
    "ancdata beyond int": lambda s: s.sendmsg([b"x"], [(2**40, 1, b"")]),
    "ancdata in lists": lambda s: s.sendmsg([b"x"], [[SOL_SOCKET, SCM_RIGHTS, b""]]),
    "rights of no descriptor": lambda s: s.sendmsg([b"x"], rights(-1)),
    "rights of half a number": lambda s: s.sendmsg([b"x"], [(SOL_SOCKET, SCM_RIGHTS, b"\0\0")]),
    "too many rights": lambda s: s.sendmsg([b"x"], rights(*[0] * 254)),
    "an unknown type": lambda s: s.sendmsg([b"x"], [(SOL_SOCKET, 77, b"abcd")]),
    "another's level": lambda s: s.sendmsg([b"x"], [(77, 1, b"abcd")]),
    "flags None": lambda s: s.sendmsg([b"x"], [], None),
    "flags beyond int": lambda s: s.sendmsg([b"x"], [], 2**40),
    "an address though connected": lambda s: s.sendmsg([b"x"], [], 0, "/nowhere"),
    "an address of another kind": lambda s: s.sendmsg([b"x"], [], 0, 5),
    "sendmsg too much": lambda s: s.sendmsg([b"x"], [], 0, None, 0),
    "recvmsg nothing": lambda s: s.recvmsg(),
    "recvmsg a negative size": lambda s: s.recvmsg(-1),
    "recvmsg negative room": lambda s: s.recvmsg(1, -1),
    "recvmsg room beyond int": lambda s: s.recvmsg(1, 2**31),
    "recvmsg a str": lambda s: s.recvmsg("1"),
    "recvmsg nothing there": lambda s: s.recvmsg(1),
    "recvmsg out of band": lambda s: s.recvmsg(1, 0, MSG_OOB),
    "recvmsg_into nothing": lambda s: s.recvmsg_into(),
    "recvmsg_into a buffer": lambda s: s.recvmsg_into(bytearray(4)),
    "recvmsg_into bytes": lambda s: s.recvmsg_into([b"...."]),
    "recvmsg_into None": lambda s: s.recvmsg_into(None),
    "recvmsg_into negative room": lambda s: s.recvmsg_into([bytearray(1)], -1),
    "recvmsg_into room beyond int": lambda s: s.recvmsg_into([bytearray(1)], 2**31),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("kind", [SOCK_STREAM, SOCK_DGRAM])
def test_a_wrong_message_raises_what_the_stdlib_raises(name: str, kind: int) -> None:
    seen = []
    for make in (Socket, socket.socket):
        with pair(make, kind, 0.0) as (one, _):
            seen.append(outcome(lambda one=one: WRONG[name](one)))
    assert seen[0] == seen[1]


# Descriptors


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("kind", [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET])
def test_descriptors_are_sent(count: int, kind: int, make: Made) -> None:
    ends = [os.pipe() for _ in range(count)]
    with pair(make, kind) as (one, other):
        assert one.sendmsg([b"x"], rights(*(write for _, write in ends))) == 1
        for _, write in ends:
            os.close(write)
        data, ancdata, flags, address = other.recvmsg(1, CMSG_SPACE(4 * count))
        assert (data, flags, address) == (b"x", 0, None)
        received = numbers_in(ancdata)
        assert len(received) == count
        for (read, _), write in zip(ends, received, strict=True):
            assert os.get_inheritable(write)
            os.write(write, b"through")
            os.close(write)
            assert os.read(read, 10) == b"through"
            os.close(read)


def test_received_descriptors_may_be_close_on_exec(make: Made) -> None:
    with pair(make) as (one, other):
        one.sendmsg([b"x"], rights(0))
        _, ancdata, flags, _ = other.recvmsg(1, CMSG_SPACE(4), MSG_CMSG_CLOEXEC)
        (number,) = numbers_in(ancdata)
        assert not os.get_inheritable(number)
        assert flags == MSG_CMSG_CLOEXEC
        os.close(number)


def test_recvmsg_into_receives_descriptors(make: Made) -> None:
    with pair(make) as (one, other):
        one.sendmsg([b"x"], rights(0, 1))
        length, ancdata, flags, _ = other.recvmsg_into([bytearray(1)], CMSG_SPACE(8))
        assert (length, flags) == (1, 0)
        received = numbers_in(ancdata)
        assert len(received) == 2
        for number in received:
            os.close(number)


@pytest.mark.parametrize(
    ("room", "fit"),
    [
        (0, 0),
        (CMSG_LEN(0) - 1, 0),
        (CMSG_LEN(0), 0),
        (CMSG_LEN(3), 0),
        (CMSG_LEN(4), 1),
        (CMSG_SPACE(4), 2),
        (CMSG_LEN(8) + 1, 2),
    ],
)
def test_descriptors_that_do_not_fit_are_closed_and_the_flag_says_so(
    room: int, fit: int, make: Made
) -> None:
    with pair(make) as (one, other):
        one.sendmsg([b"x"], rights(0, 1, 2))
        data, ancdata, flags, _ = other.recvmsg(1, room)
        received = numbers_in(ancdata)
        assert (data, flags, len(received)) == (b"x", MSG_CTRUNC, fit)
        for number in received:
            os.close(number)


@pytest.mark.thread_unsafe(reason="compares the process's descriptors")
def test_no_room_for_descriptors_leaves_none_open(make: Made) -> None:
    with pair(make, SOCK_DGRAM) as (one, other):
        before = descriptors()
        for receive in (
            lambda: other.recv(1),
            lambda: other.recvfrom(1),
            lambda: other.recvmsg(1),
            lambda: other.recvmsg_into([bytearray(1)], 8),
        ):
            one.sendmsg([b"x"], rights(0, 1))
            receive()
        assert descriptors() == before


@pytest.mark.parametrize("send", ["send_fds", "several messages"])
def test_the_stdlibs_functions_take_our_socket(send: str) -> None:
    one, other = socketpair()
    with one, other:
        if send == "send_fds":
            assert socket.send_fds(one, [b"two", b"parts"], [0, 1]) == 8
        else:
            assert one.sendmsg([b"two", b"parts"], rights(0, 1)) == 8
        data, numbers, flags, address = socket.recv_fds(other, 100, 2)
        assert (data, len(numbers), flags, address) == (b"twoparts", 2, 0, None)
        for number in numbers:
            assert os.fstat(number)
            os.close(number)


def test_credentials_arrive(make: Made) -> None:
    with pair(make, SOCK_DGRAM) as (one, other):
        other.setsockopt(SOL_SOCKET, socket.SO_PASSCRED, 1)
        own = struct.pack("3i", os.getpid(), os.getuid(), os.getgid())
        assert one.sendmsg([b"x"], [(SOL_SOCKET, socket.SCM_CREDENTIALS, own)]) == 1
        one.send(b"y")
        for data in (b"x", b"y"):
            received = other.recvmsg(9, CMSG_SPACE(len(own)))
            assert received[:3] == (data, [(SOL_SOCKET, socket.SCM_CREDENTIALS, own)], 0)


def test_credentials_that_do_not_fit_are_cut(make: Made) -> None:
    with pair(make, SOCK_DGRAM) as (one, other):
        other.setsockopt(SOL_SOCKET, socket.SO_PASSCRED, 1)
        one.send(b"x")
        _, ancdata, flags, _ = other.recvmsg(9, CMSG_LEN(4))
        own = struct.pack("i", os.getpid())
        assert flags == MSG_CTRUNC
        assert ancdata == [(SOL_SOCKET, socket.SCM_CREDENTIALS, own)]


# Packet information, times, errors


@needs_ipv6
def test_ipv6_tells_destination_and_hop_limit(make: Made) -> None:
    level = socket.IPPROTO_IPV6
    with make(AF_INET6, SOCK_DGRAM) as one, make(AF_INET6, SOCK_DGRAM) as other:
        for sock in (one, other):
            sock.bind(("::1", 0))
            sock.settimeout(MUST_ARRIVE)
        other.setsockopt(level, socket.IPV6_RECVPKTINFO, 1)
        other.setsockopt(level, socket.IPV6_RECVHOPLIMIT, 1)
        hop_limit = (level, socket.IPV6_HOPLIMIT, struct.pack("i", 17))
        assert one.sendmsg([b"x"], [hop_limit], 0, other.getsockname()) == 1
        data, ancdata, flags, address = other.recvmsg(9, CMSG_SPACE(20) + CMSG_SPACE(4))
        assert (data, flags, address) == (b"x", 0, one.getsockname())
        found = {kind: value for at, kind, value in ancdata if at == level}
        assert found[socket.IPV6_HOPLIMIT] == struct.pack("i", 17)
        info = struct.pack("16sI", socket.inet_pton(AF_INET6, "::1"), socket.if_nametoindex("lo"))
        assert found[socket.IPV6_PKTINFO] == info


def test_times_arrive_in_a_control_message(make: Made, loopback: str) -> None:
    so_timestamp = 29
    with make(AF_INET, SOCK_DGRAM) as one, make(AF_INET, SOCK_DGRAM) as other:
        other.bind((loopback, 0))
        other.settimeout(MUST_ARRIVE)
        other.setsockopt(SOL_SOCKET, so_timestamp, 1)
        one.sendto(b"x", other.getsockname())
        _, ancdata, _, _ = other.recvmsg(9, CMSG_SPACE(16))
        ((level, kind, data),) = ancdata
        assert (level, kind, len(data)) == (SOL_SOCKET, so_timestamp, 16)
        seconds, microseconds = struct.unpack("qq", data)
        assert seconds > 1_700_000_000
        assert 0 <= microseconds < 1_000_000


def test_the_error_queue_has_what_was_refused(make: Made, loopback: str) -> None:
    with make(AF_INET, SOCK_DGRAM) as sock:
        sock.settimeout(MUST_ARRIVE)
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sock.sendto(b"refused", (loopback, 9))
        data, ancdata, flags, address = sock.recvmsg(99, 512, MSG_ERRQUEUE)
        assert data == b"refused"
        assert flags & MSG_ERRQUEUE
        assert address == (loopback, 9)
        ((level, kind, value),) = ancdata
        assert (level, kind) == (socket.IPPROTO_IP, IP_RECVERR)
        assert struct.unpack_from("I", value) == (errno.ECONNREFUSED,)


# Sequenced packets


def test_sequenced_packets_keep_their_ends(make: Made) -> None:
    with pair(make, SOCK_SEQPACKET) as (one, other):
        assert one.sendmsg([b"one", b"more"], [], MSG_EOR) == 7
        assert one.send(b"second") == 6
        # unix(7) sends records whether or not they are marked, and shows no mark.
        assert other.recvmsg(99) == (b"onemore", [], 0, None)
        assert other.recvmsg(3) == (b"sec", [], MSG_TRUNC, None)
        one.close()
        assert other.recvmsg(9)[:2] == (b"", [])


# Out of band


def test_one_byte_out_of_band_overtakes_the_others(make: Made, loopback: str) -> None:
    with tcp_pair(make, loopback) as (one, other):
        assert one.send(b"abc") == 3
        assert one.send(b"!", MSG_OOB) == 1
        assert one.send(b"def") == 3
        assert is_ready(other, select.POLLPRI, MUST_ARRIVE)
        assert other.recv(1, MSG_OOB) == b"!"
        assert other.recv(100) == b"abc"  # the mark ends it
        assert other.recv(100) == b"def"
        assert not is_ready(other, select.POLLPRI)


def test_out_of_band_data_may_stay_in_line(make: Made, loopback: str) -> None:
    siocatmark = 0x8905

    def at_mark(sock: Any) -> bool:  # noqa: ANN401 - either library's socket
        return struct.unpack("i", fcntl.ioctl(sock.fileno(), siocatmark, bytes(4))) == (1,)

    with tcp_pair(make, loopback) as (one, other):
        other.setsockopt(SOL_SOCKET, socket.SO_OOBINLINE, 1)
        one.send(b"ab")
        one.send(b"!", MSG_OOB)
        assert is_ready(other, select.POLLPRI, MUST_ARRIVE)
        assert not at_mark(other)
        assert other.recv(100) == b"ab"
        assert at_mark(other)
        assert other.recv(100) == b"!"
        assert not at_mark(other)


def test_no_out_of_band_data_is_einval(make: Made, loopback: str) -> None:
    with tcp_pair(make, loopback) as (_, other):
        other.settimeout(0.0)
        assert outcome(lambda: other.recv(1, MSG_OOB)) == (OSError, errno.EINVAL)


# Waiting


@pytest.mark.parametrize("call", ["recv", "recv_into", "recvmsg", "recvmsg_into", "recvfrom"])
def test_waitall_waits_for_all_without_a_timeout(call: str, make: Made) -> None:
    def receive(sock: Any) -> int:  # noqa: ANN401 - either library's socket
        match call:
            case "recv":
                return len(sock.recv(8, MSG_WAITALL))
            case "recv_into":
                return sock.recv_into(bytearray(8), 8, MSG_WAITALL)
            case "recvfrom":
                return len(sock.recvfrom(8, MSG_WAITALL)[0])
            case "recvmsg":
                return len(sock.recvmsg(8, 0, MSG_WAITALL)[0])
            case _:
                return sock.recvmsg_into([bytearray(5), bytearray(3)], 0, MSG_WAITALL)[0]

    with pair(make, timeout=None) as (one, other):
        lengths: list[int] = []
        reader = threading.Thread(target=lambda: lengths.extend([receive(other), receive(other)]))
        reader.start()
        one.send(b"abcd")
        must_be_waiting(reader.native_id or 0)
        assert not lengths
        one.send(b"efgh")
        one.send(b"ij")
        one.shutdown(socket.SHUT_WR)  # ends the second before it has all
        reader.join(MUST_ARRIVE)
        assert lengths == [8, 2]


def test_a_low_water_mark_holds_without_a_timeout(make: Made) -> None:
    with pair(make, timeout=None) as (one, other):
        one.send(b"x")
        assert other.recv(8) == b"x"  # it has received before
        other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 4)
        received: list[bytes] = []
        reader = threading.Thread(target=lambda: received.append(other.recv(8)))
        reader.start()
        one.send(b"abc")
        must_be_waiting(reader.native_id or 0)
        assert not received
        one.send(b"de")
        reader.join(MUST_ARRIVE)
        assert received == [b"abcde"]
        other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        one.send(b"f")
        assert other.recv(8) == b"f"


def test_waitall_with_a_timeout_takes_what_there_is(make: Made) -> None:
    with pair(make) as (one, other):
        one.send(b"abcd")
        assert other.recv(8, MSG_WAITALL) == b"abcd"
        assert other.gettimeout() == MUST_ARRIVE


@pytest.mark.parametrize("call", ["recv", "recvmsg", "recvfrom", "recv_into"])
def test_so_rcvtimeo_ends_a_blocking_call_as_the_kernel_says(call: str, make: Made) -> None:
    with pair(make, timeout=None) as (_, other):
        other.setsockopt(SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 0, 1000))
        argument = bytearray(1) if call == "recv_into" else 1
        assert outcome(lambda: getattr(other, call)(argument)) == WOULD_BLOCK


def test_so_sndtimeo_ends_a_blocking_send(make: Made) -> None:
    with pair(make, timeout=None) as (one, _):
        one.setsockopt(SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("qq", 0, 1000))
        sent = one.send(bytes(1 << 22))
        assert 0 < sent < 1 << 22
        assert outcome(lambda: one.send(b"x")) == WOULD_BLOCK
        assert outcome(lambda: one.sendmsg([b"x"])) == WOULD_BLOCK


def test_dontwait_does_not_wait_in_blocking_mode(make: Made) -> None:
    with pair(make, timeout=None) as (one, other):
        assert outcome(lambda: other.recv(1, MSG_DONTWAIT)) == WOULD_BLOCK
        assert outcome(lambda: other.recvmsg(1, 0, MSG_DONTWAIT)) == WOULD_BLOCK
        assert outcome(lambda: other.recv(1, MSG_DONTWAIT | MSG_WAITALL)) == WOULD_BLOCK
        assert 0 < one.send(bytes(1 << 22), MSG_DONTWAIT) < 1 << 22
        assert outcome(lambda: one.send(b"x", MSG_DONTWAIT)) == WOULD_BLOCK


@pytest.mark.parametrize("call", ["send", "sendmsg", "sendto", "sendall"])
def test_a_blocking_send_takes_more_than_the_buffer_holds(
    call: str, make: Made, loopback: str
) -> None:
    data = bytes(range(256)) * 1500
    with tcp_pair(make, loopback) as (one, other):
        one.setsockopt(SOL_SOCKET, socket.SO_SNDBUF, 4096)
        one.settimeout(None)
        received = bytearray()

        def read() -> None:
            while piece := other.recv(1 << 16):
                received.extend(piece)

        reader = threading.Thread(target=read)
        reader.start()
        match call:
            case "sendmsg":
                view = memoryview(data)
                sent = one.sendmsg([view[:100], view[100:100], view[100:200_000], view[200_000:]])
            case "sendto":
                sent = one.sendto(data, other.getsockname())
            case _:
                sent = getattr(one, call)(data)
        one.shutdown(socket.SHUT_WR)
        reader.join(MUST_ARRIVE)
        assert sent in {len(data), None}
        assert received == data


def test_descriptors_go_once_with_a_send_that_takes_several_steps(make: Made) -> None:
    with pair(make, timeout=None) as (one, other):
        size = 1 << 22
        numbers: list[int] = []
        lengths: list[int] = []

        def read() -> None:
            while sum(lengths) < size:
                data, ancdata, _, _ = other.recvmsg(1 << 16, CMSG_SPACE(16))
                lengths.append(len(data))
                numbers.extend(numbers_in(ancdata))

        reader = threading.Thread(target=read)
        reader.start()
        assert one.sendmsg([bytes(size)], rights(0)) == size
        reader.join(MUST_ARRIVE)
        assert sum(lengths) == size
        assert len(numbers) == 1
        os.close(numbers[0])


@pytest.mark.thread_unsafe(reason="signal handlers belong to the process")
@pytest.mark.parametrize("timeout", [None, MUST_ARRIVE])
def test_a_signal_does_not_end_a_wait_unless_its_handler_raises(
    timeout: float | None, make: Made
) -> None:
    class Enough(Exception):
        pass

    handled: list[int] = []

    def handle(number: int, _frame: object) -> None:
        handled.append(number)
        if len(handled) == 3:
            raise Enough

    main, task = threading.get_ident(), threading.get_native_id()

    def rain() -> None:
        while len(handled) < 3:
            before = len(handled)
            must_be_waiting(task)
            signal.pthread_kill(main, signal.SIGUSR1)
            while len(handled) == before:
                os.sched_yield()

    before = signal.signal(signal.SIGUSR1, handle)
    raining = threading.Thread(target=rain)
    try:
        with pair(make, SOCK_DGRAM, timeout) as (_, other):
            raining.start()
            with pytest.raises(Enough):
                other.recvmsg(10, CMSG_SPACE(4))
    finally:
        raining.join()
        signal.signal(signal.SIGUSR1, before)
    assert len(handled) == 3


# Memory


def test_a_buffer_stays_exported_while_the_call_waits(make: Made) -> None:
    with pair(make, timeout=None) as (one, other):
        room = bytearray(4)
        reader = threading.Thread(target=lambda: other.recvmsg_into([room]))
        reader.start()
        must_be_waiting(reader.native_id or 0)
        with pytest.raises(BufferError):
            room.extend(b"more")
        one.send(b"data")
        reader.join(MUST_ARRIVE)
        room.extend(b"!")
        assert room == b"data!"


def test_buffers_are_given_back_after_an_error(make: Made) -> None:
    room = bytearray(4)
    with pair(make, timeout=0.0) as (one, other):
        outcome(lambda: other.recvmsg_into([room, b"read-only"]))
        outcome(lambda: other.recvmsg_into([room]))
        outcome(lambda: one.sendmsg([room, "text"]))
        gc.collect()
        room.extend(b"free")
        assert len(room) == 8


def test_no_control_messages_warn_of_nothing(make: Made) -> None:
    with pair(make) as (one, other), warnings.catch_warnings(record=True) as caught:
        one.send(b"x")
        assert other.recvmsg(1, 4096) == (b"x", [], 0, None)
        assert not caught


def test_fast_open_connects_and_sends_in_one_call(make: Made, loopback: str) -> None:
    setting = Path("/proc/sys/net/ipv4/tcp_fastopen")
    if not setting.exists() or not int(setting.read_text()) & 1:
        pytest.skip("net.ipv4.tcp_fastopen is without bit 1 (client)")
    with tcp(loopback).listener() as listener, make(AF_INET) as client:
        client.settimeout(None)
        assert client.sendto(b"first", socket.MSG_FASTOPEN, listener.getsockname()) == 5
        listener.settimeout(MUST_ARRIVE)
        server, address = listener.accept()
        with server:
            assert address == client.getsockname()
            server.settimeout(MUST_ARRIVE)
            assert server.recv(10) == b"first"
