"""Edge-triggered epoll: what counts as an edge."""

import os
from socket import SOCK_DGRAM
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
    of what is there. Pipes were different from Linux 5.5 until 2021: only the first arrival was news.
    """
    for kind, (number, put, take) in _sources(lab).items():
        with lab.pause():
            epoll = lab.epoll(kind)
            epoll.register(number, IN | ET)
            counts = []
            for step in (None, put, None, put, None, take):
                if step:
                    step()
                counts.append(len(epoll.wait(0)))
        lab.supports(kind, counts, [0, 1, 0, 1, 0, 0])


def _sources(
    lab: Lab,
) -> "dict[str, tuple[int, Callable[[], object], Callable[[], object]]]":
    """Of each kind: its number, an arrival, and one read that leaves something unread."""

    def socket(
        ends: tuple[Socket, Socket],
    ) -> "tuple[int, Callable[[], object], Callable[[], object]]":
        near, far = ends

        def put() -> None:
            before = near.inq()
            far.send(b"xx")
            lab.wait_until("an arrival", lambda: near.inq() != before or near.type == SOCK_DGRAM)

        return near.fileno(), put, lambda: near.recv(1)

    reader, writer = os.pipe()
    counter = os.eventfd(0, os.EFD_SEMAPHORE)
    for number in (reader, writer, counter):
        lab.keep(os.fdopen(number, "rb" if number != writer else "wb", buffering=0))
    return {
        "TCP": socket(lab.tcp_pair()),
        "UDP": socket(lab.udp_pair()),
        "Unix": socket(lab.unix_pair()),
        "pipe": (reader, lambda: os.write(writer, b"xx"), lambda: os.read(reader, 1)),
        "eventfd": (
            counter,
            lambda: os.eventfd_write(counter, 2),
            lambda: os.eventfd_read(counter),
        ),
    }


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
