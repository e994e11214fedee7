"""Socket options: what is stored, what is refused, and what must be set in time."""

from pathlib import Path
from socket import (
    AF_UNIX,
    IPPROTO_TCP,
    SO_RCVBUF,
    SOCK_DGRAM,
    SOL_SOCKET,
    TCP_NODELAY,
)

from epollkit import Socket
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim


@claim(
    "getsockopt(SO_RCVBUF) gives the size that was set",
    topic="creation",
    verdict=Verdict.FALSE,
    truth="the kernel doubles it, for its own bookkeeping, and keeps it within limits, at most "
    "twice net.core.rmem_max; setsockopt says nothing of it",
    man="socket(7)",
    notebook="01",
)
def receive_buffer_is_the_size_that_was_set(lab: Lab) -> None:
    """A size within the limits is set, then the smallest and a very large one.

    The buffer holds more than bytes: each packet in it has a header of the kernel's, which counts.
    """
    sock = lab.socket()
    greatest = int(Path("/proc/sys/net/core/rmem_max").read_text())
    lab.contradicts("50,000 is set", _stored(sock, 50_000), 100_000)
    lab.contradicts("1 is set", _stored(sock, 1), _more_than_a_byte)
    lab.contradicts("2**30 is set", _stored(sock, 2**30), 2 * greatest)


def _more_than_a_byte(size: int) -> bool:
    return size > 1


def _stored(sock: Socket, size: int) -> int:
    sock.setsockopt(SOL_SOCKET, SO_RCVBUF, size)
    stored: int = sock.getsockopt(SOL_SOCKET, SO_RCVBUF)
    return stored


@claim(
    "A large receive buffer must be set before connect",
    topic="connect",
    verdict=Verdict.TRUE,
    man="tcp(7), RFC 7323",
    notebook="02",
)
def window_scale_is_fixed_at_connect(lab: Lab) -> None:
    """Two clients set a megabyte, one before and one after it connects with a small buffer.

    A TCP header has 16 bits for the window. The factor for it is agreed on in the handshake, from
    the buffer of that moment: without one the peer sends 65,535 bytes and waits for an answer.
    """
    listener = lab.listener()
    early, late = (lab.socket(name, timeout=MUST_ARRIVE) for name in ("early", "late"))
    early.setsockopt(SOL_SOCKET, SO_RCVBUF, 2**20)
    late.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    for client in (early, late):
        client.connect(listener.getsockname())
    late.setsockopt(SOL_SOCKET, SO_RCVBUF, 2**20)
    sizes = {each.getsockopt(SOL_SOCKET, SO_RCVBUF) for each in (early, late)}
    lab.shows("both have buffers of one size", len(sizes), 1)
    lab.supports("before connect: shift of the window", early.tcp_info().rcv_wscale, bool)
    lab.supports("after connect: shift of the window", late.tcp_info().rcv_wscale, 0)


@claim(
    "setsockopt ignores options that a socket does not have",
    topic="creation",
    verdict=Verdict.FALSE,
    truth="it fails with ENOPROTOOPT, or where there is no such level with EOPNOTSUPP, which "
    "Linux also calls ENOTSUP",
    man="setsockopt(2)",
    notebook="01",
)
def unknown_options_are_ignored(lab: Lab) -> None:
    """A number that no option has, and an option of TCP on a UDP and on a Unix socket."""
    tcp = lab.socket("tcp")
    lab.contradicts("option 9999", lab.error(tcp.setsockopt, SOL_SOCKET, 9999, 1), "ENOPROTOOPT")
    udp = lab.socket("udp", kind=SOCK_DGRAM)
    lab.contradicts(
        "TCP_NODELAY on a UDP socket",
        lab.error(udp.setsockopt, IPPROTO_TCP, TCP_NODELAY, 1),
        "ENOPROTOOPT",
    )
    unix = lab.socket("unix", AF_UNIX)
    seen = lab.error(unix.setsockopt, IPPROTO_TCP, TCP_NODELAY, 1)
    lab.contradicts("TCP_NODELAY on a Unix socket", seen, "ENOTSUP")
