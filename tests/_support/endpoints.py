"""Sockets in a known state, and programs to run: what the socket tests share."""

import contextlib
import functools
import os
import platform
import select
import subprocess
import sys
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    IPPROTO_TCP,
    SO_LINGER,
    SO_SNDBUF,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_INFO,
)
from struct import pack, unpack_from
from typing import Any, Protocol, TypeAlias

import pytest

from epollkit import Socket
from support import MUST_ARRIVE, wait_until

Address: TypeAlias = tuple[Any, ...] | str | bytes

RESET_AT_CLOSE = pack("ii", 1, 0)
"""SO_LINGER, on, 0 s: close(2) sends RST."""

_WAITS = {
    # poll, ppoll, epoll_wait, epoll_pwait, epoll_pwait2; and in blocking mode connect, accept4,
    # sendto, recvfrom, sendmsg, recvmsg, and their plurals
    "x86_64": {"7", "271", "232", "281", "441", "42", "288", "44", "45", "46", "47", "307", "299"},
    "aarch64": {"73", "22", "441", "203", "242", "206", "207", "211", "212", "269", "243"},
}


@functools.cache
def has_ipv6() -> bool:
    with Socket(AF_INET6) as probe, contextlib.suppress(OSError):
        probe.bind(("::1", 0))
        return True
    return False


FAMILIES = [
    "inet",
    pytest.param("inet6", marks=pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")),
    "unix",
    "abstract",
]
"""What tests of stream sockets are parametrised with; see `Place`."""


class HasClose(Protocol):
    """What a test has opened."""

    def close(self) -> None: ...


class HasFileno(Protocol):
    """A socket of either kind, an attempt to connect."""

    def fileno(self) -> int: ...


class Place:
    """Where a test of one of FAMILIES listens: a new address each time."""

    def __init__(self, kind: str, loopback: str, directory: Path) -> None:
        self.kind, self._loopback, self._directory = kind, loopback, directory
        self.family = {"inet": AF_INET, "inet6": AF_INET6}.get(kind, AF_UNIX)

    @property
    def is_ip(self) -> bool:
        return self.family != AF_UNIX

    def address(self) -> Address:
        match self.kind:
            case "inet":
                return (self._loopback, 0)
            case "inet6":
                return ("::1", 0)
            case "unix":
                return str(self._directory / uuid.uuid4().hex[:12])
            case _:
                return b"\0epollkit-" + uuid.uuid4().bytes

    def bound(self) -> Socket:
        sock = Socket(self.family, SOCK_STREAM)
        sock.bind(self.address())
        return sock

    def listener(self, backlog: int = 128) -> Socket:
        sock = self.bound()
        sock.listen(backlog)
        return sock

    @contextlib.contextmanager
    def pair(self) -> Generator[tuple[Socket, Socket]]:
        """(client, server), connected and non-blocking."""
        with self.listener() as listener, Socket(self.family) as client:
            client.settimeout(MUST_ARRIVE)
            client.connect(listener.getsockname())
            listener.settimeout(MUST_ARRIVE)
            server, _ = listener.accept()
            client.settimeout(0.0)
            with server:
                yield client, server


def tcp(loopback: str) -> Place:
    """A place on the test's own IPv4 address."""
    return Place("inet", loopback, Path())


@contextlib.contextmanager
def full_listener(loopback: str) -> Generator[Address]:
    """The address of a listener whose queue is full: a connect to it hangs."""
    with tcp(loopback).listener(0) as listener, Socket(timeout=MUST_ARRIVE) as first:
        first.connect(listener.getsockname())
        wait_until(lambda: is_ready(listener, select.POLLIN))
        yield listener.getsockname()


@contextlib.contextmanager
def refusing(loopback: str) -> Generator[Address]:
    """An address where nobody listens, and nobody can."""
    with tcp(loopback).bound() as sock:
        yield sock.getsockname()


def fill(sock: Socket) -> int:
    """Send until the kernel takes no more, and will not until the peer reads; how much it took."""
    sock.setsockopt(SOL_SOCKET, SO_SNDBUF, 1)  # the least that the kernel allows
    sent, chunk = 0, bytes(65536)
    while (count := sock.try_send(chunk)) is not None:
        sent += count
        wait_until(lambda: unacknowledged(sock) == 0)  # what is acknowledged makes room again
    return sent


def unacknowledged(sock: Socket) -> int:
    """TCP_INFO's count of segments under way; none on a Unix socket."""
    if sock.family == AF_UNIX:
        return 0
    return unpack_from("I", sock.getsockopt(IPPROTO_TCP, TCP_INFO, 104), 24)[0]


def reset(sock: Socket) -> None:
    """Close so that a TCP peer gets RST."""
    sock.setsockopt(SOL_SOCKET, SO_LINGER, RESET_AT_CLOSE)
    sock.close()


def is_ready(source: HasFileno, events: int, timeout: float = 0) -> bool:
    poll = select.poll()
    poll.register(source, events)
    return bool(poll.poll(timeout * 1000))


def must_be_readable(source: HasFileno) -> None:
    """Wait for data, end of stream, an error or a connection."""
    __tracebackhide__ = True
    assert is_ready(source, select.POLLIN, MUST_ARRIVE)


def must_hold(sock: Socket, count: int) -> None:
    """Wait until so many bytes are in the receive queue."""
    __tracebackhide__ = True
    wait_until(lambda: sock.inq() >= count)


def receive_exactly(sock: Socket, count: int) -> bytes:
    """So many bytes, whatever the pieces; fewer only at end of stream."""
    received = b""
    while len(received) < count:
        must_be_readable(sock)
        piece = sock.recv(count - len(received))
        if not piece:
            break
        received += piece
    return received


def is_waiting(process: int, thread: int | None = None) -> bool:
    """Whether a thread (by its native id) waits in a system call."""
    calls = _WAITS.get(platform.machine())
    path = Path(f"/proc/{process}/task/{thread or process}/syscall")
    try:
        call = path.read_text().split()[0]
    except (OSError, IndexError) as error:
        pytest.skip(f"the kernel does not say what a thread waits for: {error}")
    if calls is None:
        pytest.skip("system call numbers of this machine are not known here")
    return call in calls


def must_be_waiting(thread: int, process: int | None = None) -> None:
    """Wait until that thread waits in a system call."""
    __tracebackhide__ = True
    wait_until(lambda: is_waiting(process or os.getpid(), thread))


def python(code: str, *options: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Run code in an interpreter of its own; `before` is a command that starts it."""
    command = [*before, sys.executable, "-P", *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=15)


@functools.cache
def may_unshare(*flags: str) -> bool:
    """Whether this user may have namespaces of its own."""
    try:
        done = subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False)  # noqa: S607
    except FileNotFoundError:
        return False
    return done.returncode == 0


def outcome(call: Callable[[], object]) -> tuple[type, int | None]:
    """What a call raises: class and errno. A value counts as its type, without errno."""
    try:
        value = call()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
        return type(error), getattr(error, "errno", None)
    return type(value), None


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", []))


@contextlib.contextmanager
def closing_all() -> Iterator[list[HasClose]]:
    """A list; what is in it at the end is closed."""
    opened: list[HasClose] = []
    try:
        yield opened
    finally:
        for each in opened:
            each.close()
