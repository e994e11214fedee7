"""When select calls a socket readable, writable, exceptional."""

from errno import errorcode
from socket import MSG_OOB, SHUT_WR, SO_RCVLOWAT, SO_SNDBUF, SO_SNDLOWAT, SOL_SOCKET

from epollkit import EventFlags
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

ERR = EventFlags.ERR
READABLE, WRITABLE, EXCEPTIONAL = "readable", "writable", "exceptional"


@claim(
    "Readable: there is data, as much as SO_RCVLOWAT asks for",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2), socket(7)",
    notebook="03",
)
def readable_when_there_is_enough_data(lab: Lab) -> None:
    """The mark is 10: five bytes come, and five more. With the usual mark of 1 any byte will do."""
    near, far = lab.tcp_pair()
    lab.shows("nothing has come", lab.selected(near), [WRITABLE])
    near.setsockopt(SOL_SOCKET, SO_RCVLOWAT, 10)
    far.send(b"12345")
    lab.arrived(near, 5)
    lab.supports("five bytes", lab.selected(near), [WRITABLE])
    far.send(b"67890")
    lab.arrived(near, 10)
    lab.supports("ten bytes", lab.selected(near), [READABLE, WRITABLE])


@claim(
    "Readable: the end of stream has come",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2)",
    notebook="03",
)
def readable_at_the_end_of_stream(lab: Lab) -> None:
    """The peer shuts down its writing. Readable means that recv would not wait, and it does not.

    It stays so: a program that asks again without closing turns for ever.
    """
    near, far = lab.tcp_pair()
    far.shutdown(SHUT_WR)
    lab.reports(near, EventFlags.RDHUP)
    lab.supports("the peer has shut down", lab.selected(near), [READABLE, WRITABLE])
    lab.shows("recv", near.recv(9), b"")
    lab.supports("it was read", lab.selected(near), [READABLE, WRITABLE])


@claim(
    "Readable: a connection waits to be accepted",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2), accept(2)",
    notebook="03",
)
def readable_when_a_connection_waits(lab: Lab) -> None:
    """A listener before a client connects, then, and after accept. It is never writable."""
    listener = lab.listener()
    lab.supports("nobody has come", lab.selected(listener), [])
    client = lab.socket("client")
    client.connect_ex(listener.getsockname())
    lab.readable(listener)
    lab.supports("a client has", lab.selected(listener), [READABLE])
    lab.keep(listener.accept()[0])
    lab.supports("it was accepted", lab.selected(listener), [])


@claim(
    "Readable: an error is pending",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2), socket(7)",
    notebook="03",
)
def readable_when_an_error_is_pending(lab: Lab) -> None:
    """A UDP socket whose peer is gone, and a datagram that nobody gets: ECONNREFUSED is pending.

    recv would not wait: it reports the error, which is gone then, and the socket is idle again.
    """
    near, far = lab.udp_pair()
    far.close()
    near.send(b"x")
    lab.reports(near, ERR)
    lab.supports("refused", lab.selected(near), [READABLE, WRITABLE])
    lab.supports("recv", lab.error(near.recv, 9), "ECONNREFUSED")
    lab.supports("it was reported", lab.selected(near), [WRITABLE])


@claim(
    "Readable means that there is something to read",
    topic="select",
    verdict=Verdict.FALSE,
    truth="it means that recv would not wait: it may give the end of stream or an error, or EAGAIN "
    "if somebody else was faster",
    man="select(2)",
    notebook="03",
)
def readable_means_that_there_is_data(lab: Lab) -> None:
    """Three sockets that are readable, and what their recv gives.

    The last is read by two holders, as threads and forked servers do: only one gets the byte.
    """
    near, far = lab.tcp_pair("ended", "its peer")
    far.close()
    lab.reports(near, EventFlags.RDHUP)
    lab.shows("the peer has closed", lab.selected(near), [READABLE, WRITABLE])
    lab.contradicts("recv", near.recv(9), b"")
    near, far = lab.tcp_pair("reset", "resetting")
    lab.reset(far)
    lab.reports(near, ERR)
    lab.shows("the peer has reset", lab.selected(near), [READABLE, WRITABLE])
    lab.contradicts("recv", lab.error(near.recv, 9), "ECONNRESET")
    near, far = lab.tcp_pair("shared", "writer")
    duplicate = lab.keep(near.dup(), "other holder")
    far.send(b"x")
    lab.arrived(near, 1)
    lab.shows("a byte for two holders", lab.selected(near), [READABLE, WRITABLE])
    duplicate.recv(9)
    lab.contradicts("recv of the slower one", lab.error(near.recv, 9), "EAGAIN")


@claim(
    "Writable: it is shut down for writing",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2), shutdown(2)",
    notebook="03",
)
def writable_when_shut_down_for_writing(lab: Lab) -> None:
    """A full socket is shut down. send would not wait any more: it fails at once."""
    near, far = lab.tcp_pair()
    lab.fill(near, far)
    lab.note("send until EAGAIN")
    lab.supports("its buffer is full", lab.selected(near), [])
    near.shutdown(SHUT_WR)
    lab.supports("SHUT_WR", lab.selected(near), [WRITABLE])
    lab.supports("send", lab.error(near.send, b"x"), "EPIPE")


@claim(
    "Writable: a connect has ended, either way",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2), connect(2)",
    notebook="03",
)
def writable_when_a_connect_has_ended(lab: Lab) -> None:
    """Three connects: one is pending, one has succeeded, one was refused.

    The one is pending because the listener's queue is full. A refusal is readable, too; SO_ERROR
    tells it from success.
    """
    listener = lab.listener(backlog=0)
    address = listener.getsockname()
    connected, pending, refused = map(lab.socket, ("connected", "pending", "refused"))
    connected.connect_ex(address)
    lab.readable(listener)
    pending.connect_ex(address)
    lab.supports("it goes on", lab.selected(pending), [])
    lab.supports("it has succeeded", lab.selected(connected), [WRITABLE])
    deaf = lab.socket("bound only")
    deaf.bind((lab.address, 0))
    refused.connect_ex(deaf.getsockname())
    lab.reports(refused, ERR)
    lab.supports("it was refused", lab.selected(refused), [READABLE, WRITABLE])
    lab.shows("its SO_ERROR", errorcode.get(refused.error()), "ECONNREFUSED")


@claim(
    "Writable: there is room for SO_SNDLOWAT bytes",
    topic="select",
    verdict=Verdict.CONDITION,
    truth="there must be room, but SO_SNDLOWAT is 1, can't be changed and is not asked: a third of "
    "the send buffer must be free",
    man="select(2), socket(7)",
    notebook="06",
)
def writable_when_there_is_room_for_so_sndlowat(lab: Lab) -> None:
    """A full buffer, of which the peer reads until a byte fits again, and then all.

    By then send takes a byte, more than SO_SNDLOWAT asks for, and yet the socket is not writable.
    Waiting for a third saves wake-ups for a few bytes each.
    """
    near, far = lab.tcp_pair("writer", "reader")
    near.setsockopt(SOL_SOCKET, SO_SNDBUF, 200_000)
    lab.supports("empty", lab.selected(near), [WRITABLE])
    taken = lab.fill(near, far)
    lab.note(f"{taken:,} bytes sent until EAGAIN")
    lab.supports("full", lab.selected(near), [])
    lab.shows("SO_SNDLOWAT", near.getsockopt(SOL_SOCKET, SO_SNDLOWAT), 1)
    lab.read_until(far, lambda: near.try_send(b"x"))
    lab.note("the peer has read some")
    lab.contradicts("send has just taken a byte again", lab.selected(near), [])
    lab.read_until(far, lambda: near.outq() < taken // 4)
    lab.note("the peer has read some")
    lab.supports("the reader has read nearly all", lab.selected(near), [WRITABLE])


@claim(
    "select's third set is for errors",
    topic="select",
    verdict=Verdict.FALSE,
    truth="it is for out-of-band data and the like (POLLPRI); an error makes a socket readable and "
    "writable",
    man="select(2), poll(2)",
    notebook="03",
)
def the_exceptional_set_is_for_errors(lab: Lab) -> None:
    """Three sockets: one was reset, one was refused, one got an urgent byte.

    In the kernel the three sets ask for these flags of poll: the first for RDNORM, RDBAND, IN, HUP
    and ERR, the second for WRNORM, WRBAND, OUT and ERR, the third for PRI alone.
    """
    near, far = lab.tcp_pair("reset", "resetting")
    lab.reset(far)
    lab.reports(near, ERR)
    lab.contradicts("a reset", lab.selected(near), [READABLE, WRITABLE])
    near, far = lab.udp_pair("refused", "gone")
    far.close()
    near.send(b"x")
    lab.reports(near, ERR)
    lab.contradicts("a datagram refused", lab.selected(near), [READABLE, WRITABLE])
    near, far = lab.tcp_pair("receiver", "sender")
    far.send(b"!", MSG_OOB)
    lab.reports(near, EventFlags.PRI)
    lab.contradicts("an urgent byte", lab.selected(near), [WRITABLE, EXCEPTIONAL])
