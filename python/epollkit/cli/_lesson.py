"""The demo's lesson: the same bytes, watched by three sets. What LT, ET and ONESHOT each deliver.

The steps are performed on a real TCP connection, and the kernel is asked after each; nothing here
knows beforehand what it will answer. `explain` puts a trace into words.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Final

from epollkit import EPOLLET, EPOLLIN, EPOLLONESHOT, Scope, Socket, Trace, WaitTimeout
from epollkit.scope import MarkKind

__all__ = ["PROBES", "explain", "perform"]

PROBES: Final = {"LT": EPOLLIN, "ET": EPOLLIN | EPOLLET, "ONESHOT": EPOLLIN | EPOLLONESHOT}
"""The probes and what they ask for, in the order in which they are drawn."""

_MUST_ARRIVE = 5.0
"""Seconds that loopback gets for what it does at once."""


def perform() -> Trace:
    """Every difference between the three, in twelve steps.

    Raises:
        OSError: as socket(2), connect(2) and epoll_create1(2) give.
        WaitTimeout: what was sent did not arrive.
    """
    with Scope() as scope, Socket(timeout=_MUST_ARRIVE) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with Socket(timeout=_MUST_ARRIVE) as client:
            client.connect(listener.getsockname())
            server, _ = listener.accept()
            with server:
                server.settimeout(0.0)
                _steps(scope, scope.watch(server, "near"), scope.watch(client, "far"))
    return scope.trace


def _steps(scope: Scope, near: Socket, far: Socket) -> None:
    for name, mask in PROBES.items():
        scope.probe(name, near, mask)
    scope.wait()
    _send(far, 3, near)
    scope.wait()
    scope.wait()
    _send(far, 2, near)
    scope.wait()
    near.recv(2)
    scope.wait()
    scope.rearm()
    scope.wait()
    near.drain()
    scope.wait()


def _send(far: Socket, size: int, near: Socket) -> None:
    """Send, and wait until it has arrived."""
    expected = near.inq() + size
    far.send(bytes(size))
    began = time.monotonic()
    while near.inq() < expected:
        if time.monotonic() - began > _MUST_ARRIVE:
            raise WaitTimeout(f"{expected} bytes in the receive queue", near.inq(), _MUST_ARRIVE)


@dataclass(frozen=True, slots=True)
class _Wait:
    """One wait of one probe, and what had happened since the probe's last one."""

    delivered: bool
    unread: bool
    arrived: bool
    rearmed: bool
    armed: bool
    """No delivery since the probe was made or re-armed."""


def _waits(trace: Trace, name: str) -> Generator[_Wait]:
    (probe,) = (each for each in trace.probes if each.name == name)
    arrived, rearmed, armed = False, False, True
    for tick in trace.ticks:
        arrived |= probe.source in tick.arrivals
        mark = tick.marks.get(name)
        if mark is None:
            continue
        if mark.kind is MarkKind.ARMED:
            rearmed = armed = True
            continue
        delivered = mark.kind is MarkKind.DELIVERED
        yield _Wait(delivered, bool(tick.before[probe.source].unread), arrived, rearmed, armed)
        arrived = rearmed = False
        armed &= not delivered


_RULES: Final[tuple[tuple[str, Callable[[_Wait], bool]], ...]] = (
    ("at every wait while bytes are unread", lambda wait: wait.unread),
    (
        "once per arrival or re-arm, never for what is left over",
        lambda wait: wait.unread and (wait.arrived or wait.rearmed),
    ),
    (
        "once, then silent until re-armed, whatever arrives",
        lambda wait: wait.unread and wait.armed,
    ),
)
"""What a probe may be said to do, each with the waits at which it would deliver."""


def explain(trace: Trace) -> dict[str, str]:
    """Put into words what each probe did: the first rule that fits every wait of it.

    Returns:
        A sentence for each probe. Where no rule fits, it only counts.
    """
    return {probe.name: _sentence(list(_waits(trace, probe.name))) for probe in trace.probes}


def _sentence(waits: Sequence[_Wait]) -> str:
    count = sum(wait.delivered for wait in waits)
    told = f"{count} of {len(waits)} waits"
    for text, expected in _RULES:
        if all(wait.delivered == expected(wait) for wait in waits):
            return f"{told}: {text}"
    return f"{told} delivered"
