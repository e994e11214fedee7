"""What a probe was told: a sign for each wait, and a stroke from what led to it."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from epollkit._flags import EventFlags
from epollkit.scope._causes import Told
from epollkit.scope._describe import describe
from epollkit.scope._drawing import SMALL, TINY, short, text_width
from epollkit.scope._lanes import Deliveries
from epollkit.scope._svg import signs
from epollkit.scope._svg.columns import Column
from epollkit.scope._svg.layout import Row
from epollkit.scope._svg.piece import Piece
from epollkit.scope._trace import Mark, MarkKind

__all__ = ["draw_deliveries"]

_FLAGS: Final = 18.0
"""From a sign down to the flags below it."""


def draw_deliveries(piece: Piece, row: Row, lane: Deliveries) -> None:
    """The baseline, on it the strokes, on them the signs."""
    marks = piece.layout.told[lane.probe.name]
    _draw_baseline(piece, row.middle, lane)
    _draw_causes(piece, row.middle, marks)
    _draw_signs(piece, row.middle, marks, lane.probe.name)


# The baseline.


def _draw_baseline(piece: Piece, y: float, lane: Deliveries) -> None:
    """A thin line while the registration is armed; none while it is spent or not there."""
    runs = [f"M{short(a)} {short(y)}H{short(b)}" for a, b in _armed_runs(lane, piece.columns)]
    if runs:
        piece.out.element(
            "path",
            d="".join(runs),
            stroke=piece.palette.guide,
            stroke_width=1,
            fill="none",
            pointer_events="none",
        )


def _armed_runs(lane: Deliveries, columns: Sequence[Column]) -> Iterator[tuple[float, float]]:
    """From where to where the registration was armed."""
    if not columns:
        return
    one_shot = EventFlags.ONESHOT in lane.probe.mask
    first = next((mark for mark in lane.cells if mark is not None), None)
    on = first is None or first.kind is not MarkKind.ARMED  # then it was before the trace began
    for mark in lane.cells[: columns[0].number]:
        on = _still(mark, on, one_shot=one_shot)
    begun = columns[0].left
    for column in columns:
        now = _still(lane.cells[column.number], on, one_shot=one_shot)
        if on and not now:
            yield begun, column.mark
        elif now and not on:
            begun = column.mark
        on = now
    if on:
        yield begun, columns[-1].right


def _still(mark: Mark | None, on: bool, *, one_shot: bool) -> bool:  # noqa: FBT001 - a state
    """Whether a registration is armed after this mark."""
    if mark is None or mark.kind is MarkKind.EMPTY:
        return on
    if mark.kind is MarkKind.DELIVERED:
        return not one_shot
    return mark.kind is MarkKind.ARMED


# The strokes.


def _draw_causes(piece: Piece, y: float, marks: Sequence[Told | None]) -> None:
    """From the arrival that led to a delivery, or from the delivery since which it stayed ready."""
    marked = {column.number: column.mark for column in piece.columns}
    for column in piece.columns:
        each = marks[column.number]
        if each is None or each.since is None:
            continue
        start = marked.get(each.since, piece.columns[0].left)  # in an earlier piece, or left out
        if column.mark - start >= 1:
            piece.out.element(
                "path",
                d=f"M{short(start)} {short(y)}H{short(column.mark)}",
                stroke=piece.palette.inward if each.goes_on else piece.palette.news,
                stroke_width=2.2,
                stroke_opacity=0.75,
                fill="none",
                pointer_events="none",
            )


# The signs.


def _draw_signs(piece: Piece, y: float, marks: Sequence[Told | None], probe: str) -> None:
    """The signs; flags that would cover those of the sign before are left to hovering."""
    free = -math.inf
    for column in piece.columns:
        each = marks[column.number]
        if each is None:
            continue
        _draw_sign(piece, column.mark, y, each, f"{probe}: {_in_words(each)}")
        lines = signs.flag_lines(each.mark)
        half = max((text_width(flag, TINY) for flag in lines), default=0) / 2
        if column.mark - half >= free:
            _draw_lines(piece, column.mark, y, lines)
            free = column.mark + half
        _draw_lines(piece, column.mark, y, piece.layout.reason_lines(each), piece.palette.missed)


def _draw_sign(piece: Piece, x: float, y: float, each: Told, title: str) -> None:
    out, palette, card = piece.out, piece.palette, piece.palette.card
    match each.mark.kind:
        case MarkKind.DELIVERED:
            signs.dot(out, x, y, signs.dot_colour(each.mark, palette), title)
        case MarkKind.EMPTY:
            colour = palette.missed if each.ready else palette.muted
            signs.ring(out, x, y, colour, title, card=card, small=not each.ready)
        case MarkKind.ARMED:
            signs.armed(out, x, y, palette.armed, title, card=card)
        case MarkKind.REMOVED:
            signs.removed(out, x, y, palette.armed, title, card=card)


def _draw_lines(piece: Piece, x: float, y: float, lines: Sequence[str], fill: str = "") -> None:
    """What stands below a sign."""
    for number, line in enumerate(lines):
        place = y + _FLAGS + number * SMALL
        piece.out.text(x, place, line, anchor="middle", size=TINY, fill=fill)


def _in_words(each: Told) -> str:
    """What hovering over a sign shows."""
    match each.mark.kind:
        case MarkKind.DELIVERED:
            return f"reported {describe(each.mark.flags)}"
        case MarkKind.EMPTY:
            if not each.ready:
                return "nothing to report"
            why = {
                "nothing new": ": nothing has arrived since its last report",
                "disarmed": ": disarmed by its delivery until it is modified",
            }.get(each.reason, "")
            return f"ready, but not reported{why}"
        case MarkKind.ARMED:
            return f"armed with {describe(each.mark.flags)}"
        case MarkKind.REMOVED:
            return "removed"
