"""Listening sockets, made as the standard library makes them."""

from socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IPV6,
    IPV6_V6ONLY,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_STREAM,
    SOL_SOCKET,
    has_ipv6,
)
from typing import Any

from epollkit._epollkit import Socket

__all__ = ["create_server", "has_dualstack_ipv6"]


def has_dualstack_ipv6() -> bool:
    """Whether one AF_INET6 socket can take IPv4 and IPv6 connections here.

    Returns:
        False also where there is no IPv6 at all.

    References:
        ipv6(7) https://man7.org/linux/man-pages/man7/ipv6.7.html
    """
    if not has_ipv6:
        return False
    try:
        with Socket(AF_INET6, SOCK_STREAM) as sock:
            sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)
    except OSError:
        return False
    return True


def create_server(
    address: tuple[Any, ...],
    *,
    family: int = AF_INET,
    backlog: int | None = None,
    reuse_port: bool = False,
    dualstack_ipv6: bool = False,
    timeout: float | None = 0.0,
) -> Socket:
    """Make a TCP socket that listens: socket(2), SO_REUSEADDR, bind(2), listen(2).

    Args:
        address: (host, port), for AF_INET6 also (host, port, flowinfo, scope_id); the host "" is
            every address, port 0 lets the kernel choose.
        family: AF_INET or AF_INET6.
        backlog: for listen(2); None for 128. The kernel caps it at net.core.somaxconn.
        reuse_port: set SO_REUSEPORT, so that several sockets may listen there.
        dualstack_ipv6: take IPv4 connections, too; an AF_INET6 socket without it is IPV6_V6ONLY.
        timeout: seconds that `accept` may wait; 0.0 never, None for ever.

    Returns:
        A listening socket.

    Raises:
        OSError: EADDRINUSE, EADDRNOTAVAIL, EACCES, ...; the text has the address.
        ValueError: dualstack_ipv6 without AF_INET6, or where there is no dual stack; a negative
            time-out.
        TypeError: an address of another shape.
        OverflowError: a port outside 0-65535.

    References:
        ip(7) https://man7.org/linux/man-pages/man7/ip.7.html
    """
    if dualstack_ipv6:
        if not has_dualstack_ipv6():
            raise ValueError("dualstack_ipv6 not supported on this platform")
        if family != AF_INET6:
            raise ValueError("dualstack_ipv6 requires AF_INET6 family")
    sock = Socket(family, SOCK_STREAM, timeout=timeout)
    try:
        sock.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
        if family == AF_INET6:
            sock.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, not dualstack_ipv6)
        _bind(sock, address)
        if backlog is None:
            sock.listen()
        else:
            sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: Socket, address: tuple[Any, ...]) -> None:
    """bind(2), with the address in the error's text, as the standard library has it."""
    try:
        sock.bind(address)
    except OSError as error:
        text = f"{error.strerror} (while attempting to bind on address {address!r})"
        raise OSError(error.errno, text) from None
