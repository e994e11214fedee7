"""Edge-triggered epoll."""

from epollkit import EPOLLET, EPOLLIN, EventFlags
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

IN = EventFlags.IN


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
    epoll = lab.epoll("ET", near, mask=EPOLLIN | EPOLLET)
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
    truth="each arrival is an edge, even though the level never fell; arrivals before one wait are "
    "one event",
    man="epoll(7)",
    notebook="04",
)
def edge_is_silent_while_unread(lab: Lab) -> None:
    """Bytes arrive while older ones are unread: once, then twice before one wait."""
    near, far = lab.tcp_pair()
    epoll = lab.epoll("ET", near, mask=EPOLLIN | EPOLLET)
    far.send(b"old")
    lab.arrived(near, 3)
    lab.shows("three bytes arrived", lab.ready(epoll), IN)
    far.send(b"new")
    lab.arrived(near, 6)
    lab.contradicts("three more arrived, none was read", lab.ready(epoll), IN)
    far.send(b"1")
    lab.arrived(near, 7)
    far.send(b"2")
    lab.arrived(near, 8)
    lab.shows("two sends before one wait: events", len(epoll.wait(0)), 1)
    lab.shows("and after them", lab.ready(epoll), [])
