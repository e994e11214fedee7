"""Many loopback connects: epollkit against a C epoll loop, uvloop, asyncio and the stdlib.

    python tests/bench/bench_connect.py

Each round every side opens 5,000 connections, at most 1,024 under way, to an address that nobody
has used before; what is timed is from the first socket(2) to the last connect's end. Closing is
not timed. Every side is a process of its own that lives through all rounds, all on one CPU. The
listener sleeps meanwhile (_listener.py says why). A first round is not counted: it grows each
process's fd table.

c-early is for information: a C loop that sees that a loopback connect(2) is over when it returns,
and does not ask epoll. The promise is held against c-epoll, which asks.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import _harness as harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BASE = "c-epoll"
CAP = 1024
FIRST_ADDRESS = ipaddress.IPv4Address("127.77.0.1")

Commands = dict[str, list[str | Path]]
Sides = dict[str, harness.Process]


@dataclass(frozen=True)
class Cost:
    """Seconds per connect of one side in one round."""

    time: float
    cpu: float  # all threads; less than `time` says that somebody else used this CPU


def commands(program: Path) -> Commands:
    """The command of every side that can run here."""
    found: Commands = {BASE: [program], "c-early": [program, "--early"]}
    names = ["stdlib"]
    if harness.optional_module("epollkit"):
        names.append("epollkit")
    for loop in ("asyncio", "uvloop"):
        if harness.optional_module(loop):
            names += [f"{loop}-sock_connect", f"{loop}-create_connection"]
    for name in names:
        found[name] = [sys.executable, harness.HERE / "_connect_side.py", name]
    return found


@contextlib.contextmanager
def started(count: int) -> Iterator[tuple[harness.Process, Sides]]:
    """The listener and all sides."""
    with contextlib.ExitStack() as stack:
        listen: list[str | Path] = [sys.executable, harness.HERE / "_listener.py", str(count)]
        listener = stack.enter_context(harness.Process(listen, harness.CLIENT_CPU))
        ports = listener.answer().split()
        (program,) = stack.enter_context(harness.compiled("connect_epoll.c"))
        sides = {
            name: stack.enter_context(
                harness.Process([*command, str(CAP), *ports], harness.SERVER_CPU)
            )
            for name, command in commands(program).items()
        }
        yield listener, sides


def compare(report: harness.Report, count: int) -> dict[str, list[Cost]]:
    """What a connect costs every side, by round."""
    hosts = map(str, (FIRST_ADDRESS + offset for offset in itertools.count()))

    def connect(side: harness.Process) -> Cost:
        before = side.cpu_seconds()
        elapsed_ns = int(side.ask(f"connect {next(hosts)} {count}"))
        cpu = side.cpu_seconds() - before
        accepted = int(listener.ask("reset"))
        if accepted != count:
            raise RuntimeError(f"{accepted} connections arrived instead of {count}")
        side.ask("close")
        return Cost(elapsed_ns / count / 1e9, cpu / count)

    def turn(side: harness.Process) -> Callable[[], Cost]:
        return lambda: connect(side)

    with started(count) as (listener, sides):
        turns = {name: turn(side) for name, side in sides.items()}
        harness.interleave(turns, 1)  # the warm-up
        return harness.interleave(turns, report.options.rounds)


def main() -> int:
    """Runs it."""
    parser = harness.parser(__doc__)
    parser.add_argument("--count", type=int, default=5000, help="connections per side and round")
    options = harness.parse(parser, harness.Plan(11, 0), quick=harness.Plan(3, 0))
    report = harness.Report("connect", options)
    costs = compare(report, options.count)
    times = {name: [cost.time for cost in costs[name]] for name in costs}
    cpus = {name: [cost.cpu for cost in costs[name]] for name in costs}
    medians = {name: harness.Spread.of(values).median for name, values in times.items()}
    uvloop = min((name for name in times if "uvloop" in name), key=medians.__getitem__, default="")

    def of(name: str, base: str) -> harness.Spread | None:
        return harness.ratio(times[name], times[base]) if {name, base} <= times.keys() else None

    rows = []
    for name in costs:
        of_c, of_uvloop = of(name, BASE), of(name, uvloop)
        cpu = harness.Spread.of(cpus[name]).median
        us = [f"{seconds * 1e6:.2f}" for seconds in (medians[name], cpu)]
        rows.append([name, *us, str(of_c), str(of_uvloop or "-")])
        report.data[name] = {"rounds": costs[name], "of_c": of_c, "of_uvloop": of_uvloop}
    head = [f"{options.count} connects", "us each", "CPU us each", "time / C", "time / uvloop"]
    report.table(head, rows)
    report.promise("time per connect, of C's", of("epollkit", BASE), 1.1)
    report.promise("time per connect, of the better uvloop's", of("epollkit", uvloop), 0.5)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
