"""`Lab`: what an experiment works with.

It makes sockets, sets, threads and children, ends them all when the experiment is over, and takes
down what was found. With a scope everything it makes is recorded; without one the experiment works
on the bare objects. The findings must be the same.
"""

import contextlib
import fcntl
import inspect
import itertools
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from io import FileIO
from pathlib import Path
from socket import (
    AF_INET,
    AF_UNIX,
    IPPROTO_TCP,
    SO_LINGER,
    SOCK_DGRAM,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
    TCP_QUICKACK,
)
from struct import pack
from typing import TYPE_CHECKING, Final, Self, TypeVar

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
    socketpair,
)
from epollkit.scope._describe import describe
from epollkit.semantics import _fence
from epollkit.semantics._outcome import Bearing, Finding, NotShownHere

if TYPE_CHECKING:
    from _typeshed import HasFileno

    from epollkit.scope import Scope

__all__ = ["MUST_ARRIVE", "MUST_END", "Lab"]

MUST_END: Final = 15.0
"""Seconds for a process: on a busy machine its start alone takes long."""

MUST_ARRIVE: Final = 5.0
"""Seconds for what must happen. What must not happen is shown by what happens after it."""

EVERY_FLAG: Final = 0xFFFF
"""All that fits into poll(2)'s mask."""

T = TypeVar("T")
_addresses = itertools.count(1)
_numbers = itertools.count()


class Lab:
    """One experiment's sockets, threads and findings; a context manager that ends all of it.

    Args:
        scope: records what the lab makes.
        address: a loopback address of the experiment's own; by default the next of 127.83.0.0/16.
    """

    def __init__(self, scope: "Scope | None" = None, address: str = "") -> None:
        high, low = divmod(next(_addresses), 254)
        self.address = address or f"127.83.{high % 256}.{1 + low}"
        self.findings: list[Finding] = []
        self._scope = scope
        self._ends = contextlib.ExitStack()
        self._threads = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._ends.close()

    # Findings.

    def supports(self, text: str, seen: T, expected: T | Callable[[T], object]) -> None:
        """What was expected speaks for the claim.

        Args:
            text: what was looked at, and in which case: the finding reads "text: seen".
            seen: what the kernel gave.
            expected: what Linux 6.18 gives: a value to compare with, or a predicate of `seen`.
        """
        self._find(Bearing.SUPPORTS, text, seen, expected)

    def contradicts(self, text: str, seen: T, expected: T | Callable[[T], object]) -> None:
        """What was expected speaks against the claim; arguments as for `supports`."""
        self._find(Bearing.CONTRADICTS, text, seen, expected)

    def shows(self, text: str, seen: T, expected: T | Callable[[T], object]) -> None:
        """Must come out as expected and does not bear on the claim; arguments as for `supports`."""
        self._find(Bearing.NEITHER, text, seen, expected)

    def _find(
        self, bearing: Bearing, text: str, seen: T, expected: T | Callable[[T], object]
    ) -> None:
        if callable(expected):
            as_expected, wanted = bool(expected(seen)), "otherwise"
        else:
            as_expected, wanted = seen == expected, describe(expected)
        self.findings.append(Finding(text, bearing, describe(seen), wanted, as_expected))

    def needs(self, condition: object, what: str) -> None:
        """Go on only if this machine has what the experiment needs.

        Raises:
            NotShownHere: it has not.
        """
        if not condition:
            raise NotShownHere(f"needs {what}")

    # What an experiment is made of. Everything is closed at the end, in the reverse order. A name
    # is what a recording calls it, and is used once; what is called "" is not recorded.

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

    def full_listener(self, name: str = "full") -> Socket:
        """A TCP listener that admits no more: backlog 0, and one connection waits."""
        listener = self.listener(name, backlog=0)
        self.keep(Socket(timeout=MUST_ARRIVE)).connect(listener.getsockname())
        self.queued(listener, 1)
        return listener

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

    # What it does with them.

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

    def edges(self, source: Socket) -> Epoll:
        """An edge-triggered set on it, whose first report has been taken. It is not recorded."""
        edges = Epoll()
        self._ends.callback(edges.close)
        edges.register(source.fileno(), EPOLLIN | EPOLLET)
        edges.wait(0)
        return edges

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

    def thread(self, function: Callable[[], T]) -> Future[T]:
        """Run it in a thread of its own, which is asleep in a system call, or over, on return.

        Returns:
            The future of its result. The thread is joined at the end of the experiment: what it
            waits for must have happened by then.
        """
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - the future carries it
                future.set_exception(error)

        self._threads += 1
        thread = threading.Thread(target=run, name=f"thread {self._threads}")
        thread.start()
        self._ends.callback(thread.join, MUST_END)
        self.wait_until("a thread asleep", lambda: future.done() or _asleep(thread.native_id or 0))
        return future

    @contextlib.contextmanager
    def holder(self, *sources: Socket) -> Generator[None]:
        """While the block runs another process has these descriptors, too, and does nothing."""
        with subprocess.Popen(
            [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"],
            pass_fds=[source.fileno() for source in sources],
            stdin=subprocess.PIPE,
        ):
            yield

    def child(
        self, code: str, *sources: "HasFileno", timeout: float = MUST_END
    ) -> "subprocess.CompletedProcess[str]":
        """Run Python code in a process of its own.

        Args:
            code: finds the numbers of the sources in sys.argv[1:].
            sources: descriptors that it inherits.
            timeout: seconds until it is killed.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        numbers = [source.fileno() for source in sources]
        return subprocess.run(  # noqa: S603 - this interpreter, and our own code
            [sys.executable, "-c", code, *map(str, numbers)],
            pass_fds=numbers,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def fenced(self, setup: str, *trials: tuple[str, ...]) -> list[str]:
        """Try Python calls in processes that may make only some system calls.

        Args:
            setup: code that runs first, freely: imports.
            trials: each a call, and the names of the system calls that it may make.

        Returns:
            For each trial "done", or "SIGSYS" if it made another system call.

        Raises:
            NotShownHere: no seccomp(2), or a machine whose system call numbers are not known.
        """
        self.needs(os.uname().machine in _fence.NUMBERS, "x86-64 or arm64")
        lines = [
            f"print(trial(lambda: {call}, *{allowed}), flush=True)"
            for call, *allowed in (("None",), *trials)
        ]
        child = self.child("\n".join([inspect.getsource(_fence), setup, *lines]))
        able, *results = child.stdout.split() or ["failed"]
        self.needs(able == "done", "seccomp(2)")
        for (call, *allowed), result in zip(trials, results, strict=True):
            self.note(f"{' '.join(allowed) or 'no call'} allowed: {call}: {result}")
        return results


def _asleep(task: int) -> bool:
    """Whether a thread of this process is asleep in a system call that waits for descriptors."""
    try:
        number = Path(f"/proc/self/task/{task}/syscall").read_text().split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return number in _WAITING.get(os.uname().machine, ())


_WAITING: Final = {
    # poll, ppoll, epoll_wait, epoll_pwait, epoll_pwait2, select, pselect6, connect, accept,
    # accept4, sendto, recvfrom, sendmsg, recvmsg, close
    "x86_64": (
        "7",
        "271",
        "232",
        "281",
        "441",
        "23",
        "270",
        "42",
        "43",
        "288",
        "44",
        "45",
        "46",
        "47",
        "3",
    ),
    "aarch64": ("73", "22", "441", "72", "203", "202", "242", "206", "207", "211", "212", "57"),
}
"""Numbers of the system calls in which a thread of an experiment waits; not futex, for the GIL."""
