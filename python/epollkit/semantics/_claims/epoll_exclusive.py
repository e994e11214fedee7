"""EPOLLEXCLUSIVE: one of several sets that watch the same source is woken, not all."""

from concurrent.futures import FIRST_COMPLETED, wait
from functools import partial

from epollkit import Epoll, EventFlags
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ET = EventFlags.IN, EventFlags.OUT, EventFlags.ET
ONESHOT, EXCLUSIVE = EventFlags.ONESHOT, EventFlags.EXCLUSIVE
RDHUP, PRI = EventFlags.RDHUP, EventFlags.PRI


def _take(epoll: Epoll) -> list[str]:
    return [event.data for event in epoll.wait(MUST_ARRIVE)]


def _woken(lab: Lab, mask: int, *, recorded: bool = False) -> int:
    """How many of three sets, with a thread asleep in each, one arrival wakes.

    When the first thread is back a bell rings in all sets, for those that the arrival left asleep.
    """
    near, far = lab.unix_pair("shared" * recorded, "peer" * recorded)
    bell, ring = lab.unix_pair("bell" * recorded, "ring" * recorded)
    sets = [lab.epoll(name * recorded) for name in ("set 1", "set 2", "set 3")]
    for epoll in sets:
        epoll.register(near, mask, data="arrival")
        epoll.register(bell, IN, data="bell")
    waits = [lab.thread(partial(_take, epoll)) for epoll in sets]
    far.send(b"x")
    wait(waits, MUST_ARRIVE, FIRST_COMPLETED)
    ring.send(b"x")
    return sum("arrival" in each.result(MUST_ARRIVE) for each in waits)


@claim(
    "EPOLLEXCLUSIVE wakes one of several sets that watch the same source",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="05",
)
def exclusive_wakes_one_of_several_sets(lab: Lab) -> None:
    """Three threads wait, each on a set of its own; all sets watch one socket. One byte arrives.

    A source's wait queue has the ordinary entries first: all are called. Of the exclusive ones the
    kernel calls one after the other until one had a waiter to wake. This is the cure for the
    thundering herd of servers that have a set in each process, and one listener.
    """
    lab.supports(
        "sets that were woken, of 3, with it", _woken(lab, IN | EXCLUSIVE, recorded=True), 1
    )
    lab.supports("with it and ET", _woken(lab, IN | EXCLUSIVE | ET), 1)
    lab.supports("without it", _woken(lab, IN), 3)


@claim(
    "EPOLLEXCLUSIVE spreads the arrivals evenly",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="the set that registered first gets every arrival for which it is waiting; "
    "SO_REUSEPORT spreads connections",
    man="epoll_ctl(2), socket(7)",
    notebook="05",
)
def exclusive_spreads_the_arrivals(lab: Lab) -> None:
    """Three sets watch one socket; four bytes arrive, each when all three threads wait again.

    The entries stay in the source's queue where they were put, and the kernel begins at its head
    each time. Whoever registered first works, and the others help only when it is busy.
    """
    near, far = lab.unix_pair("shared", "peer")
    sets = [lab.epoll(name) for name in ("first", "second", "third")]
    names = ("first", "second", "third")
    for name, epoll in zip(names, sets, strict=True):
        epoll.register(near, IN | EXCLUSIVE, data=name)
    waits = [lab.thread(partial(_take, epoll)) for epoll in sets]
    got: list[str] = []
    for _ in range(4):
        far.send(b"x")
        done, _ = wait(waits, MUST_ARRIVE, FIRST_COMPLETED)
        near.recv(1)
        for each in done:
            got += each.result()
            at = waits.index(each)
            waits[at] = lab.thread(partial(_take, sets[at]))
    lab.contradicts("four arrivals, woken were", got, ["first"] * 4)
    got = []
    for _ in names:
        waiting = [each for each in waits if not each.done()]
        far.send(b"x")
        done, _ = wait(waiting, MUST_ARRIVE, FIRST_COMPLETED)
        got += [name for each in done for name in each.result()]
    lab.shows("three more, none waits again", got, list(names))


@claim(
    "EPOLLEXCLUSIVE goes with EPOLL_CTL_ADD only, not with MOD",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="05",
)
def exclusive_cannot_be_modified(lab: Lab) -> None:
    """MOD tries to add the flag, to take it away, and to change the mask beside it."""
    plain, shared = lab.unix_pair("plain", "shared")
    epoll = lab.epoll()
    epoll.register(plain, IN)
    epoll.register(shared, OUT | EXCLUSIVE)
    add = lab.error(epoll.modify, plain, IN | EXCLUSIVE)
    lab.supports("MOD that adds it", add, "EINVAL")
    lab.supports("MOD that takes it away", lab.error(epoll.modify, shared, OUT), "EINVAL")
    change = lab.error(epoll.modify, shared, IN | OUT | EXCLUSIVE)
    lab.supports("MOD that keeps it", change, "EINVAL")
    lab.shows("the entry is as it was", lab.ready(epoll), OUT)
    epoll.unregister(shared)
    lab.shows("DEL, then ADD", lab.error(epoll.register, shared, IN | EXCLUSIVE), "none")


@claim(
    "EPOLLEXCLUSIVE does not go with ONESHOT",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="05",
)
def exclusive_does_not_go_with_oneshot(lab: Lab) -> None:
    """Each other flag is registered beside it: ONESHOT, RDHUP and PRI are refused, ET is not."""
    near, _ = lab.unix_pair()
    epoll = lab.epoll()

    def beside(flag: EventFlags) -> str:
        error = lab.error(epoll.register, near, IN | EXCLUSIVE | flag)
        if error == "none":
            epoll.unregister(near)
        return error

    lab.supports("with ONESHOT", beside(ONESHOT), "EINVAL")
    lab.shows("with RDHUP", beside(RDHUP), "EINVAL")
    lab.shows("with PRI", beside(PRI), "EINVAL")
    lab.shows("with OUT", beside(OUT), "none")
    lab.shows("with ET", beside(ET), "none")


@claim(
    "A set in a set cannot be watched exclusively",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="05",
)
def exclusive_does_not_go_with_nesting(lab: Lab) -> None:
    """An inner set is registered in an outer one, with the flag and without."""
    inner, outer = lab.epoll("inner"), lab.epoll("outer")
    exclusive = lab.error(outer.register, inner, IN | EXCLUSIVE)
    lab.supports("with the flag", exclusive, "EINVAL")
    lab.shows("without", lab.error(outer.register, inner, IN), "none")
