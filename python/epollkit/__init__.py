"""Linux sockets and epoll for Python exactly as the kernel does them, with the hot loop in Rust.

The functions around sockets are here under the names that the standard library's `socket` has for
them. Those that only convert or ask the system are its own. The constants stay `socket.AF_INET` and
so on: there are hundreds, they depend on the interpreter, and a second name would buy nothing. The
EPOLL* ones are here because `Epoll` is.

What only experiments and tests need is imported when it is first asked for.
"""

import importlib
import typing
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
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLMSG,
    POLLNVAL,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from socket import (
    CMSG_LEN,
    CMSG_SPACE,
    getdefaulttimeout,
    getfqdn,
    gethostbyaddr,
    gethostbyname_ex,
    gethostname,
    getprotobyname,
    getservbyname,
    getservbyport,
    has_ipv6,
    htonl,
    htons,
    if_indextoname,
    if_nameindex,
    if_nametoindex,
    inet_aton,
    inet_ntoa,
    inet_ntop,
    inet_pton,
    ntohl,
    ntohs,
    setdefaulttimeout,
)

from epollkit import limits, load, serve
from epollkit._create import create_server, has_dualstack_ipv6
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
    Poll,
    Sample,
    Sampler,
    SamplerCounters,
    Socket,
    TcpInfo,
    __version__,
    connect,
    connect_many,
    create_connection,
    fromfd,
    getaddrinfo,
    gethostbyname,
    getnameinfo,
    select,
    socketpair,
)
from epollkit._errors import ClosedEpollError, EpollkitError, HarnessError, WaitTimeout
from epollkit._flags import EventFlags, PollFlags
from epollkit._selector import EpollSelector
from epollkit._tcp_state import TcpState

if typing.TYPE_CHECKING:
    from epollkit import scope, semantics, testing
    from epollkit.scope import Scope, Trace, load_ipython_extension, unload_ipython_extension

EPOLLWAKEUP: int = EventFlags.WAKEUP.value

_LATER = {
    "Scope": "scope",
    "Trace": "scope",
    "load_ipython_extension": "scope",
    "scope": "",
    "semantics": "",
    "testing": "",
    "unload_ipython_extension": "scope",
}
"""By name: the module that has it; none for a module itself."""


def __getattr__(name: str) -> object:
    """Import what is asked for the first time."""
    if name not in _LATER:
        raise AttributeError(f"module 'epollkit' has no attribute {name!r}")
    module = importlib.import_module(f"epollkit.{_LATER[name] or name}")
    value = globals()[name] = getattr(module, name) if _LATER[name] else module
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__all__ = [
    "CMSG_LEN",
    "CMSG_SPACE",
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
    "POLLERR",
    "POLLHUP",
    "POLLIN",
    "POLLMSG",
    "POLLNVAL",
    "POLLOUT",
    "POLLPRI",
    "POLLRDBAND",
    "POLLRDHUP",
    "POLLRDNORM",
    "POLLWRBAND",
    "POLLWRNORM",
    "ClosedEpollError",
    "ConnectMany",
    "ConnectResult",
    "Connecting",
    "Counters",
    "Drained",
    "Epoll",
    "EpollSelector",
    "EpollkitError",
    "Event",
    "EventFlags",
    "Events",
    "HarnessError",
    "Peer",
    "Poll",
    "PollFlags",
    "Report",
    "Sample",
    "Sampler",
    "SamplerCounters",
    "Scope",
    "Socket",
    "TcpInfo",
    "TcpState",
    "Trace",
    "WaitTimeout",
    "__version__",
    "connect",
    "connect_many",
    "create_connection",
    "create_server",
    "doctor",
    "fromfd",
    "getaddrinfo",
    "getdefaulttimeout",
    "getfqdn",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_ex",
    "gethostname",
    "getnameinfo",
    "getprotobyname",
    "getservbyname",
    "getservbyport",
    "has_dualstack_ipv6",
    "has_ipv6",
    "htonl",
    "htons",
    "if_indextoname",
    "if_nameindex",
    "if_nametoindex",
    "inet_aton",
    "inet_ntoa",
    "inet_ntop",
    "inet_pton",
    "limits",
    "load",
    "load_ipython_extension",
    "ntohl",
    "ntohs",
    "scope",
    "select",
    "semantics",
    "serve",
    "setdefaulttimeout",
    "socketpair",
    "testing",
    "unload_ipython_extension",
]
