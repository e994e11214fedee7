"""One piece: the shades behind it, the heading, each source with its labels and lanes."""

from epollkit.scope._drawing import LABEL, SMALL, TINY, clipped, short, text_width
from epollkit.scope._lanes import Amounts, Arrivals, Deliveries, Group, Guesses, Level, States
from epollkit.scope._svg.arrivals import draw_arrivals
from epollkit.scope._svg.deliveries import draw_deliveries
from epollkit.scope._svg.guesses import draw_guesses
from epollkit.scope._svg.layout import GAP, MOST_LABEL, SOURCE, Row, note_of
from epollkit.scope._svg.levels import draw_amounts, draw_level
from epollkit.scope._svg.piece import Piece
from epollkit.scope._svg.ruler import draw_ruler
from epollkit.scope._svg.states import draw_states
from epollkit.scope._trace import MarkKind, Tick
from epollkit.scope._words import tick_in_words

__all__ = ["draw_body"]


def draw_body(piece: Piece) -> None:
    """Draw it, from what is behind to what is in front."""
    _shades(piece)
    piece.layout.heading.draw(piece.out, piece.palette, piece.columns, -GAP)
    last = None
    for row in piece.layout.rows:
        if row.group is not last:
            _source(piece, row.group, row.top)
            last = row.group
        _label(piece, row)
        _lane(piece, row)
    if piece.layout.axis == "time":
        draw_ruler(piece, piece.layout.bottom + 6)


def _shades(piece: Piece) -> None:
    """What hovering over a tick shows; a shade where a set was asked."""
    layout = piece.layout
    top = max(layout.heading.height - 10, 0.0)  # the pins stand on it
    shown = [group.source.name for group in layout.groups]
    for column in piece.columns:
        tick = layout.trace.ticks[column.number]
        if layout.axis == "time":
            left, right = column.mark - 2, column.mark + 2
        else:
            left, right = column.left + 2, column.right - 2
        piece.out.element(
            "rect",
            title=tick_in_words(tick, shown),
            x=left,
            y=top,
            width=right - left,
            height=layout.bottom - top,
            rx=3,
            fill=piece.palette.shade if _asked(tick) else "none",
            pointer_events="all",
        )


def _asked(tick: Tick) -> bool:
    return any(mark.kind in (MarkKind.DELIVERED, MarkKind.EMPTY) for mark in tick.marks.values())


def _source(piece: Piece, group: Group, top: float) -> None:
    """A source's name and kind, below a line."""
    out, left, y = piece.out, -piece.layout.gutter, top - 9
    name, kind = clipped(group.source.name, MOST_LABEL), group.source.kind
    out.element(
        "path",
        d=f"M{short(left)} {short(top - SOURCE + 3)}H{short(piece.layout.lanes_width)}",
        stroke=piece.palette.edge,
        stroke_width=1,
        fill="none",
    )
    out.text(left, y, name, bold=True, title=f"{group.source.name}: {kind}")
    beside = text_width(name, LABEL) * 1.2 + 5
    out.text(left + beside, y, kind, size=SMALL, fill=piece.palette.muted)


def _label(piece: Piece, row: Row) -> None:
    """What a lane is called, and a note below."""
    note = note_of(row.lane)
    y = row.middle + (-1 if note else 4)
    probe = isinstance(row.lane, Deliveries)
    piece.out.text(
        -GAP,
        y,
        clipped(row.lane.label, MOST_LABEL),
        anchor="end",
        title=row.lane.label,
        bold=probe,
        fill=piece.palette.ink if probe else piece.palette.muted,
    )
    if note:
        piece.out.text(-GAP, y + 11, note, anchor="end", size=TINY, fill=piece.palette.muted)


def _lane(piece: Piece, row: Row) -> None:
    match row.lane:
        case Level():
            draw_level(piece, row, row.lane)
        case Amounts():
            draw_amounts(piece, row, row.lane)
        case Arrivals():
            draw_arrivals(piece, row, row.lane)
        case States():
            draw_states(piece, row, row.lane)
        case Deliveries():
            draw_deliveries(piece, row, row.lane)
        case Guesses():
            draw_guesses(piece, row, row.lane)
