"""`Piece`: what each lane is handed to draw itself with."""

from collections.abc import Sequence
from dataclasses import dataclass

from epollkit.scope._drawing import Drawing
from epollkit.scope._palette import Palette
from epollkit.scope._svg.columns import Column
from epollkit.scope._svg.layout import Layout

__all__ = ["Piece"]


@dataclass(frozen=True, slots=True)
class Piece:
    """One line of the picture, over some of the columns; its lanes begin at x = 0."""

    layout: Layout
    columns: Sequence[Column]
    out: Drawing
    palette: Palette
