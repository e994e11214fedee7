"""How long a wait lasts."""

import select
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from operator import le

from epollkit import Epoll, EventFlags
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

IN = EventFlags.IN


def _sets(lab: Lab) -> tuple[select.epoll, Epoll]:
    """An empty set of the standard library and one of epollkit."""
    return lab.keep(select.epoll(), "standard library's"), lab.epoll("epollkit's")


def _milliseconds(wait: Callable[[float], object], timeout: float) -> float:
    """How long the wait took."""
    began = time.perf_counter()
    wait(timeout)
    return (time.perf_counter() - began) * 1000


@claim(
    "A time-out of -1 waits until something happens",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_wait(2)",
    notebook="03",
)
def a_timeout_of_minus_one_waits_for_ever(lab: Lab) -> None:
    """Threads wait with -1 and with None, which is the same; then a byte arrives.

    That they were still waiting when it came is shown by what they bring.
    """
    near, far = lab.unix_pair()
    for timeout in (-1, None):
        epoll = lab.epoll(f"time-out {timeout}", near)
        waiting = lab.thread(partial(epoll.poll, timeout))
        lab.supports(f"{timeout}: over before the arrival", waiting.done(), False)
        far.send(b"x")
        brought = [EventFlags(mask) for _, mask in waiting.result(MUST_ARRIVE)]
        lab.supports(f"{timeout}: it brings", brought, [IN])
        near.recv(1)


@claim(
    "A time-out of 0 does not wait",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_wait(2)",
    notebook="03",
)
def a_timeout_of_zero_does_not_wait(lab: Lab) -> None:
    """A set is asked 100 times with nothing ready, then with a byte that has arrived."""
    near, far = lab.unix_pair()
    epoll = lab.epoll("epoll", near)
    lab.supports("nothing is ready", lab.ready(epoll), [])
    with lab.pause():
        shortest = min(_milliseconds(epoll.poll, 0) for _ in range(100))
    lab.supports("the shortest of 100 such waits, ms", round(shortest, 4), lambda took: took < 1)
    far.send(b"x")
    lab.supports("a byte has arrived", lab.ready(epoll), IN)


@claim(
    "A wait never ends before its time-out, unless something happens",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_wait(2), epoll_pwait2(2)",
    notebook="03",
)
def timeouts_round_up(lab: Lab) -> None:
    """Nothing happens for 0.1, 1.5 and 10 ms, in the standard library's epoll and in epollkit's.

    The standard library rounds up to a whole millisecond: a wait that ended early would make loops
    that wait for a deadline spin until it has come.
    """
    theirs, ours = _sets(lab)
    for milliseconds in (0.1, 1.5, 10):
        for name, wait in (("standard library", theirs.poll), ("epollkit", ours.poll)):
            took = round(_milliseconds(wait, milliseconds / 1000), 3)
            lab.supports(f"{milliseconds} ms, {name}, took ms", took, partial(le, milliseconds))


@claim(
    "Time-outs of epoll are whole milliseconds",
    topic="epoll",
    verdict=Verdict.CONDITION,
    truth="those of epoll_wait; epoll_pwait2, since Linux 5.11, takes nanoseconds",
    man="epoll_wait(2), epoll_pwait2(2)",
    notebook="03",
)
def timeouts_are_whole_milliseconds(lab: Lab) -> None:
    """Waits of 100 microseconds, taken in turn: the standard library's epoll_wait, and epollkit's.

    The shortest of each counts: a busy machine makes waits longer, never shorter.
    """
    theirs, ours = _sets(lab)
    theirs_took, ours_took = list[float](), list[float]()
    for turn in range(100):
        with lab.pause() if turn else nullcontext():
            theirs_took.append(_milliseconds(theirs.poll, 0.0001))
            ours_took.append(_milliseconds(ours.poll, 0.0001))
        if turn and min(ours_took) < 1:
            break
    lab.note("and again")
    lab.supports("epoll_wait, the shortest, ms", round(min(theirs_took), 3), lambda took: took >= 1)
    lab.contradicts(
        "epoll_pwait2, the shortest, ms", round(min(ours_took), 3), lambda took: took < 1
    )
