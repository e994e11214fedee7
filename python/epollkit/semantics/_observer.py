"""What an experiment does with what it made: ask, wait for what must happen, catch errors."""

import fcntl
import os
import time
from collections.abc import Callable
from socket import AF_INET, IPPROTO_TCP, SO_LINGER, SOL_SOCKET, TCP_QUICKACK
from struct import pack
from typing import TYPE_CHECKING, TypeVar

from epollkit import (
    EPOLLET,
    EPOLLIN,
    Epoll,
    EventFlags,
    Poll,
    PollFlags,
    Socket,
    WaitTimeout,
    select,
)
from epollkit.scope._describe import describe
from epollkit.semantics._workshop import MUST_ARRIVE, Workshop

if TYPE_CHECKING:
    from _typeshed import HasFileno

__all__ = ["Observer"]

T = TypeVar("T")


class Observer(Workshop):
    """Asks and waits. What is waited for has `MUST_ARRIVE` seconds, and then is a WaitTimeout."""

    def full_listener(self, name: str = "full") -> Socket:
        """A TCP listener that admits no more: backlog 0, and one connection waits."""
        listener = self.listener(name, backlog=0)
        self.keep(Socket(timeout=MUST_ARRIVE)).connect(listener.getsockname())
        self.queued(listener, 1)
        return listener

    def ready(self, epoll: Epoll) -> EventFlags | list[EventFlags]:
        """What wait(0) reports: the flags of its only event, or a list if there is not just one."""
        found = [event.flags for event in epoll.wait(0)]
        return found[0] if len(found) == 1 else found

    def polled(self, poll: Poll) -> PollFlags | list[PollFlags]:
        """As `ready`, of a `Poll`."""
        found = [flags for _, flags in poll.wait(0)]
        return found[0] if len(found) == 1 else found

    def selected(self, source: "HasFileno") -> list[str]:
        """In which of its three sets select(2) leaves it."""
        found = self.call(select, [source], [source], [source], 0)
        names = ("readable", "writable", "exceptional")
        return [name for name, kept in zip(names, found, strict=True) if kept]

    def arrived(self, source: Socket, size: int) -> None:
        """Wait until so many bytes are in the receive queue.

        Raises:
            WaitTimeout: they were not within `MUST_ARRIVE`.
        """
        self.wait_until(f"{size} bytes to read", lambda: source.inq() >= size)

    def readable(self, source: Socket) -> None:
        """Wait until it is readable: bytes, end of stream, a connection, an error."""
        with Epoll() as watch:
            watch.register(source.fileno(), EPOLLIN)
            if not watch.wait(MUST_ARRIVE):
                raise WaitTimeout("readable", "nothing", MUST_ARRIVE)

    def reports(self, source: Socket, flags: int) -> None:
        """Wait until poll(2) reports all of these: what the peer did has arrived.

        Raises:
            WaitTimeout: it did not within `MUST_ARRIVE`.
        """
        poll = Poll()
        poll.register(source.fileno(), flags)
        self.wait_until(
            f"{EventFlags(flags)!r}",
            lambda: any(seen & flags == flags for _, seen in poll.poll(0)),
        )

    def deliver(self, sender: Socket, receiver: Socket, data: bytes) -> None:
        """Send it, and wait until it has arrived: of any kind of socket, whatever arrived before.

        Raises:
            WaitTimeout: it did not within `MUST_ARRIVE`.
        """
        with Epoll() as edges:
            edges.register(receiver.fileno(), EPOLLIN | EPOLLET)
            edges.wait(0)
            sender.send(data)
            if not edges.wait(MUST_ARRIVE):
                raise WaitTimeout("an arrival", "nothing", MUST_ARRIVE)

    def settled(self, sender: Socket, receiver: Socket) -> None:
        """Wait until nothing is on its way: the receiver has it, or has no room for it.

        Raises:
            WaitTimeout: something still was after `MUST_ARRIVE`.
        """

        def nothing_in_flight() -> bool:
            receiver.setsockopt(IPPROTO_TCP, TCP_QUICKACK, 1)  # or TCP acknowledges after 40 ms
            return sender.tcp_info().unacked == 0

        if sender.family == AF_INET:
            self.wait_until("nothing on its way", nothing_in_flight)

    def fill(self, sender: Socket, receiver: Socket | None = None) -> int:
        """Send until there is no room; how many bytes it took. Not recorded.

        With the receiver, also until there will be none before it reads: nothing is on its way.
        """
        chunk, total = bytes(4096), 0
        with self.pause():
            while sent := sum(iter(lambda: sender.try_send(chunk) or 0, 0)):
                total += sent
                if receiver is None:
                    break
                self.settled(sender, receiver)
        return total

    def empty(self, source: Socket, size: int) -> None:
        """Receive so many bytes, also those that are still on their way. Not recorded."""
        with self.pause():
            while size:
                self.readable(source)
                size -= len(source.recv(size))

    def queued(self, listener: Socket, count: int) -> None:
        """Wait until so many connections wait to be accepted by a TCP listener.

        Raises:
            WaitTimeout: they did not within `MUST_ARRIVE`.
        """
        self.wait_until(f"{count} queued", lambda: listener.tcp_info().unacked == count)

    def read_until(self, source: Socket, condition: Callable[[], T]) -> T:
        """Receive a little at a time until the condition holds. Not recorded.

        Returns:
            What made it hold.
        """

        def read() -> T:
            source.try_recv(1024)
            return condition()

        with self.pause():
            return self.wait_until("what reading should bring about", read)

    def reset(self, source: Socket) -> None:
        """Close it with RST: SO_LINGER on, 0 s."""
        source.setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
        source.close()

    def outcome(self, call: Callable[..., T], *arguments: object) -> T | BaseException:
        """What the call returns, or the exception that it raises: findings are made of both."""
        try:
            return call(*arguments)
        except (OSError, ValueError) as error:
            return error

    def error(self, call: Callable[..., object], *arguments: object) -> str:
        """The name of the errno with which the call fails: "EAGAIN"; "none" if it succeeds."""
        result = self.outcome(call, *arguments)
        return describe(result) if isinstance(result, BaseException) else "none"

    def flags(self, source: "HasFileno") -> list[str]:
        """Which of O_NONBLOCK (of the open file) and FD_CLOEXEC (of the descriptor) are set."""
        found = {
            "O_NONBLOCK": fcntl.fcntl(source, fcntl.F_GETFL) & os.O_NONBLOCK,
            "FD_CLOEXEC": fcntl.fcntl(source, fcntl.F_GETFD) & fcntl.FD_CLOEXEC,
        }
        return [name for name, value in found.items() if value]

    def wait_until(self, what: str, condition: Callable[[], T]) -> T:
        """Let others run until the condition holds.

        Returns:
            What made it hold.

        Raises:
            WaitTimeout: it did not within `MUST_ARRIVE`.
        """
        deadline = time.monotonic() + MUST_ARRIVE
        while not (seen := condition()):
            if time.monotonic() > deadline:
                raise WaitTimeout(what, seen, MUST_ARRIVE)
            os.sched_yield()
        return seen
