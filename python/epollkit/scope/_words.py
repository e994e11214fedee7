"""A trace in words: for screen readers, and for what hovering over the picture shows."""

from collections.abc import Sequence
from typing import Final

from epollkit.scope._describe import describe
from epollkit.scope._drawing import clipped
from epollkit.scope._trace import Call, Look, Probe, Tick, Trace

__all__ = ["call_in_words", "duration_in_words", "is_short_write", "summary", "tick_in_words"]

_MOST: Final = 8
"""Probes, or sources, that are told of one by one."""
_MOST_WAITS: Final = 30
_MOST_NAME: Final = 60
"""Characters of what others have named."""


def summary(trace: Trace) -> str:
    """What the picture shows: the title, the probes, and which of their waits delivered."""
    calls = sum(1 for tick in trace.ticks if tick.call.name)
    what = f"{calls:,} calls" if calls else f"{len(trace.ticks):,} looks"
    named = ", ".join(clipped(each.name, _MOST_NAME) for each in trace.sources[:_MOST])
    said = [f"Timeline of {what}" + (f" on {named}" if named else "")]
    if trace.title:
        said.insert(0, clipped(trace.title, 200))
    said += [_probe(trace, probe) for probe in trace.probes[:_MOST]]
    if len(trace.probes) > _MOST:
        said.append(f"{len(trace.probes) - _MOST} more probes")
    if trace.guesses:
        said.append(f"{len(trace.mistakes)} mistakes in the prediction")
    return ". ".join(said) + "."


def _probe(trace: Trace, probe: Probe) -> str:
    flags = trace.deliveries(probe.name)
    seen = [str(number) for number, each in enumerate(flags, 1) if each]
    name = f"{clipped(probe.name, _MOST_NAME)} ({describe(probe.mask)})"
    if not flags:
        return f"{name} was not asked"
    if not seen:
        return f"{name} reported nothing in {len(flags)} waits"
    which = ", ".join(seen[:_MOST_WAITS]) + (" and more" if len(seen) > _MOST_WAITS else "")
    return f"{name} reported in wait {which} of {len(flags)}"


def call_in_words(call: Call) -> str:
    """The call and what came of it, in one line."""
    gives = f" → {call.result}" if call.result else ""
    return f"{call}{gives}"


def is_short_write(call: Call) -> bool:
    """Whether less was sent than was given."""
    given = call.arguments.split(" ", 1)[0].replace(",", "")
    sent = call.result.replace(",", "")
    sends = call.name in ("send", "sendto", "sendmsg", "try_send", "write")
    return sends and given.isdecimal() and sent.isdecimal() and int(sent) < int(given)


def tick_in_words(tick: Tick, names: Sequence[str]) -> str:
    """Everything about a tick, in lines."""
    call = tick.call
    lines = [clipped(call_in_words(call), 300) or "looked"]
    if call.errno is not None:
        lines[0] += f" (errno {call.errno})"
    if is_short_write(call):
        lines.append("a short write: the rest was not taken")
    if call.thread:
        lines.append(f"thread {clipped(call.thread, _MOST_NAME)}")
    took = duration_in_words(tick.ended_ns - tick.began_ns)
    lines.append(f"at {duration_in_words(tick.began_ns)}, took {took}")
    for name in names[:_MOST]:
        look = tick.after.get(name)
        if look is not None:
            news = ", something arrived" * (name in tick.arrivals)
            lines.append(f"{clipped(name, _MOST_NAME)}: {_look(look)}{news}")
    return "\n".join(lines)


def _look(look: Look) -> str:
    said = [describe(look.level)]
    if look.unread is not None:
        said.append(f"unread {look.unread:,}")
    if look.unsent is not None:
        said.append(f"unsent {look.unsent:,}")
    if look.state is not None:
        said.append(look.state.name)
    return ", ".join(said)


def duration_in_words(nanoseconds: int) -> str:
    """Three digits and a unit."""
    for size, unit in ((10**9, "s"), (10**6, "ms"), (10**3, "µs")):
        if abs(nanoseconds) >= size:
            return (
                f"{nanoseconds / size:,.3g} {unit}"
                if abs(nanoseconds) < 1000 * size
                else (f"{nanoseconds / size:,.0f} {unit}")
            )
    return f"{nanoseconds} ns"
