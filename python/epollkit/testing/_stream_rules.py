"""What two connected stream sockets must do: the rules of send(2), recv(2) and shutdown(2)."""

from __future__ import annotations

from functools import partial
from socket import SHUT_WR
from typing import TYPE_CHECKING

from epollkit.testing._buffers import drain_socket, fill_socket, recv_exactly
from epollkit.testing._conformance import (
    MUST_HAPPEN,
    Bench,
    BrokenError,
    Rule,
    need,
    see,
    see_raised,
    see_waits_at_least,
    start,
    writer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from epollkit.testing._kinds import SocketLike

__all__ = ["STREAM_RULES"]

_table: list[Rule] = []
_rule = writer(_table)

SEND = "send(2)"
RECV = "recv(2)"
SHUTDOWN = "shutdown(2)"
GONE = (BrokenPipeError, ConnectionResetError)
MESSAGE = bytes(range(256))
_SENDS = 1000  # until a closed peer's answer must have come


def waiting_pair(bench: Bench) -> tuple[SocketLike, SocketLike]:
    """Two sockets whose calls wait, and not for ever."""
    near, far = bench.make_pair()
    near.settimeout(MUST_HAPPEN)
    far.settimeout(MUST_HAPPEN)
    return near, far


def from_both(bench: Bench, check: Callable[[SocketLike, SocketLike], None]) -> None:
    """The same from either end: each time with a new pair."""
    near, far = waiting_pair(bench)
    check(near, far)
    near, far = waiting_pair(bench)
    check(far, near)


@_rule(RECV)
def order(bench: Bench) -> None:
    """Bytes arrive once, and in the order in which they were sent."""

    def check(sender: SocketLike, receiver: SocketLike) -> None:
        for at in range(0, len(MESSAGE), 16):
            sender.send(MESSAGE[at : at + 16])
        see(MESSAGE.hex(), recv_exactly(receiver, len(MESSAGE)).hex())
        see("nothing", _left(receiver), "after that")

    from_both(bench, check)


@_rule(SEND)
def send_count(bench: Bench) -> None:
    """`send` returns how many bytes it took."""
    from_both(bench, lambda sender, _receiver: see(3, sender.send(b"abc")))


@_rule(RECV)
def recv_at_most(bench: Bench) -> None:
    """`recv` returns at most as much as is asked for, and leaves the rest."""

    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"abcde")
        see(b"ab", receiver.recv(2))
        see(b"cde", receiver.recv(10))

    from_both(bench, check)


@_rule(RECV)
def recv_what_is_there(bench: Bench) -> None:
    """`recv` does not wait until all that is asked for is there."""

    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"abc")
        see(b"abc", receiver.recv(1000))

    from_both(bench, check)


@_rule(RECV)
def own_bytes(bench: Bench) -> None:
    """A socket does not receive what it has sent."""
    near, far = waiting_pair(bench)
    near.send(b"x")
    far.send(b"y")
    see(b"x", far.recv(10))
    see(b"y", near.recv(10))


@_rule(RECV)
def recv_into(bench: Bench) -> None:
    """recv_into puts the bytes into a buffer, and returns how many."""
    near, far = bench.make_pair()
    need(near, "recv_into")
    near.settimeout(MUST_HAPPEN)
    far.send(b"abc")
    buffer = bytearray(b"-----")
    see(3, near.recv_into(buffer))
    see(b"abc--", bytes(buffer))


@_rule(SEND)
def more_than_fits(bench: Bench) -> None:
    """What is more than the buffers hold arrives complete, both ways."""
    near, far = waiting_pair(bench)
    fill_socket(near)
    fill_socket(far)
    drain_all(near)
    drain_all(far)
    total = 4 << 20
    for sender, receiver in ((near, far), (far, near)):
        sent = (MESSAGE * (total // len(MESSAGE) + 1))[:total]
        sending = start(partial(_send_all, sender, sent))
        received = recv_exactly(receiver, total)
        sending.outcome()
        see(True, received == sent, "the same bytes")


def _send_all(sender: SocketLike, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[sender.send(left) :]


def drain_all(receiver: SocketLike) -> int:
    """Receive what is there and what is on its way: until a wait for more would be one."""
    total = 0
    while data := drain_socket(receiver).data:
        total += len(data)
    return total


def _left(receiver: SocketLike) -> str:
    """What is in the socket, as text."""
    data, eof = drain_socket(receiver)
    return repr(data) if data else "the end" if eof else "nothing"


@_rule(RECV)
def would_block_recv(bench: Bench) -> None:
    """Non-blocking, recv with nothing there is EAGAIN."""
    for one in bench.make_pair():
        one.settimeout(0)
        see_raised(BlockingIOError, one.recv, 10, errno="EAGAIN")


@_rule(SEND)
def would_block_send(bench: Bench) -> None:
    """Non-blocking, send into a full socket is EAGAIN until it is read."""
    near, far = bench.make_pair()
    for one in (near, far):
        one.settimeout(0)
    filled = fill_socket(near)
    see_raised(BlockingIOError, near.send, b"x", errno="EAGAIN")
    far.settimeout(MUST_HAPPEN)
    recv_exactly(far, filled)
    near.settimeout(MUST_HAPPEN)
    see(1, near.send(b"x"))


@_rule(RECV)
def timeout(bench: Bench) -> None:
    """A receive with a time-out waits so long, and is a TimeoutError."""
    near, _far = bench.make_pair()

    def wait(seconds: float) -> None:
        near.settimeout(seconds)
        see_raised(TimeoutError, near.recv, 10)

    see_waits_at_least(0.0015, wait)


@_rule(RECV)
def arrival_ends_recv(bench: Bench) -> None:
    """An arrival ends a receive that waits."""
    near, far = waiting_pair(bench)
    receiving = start(lambda: near.recv(10))
    far.send(b"x")
    see(b"x", receiving.outcome())


@_rule(RECV)
def close_ends_recv(bench: Bench) -> None:
    """The peer's close ends a receive that waits."""
    near, far = waiting_pair(bench)
    receiving = start(lambda: near.recv(10))
    far.close()
    see(b"", receiving.outcome())


@_rule(RECV)
def end_of_stream(bench: Bench) -> None:
    """After the peer's close come its last bytes, then b'', for ever."""

    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"last")
        sender.close()
        see(b"last", recv_exactly(receiver, 4))
        for _again in range(3):
            see(b"", receiver.recv(10))

    from_both(bench, check)


@_rule(SHUTDOWN)
def half_close(bench: Bench) -> None:
    """After SHUT_WR the peer reads the end, and can still send."""

    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"question")
        sender.shutdown(SHUT_WR)
        see(b"question", recv_exactly(receiver, 8))
        see(b"", receiver.recv(10))
        see(6, receiver.send(b"answer"))
        see(b"answer", recv_exactly(sender, 6))

    from_both(bench, check)


@_rule(SEND)
def send_after_shutdown(bench: Bench) -> None:
    """`send` after the own SHUT_WR is EPIPE."""

    def check(sender: SocketLike, _receiver: SocketLike) -> None:
        sender.shutdown(SHUT_WR)
        see_raised(BrokenPipeError, sender.send, b"x", errno="EPIPE")

    from_both(bench, check)


@_rule(SEND)
def send_to_closed(bench: Bench) -> None:
    """`send` to a closed peer is EPIPE or ECONNRESET, the first perhaps not."""

    def check(sender: SocketLike, receiver: SocketLike) -> None:
        receiver.close()
        for _again in range(_SENDS):
            try:
                sender.send(b"x")
            except GONE:
                return
        raise BrokenError("EPIPE or ECONNRESET", f"{_SENDS} sends that succeed")

    from_both(bench, check)


@_rule(RECV)
def reset(bench: Bench) -> None:
    """A peer that closes with unread data is ECONNRESET, once."""

    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"unread")
        recv_exactly(receiver, 1)  # it is there
        receiver.close()
        see_raised(ConnectionResetError, sender.recv, 10, errno="ECONNRESET")
        see(b"", sender.recv(10))

    from_both(bench, check)


@_rule(SEND)
def zero_send(bench: Bench) -> None:
    """`send` of no bytes returns 0, and the peer sees nothing."""

    def check(sender: SocketLike, receiver: SocketLike) -> None:
        see(0, sender.send(b""))
        sender.send(b"x")
        see(b"x", receiver.recv(10))

    from_both(bench, check)


@_rule(RECV)
def zero_recv(bench: Bench) -> None:
    """`recv` of no bytes returns b'', and takes nothing."""

    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"x")
        see(b"x", receiver.recv(1))
        sender.send(b"y")
        recv_later = start(lambda: receiver.recv(0))
        see(b"", recv_later.outcome())
        see(b"y", recv_exactly(receiver, 1))

    from_both(bench, check)


@_rule("close(2)")
def closed(bench: Bench) -> None:
    """A closed socket is EBADF; closing again does nothing."""
    near, _far = waiting_pair(bench)
    near.close()
    near.close()
    see(-1, near.fileno())
    see_raised(OSError, near.recv, 10, errno="EBADF")
    see_raised(OSError, near.send, b"x", errno="EBADF")


STREAM_RULES: tuple[Rule, ...] = tuple(_table)
