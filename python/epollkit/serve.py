"""Ready-made native peers: RFC 862 echo, RFC 863 discard, RFC 864 chargen.

Each is an event loop in Rust on a thread of its own: it never takes the GIL, so a busy Python
thread does not slow it down. Port 0, the default, lets the kernel choose; `Peer.address` tells.

A peer's descriptors are its thread's own: they do not count towards the limit of the rest of the
process, os.closerange does not reach them, children do not inherit them, and they show in
/proc/PID/task/TID/fd rather than in /proc/PID/fd.

What they have in common: connections are accepted in batches with accept4(2). At
`max_connections` the peer accepts no more, and clients wait in the backlog. When descriptors run
out (EMFILE, ENFILE) it stops asking instead of spinning, serves those that it has, and drains the
queue when descriptors return. Data are sent first; EPOLLOUT is armed only for what did not go, and
until that is out the connection is not read: memory stays bounded.
"""

from typing import Literal

from epollkit._epollkit import Counters, Peer
from epollkit._epollkit import serve as _serve

__all__ = ["Counters", "Peer", "chargen", "discard", "echo"]


def echo(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    unix: str | bytes | None = None,
    trigger: Literal["edge", "level"] = "edge",
    max_connections: int | None = None,
    backlog: int = 4096,
) -> Peer:
    r"""Send back what comes (RFC 862).

    Args:
        host: where to listen; an IPv4 or IPv6 address, or a name.
        port: 0 for one that the kernel chooses.
        unix: listen on this Unix path instead, which is removed at the end; bytes that begin with
            NUL are an abstract name.
        trigger: "edge" reads until drained, "level" once per report.
        max_connections: at most so many at a time; None for as many as there are descriptors.
        backlog: for listen(2); the kernel caps it at net.core.somaxconn.

    Returns:
        A running Peer: use it as a context manager, or close it.

    Raises:
        OSError: EADDRINUSE, EADDRNOTAVAIL, EACCES, EMFILE, ...; the address is in a note.
        ValueError: an unknown trigger, a max_connections below 1.

    References:
        RFC 862 https://www.rfc-editor.org/rfc/rfc862
    """
    return _start("echo", host, port, unix, trigger, max_connections, backlog)


def discard(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    unix: str | bytes | None = None,
    trigger: Literal["edge", "level"] = "edge",
    max_connections: int | None = None,
    backlog: int = 4096,
) -> Peer:
    """Throw away what comes (RFC 863). Arguments, result and errors are those of `echo`.

    References:
        RFC 863 https://www.rfc-editor.org/rfc/rfc863
    """
    return _start("discard", host, port, unix, trigger, max_connections, backlog)


def chargen(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    unix: str | bytes | None = None,
    trigger: Literal["edge", "level"] = "edge",
    max_connections: int | None = None,
    backlog: int = 4096,
) -> Peer:
    """Send lines of 72 characters without end, and throw away what comes (RFC 864).

    Sends as fast as the client reads, and until the client closes. Arguments, result and errors
    are those of `echo`.

    References:
        RFC 864 https://www.rfc-editor.org/rfc/rfc864
    """
    return _start("chargen", host, port, unix, trigger, max_connections, backlog)


def _start(  # noqa: PLR0917 - the public signatures' arguments, in their order
    service: str,
    host: str,
    port: int,
    unix: str | bytes | None,
    trigger: Literal["edge", "level"],
    max_connections: int | None,
    backlog: int,
) -> Peer:
    address = (host, port) if unix is None else unix
    return _serve(
        service,
        address,
        trigger=trigger,
        max_connections=max_connections,
        backlog=backlog,
    )
