"""connect: what it returns, what is seen while it goes on, and how its outcome is learned."""

import errno
from socket import SOCK_DGRAM
from typing import Final

from epollkit import (
    EPOLLIN,
    EPOLLOUT,
    EPOLLRDHUP,
    Connecting,
    Epoll,
    EventFlags,
    Socket,
    TcpState,
    select,
)
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ERR, HUP, RDHUP = (
    EventFlags.IN,
    EventFlags.OUT,
    EventFlags.ERR,
    EventFlags.HUP,
    EventFlags.RDHUP,
)
ALL: Final = EPOLLIN | EPOLLOUT | EPOLLRDHUP


def _nobody(lab: Lab) -> tuple[str, int]:
    """An address where nobody listens, and that nobody else can take."""
    taken = lab.keep(Socket())
    taken.bind((lab.address, 0))
    address: tuple[str, int] = taken.getsockname()
    return address


def _decided(lab: Lab, client: Socket | Connecting) -> None:
    """Wait until the attempt has an outcome."""
    with Epoll() as watch:
        watch.register(client.fileno(), EPOLLOUT)
        lab.wait_until("an outcome", lambda: watch.wait(MUST_ARRIVE))


def _pending_error(client: Socket) -> str:
    """SO_ERROR by its name."""
    return errno.errorcode.get(client.error(), "none")


@claim(
    "A blocking connect returns when the server accepts",
    topic="connect",
    verdict=Verdict.FALSE,
    truth="it returns when the handshake is done, which the server's kernel does on its own",
    man="connect(2), listen(2)",
    notebook="02",
)
def blocking_connect_waits_for_accept(lab: Lab) -> None:
    """A client connects and sends while nobody calls accept; then the server accepts and reads.

    listen is the consent. From then on the kernel answers SYNs and keeps what arrives.
    """
    listener = lab.listener()
    client = lab.socket("client", timeout=None)
    lab.contradicts("connect", lab.error(client.connect, listener.getsockname()), "none")
    lab.contradicts("the client's state", client.tcp_info().state, TcpState.ESTABLISHED)
    lab.contradicts("bytes sent", client.send(b"hello"), 5)
    lab.readable(listener)
    server = lab.keep(listener.accept()[0], "server")
    lab.arrived(server, 5)
    lab.shows("accepted and read only then", server.recv(5), b"hello")


@claim(
    "A non-blocking connect gives EINPROGRESS; when it is decided the socket is writable",
    topic="connect",
    verdict=Verdict.TRUE,
    man="connect(2)",
    notebook="02",
)
def nonblocking_connect_ends_writable(lab: Lab) -> None:
    """Clients call a listener, one that is full, and an address where nobody listens.

    connect sends a SYN and returns. The answer changes the state, and a change of state wakes
    those who wait. As long as there is none, nothing is reported.
    """
    full, listener = lab.full_listener(), lab.listener()
    good, bad, waiting = lab.socket("good"), lab.socket("bad"), lab.socket("waiting")
    lab.supports("to a listener", lab.error(good.connect, listener.getsockname()), "EINPROGRESS")
    lab.supports("to nobody", lab.error(bad.connect, _nobody(lab)), "EINPROGRESS")
    called = lab.error(waiting.connect, full.getsockname())
    lab.supports("to a full listener", called, "EINPROGRESS")
    _decided(lab, good)
    _decided(lab, bad)
    epoll = lab.epoll("LT", good, bad, waiting, mask=ALL)
    seen = {event.fd: event.flags for event in epoll.wait(0)}
    lab.supports("accepted: epoll", seen.get(good.fileno()), OUT)
    lab.supports("refused: epoll", seen.get(bad.fileno()), IN | OUT | ERR | HUP | RDHUP)
    lab.supports("no answer: epoll", seen.get(waiting.fileno()), None)


@claim(
    "SO_ERROR tells how a connect ended",
    topic="connect",
    verdict=Verdict.TRUE,
    man="connect(2), socket(7)",
    notebook="02",
)
def so_error_tells_how_connect_ended(lab: Lab) -> None:
    """SO_ERROR of an attempt that succeeded, of one that was refused, and of one under way.

    For the last it is 0, too: it is no answer before there is one. `Connecting.finish` asks the
    same and raises.
    """
    listener, full = lab.listener(), lab.full_listener()
    good, bad, waiting = lab.socket("good"), lab.socket("bad"), lab.socket("waiting")
    lab.outcome(good.connect, listener.getsockname())
    _decided(lab, good)
    lab.supports("accepted", _pending_error(good), "none")
    lab.outcome(bad.connect, _nobody(lab))
    _decided(lab, bad)
    lab.supports("refused", _pending_error(bad), "ECONNREFUSED")
    lab.outcome(waiting.connect, full.getsockname())
    lab.shows("not decided yet", _pending_error(waiting), "none")
    connecting = lab.keep(Connecting(_nobody(lab)), "connecting")
    _decided(lab, connecting)
    lab.shows("Connecting.finish", lab.error(connecting.finish), "ECONNREFUSED")


@claim(
    "Reading SO_ERROR clears it",
    topic="connect",
    verdict=Verdict.TRUE,
    man="socket(7)",
    notebook="02",
)
def reading_so_error_clears_it(lab: Lab) -> None:
    """A refused client reads SO_ERROR twice, and is watched before and after.

    The first reading takes the error out of the socket, and ERR goes with it. The hang-up stays:
    the socket is not connected.
    """
    client = lab.socket("client")
    lab.outcome(client.connect, _nobody(lab))
    _decided(lab, client)
    epoll = lab.epoll("LT", client, mask=ALL)
    lab.shows("before: epoll", lab.ready(epoll), IN | OUT | ERR | HUP | RDHUP)
    lab.supports("read once", _pending_error(client), "ECONNREFUSED")
    lab.supports("read again", _pending_error(client), "none")
    lab.supports("after: epoll", lab.ready(epoll), IN | OUT | HUP | RDHUP)


@claim(
    "Calling connect again tells how the first call ended",
    topic="connect",
    verdict=Verdict.TRUE,
    man="connect(2)",
    notebook="02",
)
def connect_again_tells_the_outcome(lab: Lab) -> None:
    """The call is repeated: under way, after success twice, and after a refusal.

    The call that learns of the success gets 0, later ones EISCONN. The call that learns of the
    failure takes the error with it; the next one would start a new attempt.
    """
    listener, full, nobody = lab.listener(), lab.full_listener(), _nobody(lab)
    waiting, good, bad = lab.socket("waiting"), lab.socket("good"), lab.socket("bad")
    lab.outcome(waiting.connect, full.getsockname())
    again = lab.error(waiting.connect, full.getsockname())
    lab.supports("under way", again, "EALREADY")
    lab.outcome(good.connect, listener.getsockname())
    _decided(lab, good)
    lab.supports("accepted", lab.error(good.connect, listener.getsockname()), "none")
    lab.supports("once more", lab.error(good.connect, listener.getsockname()), "EISCONN")
    lab.outcome(bad.connect, nobody)
    _decided(lab, bad)
    lab.supports("refused", lab.error(bad.connect, nobody), "ECONNREFUSED")


@claim(
    "A socket whose connect failed can be used for another attempt",
    topic="connect",
    verdict=Verdict.CONDITION,
    truth="on Linux the next connect only ends the failed attempt (ECONNABORTED, if SO_ERROR was "
    "read), the one after it starts a new one; POSIX leaves it open: make a new socket",
    man="connect(2)",
    notebook="02",
)
def failed_socket_can_connect_again(lab: Lab) -> None:
    """A refused client reads its error, and calls a listener twice with the same socket."""
    listener = lab.listener()
    client = lab.socket("client")
    lab.outcome(client.connect, _nobody(lab))
    _decided(lab, client)
    lab.shows("refused", _pending_error(client), "ECONNREFUSED")
    first = lab.error(client.connect, listener.getsockname())
    lab.contradicts("connect to a listener", first, "ECONNABORTED")
    second = lab.error(client.connect, listener.getsockname())
    lab.supports("connect again", second, "EINPROGRESS")
    _decided(lab, client)
    lab.supports("its state then", client.tcp_info().state, TcpState.ESTABLISHED)


@claim(
    "Writable means connected",
    topic="connect",
    verdict=Verdict.FALSE,
    truth="writable means that a call would not wait, be it because it fails at once",
    man="connect(2), poll(2), epoll(7)",
    notebook="02",
)
def writable_means_connected(lab: Lab) -> None:
    """Sockets that are not connected are asked whether they are writable; and a listener.

    A TCP socket reports HUP while it has no connection: before there is one, and after its end.
    """
    refused = lab.socket("refused")
    lab.outcome(refused.connect, _nobody(lab))
    _decided(lab, refused)
    fresh, udp = lab.socket("fresh"), lab.socket("udp", kind=SOCK_DGRAM)
    idle = lab.listener("idle")
    epoll = lab.epoll("LT", refused, fresh, udp, idle, mask=ALL)
    seen = {event.fd: event.flags for event in epoll.wait(0)}
    lab.contradicts("refused: epoll", seen.get(refused.fileno()), IN | OUT | ERR | HUP | RDHUP)
    lab.contradicts("a new TCP socket: epoll", seen.get(fresh.fileno()), OUT | HUP)
    lab.contradicts("a new UDP socket: epoll", seen.get(udp.fileno()), OUT)
    lab.shows("an idle listener: epoll", seen.get(idle.fileno()), None)
    readable, writable, _ = lab.call(select, [fresh], [fresh], [], 0)
    lab.contradicts("a new TCP socket: select calls it writable", writable == [fresh], True)
    lab.shows("a new TCP socket: select calls it readable", readable == [fresh], True)


@claim(
    "connect on a UDP socket reaches the peer",
    topic="connect",
    verdict=Verdict.FALSE,
    truth="it sends nothing and only notes the address; a later call tells that nobody is there",
    man="udp(7), connect(2)",
    notebook="02",
)
def udp_connect_reaches_the_peer(lab: Lab) -> None:
    """A UDP socket connects to a port that nobody has, sends, and sends again.

    The first datagram is answered by an ICMP message, which becomes the socket's pending error.
    The next call of any kind takes it, and does not do what it was called for.
    """
    taken = lab.keep(Socket(type=SOCK_DGRAM))
    taken.bind((lab.address, 0))
    taken.connect(taken.getsockname())  # now it takes no datagrams of others, and keeps its port
    client = lab.socket("client", kind=SOCK_DGRAM)
    lab.contradicts("connect", lab.error(client.connect, taken.getsockname()), "none")
    lab.contradicts("the first send: bytes", client.send(b"hello"), 5)
    lab.readable(client)
    lab.shows("the second send", lab.error(client.send, b"hello"), "ECONNREFUSED")
    lab.shows("the third send: bytes", client.send(b"hello"), 5)
