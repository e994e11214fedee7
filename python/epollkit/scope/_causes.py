"""Why a wait reported a source, or did not: what the picture connects, and what it says in words.

Only what the trace shows: that an edge lies between two waits, that a one-shot registration has
been reported and not armed since, what the level was.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass

from epollkit._flags import EventFlags, PollFlags
from epollkit.scope._lanes import looks_before
from epollkit.scope._trace import Look, Mark, MarkKind, Probe, Tick, Trace

__all__ = ["Told", "told"]

_ALWAYS = EventFlags.ERR | EventFlags.HUP
"""epoll_ctl(2): reported whether asked for or not."""


@dataclass(frozen=True, slots=True)
class Told:
    """A mark, with what led to it."""

    mark: Mark
    ready: bool = False
    """Whether the level had what the probe asks for."""
    since: int | None = None
    """A delivery: the tick of the edge, or of the earlier delivery from which the level stayed."""
    goes_on: bool = False
    """The level stayed up since the delivery before: level-triggered."""
    reason: str = ""
    """Nothing though it was ready: why, in two words."""


def told(trace: Trace, probe: Probe) -> Generator[Told | None]:
    """What each tick meant for the probe; None where it had no part in it."""
    spent = False
    edge: int | None = None
    last: int | None = None  # the last delivery, if it has been ready ever since
    for number, (before, tick) in enumerate(zip(looks_before(trace), trace.ticks, strict=True)):
        ready = _is_ready(before, probe)
        if edge is None and _edge(tick, probe):
            edge = number
        if last is not None and not ready:
            last = None
        mark = tick.marks.get(probe.name)
        if mark is None:
            yield None
            continue
        match mark.kind:
            case MarkKind.DELIVERED:
                goes_on = last is not None and EventFlags.ET not in probe.mask
                yield Told(mark, ready=True, since=last if goes_on else edge, goes_on=goes_on)
                spent = EventFlags.ONESHOT in probe.mask
                edge, last = None, number
            case MarkKind.EMPTY:
                reason = _reason(probe, spent=spent, edge=edge) if ready else ""
                yield Told(mark, ready=ready, reason=reason)
                last = None
                edge = edge if spent else None
            case MarkKind.ARMED:
                yield Told(mark)
                spent, last = False, None
                edge = number if _is_ready(tick.after, probe) else None  # it looks, and finds
            case MarkKind.REMOVED:
                yield Told(mark)
                spent, edge, last = False, None, None


def _edge(tick: Tick, probe: Probe) -> bool:
    asks = probe.mask & (EventFlags.IN | EventFlags.PRI | EventFlags.RDHUP)
    return (bool(asks) and probe.source in tick.arrivals) or (
        EventFlags.OUT in probe.mask and probe.source in tick.room
    )


def _is_ready(looks: Mapping[str, Look], probe: Probe) -> bool:
    """Whether poll(2) gave something that the probe asks for."""
    look = looks.get(probe.source)
    if look is None or PollFlags.NVAL in look.level:
        return False
    return bool(int(look.level) & int(probe.mask | _ALWAYS))


def _reason(probe: Probe, *, spent: bool, edge: int | None) -> str:
    if spent:
        return "disarmed"
    if EventFlags.ET in probe.mask and edge is None:
        return "nothing new"
    return ""
