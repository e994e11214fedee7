"""Level-triggered epoll, the default: an event for as long as the condition holds."""

import time

from epollkit import EventFlags
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ET = EventFlags.IN, EventFlags.OUT, EventFlags.ET


@claim(
    "LT reports while the level is high",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7)",
    notebook="04",
)
def level_reports_while_it_is_high(lab: Lab) -> None:
    """Five bytes arrive, two are read, then three, and the set is asked after each step.

    The kernel puts a level-triggered entry that it has reported back at the end of the ready list,
    and asks the socket again at the next wait. It leaves the list when the socket says no.
    """
    near, far = lab.tcp_pair()
    epoll = lab.epoll("LT", near)
    lab.supports("nothing arrived", lab.ready(epoll), [])
    far.send(b"hello")
    lab.arrived(near, 5)
    lab.supports("five bytes arrived", lab.ready(epoll), IN)
    lab.supports("nothing was read", lab.ready(epoll), IN)
    near.recv(2)
    lab.supports("two bytes were read", lab.ready(epoll), IN)
    near.recv(3)
    lab.supports("all were read", lab.ready(epoll), [])


@claim(
    "What is ready when it is registered has to happen again to be reported",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="EPOLL_CTL_ADD looks at the source at once, with EPOLLET too",
    man="epoll(7)",
    notebook="04",
)
def registering_overlooks_what_is_ready(lab: Lab) -> None:
    """Data arrives first, and only then the socket is registered, for level and for edge."""
    near, far = lab.tcp_pair()
    far.send(b"early")
    lab.arrived(near, 5)
    for name, mask in (("LT", IN), ("ET", IN | ET)):
        epoll = lab.epoll(name, near, mask=mask)
        lab.contradicts(f"{name}, registered after the arrival", lab.ready(epoll), IN)


@claim(
    "A whole epoll set is either level- or edge-triggered",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="it is a property of each entry, and EPOLL_CTL_MOD can change it",
    man="epoll_ctl(2)",
    notebook="04",
)
def a_set_is_either_level_or_edge(lab: Lab) -> None:
    """One set watches one socket by level and another by edge. Neither is read; then they swap."""
    level, to_level = lab.unix_pair("first", "to first")
    edge, to_edge = lab.unix_pair("second", "to second")
    epoll = lab.epoll()
    epoll.register(level, IN, data="first")
    epoll.register(edge, IN | ET, data="second")
    to_level.send(b"x")
    to_edge.send(b"x")
    lab.shows("first wait", sorted(event.data for event in epoll.wait(0)), ["first", "second"])
    lab.contradicts("second wait", [event.data for event in epoll.wait(0)], ["first"])
    epoll.modify(level, IN | ET)
    epoll.modify(edge, IN)
    epoll.wait(0)
    lab.contradicts("after they swapped", [event.data for event in epoll.wait(0)], ["second"])


@claim(
    "With LT a listener may be accepted from once for each event",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7), accept(2)",
    notebook="04",
)
def level_listener_needs_one_accept_for_each_event(lab: Lab) -> None:
    """Two clients connect before the first wait; the server accepts one after each event."""
    listener = lab.listener()
    epoll = lab.epoll("LT", listener)
    for name in ("first", "second"):
        lab.socket(name, timeout=MUST_ARRIVE).connect(listener.getsockname())
    lab.queued(listener, 2)
    lab.supports("two clients wait", lab.ready(epoll), IN)
    lab.keep(listener.accept()[0])
    lab.supports("one was accepted", lab.ready(epoll), IN)
    lab.keep(listener.accept()[0])
    lab.supports("both were accepted", lab.ready(epoll), [])


@claim(
    "LT with OUT always armed burns the processor",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7)",
    notebook="04",
)
def level_out_always_armed_spins(lab: Lab) -> None:
    """An idle connection is watched for OUT, and a loop waits on it with a time-out of a minute.

    A send buffer has room nearly always, so the level is high nearly always, and no wait waits.
    """
    near, _ = lab.tcp_pair()
    epoll = lab.epoll("LT", near, mask=IN | OUT)
    lab.supports("nothing to write, nothing to read", lab.ready(epoll), OUT)
    lab.supports("the same once more", lab.ready(epoll), OUT)
    began, turns = time.perf_counter(), 1_000
    with lab.pause():
        events = sum(len(epoll.wait(60)) for _ in range(turns))
    lab.note("1,000 waits")
    rate = round(turns / (time.perf_counter() - began))
    lab.supports("events of 1,000 waits with a time-out of 60 s", events, turns)
    lab.supports("wake-ups per second", rate, lambda rate: rate > turns / 10)
    epoll.modify(near, IN)
    lab.shows("OUT disarmed", lab.ready(epoll), [])


@claim(
    "After EPOLLIN a read finds something to read",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="an event is of the past: somebody else may have read since. So watched sockets should "
    "be non-blocking",
    man="epoll(7), select(2)",
    notebook="03",
)
def an_event_is_a_promise(lab: Lab) -> None:
    """Two sets, as of two workers, report the same arrival. Both workers then read."""
    near, far = lab.tcp_pair()
    first, second = lab.epoll("first worker", near), lab.epoll("second worker", near)
    far.send(b"x")
    lab.arrived(near, 1)
    lab.shows("the first worker is told", lab.ready(first), IN)
    lab.shows("the second worker is told", lab.ready(second), IN)
    lab.shows("the first worker reads", near.recv(100), b"x")
    lab.contradicts("the second worker reads", lab.error(near.recv, 100), "EAGAIN")
