"""poll's flags, all of them, for each kind of source in each of its states."""

from collections.abc import Callable, Iterable, Iterator
from socket import AF_UNIX, MSG_OOB, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM
from typing import TYPE_CHECKING

from epollkit import Poll, PollFlags, Socket
from epollkit.semantics._lab import EVERY_FLAG, Lab
from epollkit.semantics._registry import Verdict, claim

if TYPE_CHECKING:
    from _typeshed import HasFileno

ERR, HUP, PRI, RDHUP = PollFlags.ERR, PollFlags.HUP, PollFlags.PRI, PollFlags.RDHUP
NOTHING = PollFlags(0)
IN = PollFlags.IN | PollFlags.RDNORM
OUT = PollFlags.OUT | PollFlags.WRNORM
BAND_OUT = OUT | PollFlags.WRBAND
"""How Unix and UDP sockets say that they are writable."""
Pair = Callable[[Lab], tuple[Socket, Socket]]


@claim(
    "On TCP, poll tells a peer that has closed from one that has only stopped sending",
    topic="poll",
    verdict=Verdict.FALSE,
    truth="both have sent a FIN and nothing else; HUP comes when this side is shut down, too",
    man="poll(2), tcp(7)",
    notebook="03",
)
def poll_tells_close_from_shutdown_on_tcp(lab: Lab) -> None:
    """Two connections whose peers stop sending, one with SHUT_WR, one with close.

    Then all states of a TCP socket, asked for every flag.
    """
    near, far = lab.tcp_pair("1", "shuts down")
    poll = lab.poll("poll 1", near)
    far.shutdown(SHUT_WR)
    lab.reports(near, RDHUP)
    lab.contradicts("SHUT_WR", lab.polled(poll), IN | OUT | RDHUP)
    near, far = lab.tcp_pair("2", "closes")
    poll = lab.poll("poll 2", near)
    far.close()
    lab.reports(near, RDHUP)
    lab.contradicts("close", lab.polled(poll), IN | OUT | RDHUP)
    _show(lab, _tcp_states)


@claim(
    "On Unix sockets, poll tells a peer that has closed from one that has only stopped sending",
    topic="poll",
    verdict=Verdict.TRUE,
    man="poll(2), unix(7)",
    notebook="03",
)
def poll_tells_close_from_shutdown_on_unix_sockets(lab: Lab) -> None:
    """As above; the kernel has both ends in hand and reports HUP when the other one is gone.

    Then all states of Unix stream and datagram sockets, asked for every flag.
    """
    near, far = lab.unix_pair("1", "shuts down")
    poll = lab.poll("poll 1", near)
    far.shutdown(SHUT_WR)
    lab.supports("SHUT_WR", lab.polled(poll), IN | BAND_OUT | RDHUP)
    near, far = lab.unix_pair("2", "closes")
    poll = lab.poll("poll 2", near)
    far.close()
    lab.supports("close", lab.polled(poll), IN | BAND_OUT | HUP | RDHUP)
    _show(lab, _unix_states, _unix_datagram_states)


@claim(
    "poll tells a UDP socket that its peer is gone",
    topic="poll",
    verdict=Verdict.CONDITION,
    truth="only once something was sent there and ICMP was the answer: then ERR, until it is read",
    man="poll(2), udp(7)",
    notebook="03",
)
def poll_tells_a_udp_socket_that_its_peer_is_gone(lab: Lab) -> None:
    """The peer of a connected UDP socket closes; then a datagram is sent to it.

    There is no connection that could end. Then all states of a UDP socket, asked for every flag.
    """
    near, far = lab.udp_pair()
    poll = lab.poll("poll", near)
    far.close()
    lab.contradicts("the peer has closed", lab.polled(poll), BAND_OUT)
    near.send(b"x")
    lab.reports(near, ERR)
    lab.supports("a datagram was sent to it", lab.polled(poll), BAND_OUT | ERR)
    lab.shows("recv", lab.error(near.recv, 9), "ECONNREFUSED")
    lab.contradicts("the error was read", lab.polled(poll), BAND_OUT)
    _show(lab, _udp_states)


@claim(
    "The end of a pipe is readable (POLLIN), as the end of a stream is",
    topic="poll",
    verdict=Verdict.FALSE,
    truth="it is POLLHUP alone, with POLLIN only while bytes are left; the writing end gets "
    "POLLERR when nobody reads; select calls both ready",
    man="poll(2), pipe(7)",
    notebook="03",
)
def the_end_of_a_pipe_is_readable(lab: Lab) -> None:
    """A pipe whose writer closes while a byte is left. Then all states of both ends.

    A loop that looks at IN alone, and not at HUP, turns for ever and reads nothing.
    """
    reader, writer = lab.pipe()
    poll = lab.poll("poll", reader)
    writer.write(b"x")
    writer.close()
    lab.shows("a byte is left", lab.polled(poll), IN | HUP)
    reader.read(9)
    lab.contradicts("it was read", lab.polled(poll), HUP)
    lab.shows("select", lab.selected(reader), ["readable"])
    lab.shows("read", reader.read(9), b"")
    _show(lab, _pipe_states)


@claim(
    "A listener is readable while connections wait, and never writable",
    topic="poll",
    verdict=Verdict.TRUE,
    man="poll(2), accept(2)",
    notebook="03",
)
def a_listener_is_never_writable(lab: Lab) -> None:
    """A TCP listener when it is idle, with a connection, and after accept; and a Unix one.

    Any number of connections is one flag; accept until EAGAIN tells how many.
    """
    listener = lab.listener()
    poll = lab.poll("poll", listener)
    lab.supports("idle", lab.polled(poll), [])
    client = lab.socket("client")
    client.connect_ex(listener.getsockname())
    lab.readable(listener)
    lab.supports("a connection waits", lab.polled(poll), IN)
    lab.keep(listener.accept()[0])
    lab.supports("it was accepted", lab.polled(poll), [])
    _show(lab, _listener_states)


@claim(
    "POLLIN covers POLLRDNORM and POLLRDBAND",
    topic="poll",
    verdict=Verdict.CONDITION,
    truth="RDNORM comes with IN on everything but a hung-up pipe, where neither does; RDBAND never "
    "comes on Linux sockets: out-of-band data is PRI",
    man="poll(2)",
    notebook="03",
)
def pollin_covers_rdnorm_and_rdband(lab: Lab) -> None:
    """Bytes and an urgent byte on TCP, asked for one flag at a time.

    Flags are what was asked for and is so: whoever asks for IN alone is not told of RDNORM.
    """
    near, far = lab.tcp_pair()
    flags = (PollFlags.IN, PollFlags.RDNORM, PollFlags.RDBAND, PRI)
    polls = {flag: lab.poll(f"asks for {flag.name}", near, mask=flag) for flag in flags}
    far.send(b"data")
    lab.arrived(near, 4)
    lab.supports("data, asked for IN", lab.polled(polls[PollFlags.IN]), PollFlags.IN)
    lab.supports("data, asked for RDNORM", lab.polled(polls[PollFlags.RDNORM]), PollFlags.RDNORM)
    far.send(b"!", MSG_OOB)
    lab.reports(near, PRI)
    lab.contradicts("urgent data, asked for RDBAND", lab.polled(polls[PollFlags.RDBAND]), [])
    lab.shows("urgent data, asked for PRI", lab.polled(polls[PRI]), PRI)


@claim(
    "POLLOUT covers POLLWRNORM and POLLWRBAND",
    topic="poll",
    verdict=Verdict.CONDITION,
    truth="WRNORM comes with OUT everywhere; WRBAND with it on UDP and Unix sockets, but not on "
    "TCP and pipes: it says nothing of urgent data",
    man="poll(2)",
    notebook="03",
)
def pollout_covers_wrnorm_and_wrband(lab: Lab) -> None:
    """A writable source of each kind, asked for the three flags."""
    writable = PollFlags.OUT | PollFlags.WRNORM | PollFlags.WRBAND
    for name, near in {
        "Unix": lab.unix_pair("Unix", "Unix peer")[0],
        "UDP": lab.udp_pair("UDP", "UDP peer")[0],
    }.items():
        poll = lab.poll(f"poll {name}", near, mask=writable)
        lab.supports(name, lab.polled(poll), BAND_OUT)
    poll = lab.poll("poll TCP", lab.tcp_pair("TCP", "TCP peer")[0], mask=writable)
    lab.contradicts("TCP", lab.polled(poll), OUT)
    poll = lab.poll("poll pipe", lab.pipe()[1], mask=writable)
    lab.contradicts("pipe", lab.polled(poll), OUT)


# The table. Each state is made in a lab of its own, of which nothing is recorded.


def _show(lab: Lab, *kinds: "Callable[[Lab], Iterable[tuple[str, HasFileno, PollFlags]]]") -> None:
    with Lab(address=lab.address) as bare:
        for kind in kinds:
            for state, source, flags in kind(bare):
                lab.shows(state, _flags(source), flags)


def _flags(source: "HasFileno") -> PollFlags:
    poll = Poll()
    poll.register(source, EVERY_FLAG)
    return next((flags for _, flags in poll.wait(0)), NOTHING)


def _stream_states(
    lab: Lab, kind: str, pair: Pair, out: PollFlags, gone: PollFlags
) -> Iterator[tuple[str, Socket, PollFlags]]:
    """What TCP and Unix streams have in common. `gone`: beside IN, OUT and RDHUP at the close."""
    near, far = pair(lab)
    yield f"{kind}, idle", near, out
    far.send(b"x")
    lab.arrived(near, 1)
    yield f"{kind}, a byte to read", near, IN | out
    lab.fill(near, far)
    yield f"{kind}, a byte to read, buffer full", near, IN
    near, far = pair(lab)
    near.shutdown(SHUT_WR)
    yield f"{kind}, own SHUT_WR", near, out
    far.shutdown(SHUT_WR)
    lab.reports(near, HUP)
    yield f"{kind}, SHUT_WR on both sides", near, IN | out | HUP | RDHUP
    near, far = pair(lab)
    near.shutdown(SHUT_RD)
    yield f"{kind}, own SHUT_RD", near, IN | out | RDHUP
    yield f"{kind}, the peer's SHUT_RD", far, out
    near.shutdown(SHUT_WR)
    yield f"{kind}, own SHUT_RD and SHUT_WR", near, IN | out | HUP | RDHUP
    near, far = pair(lab)
    far.shutdown(SHUT_RDWR)
    lab.reports(near, RDHUP)
    yield f"{kind}, the peer's SHUT_RDWR", near, IN | out | RDHUP | gone
    near, far = pair(lab)
    far.send(b"x")
    far.close()
    lab.reports(near, RDHUP)
    yield f"{kind}, the peer has closed, a byte to read", near, IN | out | RDHUP | gone
    near, far = pair(lab)
    near.send(b"x")
    lab.arrived(far, 1)
    far.close()
    lab.reports(near, ERR)
    yield f"{kind}, the peer has closed with a byte unread", near, IN | out | ERR | HUP | RDHUP
    near.error()
    yield f"{kind}, and the error was read", near, IN | out | HUP | RDHUP


def _tcp_states(lab: Lab) -> Iterator[tuple[str, Socket, PollFlags]]:
    yield from _stream_states(lab, "TCP", Lab.tcp_pair, OUT, NOTHING)
    near, far = lab.tcp_pair()
    far.send(b"!", MSG_OOB)
    lab.reports(near, PRI)
    yield "TCP, an urgent byte", near, PRI | OUT
    far.send(b"x")
    lab.readable(near)
    yield "TCP, an urgent byte and another", near, PRI | IN | OUT
    yield "TCP, new", lab.socket(), OUT | HUP
    full, connecting = lab.listener(backlog=0), lab.socket()
    address = full.getsockname()
    lab.socket(timeout=5.0).connect(address)
    connecting.connect_ex(address)
    yield "TCP, connecting", connecting, NOTHING
    deaf, refused = lab.socket(), lab.socket()
    deaf.bind((lab.address, 0))
    refused.connect_ex(deaf.getsockname())
    lab.reports(refused, ERR)
    yield "TCP, refused", refused, IN | OUT | ERR | HUP | RDHUP


def _unix_states(lab: Lab) -> Iterator[tuple[str, Socket, PollFlags]]:
    yield from _stream_states(lab, "Unix", Lab.unix_pair, BAND_OUT, HUP)


def _unix_datagram_states(lab: Lab) -> Iterator[tuple[str, Socket, PollFlags]]:
    near, far = lab.unix_pair(kind=SOCK_DGRAM)
    yield "Unix datagram, idle", near, BAND_OUT
    near.shutdown(SHUT_WR)
    yield "Unix datagram, own SHUT_WR", near, BAND_OUT
    far.send(b"x")
    yield "Unix datagram, something to read", near, IN | BAND_OUT
    near, far = lab.unix_pair(kind=SOCK_DGRAM)
    lab.fill(near, far)
    yield "Unix datagram, the peer's queue is full", near, NOTHING
    near, far = lab.unix_pair(kind=SOCK_DGRAM)
    far.close()
    yield "Unix datagram, the peer has closed", near, BAND_OUT


def _udp_states(lab: Lab) -> Iterator[tuple[str, Socket, PollFlags]]:
    yield "UDP, new", lab.socket(kind=SOCK_DGRAM), BAND_OUT
    near, far = lab.udp_pair()
    yield "UDP, idle", near, BAND_OUT
    far.send(b"")
    lab.readable(near)
    yield "UDP, an empty datagram to read", near, IN | BAND_OUT
    far.shutdown(SHUT_RDWR)
    yield "UDP, own SHUT_RDWR", far, IN | BAND_OUT | HUP | RDHUP
    near.recv(1)
    yield "UDP, the peer's SHUT_RDWR", near, BAND_OUT
    near.shutdown(SHUT_RD)
    yield "UDP, own SHUT_RD", near, IN | BAND_OUT | RDHUP


def _pipe_states(lab: Lab) -> "Iterable[tuple[str, HasFileno, PollFlags]]":
    reader, writer = lab.pipe()
    yield "pipe, idle: reading end", reader, NOTHING
    yield "writing end", writer, OUT
    writer.write(b"x")
    yield "pipe, a byte: reading end", reader, IN
    while writer.write(bytes(4096)):
        pass
    yield "pipe, full: writing end", writer, NOTHING
    reader.close()
    yield "pipe, full, no reader: writing end", writer, ERR
    reader, writer = lab.pipe()
    reader.close()
    yield "pipe, empty, no reader: writing end", writer, OUT | ERR


def _listener_states(lab: Lab) -> Iterator[tuple[str, Socket, PollFlags]]:
    listener, client = (lab.socket(family=AF_UNIX) for _ in range(2))
    listener.bind("")  # a free abstract name
    listener.listen(1)
    yield "Unix listener, idle", listener, NOTHING
    client.connect(listener.getsockname())
    yield "Unix listener, a connection waits", listener, IN
    listener = lab.listener()
    listener.shutdown(SHUT_RD)
    yield "TCP listener, SHUT_RD: as new", listener, OUT | HUP
