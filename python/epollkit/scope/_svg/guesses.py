"""What was predicted of a probe, and whether it was right."""

from epollkit.scope._lanes import Guesses
from epollkit.scope._svg import signs
from epollkit.scope._svg.layout import Row
from epollkit.scope._svg.piece import Piece

__all__ = ["draw_guesses"]


def draw_guesses(piece: Piece, row: Row, lane: Guesses) -> None:
    """A sign in each tick that was a wait."""
    for column in piece.columns:
        guess = lane.cells[column.number]
        if guess is None:
            continue
        guessed, right = guess
        said = "a delivery" if guessed else "none"
        signs.guess(
            piece.out,
            column.mark,
            row.middle - 1,
            piece.palette.right if right else piece.palette.error,
            f"{lane.probe.name}: predicted {said}, {'right' if right else 'wrong'}",
            guessed=guessed,
            right=right,
        )
