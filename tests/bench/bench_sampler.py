"""How often the sampler looks, and what that costs the program it looks at.

    python tests/bench/bench_sampler.py

The pace: a thread on one CPU changes the first source all the time, so that each look at it leaves
a record; the times between the records are the intervals that were achieved. The sampler has the
other CPU. The other sources are idle TCP sockets; a look at each takes four system calls, and as
many microseconds as the last column says, so sixty-four cannot be had every 20 us: the sampler
then looks as often as it can, and counts what it has missed.

The cost: 64 bytes there and back, in rounds with and without a sampler, in processor time of the
program's own thread. It is looked at from the other CPU: what the program pays is for locks and
memory that the sampler had a moment ago. What the sampler takes itself is in the first table.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import _harness as harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

epollkit = harness.optional_module("epollkit")

Pair = tuple[Any, Any]
"""Two connected sockets."""

INTERVALS = (20e-6, 50e-6, 100e-6)
SOURCES = (1, 8, 64)
MESSAGE = b"x" * 64


@contextlib.contextmanager
def idle(count: int) -> Iterator[list[Any]]:
    """So many connected TCP sockets on which nothing happens."""
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(epollkit.serve.echo("127.0.0.1"))
        made = [epollkit.connect(peer.address, timeout=5) for _ in range(count)]
        for sock in made:
            sock.settimeout(5)
            stack.callback(sock.close)
        yield made


def agitate(ends: Pair, seconds: float) -> None:
    """Changes the length of the first one's queue with every call."""
    near, far = ends
    send, clock = far.send, time.perf_counter
    end = clock() + seconds
    while clock() < end:
        for _ in range(100):
            send(b"x")
        near.recv(4096)


@dataclass(frozen=True)
class Pace:
    """What one run of a sampler was like."""

    intervals: list[int]
    rounds: int
    missed: int
    cpu: float
    """Of one CPU, that the sampler took."""

    @classmethod
    def measure(cls, ends: Pair, others: list[Any], interval: float, seconds: float) -> Pace:
        """Runs a sampler on its own CPU for so long."""
        sources = {"first": ends[0]} | {str(at): sock for at, sock in enumerate(others)}
        with harness.on_cpu(harness.SERVER_CPU):
            sampler = epollkit.Sampler(sources, interval=interval, capacity=1 << 20)
        process, thread, begin = time.process_time(), time.thread_time(), time.perf_counter()
        with sampler, harness.on_cpu(harness.CLIENT_CPU):
            agitate(ends, seconds)
        elapsed = time.perf_counter() - begin
        theirs = (time.process_time() - process) - (time.thread_time() - thread)
        times = [seen.t_ns for seen in sampler.samples() if seen.name == "first"]
        counters = sampler.counters
        sampler.close()
        intervals = [later - sooner for sooner, later in itertools.pairwise(times)]
        return cls(sorted(intervals), counters.rounds, counters.missed, theirs / elapsed)

    def at(self, fraction: float) -> float:
        """Microseconds that a fraction of the intervals did not exceed."""
        return (
            self.intervals[min(int(fraction * len(self.intervals)), len(self.intervals) - 1)] / 1e3
        )


def paces(report: harness.Report) -> None:
    """The first table."""
    rows = []
    near, far = epollkit.socketpair()
    with near, far, idle(max(SOURCES) - 1) as others:
        for count in SOURCES:
            sides = {
                interval: lambda interval=interval, count=count: Pace.measure(
                    (near, far), others[: count - 1], interval, report.options.seconds
                )
                for interval in INTERVALS
            }
            for interval, runs in harness.interleave(sides, report.options.rounds).items():
                report.data[f"{count} sources, {interval}"] = [
                    [run.at(part) for part in (0.01, 0.5, 0.9, 0.99, 0.999, 1.0)] for run in runs
                ]
                middle = [
                    f"{harness.Spread.of([run.at(part) for run in runs]).median:,.1f}"
                    for part in (0.01, 0.5, 0.9, 0.99, 0.999, 1.0)
                ]
                taken = [run.rounds / (run.rounds + run.missed) for run in runs]
                work = [run.cpu * report.options.seconds / run.rounds * 1e6 for run in runs]
                shown = [f"{harness.Spread.of(taken).median:.1%}", *middle]
                rows.append(
                    [
                        f"{count} sources, {interval * 1e6:.0f} us",
                        *shown,
                        f"{harness.Spread.of(work).median:.1f}",
                    ]
                )
    head = ["us between two looks", "taken", "p1", "p50", "p90", "p99", "p99.9", "max", "CPU us"]
    report.table(head, rows)


def per_trip(trip: Callable[[], object], seconds: float) -> float:
    """Microseconds of this thread's processor time for each round trip."""
    wall, own = time.perf_counter, time.thread_time
    count, end, begin = 0, wall() + seconds, own()
    while wall() < end:
        trip()
        count += 1
    return (own() - begin) / count * 1e6


@dataclass(frozen=True)
class Program:
    """What is watched, and what it does."""

    name: str
    sources: list[Any]
    trip: Callable[[], object]

    def cost(self, interval: float | None, seconds: float) -> float:
        """What a round trip costs, with a sampler or without."""
        with contextlib.ExitStack() as stack:
            if interval is not None:
                with harness.on_cpu(harness.SERVER_CPU):
                    stack.enter_context(epollkit.Sampler(self.sources, interval=interval))
            with harness.on_cpu(harness.CLIENT_CPU):
                return per_trip(self.trip, seconds)


def costs(report: harness.Report) -> None:
    """The second table."""
    rows = []
    near, far = epollkit.socketpair()
    seconds = report.options.seconds
    with near, far, harness.on_cpu(harness.SERVER_CPU), idle(64) as others:
        sock = others[0]

        def unix() -> None:
            near.send(MESSAGE)
            far.send(far.recv(64))
            near.recv(64)

        def echo() -> None:
            sock.sendall(MESSAGE)
            sock.recv(64)

        for program in [
            Program("Unix pair, both ends watched", [near, far], unix),
            Program("TCP echo, 1 source", [sock], echo),
            Program("TCP echo, 64 sources", others, echo),
        ]:
            sides = {
                interval: functools.partial(program.cost, interval, seconds)
                for interval in (None, *INTERVALS)
            }
            costs = harness.interleave(sides, report.options.rounds)
            report.data[program.name] = {str(interval): cost for interval, cost in costs.items()}
            ratios = [str(harness.ratio(costs[each], costs[None])) for each in INTERVALS]
            alone = f"{harness.Spread.of(costs[None]).median:,.2f}"
            rows.append([program.name, alone, *ratios])
    report.table(
        [
            "us of a round trip, of those alone",
            "alone",
            *(f"{each * 1e6:.0f} us" for each in INTERVALS),
        ],
        rows,
    )


def main() -> int:
    """Runs it."""
    plan, quick = harness.Plan(11, 0.3), harness.Plan(3, 0.05)
    report = harness.Report("sampler", harness.parse(harness.parser(__doc__), plan, quick))
    if epollkit:
        paces(report)
        costs(report)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
