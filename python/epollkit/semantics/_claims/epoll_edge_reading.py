"""How much must be read, and accepted, after an event of edge-triggered epoll."""

from socket import SHUT_WR

from epollkit import EventFlags
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

IN, RDHUP, ET = EventFlags.IN, EventFlags.RDHUP, EventFlags.ET


@claim(
    "With ET you must read until EAGAIN",
    topic="epoll",
    verdict=Verdict.CONDITION,
    truth="on a stream a read that is shorter than the buffer says as much: the queue was empty. "
    "Then either RDHUP is watched, or the end of the stream is looked for later",
    man="epoll(7)",
    notebook="04",
)
def edge_must_read_until_eagain(lab: Lab) -> None:
    """A reader stops after a full buffer; another after a short read. Does the next event come?

    On a stream, a short read means that the queue was empty at that moment, and what arrives later
    is an edge. A reader that stops at a full buffer knows nothing; unless something arrives, what
    is left is never reported.
    """
    near, far = lab.tcp_pair()
    epoll = lab.epoll("ET", near, mask=IN | ET)
    far.send(b"hello")
    lab.arrived(near, 5)
    lab.shows("five bytes arrived", lab.ready(epoll), IN)
    near.recv(4)
    lab.supports("a buffer of 4 was filled, one byte is left", lab.ready(epoll), [])
    near.recv(100)
    far.send(b"again")
    lab.arrived(near, 5)
    lab.contradicts("a short read, then an arrival", lab.ready(epoll), IN)
    lab.shows("and what is there to read", near.recv(100), b"again")


@claim(
    "A read that is shorter than the buffer means that the queue is empty",
    topic="epoll",
    verdict=Verdict.CONDITION,
    truth="on streams; a datagram is as short as it is, and the next one waits behind it",
    man="epoll(7), udp(7)",
    notebook="04",
)
def edge_short_read_means_empty(lab: Lab) -> None:
    """Two bytes in two sends, before the one event; one read with a buffer of 100."""
    for kind, (near, far) in {
        "TCP": lab.tcp_pair("TCP", "TCP peer"),
        "UDP": lab.udp_pair("UDP", "UDP peer"),
    }.items():
        epoll = lab.epoll(f"{kind} ET", near, mask=IN | ET)
        lab.deliver(far, near, b"1")
        lab.deliver(far, near, b"2")
        lab.shows(f"{kind}: two sends", lab.ready(epoll), IN)
        near.recv(100)
        lab.shows(f"{kind}: after a read of 100", lab.ready(epoll), [])
        if kind == "TCP":
            lab.supports("TCP: the next read", lab.outcome(near.recv, 100), _is_would_block)
        else:
            lab.contradicts("UDP: the next read", lab.outcome(near.recv, 100), b"2")


def _is_would_block(seen: object) -> bool:
    return isinstance(seen, BlockingIOError)


@claim(
    "With ET the end of the stream is an event of its own",
    topic="epoll",
    verdict=Verdict.CONDITION,
    truth="if it arrives after the wait that reported the data; else they are one event, and who "
    "stops at the short read waits for ever",
    man="epoll(7), shutdown(2)",
    notebook="04",
)
def edge_reports_the_end_of_stream_apart(lab: Lab) -> None:
    """The peer says bye and shuts down: after the event of the bye, and before it.

    In the second case the one event says IN. The read is short, nothing will ever arrive, and no
    event will come: this is the hang.
    """
    for order in ("after", "before"):
        near, far = lab.tcp_pair(f"{order}: near", f"{order}: far")
        epoll = lab.epoll(f"{order}: ET", near, mask=IN | ET)
        far.send(b"bye")
        lab.arrived(near, 3)
        if order == "after":
            lab.shows("bye", lab.ready(epoll), IN)
            near.recv(100)
            far.shutdown(SHUT_WR)
            lab.reports(near, RDHUP)
            lab.supports("the end after the event", lab.ready(epoll), IN)
        else:
            far.shutdown(SHUT_WR)
            lab.reports(near, RDHUP)
            lab.shows("bye and the end", lab.ready(epoll), IN)
            near.recv(100)
            lab.contradicts("the end before the event, after the read", lab.ready(epoll), [])
            lab.shows("what a second read would have said", near.recv(100), b"")


@claim(
    "With RDHUP in the mask, one event tells of the last data and of the end of the stream",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="04",
)
def edge_rdhup_tells_of_the_end_with_the_data(lab: Lab) -> None:
    """The peer says bye and shuts down before the wait, as in the hang; now RDHUP is watched."""
    near, far = lab.tcp_pair()
    epoll = lab.epoll("ET", near, mask=IN | RDHUP | ET)
    far.send(b"bye")
    lab.arrived(near, 3)
    far.shutdown(SHUT_WR)
    lab.reports(near, RDHUP)
    lab.supports("bye and the end", lab.ready(epoll), IN | RDHUP)
    lab.shows("a read", near.recv(100), b"bye")
    lab.shows("events after it", lab.ready(epoll), [])
    lab.shows("a second read, since RDHUP said so", near.recv(100), b"")


@claim(
    "An ET listener must accept until EAGAIN",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7), accept(2)",
    notebook="04",
)
def edge_listener_must_accept_until_eagain(lab: Lab) -> None:
    """Two clients connect, one is accepted; then a third connects.

    One event for two arrivals, and a queue that is still not empty is not an arrival. The second
    client waits until a third happens to come.
    """
    listener = lab.listener()
    epoll = lab.epoll("ET", listener, mask=IN | ET)
    for name in ("first", "second"):
        lab.socket(name, timeout=MUST_ARRIVE).connect(listener.getsockname())
    lab.queued(listener, 2)
    lab.shows("two clients wait", lab.ready(epoll), IN)
    lab.keep(listener.accept()[0])
    lab.supports("one was accepted, the second waits", lab.ready(epoll), [])
    lab.socket("third", timeout=MUST_ARRIVE).connect(listener.getsockname())
    lab.queued(listener, 2)
    lab.supports("a third connects", lab.ready(epoll), IN)
    accepted = listener.accept_many()
    for connection, _ in accepted:
        lab.keep(connection)
    lab.supports("clients that were waiting", len(accepted), 2)
    lab.shows("and then", lab.error(listener.accept), "EAGAIN")
