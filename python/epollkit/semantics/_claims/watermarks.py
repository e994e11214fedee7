"""Low-water marks: how much must have come before a socket counts as readable."""

from socket import (
    MSG_PEEK,
    SHUT_WR,
    SO_RCVLOWAT,
    SO_SNDLOWAT,
    SOL_SOCKET,
)

from epollkit import EPOLLET, EPOLLIN, EventFlags, PollFlags
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

IN = EventFlags.IN
MARK = 10


@claim(
    "Below SO_RCVLOWAT a socket is not readable",
    topic="poll",
    verdict=Verdict.CONDITION,
    truth="a TCP socket; Unix and UDP sockets are readable with the first byte",
    man="socket(7), poll(2)",
    notebook="06",
)
def below_rcvlowat_a_socket_is_not_readable(lab: Lab) -> None:
    """The mark is 10; five bytes come, and five more on TCP. select, poll and epoll agree."""
    near, far = lab.tcp_pair("TCP", "TCP sender")
    near.setsockopt(SOL_SOCKET, SO_RCVLOWAT, MARK)
    poll = lab.poll("poll", near, mask=PollFlags.IN)
    epoll = lab.epoll("epoll", near)
    far.send(b"12345")
    lab.arrived(near, 5)
    lab.supports("TCP, 5 of 10 bytes: poll", lab.polled(poll), [])
    lab.supports("epoll", lab.ready(epoll), [])
    far.send(b"67890")
    lab.arrived(near, 10)
    lab.supports("TCP, 10 bytes: poll", lab.polled(poll), PollFlags.IN)
    lab.supports("epoll", lab.ready(epoll), IN)
    for kind, (near, far) in {
        "Unix": lab.unix_pair("Unix", "Unix sender"),
        "UDP": lab.udp_pair("UDP", "UDP sender"),
    }.items():
        near.setsockopt(SOL_SOCKET, SO_RCVLOWAT, MARK)
        poll = lab.poll(f"poll {kind}", near, mask=PollFlags.IN)
        far.send(b"12345")
        lab.readable(near)
        lab.contradicts(f"{kind}, 5 of 10 bytes: poll", lab.polled(poll), PollFlags.IN)


@claim(
    "The end of stream makes readable, whatever the low-water mark",
    topic="poll",
    verdict=Verdict.TRUE,
    man="socket(7), poll(2)",
    notebook="06",
)
def the_end_of_stream_overrides_the_mark(lab: Lab) -> None:
    """Five of ten bytes and then a FIN: no more will come, and waiting for ten makes no sense."""
    near, far = lab.tcp_pair("reader", "sender")
    near.setsockopt(SOL_SOCKET, SO_RCVLOWAT, MARK)
    poll = lab.poll("poll", near, mask=PollFlags.IN)
    far.send(b"12345")
    lab.arrived(near, 5)
    lab.supports("5 of 10 bytes", lab.polled(poll), [])
    far.shutdown(SHUT_WR)
    lab.reports(near, EventFlags.RDHUP)
    lab.supports("and the end of stream", lab.polled(poll), PollFlags.IN)
    lab.supports("recv", near.recv(99), b"12345")


@claim(
    "A low-water mark keeps a non-blocking recv from giving less",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="it gives what there is; the mark is for waiting: select, poll, epoll and blocking recv",
    man="socket(7), recv(2)",
    notebook="06",
)
def rcvlowat_keeps_recv_from_giving_less(lab: Lab) -> None:
    """The mark is 10, five bytes are there."""
    near, far = lab.tcp_pair("reader", "sender")
    near.setsockopt(SOL_SOCKET, SO_RCVLOWAT, MARK)
    far.send(b"12345")
    lab.arrived(near, 5)
    lab.contradicts("recv(99)", near.recv(99), b"12345")


@claim(
    "A blocking recv waits until as many bytes are there as SO_RCVLOWAT says",
    topic="transfer",
    verdict=Verdict.CONDITION,
    truth="if none was there when it began; else it takes those first and is woken only when as "
    "many as the mark says have come after them, or the stream ends",
    man="socket(7), recv(2)",
    notebook="06",
)
def a_blocking_recv_waits_for_the_mark(lab: Lab) -> None:
    """The mark is 10. recv begins with nothing there; then it begins with 5 bytes there.

    The wake-up counts what arrived and was not copied yet. Five bytes that recv had copied before
    it went to sleep are not among it: ten have come, and recv sleeps on.
    """
    near, far = lab.tcp_pair("reader", "sender")
    near.setsockopt(SOL_SOCKET, SO_RCVLOWAT, MARK)
    near.settimeout(None)
    waiting = lab.thread(lambda: near.recv(99))
    far.send(b"12345")
    far.send(b"67890")
    lab.supports("none was there, 5 and 5 came: recv", waiting.result(MUST_ARRIVE), b"1234567890")
    far.send(b"12345")
    lab.arrived(near, 5)
    waiting = lab.thread(lambda: near.recv(99))
    lab.supports("5 were there: recv is over", waiting.done(), expected=False)
    far.send(b"67890")
    far.send(b"abcde")
    lab.contradicts("5 and 5 came: recv", waiting.result(MUST_ARRIVE), b"1234567890abcde")


@claim(
    "With a low-water mark ET fires when the mark is reached",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7), socket(7)",
    notebook="06",
)
def edge_fires_when_the_mark_is_reached(lab: Lab) -> None:
    """The mark is 10; five bytes come at a time. From the mark on each arrival is an edge."""
    near, far = lab.tcp_pair("reader", "sender")
    near.setsockopt(SOL_SOCKET, SO_RCVLOWAT, MARK)
    epoll = lab.epoll("ET", near, mask=EPOLLIN | EPOLLET)
    for there in (5, 10, 15):
        far.send(b"12345")
        lab.arrived(near, there)
        lab.supports(f"{there} bytes", lab.ready(epoll), IN if there >= MARK else [])
    near.recv(10)
    lab.shows("5 are left", lab.ready(epoll), [])
    far.send(b"12345")
    lab.arrived(near, 10)
    lab.supports("and 10 again", lab.ready(epoll), IN)


@claim(
    "Raising SO_RCVLOWAT is how to wait for more than is there",
    topic="transfer",
    verdict=Verdict.TRUE,
    man="socket(7)",
    notebook="06",
)
def rcvlowat_waits_for_a_whole_message(lab: Lab) -> None:
    """A header says how long the message is, and is left where it is.

    With LT it would be reported again at once. With the mark set to the whole length there is one
    more event, and one recv.
    """
    near, far = lab.tcp_pair("reader", "sender")
    epoll = lab.epoll("LT", near)
    far.send(b"\x08")
    lab.arrived(near, 1)
    lab.supports("the header has come", lab.ready(epoll), IN)
    near.setsockopt(SOL_SOCKET, SO_RCVLOWAT, 1 + near.recv(1, MSG_PEEK)[0])
    lab.supports("the mark is raised", lab.ready(epoll), [])
    far.send(b"body")
    lab.arrived(near, 5)
    lab.supports("half of the body", lab.ready(epoll), [])
    far.send(b"body")
    lab.arrived(near, 9)
    lab.supports("all of it", lab.ready(epoll), IN)
    lab.supports("recv", near.recv(99), b"\x08bodybody")


@claim(
    "SO_SNDLOWAT sets how much room makes writable",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="on Linux it is 1 and can't be set (ENOPROTOOPT); see TCP_NOTSENT_LOWAT",
    man="socket(7)",
    notebook="06",
)
def sndlowat_can_be_set(lab: Lab) -> None:
    """It can be read and not set. SO_RCVLOWAT beside it takes what it is given."""
    near, _far = lab.tcp_pair()
    lab.contradicts("read", near.getsockopt(SOL_SOCKET, SO_SNDLOWAT), 1)
    seen = lab.error(near.setsockopt, SOL_SOCKET, SO_SNDLOWAT, 1000)
    lab.contradicts("set to 1000", seen, "ENOPROTOOPT")
    near.setsockopt(SOL_SOCKET, SO_RCVLOWAT, 1000)
    lab.shows("SO_RCVLOWAT set to 1000", near.getsockopt(SOL_SOCKET, SO_RCVLOWAT), 1000)
    near.setsockopt(SOL_SOCKET, SO_RCVLOWAT, 0)
    lab.shows("SO_RCVLOWAT set to 0", near.getsockopt(SOL_SOCKET, SO_RCVLOWAT), 1)
