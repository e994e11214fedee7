"""The whole picture: a card with the title, the pieces, the legend and the notes."""

import math
from typing import Final

from epollkit.scope._drawing import LABEL, Drawing, clipped, short
from epollkit.scope._palette import SANS, Palette, palette_of
from epollkit.scope._svg.body import draw_body
from epollkit.scope._svg.columns import MOST_TICKS
from epollkit.scope._svg.layout import PADDING, TITLE, Layout
from epollkit.scope._svg.legend import Legend
from epollkit.scope._svg.piece import Piece
from epollkit.scope._trace import Trace
from epollkit.scope._words import summary

__all__ = ["MOST_BYTES", "render"]

MOST_BYTES: Final = 300_000
"""A notebook with larger pictures loads slowly, and most sites refuse to show it."""

_TITLE: Final = 26.0
"""The line with the title."""
_NOTE: Final = 16.0
_NOTE_SIZE: Final = 11.0
_MOST_NOTE: Final = 140


def render(
    trace: Trace, *, axis: str = "step", theme: str = "auto", width: int | None = None
) -> str:
    """The picture as an SVG document; see `Trace.svg`."""
    if axis not in ("step", "time"):
        raise ValueError(f"axis: 'step' or 'time', not {axis!r}")
    if width is not None and width < 1:
        raise ValueError(f"width: at least 1 pixel, not {width}")
    palette = palette_of(theme)
    most = MOST_TICKS
    while True:
        drawn = _draw(Layout(trace, axis, width, most), palette)
        size = len(drawn.encode())
        if size <= MOST_BYTES or most <= 1:
            return drawn
        most = min(most, len(trace.ticks))
        most = max(1, min(most - 1, int(most * MOST_BYTES / size * 0.95)))


def _draw(layout: Layout, palette: Palette) -> str:
    title_height = _TITLE if layout.title else 0.0
    notes = _notes(layout)
    legend = Legend(layout.groups, layout.told, palette, layout.width - 2 * PADDING)
    pieces_height = layout.piece_height * len(layout.pieces)
    height = 2 * PADDING + title_height + pieces_height + legend.height + _NOTE * len(notes)

    out = Drawing()
    _open_card(out, palette, math.ceil(layout.width), math.ceil(height), summary(layout.trace))
    top = PADDING
    if layout.title:
        out.text(PADDING, top + 14, layout.title, size=TITLE, bold=True)
        top += title_height
    for columns in layout.pieces:
        out.open("g", transform=f"translate({short(PADDING + layout.gutter)} {short(top)})")
        draw_body(Piece(layout, columns, out, palette))
        out.close("g")
        top += layout.piece_height
    legend.draw(out, PADDING, top)
    top += legend.height
    for note in notes:
        out.text(PADDING, top + 10, note, size=_NOTE_SIZE, fill=palette.muted)
        top += _NOTE
    out.close("svg")
    return str(out)


def _notes(layout: Layout) -> list[str]:
    """What the picture does not show, and what the trace has to say."""
    notes = [f"{layout.left_out}."] if layout.left_out else []
    if layout.trace.dropped:
        notes.append(f"{layout.trace.dropped:,} more calls were not kept: the scope was full.")
    if layout.heading.unlabelled:
        unlabelled = layout.heading.unlabelled
        notes.append(f"Calls whose name has no room: {unlabelled:,}. Hover over them.")
    notes += layout.trace.notes
    return [clipped(note[:1].upper() + note[1:], _MOST_NOTE) for note in notes]


def _open_card(out: Drawing, palette: Palette, width: int, height: int, summary: str) -> None:
    """Begin the document with the card on which everything stands."""
    out.open(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=summary,
        font_family=SANS,
        font_size=LABEL,
        fill=palette.ink,
    )
    out.element(
        "rect",
        x=0.5,
        y=0.5,
        width=width - 1.0,
        height=height - 1.0,
        rx=8,
        fill=palette.card,
        stroke=palette.edge,
    )
