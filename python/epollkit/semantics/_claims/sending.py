"""send and its kinds of return value: how many bytes the kernel took, and an error."""

import socket
from socket import SHUT_WR, SO_RCVBUF, SO_SNDBUF, SOCK_DGRAM, SOL_SOCKET

from epollkit import EventFlags, PollFlags, Socket
from epollkit.scope._describe import describe
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

MEGABYTE = 1 << 20
IN, ERR, RDHUP = EventFlags.IN, EventFlags.ERR, EventFlags.RDHUP


@claim(
    "A send of 0 bytes on TCP sends nothing, and the peer sees nothing",
    topic="transfer",
    verdict=Verdict.TRUE,
    man="send(2), tcp(7)",
    notebook="01",
)
def an_empty_send_on_tcp_sends_nothing(lab: Lab) -> None:
    """An empty send, which succeeds, and after it a byte.

    A stream has no place for a message without bytes: it cannot be taken for the end of stream,
    which is a FIN. The byte sent afterwards is all that comes.
    """
    near, far = lab.tcp_pair("reader", "sender")
    lab.supports("send returns", far.send(b""), 0)
    lab.supports("the reader's recv", lab.error(near.recv, 9), "EAGAIN")
    far.send(b"x")
    lab.arrived(near, 1)
    lab.supports("all that has come after one more byte", near.recv(9), b"x")


@claim(
    "A send of 0 bytes on UDP sends nothing, and the peer sees nothing",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="an empty datagram arrives and makes the peer readable",
    man="send(2), udp(7)",
    notebook="01",
)
def an_empty_send_on_udp_sends_nothing(lab: Lab) -> None:
    """A datagram is a header with data, of which there may be none. recv gives b""."""
    near, far = lab.udp_pair("reader", "sender")
    poll = lab.poll("poll", near, mask=PollFlags.IN)
    lab.shows("send returns", far.send(b""), 0)
    lab.readable(near)
    lab.contradicts("the reader is", lab.polled(poll), PollFlags.IN)
    lab.contradicts("recvfrom gives bytes and a sender", near.recvfrom(9), (b"", far.getsockname()))
    lab.shows("bytes that were to read before", near.inq(), 0)


@claim(
    "send returns 0 when the peer has closed",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="the first send succeeds, for the peer may only have stopped sending; its answer is an "
    "RST, and the next send fails with EPIPE",
    man="send(2), RFC 9293",
    notebook="01",
)
def send_returns_zero_when_the_peer_has_closed(lab: Lab) -> None:
    """Two sends to a peer that has closed. Only for 0 bytes does send return 0.

    A FIN says that no more will come, not that nobody reads. The kernel learns that from the RST
    which answers the first byte.
    """
    near, far = lab.tcp_pair("sender", "peer")
    far.close()
    lab.reports(near, RDHUP)
    lab.contradicts("the first send returns", near.send(b"x"), 1)
    lab.reports(near, ERR)
    lab.contradicts("the next fails with", lab.error(near.send, b"x"), "EPIPE")


@claim(
    "send fails as soon as the peer has closed",
    topic="transfer",
    verdict=Verdict.CONDITION,
    truth="on a Unix socket; on TCP the first send succeeds and is lost",
    man="send(2), unix(7)",
    notebook="01",
)
def send_fails_as_soon_as_the_peer_has_closed(lab: Lab) -> None:
    """The first send after the peer's close, on a Unix socket and on TCP.

    The kernel has both ends of a Unix socket in hand. A TCP end has only heard that the peer will
    send no more.
    """
    near, far = lab.unix_pair("Unix", "Unix peer")
    far.close()
    lab.supports("Unix", lab.error(near.send, b"x"), "EPIPE")
    near, far = lab.tcp_pair("TCP", "TCP peer")
    far.close()
    lab.reports(near, RDHUP)
    lab.contradicts("TCP", lab.error(near.send, b"x"), "none")


@claim(
    "A successful send means that the peer has the data",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="it means that this kernel has it; the peer's kernel acknowledges it later, and the peer "
    "may never read it",
    man="send(2), tcp(7)",
    notebook="01",
)
def a_successful_send_means_the_peer_has_it(lab: Lab) -> None:
    """A megabyte or more is sent to a peer that reads nothing, which then closes.

    The bytes lie in two buffers: the peer's receive queue, and, not acknowledged, this side's send
    queue, which SIOCOUTQ counts. Both are thrown away.
    """
    near, far = lab.tcp_pair("sender", "peer")
    taken = lab.fill(near, far)
    lab.note(f"{taken:,} bytes sent until EAGAIN")
    lab.contradicts("bytes that send took", taken, lambda n: n > far.inq())
    lab.contradicts("of them not acknowledged", near.outq(), lambda n: n > 0)
    lab.contradicts("in the peer's receive queue", far.inq(), lambda n: 0 < n < taken)
    far.close()
    lab.readable(near)
    lab.contradicts("the peer has closed without reading", lab.error(near.recv, 9), "ECONNRESET")


@claim(
    "send takes all that you give it or fails",
    topic="transfer",
    verdict=Verdict.CONDITION,
    truth="for a datagram; a non-blocking stream takes what there is room for and returns how much",
    man="send(2)",
    notebook="06",
)
def send_takes_all_or_nothing(lab: Lab) -> None:
    """A megabyte with one send: on UDP, on a Unix datagram socket, and on TCP.

    A program that ignores what send returns loses the rest.
    """
    near, _far = lab.udp_pair("UDP", "UDP peer")
    lab.supports("UDP", lab.error(near.send, bytes(MEGABYTE)), "EMSGSIZE")
    near, _far = lab.unix_pair("Unix", "Unix peer", SOCK_DGRAM)
    lab.supports("Unix datagram", lab.error(near.send, bytes(MEGABYTE)), "EMSGSIZE")
    near, far = lab.tcp_pair("TCP", "TCP peer")
    near.setsockopt(SOL_SOCKET, SO_SNDBUF, 16384)
    far.setsockopt(SOL_SOCKET, SO_RCVBUF, 16384)
    taken = near.send(bytes(MEGABYTE))
    lab.contradicts("TCP took", taken, lambda n: 0 < n < MEGABYTE)


@claim(
    "A blocking send returns when all bytes are in the send buffer",
    topic="transfer",
    verdict=Verdict.TRUE,
    man="send(2)",
    notebook="06",
)
def a_blocking_send_returns_when_all_is_taken(lab: Lab) -> None:
    """A thread sends a megabyte into small buffers; it sleeps until the peer has read enough.

    So in blocking mode what send returns is all of it, unless a signal or an error comes between.
    """
    near, far = lab.tcp_pair("sender", "peer")
    near.setsockopt(SOL_SOCKET, SO_SNDBUF, 16384)
    near.settimeout(None)
    waiting = lab.thread(lambda: near.send(bytes(MEGABYTE)))
    lab.supports("the peer reads nothing: send is over", waiting.done(), expected=False)
    lab.empty(far, MEGABYTE)
    lab.note("the peer has read all of it")
    lab.supports("the peer has read it: send returns", waiting.result(MUST_ARRIVE), MEGABYTE)


@claim(
    "send that fails with EAGAIN means: no room, try later",
    topic="transfer",
    verdict=Verdict.TRUE,
    man="send(2)",
    notebook="06",
)
def send_fails_with_eagain_when_the_buffer_is_full(lab: Lab) -> None:
    """A non-blocking sender goes on until it is refused, before and after the peer reads.

    Nothing is lost, and no error is pending.
    """
    near, far = lab.tcp_pair("sender", "peer")
    taken, refused = _send_until_refused(lab, near)
    lab.note(f"{taken:,} bytes sent, then refused")
    lab.supports("sends until one fails: it fails with", refused, "EAGAIN")
    lab.supports("error pending (SO_ERROR)", near.error(), 0)
    lab.empty(far, taken)
    lab.note("the peer has read all of it")
    lab.reports(near, EventFlags.OUT)
    lab.supports("the peer has read all: send", near.send(b"x"), 1)


@claim(
    "Writing after your own SHUT_WR raises SIGPIPE",
    topic="transfer",
    verdict=Verdict.CONDITION,
    truth="unless the signal is ignored, as in Python, or MSG_NOSIGNAL is given, as epollkit does: "
    "then it is only the error EPIPE",
    man="send(2), signal(7)",
    notebook="01",
)
def writing_after_shut_wr_raises_sigpipe(lab: Lab) -> None:
    """Three sends after SHUT_WR, of which the first ends a child.

    It has the signal's default action; then MSG_NOSIGNAL; then none, in this process, where Python
    ignores the signal. A peer that is gone gives the same.
    """
    near, far = lab.tcp_pair("writer", "peer")
    near.shutdown(SHUT_WR)
    lab.supports("default action: the child's exit", lab.child(_WRITE, near).returncode, -13)
    lab.contradicts("MSG_NOSIGNAL", lab.error(near.send, b"x"), "EPIPE")
    plain = lab.keep(socket.socket(fileno=near.dup().detach()))
    lab.contradicts("SIGPIPE ignored, no flag", lab.error(plain.send, b"x"), "EPIPE")
    lab.reports(far, RDHUP)
    lab.shows("the peer has the end of stream", far.recv(9), b"")


def _send_until_refused(lab: Lab, near: Socket) -> tuple[int, str]:
    """How many bytes were taken, and the errno's name."""
    taken, chunk = 0, bytes(4096)
    with lab.pause():
        while isinstance(sent := lab.outcome(near.send, chunk), int):
            taken += sent
    return taken, describe(sent)


_WRITE = """
import signal, socket, sys

signal.signal(signal.SIGPIPE, signal.SIG_DFL)
socket.socket(fileno=int(sys.argv[1])).send(b"x")
"""
