"""Linux sockets and epoll for Python exactly as the kernel does them, with the hot loop in Rust."""

from select import (
    EPOLL_CLOEXEC,
    EPOLLERR,
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLHUP,
    EPOLLIN,
    EPOLLMSG,
    EPOLLONESHOT,
    EPOLLOUT,
    EPOLLPRI,
    EPOLLRDBAND,
    EPOLLRDHUP,
    EPOLLRDNORM,
    EPOLLWRBAND,
    EPOLLWRNORM,
)

from epollkit import limits, load, serve
from epollkit._doctor import Report, doctor
from epollkit._epollkit import (
    Connecting,
    ConnectMany,
    ConnectResult,
    Counters,
    Drained,
    Epoll,
    Event,
    Events,
    Peer,
    Socket,
    TcpInfo,
    __version__,
    connect,
    connect_many,
)
from epollkit._errors import ClosedEpollError, EpollkitError, HarnessError, WaitTimeout
from epollkit._flags import EventFlags
from epollkit._tcp_state import TcpState

EPOLLWAKEUP: int = EventFlags.WAKEUP.value

__all__ = [
    "EPOLLERR",
    "EPOLLET",
    "EPOLLEXCLUSIVE",
    "EPOLLHUP",
    "EPOLLIN",
    "EPOLLMSG",
    "EPOLLONESHOT",
    "EPOLLOUT",
    "EPOLLPRI",
    "EPOLLRDBAND",
    "EPOLLRDHUP",
    "EPOLLRDNORM",
    "EPOLLWAKEUP",
    "EPOLLWRBAND",
    "EPOLLWRNORM",
    "EPOLL_CLOEXEC",
    "ClosedEpollError",
    "ConnectMany",
    "ConnectResult",
    "Connecting",
    "Counters",
    "Drained",
    "Epoll",
    "EpollkitError",
    "Event",
    "EventFlags",
    "Events",
    "HarnessError",
    "Peer",
    "Report",
    "Socket",
    "TcpInfo",
    "TcpState",
    "WaitTimeout",
    "__version__",
    "connect",
    "connect_many",
    "doctor",
    "limits",
    "load",
    "serve",
]
