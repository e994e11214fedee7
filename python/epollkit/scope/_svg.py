"""Draw a trace as SVG: one string, without script, style sheet, font or anything else beside it.

From top to bottom: the calls, then each source with its level, its queues, what arrived, and a row
for each probe with what it was told. The columns in which a set was asked are shaded. A stroke
leads from an arrival to the delivery that it caused; where a wait came back without a source that
is ready, no stroke leads there, and a hollow ring says so.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from epollkit.scope import _signs
from epollkit.scope._causes import Told, told
from epollkit.scope._columns import MOST_TICKS, Axis, Column, kept_ticks, step_columns, time_columns
from epollkit.scope._describe import describe
from epollkit.scope._drawing import Drawing, clipped, short, text_width
from epollkit.scope._headings import heading_of
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
from epollkit.scope._legend import Legend, dot_colour, flag_lines
from epollkit.scope._palette import SANS, Palette, Theme, palette_of
from epollkit.scope._trace import Mark, MarkKind, Trace
from epollkit.scope._wave import Wave
from epollkit.scope._words import summary, tick_in_words

__all__ = ["MOST_BYTES", "render"]

MOST_BYTES: Final = 300_000
"""A notebook with larger pictures loads slowly, and most sites refuse to show it."""

_PADDING: Final = 16.0
_GAP: Final = 12.0
"""Between two sources, and between a label and its lane."""
_LABEL: Final = 12.0
_SMALL: Final = 10.0
_MOST_LABEL: Final = 24
"""Characters of a name that are shown; hovering shows all."""

_HEIGHTS: Final = {
    Level: 28.0,
    Amounts: 36.0,
    Arrivals: 20.0,
    States: 24.0,
    Deliveries: 30.0,
    Guesses: 22.0,
}
_SOURCE: Final = 26.0
"""The line with a source's name."""
_TIME_WIDTH: Final = 900.0
"""Of the lanes, on the axis of time, if no width is given."""
_LEAST_LANES: Final = 120.0


def render(
    trace: Trace, *, axis: Axis = "step", theme: Theme = "auto", width: int | None = None
) -> str:
    """The picture as an SVG document; see `Trace.svg`."""
    if axis not in ("step", "time"):
        raise ValueError(f"axis: 'step' or 'time', not {axis!r}")
    if width is not None and width < 1:
        raise ValueError(f"width: at least 1 pixel, not {width}")
    palette = palette_of(theme)
    most = MOST_TICKS
    while True:
        drawn = _Picture(trace, palette, axis, width, most).draw()
        size = len(drawn.encode())
        if size <= MOST_BYTES or most <= 1:
            return drawn
        most = min(most, len(trace.ticks))
        most = max(1, min(most - 1, int(most * MOST_BYTES / size * 0.95)))


@dataclass(frozen=True, slots=True)
class _Row:
    """A lane at its place, counted from the top of the piece."""

    top: float
    height: float
    lane: Lane
    group: Group

    @property
    def middle(self) -> float:
        return self.top + min(self.height, _HEIGHTS[type(self.lane)]) / 2


class _Picture:
    """Lays out one trace and draws it."""

    def __init__(
        self, trace: Trace, palette: Palette, axis: Axis, width: int | None, most: int
    ) -> None:
        self.trace = trace
        self.palette = palette
        self.axis: Axis = axis
        self.groups = groups_of(trace)
        self.numbers, self.left_out = kept_ticks(trace, self.groups, axis, most)
        self.told = {probe.name: list(told(trace, probe)) for probe in trace.probes}
        self.heading = heading_of(trace, self.numbers, axis, self._flag_width())
        self.gutter = self._gutter()
        wanted = None if width is None else width - self.gutter - 2 * _PADDING
        self.pieces = self._pieces(wanted)
        self.rows = list(self._rows())
        self.lanes_width = max((piece[-1].right for piece in self.pieces if piece), default=0.0)
        self.lanes_width = max(self.lanes_width, _LEAST_LANES)
        self.overhang = max(self.heading.overhang(piece, self.lanes_width) for piece in self.pieces)
        self.out = Drawing()

    # The layout.

    def _gutter(self) -> float:
        """The width of the labels."""
        widths = [text_width(label, _LABEL) for label in self.heading.labels]
        for group in self.groups:
            widths.append(text_width(_source_label(group), _LABEL) - 40)  # it may reach into them
            for lane in group.lanes:
                bold = 1.28 if isinstance(lane, Deliveries) else 1.0
                widths.append(text_width(clipped(lane.label, _MOST_LABEL), _LABEL) * bold)
                widths.append(text_width(_note_of(lane), _SMALL - 1))
        return max(widths) + _GAP

    def _flag_width(self) -> float:
        """The width of the widest flag that stands under a delivery."""
        flags = [
            text_width(line, _SMALL - 1)
            for marks in self.told.values()
            for each in marks
            if each is not None
            for line in flag_lines(each.mark)
        ]
        return max(flags, default=0.0)

    def _pieces(self, wanted: float | None) -> list[list[Column]]:
        """The columns, broken into lines that fit."""
        if self.axis == "time":
            return [time_columns(self.trace, self.numbers, max(wanted or _TIME_WIDTH, 60.0))]
        each = self.heading.column
        room = (
            len(self.numbers)
            if wanted is None
            else int((wanted - self.heading.most_overhang) / each)
        )
        pieces = math.ceil(len(self.numbers) / max(room, 1))
        room = math.ceil(len(self.numbers) / max(pieces, 1)) or 1  # no short last line
        columns = step_columns(self.numbers, each)
        return [
            [column.moved(-first * each) for column in columns[first : first + room]]
            for first in range(0, len(columns), room)
        ] or [[]]

    def _rows(self) -> Iterator[_Row]:
        top = self.heading.height
        for group in self.groups:
            top += _SOURCE
            for lane in group.lanes:
                height = _HEIGHTS[type(lane)] + self._extra(lane)
                yield _Row(top, height, lane, group)
                top += height
            top += _GAP / 2

    def _extra(self, lane: Lane) -> float:
        """What a probe's row needs for flags and reasons."""
        if not isinstance(lane, Deliveries):
            return 0.0
        marks = [each for each in self.told[lane.probe.name] if each is not None]
        lines = [len(flag_lines(each.mark)) + len(self._reason_lines(each)) for each in marks]
        return max(lines, default=0) * _SMALL

    def _reason_lines(self, each: Told) -> list[str]:
        """Why nothing was reported, in one or two lines; none if the columns are too narrow."""
        if self.axis == "time" or self.heading.column < text_width("disarmed", _SMALL - 1):
            return []
        fits = self.heading.column >= text_width("nothing new", _SMALL - 1)
        return ([each.reason] if fits else each.reason.split()) if each.reason else []

    # The drawing.

    def draw(self) -> str:
        """The whole document."""
        title = 26.0 if self.trace.title else 0.0
        bottom = max((row.top + row.height for row in self.rows), default=self.heading.height)
        axis = 30.0 if self.axis == "time" else 0.0
        piece = bottom + axis + _GAP
        notes = self._notes()
        width = 2 * _PADDING + max(self.gutter + self.lanes_width + self.overhang, 420.0) + _GAP / 2
        width = max(width, text_width(clipped(self.trace.title, 90), 15.0) * 1.05 + 2 * _PADDING)
        legend = Legend(self.groups, self.told, self.palette, width - 2 * _PADDING)
        height = 2 * _PADDING + title + piece * len(self.pieces) + legend.height + 16.0 * len(notes)
        self.out.open(
            "svg",
            xmlns="http://www.w3.org/2000/svg",
            width=math.ceil(width),
            height=math.ceil(height),
            viewBox=f"0 0 {math.ceil(width)} {math.ceil(height)}",
            role="img",
            aria_label=summary(self.trace),
            font_family=SANS,
            font_size=_LABEL,
            fill=self.palette.ink,
        )
        self.out.element(
            "rect",
            x=0.5,
            y=0.5,
            width=math.ceil(width) - 1.0,
            height=math.ceil(height) - 1.0,
            rx=8,
            fill=self.palette.card,
            stroke=self.palette.edge,
        )
        top = _PADDING
        if self.trace.title:
            self._text(_PADDING, top + 14, clipped(self.trace.title, 90), size=15, bold=True)
            top += title
        for columns in self.pieces:
            self.out.open("g", transform=f"translate({short(_PADDING + self.gutter)} {short(top)})")
            self._piece(columns, bottom)
            self.out.close("g")
            top += piece
        legend.draw(self.out, _PADDING, top)
        top += legend.height
        for note in notes:
            self._text(_PADDING, top + 10, note, size=11, fill=self.palette.muted)
            top += 16.0
        self.out.close("svg")
        return str(self.out)

    def _notes(self) -> list[str]:
        notes = [f"{self.left_out}."] if self.left_out else []
        if self.trace.dropped:
            notes.append(f"{self.trace.dropped:,} more calls were not kept: the scope was full.")
        if self.heading.unlabelled:
            notes.append(
                f"Calls whose name has no room: {self.heading.unlabelled:,}. Hover over them."
            )
        notes += self.trace.notes
        return [clipped(note[:1].upper() + note[1:], 140) for note in notes]

    def _piece(self, columns: list[Column], bottom: float) -> None:
        """One line of the picture; its lanes begin at x = 0."""
        self._background(columns, bottom)
        self.heading.draw(self.out, self.palette, columns, -_GAP)
        last = None
        for row in self.rows:
            if row.group is not last:
                self._source(row.group, row.top)
                last = row.group
            self._label(row)
            self._lane(row, columns)
        if self.axis == "time":
            self._scale(columns, bottom + 6)

    def _background(self, columns: list[Column], bottom: float) -> None:
        """What hovering over a tick shows, the shade of waits, and the guides of arrivals."""
        top = max(self.heading.height - 10, 0.0)  # the pins stand on it
        shown = [group.source.name for group in self.groups]
        for column in columns:
            tick = self.trace.ticks[column.number]
            asked = any(
                mark.kind in (MarkKind.DELIVERED, MarkKind.EMPTY) for mark in tick.marks.values()
            )
            left, right = column.left, column.right
            if self.axis == "time":
                left, right = column.mark - 2, column.mark + 2
            else:
                left, right = left + 2, right - 2
            self.out.element(
                "rect",
                title=tick_in_words(tick, shown),
                x=left,
                y=top,
                width=right - left,
                height=bottom - top,
                rx=3,
                fill=self.palette.shade if asked else "none",
                pointer_events="all",
            )

    def _source(self, group: Group, top: float) -> None:
        """A source's heading."""
        y = top - 9
        right = self.lanes_width
        self.out.element(
            "path",
            d=f"M{short(-self.gutter)} {short(top - _SOURCE + 3)}H{short(right)}",
            stroke=self.palette.edge,
            stroke_width=1,
            fill="none",
        )
        self._text(
            -self.gutter,
            y,
            clipped(group.source.name, _MOST_LABEL),
            bold=True,
            title=f"{group.source.name}: {group.source.kind}",
        )
        beside = text_width(clipped(group.source.name, _MOST_LABEL), _LABEL) * 1.2 + 5
        self._text(
            -self.gutter + beside, y, group.source.kind, size=_SMALL, fill=self.palette.muted
        )

    def _label(self, row: _Row) -> None:
        note = _note_of(row.lane)
        y = row.middle + (-1 if note else 4)
        probe = isinstance(row.lane, Deliveries)
        self._text(
            -_GAP,
            y,
            clipped(row.lane.label, _MOST_LABEL),
            anchor="end",
            title=row.lane.label,
            bold=probe,
            fill=self.palette.ink if probe else self.palette.muted,
        )
        if note:
            self._text(-_GAP, y + 11, note, anchor="end", size=_SMALL - 1, fill=self.palette.muted)

    def _lane(self, row: _Row, columns: list[Column]) -> None:
        match row.lane:
            case Level():
                self._level(row, row.lane, columns)
            case Amounts():
                self._amounts(row, row.lane, columns)
            case Arrivals():
                self._arrivals(row, row.lane, columns)
            case States():
                self._states(row, row.lane, columns)
            case Deliveries():
                self._deliveries(row, row.lane, columns)
            case Guesses():
                self._guesses(row, row.lane, columns)

    # Waves.

    def _level(self, row: _Row, lane: Level, columns: list[Column]) -> None:
        high, low = row.top + 6, row.top + 22
        colour, soft = self._colours(lane.label)
        cells = [
            tuple(None if on is None else (high if on else low) for on in cell)
            for cell in lane.cells
        ]
        wave = Wave(columns, cells, low)
        for area in wave.areas:
            self.out.element("path", d=area, fill=soft, pointer_events="none")
        self._strokes(wave, colour, f"{lane.label}: {row.group.source.name}")

    def _amounts(self, row: _Row, lane: Amounts, columns: list[Column]) -> None:
        top, floor = row.top + 14, row.top + row.height - 5  # numbers stand on the line
        colour, soft = self._colours(lane.label)
        most = max((each or 0 for cell in lane.cells for each in cell), default=0) or 1

        def height(amount: int | None) -> float | None:
            if amount is None:
                return None
            return floor - (max((floor - top) * amount / most, 2.5) if amount else 0.0)

        wave = Wave(columns, [tuple(map(height, cell)) for cell in lane.cells], floor)
        for area in wave.areas:
            self.out.element("path", d=area, fill=soft, pointer_events="none")
        self._strokes(wave, colour, f"{lane.label}: {row.group.source.name}", 1.2)
        said: int | None = None
        free = -math.inf
        changes = _next_changes(columns, lane)
        for column in columns:
            amount = lane.cells[column.number][1]
            stands = height(amount)
            x = column.end + 2
            if amount is not None and stands is not None and amount != said and x >= free:
                text = f"{amount:,}"
                if text_width(text, _SMALL) > self.heading.column - 10:
                    text = _compact(amount)
                reach = x + text_width(text, _SMALL) - 6
                if (amount or said) and reach <= changes.get(column.number, math.inf):
                    title = f"{lane.label}: {amount:,}"
                    self._text(x, stands - 2.5, text, size=_SMALL, title=title)
                    free = x + text_width(text, _SMALL) + (_GAP if self.axis == "time" else 0)
            said = amount

    def _strokes(self, wave: "Wave", colour: str, title: str, width: float = 1.8) -> None:
        if wave.known:
            self.out.element(
                "path",
                title=title,
                d=wave.known,
                fill="none",
                stroke=colour,
                stroke_width=width,
                stroke_linejoin="round",
            )
        if wave.between:
            self.out.element(
                "path",
                title="changed some time in between",
                d=wave.between,
                fill="none",
                stroke=colour,
                stroke_width=width,
                stroke_dasharray="3 2.5",
            )

    def _colours(self, label: str) -> tuple[str, str]:
        palette = self.palette
        if label in ("readable", "unread", "waiting", "arrival"):
            return palette.inward, palette.inward_soft
        if label in ("writable", "unsent", "room"):
            return palette.outward, palette.outward_soft
        if label == "ERR":
            return palette.error, palette.error_soft
        return palette.armed, palette.armed_soft

    # Signs.

    def _arrivals(self, row: _Row, lane: Arrivals, columns: list[Column]) -> None:
        inward = lane.label == "arrival"
        y = row.middle
        reach = self._last_probe(row.group)
        for column in columns:
            if not lane.cells[column.number]:
                continue
            if reach is not None:
                self.out.element(
                    "path",
                    d=f"M{short(column.mark)} {short(y + 6)}V{short(reach)}",
                    stroke=self.palette.news if inward else self.palette.outward,
                    stroke_width=1,
                    stroke_dasharray="1 3",
                    fill="none",
                    pointer_events="none",
                )
            what = "something arrived" if inward else "there may be room to send"
            _signs.triangle(
                self.out,
                column.mark,
                y,
                self.palette.news if inward else self.palette.outward,
                up=inward,
                title=f"{row.group.source.name}: {what}",
            )

    def _last_probe(self, group: Group) -> float | None:
        """How far down a guide goes."""
        return max(
            (
                row.middle
                for row in self.rows
                if row.group is group and isinstance(row.lane, Deliveries)
            ),
            default=None,
        )

    def _states(self, row: _Row, lane: States, columns: list[Column]) -> None:
        y, height = row.top + 4, row.height - 7
        for name, first, last in _runs([lane.cells[column.number] for column in columns]):
            if not name:
                continue
            left = columns[first].mark if first else columns[first].left
            right = columns[last + 1].mark if last + 1 < len(columns) else columns[last].right
            self.out.element(
                "rect",
                title=f"{row.group.source.name}: {name}",
                x=left + 0.75,
                y=y,
                width=max(right - left - 1.5, 0.8),
                height=height,
                rx=3,
                fill=_state_fill(name, self.palette),
            )
            room = int((right - left - 8) / text_width("x", _SMALL - 1))
            if room >= min(len(name), 6):
                self._text(
                    left + 5, y + height - 5, clipped(name, room), size=_SMALL - 1, title=name
                )

    def _deliveries(self, row: _Row, lane: Deliveries, columns: list[Column]) -> None:
        marks = self.told[lane.probe.name]
        y = row.middle
        places = {column.number: column for column in columns}
        self._baseline(lane, columns, y)
        for column in columns:
            each = marks[column.number]
            if each is not None and each.since is not None:
                start = places.get(each.since)
                self._stroke_to(column, columns[0].left if start is None else start.mark, y, each)
        free = -math.inf
        for column in columns:
            each = marks[column.number]
            if each is not None:
                half = max((text_width(flag, 9) for flag in flag_lines(each.mark)), default=0) / 2
                named = column.mark - half >= free
                self._mark(column.mark, y, each, lane, named=named)
                free = column.mark + half if named else free

    def _baseline(self, lane: Deliveries, columns: list[Column], y: float) -> None:
        """A thin line while the registration is armed; none while it is spent or not there."""
        if not columns:
            return
        disarmed = "ONESHOT" in describe(lane.probe.mask)
        starts = lane.cells and any(
            mark is not None and mark.kind is MarkKind.ARMED for mark in lane.cells
        )
        first = next((mark for mark in lane.cells if mark is not None), None)
        on = not (starts and first is not None and first.kind is MarkKind.ARMED)
        for mark in lane.cells[: columns[0].number]:
            on = _still(mark, on, one_shot=disarmed)
        begun = columns[0].left if on else None
        pieces = list[str]()
        for column in columns:
            now = _still(lane.cells[column.number], on, one_shot=disarmed)
            if on and not now and begun is not None:
                pieces.append(f"M{short(begun)} {short(y)}H{short(column.mark)}")
                begun = None
            elif now and not on:
                begun = column.mark
            on = now
        if begun is not None:
            pieces.append(f"M{short(begun)} {short(y)}H{short(columns[-1].right)}")
        if pieces:
            self.out.element(
                "path",
                d="".join(pieces),
                stroke=self.palette.guide,
                stroke_width=1,
                fill="none",
                pointer_events="none",
            )

    def _stroke_to(self, column: Column, start: float, y: float, each: Told) -> None:
        """From its cause to a delivery."""
        if column.mark - start < 1:
            return
        self.out.element(
            "path",
            d=f"M{short(start)} {short(y)}H{short(column.mark)}",
            stroke=self.palette.inward if each.goes_on else self.palette.news,
            stroke_width=2.2,
            stroke_opacity=0.75,
            fill="none",
            pointer_events="none",
        )

    def _mark(self, x: float, y: float, each: Told, lane: Deliveries, *, named: bool) -> None:
        palette, title = self.palette, _mark_in_words(each, lane)
        match each.mark.kind:
            case MarkKind.DELIVERED:
                _signs.dot(self.out, x, y, dot_colour(each.mark, palette), title)
                for line, flag in enumerate(flag_lines(each.mark) if named else ()):
                    self._text(x, y + 18 + line * _SMALL, flag, anchor="middle", size=_SMALL - 1)
            case MarkKind.EMPTY:
                _signs.ring(
                    self.out,
                    x,
                    y,
                    palette.missed if each.ready else palette.muted,
                    title,
                    card=palette.card,
                    small=not each.ready,
                )
                for line, reason in enumerate(self._reason_lines(each)):
                    self._text(
                        x,
                        y + 18 + line * _SMALL,
                        reason,
                        anchor="middle",
                        size=_SMALL - 1,
                        fill=palette.missed,
                    )
            case MarkKind.ARMED:
                _signs.armed(self.out, x, y, palette.armed, title, card=palette.card)
            case MarkKind.REMOVED:
                _signs.removed(self.out, x, y, palette.armed, title, card=palette.card)

    def _guesses(self, row: _Row, lane: Guesses, columns: list[Column]) -> None:
        y = row.middle - 1
        for column in columns:
            guess = lane.cells[column.number]
            if guess is None:
                continue
            guessed, right = guess
            said = "a delivery" if guessed else "none"
            title = f"{lane.probe.name}: predicted {said}, {'right' if right else 'wrong'}"
            _signs.guess(
                self.out,
                column.mark,
                y,
                self.palette.right if right else self.palette.error,
                title,
                guessed=guessed,
                right=right,
            )

    def _scale(self, columns: list[Column], y: float) -> None:
        """The axis of time: round steps, counted from the first tick."""
        if not columns:
            return
        ticks = [self.trace.ticks[column.number] for column in columns]
        span = max(max(tick.ended_ns for tick in ticks) - min(tick.began_ns for tick in ticks), 1)
        width = max(columns[-1].mark, 1.0)
        step = _round_step(span, int(width // 90) or 1)
        self.out.element(
            "path",
            d=f"M0 {short(y)}H{short(width)}"
            + "".join(
                f"M{short(at * width / span)} {short(y)}v4" for at in range(0, span + 1, step)
            ),
            stroke=self.palette.muted,
            fill="none",
        )
        for at in range(0, span + 1, step):
            self._text(
                at * width / span,
                y + 15,
                _duration(at, step),
                anchor="middle",
                size=_SMALL,
                fill=self.palette.muted,
            )

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = _LABEL,
        anchor: str = "start",
        fill: str = "",
        bold: bool = False,
        title: str = "",
    ) -> None:
        more = {"font_weight": "600"} if bold else {}
        if anchor != "start":
            more["text_anchor"] = anchor
        if fill:
            more["fill"] = fill
        self.out.element("text", title=title, text=text, x=x, y=y, font_size=size, **more)


# Words and numbers.


def _source_label(group: Group) -> str:
    return f"{clipped(group.source.name, _MOST_LABEL)}  {group.source.kind}"


def _note_of(lane: Lane) -> str:
    """The second line of a label: a probe's mask, a queue's maximum."""
    match lane:
        case Deliveries():
            return clipped(describe(lane.probe.mask), 30)
        case Amounts():
            most = max((each or 0 for cell in lane.cells for each in cell), default=0)
            return f"max {most:,}" if lane.label == "waiting" else f"max {most:,} B"
        case _:
            return ""


def _mark_in_words(each: Told, lane: Deliveries) -> str:
    name = lane.probe.name
    match each.mark.kind:
        case MarkKind.DELIVERED:
            return f"{name}: reported {describe(each.mark.flags)}"
        case MarkKind.EMPTY:
            if not each.ready:
                return f"{name}: nothing to report"
            why = {
                "nothing new": ": nothing has arrived since its last report",
                "disarmed": ": disarmed by its delivery until it is modified",
            }.get(each.reason, "")
            return f"{name}: ready, but not reported{why}"
        case MarkKind.ARMED:
            return f"{name}: armed with {describe(each.mark.flags)}"
        case MarkKind.REMOVED:
            return f"{name}: removed"


def _still(mark: Mark | None, on: bool, *, one_shot: bool) -> bool:  # noqa: FBT001 - a state
    """Whether a registration is armed after this mark."""
    if mark is None or mark.kind is MarkKind.EMPTY:
        return on
    if mark.kind is MarkKind.DELIVERED:
        return not one_shot
    return mark.kind is MarkKind.ARMED


def _runs(names: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Each name with the first and the last place of its run."""
    first = 0
    for place, name in enumerate(names):
        if place + 1 == len(names) or names[place + 1] != name:
            yield name, first, place
            first = place + 1


def _next_changes(columns: Sequence[Column], lane: Amounts) -> dict[int, float]:
    """For each tick, where the amount after it changes."""
    changes = dict[int, float]()
    change = math.inf
    for column in reversed(columns):
        changes[column.number] = change
        before, after = lane.cells[column.number]
        if before != after:
            change = column.begin
    return changes


_STATE_FILLS: Final = {
    "ESTABLISHED": "outward_soft",
    "LISTEN": "inward_soft",
    "SYN_SENT": "wait_soft",
    "SYN_RECV": "wait_soft",
    "CLOSE": "closed_soft",
    "closed": "closed_soft",
}


def _state_fill(name: str, palette: Palette) -> str:
    """The states on the way to the end share a colour."""
    return str(getattr(palette, _STATE_FILLS.get(name, "armed_soft")))


def _compact(amount: int) -> str:
    """A number in at most five characters: 3, 9,999, 64k, 2.6M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if amount >= size:
            return f"{amount / size:.3g}{unit}" if amount < 1000 * size else f"{amount:.0e}"
    return str(amount)


def _round_step(span: int, most: int) -> int:
    """A step of 1, 2 or 5 times a power of ten, so that at most so many fit."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if span // (step * factor) <= most:
                return step * factor
        step *= 10


def _duration(nanoseconds: int, step: int) -> str:
    """A time on the axis, in the unit of its step."""
    for size, unit in ((10**9, "s"), (10**6, "ms"), (10**3, "µs")):
        if step >= size:
            return f"{nanoseconds // size:,} {unit}"
    return f"{nanoseconds:,} ns"
