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


@_rule("order", "Bytes arrive once, and in the order in which they were sent.", RECV)
def _(bench: Bench) -> None:
    def check(sender: SocketLike, receiver: SocketLike) -> None:
        for at in range(0, len(MESSAGE), 16):
            sender.send(MESSAGE[at : at + 16])
        see(MESSAGE.hex(), recv_exactly(receiver, len(MESSAGE)).hex())
        see("nothing", _left(receiver), "after that")

    from_both(bench, check)


@_rule("send-count", "send returns how many bytes it took.", SEND)
def _(bench: Bench) -> None:
    from_both(bench, lambda sender, _receiver: see(3, sender.send(b"abc")))


@_rule("recv-at-most", "recv returns at most as much as is asked for, and leaves the rest.", RECV)
def _(bench: Bench) -> None:
    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"abcde")
        see(b"ab", receiver.recv(2))
        see(b"cde", receiver.recv(10))

    from_both(bench, check)


@_rule("recv-what-is-there", "recv does not wait until all that is asked for is there.", RECV)
def _(bench: Bench) -> None:
    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"abc")
        see(b"abc", receiver.recv(1000))

    from_both(bench, check)


@_rule("own-bytes", "A socket does not receive what it has sent.", RECV)
def _(bench: Bench) -> None:
    near, far = waiting_pair(bench)
    near.send(b"x")
    far.send(b"y")
    see(b"x", far.recv(10))
    see(b"y", near.recv(10))


@_rule("recv-into", "recv_into puts the bytes into a buffer, and returns how many.", RECV)
def _(bench: Bench) -> None:
    near, far = bench.make_pair()
    need(near, "recv_into")
    near.settimeout(MUST_HAPPEN)
    far.send(b"abc")
    buffer = bytearray(b"-----")
    see(3, near.recv_into(buffer))
    see(b"abc--", bytes(buffer))


@_rule("more-than-fits", "What is more than the buffers hold arrives complete, both ways.", SEND)
def _(bench: Bench) -> None:
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


@_rule("would-block-recv", "Non-blocking, recv with nothing there is EAGAIN.", RECV)
def _(bench: Bench) -> None:
    for one in bench.make_pair():
        one.settimeout(0)
        see_raised(BlockingIOError, one.recv, 10, errno="EAGAIN")


@_rule(
    "would-block-send", "Non-blocking, send into a full socket is EAGAIN until it is read.", SEND
)
def _(bench: Bench) -> None:
    near, far = bench.make_pair()
    for one in (near, far):
        one.settimeout(0)
    filled = fill_socket(near)
    see_raised(BlockingIOError, near.send, b"x", errno="EAGAIN")
    far.settimeout(MUST_HAPPEN)
    recv_exactly(far, filled)
    near.settimeout(MUST_HAPPEN)
    see(1, near.send(b"x"))


@_rule("timeout", "A receive with a time-out waits so long, and is a TimeoutError.", RECV)
def _(bench: Bench) -> None:
    near, _far = bench.make_pair()

    def wait(seconds: float) -> None:
        near.settimeout(seconds)
        see_raised(TimeoutError, near.recv, 10)

    see_waits_at_least(0.0015, wait)


@_rule("arrival-ends-recv", "An arrival ends a receive that waits.", RECV)
def _(bench: Bench) -> None:
    near, far = waiting_pair(bench)
    receiving = start(lambda: near.recv(10))
    far.send(b"x")
    see(b"x", receiving.outcome())


@_rule("close-ends-recv", "The peer's close ends a receive that waits.", RECV)
def _(bench: Bench) -> None:
    near, far = waiting_pair(bench)
    receiving = start(lambda: near.recv(10))
    far.close()
    see(b"", receiving.outcome())


@_rule("end-of-stream", "After the peer's close come its last bytes, then b'', for ever.", RECV)
def _(bench: Bench) -> None:
    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"last")
        sender.close()
        see(b"last", recv_exactly(receiver, 4))
        for _again in range(3):
            see(b"", receiver.recv(10))

    from_both(bench, check)


@_rule("half-close", "After SHUT_WR the peer reads the end, and can still send.", SHUTDOWN)
def _(bench: Bench) -> None:
    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"question")
        sender.shutdown(SHUT_WR)
        see(b"question", recv_exactly(receiver, 8))
        see(b"", receiver.recv(10))
        see(6, receiver.send(b"answer"))
        see(b"answer", recv_exactly(sender, 6))

    from_both(bench, check)


@_rule("send-after-shutdown", "send after the own SHUT_WR is EPIPE.", SEND)
def _(bench: Bench) -> None:
    def check(sender: SocketLike, _receiver: SocketLike) -> None:
        sender.shutdown(SHUT_WR)
        see_raised(BrokenPipeError, sender.send, b"x", errno="EPIPE")

    from_both(bench, check)


@_rule(
    "send-to-closed", "send to a closed peer is EPIPE or ECONNRESET, the first perhaps not.", SEND
)
def _(bench: Bench) -> None:
    def check(sender: SocketLike, receiver: SocketLike) -> None:
        receiver.close()
        for _again in range(_SENDS):
            try:
                sender.send(b"x")
            except GONE:
                return
        raise BrokenError("EPIPE or ECONNRESET", f"{_SENDS} sends that succeed")

    from_both(bench, check)


@_rule("reset", "A peer that closes with unread data is ECONNRESET, once.", RECV)
def _(bench: Bench) -> None:
    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"unread")
        recv_exactly(receiver, 1)  # it is there
        receiver.close()
        see_raised(ConnectionResetError, sender.recv, 10, errno="ECONNRESET")
        see(b"", sender.recv(10))

    from_both(bench, check)


@_rule("zero-send", "send of no bytes returns 0, and the peer sees nothing.", SEND)
def _(bench: Bench) -> None:
    def check(sender: SocketLike, receiver: SocketLike) -> None:
        see(0, sender.send(b""))
        sender.send(b"x")
        see(b"x", receiver.recv(10))

    from_both(bench, check)


@_rule("zero-recv", "recv of no bytes returns b'', and takes nothing.", RECV)
def _(bench: Bench) -> None:
    def check(sender: SocketLike, receiver: SocketLike) -> None:
        sender.send(b"x")
        see(b"x", receiver.recv(1))
        sender.send(b"y")
        recv_later = start(lambda: receiver.recv(0))
        see(b"", recv_later.outcome())
        see(b"y", recv_exactly(receiver, 1))

    from_both(bench, check)


@_rule("closed", "A closed socket is EBADF; closing again does nothing.", "close(2)")
def _(bench: Bench) -> None:
    near, _far = waiting_pair(bench)
    near.close()
    near.close()
    see(-1, near.fileno())
    see_raised(OSError, near.recv, 10, errno="EBADF")
    see_raised(OSError, near.send, b"x", errno="EBADF")


STREAM_RULES: tuple[Rule, ...] = tuple(_table)
