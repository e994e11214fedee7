"""accept: what the new socket inherits, and the errors after which a server goes on."""

import os
import socket
from socket import (
    AF_UNIX,
    IPPROTO_TCP,
    SO_KEEPALIVE,
    SO_RCVBUF,
    SOCK_NONBLOCK,
    SOL_SOCKET,
    TCP_NODELAY,
)
from typing import Final

from epollkit import EPOLLET, EPOLLIN, EventFlags, Socket
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

IN = EventFlags.IN


def _call(lab: Lab, listener: Socket, name: str = "client") -> Socket:
    """A client that is connected, and queued at the listener."""
    client = lab.socket(name, timeout=MUST_ARRIVE)
    client.connect(listener.getsockname())
    lab.readable(listener)
    return client


@claim(
    "A plain accept does not inherit O_NONBLOCK from the listener",
    topic="accept",
    verdict=Verdict.TRUE,
    man="accept(2)",
    notebook="01",
)
def accept_does_not_inherit_nonblocking(lab: Lab) -> None:
    """A listener in non-blocking mode accepts, once without the flag and once with it.

    On Linux the new open file has the flags that accept4 was given and no others; on BSD it has
    the listener's. The standard library's accept gives SOCK_CLOEXEC, epollkit's both.
    """
    listener = lab.listener()
    lab.shows("the listener", lab.flags(listener), ["O_NONBLOCK", "FD_CLOEXEC"])
    _call(lab, listener, "first client")
    standard = socket.socket(fileno=os.dup(listener.fileno()))
    lab.keep(standard)
    plain, _ = lab.call(standard.accept)
    lab.keep(plain, "plain")
    lab.supports("accepted without SOCK_NONBLOCK", lab.flags(plain), ["FD_CLOEXEC"])
    _call(lab, listener, "second client")
    server, _ = listener.accept4(SOCK_NONBLOCK)
    lab.keep(server, "server")
    lab.shows("accepted with it", lab.flags(server), ["O_NONBLOCK", "FD_CLOEXEC"])


@claim(
    "accept4(SOCK_NONBLOCK) sets the flag in the same call",
    topic="accept",
    verdict=Verdict.TRUE,
    man="accept(2), seccomp(2)",
    notebook="01",
)
def accept4_sets_nonblock_in_one_call(lab: Lab) -> None:
    """A process that any system call but accept4(2) kills takes a connection from the queue.

    With the flag that is all there is to do. To set O_NONBLOCK afterwards is another call.
    """
    setup = """
import socket
libc = ctypes.CDLL(None)
listener = socket.create_server(("127.0.0.1", 0))
clients = [socket.create_connection(listener.getsockname()) for _ in range(4)]
def accept():
    number = libc.accept4(listener.fileno(), None, None, socket.SOCK_NONBLOCK)
    if number < 0:
        raise ConnectionError
    return number
"""
    accepted, set_later = lab.fenced(
        setup, ("accept()", "accept4"), ("os.set_blocking(accept(), False)", "accept4")
    )
    lab.supports("only accept4(2) allowed, with SOCK_NONBLOCK", accepted, "done")
    lab.shows("only accept4(2) allowed, O_NONBLOCK is set afterwards", set_later, "SIGSYS")
    listener = lab.listener()
    _call(lab, listener)
    server, _ = listener.accept4(SOCK_NONBLOCK)
    lab.keep(server, "server")
    lab.supports("its flags", lab.flags(server), ["O_NONBLOCK", "FD_CLOEXEC"])


@claim(
    "Options set on the listener hold for the sockets it accepts",
    topic="accept",
    verdict=Verdict.CONDITION,
    truth="over TCP they do; a Unix socket is born with the defaults",
    man="socket(7), tcp(7), unix(7)",
    notebook="01",
)
def accepted_sockets_inherit_options(lab: Lab) -> None:
    """A TCP and a Unix listener set options, and a client of each is accepted.

    A TCP connection is a copy of its listener, made when the handshake ends: the receive buffer
    must be set there if it is to bear on the window that the handshake agrees on.
    """
    listener = lab.socket("tcp listener")
    for level, option in ((SOL_SOCKET, SO_KEEPALIVE), (IPPROTO_TCP, TCP_NODELAY)):
        listener.setsockopt(level, option, 1)
    listener.setsockopt(SOL_SOCKET, SO_RCVBUF, 50_000)
    listener.bind((lab.address, 0))
    listener.listen(1)
    _call(lab, listener)
    server = lab.keep(listener.accept()[0], "tcp server")
    lab.supports("TCP: SO_KEEPALIVE", server.getsockopt(SOL_SOCKET, SO_KEEPALIVE), 1)
    lab.supports("TCP: TCP_NODELAY", server.getsockopt(IPPROTO_TCP, TCP_NODELAY), 1)
    lab.supports("TCP: SO_RCVBUF", server.getsockopt(SOL_SOCKET, SO_RCVBUF), 100_000)
    path = str(lab.temporary() / "socket")
    listener = lab.socket("unix listener", AF_UNIX)
    listener.setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1)
    listener.bind(path)
    listener.listen(1)
    lab.socket("unix client", AF_UNIX).connect(path)
    server = lab.keep(listener.accept()[0], "unix server")
    lab.contradicts("Unix: SO_KEEPALIVE", server.getsockopt(SOL_SOCKET, SO_KEEPALIVE), 0)


@claim(
    "accept takes connections in the order in which they were established",
    topic="accept",
    verdict=Verdict.TRUE,
    man="accept(2)",
    notebook="01",
)
def accept_takes_connections_in_order(lab: Lab) -> None:
    """Three clients connect, one after the other; then all are accepted."""
    listener = lab.listener()
    clients: list[object] = []
    for number in (1, 2, 3):
        clients.append(_call(lab, listener, f"client {number}").getsockname())
        lab.queued(listener, number)
    found = listener.accept_many()
    for server, _ in found:
        server.close()
    lab.supports("clients by their turn", [clients.index(peer) + 1 for _, peer in found], [1, 2, 3])


@claim(
    "A non-blocking accept on an empty queue gives EAGAIN",
    topic="accept",
    verdict=Verdict.TRUE,
    man="accept(2)",
    notebook="01",
)
def accept_on_an_empty_queue_is_eagain(lab: Lab) -> None:
    """A listener accepts before a client has come, after one came, and again."""
    listener = lab.listener()
    lab.supports("nobody came", lab.error(listener.accept), "EAGAIN")
    _call(lab, listener)
    lab.keep(listener.accept()[0], "server")
    lab.supports("the only one was accepted", lab.error(listener.accept), "EAGAIN")
    lab.shows("a socket that does not listen", lab.error(lab.socket().accept), "EINVAL")


_ACCEPT: Final = """
import ctypes, errno, os, resource, signal, socket, sys
listener = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def accept():
    number = libc.accept(listener, None, None)
    print("accepted" if number >= 0 else errno.errorcode[ctypes.get_errno()], flush=True)
    return number
"""
"""accept(2) itself, which neither retries nor raises, in a process of its own."""

_LIMIT: Final = """
spare = os.dup(listener)
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (spare + 1, hard))
"""
"""One descriptor more than that process has is too many."""


@claim(
    "After EAGAIN, EINTR and EMFILE a server simply goes on",
    topic="accept",
    verdict=Verdict.TRUE,
    man="accept(2)",
    notebook="01",
)
def accept_errors_are_survivable(lab: Lab) -> None:
    """A process gets one error after the other from the same listener, and then the connection.

    The errors are about the moment, not about the listener. ECONNABORTED and ENFILE are of the same
    kind; Linux gives the one for no TCP client, and for the other all of the system's files must be
    in use. Only EBADF, EINVAL, ENOTSOCK and EOPNOTSUPP are mistakes of the program.
    """
    listener = lab.listener()
    script = """
accept()
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
os.set_blocking(listener, True)
accept()
signal.setitimer(signal.ITIMER_REAL, 0)
os.set_blocking(listener, False)
client = socket.create_connection(socket.socket(fileno=os.dup(listener)).getsockname())
"""
    child = lab.child(_ACCEPT + script + _LIMIT + "accept()\nos.close(spare)\naccept()", listener)
    lab.note(f"a child: accept gives {', '.join(child.stdout.split())}")
    lab.supports("accept", child.stdout.split(), ["EAGAIN", "EINTR", "EMFILE", "accepted"])


@claim(
    "accept gives ECONNABORTED for a client that reset the connection meanwhile",
    topic="accept",
    verdict=Verdict.FALSE,
    truth="Linux hands the socket over; its first recv gives ECONNRESET",
    man="accept(2)",
    notebook="01",
)
def reset_before_accept_is_econnaborted(lab: Lab) -> None:
    """A client resets its connection while it is queued, and then accept is called.

    POSIX has ECONNABORTED for it, and other systems give it. On Linux the connection stays in the
    queue, and the error stays with it; who it was is still known to accept, not to getpeername.
    """
    listener = lab.listener()
    client = _call(lab, listener)
    name = client.getsockname()
    lab.reset(client)
    lab.contradicts("connections queued", listener.tcp_info().unacked, 1)
    server, peer = listener.accept()
    server = lab.keep(server, "server")
    lab.contradicts("accept gives the client's address", peer == name, True)
    lab.readable(server)
    lab.shows("getpeername", lab.error(server.getpeername), "ENOTCONN")
    lab.shows("the first recv", lab.error(server.recv, 1), "ECONNRESET")
    lab.shows("the second recv", lab.outcome(server.recv, 1), b"")


@claim(
    "At EMFILE the pending connection is lost",
    topic="accept",
    verdict=Verdict.FALSE,
    truth="it stays in the queue, and accept takes it when a descriptor is free",
    man="accept(2)",
    notebook="01",
)
def emfile_loses_the_connection(lab: Lab) -> None:
    """A process without a free descriptor accepts twice, closes one, and accepts again."""
    listener = lab.listener()
    client = _call(lab, listener)
    script = """
accept()
accept()
os.close(spare)
print(*socket.socket(fileno=accept()).getpeername())
"""
    child = lab.child(_ACCEPT + _LIMIT + script, listener)
    first, second, third, *peer = child.stdout.split()
    lab.note(f"a child: accept gives {first}, {second}; it closes a descriptor: {third}")
    lab.shows("accept without a free descriptor", [first, second], ["EMFILE", "EMFILE"])
    lab.contradicts("and after one is closed", third, "accepted")
    same = tuple(peer) == tuple(map(str, client.getsockname()))
    lab.contradicts("it is the client's connection", same, True)


@claim(
    "After EMFILE epoll reports the listener again",
    topic="accept",
    verdict=Verdict.CONDITION,
    truth="level-triggered it does, in every wait: a loop that spins; edge-triggered it does not, "
    "until another client comes",
    man="accept(2), epoll(7)",
    notebook="01",
)
def emfile_is_reported_again(lab: Lab) -> None:
    """A client comes, accept fails with EMFILE in a process without a free descriptor.

    The connection stays queued, so that the level stays high, and nothing happens that would be
    an edge. A server needs a descriptor in reserve, or has to stop watching the listener.
    """
    listener = lab.listener()
    level = lab.epoll("LT", listener)
    edge = lab.epoll("ET", listener, mask=EPOLLIN | EPOLLET)
    _call(lab, listener)
    lab.shows("a client came: LT", lab.ready(level), IN)
    lab.shows("a client came: ET", lab.ready(edge), IN)
    child = lab.child(_ACCEPT + _LIMIT + "accept()", listener)
    lab.note(f"a child: accept gives {child.stdout.strip()}")
    lab.shows("accept", child.stdout.strip(), "EMFILE")
    lab.supports("after it: LT", lab.ready(level), IN)
    lab.supports("and again: LT", lab.ready(level), IN)
    lab.contradicts("after it: ET", lab.ready(edge), [])
    _call(lab, listener, "another client")
    lab.queued(listener, 2)
    lab.shows("another client came: ET", lab.ready(edge), IN)
