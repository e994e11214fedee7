"""Random scripts of operations, run in the standard library's world and in ours, and compared.

As a command it runs for as long as it is told, and says what it did:

    python tests/_support/machine.py --operations 2000000 --seed 1
"""

import argparse
import collections
import gc
import select
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

import epollkit
from machine_worlds import (
    KINDS,
    MISUSES,
    SETS,
    Ground,
    Operation,
    Ours,
    Theirs,
    World,
)

Script: TypeAlias = tuple[str, list[Operation]]
"""How closely to look after each operation, and the operations."""

Steps: TypeAlias = st.SearchStrategy[Operation]
Strategy: TypeAlias = st.SearchStrategy[Any]

# --- operations -----------------------------------------------------------------------------------

NAMES = st.sampled_from("abcde")  # few, so that operations meet
SET_NAMES = st.sampled_from(["X", "X", "X", "Y"])
ANY_KIND = st.sampled_from(["tcp", "unix", "udp", "datagrams", "packets"])
MOSTLY_STREAMS = st.sampled_from(
    ["unix", "tcp", "tcp", "unix", "tcp", "udp", "datagrams", "packets"]
)
SENT = st.sampled_from([1, 0, 2, 3, 10, 100, 1000, 4096, 5000, 20000, 1 << 16, 1 << 16])
SIZES = st.sampled_from([1, 0, 2, 3, 10, 100, 1000, 4096, 5000, 20000, 1 << 16, 200_000])
DONTWAIT, PEEK, OOB = map(int, (socket.MSG_DONTWAIT, socket.MSG_PEEK, socket.MSG_OOB))
SEND_FLAGS = st.sampled_from([0, 0, 0, OOB, DONTWAIT, int(socket.MSG_NOSIGNAL)])
RECV_FLAGS = st.sampled_from(
    [0, 0, 0, 0, PEEK, PEEK, OOB, PEEK | OOB, DONTWAIT]
    + [int(flag) for flag in (socket.MSG_TRUNC, socket.MSG_WAITALL, socket.MSG_ERRQUEUE)]
)
MODES = [0, select.EPOLLET, select.EPOLLONESHOT, select.EPOLLET | select.EPOLLONESHOT]
BITS = [*map(int, epollkit.EventFlags), select.EPOLLRDNORM, select.EPOLLRDBAND, select.EPOLLWRNORM]
MASKS = st.one_of(
    st.sampled_from([select.EPOLLIN | select.EPOLLOUT | mode for mode in MODES]),
    st.sampled_from([select.EPOLLIN | select.EPOLLRDHUP | mode for mode in MODES]),
    st.sampled_from([select.EPOLLIN | select.EPOLLEXCLUSIVE, select.EPOLLPRI | select.EPOLLET]),
    st.lists(st.sampled_from([*BITS, 1 << 20, 1 << 40]), max_size=4).map(
        lambda bits: sum(set(bits))
    ),
    st.sampled_from([0, -1, -(1 << 31), (1 << 64) + 1]),
)
BY = st.sampled_from(["object", "object", "number"])
SOURCES = st.sampled_from([*"abcde" * 5, *SETS, "file", "nothing"])
MAXEVENTS = st.sampled_from([-1, -1, 1, 2, 3, 100, 0, -2])

SOCKET_OPTIONS = [
    socket.SO_RCVLOWAT, socket.SO_SNDBUF, socket.SO_RCVBUF, socket.SO_REUSEADDR,
    socket.SO_KEEPALIVE, socket.SO_OOBINLINE, socket.SO_ERROR, socket.SO_TYPE, socket.SO_DOMAIN,
    socket.SO_ACCEPTCONN, socket.SO_BROADCAST, socket.SO_SNDLOWAT, 9999,
]  # fmt: skip
TCP_OPTIONS = [
    socket.TCP_NODELAY, socket.TCP_MAXSEG, socket.TCP_KEEPIDLE, socket.TCP_QUICKACK,
    socket.TCP_USER_TIMEOUT, 9999,
]  # fmt: skip
OPTIONS = st.sampled_from(
    [(socket.SOL_SOCKET, option) for option in SOCKET_OPTIONS]
    + [(socket.IPPROTO_TCP, option) for option in TCP_OPTIONS]
    + [(socket.IPPROTO_IP, socket.IP_TTL), (9999, 1)]
)
VALUES = st.sampled_from([1, 0, 2, 100, 5000, 1 << 17, -1, b"\1\0\0\0", b"", b"\1"])
LENGTHS = st.sampled_from([0, 0, 4, 8, 1, 1024, 1025])


def verb(name: str, *arguments: Strategy) -> Steps:
    return st.tuples(st.just(name), *arguments)


PAIR = verb("pair", MOSTLY_STREAMS, NAMES, NAMES)
REGISTER = verb("register", SET_NAMES, SOURCES, MASKS, BY)
POLL = verb("poll", SET_NAMES, MAXEVENTS)
SEND = verb("send", NAMES, SENT, SEND_FLAGS)
RECV = verb("recv", NAMES, SIZES, RECV_FLAGS)
ACCEPT = verb("accept", NAMES, NAMES)

WEIGHTED: list[tuple[int, Steps]] = [
    (4, PAIR),
    (1, verb("socket", ANY_KIND, NAMES)),
    (3, verb("listener", MOSTLY_STREAMS, NAMES, st.integers(-1, 3))),
    (1, verb("bind", NAMES, ANY_KIND)),
    (1, verb("bind_like", NAMES, NAMES)),
    (1, verb("listen", NAMES, st.integers(-1, 3))),
    (4, verb("connect", NAMES, NAMES)),
    (2, verb("connect_ex", NAMES, NAMES)),
    (3, ACCEPT),
    (1, verb("try_accept", NAMES, NAMES)),
    (1, verb("accept_many", NAMES, NAMES, st.integers(0, 3))),
    (3, verb("dup", NAMES, NAMES)),
    (1, verb("readopt", NAMES)),
    (1, verb("change_hands", NAMES)),
    (4, verb("close", NAMES)),
    (2, verb("reset", NAMES)),
    (1, verb("detach", NAMES)),
    (4, verb("shutdown", NAMES, st.integers(0, 3))),
    (8, SEND),
    (3, verb("try_send", NAMES, SENT, SEND_FLAGS)),
    (1, verb("sendall", NAMES, SENT)),
    (2, verb("fill", NAMES, st.sampled_from([1000, 1 << 13, 1 << 16]))),
    (6, RECV),
    (3, verb("try_recv", NAMES, SIZES, RECV_FLAGS)),
    (4, verb("recv_into", NAMES, SIZES, SIZES, RECV_FLAGS)),
    (2, verb("try_recv_into", NAMES, SIZES, SIZES, RECV_FLAGS)),
    (2, verb("drain", NAMES, st.sampled_from([1 << 20, 1, 100, 4097, 0]))),
    (2, verb("option", NAMES, OPTIONS, LENGTHS)),
    (3, verb("set_option", NAMES, OPTIONS, VALUES)),
    (2, verb("error", NAMES)),
    (1, verb("inq", NAMES)),
    (1, verb("outq", NAMES)),
    (1, verb("addresses", NAMES)),
    (1, verb("describe", NAMES)),
    (1, verb("timeout", NAMES, st.sampled_from([None, 0, 0.0, 0.5, 3, 1e-9, 1e300, -1]))),
    (1, verb("blocking", NAMES, st.sampled_from([True, False, 0, 7]))),
    (1, verb("patiently", st.one_of(SEND, RECV, ACCEPT, verb("connect", NAMES, NAMES)))),
    (1, verb("misuse", NAMES, SET_NAMES, st.sampled_from(sorted(MISUSES)))),
    (1, verb("set", SET_NAMES)),
    (1, verb("share", SET_NAMES, SET_NAMES)),
    (1, verb("close_set", SET_NAMES)),
    (10, REGISTER),
    (8, verb("modify", SET_NAMES, SOURCES, MASKS, BY)),
    (3, verb("unregister", SET_NAMES, SOURCES, BY)),
    (3, verb("rearm", SET_NAMES, SOURCES, BY)),
    (14, POLL),
    (8, verb("wait", SET_NAMES, MAXEVENTS)),
]
LOOKS = st.sampled_from(["at outcomes", "at levels", "at levels and events"])
MOST_OPERATIONS = 100
STEPS = st.sampled_from([step for weight, step in WEIGHTED for _ in range(weight)])


RECEIVE_INTO = st.sampled_from(["recv_into", "try_recv_into"])
CONNECT = st.sampled_from(["connect", "connect_ex"])
WHICH = st.integers(0, 6)


@st.composite
def together(draw: st.DrawFn) -> list[Operation]:
    """What is rare when operations come one by one: in order, and of the same sockets."""
    one, other, third, epoll = draw(NAMES), draw(NAMES), draw(NAMES), draw(SET_NAMES)
    mask, by = draw(MASKS), draw(BY)
    poll, wait, send = ("poll", epoll, -1), ("wait", epoll, -1), draw(SEND)
    receive = (draw(RECEIVE_INTO), one, draw(SIZES), 0, draw(RECV_FLAGS))
    listener, client = ("listener", draw(MOSTLY_STREAMS), one, 1), ("socket", "tcp", other)
    connect, accept = (draw(CONNECT), other, one), ("accept", one, third)
    dup, close = ("dup", one, other), ("close", one)
    return [
        [("modify", epoll, one, mask, by), poll, wait, send, poll],
        [dup, close, wait, poll],
        [("set", epoll), ("register", epoll, one, mask, by), dup, close, wait],
        [send, receive],
        [listener, client, connect],
        [connect, accept, poll],
        [("fill", one, 1 << 16), send, ("drain", other, 1 << 20), poll],
    ][draw(WHICH)]


TOGETHER = together()
OFTEN = st.sampled_from([True] * 9 + [False])
REGISTERED = st.lists(REGISTER, max_size=4)
LENGTH = st.integers(20, MOST_OPERATIONS)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Some are connected and registered to begin with; else what is rare is never seen."""
    operations = [
        ("pair", draw(MOSTLY_STREAMS), "a", "b"),
        ("pair", draw(MOSTLY_STREAMS), "c", "d"),
    ]
    operations += draw(REGISTERED)
    length = draw(LENGTH)
    while len(operations) < length:
        if draw(OFTEN):
            operations.append(draw(draw(STEPS)))
        else:
            operations += draw(TOGETHER)
    return draw(LOOKS), operations


# --- running and comparing ------------------------------------------------------------------------


def traced(kind: type[World], ground: Ground, script: Script) -> list[object]:
    """What each operation gave, and what was to be seen after it."""
    looks, operations = script
    world = kind(ground)
    trace: list[object] = []
    gc.disable()  # a collection takes so long that TCP's timers fire, and comes at the same place
    try:
        for operation in operations:
            outcome = world.run(operation)
            levels = None if looks == "at outcomes" else world.levels()
            events = None
            if looks == "at levels and events":
                events = [world.run(("poll", name, -1)) for name in SETS]
            trace.append((outcome, levels, events))
        trace.append(("the end", world.levels(), [world.run(("poll", name, -1)) for name in SETS]))
    finally:
        gc.enable()
        world.close_all()
    return trace


class DifferenceError(AssertionError):
    """The two worlds differ. The message is the script, to be pasted into a test."""

    def __init__(self, script: Script, at: int, theirs: object, ours: object) -> None:
        looks, operations = script
        self.script = looks, operations[: at + 1]
        where = f"operation {at + 1}" if at < len(operations) else "the last operation"
        shown = "".join(f"        {operation!r},\n" for operation in self.script[1])
        super().__init__(
            f"after {where} (outcome, levels, events) are\n"
            f"    {theirs!r} in the standard library's world\n"
            f"    {ours!r} in epollkit's\n"
            f"script = (\n    {looks!r},\n    [\n{shown}    ],\n)"
        )


@dataclass
class Tally:
    """What has been run."""

    scripts: int = 0
    operations: collections.Counter[str] = field(default_factory=collections.Counter)
    outcomes: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    undecided: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.operations.total()

    def count(self, script: Script, trace: list[Any]) -> None:
        self.scripts += 1
        for operation, (outcome, _, _) in zip(script[1], trace, strict=False):
            self.operations[operation[0]] += 1
            self.outcomes[operation[0], sort_of(outcome)] += 1


def sort_of(outcome: object) -> str:
    match outcome:
        case (str(name), int() | None as number) if name.endswith("Error"):
            return f"{name} {number}"
        case str() if outcome == "absent" or outcome.endswith("Error"):
            return outcome
        case [] | b"" | None:
            return repr(outcome)
        case _:
            return type(outcome).__name__


RUNS = 4
ROUND = 50
Worlds: TypeAlias = tuple[type[World], type[World]]


def difference(
    ground: Ground, script: Script, tally: Tally, worlds: Worlds = (Theirs, Ours)
) -> DifferenceError | None:
    """Run the script in both worlds, and say where they differ.

    A difference has to come each time, whichever world is first; else it is undecided. How much of
    a large send TCP takes depends by a few bytes on where the thread's last page ended; whether an
    address is in use, on the port that the kernel chose; and when the machine stops for 40 ms in
    the middle of a script, a timer fires in one world only.
    """
    traces: dict[type[World], list[list[object]]] = {world: [] for world in worlds}
    for run in range(RUNS):
        for world in worlds if run % 2 == 0 else reversed(worlds):
            if run:
                ground.disturb(3001 * run)
            traces[world].append(traced(world, ground, script))
        theirs, ours = (traces[world] for world in worlds)
        if any(trace in theirs for trace in ours):
            if run:
                tally.undecided.append(str(first_difference(script, theirs[0], ours[0])))
            tally.count(script, theirs[0])
            return None
    found = first_difference(script, theirs[0], ours[0])
    if all(trace == theirs[0] for trace in theirs):
        return found
    tally.undecided.append(str(found))  # the standard library differs from itself
    tally.count(script, theirs[0])
    return None


def first_difference(script: Script, theirs: list[object], ours: list[object]) -> DifferenceError:
    at = next(at for at, pair in enumerate(zip(theirs, ours, strict=True)) if pair[0] != pair[1])
    return DifferenceError(script, at, theirs[at], ours[at])


def search(
    ground: Ground, seed: int, operations: int, worlds: Worlds = (Theirs, Ours)
) -> Iterator[Tally]:
    """Compare random scripts until so many operations are done; the tally after each round.

    Raises:
        DifferenceError: with a short script.
    """
    tally = Tally()
    found: list[DifferenceError] = []

    @settings(
        max_examples=ROUND,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # `shortest` takes seconds where hypothesis needs minutes
        suppress_health_check=list(HealthCheck),
    )
    @given(script=scripts())
    def compares(script: Script) -> None:
        if not found and (differs := difference(ground, script, tally, worlds)):
            found.append(differs)

    while tally.total < operations:
        hypothesis_seed(f"{seed} {tally.scripts}")(compares)()
        if found:
            raise shortest(ground, found[0], worlds)
        yield tally


def shortest(ground: Ground, found: DifferenceError, worlds: Worlds) -> DifferenceError:
    """The same or another difference in a script that cannot be made shorter or simpler."""
    shorter = True
    while shorter:
        shorter = False
        for candidate in [*without_some(found.script), *with_simpler(found.script)]:
            if smaller := difference(ground, candidate, Tally(), worlds):
                found, shorter = smaller, True
                break
    return found


def without_some(script: Script) -> Iterator[Script]:
    """Scripts with fewer operations: half of them left out, a quarter, ..., one."""
    looks, operations = script
    size = len(operations) // 2
    while size:
        for at in range(0, len(operations), size):
            yield looks, operations[:at] + operations[at + size :]
        size //= 2


def with_simpler(script: Script) -> Iterator[Script]:
    """Scripts with something simpler at one place."""
    looks, operations = script
    for less in ("at outcomes", "at levels"):
        if less < looks and less != looks:
            yield less, operations
    for at, operation in enumerate(operations):
        for place, argument in enumerate(operation):
            for simpler in simpler_than(argument):
                changed = (*operation[:place], simpler, *operation[place + 1 :])
                yield looks, [*operations[:at], changed, *operations[at + 1 :]]
    names = dict.fromkeys(word for step in operations for word in step if is_name(word))
    renamed = dict(zip(names, "abcde", strict=False))
    if any(name != to for name, to in renamed.items()):
        yield looks, [tuple(renamed.get(w, w) if is_name(w) else w for w in s) for s in operations]


def is_name(word: object) -> bool:
    return isinstance(word, str) and len(word) == 1 and word in "abcde"


def simpler_than(argument: object) -> list[object]:
    match argument:
        case bool() | 0:
            return []
        case int():
            return [0, 1] if argument != 1 else [0]
        case "number":
            return ["object"]
        case str() if argument in KINDS and argument != "unix":
            return ["unix"]
        case _:
            return []


# --- the command ----------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare epollkit with the standard library.")
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--host", default="127.88.1.1", help="a loopback address of its own")
    arguments = parser.parse_args()
    began = time.monotonic()
    tally = Tally()
    verdict = "no difference"
    with Ground(arguments.host) as ground:
        try:
            for tally in search(ground, arguments.seed, arguments.operations):
                rate = tally.total / (time.monotonic() - began)
                sys.stderr.write(f"\r{tally.total:,} operations, {rate:,.0f}/s ")
                sys.stderr.flush()
        except DifferenceError as difference:
            verdict = str(difference)
    report(tally, verdict, arguments.seed, time.monotonic() - began)
    return verdict != "no difference"


def report(tally: Tally, verdict: str, seed: int, seconds: float) -> None:
    out = sys.stdout.write
    out("\n")
    for kind in sorted({*tally.operations}):
        seen = sorted((what, n) for (verb, what), n in tally.outcomes.items() if verb == kind)
        out(f"{tally.operations[kind]:>9,} {kind}: {', '.join(f'{w} {n:,}' for w, n in seen)}\n")
    for text in tally.undecided[:5]:
        out(f"undecided: {text}\n")
    out(
        f"seed {seed}: {tally.total:,} operations in {tally.scripts:,} scripts, "
        f"{len(tally.outcomes)} distinct outcomes, {len(tally.undecided)} undecided, "
        f"{seconds:.0f} s: {verdict}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
