"""`TcpState`: what state a connection is in, as `TcpInfo.state` has it."""

import enum

__all__ = ["TcpState"]


class TcpState(enum.IntEnum):
    """State of a TCP connection: the kernel's numbers (net/tcp_states.h), the names of RFC 9293."""

    __module__ = "epollkit"

    ESTABLISHED = 1
    """Open both ways, as far as this end knows."""
    SYN_SENT = 2
    """Connecting."""
    SYN_RECV = 3
    """The handshake's first half is done."""
    FIN_WAIT1 = 4
    """Closed here, and that is not acknowledged yet."""
    FIN_WAIT2 = 5
    """Closed here; the other end may still send."""
    TIME_WAIT = 6
    """Closed at both ends; the addresses rest."""
    CLOSE = 7
    """Not connected: new, or done with."""
    CLOSE_WAIT = 8
    """The other end has closed, this one has not."""
    LAST_ACK = 9
    """Closed after the other end, and that is not acknowledged yet."""
    LISTEN = 10
    """Accepting connections."""
    CLOSING = 11
    """Both ends closed at once."""
    NEW_SYN_RECV = 12
    """A request that no socket stands for yet; TCP_INFO does not show it."""
    BOUND_INACTIVE = 13
    """Bound and nothing else; only sock_diag(7) shows it."""
