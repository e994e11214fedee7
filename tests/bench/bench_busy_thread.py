"""Ping-pong beside a busy Python thread: epollkit against the stdlib.

    python tests/bench/bench_busy_thread.py

A round trip sends 64 bytes through a socketpair, receives them, and sends them back: four calls,
none of which can block. The stdlib gives the GIL away at each of them; if the busy thread is awake
on another CPU it takes it, and to get it back costs 5 ms (sys.getswitchinterval()). With one CPU
for both, or another CPU that is slow to wake because somebody else works there, the busy thread
comes too late and the effect is small. So each thread is bound to a CPU, and the machine has to be
idle otherwise: a spread of more than a few times says that it was not.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import _harness as harness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

epollkit = harness.optional_module("epollkit")

MESSAGE = b"x" * 64
SIDES = ("stdlib", "epollkit")


def pair(make: Callable[[socket.socket], Any]) -> tuple[Any, Any]:
    """The ends of a non-blocking socketpair."""
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    return make(left), make(right)


def round_trips(ends: tuple[Any, Any], seconds: float) -> float:
    """Round trips per second."""
    left, right = ends
    send, answer, receive, get = left.send, right.send, right.recv, left.recv
    clock = time.perf_counter
    count, start = 0, clock()
    end = start + seconds
    while clock() < end:
        send(MESSAGE)
        answer(receive(64))
        get(64)
        count += 1
    return count / (clock() - start)


@contextlib.contextmanager
def busy_thread(cpu: int) -> Iterator[None]:
    """A thread that only computes, on one CPU."""
    done = False

    def spin() -> None:
        while not done:
            pass

    thread = threading.Thread(target=spin)
    with harness.on_cpu(cpu):
        thread.start()  # inherits the CPU
    try:
        yield
    finally:
        done = True
        thread.join()


@dataclass(frozen=True)
class Situation:
    """What else the process does, and what epollkit promises then."""

    name: str
    busy_cpu: int | None
    limit: float | None


SITUATIONS = (
    Situation("alone", None, 1.0),
    Situation("busy thread on another CPU", harness.CLIENT_CPU, 200.0),
    Situation("busy thread on the same CPU", harness.SERVER_CPU, None),
)


def measure(
    situation: Situation, sides: dict[str, Callable[[], float]], report: harness.Report
) -> list[str]:
    """One row of the table."""
    with contextlib.ExitStack() as stack:
        if situation.busy_cpu is not None:
            stack.enter_context(busy_thread(situation.busy_cpu))
        rates = harness.interleave(sides, report.options.rounds)
    ours, theirs = rates.get("epollkit"), rates["stdlib"]
    spread = harness.ratio(ours, theirs) if ours else None
    report.data[situation.name] = {"round_trips_per_second": rates, "ratio": spread}
    if situation.limit is not None:
        claim = f"{situation.name}: round trips/s, of the stdlib's"
        report.promise(claim, spread, situation.limit, at_least=True)
    cells = [str(harness.Spread.of(rates[side])) if side in rates else "-" for side in SIDES]
    return [situation.name, *cells, str(spread or "-")]


def main() -> int:
    """Runs it."""
    plan, quick = harness.Plan(9, 0.5), harness.Plan(3, 0.1)
    report = harness.Report("busy thread", harness.parse(harness.parser(__doc__), plan, quick))
    ends = {"stdlib": pair(lambda sock: sock)}
    if epollkit:
        ends["epollkit"] = pair(lambda sock: epollkit.Socket(fileno=sock.detach()))

    def side(name: str) -> Callable[[], float]:
        return lambda: round_trips(ends[name], report.options.seconds)

    sides = {name: side(name) for name in ends}
    with harness.on_cpu(harness.SERVER_CPU):
        rows = [measure(situation, sides, report) for situation in SITUATIONS]
    report.table(["round trips/s", *SIDES, "epollkit / stdlib"], rows)
    for end in itertools.chain.from_iterable(ends.values()):
        end.close()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
