"""Where everything of a picture stands: the labels, the columns in lines that fit, the rows."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from epollkit.scope._causes import Told, told
from epollkit.scope._describe import describe
from epollkit.scope._drawing import LABEL, SMALL, TINY, clipped, text_width
from epollkit.scope._lanes import (
    Amounts,
    Arrivals,
    Deliveries,
    Group,
    Guesses,
    Lane,
    Level,
    States,
    groups_of,
)
from epollkit.scope._svg.columns import Column, kept_ticks, step_columns, time_columns
from epollkit.scope._svg.headings import heading_of
from epollkit.scope._svg.signs import flag_lines
from epollkit.scope._trace import Trace

__all__ = ["GAP", "MOST_LABEL", "PADDING", "SOURCE", "TITLE", "Layout", "Row", "note_of"]

PADDING: Final = 16.0
GAP: Final = 12.0
"""Between two sources, and between a label and its lane."""
SOURCE: Final = 26.0
"""The line with a source's name."""
TITLE: Final = 15.0
"""The size of its text."""
MOST_LABEL: Final = 24
"""Characters of a name that are shown; hovering shows all."""

_HEIGHTS: Final = {
    Level: 28.0,
    Amounts: 36.0,
    Arrivals: 20.0,
    States: 24.0,
    Deliveries: 30.0,
    Guesses: 22.0,
}
_RULER: Final = 30.0
_BOLD: Final = 1.28
"""How much wider bold text is."""
_TIME_WIDTH: Final = 900.0
"""Of the lanes, on the axis of time, if no width is given."""
_LEAST_TIME: Final = 60.0
_LEAST_LANES: Final = 120.0
_LEAST_WIDTH: Final = 420.0
"""Of the lanes with their labels: the legend needs as much."""
_MOST_TITLE: Final = 90
"""Characters."""


@dataclass(frozen=True, slots=True)
class Row:
    """A lane at its place, counted from the top of the piece."""

    top: float
    height: float
    lane: Lane
    group: Group

    @property
    def middle(self) -> float:
        """Where its signs stand; flags and reasons are below them."""
        return self.top + min(self.height, _HEIGHTS[type(self.lane)]) / 2


class Layout:
    """The places of one trace, in pixels; a piece's lanes begin at x = 0."""

    def __init__(self, trace: Trace, axis: str, width: int | None, most: int) -> None:
        self.trace = trace
        self.title = clipped(trace.title, _MOST_TITLE)
        self.axis = axis
        self.groups = groups_of(trace)
        self.numbers, self.left_out = kept_ticks(trace, self.groups, axis, most)
        self.told = {probe.name: list(told(trace, probe)) for probe in trace.probes}
        self.heading = heading_of(trace, self.numbers, axis, self._flag_width())
        self.gutter = self._gutter()
        wanted = None if width is None else width - self.gutter - 2 * PADDING
        self.pieces = self._time_piece(wanted) if axis == "time" else self._step_pieces(wanted)
        self.rows = list(self._rows())
        reached = max((piece[-1].right for piece in self.pieces if piece), default=0.0)
        self.lanes_width = max(reached, _LEAST_LANES)
        self.overhang = max(self.heading.overhang(piece, self.lanes_width) for piece in self.pieces)

    @property
    def width(self) -> float:
        """Of the whole picture."""
        lanes = max(self.gutter + self.lanes_width + self.overhang, _LEAST_WIDTH)
        title = text_width(self.title, TITLE) * 1.05  # it is bold
        return max(2 * PADDING + lanes + GAP / 2, title + 2 * PADDING)

    @property
    def edge(self) -> float:
        """Where the texts in the lanes have to end."""
        return self.width - 1.5 * PADDING - self.gutter

    @property
    def bottom(self) -> float:
        """Where a piece's lanes end."""
        return max((row.top + row.height for row in self.rows), default=self.heading.height)

    @property
    def piece_height(self) -> float:
        """From one piece to the next."""
        return self.bottom + (_RULER if self.axis == "time" else 0.0) + GAP

    def reason_lines(self, each: Told) -> list[str]:
        """Why nothing was reported, in one or two lines; none if the columns are too narrow."""
        room = self.heading.column
        if self.axis == "time" or not each.reason or room < text_width("disarmed", TINY):
            return []
        return [each.reason] if room >= text_width("nothing new", TINY) else each.reason.split()

    def last_probe(self, group: Group) -> float | None:
        """The middle of a source's lowest row with deliveries."""
        rows = [row for row in self.rows if row.group is group and isinstance(row.lane, Deliveries)]
        return max((row.middle for row in rows), default=None)

    def _flag_width(self) -> float:
        """The width of the widest flag that stands under a delivery."""
        marks = [each.mark for of_probe in self.told.values() for each in of_probe if each]
        flags = [flag for mark in marks for flag in flag_lines(mark)]
        return max((text_width(flag, TINY) for flag in flags), default=0.0)

    def _gutter(self) -> float:
        """The width of the labels."""
        widths = [text_width(label, LABEL) for label in self.heading.labels]
        for group in self.groups:
            name = f"{clipped(group.source.name, MOST_LABEL)}  {group.source.kind}"
            widths.append(text_width(name, LABEL) - 40)  # it may reach into the lanes
            for lane in group.lanes:
                bold = _BOLD if isinstance(lane, Deliveries) else 1.0
                widths.append(text_width(clipped(lane.label, MOST_LABEL), LABEL) * bold)
                widths.append(text_width(note_of(lane), TINY))
        return max(widths) + GAP

    def _time_piece(self, wanted: float | None) -> list[list[Column]]:
        """The columns in one line, to scale."""
        return [time_columns(self.trace, self.numbers, max(wanted or _TIME_WIDTH, _LEAST_TIME))]

    def _step_pieces(self, wanted: float | None) -> list[list[Column]]:
        """The columns, broken into lines that fit, about equally long."""
        each, count = self.heading.column, len(self.numbers)
        room = count if wanted is None else int((wanted - self.heading.most_overhang) / each)
        pieces = math.ceil(count / max(room, 1))
        room = math.ceil(count / max(pieces, 1)) or 1
        columns = step_columns(self.numbers, each)
        return [
            [column.moved(-first * each) for column in columns[first : first + room]]
            for first in range(0, count, room)
        ] or [[]]

    def _rows(self) -> Iterator[Row]:
        top = self.heading.height
        for group in self.groups:
            top += SOURCE
            for lane in group.lanes:
                height = _HEIGHTS[type(lane)] + self._below(lane)
                yield Row(top, height, lane, group)
                top += height
            top += GAP / 2

    def _below(self, lane: Lane) -> float:
        """What a probe's row needs for flags and reasons."""
        if not isinstance(lane, Deliveries):
            return 0.0
        marks = [each for each in self.told[lane.probe.name] if each is not None]
        lines = [len(flag_lines(each.mark)) + len(self.reason_lines(each)) for each in marks]
        return max(lines, default=0) * SMALL


def note_of(lane: Lane) -> str:
    """The second line of a label: a probe's mask, a queue's maximum."""
    match lane:
        case Deliveries():
            return clipped(describe(lane.probe.mask), 30)
        case Amounts():
            most = max((each or 0 for cell in lane.cells for each in cell), default=0)
            return f"max {most:,}" if lane.label == "waiting" else f"max {most:,} B"
        case _:
            return ""
