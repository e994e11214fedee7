"""`fill_socket`, `drain_socket` and `recv_exactly`, on both libraries' sockets."""

import select
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

import epollkit
from endpoints import is_ready, must_be_waiting, reset, tcp
from epoll_support import unix_pair
from epollkit import Socket, WaitTimeout
from epollkit.testing import Drained, assert_would_block, drain_socket, fill_socket, recv_exactly

Pair = tuple[Any, Any]


@contextmanager
def ours(_loopback: str) -> Generator[Pair]:
    with unix_pair() as pair:
        yield pair


@contextmanager
def theirs(_loopback: str) -> Generator[Pair]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


@contextmanager
def ours_over_tcp(loopback: str) -> Generator[Pair]:
    with tcp(loopback).pair() as pair:
        yield pair


@contextmanager
def theirs_over_tcp(loopback: str) -> Generator[Pair]:
    with ours_over_tcp(loopback) as pair:
        near, far = (one.to_stdlib() for one in pair)
        with near, far:
            yield near, far


Pairs = Callable[[str], Any]
all_pairs = pytest.mark.parametrize(
    "pair",
    [ours, theirs, ours_over_tcp, theirs_over_tcp],
    ids=["ours", "theirs", "ours over TCP", "theirs over TCP"],
)
all_timeouts = pytest.mark.parametrize("timeout", [0.0, 5.0, None], ids=["never", "5 s", "ever"])


# --- fill_socket


@all_pairs
@all_timeouts
def test_a_full_socket_takes_nothing_more(
    pair: Pairs, timeout: float | None, loopback: str
) -> None:
    with pair(loopback) as (near, far):
        near.settimeout(timeout)
        sent = fill_socket(near)
        assert near.gettimeout() == timeout
        near.settimeout(0)
        assert_would_block(near.send, b"x")
        assert not is_ready(near, select.POLLOUT)
        assert fill_socket(near) == 0
        assert len(recv_exactly(far, sent)) == sent
        assert is_ready(near, select.POLLOUT, 5)


@all_pairs
def test_what_fills_it_is_zeros(pair: Pairs, loopback: str) -> None:
    with pair(loopback) as (near, far):
        assert recv_exactly(far, fill_socket(near)).strip(b"\0") == b""


@all_pairs
def test_filling_a_socket_whose_peer_is_gone_fails(pair: Pairs, loopback: str) -> None:
    with pair(loopback) as (near, far):
        far.close()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            fill_socket(near)
        assert near.fileno() >= 0


def test_a_time_out_is_as_it_was_after_a_failure_too() -> None:
    with unix_pair() as (near, far):
        near.settimeout(2.5)
        far.close()
        with pytest.raises(BrokenPipeError):
            fill_socket(near)
        assert near.gettimeout() == 2.5


def test_a_send_of_nothing_ends_it() -> None:
    class TakesNothing:
        type = socket.SOCK_STREAM

        def gettimeout(self) -> float:
            return 0.0

        def send(self, _data: bytes) -> int:
            return 0

    with pytest.raises(AssertionError, match="send took none of 65536 bytes"):
        fill_socket(TakesNothing())


@pytest.mark.parametrize("call", [fill_socket, drain_socket, lambda sock: recv_exactly(sock, 1)])
@pytest.mark.parametrize("kind", [Socket, socket.socket], ids=["ours", "theirs"])
def test_datagrams_are_refused(call: Callable[[Any], object], kind: Callable[..., Any]) -> None:
    with (
        kind(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        pytest.raises(ValueError, match="not a stream socket"),
    ):
        call(sock)


# --- drain_socket


@all_pairs
@all_timeouts
def test_it_takes_all_and_does_not_wait(pair: Pairs, timeout: float | None, loopback: str) -> None:
    with pair(loopback) as (near, far):
        near.settimeout(timeout)
        assert drain_socket(near) == Drained(b"", eof=False)
        far.sendall(b"x" * 100_000)
        assert len(recv_exactly(near, 1)) == 1
        total = 1
        while total < 100_000:  # over TCP the rest may be on its way
            data, eof = drain_socket(near)
            total += len(data)
            assert not eof
        assert total == 100_000
        assert near.gettimeout() == timeout


@all_pairs
def test_it_tells_the_end(pair: Pairs, loopback: str) -> None:
    with pair(loopback) as (near, far):
        far.send(b"last")
        far.close()
        assert is_ready(near, select.POLLRDHUP, 5)
        assert drain_socket(near) == Drained(b"last", eof=True)
        assert tuple(drain_socket(near)) == (b"", True)


def test_an_error_behind_data_comes_with_them_and_alone_is_raised() -> None:
    class Reset:
        """TCP forgets the data at a reset, Unix sockets tell it first: so a socket of our own."""

        type = socket.SOCK_STREAM

        def __init__(self, *pieces: bytes) -> None:
            self.pieces = list(pieces)

        def gettimeout(self) -> float:
            return 0.0

        def recv(self, _count: int) -> bytes:
            if self.pieces:
                return self.pieces.pop(0)
            raise ConnectionResetError(104, "Connection reset by peer")

    data, eof = drained = drain_socket(Reset(b"a", b"b"))
    assert (data, eof) == (b"ab", False)
    assert isinstance(drained.error, ConnectionResetError)
    with pytest.raises(ConnectionResetError):
        drain_socket(Reset())


def test_a_reset_is_raised(loopback: str) -> None:
    with ours_over_tcp(loopback) as (near, far):
        reset(far)
        assert is_ready(near, select.POLLERR, 5)
        with pytest.raises(ConnectionResetError):
            drain_socket(near)


def test_it_gives_what_the_method_gives() -> None:
    with unix_pair() as (near, far):
        far.send(b"abc")
        mine = drain_socket(near)
        far.send(b"abc")
        yours = near.drain()
        assert tuple(mine) == tuple(yours)
        assert (mine.data, mine.eof, mine.error) == (yours.data, yours.eof, yours.error)


# --- recv_exactly


@all_pairs
@all_timeouts
def test_it_puts_pieces_together_and_leaves_the_rest(
    pair: Pairs, timeout: float | None, loopback: str
) -> None:
    with pair(loopback) as (near, far):
        near.settimeout(timeout)
        for piece in (b"ab", b"c", b"defg"):
            far.send(piece)
        assert recv_exactly(near, 5) == b"abcde"
        assert near.gettimeout() == timeout
        assert recv_exactly(near, 2) == b"fg"


def test_it_waits_for_what_is_still_to_come() -> None:
    received: list[bytes] = []
    with unix_pair() as (near, far):
        far.send(b"a")
        receiving = threading.Thread(target=lambda: received.append(recv_exactly(near, 3)))
        receiving.start()
        must_be_waiting(receiving.native_id or 0)
        far.send(b"bc")
        receiving.join()
    assert received == [b"abc"]


@all_pairs
def test_too_early_an_end_is_told_with_what_came(pair: Pairs, loopback: str) -> None:
    with pair(loopback) as (near, far):
        far.send(b"abc")
        far.close()
        with pytest.raises(AssertionError, match="end of stream after 3 of 5 bytes: b'abc'"):
            recv_exactly(near, 5)


@all_pairs
def test_too_little_in_time_is_told_with_what_came(pair: Pairs, loopback: str) -> None:
    with pair(loopback) as (near, far):
        far.send(b"abc")
        with pytest.raises(
            WaitTimeout, match=r"5 bytes: not within .* last seen: b'abc'"
        ) as raised:
            recv_exactly(near, 5, timeout=0.01)
        assert raised.value.seen == b"abc"
        assert raised.value.elapsed >= 0.01
        with pytest.raises(WaitTimeout, match="no byte"):
            recv_exactly(near, 1, timeout=0)


def test_no_byte_is_no_wait_and_a_negative_count_an_error() -> None:
    with unix_pair() as (near, _):
        assert recv_exactly(near, 0) == b""
        with pytest.raises(ValueError, match="-1 bytes"):
            recv_exactly(near, -1)


def test_of_two_threads_that_wait_for_one_byte_one_goes_on_waiting() -> None:
    received: list[bytes] = []
    with unix_pair() as (near, far):
        threads = [
            threading.Thread(target=lambda: received.append(recv_exactly(near, 1)))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
            must_be_waiting(thread.native_id or 0)
        far.send(b"a")
        while not received:
            threads[0].join(0.01)
        far.send(b"b")
        for thread in threads:
            thread.join()
    assert sorted(received) == [b"a", b"b"]


def test_our_own_sockets_are_what_it_is_made_for() -> None:
    near, far = epollkit.socketpair()
    with near, far:
        far.send(b"x")
        assert recv_exactly(near, 1) == b"x"
