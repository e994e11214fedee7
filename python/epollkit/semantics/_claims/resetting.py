"""RST: connections that end at once and lose what was on its way."""

from errno import errorcode
from socket import SO_LINGER, SOL_SOCKET
from struct import pack

from epollkit import EventFlags
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ERR = EventFlags.IN, EventFlags.OUT, EventFlags.ERR
HUP, RDHUP = EventFlags.HUP, EventFlags.RDHUP
ALL = IN | OUT | RDHUP
NO_LINGER = pack("ii", 1, 0)
"""On, for 0 s."""


@claim(
    "close with unread data sends RST, not FIN",
    topic="close",
    verdict=Verdict.TRUE,
    man="tcp(7), RFC 9293",
    notebook="01",
)
def close_with_unread_data_resets(lab: Lab) -> None:
    """Two connections whose peers close: one has read all, one has a byte left.

    A FIN would say that all is well, and bytes would be lost behind it (RFC 9293, 3.6.1: reset).
    """
    near, far = lab.tcp_pair("to a careful peer", "careful peer")
    epoll = lab.epoll("careful", near, mask=ALL)
    near.send(b"x")
    lab.arrived(far, 1)
    far.recv(1)
    far.close()
    lab.reports(near, RDHUP)
    lab.supports("the peer had read all", lab.ready(epoll), IN | OUT | RDHUP)
    near, far = lab.tcp_pair("to a hasty peer", "hasty peer")
    epoll = lab.epoll("hasty", near, mask=ALL)
    near.send(b"x")
    lab.arrived(far, 1)
    far.close()
    lab.reports(near, ERR)
    lab.supports("a byte was unread", lab.ready(epoll), IN | OUT | ERR | HUP | RDHUP)
    lab.supports("recv", lab.error(near.recv, 9), "ECONNRESET")
    lab.supports("recv again", near.recv(9), b"")


@claim(
    "SO_LINGER on with 0 resets at close",
    topic="close",
    verdict=Verdict.TRUE,
    man="socket(7), RFC 9293",
    notebook="01",
)
def linger_zero_resets_at_close(lab: Lab) -> None:
    """Nothing is unread, and yet the peer is told of a reset: RST instead of FIN, no TIME_WAIT."""
    near, far = lab.tcp_pair()
    epoll = lab.epoll("near's", near, mask=ALL)
    far.setsockopt(SOL_SOCKET, SO_LINGER, NO_LINGER)
    far.close()
    lab.reports(near, ERR)
    lab.supports("the peer is told", lab.ready(epoll), IN | OUT | ERR | HUP | RDHUP)
    lab.supports("recv", lab.error(near.recv, 9), "ECONNRESET")
    lab.supports("recv again", near.recv(9), b"")
    lab.shows("HUP stays, ERR went with the error", lab.ready(epoll), IN | OUT | HUP | RDHUP)


@claim(
    "SO_LINGER on with 0 resets at close, whatever the kind of socket",
    topic="close",
    verdict=Verdict.FALSE,
    truth="it is TCP's; a Unix socket ends as always, and resets only if it had unread bytes",
    man="socket(7), unix(7)",
    notebook="01",
)
def linger_zero_resets_any_socket(lab: Lab) -> None:
    """A Unix socket with SO_LINGER on, 0 s, is closed; then one that has a byte unread."""
    near, far = lab.unix_pair()
    far.setsockopt(SOL_SOCKET, SO_LINGER, NO_LINGER)
    far.close()
    lab.contradicts("SO_LINGER on, 0 s: recv", near.recv(9), b"")
    near, far = lab.unix_pair("writer", "reader")
    near.send(b"x")
    far.close()
    lab.shows("a byte was unread: recv", lab.error(near.recv, 9), "ECONNRESET")


@claim(
    "With SO_LINGER on and 0, what was sent before close is delivered",
    topic="close",
    verdict=Verdict.FALSE,
    truth="what is still in the send queue is thrown away",
    man="socket(7)",
    notebook="01",
)
def linger_zero_delivers_what_was_sent(lab: Lab) -> None:
    """The buffers are full when the sender closes. The peer reads what had arrived until the error.

    Without the option all of it would come: see `close_waits_for_nobody`.
    """
    near, far = lab.tcp_pair("sender", "peer")
    taken = lab.fill(near, far)
    lab.note(f"{taken:,} bytes sent until EAGAIN")
    near.setsockopt(SOL_SOCKET, SO_LINGER, NO_LINGER)
    near.close()
    lab.reports(far, ERR)
    arrived = far.inq()
    lab.contradicts("of the bytes sent, arrived", arrived, lambda n: n < taken)
    lab.empty(far, arrived)
    lab.note("the peer has read what had arrived")
    lab.contradicts("and then recv", lab.error(far.recv, 9), "ECONNRESET")


@claim(
    "A reset takes away what had arrived and was not read yet",
    topic="close",
    verdict=Verdict.FALSE,
    truth="on Linux recv gives those bytes first and the error after them; but poll reports ERR at "
    "once, and a program that heeds it first loses them",
    man="recv(2), tcp(7)",
    notebook="01",
)
def a_reset_takes_away_what_had_arrived(lab: Lab) -> None:
    """Four bytes are unread when the RST comes."""
    near, far = lab.tcp_pair()
    epoll = lab.epoll("near's", near, mask=ALL)
    far.send(b"data")
    lab.arrived(near, 4)
    lab.reset(far)
    lab.reports(near, ERR)
    lab.shows("reported", lab.ready(epoll), IN | OUT | ERR | HUP | RDHUP)
    lab.contradicts("recv(2)", near.recv(2), b"da")
    lab.contradicts("recv(9)", near.recv(9), b"ta")
    lab.shows("and then", lab.error(near.recv, 9), "ECONNRESET")


@claim(
    "A reset is reported once, to whichever call comes first",
    topic="close",
    verdict=Verdict.TRUE,
    man="socket(7), recv(2), send(2)",
    notebook="01",
)
def a_reset_is_reported_once(lab: Lab) -> None:
    """Three connections are reset. The first call afterwards is recv, send, or SO_ERROR's.

    The error is one number at the socket, which reading clears. After it recv gives the end of
    stream, and send fails with EPIPE.
    """
    near, far = lab.tcp_pair("recv first", "peer 1")
    lab.reset(far)
    lab.reports(near, ERR)
    lab.supports("recv", lab.error(near.recv, 9), "ECONNRESET")
    lab.supports("recv again", near.recv(9), b"")
    near, far = lab.tcp_pair("send first", "peer 2")
    lab.reset(far)
    lab.reports(near, ERR)
    lab.supports("send", lab.error(near.send, b"x"), "ECONNRESET")
    lab.supports("send again", lab.error(near.send, b"x"), "EPIPE")
    near, far = lab.tcp_pair("SO_ERROR first", "peer 3")
    lab.reset(far)
    lab.reports(near, ERR)
    lab.supports("SO_ERROR", errorcode.get(near.error()), "ECONNRESET")
    lab.supports("SO_ERROR again", near.error(), 0)
    lab.supports("recv afterwards", near.recv(9), b"")
