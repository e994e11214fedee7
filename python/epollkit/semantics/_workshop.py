"""What an experiment is made of: sockets, sets and pipes, recorded if there is a scope."""

import contextlib
import fcntl
import itertools
import os
import resource
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from socket import (
    AF_INET,
    AF_UNIX,
    IPPROTO_TCP,
    SOCK_DGRAM,
    SOCK_STREAM,
    TCP_NODELAY,
)
from typing import TYPE_CHECKING, Final, Self, TypeVar

from epollkit import EPOLLET, EPOLLIN, Epoll, Poll, Socket, socketpair

if TYPE_CHECKING:
    from _typeshed import HasFileno

    from epollkit.scope import Scope

__all__ = ["EVERY_FLAG", "MUST_ARRIVE", "Workshop"]

MUST_ARRIVE: Final = 5.0
"""Seconds for what must happen. What must not happen is shown by what happens after it."""

EVERY_FLAG: Final = 0xFFFF
"""All that fits into poll(2)'s mask."""

T = TypeVar("T")
_addresses = itertools.count(1)
_numbers = itertools.count()


class Workshop:
    """Makes things, and closes them at the end in the reverse order; a context manager.

    A name is what a recording calls a thing, and is used once; what is called "" is not recorded.

    Args:
        scope: records what is made.
        address: a loopback address of the experiment's own; by default the next of 127.83.0.0/16.
    """

    def __init__(self, scope: "Scope | None" = None, address: str = "") -> None:
        high, low = divmod(next(_addresses), 254)
        self.address: str = address or f"127.83.{high % 256}.{1 + low}"
        self._scope = scope
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._ends.close()

    def keep(self, thing: T, name: str = "") -> T:
        """Close it at the end, and record it under this name."""
        close = getattr(thing, "close", None)
        if close is not None:
            self._ends.callback(close)
        return self._scope.watch(thing, name) if self._scope and name else thing

    def socket(
        self,
        name: str = "socket",
        family: int = AF_INET,
        kind: int = SOCK_STREAM,
        timeout: float | None = 0.0,
    ) -> Socket:
        """A new socket, non-blocking by default."""
        return self.keep(Socket(family, kind, timeout=timeout), name)

    def listener(self, name: str = "listener", backlog: int = 8) -> Socket:
        """A TCP socket that listens on a free port of the lab's own address, non-blocking."""
        listener = self.keep(Socket())
        listener.bind((self.address, 0))
        listener.listen(backlog)
        return self._watched(listener, name)

    def tcp_pair(self, near: str = "near", far: str = "far") -> tuple[Socket, Socket]:
        """Both ends of a TCP connection over loopback: what was accepted, and what connected.

        Non-blocking, without Nagle's algorithm: what is sent has arrived when send returns.
        """
        with Socket(timeout=MUST_ARRIVE) as listener:
            listener.bind((self.address, 0))
            listener.listen(1)
            client = Socket(timeout=MUST_ARRIVE)
            self._ends.callback(client.close)
            client.connect(listener.getsockname())
            server, _ = listener.accept()
        self._ends.callback(server.close)
        for end in (client, server):
            end.settimeout(0.0)
            end.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        return self._watched(server, near), self._watched(client, far)

    def unix_pair(
        self, near: str = "near", far: str = "far", kind: int = SOCK_STREAM
    ) -> tuple[Socket, Socket]:
        """Both ends of a Unix socket pair, non-blocking."""
        pair = socketpair(AF_UNIX, kind)
        for end in pair:
            self._ends.callback(end.close)
            end.settimeout(0.0)
        return self._watched(pair[0], near), self._watched(pair[1], far)

    def udp_pair(self, near: str = "near", far: str = "far") -> tuple[Socket, Socket]:
        """Two UDP sockets that are connected to each other, non-blocking."""
        one, other = Socket(AF_INET, SOCK_DGRAM), Socket(AF_INET, SOCK_DGRAM)
        for end in (one, other):
            self._ends.callback(end.close)
            end.bind((self.address, 0))
        one.connect(other.getsockname())
        other.connect(one.getsockname())
        return self._watched(one, near), self._watched(other, far)

    def duplicate(self, source: Socket, name: str = "duplicate") -> Socket:
        """A duplicate whose number nothing else gets once it is closed.

        Whoever opens a descriptor gets the lowest free number; this one is near the limit.
        """
        limit = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1024)
        lowest = limit * 3 // 4 + next(_numbers) % (limit // 8)
        duplicate = Socket(fileno=fcntl.fcntl(source.fileno(), fcntl.F_DUPFD_CLOEXEC, lowest))
        self._ends.callback(duplicate.close)
        duplicate.settimeout(0.0)
        return self._watched(duplicate, name)

    def epoll(self, name: str = "epoll", *sources: Socket, mask: int = EPOLLIN) -> Epoll:
        """A new set that watches these sources."""
        epoll = self.keep(Epoll(), name)
        for source in sources:
            epoll.register(source, mask)
        return epoll

    def poll(self, name: str, *sources: "HasFileno", mask: int = EVERY_FLAG) -> Poll:
        """A `Poll` that asks these sources about all flags there are, or about some."""
        poll = self.keep(Poll(), name)
        for source in sources:
            poll.register(source, mask)
        return poll

    def pipe(self, reader: str = "reader", writer: str = "writer") -> tuple[FileIO, FileIO]:
        """Both ends of a pipe, non-blocking: a write without room returns None."""
        numbers = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        ends = FileIO(numbers[0], "rb"), FileIO(numbers[1], "wb")
        return self.keep(ends[0], reader), self.keep(ends[1], writer)

    def temporary(self) -> Path:
        """A directory of the experiment's own, removed at the end: for Unix sockets and files."""
        from tempfile import TemporaryDirectory  # noqa: PLC0415 - few experiments need it

        return Path(self._ends.enter_context(TemporaryDirectory(prefix="epollkit-")))

    def _watched(self, socket: Socket, name: str) -> Socket:
        return self._scope.watch(socket, name) if self._scope and name else socket

    def pause(self) -> contextlib.AbstractContextManager[object]:
        """While the block runs nothing is recorded: for loops of many calls."""
        return self._scope.paused() if self._scope else contextlib.nullcontext()

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Make a call that is not a method of what is recorded, and record it: fcntl, select."""
        return self._scope.call(function, *arguments) if self._scope else function(*arguments)

    def note(self, text: str) -> None:
        """Say in the recording what happens outside of it: in a pause, in another process."""
        if self._scope:
            self._scope.note(text)

    def edges(self, source: Socket) -> Epoll:
        """An edge-triggered set on it, whose first report has been taken. It is not recorded."""
        edges = Epoll()
        self._ends.callback(edges.close)
        edges.register(source.fileno(), EPOLLIN | EPOLLET)
        edges.wait(0)
        return edges
