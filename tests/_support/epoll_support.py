"""What the epoll tests share: sources of every kind, full buffers, threads seen asleep."""

import os
import select
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import epollkit
from epollkit import Epoll, EventFlags
from support import MUST_ARRIVE, wait_until

KINDS = ("tcp", "unix", "pipe", "eventfd")
STREAMS = ("tcp", "unix")

Pair = tuple[epollkit.Socket, epollkit.Socket]


@contextmanager
def tcp_pair(host: str) -> Generator[Pair]:
    with (
        epollkit.Socket(timeout=MUST_ARRIVE) as listener,
        epollkit.Socket(timeout=MUST_ARRIVE) as near,
    ):
        listener.bind((host, 0))
        listener.listen()
        near.connect(listener.getsockname())
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far = listener.accept()[0]
        near.settimeout(0.0)
        with far:
            yield near, far


@contextmanager
def unix_pair() -> Generator[Pair]:
    near, far = map(epollkit.Socket.from_stdlib, socket.socketpair())
    near.settimeout(0.0)
    far.settimeout(0.0)
    with near, far:
        yield near, far


@contextmanager
def stream_pair(kind: str, host: str) -> Generator[Pair]:
    with tcp_pair(host) if kind == "tcp" else unix_pair() as pair:
        yield pair


@dataclass(frozen=True)
class Source:
    """Something readable, in units: bytes, or an eventfd's counts.

    `put` returns when the units can be taken, and `put` and `take` wait for nothing else.
    """

    fd: int
    put: Callable[[int], None]
    take: Callable[[int], None]


@contextmanager
def open_source(kind: str, host: str) -> Generator[Source]:
    if kind in STREAMS:
        with stream_pair(kind, host) as (near, far):

            def put(units: int) -> None:
                wanted = near.inq() + units
                assert far.send(b"x" * units) == units
                wait_until(lambda: near.inq() == wanted)

            def take(units: int) -> None:
                assert len(near.recv(units)) == units

            yield Source(near.fileno(), put, take)
    elif kind == "pipe":
        reader, writer = os.pipe()
        try:
            yield Source(
                reader,
                lambda units: _exactly(os.write(writer, b"x" * units), units),
                lambda units: _exactly(len(os.read(reader, units)), units),
            )
        finally:
            os.close(reader)
            os.close(writer)
    else:
        fd = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_NONBLOCK)
        try:
            yield Source(
                fd,
                lambda units: os.eventfd_write(fd, units),
                lambda units: _exactly(sum(os.eventfd_read(fd) for _ in range(units)), units),
            )
        finally:
            os.close(fd)


def _exactly(moved: int, units: int) -> None:
    assert moved == units


def flags_of(epoll: Epoll, timeout: float = 0.0) -> list[EventFlags]:
    return [event.flags for event in epoll.wait(timeout)]


def fill(sender: epollkit.Socket) -> int:
    """Send until there is no room; say how much it was."""
    chunk = bytes(65536)
    filled = 0
    while sent := sender.try_send(chunk):
        filled += sent
    return filled


def empty(receiver: epollkit.Socket, total: int) -> None:
    """Receive all of a `fill`, also what is still on its way."""
    with Epoll() as epoll:
        epoll.register(receiver, EventFlags.IN)
        while total:
            assert epoll.wait(MUST_ARRIVE)
            total -= len(receiver.drain(1 << 30).data)


def reset(closing: epollkit.Socket) -> None:
    """Close with an RST."""
    closing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    closing.close()


def is_closed_by_peer(fd: int, flag: int) -> bool:
    """Whether poll(2) shows `flag` (POLLHUP, POLLRDHUP, POLLERR): the peer's FIN or RST is here."""
    poller = select.poll()
    poller.register(fd, flag)
    return any(seen & flag for _, seen in poller.poll(0))


# epoll_pwait (arm64), epoll_wait and epoll_pwait (x86-64), epoll_pwait2 (both).
_EPOLL_WAITS = {"22", "232", "281", "441"}


def sleeps_in_epoll(task: int, fd: int, process: int | str = "self") -> bool:
    """Whether a thread (by its native id) is blocked in epoll_wait(2) on `fd` at this moment."""
    words = Path(f"/proc/{process}/task/{task}/syscall").read_text().split()
    return words[0] in _EPOLL_WAITS and int(words[1], 16) == fd
