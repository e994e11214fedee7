"""listen: the backlog, how much it admits, and what becomes of those that wait."""

from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, SOMAXCONN
from typing import Final

from epollkit import EPOLLIN, EPOLLOUT, EPOLLRDHUP, EventFlags, Socket, TcpState
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ERR, HUP, RDHUP = (
    EventFlags.IN,
    EventFlags.OUT,
    EventFlags.ERR,
    EventFlags.HUP,
    EventFlags.RDHUP,
)
CLIENTS: Final = 3
FORMER: Final = 128
"""SOMAXCONN before Linux 5.4."""
ALL: Final = EPOLLIN | EPOLLOUT | EPOLLRDHUP


def _somaxconn() -> int:
    return int(Path("/proc/sys/net/core/somaxconn").read_text())


@claim(
    "SOMAXCONN is 128",
    topic="creation",
    verdict=Verdict.FALSE,
    truth="4096 since Linux 5.4; it is a setting of the system, and the constant in the headers "
    "need not be the same",
    man="listen(2)",
    notebook="01",
)
def somaxconn_is_128(lab: Lab) -> None:
    """net.core.somaxconn is read, and a listener asked what it got for SOMAXCONN."""
    lab.contradicts("net.core.somaxconn", _somaxconn(), lambda number: number != FORMER)
    listener = lab.listener()
    listener.listen(SOMAXCONN)
    least = min(SOMAXCONN, _somaxconn())
    lab.shows("backlog of listen(SOMAXCONN)", listener.tcp_info().sacked, least)


@claim(
    "The kernel caps the backlog at net.core.somaxconn",
    topic="creation",
    verdict=Verdict.TRUE,
    man="listen(2)",
    notebook="01",
)
def backlog_is_capped_at_somaxconn(lab: Lab) -> None:
    """A million is asked for, then 7: TCP_INFO of a listener has the backlog in force.

    listen does not fail and does not say so. To listen again sets another backlog.
    """
    listener = lab.listener()
    listener.listen(1_000_000)
    lab.supports("after listen(1,000,000)", listener.tcp_info().sacked, _somaxconn())
    listener.listen(7)
    lab.supports("after listen(7)", listener.tcp_info().sacked, min(7, _somaxconn()))


@claim(
    "The backlog is the number of connections that can wait",
    topic="creation",
    verdict=Verdict.CONDITION,
    truth="it bounds them, but one more than it says can wait: listen(0) admits one",
    man="listen(2)",
    notebook="01",
)
def backlog_is_the_number_of_waiting_connections(lab: Lab) -> None:
    """Three clients call a listener with backlog 0, then three another one with backlog 1.

    The kernel calls the queue full when its length is greater than the backlog. A connection that
    does not fit stays in SYN_SENT: its SYN was thrown away.
    """
    admitted = _connected(lab, "A", backlog=0)
    lab.supports("of 3 clients backlog 0 leaves out", CLIENTS - admitted, lambda count: count > 0)
    lab.contradicts("backlog 0 admits", admitted, 1)
    lab.contradicts("backlog 1 admits", _connected(lab, "B", backlog=1), 2)


def _connected(lab: Lab, name: str, backlog: int) -> int:
    """How many of three clients, one after the other, are connected and nobody accepts."""
    listener = lab.listener(f"{name}: backlog {backlog}", backlog)
    clients: list[Socket] = []
    for number in range(CLIENTS):
        client = lab.socket(f"{name}{number + 1}")
        lab.outcome(client.connect, listener.getsockname())
        if number <= backlog:
            lab.queued(listener, number + 1)
        clients.append(client)
    return sum(client.tcp_info().state is TcpState.ESTABLISHED for client in clients)


@claim(
    "A connection that finds the backlog full is refused",
    topic="creation",
    verdict=Verdict.FALSE,
    truth="the kernel drops its SYN, so that the client tries on; unless "
    "net.ipv4.tcp_abort_on_overflow is set",
    man="listen(2), tcp(7)",
    notebook="01",
)
def full_backlog_refuses_connections(lab: Lab) -> None:
    """A client calls a listener that admits no more.

    No answer comes, so nothing is decided: no event, no error, and the SYN is sent again after a
    second, and so on: at 1, 2, 3, 4, 5, 7, 11 s. Before tcp_syn_linear_timeouts (Linux 6.5) each
    wait was twice as long as the one before: 1, 3, 7 s.
    """
    listener = lab.full_listener()
    client = lab.socket("client")
    epoll = lab.epoll("LT", client, mask=ALL)
    lab.ready(epoll)
    started = lab.error(client.connect, listener.getsockname())
    lab.contradicts("connect", started, "EINPROGRESS")
    lab.contradicts("its state", client.tcp_info().state, TcpState.SYN_SENT)
    lab.contradicts("epoll reports", lab.ready(epoll), [])
    lab.contradicts("SO_ERROR", client.error(), 0)
    lab.shows("microseconds until it tries again", client.tcp_info().rto, 1_000_000)


@claim(
    "A client that waits for a full backlog gets in as soon as one is accepted",
    topic="creation",
    verdict=Verdict.FALSE,
    truth="only when it tries again, up to a second later: its SYN was thrown away, not queued",
    man="listen(2)",
    notebook="01",
)
def accept_lets_the_next_client_in(lab: Lab) -> None:
    """Room is made while one client waits, and a later client takes it."""
    listener = lab.full_listener()
    early = lab.socket("early")
    lab.outcome(early.connect, listener.getsockname())
    server, _ = listener.accept()
    lab.keep(server, "server")
    late = lab.socket("late")
    lab.outcome(late.connect, listener.getsockname())
    lab.queued(listener, 1)
    lab.shows("the client that came after accept", late.tcp_info().state, TcpState.ESTABLISHED)
    lab.contradicts("the one that came before", early.tcp_info().state, TcpState.SYN_SENT)


@claim(
    "connect to a Unix socket whose backlog is full gives EINPROGRESS",
    topic="connect",
    verdict=Verdict.FALSE,
    truth="EAGAIN: nothing was started, so there is nothing to wait for; a blocking connect waits",
    man="unix(7), connect(2)",
    notebook="02",
)
def unix_connect_to_a_full_backlog_is_einprogress(lab: Lab) -> None:
    """Two clients call a Unix socket with backlog 0; then a blocking one waits until one accepts.

    A Unix connect is complete when it returns. Without room it puts the caller to sleep, or
    returns EAGAIN, and no event will tell when to call again.
    """
    path = str(lab.temporary() / "socket")
    listener = lab.socket("listener", AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    first, second = lab.socket("first", AF_UNIX), lab.socket("second", AF_UNIX)
    lab.shows("the first client", lab.error(first.connect, path), "none")
    lab.contradicts("the second client", lab.error(second.connect, path), "EAGAIN")
    epoll = lab.epoll("LT", second, mask=ALL)
    lab.shows("epoll reports of the second, as of any new socket", lab.ready(epoll), OUT | HUP)
    blocking = lab.socket("blocking", AF_UNIX, timeout=None)
    connected = lab.thread(lambda: blocking.connect(path))
    lab.shows("a blocking client has returned", connected.done(), False)
    lab.keep(listener.accept()[0], "server")
    lab.shows("and after accept it gets", lab.error(connected.result, MUST_ARRIVE), "none")


@claim(
    "Any socket can listen",
    topic="creation",
    verdict=Verdict.CONDITION,
    truth="a stream socket that is not connected can; bound it need not be",
    man="listen(2)",
    notebook="01",
)
def any_socket_can_listen(lab: Lab) -> None:
    """A new TCP socket, a listener, a UDP, a connected and an unbound Unix socket try to listen."""
    fresh = lab.socket("fresh")
    lab.supports("a new TCP socket", lab.error(fresh.listen, 1), "none")
    lab.supports("one that listens already", lab.error(fresh.listen, 2), "none")
    datagrams = lab.socket("datagrams", kind=SOCK_DGRAM)
    lab.contradicts("UDP", lab.error(datagrams.listen, 1), "ENOTSUP")
    near, _ = lab.tcp_pair()
    lab.contradicts("a connected one", lab.error(near.listen, 1), "EINVAL")
    unix = lab.socket("unix", AF_UNIX)
    lab.contradicts("a Unix socket without a path", lab.error(unix.listen, 1), "EINVAL")


@claim(
    "Closing the listener ends its connections",
    topic="close",
    verdict=Verdict.CONDITION,
    truth="those that were not accepted yet are reset; accepted ones have nothing to do with it",
    man="listen(2), tcp(7)",
    notebook="01",
)
def closing_the_listener_ends_its_connections(lab: Lab) -> None:
    """Two clients are connected, one of them was accepted, and the listener is closed."""
    listener = lab.listener()
    accepted, queued = (lab.socket(name, timeout=MUST_ARRIVE) for name in ("accepted", "queued"))
    accepted.connect(listener.getsockname())
    lab.readable(listener)
    server, _ = listener.accept()
    server = lab.keep(server, "server")
    queued.connect(listener.getsockname())
    lab.readable(listener)
    listener.close()
    lab.readable(queued)
    epoll = lab.epoll("LT", queued, mask=ALL)
    lab.supports("in the queue: epoll", lab.ready(epoll), IN | OUT | ERR | HUP | RDHUP)
    lab.supports("in the queue: recv", lab.error(queued.recv, 1), "ECONNRESET")
    server.send(b"still here")
    lab.contradicts("accepted: recv", accepted.recv(10), b"still here")
