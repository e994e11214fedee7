"""`EventFlags` and `PollFlags`: the EPOLL* and POLL* bits with names that print."""

import enum
import select

__all__ = ["EventFlags", "PollFlags"]


class EventFlags(enum.IntFlag, boundary=enum.KEEP):
    """EPOLL* bits of epoll_ctl(2), as interest and as event. Ints, so they mix with `select`'s."""

    __module__ = "epollkit"

    IN = select.EPOLLIN
    """Readable: data, end of stream, a connection to accept, or an error."""
    PRI = select.EPOLLPRI
    """Out-of-band data."""
    OUT = select.EPOLLOUT
    """Writable: a third of the send buffer free, a finished connect, or an error."""
    ERR = select.EPOLLERR
    """An error is pending. Reported unasked."""
    HUP = select.EPOLLHUP
    """Both directions are shut down. Reported unasked."""
    RDHUP = select.EPOLLRDHUP
    """The peer has shut down its writing side. Must be asked for."""
    EXCLUSIVE = select.EPOLLEXCLUSIVE
    """Wake one waiter of several sets that watch the same source; with `register` only."""
    WAKEUP = 1 << 29
    """Keep the system awake while the event is pending (CAP_BLOCK_SUSPEND)."""
    ONESHOT = select.EPOLLONESHOT
    """Disarm after one delivery, until `modify` or `rearm`."""
    ET = select.EPOLLET
    """Edge-triggered: report changes, not levels."""


class PollFlags(enum.IntFlag, boundary=enum.KEEP):
    """POLL* bits of poll(2), as interest and as event. Ints, so they mix with `select`'s."""

    __module__ = "epollkit"

    IN = select.POLLIN
    """Readable: data, end of stream, a connection to accept, or an error."""
    PRI = select.POLLPRI
    """Out-of-band data."""
    OUT = select.POLLOUT
    """Writable: a third of the send buffer free, a finished connect, or an error."""
    ERR = select.POLLERR
    """An error is pending. Reported unasked."""
    HUP = select.POLLHUP
    """Both directions are shut down. Reported unasked."""
    NVAL = select.POLLNVAL
    """The number is not open. Reported unasked."""
    RDNORM = select.POLLRDNORM
    """As IN."""
    RDBAND = select.POLLRDBAND
    """Data of a priority band; unused on Linux, except by DECnet."""
    WRNORM = select.POLLWRNORM
    """As OUT."""
    WRBAND = select.POLLWRBAND
    """Room for data of a priority band."""
    MSG = select.POLLMSG
    """Unused on Linux."""
    RDHUP = select.POLLRDHUP
    """The peer has shut down its writing side. Must be asked for."""
