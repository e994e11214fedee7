"""Who is woken: the Linux kernel's own scenarios, with epollkit's calls.

The list is that of tools/testing/selftests/filesystems/epoll/epoll_wakeup_test.c in the kernel's
tree, epoll1 to epoll65: its names are the ids here, and none is left out. The facts are from there,
the code is not. What differs:

- There a waiter counts as asleep after a tenth of a second, and as not woken after one more. Here
  the kernel is asked whether it sleeps (/proc), and who is not woken is told the end by a source of
  its own.
- There a waiter in poll(2) that finds nothing behind it gives up. Here it polls again, so that no
  count depends on who is faster.
- There a wait is for ever. Here it has a bound, so that a lost wake-up is a failure and no hang.
- The races (epoll59 to epoll61, epoll65) have fewer rounds.

In the drawings of epoll46 and epoll48 the thread on e1 waits in poll(2), in their code it waits in
epoll_wait(2): both are in the table.
"""

import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import pytest

from epoll_support import sleeps_in_epoll
from epollkit import Epoll, EventFlags, Poll, PollFlags, Socket, socketpair
from poll_support import sleeps
from support import MUST_ARRIVE, wait_until

IN, ET, ERR = EventFlags.IN, EventFlags.ET, EventFlags.ERR

Way = Literal["ew", "p", "ew2"]
"""How a thread waits: epoll_wait(2); poll(2) on the set, and then a look at it; epoll_pwait2(2)."""


# --- the tables


@dataclass(frozen=True)
class Look:
    """One thread looks twice after a write to each source: how many events it gets."""

    name: str
    topology: str
    way: Way
    first: int
    second: int


@dataclass(frozen=True)
class Wake:
    """Two threads sleep, then each source is written to: which of them get an event.

    `woken`: both; one of them and the other not; or e1, whose waiter does for sure, while the other
    may come too late, because what it was woken for is gone by then. `take` is maxevents.
    """

    name: str
    topology: str
    waiters: str
    woken: Literal["both", "one", "e1"]
    take: int = 1


LOOKS = [
    Look("epoll1", "e0[lt s0]", "ew", 1, 1),
    Look("epoll2", "e0[et s0]", "ew", 1, 0),
    Look("epoll3", "e0[lt s0, lt s2]", "ew", 2, 2),
    Look("epoll4", "e0[et s0, et s2]", "ew", 2, 0),
    Look("epoll5", "e0[lt s0]", "p", 1, 1),
    Look("epoll6", "e0[et s0]", "p", 1, 0),
    Look("epoll7", "e0[lt s0, lt s2]", "p", 2, 2),
    Look("epoll8", "e0[et s0, et s2]", "p", 2, 0),
    Look("epoll17", "e0[lt e1[lt s0]]", "ew", 1, 1),
    Look("epoll18", "e0[lt e1[et s0]]", "ew", 1, 1),
    Look("epoll19", "e0[et e1[lt s0]]", "ew", 1, 0),
    Look("epoll20", "e0[et e1[et s0]]", "ew", 1, 0),
    Look("epoll21", "e0[lt e1[lt s0]]", "p", 1, 1),
    Look("epoll22", "e0[lt e1[et s0]]", "p", 1, 1),
    Look("epoll23", "e0[et e1[lt s0]]", "p", 1, 0),
    Look("epoll24", "e0[et e1[et s0]]", "p", 1, 0),
    Look("epoll49", "e0[lt e1[lt s0], lt e2[lt s2]]", "ew", 2, 2),
    Look("epoll50", "e0[et e1[lt s0], et e2[lt s2]]", "ew", 2, 0),
    Look("epoll51", "e0[lt e1[lt s0], lt e2[lt s2]]", "p", 2, 2),
    Look("epoll52", "e0[et e1[lt s0], et e2[lt s2]]", "p", 2, 0),
    Look("epoll62", "e0[lt s0]", "ew2", 1, 1),
]

WAKES = [
    # two threads on one set
    Wake("epoll9", "e0[lt s0]", "ew e0, ew e0", "both"),
    Wake("epoll10", "e0[et s0]", "ew e0, ew e0", "one"),
    Wake("epoll11", "e0[lt s0, lt s2]", "ew e0, ew e0", "both", 2),
    Wake("epoll12", "e0[et s0, et s2]", "ew e0, ew e0", "both"),
    Wake("epoll13", "e0[lt s0]", "ew e0, p e0", "both"),
    Wake("epoll14", "e0[et s0]", "ew e0, p e0", "one"),
    Wake("epoll15", "e0[lt s0, lt s2]", "ew e0, p e0", "both", 2),
    Wake("epoll16", "e0[et s0, et s2]", "ew e0, p e0", "both"),
    Wake("epoll64", "e0[lt s0]", "ew e0, ew e0", "both"),
    # two threads on a set of a set
    Wake("epoll25", "e0[lt e1[lt s0]]", "ew e0, ew e0", "both"),
    Wake("epoll26", "e0[lt e1[et s0]]", "ew e0, ew e0", "both"),
    Wake("epoll27", "e0[et e1[lt s0]]", "ew e0, ew e0", "one"),
    Wake("epoll28", "e0[et e1[et s0]]", "ew e0, ew e0", "one"),
    Wake("epoll29", "e0[lt e1[lt s0]]", "ew e0, p e0", "both"),
    Wake("epoll30", "e0[lt e1[et s0]]", "ew e0, p e0", "both"),
    Wake("epoll31", "e0[et e1[lt s0]]", "ew e0, p e0", "one"),
    Wake("epoll32", "e0[et e1[et s0]]", "ew e0, p e0", "one"),
    # one on the inner set, one on the outer
    Wake("epoll33", "e0[lt e1[lt s0]]", "ew e1, ew e0", "both"),
    Wake("epoll34", "e0[lt e1[et s0]]", "ew e1, ew e0", "e1"),
    Wake("epoll35", "e0[et e1[lt s0]]", "ew e1, ew e0", "both"),
    Wake("epoll36", "e0[et e1[et s0]]", "ew e1, ew e0", "e1"),
    Wake("epoll37", "e0[lt e1[lt s0]]", "p e1, ew e0", "both"),
    Wake("epoll38", "e0[lt e1[et s0]]", "p e1, ew e0", "e1"),
    Wake("epoll39", "e0[et e1[lt s0]]", "p e1, ew e0", "both"),
    Wake("epoll40", "e0[et e1[et s0]]", "p e1, ew e0", "e1"),
    Wake("epoll41", "e0[lt e1[lt s0]]", "ew e1, p e0", "both"),
    Wake("epoll42", "e0[lt e1[et s0]]", "ew e1, p e0", "e1"),
    Wake("epoll43", "e0[et e1[lt s0]]", "ew e1, p e0", "both"),
    Wake("epoll44", "e0[et e1[et s0]]", "ew e1, p e0", "e1"),
    Wake("epoll45", "e0[lt e1[lt s0]]", "p e1, p e0", "both"),
    Wake("epoll46", "e0[lt e1[et s0]]", "ew e1, p e0", "e1"),
    Wake("epoll46-drawn", "e0[lt e1[et s0]]", "p e1, p e0", "e1"),
    Wake("epoll47", "e0[et e1[lt s0]]", "p e1, p e0", "both"),
    Wake("epoll48", "e0[et e1[et s0]]", "ew e1, p e0", "e1"),
    Wake("epoll48-drawn", "e0[et e1[et s0]]", "p e1, p e0", "e1"),
    # two threads on a set of two sets
    Wake("epoll53", "e0[lt e1[lt s0], lt e2[lt s2]]", "ew e0, ew e0", "both"),
    Wake("epoll54", "e0[et e1[lt s0], et e2[lt s2]]", "ew e0, ew e0", "both"),
    Wake("epoll55", "e0[lt e1[lt s0], lt e2[lt s2]]", "ew e0, p e0", "both"),
    Wake("epoll56", "e0[et e1[lt s0], et e2[lt s2]]", "ew e0, p e0", "both"),
    Wake("epoll57", "e0[lt e1[lt s0], lt e2[lt s2]]", "p e0, p e0", "both"),
    Wake("epoll58", "e0[et e1[lt s0], et e2[lt s2]]", "p e0, p e0", "both"),
]

BESIDE_THE_TABLES = {"epoll59", "epoll60", "epoll61", "epoll63", "epoll65"}


# --- the interpreter


@dataclass(frozen=True)
class Network:
    """What a topology names. `near` of a source is watched, `far` is written to."""

    sets: dict[str, Epoll]
    sources: dict[str, tuple[Socket, Socket]]

    def trigger(self) -> None:
        for name in sorted(self.sources):
            self.sources[name][1].send(b"w")


@contextmanager
def eventfd(count: int) -> Generator[int]:
    number = os.eventfd(count, os.EFD_NONBLOCK)
    try:
        yield number
    finally:
        os.close(number)


@contextmanager
def network(topology: str) -> Generator[Network]:
    """Sets and sources by a text such as "e0[lt e1[et s0], lt s2]"."""
    words = iter(re.findall(r"\w+|[][,]", topology))
    with ExitStack() as stack:
        built = Network({}, {})
        _build(next(words), words, built, stack)
        assert next(words, None) is None, topology
        yield built


def _build(name: str, words: Iterator[str], built: Network, stack: ExitStack) -> Epoll | Socket:
    if name.startswith("s"):
        near, far = (stack.enter_context(one) for one in socketpair())
        built.sources[name] = near, far
        return near
    epoll = built.sets[name] = stack.enter_context(Epoll())
    assert next(words) == "["
    following = ","
    while following == ",":
        mode = {"lt": IN, "et": IN | ET}[next(words)]
        child = next(words)
        epoll.register(_build(child, words, built, stack), mode, data=child)
        following = next(words)
    assert following == "]"
    return epoll


def look(epoll: Epoll, way: str, take: int) -> list[object]:
    """What one look gives; in poll(2), only if that says that the set is readable."""
    if way == "p" and not polls(epoll, 0):
        return []
    timeout = MUST_ARRIVE if way == "ew2" else 0
    return [event.data for event in epoll.wait(timeout, take)]


def polls(epoll: Epoll, timeout: float) -> bool:
    poll = Poll()
    poll.register(epoll, PollFlags.IN)
    return poll.wait(timeout) == [(epoll.fileno(), PollFlags.IN)]


def sleep_until_event(epoll: Epoll, way: str, take: int) -> list[object]:
    """What the first event is; nothing when none came in time."""
    if way == "ew":
        return [event.data for event in epoll.wait(MUST_ARRIVE, take)]
    while polls(epoll, MUST_ARRIVE):
        if events := [event.data for event in epoll.wait(0, take)]:
            return events
    return []


Outcome = tuple[int, list[object]]
"""Which waiter, and what its first event was; an empty list when none came in time."""


class Waiters:
    """Threads that wait, each seen asleep before the next one starts."""

    def __init__(self) -> None:
        self.outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self.threads: list[threading.Thread] = []

    def start(self, call: Callable[[], list[object]]) -> int:
        """Not seen asleep: for races. Its native id."""
        number = len(self.threads)
        thread = threading.Thread(target=lambda: self.outcomes.put((number, call())))
        self.threads.append(thread)
        thread.start()
        return thread.native_id or 0

    def sleep_on(self, epoll: Epoll, way: str, take: int) -> None:
        task = self.start(partial(sleep_until_event, epoll, way, take))
        number = epoll.fileno()
        wait_until(lambda: sleeps(task) if way == "p" else sleeps_in_epoll(task, number))

    def join(self) -> dict[int, list[object]]:
        """All outcomes that were not taken before."""
        for thread in self.threads:
            thread.join()
        return dict(self.outcomes.get_nowait() for _ in range(self.outcomes.qsize()))


def outcomes_of(wake: Wake, must_arrive: float = MUST_ARRIVE) -> list[list[object]]:
    """The first event of each waiter: of the sources, or "end" for who was not woken by them.

    The end is told when those have reported who must, to those who have not. It is the last that
    the set has to tell: what the sources have left would come first.
    """
    with network(wake.topology) as built, eventfd(1) as end:
        waiters, came = Waiters(), dict[int, list[object]]()
        waits = [words.split() for words in wake.waiters.split(", ")]
        try:
            for way, name in waits:
                waiters.sleep_on(built.sets[name], way, wake.take)
            built.trigger()
            while not may_end(wake, came):
                number, events = waiters.outcomes.get(timeout=must_arrive)
                came[number] = events
        except queue.Empty:
            pass  # what is missing will be told the end, and shows
        finally:
            for name in {name for number, (_, name) in enumerate(waits) if number not in came}:
                built.sets[name].register(end, IN, data="end")
            came |= waiters.join()
        return [came[number] for number in range(len(waits))]


def may_end(wake: Wake, came: Collection[int]) -> bool:
    match wake.woken:
        case "both":
            return len(came) == 2
        case "one":
            return len(came) == 1
        case "e1":
            return 0 in came


def check(wake: Wake, must_arrive: float = MUST_ARRIVE) -> None:
    """Compare with the row."""
    outcomes = outcomes_of(wake, must_arrive)
    woken = ["end" not in events != [] for events in outcomes]
    ended = [events == ["end"] for events in outcomes]
    assert all(one or other for one, other in zip(woken, ended, strict=True)), outcomes
    match wake.woken:
        case "both":
            assert woken == [True, True], outcomes
        case "one":
            assert sorted(woken) == [False, True], outcomes
        case "e1":
            assert woken[0], outcomes


# --- the scenarios


def names_of(rows: Sequence[Look | Wake]) -> list[str]:
    return [row.name for row in rows]


def test_every_scenario_of_the_kernel_is_here() -> None:
    here = {name.removesuffix("-drawn") for name in names_of(LOOKS) + names_of(WAKES)}
    assert here.isdisjoint(BESIDE_THE_TABLES)
    assert here | BESIDE_THE_TABLES == {f"epoll{number}" for number in range(1, 66)}
    mine = {name.removeprefix("test_").split("_")[0] for name in globals() if "_epoll" in name}
    assert mine >= BESIDE_THE_TABLES


@pytest.mark.parametrize("row", LOOKS, ids=names_of(LOOKS))
def test_two_looks_after_a_write(row: Look) -> None:
    with network(row.topology) as built:
        assert look(built.sets["e0"], "ew", 2) == []
        built.trigger()
        seen = [len(look(built.sets["e0"], row.way, 2)) for _ in range(2)]
        assert seen == [row.first, row.second]


@pytest.mark.parametrize("row", WAKES, ids=names_of(WAKES))
def test_two_sleepers_and_a_write(row: Wake) -> None:
    check(row)


def test_one_who_is_not_woken_would_be_missed() -> None:
    for row in WAKES:
        if row.woken == "one":
            with pytest.raises(AssertionError):
                check(replace(row, woken="both"), must_arrive=0.01)


def test_one_who_is_woken_in_vain_would_be_noticed() -> None:
    for row in WAKES:
        if row.woken == "both":
            with pytest.raises(AssertionError):  # the end is told when the first has come
                check(replace(row, woken="one"))


@pytest.mark.thread_unsafe(reason="changes a class")
def test_without_a_write_every_row_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Network, "trigger", lambda _: None)
    for row in WAKES:
        with pytest.raises(AssertionError):
            check(row, must_arrive=0.01)


def test_epoll59_a_modify_while_another_thread_waits_loses_no_edge() -> None:
    rounds = 1000
    asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
    with Epoll() as epoll, eventfd(1) as source:
        epoll.register(source, IN | ERR | ET)

        def modify() -> None:
            while asked.get():
                epoll.modify(source, IN | ERR | ET)

        modifying = threading.Thread(target=modify)
        modifying.start()
        try:
            for _ in range(rounds):
                assert [event.fd for event in epoll.wait(MUST_ARRIVE, 1)] == [source]
                asked.put(True)
        finally:
            asked.put(False)
            modifying.join()


def test_epoll60_ten_edges_at_once_wake_ten_threads_each_for_one_of_them() -> None:
    number, rounds = 10, 10
    with ExitStack() as stack:
        epoll = stack.enter_context(Epoll())
        sources = [stack.enter_context(eventfd(0)) for _ in range(number)]
        for source in sources:
            epoll.register(source, IN | ET, data=source)
        for _ in range(rounds):
            waiters = Waiters()
            for _ in sources:
                waiters.sleep_on(epoll, "ew", 1)
            for source in sources:
                os.eventfd_write(source, 1)
            assert sorted(waiters.join().values()) == [[source] for source in sorted(sources)]
            for source in sources:
                os.eventfd_read(source)


def test_epoll61_an_edge_at_the_end_of_a_time_out_is_not_lost() -> None:
    with Epoll() as epoll, eventfd(0) as source:
        epoll.register(source, IN | ERR | EventFlags.HUP | ET, data="edge")

        def pass_on(timeout: float) -> list[object]:
            if events := [event.data for event in epoll.wait(timeout, 1)]:
                os.eventfd_write(source, 1)  # it was for the other
            return events

        for microseconds in range(200):
            waiters = Waiters()
            waiters.sleep_on(epoll, "ew", 1)
            waiters.start(partial(pass_on, microseconds * 1e-6))
            os.eventfd_write(source, 1)
            assert waiters.join()[0] == ["edge"]


def test_epoll63_a_time_out_in_nanoseconds_is_not_cut_short() -> None:
    with network("e0[lt s0]") as built:
        started = time.monotonic()
        assert not built.sets["e0"].wait(0.01)
        assert time.monotonic() - started >= 0.01


def test_epoll65_a_level_that_nobody_lowers_is_reported_to_every_thread_each_time() -> None:
    threads, rounds = 8, 500
    with Epoll() as epoll, eventfd(99) as source:
        epoll.register(source, IN)
        waiters = Waiters()
        for _ in range(threads):
            waiters.start(lambda: [len(epoll.wait(MUST_ARRIVE, 1)) for _ in range(rounds)])
        assert list(waiters.join().values()) == [[1] * rounds] * threads


@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(),
    reason="kernels before the fix that epoll65 came with may miss it",
)
def test_epoll65_so_it_is_by_a_look_since_a_look_keeps_the_gil() -> None:
    threads, rounds = 8, 500
    with Epoll() as epoll, eventfd(99) as source:
        epoll.register(source, IN)
        waiters = Waiters()
        for _ in range(threads):
            waiters.start(lambda: [len(epoll.wait(0, 1)) for _ in range(rounds)])
        assert list(waiters.join().values()) == [[1] * rounds] * threads
