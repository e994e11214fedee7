"""`ZeroCopySender`: what is sent stays as it is until the kernel says that it is done."""

import contextlib
import ctypes
import errno
import gc
import select
import socket
import struct
import sys
import weakref
from array import array
from collections.abc import Callable
from mmap import mmap

import pytest

from endpoints import has_ipv6, is_ready, must_be_readable, notes, receive_exactly, reset, tcp
from epollkit import Epoll, EventFlags, Socket
from epollkit.zerocopy import Completion, ZeroCopySender
from support import MUST_ARRIVE

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27

SIZE = 20_000
"""More than the threshold, and less than any buffer."""


def numbers(done: list[Completion]) -> list[int]:
    """The sends that these completions are about, in order."""
    return sorted(n for each in done for n in range(each.first, each.last + 1))


def fill(sender: ZeroCopySender) -> int:
    """Send until the kernel takes no more; how much it took."""
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += sender.send(bytes(SIZE))
    return sent


def use_up_option_memory(sock: Socket) -> None:
    """Attach the largest filter that net.core.optmem_max allows: it passes everything."""

    def attach(costly: int, cheap: int) -> bool:
        # ldx 4*([0]&0xf) becomes seven instructions in the kernel, ld #0 stays one.
        code = [(0xB1, 0, 0, 0)] * costly + [(0, 0, 0, 0)] * cheap + [(6, 0, 0, 0xFFFFFFFF)]
        program = b"".join(struct.pack("=HBBI", *each) for each in code)
        memory = ctypes.create_string_buffer(program)
        with contextlib.suppress(FileNotFoundError):  # ENOENT: there was none
            sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        try:
            sock.setsockopt(
                socket.SOL_SOCKET,
                SO_ATTACH_FILTER,
                struct.pack("@HP", len(code), ctypes.addressof(memory)),
            )
        except OSError as error:
            assert error.errno == errno.ENOMEM  # noqa: PT017 - larger than there is room for
            return False
        return True

    costly = largest(lambda count: attach(count, 0), 4000)
    cheap = largest(lambda count: attach(costly, count), 95)
    assert attach(costly, cheap)


def largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number up to `most` that fits; 0 does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def test_what_was_sent_arrives_and_is_completed(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        sender = ZeroCopySender(client)
        assert client.options.so_zerocopy is True
        data = bytes(range(250)) * 80
        assert sender.send(data) == SIZE
        assert receive_exactly(server, SIZE) == data
        assert numbers(sender.wait(MUST_ARRIVE)) == [0]
        assert (sender.pending, sender.sends, sender.fallbacks) == (0, 1, 0)


@pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")
def test_ipv6_completes_too() -> None:
    with (
        Socket(socket.AF_INET6, timeout=MUST_ARRIVE) as listener,
        Socket(socket.AF_INET6, timeout=MUST_ARRIVE) as client,
    ):
        listener.bind(("::1", 0))
        listener.listen()
        client.connect(listener.getsockname())
        client.settimeout(0.0)
        server, _ = listener.accept()
        with server:
            sender = ZeroCopySender(client)
            sender.send(bytes(SIZE))
            receive_exactly(server, SIZE)
            assert numbers(sender.wait(MUST_ARRIVE)) == [0]


def test_sends_are_pending_until_the_peer_has_taken_them(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        sender = ZeroCopySender(client)
        sent = fill(sender)
        sends = sender.sends
        assert sends > 1
        done = sender.reap()
        assert sender.pending + len(numbers(done)) == sends
        assert sender.pending > 0  # what is not sent yet cannot be done
        assert sender.wait(0) == []
        while sent:
            must_be_readable(server)
            sent -= len(server.drain(sent).data)
        done += sender.wait(MUST_ARRIVE)
        assert sender.pending == 0
        assert numbers(done) == list(range(sends))


def test_a_completion_makes_the_socket_report_an_error_unasked(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server), Epoll() as epoll:
        sender = ZeroCopySender(client)
        epoll.register(client, 0)
        assert len(epoll.wait(0)) == 0
        sender.send(bytes(SIZE))
        receive_exactly(server, SIZE)
        assert [event.flags for event in epoll.wait(MUST_ARRIVE)] == [EventFlags.ERR]
        sender.wait(MUST_ARRIVE)
        assert len(epoll.wait(0)) == 0
        assert client.error() == 0


def test_loopback_copies_after_all_and_says_so(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        sender = ZeroCopySender(client)
        sender.send(bytes(SIZE))
        receive_exactly(server, SIZE)
        assert [each.copied for each in sender.wait(MUST_ARRIVE)] == [True]


def test_the_data_is_kept_until_it_is_done_and_not_longer(loopback: str) -> None:
    class Data(array):
        """Can be looked after by a weak reference."""

    with tcp(loopback).pair() as (client, server):
        sender = ZeroCopySender(client)
        data = Data("B", bytes(SIZE))
        kept = weakref.ref(data)
        sender.send(data)
        del data
        gc.collect()
        assert kept() is not None
        receive_exactly(server, SIZE)
        sender.wait(MUST_ARRIVE)
        gc.collect()
        assert kept() is None


def test_a_buffer_cannot_be_resized_while_the_kernel_has_it(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        sender = ZeroCopySender(client)
        data = bytearray(SIZE)
        sender.send(data)
        with pytest.raises(BufferError):
            data.clear()
        receive_exactly(server, SIZE)
        sender.wait(MUST_ARRIVE)
        data.clear()
        assert data == b""


def test_any_contiguous_buffer_can_be_sent(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server), mmap(-1, SIZE) as mapped:
        sender = ZeroCopySender(client)
        mapped[:] = b"m" * SIZE
        for data in (memoryview(mapped), array("I", [7] * (SIZE // 4))):
            assert sender.send(data) == SIZE
            assert receive_exactly(server, SIZE) == bytes(data)
            sender.wait(MUST_ARRIVE)
            del data


def test_what_is_not_contiguous_is_refused(loopback: str) -> None:
    with tcp(loopback).pair() as (client, _):
        sender = ZeroCopySender(client)
        with pytest.raises(TypeError):
            sender.send(memoryview(bytes(2 * SIZE))[::2])
        with pytest.raises(TypeError):
            sender.send("text")
        assert sender.sends == 0


def test_what_is_short_is_sent_with_a_copy(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        sender = ZeroCopySender(client)
        assert sender.send(b"short") == 5
        assert (sender.sends, sender.pending) == (0, 0)
        assert receive_exactly(server, 5) == b"short"
        assert sender.wait(0) == []


def test_the_threshold_can_be_set(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        sender = ZeroCopySender(client, threshold=5)
        sender.send(b"four")
        sender.send(b"fives")
        assert sender.sends == 1
        assert receive_exactly(server, 9) == b"fourfives"
        assert numbers(sender.wait(MUST_ARRIVE)) == [0]
        with pytest.raises(ValueError, match="at least 1"):
            ZeroCopySender(client, threshold=0)


def test_where_there_is_no_room_for_a_notice_it_is_sent_with_a_copy(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        sender = ZeroCopySender(client)
        use_up_option_memory(client)
        with pytest.raises(OSError, match="No buffer space") as caught:
            client.send(bytes(SIZE), 0x4000000)  # MSG_ZEROCOPY by itself
        assert caught.value.errno == errno.ENOBUFS
        assert sender.send(b"x" * SIZE) == SIZE
        assert (sender.fallbacks, sender.sends, sender.pending) == (1, 0, 0)
        assert receive_exactly(server, SIZE) == b"x" * SIZE
        client.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        sender.send(b"x" * SIZE)
        assert (sender.fallbacks, sender.sends) == (1, 1)
        receive_exactly(server, SIZE)
        assert numbers(sender.wait(MUST_ARRIVE)) == [0]


def test_a_reset_completes_what_will_never_arrive(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        sender = ZeroCopySender(client)
        fill(sender)
        reset(server)
        assert is_ready(client, select.POLLHUP, MUST_ARRIVE)
        sender.wait(MUST_ARRIVE)
        assert sender.pending == 0
        with pytest.raises(ConnectionResetError):
            sender.send(bytes(SIZE))


def test_a_wait_ends_with_its_time(loopback: str) -> None:
    with tcp(loopback).pair() as (client, _):
        sender = ZeroCopySender(client)
        fill(sender)
        sender.wait(0.01)
        assert sender.pending > 0


def test_a_time_out_is_refused(loopback: str) -> None:
    with tcp(loopback).pair() as (client, _):
        client.settimeout(1.0)
        with pytest.raises(ValueError, match="non-blocking"):
            ZeroCopySender(client)
        client.settimeout(0.0)
        sender = ZeroCopySender(client)
        client.settimeout(None)
        with pytest.raises(ValueError, match=r"settimeout\(0.0\)"):
            sender.reap()


def test_a_unix_socket_has_no_zero_copy() -> None:
    with Socket(socket.AF_UNIX) as sock, pytest.raises(OSError, match="524") as caught:
        ZeroCopySender(sock)
    assert "Not for Unix sockets" in notes(caught.value)


def test_an_error_queue_that_somebody_else_uses_is_said(loopback: str) -> None:
    with Socket(type=socket.SOCK_DGRAM) as unheard, Socket(type=socket.SOCK_DGRAM) as sock:
        unheard.bind((loopback, 0))
        address = unheard.getsockname()
        unheard.close()
        sender = ZeroCopySender(sock)
        sock.options.ip_recverr = True
        sock.connect(address)
        sock.send(b"anyone?")
        assert is_ready(sock, 0, MUST_ARRIVE)
        with pytest.raises(OSError, match="not a completion: error of origin 2") as caught:
            sender.reap()
        assert caught.value.errno == errno.EPROTO


def test_completions_go_over_the_end_of_the_counter(loopback: str) -> None:
    with tcp(loopback).pair() as (client, _):
        sender = ZeroCopySender(client)
        last = 2**32 - 1
        for number in (last - 1, last, 0, 1):
            sender._held[number] = memoryview(b"")  # noqa: SLF001 - 2**32 sends take hours
        record = b"\0\0\0\0\5\0\0\0" + b"".join(
            number.to_bytes(4, sys.byteorder) for number in (last - 1, 0)
        )
        sender._complete(socket.IPPROTO_IP, 11, record)  # noqa: SLF001 - as above
        assert sender.pending == 1
        assert sender.reap() == [Completion(last - 1, 0, copied=False)]
