"""close and shutdown."""

import os
import socket
from socket import SHUT_RD, SHUT_RDWR, SHUT_WR, SO_LINGER, SOL_SOCKET
from stat import S_ISSOCK
from struct import pack

from epollkit import EventFlags
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, HUP, RDHUP = EventFlags.IN, EventFlags.OUT, EventFlags.HUP, EventFlags.RDHUP
ALL = IN | OUT | RDHUP
LINGER = pack("ii", 1, 60)
"""On, for up to 60 s."""


@claim(
    "shutdown is one-way: after SHUT_WR the other direction goes on",
    topic="close",
    verdict=Verdict.TRUE,
    man="shutdown(2), RFC 9293",
    notebook="01",
)
def shutdown_is_one_way(lab: Lab) -> None:
    """One end stops sending; the other reads the end of stream and goes on sending.

    SHUT_WR sends a FIN. This side still reads, and its writing is still reported: a send that fails
    at once does not wait. The peer is told of the end with IN and RDHUP.
    """
    near, far = lab.tcp_pair()
    here, there = lab.epoll("near's", near, mask=ALL), lab.epoll("far's", far, mask=ALL)
    near.shutdown(SHUT_WR)
    lab.reports(far, RDHUP)
    lab.supports("who shut down", lab.ready(here), OUT)
    lab.supports("the peer", lab.ready(there), IN | OUT | RDHUP)
    lab.supports("the peer's recv", far.recv(9), b"")
    far.send(b"more")
    lab.arrived(near, 4)
    lab.supports("the peer has sent more: recv", near.recv(9), b"more")
    lab.supports("send by who shut down", lab.error(near.send, b"x"), "EPIPE")


@claim(
    "HUP means that both directions are shut down",
    topic="close",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2), shutdown(2)",
    notebook="01",
)
def both_directions_shut_is_a_hang_up(lab: Lab) -> None:
    """Each end of a TCP connection shuts down its writing, one after the other, then one SHUT_RDWR.

    HUP is about both directions of this end. That it comes with IN and OUT means that neither recv
    nor send would wait. (A new socket that was never connected has HUP, too.)
    """
    near, far = lab.tcp_pair()
    epoll = lab.epoll("near's", near, mask=ALL)
    far.shutdown(SHUT_WR)
    lab.reports(near, RDHUP)
    lab.supports("the peer has shut down", lab.ready(epoll), IN | OUT | RDHUP)
    near.shutdown(SHUT_WR)
    lab.supports("and this end, too", lab.ready(epoll), IN | OUT | HUP | RDHUP)
    alone, _peer = lab.tcp_pair("alone", "its peer")
    epoll = lab.epoll("alone's", alone, mask=ALL)
    alone.shutdown(SHUT_RDWR)
    lab.supports("SHUT_RDWR by one alone", lab.ready(epoll), IN | OUT | HUP | RDHUP)


@claim(
    "close waits for nobody",
    topic="close",
    verdict=Verdict.TRUE,
    man="close(2), socket(7)",
    notebook="01",
)
def close_waits_for_nobody(lab: Lab) -> None:
    """A sender with full buffers closes while the peer reads nothing; then the peer reads.

    close leaves the rest to the kernel, which goes on sending it, and then the FIN, for a socket
    that no process has any more.
    """
    near, far = lab.tcp_pair("sender", "peer")
    taken = lab.fill(near, far)
    lab.note(f"{taken:,} bytes sent until EAGAIN")
    lab.supports("not acknowledged at the time of close", near.outq(), lambda n: n > 0)
    near.close()
    lab.supports("in the peer's queue when close returns", far.inq(), lambda n: n < taken)
    lab.empty(far, taken)
    lab.note("the peer has read all of it")
    lab.readable(far)
    lab.supports("the peer has read all that was sent: recv", far.recv(9), b"")


@claim(
    "close of a non-blocking socket never waits",
    topic="close",
    verdict=Verdict.FALSE,
    truth="with SO_LINGER on and a time above 0 it waits until the peer's kernel has acknowledged "
    "all, or the time is up, O_NONBLOCK or not",
    man="socket(7), close(2)",
    notebook="01",
)
def close_of_a_non_blocking_socket_never_waits(lab: Lab) -> None:
    """As above with SO_LINGER on, 60 s, in a thread, which sleeps in close until the peer reads."""
    near, far = lab.tcp_pair("sender", "peer")
    taken = lab.fill(near, far)
    lab.note(f"{taken:,} bytes sent until EAGAIN")
    near.setsockopt(SOL_SOCKET, SO_LINGER, LINGER)
    lab.shows("the sender is in blocking mode", near.getblocking(), expected=False)
    closing = lab.thread(near.close)
    lab.contradicts("the peer reads nothing: close is over", closing.done(), expected=False)
    lab.empty(far, taken)
    lab.note("the peer has read all of it")
    lab.contradicts("the peer has read all: close returns", closing.result(MUST_ARRIVE), None)


@claim(
    "close with SO_LINGER waits until the peer has read everything",
    topic="close",
    verdict=Verdict.FALSE,
    truth="it waits until the peer's kernel acknowledges them, which it does when they are in its "
    "receive queue; only an answer of the peer says that it has read them",
    man="socket(7), RFC 9293",
    notebook="01",
)
def linger_waits_until_the_peer_has_read(lab: Lab) -> None:
    """Five bytes fit the peer's receive queue: close returns, and they lie there unread."""
    near, far = lab.tcp_pair("sender", "peer")
    near.send(b"hello")
    near.setsockopt(SOL_SOCKET, SO_LINGER, LINGER)
    near.close()
    lab.contradicts("unread in the peer's queue when close has returned", far.inq(), 5)


@claim(
    "shutdown closes the descriptor",
    topic="close",
    verdict=Verdict.FALSE,
    truth="it ends the connection's directions; the descriptor stays open until it is closed",
    man="shutdown(2), close(2)",
    notebook="01",
)
def shutdown_closes_the_descriptor(lab: Lab) -> None:
    """A socket has its number and its end of stream after SHUT_RDWR, and neither after close."""
    near, _far = lab.tcp_pair()
    near.shutdown(SHUT_RDWR)
    lab.contradicts("after SHUT_RDWR: recv", near.recv(9), b"")
    lab.contradicts("its number is one of a socket", _is_socket(near.fileno()), expected=True)
    near.close()
    lab.shows("after close: recv", lab.error(near.recv, 9), "EBADF")


@claim(
    "SHUT_RD stops the peer from sending",
    topic="close",
    verdict=Verdict.CONDITION,
    truth="on a Unix socket: the peer's send fails with EPIPE; TCP has nothing to say it with",
    man="shutdown(2), RFC 9293",
    notebook="01",
)
def shut_rd_stops_the_peer_from_sending(lab: Lab) -> None:
    """The first send of the peer after SHUT_RD, on a Unix socket and on TCP."""
    near, far = lab.unix_pair("Unix", "Unix peer")
    near.shutdown(SHUT_RD)
    lab.supports("Unix: the peer's send", lab.error(far.send, b"x"), "EPIPE")
    near, far = lab.tcp_pair("TCP", "TCP peer")
    near.shutdown(SHUT_RD)
    lab.contradicts("TCP: the peer's send", lab.error(far.send, b"x"), "none")
    lab.contradicts("and another", lab.error(far.send, b"x"), "none")


@claim(
    "After SHUT_RD nothing can be received",
    topic="close",
    verdict=Verdict.CONDITION,
    truth="recv gives b'' instead of waiting, but what was there can still be read, and on TCP "
    "what arrives later, too",
    man="shutdown(2), recv(2)",
    notebook="01",
)
def nothing_can_be_received_after_shut_rd(lab: Lab) -> None:
    """What recv gives after SHUT_RD: bytes that were there, none, bytes that came later.

    On TCP the flag says only that recv need not wait. The connection takes in bytes as before.
    """
    near, far = lab.tcp_pair()
    far.send(b"before")
    lab.arrived(near, 6)
    near.shutdown(SHUT_RD)
    lab.contradicts("six bytes were there", near.recv(9), b"before")
    lab.supports("nothing is there", near.recv(9), b"")
    far.send(b"after")
    lab.arrived(near, 5)
    lab.contradicts("five bytes came afterwards", near.recv(9), b"after")


@claim(
    "Closing a socket wakes a thread that waits in recv",
    topic="close",
    verdict=Verdict.FALSE,
    truth="the thread keeps the connection open and gets what arrives; shutdown wakes it",
    man="close(2), shutdown(2)",
    notebook="01",
)
def closing_wakes_a_thread_in_recv(lab: Lab) -> None:
    """A thread waits in recv(2) while another closes the descriptor, and then the peer sends.

    The number is gone at once, but a system call holds the open file itself until it returns.
    shutdown acts on the connection, and so on every thread that waits for it.
    """
    near, far = lab.tcp_pair("closed", "peer")
    plain = socket.socket(fileno=near.detach())
    plain.settimeout(None)
    waiting = lab.thread(lambda: plain.recv(9))
    plain.close()
    lab.note("closed while a thread waits in recv")
    far.send(b"later")
    got = waiting.result(MUST_ARRIVE)
    lab.note(f"the thread's recv returns {len(got)} bytes")
    lab.contradicts("the peer sends after close: the thread gets", got, b"later")
    near, _far = lab.tcp_pair("shut down", "its peer")
    near.settimeout(None)
    waiting = lab.thread(lambda: near.recv(9))
    near.shutdown(SHUT_RDWR)
    lab.shows("shutdown: the thread gets", waiting.result(MUST_ARRIVE), b"")


@claim(
    "shutdown of a socket that is not connected fails with ENOTCONN",
    topic="close",
    verdict=Verdict.TRUE,
    man="shutdown(2)",
    notebook="01",
)
def shutdown_needs_a_connection(lab: Lab) -> None:
    """It is called on a new socket, and of one whose connection the peer has reset.

    A program that shuts down before it closes must expect it: the peer may have been faster.
    """
    new = lab.socket("new")
    lab.supports("a new socket", lab.error(new.shutdown, SHUT_RDWR), "ENOTCONN")
    near, far = lab.tcp_pair()
    lab.reset(far)
    lab.reports(near, EventFlags.ERR)
    lab.supports("a connection that was reset", lab.error(near.shutdown, SHUT_RDWR), "ENOTCONN")


def _is_socket(number: int) -> bool:
    return S_ISSOCK(os.fstat(number).st_mode)
