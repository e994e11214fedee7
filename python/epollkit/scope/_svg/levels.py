"""What goes up and down: a level, and the amount in a queue."""

import math
from collections.abc import Callable, Sequence

from epollkit.scope._drawing import SMALL, text_width
from epollkit.scope._lanes import Amounts, Level
from epollkit.scope._palette import Palette
from epollkit.scope._svg.columns import Column
from epollkit.scope._svg.layout import GAP, Row
from epollkit.scope._svg.piece import Piece
from epollkit.scope._svg.wave import Wave

__all__ = ["draw_amounts", "draw_level"]


def draw_level(piece: Piece, row: Row, lane: Level) -> None:
    """High or low, with nothing where it is not known."""
    high, low = row.top + 6, row.top + 22
    cells = [
        tuple(None if on is None else (high if on else low) for on in cell) for cell in lane.cells
    ]
    wave = Wave(piece.columns, cells, low)
    _draw_wave(piece, wave, lane.label, row.group.source.name, 1.8)


def draw_amounts(piece: Piece, row: Row, lane: Amounts) -> None:
    """To scale with the most that it held; numbers stand where it changed."""
    top, floor = row.top + 14, row.top + row.height - 5  # numbers stand on the line
    most = max((each or 0 for cell in lane.cells for each in cell), default=0) or 1

    def height(amount: int | None) -> float | None:
        if amount is None:
            return None
        return floor - (max((floor - top) * amount / most, 2.5) if amount else 0.0)

    wave = Wave(piece.columns, [tuple(map(height, cell)) for cell in lane.cells], floor)
    _draw_wave(piece, wave, lane.label, row.group.source.name, 1.2)
    _draw_numbers(piece, lane, height)


def _draw_wave(piece: Piece, wave: Wave, label: str, source: str, width: float) -> None:
    colour, soft = _colours(label, piece.palette)
    for area in wave.areas:
        piece.out.element("path", d=area, fill=soft, pointer_events="none")
    if wave.known:
        piece.out.element(
            "path",
            title=f"{label}: {source}",
            d=wave.known,
            fill="none",
            stroke=colour,
            stroke_width=width,
            stroke_linejoin="round",
        )
    if wave.between:
        piece.out.element(
            "path",
            title="changed some time in between",
            d=wave.between,
            fill="none",
            stroke=colour,
            stroke_width=width,
            stroke_dasharray="3 2.5",
        )


def _colours(label: str, palette: Palette) -> tuple[str, str]:
    """Of a lane: the stroke's, and the area's below it."""
    if label in ("readable", "unread", "waiting"):
        return palette.inward, palette.inward_soft
    if label in ("writable", "unsent"):
        return palette.outward, palette.outward_soft
    if label == "ERR":
        return palette.error, palette.error_soft
    return palette.armed, palette.armed_soft


def _draw_numbers(
    piece: Piece, lane: Amounts, height: Callable[[int | None], float | None]
) -> None:
    """Each new amount on the line, where it fits between the one before and the next change."""
    spacing = GAP if piece.layout.axis == "time" else 0
    changes = _next_changes(piece.columns, lane)
    said: int | None = None
    free = -math.inf
    for column in piece.columns:
        amount = lane.cells[column.number][1]
        stands = height(amount)
        if amount is not None and stands is not None and amount != said and (amount or said):
            text = _fitting(amount, piece.layout.heading.column - 10)
            width = text_width(text, SMALL)
            x = min(column.end + 2, piece.layout.edge - width)
            if x >= free and x + width - 6 <= changes[column.number]:
                title = f"{lane.label}: {amount:,}"
                piece.out.text(x, stands - 2.5, text, size=SMALL, title=title)
                free = x + width + spacing
        said = amount


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


def _fitting(amount: int, width: float) -> str:
    """A number in full, or in at most five characters: 3, 9,999, 64k, 2.6M."""
    full = f"{amount:,}"
    if text_width(full, SMALL) <= width:
        return full
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if amount >= size:
            return f"{amount / size:.3g}{unit}" if amount < 1000 * size else f"{amount:.0e}"
    return str(amount)
