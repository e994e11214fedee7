"""The state of a TCP connection: a field for as long as it lasted, with its name."""

from typing import Final

from epollkit.scope._drawing import TINY, clipped, text_width
from epollkit.scope._lanes import States
from epollkit.scope._palette import Palette
from epollkit.scope._svg.columns import runs_of
from epollkit.scope._svg.layout import Row
from epollkit.scope._svg.piece import Piece

__all__ = ["draw_states"]

_FILLS: Final = {
    "ESTABLISHED": "outward_soft",
    "LISTEN": "inward_soft",
    "SYN_SENT": "wait_soft",
    "SYN_RECV": "wait_soft",
    "CLOSE": "closed_soft",
    "closed": "closed_soft",
}


def draw_states(piece: Piece, row: Row, lane: States) -> None:
    """From the tick after which it had the state to the one that ended it."""
    columns = piece.columns
    for name, first, last in runs_of([lane.cells[column.number] for column in columns]):
        left = columns[first].mark if first else columns[first].left
        right = columns[last + 1].mark if last + 1 < len(columns) else columns[last].right
        if name:
            _field(piece, row, name, left, right)


def _field(piece: Piece, row: Row, name: str, left: float, right: float) -> None:
    top, height = row.top + 4, row.height - 7
    piece.out.element(
        "rect",
        title=f"{row.group.source.name}: {name}",
        x=left + 0.75,
        y=top,
        width=max(right - left - 1.5, 0.8),
        height=height,
        rx=3,
        fill=_fill(name, piece.palette),
    )
    room = int((right - left - 8) / text_width("x", TINY))
    if room >= min(len(name), 6):
        piece.out.text(left + 5, top + height - 5, clipped(name, room), size=TINY, title=name)


def _fill(name: str, palette: Palette) -> str:
    """The states on the way to the end share a colour."""
    return str(getattr(palette, _FILLS.get(name, "armed_soft")))
