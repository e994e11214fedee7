"""Making a socket: its flags, its kinds, and what it says of itself."""

import ctypes
import fcntl
import os
from socket import (
    AF_INET,
    AF_UNIX,
    IPPROTO_TCP,
    IPPROTO_UDP,
    SO_ACCEPTCONN,
    SO_DOMAIN,
    SO_PROTOCOL,
    SO_TYPE,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
    AddressFamily,
    SocketKind,
)

from epollkit import Socket
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

BOTH = ["O_NONBLOCK", "FD_CLOEXEC"]


def _from_the_kernel(lab: Lab, name: str, kind: int) -> Socket:
    """What socket(2) itself returns for this type: Python's own calls always add SOCK_CLOEXEC."""
    number = ctypes.CDLL(None).socket(int(AF_INET), int(kind), 0)
    return lab.keep(Socket(fileno=number, timeout=None), name)


@claim(
    "socket(type | SOCK_NONBLOCK | SOCK_CLOEXEC) equals creating it and two fcntl calls",
    topic="creation",
    verdict=Verdict.TRUE,
    man="socket(2), fcntl(2)",
    notebook="01",
)
def socket_flags_equal_two_fcntl_calls(lab: Lab) -> None:
    """One socket is made with both flags, another without, and fcntl sets them afterwards.

    The kernel stores the same two bits either way. In one call no other thread can fork and exec
    between creation and FD_CLOEXEC, and leak the descriptor into a program.
    """
    at_once = _from_the_kernel(lab, "at once", SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
    lab.supports("with both flags", lab.flags(at_once), BOTH)
    later = _from_the_kernel(lab, "later", SOCK_STREAM)
    lab.supports("without flags", lab.flags(later), [])
    lab.call(fcntl.fcntl, later, fcntl.F_SETFL, os.O_NONBLOCK)
    lab.call(fcntl.fcntl, later, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    lab.supports("after fcntl(F_SETFL) and fcntl(F_SETFD)", lab.flags(later), BOTH)
    lab.shows("epollkit.Socket()", lab.flags(lab.socket()), BOTH)


@claim(
    "socket(type | SOCK_NONBLOCK | SOCK_CLOEXEC) needs one system call",
    topic="creation",
    verdict=Verdict.TRUE,
    man="socket(2), seccomp(2)",
    notebook="01",
)
def socket_flags_need_one_system_call(lab: Lab) -> None:
    """Sockets are made by a process that any system call but socket(2) kills.

    With the flags the socket is complete; to set O_NONBLOCK afterwards is another call.
    """
    made, set_later = lab.fenced(
        "import socket\nmode = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC",
        ("socket.socket(type=mode)", "socket"),
        ("socket.socket().setblocking(False)", "socket"),
    )
    lab.supports("only socket(2) allowed, with both flags", made, "done")
    lab.shows("only socket(2) allowed, setblocking(False) afterwards", set_later, "SIGSYS")


@claim(
    "socket() says by its errno which of family, type and protocol does not fit",
    topic="creation",
    verdict=Verdict.TRUE,
    man="socket(2)",
    notebook="01",
)
def socket_says_what_does_not_fit(lab: Lab) -> None:
    """Sockets that cannot be: the family is looked up first, then its type, then the protocol."""
    lab.supports("family 99", lab.error(lab.call, Socket, 99), "EAFNOSUPPORT")
    lab.supports("type 99", lab.error(lab.call, Socket, AF_INET, 99), "EINVAL")
    sequenced = lab.error(lab.call, Socket, AF_INET, SOCK_SEQPACKET)
    lab.supports("AF_INET and SOCK_SEQPACKET", sequenced, "ESOCKTNOSUPPORT")
    stream = lab.error(lab.call, Socket, AF_INET, SOCK_STREAM, IPPROTO_UDP)
    lab.supports("SOCK_STREAM and IPPROTO_UDP", stream, "EPROTONOSUPPORT")
    with Socket(AF_UNIX, SOCK_SEQPACKET) as sock:
        lab.shows("AF_UNIX and SOCK_SEQPACKET", sock.type, SOCK_SEQPACKET)


@claim(
    "A descriptor can be asked what kind of socket it is",
    topic="creation",
    verdict=Verdict.TRUE,
    man="socket(7)",
    notebook="01",
)
def descriptor_says_what_kind_of_socket_it_is(lab: Lab) -> None:
    """SO_DOMAIN, SO_TYPE, SO_PROTOCOL and SO_ACCEPTCONN of a descriptor that came from elsewhere.

    SO_TYPE is the type without the flags it was created with: these are fcntl's to tell.
    """
    listener = lab.listener()
    found = lab.keep(Socket(fileno=os.dup(listener.fileno()), timeout=None), "found")

    def asked(option: int) -> int:
        value: int = found.getsockopt(SOL_SOCKET, option)
        return value

    lab.supports("SO_DOMAIN", AddressFamily(asked(SO_DOMAIN)), AF_INET)
    lab.supports("SO_TYPE", SocketKind(asked(SO_TYPE)), SOCK_STREAM)
    lab.supports("SO_PROTOCOL", asked(SO_PROTOCOL), IPPROTO_TCP)
    lab.supports("SO_ACCEPTCONN: does it listen", bool(asked(SO_ACCEPTCONN)), True)
