"""Look at a source without touching it: no data is taken, no error cleared, nothing armed."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Mapping
from socket import AF_INET, AF_INET6, AF_UNIX, IPPROTO_TCP, SOCK_STREAM, TCP_INFO
from typing import Any, Final

from epollkit._epollkit import Poll, TcpInfo
from epollkit._flags import PollFlags
from epollkit._tcp_state import TcpState
from epollkit.scope._trace import Look

__all__ = ["kind_of", "look_at", "number_of"]

_SIOCINQ: Final = 0x541B
_SIOCOUTQ: Final = 0x5411
_ALL: Final = PollFlags.IN | PollFlags.OUT | PollFlags.PRI | PollFlags.RDHUP
_CLOSED: Final = Look(PollFlags.NVAL)


def number_of(thing: Any) -> int:  # noqa: ANN401 - whatever has a fileno()
    """Its descriptor; -1 if it is closed."""
    if isinstance(thing, int):
        return thing
    try:
        return int(thing.fileno())
    except (OSError, ValueError):
        return -1


def kind_of(thing: Any) -> str:  # noqa: ANN401 - whatever has a fileno()
    """What it is: tcp, udp, unix, pipe, epoll, poll, fd, or another family's number."""
    if hasattr(thing, "register"):
        return "epoll" if hasattr(thing, "fileno") else "poll"
    if hasattr(thing, "getsockopt"):
        if thing.family == AF_UNIX:
            return "unix"
        if thing.family in (AF_INET, AF_INET6):
            return "tcp" if thing.type == SOCK_STREAM else "udp"
        return f"family {int(thing.family)}"
    with contextlib.suppress(OSError):
        if stat.S_ISFIFO(os.fstat(number_of(thing)).st_mode):
            return "pipe"
    return "fd"


def look_at(things: Mapping[str, Any]) -> dict[str, Look]:
    """What all of them look like now, by name."""
    numbers = {name: number_of(thing) for name, thing in things.items()}
    poll = Poll()
    for number in set(numbers.values()) - {-1}:
        poll.register(number, _ALL)
    levels = dict(poll.wait(0))
    return {
        name: _look(thing, numbers[name], levels.get(numbers[name], PollFlags(0)))
        for name, thing in things.items()
    }


def _look(thing: Any, number: int, level: PollFlags) -> Look:  # noqa: ANN401
    if number == -1 or PollFlags.NVAL in level:
        return _CLOSED
    information = _tcp_info(thing)
    if information is None:
        return Look(level, _queue(number, _SIOCINQ), _queue(number, _SIOCOUTQ))
    state = TcpState(information.state)
    if state is TcpState.LISTEN:
        return Look(level, information.unacked, None, state)  # connections that wait: tcp_get_info
    return Look(level, _queue(number, _SIOCINQ), _queue(number, _SIOCOUTQ), state)


def _tcp_info(thing: Any) -> TcpInfo | None:  # noqa: ANN401
    if not hasattr(thing, "getsockopt") or thing.family not in (AF_INET, AF_INET6):
        return None
    try:
        return TcpInfo(thing.getsockopt(IPPROTO_TCP, TCP_INFO, 512))
    except OSError:  # not TCP
        return None


def _queue(number: int, request: int) -> int | None:
    try:
        answer = fcntl.ioctl(number, request, bytes(4))
    except OSError:  # not a queue: an eventfd, a set
        return None
    return int.from_bytes(answer, "little")
