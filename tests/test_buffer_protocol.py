import errno
import mmap
import threading
from array import array
from collections.abc import Callable
from ctypes import c_char, c_int
from typing import Any

import pytest

from endpoints import must_be_waiting, must_hold, outcome, receive_exactly, tcp
from epollkit import Socket
from support import MUST_ARRIVE, shown

SENDS = pytest.mark.parametrize("send", [Socket.send, Socket.try_send, Socket.sendall])
RECEIVES = pytest.mark.parametrize("receive", [Socket.recv_into, Socket.try_recv_into])


def anonymous(content: bytes) -> mmap.mmap:
    memory = mmap.mmap(-1, len(content))
    memory[:] = content
    return memory


READABLE: dict[str, Callable[[], Any]] = {
    "bytes": lambda: b"01234567",
    "bytes subclass": lambda: type("Own", (bytes,), {})(b"01234567"),
    "bytearray": lambda: bytearray(b"01234567"),
    "memoryview": lambda: memoryview(b"01234567"),
    "slice": lambda: memoryview(b"..01234567..")[2:-2],
    "array": lambda: array("i", b"01234567"),
    "cast": lambda: memoryview(b"01234567").cast("B", (2, 4)),
    "ctypes": lambda: (c_char * 8)(*b"01234567"),
    "mmap": lambda: anonymous(b"01234567"),
}


@SENDS
@pytest.mark.parametrize("kind", READABLE)
def test_any_contiguous_buffer_can_be_sent(
    kind: str, send: Callable[[Socket, Any], int | None], loopback: str
) -> None:
    with tcp(loopback).pair() as (client, server):
        assert send(client, READABLE[kind]()) in {8, None}
        assert receive_exactly(server, 8) == b"01234567"
        assert server.try_recv(1) is None


WRITABLE: dict[str, Callable[[], tuple[Any, Any]]] = {
    # What holds the memory, and the room to receive into.
    "bytearray": lambda: (made := bytearray(b"." * 12), made),
    "memoryview": lambda: (made := bytearray(b"." * 12), memoryview(made)),
    "array": lambda: (made := array("i", b"." * 12), made),
    "cast": lambda: (made := bytearray(b"." * 12), memoryview(made).cast("B", (3, 4))),
    "ctypes": lambda: (made := (c_char * 12)(*b"." * 12), made),
    "ints": lambda: (made := (c_int * 3).from_buffer_copy(b"." * 12), made),
    "mmap": lambda: (made := anonymous(b"." * 12), made),
}


@RECEIVES
@pytest.mark.parametrize("kind", WRITABLE)
def test_any_writable_contiguous_buffer_can_be_filled(
    kind: str, receive: Callable[[Socket, Any], int], loopback: str
) -> None:
    with tcp(loopback).pair() as (client, server):
        client.send(b"01234567")
        must_hold(server, 8)
        memory, room = WRITABLE[kind]()
        assert receive(server, room) == 8
        assert bytes(memory) == b"01234567...."


@RECEIVES
def test_a_slice_is_filled_where_it_lies(
    receive: Callable[[Socket, Any], int], loopback: str
) -> None:
    with tcp(loopback).pair() as (client, server):
        client.send(b"0123456789")
        must_hold(server, 10)
        memory = bytearray(b"." * 12)
        assert receive(server, memoryview(memory)[4:8]) == 4
        assert memory == b"....0123...."


@RECEIVES
@pytest.mark.parametrize(
    ("count", "expected"), [(0, b"01234567"), (3, b"012....."), (8, b"01234567")]
)
def test_the_count_limits_what_is_filled(
    count: int, expected: bytes, receive: Callable[[Socket, Any, int], int], loopback: str
) -> None:
    with tcp(loopback).pair() as (client, server):
        client.send(b"0123456789")
        must_hold(server, 10)
        memory = bytearray(b"." * 8)
        assert receive(server, memory, count) == (count or 8)
        assert memory == expected


@RECEIVES
@pytest.mark.parametrize("count", [-1, 9, 2**62])
def test_a_count_that_does_not_fit_is_a_value_error(
    count: int, receive: Callable[[Socket, Any, int], int], loopback: str
) -> None:
    with tcp(loopback).pair() as (client, server):
        client.send(b"0123456789")
        must_hold(server, 10)
        memory = bytearray(b"." * 8)
        assert outcome(lambda: receive(server, memory, count)) == (ValueError, None)
        assert memory == b"." * 8
        assert server.inq() == 10


@SENDS
@pytest.mark.parametrize(
    "data", [memoryview(b"0123")[::2], memoryview(b"0123")[::-1]], ids=["strided", "reversed"]
)
def test_a_buffer_with_gaps_cannot_be_sent(
    data: memoryview, send: Callable[[Socket, Any], object], loopback: str
) -> None:
    with tcp(loopback).pair() as (client, server):
        assert outcome(lambda: send(client, data)) == (BufferError, None)
        client.send(b"!")
        assert receive_exactly(server, 1) == b"!"


def released_view() -> memoryview:
    view = memoryview(bytearray(4))
    view.release()
    return view


NOT_WRITABLE: dict[str, Callable[[], Any]] = {
    "bytes": lambda: b"....",
    "read-only view": lambda: memoryview(bytearray(4)).toreadonly(),
    "strided": lambda: memoryview(bytearray(8))[::2],
    "str": lambda: "....",
    "None": lambda: None,
    "int": lambda: 4,
    "list": lambda: [0, 0],
    "released": released_view,
}


@RECEIVES
@pytest.mark.parametrize("kind", NOT_WRITABLE)
def test_what_is_not_writable_is_refused_as_by_the_stdlib(
    kind: str, receive: Callable[[Socket, Any], object], loopback: str
) -> None:
    with tcp(loopback).pair() as (client, server):
        client.send(b"0123")
        must_hold(server, 4)
        with server.dup().to_stdlib() as stdlib:
            expected = outcome(lambda: stdlib.recv_into(NOT_WRITABLE[kind]()))
        assert expected[0] in {TypeError, BufferError, ValueError}
        assert outcome(lambda: receive(server, NOT_WRITABLE[kind]())) == expected
        assert server.inq() == 4


@SENDS
@pytest.mark.parametrize("data", ["text", None, 4, [0, 1], 1.0, object()], ids=shown)
def test_what_is_no_buffer_cannot_be_sent(
    data: object, send: Callable[[Socket, Any], object], loopback: str
) -> None:
    with tcp(loopback).pair() as (client, _):
        assert outcome(lambda: send(client, data)) == (TypeError, None)


def test_a_buffer_is_released_after_each_call(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        memory = bytearray(b"0123")
        client.send(memory)
        client.sendall(memory)
        memory.append(0)  # BufferError while exported
        must_hold(server, 8)
        server.recv_into(memory)
        memory.append(0)
        assert outcome(lambda: server.recv_into(memory, 100)) == (ValueError, None)
        memory.append(0)
        server.drain()
        assert outcome(lambda: server.recv_into(memory)) == (BlockingIOError, errno.EAGAIN)
        memory.append(0)


def test_a_bytearray_cannot_be_resized_while_it_is_received_into(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        server.settimeout(MUST_ARRIVE)
        memory = bytearray(4)
        reader = threading.Thread(target=server.recv_into, args=(memory,))
        reader.start()
        must_be_waiting(reader.native_id)
        with pytest.raises(BufferError):
            memory.append(0)
        client.send(b"0123")
        reader.join()
        memory.append(0)
        assert memory == b"0123\0"


def test_a_bytearray_cannot_be_resized_while_it_is_sent(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.settimeout(MUST_ARRIVE)
        memory = bytearray(16 << 20)
        sender = threading.Thread(target=client.sendall, args=(memory,))
        sender.start()
        must_be_waiting(sender.native_id)
        with pytest.raises(BufferError):
            memory.append(0)
        memory[-1] = 7  # its content may change: what is sent is what is there then
        received = receive_exactly(server, len(memory))
        sender.join()
        assert received[-1] == 7
        memory.append(0)


def test_memory_that_only_the_call_holds_lives_through_it(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.settimeout(MUST_ARRIVE)
        size = 16 << 20
        sender = threading.Thread(target=lambda: client.sendall(bytearray(b"x" * size)))
        sender.start()
        must_be_waiting(sender.native_id)
        assert receive_exactly(server, size) == b"x" * size
        sender.join()
