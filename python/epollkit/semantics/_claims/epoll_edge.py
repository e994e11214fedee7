"""Edge-triggered epoll: what counts as an edge."""

import os
from dataclasses import dataclass
from functools import partial
from io import FileIO
from typing import TYPE_CHECKING

from epollkit import EventFlags, Socket
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

if TYPE_CHECKING:
    from collections.abc import Callable

IN, OUT, ET = EventFlags.IN, EventFlags.OUT, EventFlags.ET


@claim(
    "ET reports only on a change; unread data is not reported again",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7)",
    notebook="04",
)
def edge_reports_only_changes(lab: Lab) -> None:
    """Five bytes arrive, two are read, and the set is asked after each step.

    The kernel puts the entry on the ready list when something happens to the socket, and takes it
    off when it reports it. That three bytes are left is not something that happens.
    """
    near, far = lab.tcp_pair()
    epoll = lab.epoll("ET", near, mask=IN | ET)
    far.send(b"hello")
    lab.arrived(near, 5)
    lab.supports("five bytes arrived", lab.ready(epoll), IN)
    lab.supports("nothing was read", lab.ready(epoll), [])
    near.recv(2)
    lab.supports("two bytes were read", lab.ready(epoll), [])
    lab.shows("bytes still unread", near.inq(), 3)


@claim(
    "With ET, data that arrives while older data is unread is not reported until all is read",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="each arrival is an edge, even though the level never fell",
    man="epoll(7)",
    notebook="04",
)
def edge_is_silent_while_unread(lab: Lab) -> None:
    """Bytes arrive three times, and none is ever read."""
    near, far = lab.tcp_pair()
    epoll = lab.epoll("ET", near, mask=IN | ET)
    far.send(b"old")
    lab.arrived(near, 3)
    lab.shows("three bytes arrived", lab.ready(epoll), IN)
    far.send(b"new")
    lab.arrived(near, 6)
    lab.contradicts("three more arrived, none was read", lab.ready(epoll), IN)
    far.send(b"newer")
    lab.arrived(near, 11)
    lab.contradicts("five more arrived, none was read", lab.ready(epoll), IN)
    lab.shows("nothing more arrived", lab.ready(epoll), [])


@claim(
    "With ET there is an event for each arrival",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="arrivals before one wait are one event, and what was read before the wait is none",
    man="epoll(7)",
    notebook="04",
)
def edge_gives_an_event_for_each_arrival(lab: Lab) -> None:
    """Two sends before one wait; then a send that is read before the wait.

    An entry is on the ready list or not; it does not count. And a wait asks the socket of each
    entry on the list what is true now, and leaves out those that have nothing to report.
    """
    near, far = lab.tcp_pair()
    epoll = lab.epoll("ET", near, mask=IN | ET)
    far.send(b"1")
    lab.arrived(near, 1)
    far.send(b"2")
    lab.arrived(near, 2)
    lab.contradicts("two sends before one wait: events", len(epoll.wait(0)), 1)
    lab.contradicts("and after it", lab.ready(epoll), [])
    far.send(b"3")
    lab.arrived(near, 3)
    near.recv(3)
    lab.contradicts("a send, read before the wait", lab.ready(epoll), [])


@claim(
    "ET behaves alike for TCP, UDP, Unix sockets, pipes and eventfds",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7), pipe(7)",
    notebook="04",
)
def edge_is_alike_for_sockets_and_pipes(lab: Lab) -> None:
    """The same steps with each; the number of events after each step.

    The steps: nothing, an arrival, nothing, an arrival while the last is unread, nothing, one read
    of what is there. In pipes, from Linux 5.5 until 2021, only the first arrival was news.
    """
    sources = _sources(lab)
    epoll = lab.epoll("ET")
    for kind, each in sources.items():
        epoll.register(each.end, IN | ET, data=kind)
    told = list[set[str]]()
    puts = [each.put for each in sources.values()]
    takes = [each.take for each in sources.values()]
    for steps in ([], puts, [], puts, [], takes):
        with lab.pause():
            for step in steps:
                step()
        if steps:
            lab.note("arrivals" if steps is puts else "one read each")
        told.append({event.data for event in epoll.wait(0)})
    for kind in sources:
        lab.supports(kind, [int(kind in kinds) for kinds in told], [0, 1, 0, 1, 0, 0])


@dataclass(frozen=True)
class _Source:
    """Something to read from, and how."""

    end: Socket | FileIO
    put: "Callable[[], object]"
    """A byte, a datagram or a count arrives."""
    take: "Callable[[], object]"
    """One is taken."""


def _sources(lab: Lab) -> dict[str, _Source]:
    reader, writer = lab.pipe("pipe", "")
    counter = os.eventfd(0, os.EFD_SEMAPHORE)
    return {
        "TCP": _socket(lab, *lab.tcp_pair("TCP", "")),
        "UDP": _socket(lab, *lab.udp_pair("UDP", "")),
        "Unix": _socket(lab, *lab.unix_pair("Unix", "")),
        "pipe": _Source(reader, partial(writer.write, b"x"), partial(reader.read, 1)),
        "eventfd": _Source(
            lab.keep(FileIO(counter, "rb"), "eventfd"),
            partial(os.eventfd_write, counter, 1),
            partial(os.eventfd_read, counter),
        ),
    }


def _socket(lab: Lab, near: Socket, far: Socket) -> _Source:
    return _Source(near, partial(lab.deliver, far, near, b"x"), partial(near.recv, 1))


@claim(
    "EPOLL_CTL_MOD re-arms an edge",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2), epoll(7)",
    notebook="04",
)
def modifying_fires_the_edge_again(lab: Lab) -> None:
    """The mask is set to what it was: while data is unread, then when all is read.

    MOD looks at the source at once, as ADD does. That is the way back for whoever stopped reading
    too early.
    """
    near, far = lab.tcp_pair()
    epoll = lab.epoll("ET", near, mask=IN | ET)
    far.send(b"hello")
    lab.arrived(near, 5)
    lab.shows("five bytes arrived", lab.ready(epoll), IN)
    lab.shows("nothing was read", lab.ready(epoll), [])
    epoll.modify(near, IN | ET)
    lab.supports("MOD with unread data", lab.ready(epoll), IN)
    lab.supports("and once only", lab.ready(epoll), [])
    near.recv(5)
    epoll.modify(near, IN | ET)
    lab.supports("MOD with nothing to read", lab.ready(epoll), [])
