"""The axis of time below the lanes: round steps, counted from the first tick."""

from typing import Final

from epollkit.scope._drawing import SMALL, short
from epollkit.scope._svg.piece import Piece

__all__ = ["draw_ruler"]

_STEP: Final = 90
"""Pixels between two numbers, at least."""


def draw_ruler(piece: Piece, y: float) -> None:
    """Draw it at this height."""
    if not piece.columns:
        return
    ticks = [piece.layout.trace.ticks[column.number] for column in piece.columns]
    span = max(max(tick.ended_ns for tick in ticks) - min(tick.began_ns for tick in ticks), 1)
    width = max(piece.columns[-1].mark, 1.0)
    step = _round_step(span, int(width // _STEP) or 1)
    numbers = range(0, span + 1, step)
    strokes = (f"M{short(at * width / span)} {short(y)}v4" for at in numbers)
    muted = piece.palette.muted
    piece.out.element(
        "path",
        d=f"M0 {short(y)}H{short(width)}{''.join(strokes)}",
        stroke=muted,
        fill="none",
    )
    for at in numbers:
        x, text = at * width / span, _duration(at, step)
        piece.out.text(x, y + 15, text, anchor="middle", size=SMALL, fill=muted)


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
