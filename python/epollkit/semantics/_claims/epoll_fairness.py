"""Which of many ready sources a wait reports, and in which order."""

from collections import Counter

from epollkit import Epoll, EventFlags, Socket
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ET = EventFlags.IN, EventFlags.OUT, EventFlags.ET


def _four(lab: Lab, name: str, mask: int) -> Epoll:
    """A set of four sources that are all writable: 1, 2, 3 and 4."""
    epoll = lab.epoll(name)
    pairs = [lab.unix_pair("1", "2"), lab.unix_pair("3", "4")]
    for number, end in enumerate([end for pair in pairs for end in pair], 1):
        epoll.register(end, mask, data=number)
    return epoll


def _turns(epoll: Epoll, maxevents: int, waits: int) -> list[list[int]]:
    return [[event.data for event in epoll.wait(0, maxevents)] for _ in range(waits)]


@claim(
    "A maxevents below the number of ready sources starves the rest",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="the ready list rotates: what was reported goes to its end, and the next wait goes on "
    "with the others",
    man="epoll_wait(2)",
    notebook="03",
)
def a_small_maxevents_starves_the_rest(lab: Lab) -> None:
    """Four sockets are always writable; waits take one at a time, then three at a time.

    So a small maxevents costs more system calls, and nothing else.
    """
    epoll = _four(lab, "LT", OUT)
    turns = _turns(epoll, 1, 4)
    lab.contradicts("one at a time, four waits", sorted(turns), [[1], [2], [3], [4]])
    lab.contradicts("the same order again", _turns(epoll, 1, 4) == turns, True)
    counts = Counter(number for turn in _turns(epoll, 3, 4) for number in turn)
    lab.contradicts("three at a time, four waits, each", sorted(counts.values()), [3, 3, 3, 3])


@claim(
    "With ET, ready sources beyond maxevents are lost",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="what was not reported stays on the ready list for the next wait",
    man="epoll_wait(2)",
    notebook="04",
)
def edges_beyond_maxevents_are_lost(lab: Lab) -> None:
    """Four edge-triggered sockets are writable; five waits take one event each."""
    turns = _turns(_four(lab, "ET", OUT | ET), 1, 5)
    lab.contradicts("the first four waits", sorted(turns[:4]), [[1], [2], [3], [4]])
    lab.shows("the fifth", turns[4], [])


@claim(
    "Events come in the order of registration, or of descriptor numbers",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="in the order in which they became ready; the kernel promises none",
    man="epoll_wait(2)",
    notebook="03",
)
def events_come_in_the_order_of_registration(lab: Lab) -> None:
    """First, second and third are registered in this order; bytes arrive at third, first, second.

    The ready list is a queue, and nothing sorts it. select and poll go through their sets in order.
    """
    epoll = lab.epoll()
    peers = dict[str, Socket]()
    for name in ("first", "second", "third"):
        near, peers[name] = lab.unix_pair(name, f"{name} peer")
        epoll.register(near, IN, data=name)
    order = ["third", "first", "second"]
    for name in order:
        peers[name].send(b"x")
    lab.contradicts("events", [event.data for event in epoll.wait(0)], order)


@claim(
    "A source that is always ready keeps others from being reported",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="newly ready sources stand in line with it, and take turns",
    man="epoll_wait(2)",
    notebook="03",
)
def a_busy_source_starves_the_rest(lab: Lab) -> None:
    """One socket is always ready. Another gets one byte; waits take one event each."""
    busy, _ = lab.unix_pair("busy", "busy peer")
    quiet, peer = lab.unix_pair("quiet", "quiet peer")
    epoll = lab.epoll()
    epoll.register(busy, OUT, data="busy")
    epoll.register(quiet, IN, data="quiet")
    turns = [event.data for _ in range(2) for event in epoll.wait(0, 1)]
    lab.shows("nothing arrived, two waits", turns, ["busy", "busy"])
    peer.send(b"x")
    turns = [event.data for _ in range(4) for event in epoll.wait(0, 1)]
    lab.contradicts("a byte arrived, four waits", turns, ["busy", "quiet", "busy", "quiet"])
