"""Edge-triggered epoll and EPOLLOUT: when a socket that can be written to says so."""

from functools import partial
from socket import SO_SNDBUF, SOL_SOCKET

from epollkit import EventFlags, Socket
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ET = EventFlags.IN, EventFlags.OUT, EventFlags.ET


@claim(
    "ET OUT fires once and never again unless registered again",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="it fires again when a full buffer gets room, one edge for each fill; not while there is "
    "room all the time",
    man="epoll(7), tcp(7)",
    notebook="04",
)
def edge_out_fires_only_once(lab: Lab) -> None:
    """A send buffer is filled and the peer reads all of it, twice.

    TCP wakes its writers only if one of them has found the buffer full before (SOCK_NOSPACE), and
    only when a third of it is free again.
    """
    near, far = lab.tcp_pair("sender", "reader")
    near.setsockopt(SOL_SOCKET, SO_SNDBUF, 16384)
    epoll = lab.epoll("ET", near, mask=OUT | ET)
    lab.shows("a new connection", lab.ready(epoll), OUT)
    lab.shows("nothing was sent", lab.ready(epoll), [])
    for time in ("first", "second"):
        filled = lab.fill(near, far)
        lab.note("sender fills the buffer")
        lab.shows(f"{time} time full", lab.ready(epoll), [])
        lab.empty(far, filled)
        lab.reports(near, OUT)
        lab.note("reader reads all")
        lab.contradicts(f"the {time} time that it got room", lab.ready(epoll), OUT)
    lab.shows("room as before", lab.ready(epoll), [])


@claim(
    "With ET each read of the peer is a write edge",
    topic="epoll",
    verdict=Verdict.CONDITION,
    truth="on Unix sockets; TCP sockets and pipes report room only after they had been full",
    man="unix(7), tcp(7), pipe(7)",
    notebook="04",
)
def edge_out_fires_when_the_peer_reads(lab: Lab) -> None:
    """One byte is sent and read, over a TCP connection, a Unix socket pair and a pipe."""
    for kind, (near, far) in {
        "TCP": lab.tcp_pair("TCP", "TCP peer"),
        "Unix": lab.unix_pair("Unix", "Unix peer"),
    }.items():
        epoll = lab.epoll(f"{kind} ET", near, mask=OUT | ET)
        lab.shows(f"{kind}: a new connection", lab.ready(epoll), OUT)
        near.send(b"x")
        lab.arrived(far, 1)
        lab.shows(f"{kind}: a byte was sent", lab.ready(epoll), [])
        far.recv(1)
        if kind == "Unix":
            lab.supports("Unix: the peer has read it", lab.ready(epoll), OUT)
        else:
            lab.wait_until("the acknowledgement", partial(_all_acknowledged, near))
            lab.contradicts("TCP: the peer has read it", lab.ready(epoll), [])
    reader, writer = lab.pipe()
    pipe = lab.epoll("pipe ET")
    pipe.register(writer, OUT | ET)
    lab.shows("pipe: new", lab.ready(pipe), OUT)
    writer.write(b"x")
    reader.read(1)
    lab.contradicts("pipe: a byte was written and read", lab.ready(pipe), [])


def _all_acknowledged(source: Socket) -> bool:
    return source.outq() == 0


@claim(
    "With IN|OUT and ET an arrival is a write edge, too",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="an event has all that is ready, not what changed: only IN changed",
    man="epoll(7)",
    notebook="04",
)
def edge_arrival_is_a_write_edge(lab: Lab) -> None:
    """Data arrives for sets that ask for both directions, for IN and for OUT.

    The arrival wakes the entries that ask for IN. Then the socket is asked for all that is true and
    in the mask, and OUT is true all the time. The set that asks for OUT alone hears nothing.
    """
    near, far = lab.tcp_pair()
    both = lab.epoll("IN|OUT|ET", near, mask=IN | OUT | ET)
    only_in = lab.epoll("IN|ET", near, mask=IN | ET)
    only_out = lab.epoll("OUT|ET", near, mask=OUT | ET)
    lab.shows("a new connection, IN|OUT", lab.ready(both), OUT)
    lab.shows("a new connection, OUT", lab.ready(only_out), OUT)
    far.send(b"x")
    lab.arrived(near, 1)
    lab.shows("an arrival, IN|OUT", lab.ready(both), IN | OUT)
    lab.shows("an arrival, IN", lab.ready(only_in), IN)
    lab.contradicts("an arrival, OUT alone", lab.ready(only_out), [])


@claim(
    "With ET, OUT may stay armed for ever without burning the processor",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7)",
    notebook="06",
)
def edge_out_may_stay_armed(lab: Lab) -> None:
    """OUT is armed for the life of the connection; events are counted while idle and over a fill.

    It saves the calls of epoll_ctl that arming and disarming take. The price: every event of an
    arrival has OUT in it, and a writer must remember by itself that it was full.
    """
    near, far = lab.tcp_pair("sender", "reader")
    near.setsockopt(SOL_SOCKET, SO_SNDBUF, 16384)
    epoll = lab.epoll("ET", near, mask=IN | OUT | ET)
    lab.shows("a new connection", lab.ready(epoll), OUT)
    with lab.pause():
        idle = sum(len(epoll.wait(0)) for _ in range(100))
    lab.supports("events of 100 waits while idle", idle, 0)
    lab.note("100 waits")
    filled = lab.fill(near, far)
    lab.note("sender fills the buffer")
    lab.shows("full", lab.ready(epoll), [])
    lab.empty(far, filled)
    lab.reports(near, OUT)
    lab.note("reader reads all")
    lab.supports("the peer has read all", lab.ready(epoll), OUT)
    lab.supports("and once only", lab.ready(epoll), [])
