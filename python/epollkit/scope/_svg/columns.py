"""Where the ticks of a trace stand from left to right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from epollkit.scope._lanes import Group
from epollkit.scope._trace import Tick, Trace

__all__ = ["MOST_TICKS", "Column", "kept_ticks", "runs_of", "step_columns", "time_columns"]

MOST_TICKS: Final = 1_000
"""More columns than a screen has pixels for show nothing more."""

_SLOPE: Final = 5.0
"""Half the width of a change that happened during a call."""


@dataclass(frozen=True, slots=True)
class Column:
    """A tick's place: what was before it holds until `begin`, what is then from `end` on."""

    number: int
    """Of the tick in the trace."""
    left: float
    begin: float
    mark: float
    """Where its signs stand."""
    end: float
    right: float

    def moved(self, by: float) -> "Column":
        """The same further to the right."""
        return replace(
            self,
            left=self.left + by,
            begin=self.begin + by,
            mark=self.mark + by,
            end=self.end + by,
            right=self.right + by,
        )


def step_columns(numbers: Sequence[int], width: float) -> list[Column]:
    """Equal steps, from 0 on."""
    columns = list[Column]()
    for place, number in enumerate(numbers):
        left = place * width
        middle = left + width / 2
        columns.append(Column(number, left, middle - _SLOPE, middle, middle + _SLOPE, left + width))
    return columns


def time_columns(trace: Trace, numbers: Sequence[int], width: float) -> list[Column]:
    """Real time: from the first tick's begin at 0 to the last one's end at `width`."""
    ticks = [trace.ticks[number] for number in numbers]
    first = min((tick.began_ns for tick in ticks), default=0)
    last = max((tick.ended_ns for tick in ticks), default=0)
    scale = width / max(last - first, 1)
    columns = list[Column]()
    reached = 0.0
    for number, tick in zip(numbers, ticks, strict=True):
        end = max((tick.ended_ns - first) * scale, reached)
        begin = min(max((tick.began_ns - first) * scale, reached), end)
        columns.append(Column(number, reached, begin, end, end, end))
        reached = end
    return columns


def runs_of(names: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Each name with the first and the last place of its run."""
    first = 0
    for place, name in enumerate(names):
        if place + 1 == len(names) or names[place + 1] != name:
            yield name, first, place
            first = place + 1


def kept_ticks(
    trace: Trace, groups: Sequence[Group], axis: str, most: int = MOST_TICKS
) -> tuple[list[int], str]:
    """Which ticks are drawn, and what to say about those that are not.

    Too many: first those go in which nothing happened. If there are still too many, steps end
    early, and time is thinned out evenly.
    """
    numbers = list(range(len(trace.ticks)))
    if len(numbers) <= most:
        return numbers, ""
    eventful = [number for number in numbers if _eventful(trace.ticks, groups, number)]
    quiet = len(numbers) - len(eventful)
    said = [f"{quiet:,} of {len(numbers):,} ticks, in which nothing changed, are left out"] * (
        quiet > 0
    )
    if len(eventful) > most:
        if axis == "step":
            said.append(f"the first {most:,} of {len(eventful):,} ticks are drawn")
            eventful = eventful[:most]
        else:
            said.append(f"{most:,} of {len(eventful):,} ticks are drawn, evenly spread")
            eventful = [eventful[place * len(eventful) // most] for place in range(most)]
    return eventful, "; ".join(said)


def _eventful(ticks: Sequence[Tick], groups: Sequence[Group], number: int) -> bool:
    """Whether something was called, arrived, was reported or changed; the ends always are."""
    tick = ticks[number]
    if number in (0, len(ticks) - 1) or tick.marks or tick.arrivals or tick.room or tick.call.name:
        return True
    names = [group.source.name for group in groups]
    last = ticks[number - 1].after
    return any(
        not last.get(name) == tick.before.get(name) == tick.after.get(name) for name in names
    )
