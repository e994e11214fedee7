"""Draw a trace as text: for terminals, pytest reports, and Jupyter's text/plain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from epollkit._flags import EventFlags
from epollkit.scope._describe import describe
from epollkit.scope._lanes import (
    Amounts,
    Arrivals,
    Deliveries,
    Guesses,
    Lane,
    Level,
    States,
    groups_of,
)
from epollkit.scope._trace import Mark, MarkKind, Trace

__all__ = ["legend", "render"]


@dataclass(frozen=True, slots=True)
class _Glyphs:
    """What the picture is drawn with."""

    low: str
    rise: str
    high: str
    fall: str
    arrival: str
    wrong: str
    marks: dict[MarkKind, str]


_UNICODE: Final = _Glyphs(
    "▁",
    "\u2571",
    "▔",
    "\u2572",
    "▲",
    "✗",
    {
        MarkKind.DELIVERED: "●",
        MarkKind.EMPTY: "·",
        MarkKind.ARMED: "↻",
        MarkKind.REMOVED: "−",  # noqa: RUF001 - the minus sign
    },
)
_ASCII: Final = _Glyphs(
    "_",
    "/",
    "-",
    "\\",
    "^",
    "x",
    {
        MarkKind.DELIVERED: "@",
        MarkKind.EMPTY: ".",
        MarkKind.ARMED: "R",
        MarkKind.REMOVED: "-",
    },
)


@dataclass(frozen=True, slots=True)
class _Row:
    """A label, a cell for each tick, and what each cell is filled up with to its column's width."""

    label: str
    cells: list[str]
    fills: list[str]


def render(trace: Trace, *, ascii_only: bool = False, width: int | None = None) -> str:
    """The picture as lines without trailing spaces; see `Trace.text`."""
    rows = _rows(trace, _ASCII if ascii_only else _UNICODE)
    label_width = max(len(row.label) for row in rows)
    columns = [
        max(len(row.cells[number]) for row in rows) + 1 for number in range(len(trace.ticks))
    ]
    lines = [trace.title] if trace.title else []
    for first, last in _pieces(columns, (width or _ENDLESS) - label_width - 2):
        if first:
            lines.append("")
        for row in rows:
            drawn = "".join(
                row.cells[number].ljust(columns[number], row.fills[number])
                for number in range(first, last)
            )
            lines.append(f"{row.label:>{label_width}}  {drawn}".rstrip())
    if trace.dropped:
        lines.append(f"{trace.dropped} more calls were not kept")
    lines += trace.notes
    return "\n".join(lines)


def legend(*, ascii_only: bool = False) -> str:
    """What the signs of the picture mean, in one line."""
    glyphs = _ASCII if ascii_only else _UNICODE
    marks = glyphs.marks
    return (
        f"{marks[MarkKind.DELIVERED]} event delivered   {marks[MarkKind.EMPTY]} wait without it   "
        f"{marks[MarkKind.ARMED]} armed   {glyphs.arrival} arrived"
    )


_ENDLESS: Final = 1 << 30


def _pieces(columns: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Ranges of columns that fit side by side; at least one column each."""
    pieces, first, used = list[tuple[int, int]](), 0, 0
    for number, column in enumerate(columns):
        if used + column > room and number > first:
            pieces.append((first, number))
            first, used = number, 0
        used += column
    return [*pieces, (first, len(columns))]


def _rows(trace: Trace, glyphs: _Glyphs) -> list[_Row]:
    calls = trace.calls
    rows = list[_Row]()
    if any(call.subject for call in calls):
        rows.append(_row("on", [call.subject for call in calls]))
    rows.append(_row("call", [f"{call.name} {call.arguments}".rstrip() for call in calls]))
    if any(call.thread for call in calls):
        rows.append(_row("thread", [call.thread for call in calls]))
    if any(call.result for call in calls):
        rows.append(_row("gives", [call.result for call in calls]))
    groups = groups_of(trace)
    for group in groups:
        prefix = f"{group.source.name} " if len(groups) > 1 else ""
        for lane in group.lanes:
            labelled = isinstance(lane, Deliveries | Guesses)
            rows.append(_drawn(lane, lane.label if labelled else prefix + lane.label, glyphs))
    return rows


def _row(label: str, cells: list[str]) -> _Row:
    return _Row(label, cells, [" "] * len(cells))


def _drawn(lane: Lane, label: str, glyphs: _Glyphs) -> _Row:
    match lane:
        case Level():
            return _level(label, lane, glyphs)
        case Amounts():
            return _row(label, ["" if new is None else f"{new:,}" for _, new in lane.cells])
        case Arrivals():
            return _row(label, [glyphs.arrival if each else "" for each in lane.cells])
        case States():
            return _row(label, _changes(lane.cells))
        case Deliveries():
            return _row(label, [_mark(mark, glyphs) for mark in lane.cells])
        case Guesses():
            return _row(label, [_guess(guess, glyphs) for guess in lane.cells])


def _level(label: str, lane: Level, glyphs: _Glyphs) -> _Row:
    """A waveform: a slope in the column of the tick in which, or before which, it changed."""
    cells, fills = list[str](), list[str]()
    last = next((old for old, _ in lane.cells if old is not None), None)
    for _, new in lane.cells:
        fill = {None: " ", True: glyphs.high, False: glyphs.low}[new]
        slope = glyphs.rise if new else glyphs.fall
        cells.append(fill if new is None or new == last or last is None else slope)
        fills.append(fill)
        last = new
    return _Row(label, cells, fills)


def _changes(names: Sequence[str]) -> list[str]:
    """Each name where it is new, and nothing where it goes on."""
    return [
        name if number == 0 or name != names[number - 1] else ""
        for number, name in enumerate(names)
    ]


def _mark(mark: Mark | None, glyphs: _Glyphs) -> str:
    """The sign; with the flags behind it if they are not just what EPOLLIN gives."""
    if mark is None:
        return ""
    sign = glyphs.marks[mark.kind]
    plain = mark.kind is not MarkKind.DELIVERED or mark.flags == EventFlags.IN
    return sign if plain else f"{sign}{describe(mark.flags)}"


def _guess(guess: tuple[bool, bool] | None, glyphs: _Glyphs) -> str:
    if guess is None:
        return ""
    guessed, right = guess
    sign = glyphs.marks[MarkKind.DELIVERED if guessed else MarkKind.EMPTY]
    return sign if right else sign + glyphs.wrong
