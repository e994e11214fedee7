"""The lanes of a picture: which rows a trace deserves, and what each shows at each tick.

The text and the SVG are drawn from the same lanes, so they say the same. A lane appears only if it
has something to say: a level that never moved, or a queue that was never filled, is left out.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from epollkit._flags import EventFlags, PollFlags
from epollkit._tcp_state import TcpState
from epollkit.scope._trace import Look, Mark, MarkKind, Probe, Source, Trace

__all__ = [
    "Amounts",
    "Arrivals",
    "Deliveries",
    "Group",
    "Guesses",
    "Lane",
    "Level",
    "States",
    "groups_of",
    "looks_before",
]


@dataclass(frozen=True, slots=True)
class Level:
    """A flag of poll(2): before and after each tick."""

    label: str
    cells: tuple[tuple[bool | None, bool | None], ...]
    """None while it is not watched yet, and once it is closed."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """The bytes in a queue before and after each tick; None where it has none."""

    label: str
    cells: tuple[tuple[int | None, int | None], ...]


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Edges: something arrived, or there is room."""

    label: str
    cells: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class States:
    """The state of the TCP connection after each tick, by name; "closed" without a descriptor."""

    label: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What each tick meant for a probe."""

    label: str
    probe: Probe
    cells: tuple[Mark | None, ...]


@dataclass(frozen=True, slots=True)
class Guesses:
    """What was predicted of a probe at each of its waits, and whether it was right."""

    label: str
    probe: Probe
    cells: tuple[tuple[bool, bool] | None, ...]
    """(guessed, right); None where the tick was no wait."""


Lane: TypeAlias = Level | Amounts | Arrivals | States | Deliveries | Guesses

_LEVELS: Final = {
    PollFlags.IN: "readable",
    PollFlags.OUT: "writable",
    PollFlags.PRI: "urgent",
    PollFlags.RDHUP: "RDHUP",
    PollFlags.HUP: "HUP",
    PollFlags.ERR: "ERR",
}


@dataclass(frozen=True, slots=True)
class Group:
    """A source and its lanes, from top to bottom."""

    source: Source
    lanes: tuple[Lane, ...]


def groups_of(trace: Trace) -> list[Group]:
    """The lanes of every source that a probe watches; of all sources if there is no probe."""
    probed = {probe.source for probe in trace.probes}
    shown = [each for each in trace.sources if each.name in probed or not probed]
    return [Group(source, tuple(_lanes(trace, source))) for source in shown]


def looks_before(trace: Trace) -> Generator[Mapping[str, Look]]:
    """What was known of the sources before each tick.

    A call that blocked while another thread made calls was looked at before those: what they left
    behind is newer.
    """
    reached, last = None, dict[str, Look]()
    for tick in trace.ticks:
        stale = reached is not None and tick.began_ns < reached
        yield {**tick.before, **last} if stale else tick.before
        reached = max(reached or 0, tick.ended_ns)
        last = dict(tick.after)


def _lanes(trace: Trace, source: Source) -> Generator[Lane]:
    looks = [
        (before.get(source.name), tick.after.get(source.name))
        for before, tick in zip(looks_before(trace), trace.ticks, strict=True)
    ]
    probes = [probe for probe in trace.probes if probe.source == source.name]
    asked = EventFlags(0)
    for probe in probes:
        asked |= probe.mask
    always = PollFlags(asked & (EventFlags.IN | EventFlags.OUT)) or PollFlags.IN
    yield from _levels(looks, always)
    yield from _inward(trace, source, looks)
    yield from _outward(trace, source, looks, asked)
    if source.kind == "tcp":
        names = tuple(_state(new) for _, new in looks)
        if len(set(names) - {""}) > 1:
            yield States("state", names)
    for probe in probes:
        marks = tuple(tick.marks.get(probe.name) for tick in trace.ticks)
        yield Deliveries(probe.name, probe, marks)
        if probe.name in trace.guesses:
            yield Guesses("guess", probe, tuple(_guesses(trace, probe)))


_Looks: TypeAlias = list[tuple[Look | None, Look | None]]


def _levels(looks: _Looks, always: PollFlags) -> Generator[Lane]:
    """The flags that moved, those that were up though it is unusual, and those of `always`."""
    for flag, label in _LEVELS.items():
        cells = tuple((_on(old, flag), _on(new, flag)) for old, new in looks)
        seen = {on for cell in cells for on in cell} - {None}
        if flag in always or len(seen) > 1 or (seen == {True} and flag != PollFlags.OUT):
            yield Level(label, cells)


def _inward(trace: Trace, source: Source, looks: _Looks) -> Generator[Lane]:
    if any(new and new.unread for _, new in looks):
        amounts = tuple((_unread(old), _unread(new)) for old, new in looks)
        listens = any(new and new.state is TcpState.LISTEN for _, new in looks)
        yield Amounts("waiting" if listens else "unread", amounts)
    if any(source.name in tick.arrivals for tick in trace.ticks):
        yield Arrivals("arrival", tuple(source.name in tick.arrivals for tick in trace.ticks))


def _outward(trace: Trace, source: Source, looks: _Looks, asked: EventFlags) -> Generator[Lane]:
    if any(new and new.unsent for _, new in looks):
        yield Amounts("unsent", tuple((_unsent(old), _unsent(new)) for old, new in looks))
    if EventFlags.OUT in asked and any(source.name in tick.room for tick in trace.ticks):
        yield Arrivals("room", tuple(source.name in tick.room for tick in trace.ticks))


def _on(look: Look | None, flag: PollFlags) -> bool | None:
    return None if look is None or PollFlags.NVAL in look.level else flag in look.level


def _unread(look: Look | None) -> int | None:
    return None if look is None else look.unread


def _unsent(look: Look | None) -> int | None:
    return None if look is None else look.unsent


def _state(look: Look | None) -> str:
    if look is None:
        return ""
    if PollFlags.NVAL in look.level:
        return "closed"
    return "" if look.state is None else look.state.name


def _guesses(trace: Trace, probe: Probe) -> Generator[tuple[bool, bool] | None]:
    guesses = iter(trace.guesses[probe.name])
    for tick in trace.ticks:
        mark = tick.marks.get(probe.name)
        if mark is None or mark.kind not in (MarkKind.DELIVERED, MarkKind.EMPTY):
            yield None
        else:
            guess = next(guesses)
            yield guess, guess == (mark.kind is MarkKind.DELIVERED)
