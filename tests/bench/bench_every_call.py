"""Every call of a socket and of the functions around it: epollkit against the stdlib.

    python tests/bench/bench_every_call.py [--only TEXT]

A row is a statement that both sides run, each on sockets of its own kind; `timeit` compiles it, so
that nothing but the calls is timed. Nothing waits, so what is taken is the thread's processor time:
a shared machine disturbs that less than the clock on the wall. bench_calls.py has the calls that a
promise of their own is made for. `recvmmsg` and `sendmmsg`, which the stdlib has not, stand against
a loop of its calls; only over UDP is a promise made, where the kernel takes many as one.
"""

from __future__ import annotations

import os
import socket
import sys
import time
import timeit
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import _harness as harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

import epollkit

LIMIT = 1.05
MANY = 64
"""Datagrams in one recvmmsg or sendmmsg."""

Names = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A statement, and the names that it uses on either side."""

    name: str
    statement: str
    stdlib: Names
    epollkit: Names
    limit: float = LIMIT
    stdlib_statement: str | None = None  # where it has to say it in another way


class Side:
    """One of the two: how it makes sockets."""

    def __init__(self, stack: ExitStack, *, ours: bool) -> None:
        self.stack = stack
        self.ours = ours
        self.module: Any = epollkit if ours else socket

    def adopt(self, made: socket.socket) -> Any:  # noqa: ANN401 - one of two classes
        """The same descriptor as this side's kind, non-blocking."""
        made.setblocking(False)
        sock = epollkit.Socket(fileno=made.detach()) if self.ours else made
        return self.stack.enter_context(sock)

    def make(self, *arguments: int) -> Any:  # noqa: ANN401
        """A new socket."""
        return self.adopt(socket.socket(*arguments))

    def pair(self, kind: str) -> Names:
        """Two connected sockets, and their methods by name: sends of `a`, receives of `b`."""
        if kind.startswith("Unix"):
            types = {"Unix": socket.SOCK_STREAM, "Unix datagram": socket.SOCK_DGRAM}
            both = socket.socketpair(socket.AF_UNIX, types[kind])
        elif kind == "UDP":
            both = tuple(socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
            for one in both:
                one.bind(("127.0.0.1", 0))
            both[0].connect(both[1].getsockname())
            both[1].connect(both[0].getsockname())
        else:
            family, host = {
                "TCP": (socket.AF_INET, "127.0.0.1"),
                "TCP6": (socket.AF_INET6, "::1"),
            }[kind]
            with socket.create_server((host, 0), family=family) as listener:
                client = socket.create_connection(listener.getsockname()[:2])
                both = client, listener.accept()[0]
            for one in both:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        a, b = (self.adopt(one) for one in both)
        names: Names = {"a": a, "b": b, "to": b.getsockname()}
        for method in ("send", "sendall", "sendto", "sendmsg", "sendmmsg"):
            names[method] = getattr(a, method, None)
        for method in ("recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg"):
            names[method] = getattr(b, method)
        names["recvmsg_into"] = b.recvmsg_into
        names["recvmmsg"] = getattr(b, "recvmmsg", None)
        return names | {"M": b"x" * 64, "room": bytearray(64), "rooms": [bytearray(64)]}


class Table:
    """The rows, each made on both sides."""

    def __init__(self, stack: ExitStack) -> None:
        self.sides = Side(stack, ours=False), Side(stack, ours=True)

    def row(
        self,
        name: str,
        statement: str,
        names: Callable[[Side], Names],
        *,
        limit: float = LIMIT,
        stdlib_statement: str | None = None,
    ) -> Row:
        """One row."""
        theirs, ours = (names(side) for side in self.sides)
        return Row(name, statement, theirs, ours, limit, stdlib_statement)

    def transfers(self) -> Iterator[Row]:
        """Bytes there, of every kind."""
        for kind in ("Unix", "TCP", "UDP"):
            yield self.row(f"send, recv, {kind}", "send(M); recv(64)", self.of(kind))
        for first, second, kind in (
            ("send(M)", "recv_into(room)", "Unix"),
            ("sendall(M)", "recv(64)", "Unix"),
            ("sendto(M, to)", "recvfrom(64)", "UDP"),
            ("sendto(M, to)", "recvfrom_into(room)", "UDP"),
            ("sendto(M, 0, to)", "recv(64)", "UDP"),
            ("send(M)", "recvfrom(64)", "Unix datagram"),
            ("sendmsg([M])", "recvmsg(64)", "Unix"),
            ("sendmsg([M])", "recvmsg_into(rooms)", "Unix"),
            ("sendmsg([M], [], 0, to)", "recvmsg(64, 64)", "UDP"),
        ):
            yield self.row(f"{first}; {second}, {kind}", f"{first}; {second}", self.of(kind))
        rights = (
            "_, ancillary, _, _ = recvmsg(64, 32); close(int.from_bytes(ancillary[0][2], 'little'))"
        )
        yield self.row(
            "a descriptor there (SCM_RIGHTS)",
            f"sendmsg([M], [(1, 1, fd)]); {rights}",
            lambda side: side.pair("Unix") | {"close": os.close, "fd": (0).to_bytes(4, "little")},
        )
        for timeout in (5.0, None):
            yield self.row(
                f"send, recv, time-out {timeout}", "send(M); recv(64)", self.waiting(timeout)
            )
        big = {"M": b"x" * 65536}
        yield self.row(
            "send, recv of 64 KiB", "send(M); recv(65536)", lambda side: side.pair("Unix") | big
        )
        nothing = "try: {}\nexcept BlockingIOError: pass"
        for call in ("recv(64)", "recvfrom(64)", "recv_into(room)", "recvmsg(64)"):
            yield self.row(f"{call} on EAGAIN", nothing.format(call), self.of("Unix"))
        yield self.row("accept on EAGAIN", nothing.format("accept()"), listening)

    def state(self) -> Iterator[Row]:
        """What a socket knows of itself, and what can be set."""
        for statement in (
            "fileno()",
            "gettimeout()",
            "getblocking()",
            "settimeout(1.0)",
            "setblocking(False)",
            "get_inheritable()",
            "set_inheritable(False)",
            "getsockopt(1, 4)",
            "getsockopt(1, 13, 8)",
            "setsockopt(1, 9, 1)",
            "setsockopt(1, 13, linger)",
            "dup().close()",
            "makefile('rb').close()",
            "shutdown(2)",
        ):
            yield self.row(statement, statement, self.method(statement, "Unix"))
        for kind in ("TCP", "TCP6", "Unix"):
            for statement in ("getsockname()", "getpeername()"):
                yield self.row(f"{statement}, {kind}", statement, self.method(statement, kind))
        for attribute in ("family", "type", "proto", "timeout"):
            yield self.row(f".{attribute}", f"a.{attribute}", self.of("Unix"))
        yield self.row("listen(5)", "listen(5)", listening)
        connect = "connect(to)"
        yield self.row("connect, UDP", connect, self.method(connect, "UDP"))
        yield self.row("connect_ex, UDP", "connect_ex(to)", self.method("connect_ex()", "UDP"))

    def life(self) -> Iterator[Row]:
        """From socket(2) to close(2)."""
        make: Callable[[Side], Names] = lambda side: {  # noqa: E731 - one of many like it
            "make": epollkit.Socket if side.ours else socket.socket,
            "at": ("127.0.0.1", 0),
            "pair": side.module.socketpair,
            "server": side.module.create_server,
            "fromfd": side.module.fromfd,
        }
        for statement in (
            "make().close()",
            "s = make(); make(fileno=s.detach()).close()",
            "s = make(); s.bind(at); s.close()",
            "with make(): pass",
            "a, b = pair(); a.close(); b.close()",
            "server(at).close()",
        ):
            yield self.row(statement, statement, make)
        yield self.row(
            "fromfd(fd).close()",
            "fromfd(fd, 1, 1).close()",
            lambda side: make(side) | {"fd": side.pair("Unix")["a"].fileno()},
        )
        whole = "c = connection(at, 5); s, _ = accept(); s.setsockopt(1, 13, linger); "
        whole += "s.close(); c.close()"
        yield self.row(
            "create_connection, accept, close",
            whole,
            lambda side: listening(side) | {"connection": side.module.create_connection},
        )

    def names(self) -> Iterator[Row]:
        """Names to addresses and back."""
        for statement in (
            "getaddrinfo('127.0.0.1', 80)",
            "getaddrinfo('localhost', 80)",
            "gethostbyname('127.0.0.1')",
            "gethostbyname('localhost')",
            "getnameinfo(('127.0.0.1', 80), 3)",
        ):
            name = statement.partition("(")[0]
            yield self.row(
                statement, statement, lambda side, name=name: {name: getattr(side.module, name)}
            )

    def many(self) -> Iterator[Row]:
        """Many datagrams: one call against a loop."""
        for kind in ("UDP", "Unix datagram"):
            names = self.batch(kind)
            empty = "for _ in drain: recv(64)"
            yield self.row(
                f"sendmmsg of {MANY}, {kind} (recv'd by a loop on both sides)",
                f"sendmmsg(datagrams)\n{empty}",
                names,
                stdlib_statement=f"for data in datagrams: send(data)\n{empty}",
                limit=1.0,
            )
            yield self.row(
                f"sendmmsg and recvmmsg of {MANY}, {kind}",
                f"sendmmsg(datagrams); recvmmsg({MANY}, 64)",
                names,
                stdlib_statement="for data in datagrams: send(data)\nfor _ in drain: recvfrom(64)",
                limit=1 / 3 if kind == "UDP" else 1.0,
            )

    def of(self, kind: str) -> Callable[[Side], Names]:
        """A pair of that kind."""
        return lambda side: side.pair(kind)

    def batch(self, kind: str) -> Callable[[Side], Names]:
        """A pair, and many datagrams for it."""
        many = {"datagrams": [b"x" * 64] * MANY, "drain": range(MANY)}
        return lambda side: side.pair(kind) | many

    def waiting(self, timeout: float | None) -> Callable[[Side], Names]:
        """A pair with that time-out."""

        def names(side: Side) -> Names:
            made = side.pair("Unix")
            for end in ("a", "b"):
                made[end].settimeout(timeout)
            return made

        return names

    def method(self, statement: str, kind: str) -> Callable[[Side], Names]:
        """The method that the statement begins with, of a pair's first socket."""
        name = statement.partition("(")[0]
        linger = {"linger": bytes(8)}
        return lambda side: (made := side.pair(kind)) | {name: getattr(made["a"], name)} | linger


def listening(side: Side) -> Names:
    """A listener on the loopback address."""
    listener = side.make()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    names = {"accept": listener.accept, "listen": listener.listen, "at": listener.getsockname()}
    return names | {"linger": (1).to_bytes(4, "little") + bytes(4)}


def measure(row: Row, report: harness.Report) -> list[str]:
    """One row of the table."""
    statements = row.stdlib_statement or row.statement, row.statement
    timers = [
        timeit.Timer(statement, globals=dict(names))
        for statement, names in zip(statements, (row.stdlib, row.epollkit), strict=True)
    ]
    runs = dict(zip(("stdlib", "epollkit"), (timer.timeit for timer in timers), strict=True))
    counts = {side: harness.calibrate(run, report.options.seconds) for side, run in runs.items()}
    sides = {
        side: lambda run=run, side=side: harness.timed(run, counts[side], time.thread_time_ns)
        for side, run in runs.items()
    }
    times = harness.interleave(sides, report.options.rounds)
    spread = harness.ratio(times["epollkit"], times["stdlib"])
    report.data[row.name] = {"seconds_per_call": times, "ratio": spread}
    report.promise(f"{row.name}: time, of the stdlib's", spread, row.limit)
    medians = [harness.Spread.of(times[side]).median * 1e9 for side in sides]
    return [row.name, *(f"{median:,.0f}" for median in medians), str(spread)]


def main() -> int:
    """Runs it."""
    plan, quick = harness.Plan(21, 0.01), harness.Plan(3, 0.002)
    parser = harness.parser(__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name has this in it")
    report = harness.Report("every_call", harness.parse(parser, plan, quick))
    harness.raise_file_limit(4096)
    table = []
    with ExitStack() as stack:
        rows = Table(stack)
        for part in (rows.transfers, rows.state, rows.life, rows.names, rows.many):
            table += [measure(row, report) for row in part() if report.options.only in row.name]
    report.table(["ns per call", "stdlib", "epollkit", "epollkit / stdlib"], table)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
