"""Single calls: epollkit against the stdlib, in one process.

    python tests/bench/bench_calls.py

Each side does the same on file descriptors of its own, all non-blocking. A round times about 20 ms
of one side and then of the other, with the garbage collector off. Loops bind the methods first, so
that what is measured is the call and not the look-up.
"""

from __future__ import annotations

import os
import select
import selectors
import socket
import struct
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import _harness as harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

epollkit = harness.optional_module("epollkit")

MESSAGE = b"x" * 64
READY = (0, 1, 64, 1024)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: no TIME_WAIT, which would use up the ports

Pair = tuple[Any, Any]  # two sockets, the stdlib's or epollkit's


@dataclass(frozen=True)
class Case:
    """One row: the same work done by both sides."""

    name: str
    limit: float | None  # what epollkit promises, of the stdlib's time; None: for information
    stdlib: Callable[[int], object]
    epollkit: Callable[[int], object] | None


# Sockets of both kinds


def stdlib_pair(kind: str) -> tuple[socket.socket, socket.socket]:
    """Two connected non-blocking sockets: "Unix" or "TCP"."""
    if kind == "Unix":
        pair = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            pair = client, listener.accept()[0]
        for one in pair:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for one in pair:
        one.setblocking(False)
    return pair


def pairs(stack: ExitStack, kind: str) -> tuple[Pair, Pair | None]:
    """A pair for the stdlib and one for epollkit."""
    ours = None
    if epollkit:
        ours = tuple(epollkit.Socket(fileno=one.detach()) for one in stdlib_pair(kind))
    theirs = stdlib_pair(kind)
    for one in (*theirs, *(ours or ())):
        stack.enter_context(one)
    return theirs, ours


# The work


def recv_nothing(sock: socket.socket) -> Callable[[int], None]:
    """The stdlib's way to find nothing to read: an exception."""
    recv = sock.recv

    def run(count: int) -> None:
        for _ in range(count):
            try:  # noqa: SIM105 - contextlib.suppress would be timed, too
                recv(64)
            except BlockingIOError:
                pass

    return run


def try_recv_nothing(sock: Any) -> Callable[[int], None]:  # noqa: ANN401
    """epollkit's way: None."""
    try_recv = sock.try_recv

    def run(count: int) -> None:
        for _ in range(count):
            if try_recv(64) is not None:
                raise AssertionError

    return run


def send_recv(pair: Pair) -> Callable[[int], None]:
    """64 bytes there."""
    send, recv = pair[0].send, pair[1].recv

    def run(count: int) -> None:
        for _ in range(count):
            send(MESSAGE)
            recv(64)

    return run


def send_recv_into(pair: Pair) -> Callable[[int], None]:
    """64 bytes there, into a buffer of the caller's."""
    send, recv_into, buffer = pair[0].send, pair[1].recv_into, bytearray(64)

    def run(count: int) -> None:
        for _ in range(count):
            send(MESSAGE)
            recv_into(buffer)

    return run


def poll_ready(epoll: Any, method: str, ready: int) -> Callable[[int], None]:  # noqa: ANN401
    """Asks for what is ready and touches none of it."""
    poll = getattr(epoll, method)
    most = max(ready, 1)
    if len(poll(0, most)) != ready:
        raise AssertionError

    def run(count: int) -> None:
        for _ in range(count):
            poll(0, most)

    return run


def poll_and_read(epoll: select.epoll, ready: int) -> Callable[[int], None]:
    """As poll_ready, and looks at each event."""
    poll = epoll.poll

    def run(count: int) -> None:
        for _ in range(count):
            for _fd, _mask in poll(0, ready):
                pass

    return run


def wait_and_read(epoll: Any, ready: int) -> Callable[[int], None]:  # noqa: ANN401
    """The same through the lazy events."""
    wait = epoll.wait

    def run(count: int) -> None:
        for _ in range(count):
            for event in wait(0, ready):
                _ = event.fd, event.flags

    return run


def register_unregister(epoll: Any, fd: int) -> Callable[[int], None]:  # noqa: ANN401
    """epoll_ctl(2), there and back."""
    register, unregister = epoll.register, epoll.unregister

    def run(count: int) -> None:
        for _ in range(count):
            register(fd, select.EPOLLIN)
            unregister(fd)

    return run


def register_unregister_key(selector: Any, fd: int) -> Callable[[int], None]:  # noqa: ANN401
    """register_unregister of a selector, which has events of its own."""
    register, unregister = selector.register, selector.unregister

    def run(count: int) -> None:
        for _ in range(count):
            register(fd, selectors.EVENT_READ)
            unregister(fd)

    return run


def modify_key(selector: Any, fd: int) -> Callable[[int], None]:  # noqa: ANN401
    """Other events each time, there and back."""
    modify = selector.modify
    selector.register(fd, selectors.EVENT_READ)

    def run(count: int) -> None:
        for _ in range(count):
            modify(fd, selectors.EVENT_WRITE)
            modify(fd, selectors.EVENT_READ)

    return run


def look(method: Callable[..., Any], *arguments: object) -> Callable[[int], None]:
    """A call that finds what is ready and touches none of it."""

    def run(count: int) -> None:
        for _ in range(count):
            method(*arguments)

    return run


def connect_accept_close(make: Callable[[], Any]) -> Callable[[int], None]:
    """A whole loopback connection; each call finds its work done, so nothing waits."""
    listener = make()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)  # inherited
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    address, accept = listener.getsockname(), listener.accept

    def run(count: int) -> None:
        for _ in range(count):
            client = make()
            client.connect_ex(address)
            server, _peer = accept()
            server.close()
            client.close()

    return run


def nonblocking_stdlib() -> socket.socket:
    """What epollkit.Socket() is by default."""
    sock = socket.socket()
    sock.setblocking(False)
    return sock


# The table


def socket_cases(stack: ExitStack) -> Iterator[Case]:
    """Calls on sockets."""
    theirs, ours = pairs(stack, "Unix")
    yield Case("recv on EAGAIN", 0.4, recv_nothing(theirs[1]), ours and try_recv_nothing(ours[1]))
    for kind in ("Unix", "TCP"):
        theirs, ours = pairs(stack, kind)
        yield Case(f"send+recv 64 B, {kind}", 1.0, send_recv(theirs), ours and send_recv(ours))
    theirs, ours = pairs(stack, "Unix")
    yield Case(
        "send+recv_into 64 B, Unix", 1.0, send_recv_into(theirs), ours and send_recv_into(ours)
    )
    yield Case(
        "connect+accept+close, TCP",
        1.0,
        connect_accept_close(nonblocking_stdlib),
        connect_accept_close(epollkit.Socket) if epollkit else None,
    )


def epoll_cases(stack: ExitStack) -> Iterator[Case]:
    """Calls on epoll sets, all on the same eventfds."""
    fds = [os.eventfd(1, os.EFD_NONBLOCK) for _ in range(max(READY))]
    for fd in fds:
        stack.callback(os.close, fd)

    def epoll(make: Callable[[], Any], ready: int) -> Any:  # noqa: ANN401
        made = stack.enter_context(make())
        for fd in fds[:ready]:
            made.register(fd, select.EPOLLIN)
        return made

    for ready in READY:
        theirs, ours = epoll(select.epoll, ready), None
        if epollkit:
            ours = epoll(epollkit.Epoll, ready)
        yield Case(
            f"poll(0), {ready} ready",
            1.0,
            poll_ready(theirs, "poll", ready),
            poll_ready(ours, "poll", ready) if epollkit else None,
        )
    yield Case(
        f"wait(0), {ready} ready, of poll's",
        0.75,
        poll_ready(theirs, "poll", ready),
        poll_ready(ours, "wait", ready) if epollkit else None,
    )
    yield Case(
        f"wait(0), {ready} ready, every event read",
        None,
        poll_and_read(theirs, ready),
        wait_and_read(ours, ready) if epollkit else None,
    )
    yield Case(
        "register+unregister",
        1.0,
        register_unregister(epoll(select.epoll, 0), fds[0]),
        register_unregister(epoll(epollkit.Epoll, 0), fds[0]) if epollkit else None,
    )


def other_cases(stack: ExitStack) -> Iterator[Case]:
    """Calls on the older ways to wait and on selectors, all on the same eventfds."""
    fds = [os.eventfd(1, os.EFD_NONBLOCK) for _ in range(1000)]
    for fd in fds:
        stack.callback(os.close, fd)

    def poll(made: Any, ready: int) -> Any:  # noqa: ANN401
        for fd in fds[:ready]:
            made.register(fd, select.POLLIN)
        return made

    def selector(make: Callable[[], Any], ready: int) -> Any:  # noqa: ANN401
        made = stack.enter_context(make())
        for fd in fds[:ready]:
            made.register(fd, selectors.EVENT_READ)
        return made

    for ready in (1, 64):
        yield Case(
            f"Poll.poll(0), {ready} ready",
            1.05,
            look(poll(select.poll(), ready).poll, 0),
            look(poll(epollkit.Poll(), ready).poll, 0) if epollkit else None,
        )
    yield Case(
        "Poll.register+unregister",
        1.05,
        register_unregister(poll(select.poll(), 64), fds[64]),
        register_unregister(poll(epollkit.Poll(), 64), fds[64]) if epollkit else None,
    )
    for ready in (1, 64):
        yield Case(
            f"select(0), {ready} ready",
            1.05,
            look(select.select, fds[:ready], [], [], 0),
            look(epollkit.select, fds[:ready], [], [], 0) if epollkit else None,
        )
    theirs, ours = selectors.EpollSelector, epollkit and epollkit.EpollSelector
    for ready in (0, 1, 64, 1000):
        yield Case(
            f"EpollSelector.select(0), {ready} ready",
            1.05,
            look(selector(theirs, ready).select, 0),
            look(selector(ours, ready).select, 0) if ours else None,
        )
    for name, work in (
        ("register+unregister", register_unregister_key),
        ("modify", modify_key),
    ):
        yield Case(
            f"EpollSelector.{name}",
            1.05,
            work(selector(theirs, 0), fds[0]),
            work(selector(ours, 0), fds[0]) if ours else None,
        )


def measure(case: Case, report: harness.Report) -> list[str]:
    """One row of the table."""
    seconds, rounds = report.options.seconds, report.options.rounds
    count = harness.calibrate(case.stdlib, seconds)
    sides = {"stdlib": lambda: harness.timed(case.stdlib, count)}
    if case.epollkit:
        ours, our_count = case.epollkit, harness.calibrate(case.epollkit, seconds)
        sides["epollkit"] = lambda: harness.timed(ours, our_count)
    times = harness.interleave(sides, rounds)
    spread = harness.ratio(times["epollkit"], times["stdlib"]) if case.epollkit else None
    report.data[case.name] = {"seconds_per_call": times, "ratio": spread}
    if case.limit is not None:
        report.promise(f"{case.name}: time, of the stdlib's", spread, case.limit)
    medians = [harness.Spread.of(times[side]).median * 1e9 for side in sides]
    cells = [f"{median:,.0f}" for median in medians] + ["-"] * (2 - len(medians))
    return [case.name, *cells, str(spread or "-")]


def main() -> int:
    """Runs it."""
    plan, quick = harness.Plan(21, 0.02), harness.Plan(3, 0.002)
    report = harness.Report("calls", harness.parse(harness.parser(__doc__), plan, quick))
    harness.raise_file_limit(4096)
    with ExitStack() as stack:
        rows = [measure(case, report) for case in socket_cases(stack)]
        rows += [measure(case, report) for case in epoll_cases(stack)]
    with ExitStack() as stack:  # of their own: select(2) takes no descriptor above 1023
        rows += [measure(case, report) for case in other_cases(stack)]
    report.table(["ns per call", "stdlib", "epollkit", "epollkit / stdlib"], rows)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
