"""Full and empty socket buffers."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from socket import IPPROTO_TCP, SOCK_STREAM, TCP_INFO
from struct import unpack_from
from typing import TYPE_CHECKING

from epollkit import Poll, PollFlags, WaitTimeout

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from epollkit.testing._kinds import SocketLike

__all__ = ["Drained", "drain_socket", "fill_socket", "recv_exactly"]

_CHUNK = 65536
_SETTLES = 5.0  # seconds in which the peer's kernel must have acknowledged what it has taken
_UNACKED = 24  # tcpi_unacked in struct tcp_info


@dataclass(frozen=True)
class Drained:
    """What `drain_socket` read. Unpacks to `data, eof`, as what `Socket.drain` gives."""

    data: bytes
    """What was there to be read."""
    eof: bool
    """The peer has shut down its side: no more will come."""
    error: OSError | None = None
    """The error that came after the data."""

    __module__ = "epollkit.testing"

    def __iter__(self) -> Iterator[bytes | bool]:
        return iter((self.data, self.eof))


def fill_socket(sock: SocketLike) -> int:
    """Send until the kernel takes no more, and will not until the peer reads.

    On TCP the first EAGAIN is not the last: what the peer's kernel acknowledges makes room again.
    So this waits until nothing is under way.

        >>> from epollkit import socketpair
        >>> near, far = socketpair()
        >>> with near, far:
        ...     sent = fill_socket(near)
        ...     near.try_send(b"x") is None, len(drain_socket(far).data) == sent
        (True, True)

    Args:
        sock: a connected stream socket, `Socket` or `socket.socket`. Its time-out is 0 meanwhile.

    Returns:
        How many bytes it took. They are zeros.

    Raises:
        AssertionError: a send of nothing that is not EAGAIN: it would never end.
        OSError: as send(2): EPIPE, ECONNRESET, ENOTCONN.
        ValueError: not a stream socket: on UDP it would never end.
        WaitTimeout: bytes are under way, and the peer's kernel does not acknowledge them.
    """
    __tracebackhide__ = True
    _must_be_stream(sock)
    sent, zeros = 0, bytes(_CHUNK)
    with _not_waiting(sock):
        while True:
            before = sent
            with contextlib.suppress(BlockingIOError):
                while count := sock.send(zeros):
                    sent += count
                raise AssertionError(f"send took none of {len(zeros)} bytes, and was no EAGAIN")
            if sent == before:
                return sent
            _wait_for_acknowledgement(sock)


def drain_socket(sock: SocketLike) -> Drained:
    """Receive until there is no more: the edge-triggered read loop, for either kind of socket.

        >>> from epollkit import socketpair
        >>> near, far = socketpair()
        >>> with near:
        ...     with far:
        ...         _ = far.send(b"the last")
        ...     data, eof = drain_socket(near)
        >>> data, eof
        (b'the last', True)

    Args:
        sock: a stream socket. Its time-out is 0 meanwhile.

    Returns:
        Drained(data, eof); an error behind some data is in `error`.

    Raises:
        OSError: ECONNRESET, ENOTCONN, ... when there was no data before it.
        ValueError: not a stream socket: a datagram's end is not told from the next.
    """
    __tracebackhide__ = True
    _must_be_stream(sock)
    pieces: list[bytes] = []
    with _not_waiting(sock):
        while True:
            try:
                piece = sock.recv(_CHUNK)
            except BlockingIOError:
                return Drained(b"".join(pieces), eof=False)
            except OSError as error:
                if not pieces:
                    raise
                return Drained(b"".join(pieces), eof=False, error=error)
            if not piece:
                return Drained(b"".join(pieces), eof=True)
            pieces.append(piece)


def recv_exactly(sock: SocketLike, count: int, timeout: float = 5.0) -> bytes:
    """Receive so many bytes, in however many pieces they come.

        >>> from epollkit import socketpair
        >>> near, far = socketpair()
        >>> with near, far:
        ...     _ = far.send(b"hello, "), far.send(b"world")
        ...     recv_exactly(near, 12)
        b'hello, world'

    Args:
        sock: a stream socket. Its own time-out is 0 meanwhile.
        count: bytes.
        timeout: seconds for all of them together.

    Returns:
        Exactly `count` bytes. What comes behind them stays in the socket.

    Raises:
        AssertionError: the end of the stream came before; the message has what came.
        OSError: as recv(2).
        ValueError: a negative count, or not a stream socket.
        WaitTimeout: they did not come in time; `seen` has what did.
    """
    __tracebackhide__ = True
    _must_be_stream(sock)
    if count < 0:
        raise ValueError(f"{count} bytes: the count must not be negative")
    poll = Poll()
    poll.register(sock, PollFlags.IN)
    started = time.monotonic()
    received = bytearray()
    with _not_waiting(sock):
        while len(received) < count:
            remaining = started + timeout - time.monotonic()
            if not poll.wait(max(remaining, 0.0)):
                raise WaitTimeout(
                    f"{count} bytes", bytes(received) or "no byte", time.monotonic() - started
                )
            try:
                piece = sock.recv(count - len(received))
            except BlockingIOError:  # another thread was faster
                continue
            if not piece:
                raise AssertionError(
                    f"end of stream after {len(received)} of {count} bytes: {bytes(received)!r}"
                )
            received += piece
    return bytes(received)


def _must_be_stream(sock: SocketLike) -> None:
    if sock.type != SOCK_STREAM:
        raise ValueError(f"{sock!r} is not a stream socket")


@contextlib.contextmanager
def _not_waiting(sock: SocketLike) -> Generator[None]:
    """Make calls raise BlockingIOError; then the time-out is as it was."""
    timeout = sock.gettimeout()
    if timeout == 0:
        yield
        return
    sock.settimeout(0.0)
    try:
        yield
    finally:
        sock.settimeout(timeout)


def _wait_for_acknowledgement(sock: SocketLike) -> None:
    """Until nothing is on its way: what is left then waits for the peer to read."""
    deadline = time.monotonic() + _SETTLES
    while under_way := _unacknowledged(sock):
        if time.monotonic() > deadline:
            raise WaitTimeout("all segments acknowledged", f"{under_way} under way", _SETTLES)
        os.sched_yield()


def _unacknowledged(sock: SocketLike) -> int:
    """TCP's count of segments under way; none on other sockets."""
    try:
        info = sock.getsockopt(IPPROTO_TCP, TCP_INFO, _UNACKED + 4)
    except OSError:
        return 0
    return int(unpack_from("I", info, _UNACKED)[0])
