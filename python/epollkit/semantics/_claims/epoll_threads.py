"""Several threads that wait on one epoll set."""

import select
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial

from epollkit import Epoll, EventFlags
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ET, ONESHOT = EventFlags.IN, EventFlags.OUT, EventFlags.ET, EventFlags.ONESHOT


def _take(epoll: Epoll) -> list[str]:
    """What one wait brings."""
    return [event.data for event in epoll.wait(MUST_ARRIVE)]


def _first(waits: list[Future[list[str]]]) -> int:
    """Wait until one of them is over; how many are."""
    wait(waits, MUST_ARRIVE, FIRST_COMPLETED)
    return sum(each.done() for each in waits)


def _takers(lab: Lab, mask: int, *, recorded: bool = True) -> list[list[str]]:
    """What two threads in one set get: after one arrival that nobody reads, and then a bell.

    The bell is rung when one thread has the arrival. Whoever brings the bell did not have it.
    """
    near, far = lab.unix_pair("source" * recorded, "peer" * recorded)
    bell, ring = lab.unix_pair("bell" * recorded, "ring" * recorded)
    epoll = lab.epoll("epoll" * recorded)
    epoll.register(near, mask, data="arrival")
    epoll.register(bell, IN | ET, data="bell")
    waits = [lab.thread(partial(_take, epoll)) for _ in range(2)]
    far.send(b"x")
    _first(waits)
    if mask & (ET | ONESHOT):
        ring.send(b"x")
    return sorted(each.result(MUST_ARRIVE) for each in waits)


@claim(
    "ONESHOT gives one thread per event",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2), epoll(7)",
    notebook="05",
)
def oneshot_gives_an_event_to_one_thread(lab: Lab) -> None:
    """Two threads wait on one set; something arrives twice, and nobody reads it.

    Level-triggered, both threads get the socket, and would read from it at once. One-shot, the
    first thread has it alone until it arms it again; the second gets the bell that is rung last.
    """
    got = _takers(lab, IN, recorded=False)
    lab.shows("LT, one arrival: two threads get", got, [["arrival"], ["arrival"]])
    near, far = lab.unix_pair("source", "peer")
    bell, ring = lab.unix_pair("bell", "ring")
    epoll = lab.epoll("ONESHOT")
    epoll.register(near, IN | ONESHOT, data="arrival")
    epoll.register(bell, IN | ET, data="bell")
    waits = [lab.thread(partial(_take, epoll)) for _ in range(2)]
    far.send(b"x")
    _first(waits)
    far.send(b"x")
    ring.send(b"x")
    got = sorted(each.result(MUST_ARRIVE) for each in waits)
    lab.supports("ONESHOT, two arrivals: two threads get", got, [["arrival"], ["bell"]])
    epoll.rearm(near)
    lab.supports("the next wait, after MOD", _take(epoll), ["arrival"])


@claim(
    "ET alone keeps two threads off one socket",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="each arrival wakes a thread: what comes while the first still works goes to a second",
    man="epoll(7)",
    notebook="05",
)
def edge_keeps_two_threads_off_one_socket(lab: Lab) -> None:
    """Two threads wait on one set; a second byte arrives before the first thread has read."""
    near, far = lab.unix_pair("source", "peer")
    epoll = lab.epoll("ET")
    epoll.register(near, IN | ET, data="arrival")
    waits = [lab.thread(partial(_take, epoll)) for _ in range(2)]
    far.send(b"1")
    _first(waits)
    far.send(b"2")
    got = [each.result(MUST_ARRIVE) for each in waits]
    lab.contradicts("threads that have the socket at the same time", got.count(["arrival"]), 2)
    lab.shows("bytes that nobody has read yet", near.inq(), 2)


@claim(
    "With ET, one arrival wakes one of several threads that wait on the set",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7)",
    notebook="05",
)
def edge_wakes_one_of_several_threads(lab: Lab) -> None:
    """Two threads, one arrival that nobody reads; then a bell for the one that was not woken."""
    lab.supports("ET: two threads get", _takers(lab, IN | ET), [["arrival"], ["bell"]])


@claim(
    "With LT, one arrival wakes every thread that waits on the set",
    topic="epoll",
    verdict=Verdict.CONDITION,
    truth="as long as nobody reads: each thread that leaves puts the entry back and wakes the next "
    "one, which goes on waiting if all has been read by then",
    man="epoll(7)",
    notebook="05",
)
def level_wakes_every_thread(lab: Lab) -> None:
    """Two threads and one arrival that nobody reads; then one that is gone before they look.

    Waiters of one set queue up exclusively: the arrival itself wakes one. It is the level-triggered
    entry, put back on the ready list, that wakes the next.
    """
    got = _takers(lab, IN)
    lab.supports("nobody reads: two threads get", got, [["arrival"], ["arrival"]])
    near, far = lab.unix_pair("", "")
    bell, ring = lab.unix_pair("", "")
    epoll = lab.epoll("")
    epoll.register(near, IN, data="arrival")
    epoll.register(bell, IN | ET, data="bell")

    def take_and_read() -> list[str]:
        while near.try_recv(1) is None:
            brought = _take(epoll)
            if brought != ["arrival"]:
                return brought
        return ["arrival"]

    waits = [lab.thread(take_and_read) for _ in range(2)]
    far.send(b"x")
    lab.wait_until("a thread that has read it", lambda: _first(waits))
    ring.send(b"x")
    got = sorted(each.result(MUST_ARRIVE) for each in waits)
    lab.contradicts("the first reads: two threads bring", got, [["arrival"], ["bell"]])


@claim(
    "A wait that has begun does not see what is registered afterwards",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="ADD and MOD by another thread end the wait if the source is ready, unlike with select "
    "and poll, which were given their list when they were called",
    man="epoll_wait(2)",
    notebook="05",
)
def a_wait_overlooks_later_registrations(lab: Lab) -> None:
    """A thread waits on an empty set; a ready socket is added. Then the same with MOD."""
    near, _ = lab.unix_pair()
    epoll = lab.epoll()
    waiting = lab.thread(partial(_take, epoll))
    epoll.register(near, OUT, data="added")
    lab.contradicts("ADD of a ready socket ends the wait", waiting.result(MUST_ARRIVE), ["added"])
    epoll.modify(near, IN)
    waiting = lab.thread(partial(_take, epoll))
    epoll.modify(near, OUT, data="modified")
    lab.contradicts("MOD to what is ready", waiting.result(MUST_ARRIVE), ["modified"])


@claim(
    "Closing an epoll set wakes the threads that wait on it",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="close(2) takes the number away and nothing else: the wait goes on until something "
    "happens. epollkit's close wakes them, with a descriptor of its own in the set",
    man="epoll_wait(2), close(2)",
    notebook="05",
)
def closing_a_set_wakes_its_waiters(lab: Lab) -> None:
    """A thread waits on a set of the standard library, and one on a set of epollkit. Both close.

    A system call holds the open file that it works on. That the first wait went on is shown by the
    arrival that ends it.
    """
    near, far = lab.unix_pair()
    plain = lab.keep(select.epoll(), "standard library's")
    plain.register(near.fileno(), IN)
    waiting = lab.thread(lambda: [EventFlags(mask) for _, mask in plain.poll(MUST_ARRIVE)])
    plain.close()
    far.send(b"x")
    got = waiting.result(MUST_ARRIVE)
    lab.contradicts("close(2), then an arrival: the wait brings", got, [IN])
    near.recv(1)
    ours = lab.epoll("epollkit's", near)
    told = lab.thread(partial(_take, ours))
    ours.close()
    ended = type(told.exception(MUST_ARRIVE)).__name__
    lab.shows("epollkit's close: the wait raises", ended, "ClosedEpollError")
