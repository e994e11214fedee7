"""Edges: triangles where something arrived or room came, each with a guide down to the probes."""

from epollkit.scope._drawing import short
from epollkit.scope._lanes import Arrivals
from epollkit.scope._svg import signs
from epollkit.scope._svg.layout import Row
from epollkit.scope._svg.piece import Piece

__all__ = ["draw_arrivals"]


def draw_arrivals(piece: Piece, row: Row, lane: Arrivals) -> None:
    """A triangle in each tick that had one."""
    inward = lane.label == "arrival"
    colour = piece.palette.news if inward else piece.palette.outward
    what = "something arrived" if inward else "there may be room to send"
    title = f"{row.group.source.name}: {what}"
    reach = piece.layout.last_probe(row.group)
    for column in piece.columns:
        if lane.cells[column.number]:
            if reach is not None:
                _guide(piece, column.mark, row.middle + 6, reach, colour)
            signs.triangle(piece.out, column.mark, row.middle, colour, up=inward, title=title)


def _guide(piece: Piece, x: float, top: float, bottom: float, colour: str) -> None:
    piece.out.element(
        "path",
        d=f"M{short(x)} {short(top)}V{short(bottom)}",
        stroke=colour,
        stroke_width=1,
        stroke_dasharray="1 3",
        fill="none",
        pointer_events="none",
    )
