"""The strokes of a level or a queue: solid where it is known, dashed where it is not."""

from collections.abc import Sequence

from epollkit.scope._drawing import short
from epollkit.scope._svg.columns import Column

__all__ = ["Wave"]


class Wave:
    """The strokes of what goes up and down, from its heights before and after each tick."""

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Sequence[tuple[float | None, ...]],
        floor: float,
    ) -> None:
        self._known = list[str]()
        self._between = list[str]()
        self.areas = list[str]()
        self._outline = list[tuple[float, float]]()
        self._at: tuple[float, float] | None = None
        self._joined = False
        self._floor = floor
        for place, column in enumerate(columns):
            before, after = cells[column.number]
            if place == 0 and before is not None:
                self._go(column.left, before)
            if before is not None:
                self._go(column.begin, before, known=self._height() in (None, before))
            if after is not None:
                self._go(column.end, after)
            else:
                self._stop(column.mark)
        if columns:
            self._stop(columns[-1].right)
        self.known = "".join(self._known)
        self.between = "".join(self._between)

    def _height(self) -> float | None:
        return None if self._at is None else self._at[1]

    def _go(self, x: float, y: float, *, known: bool = True) -> None:
        if self._at is not None:
            strokes = self._known if known else self._between
            if not (known and strokes and self._joined):
                strokes.append(f"M{short(self._at[0])} {short(self._at[1])}")
            strokes.append(f"L{short(x)} {short(y)}" if y != self._at[1] else f"H{short(x)}")
            self._joined = known
        else:
            self._joined = False
        self._at = (x, y)
        self._outline.append((x, y))

    def _stop(self, x: float) -> None:
        """Nothing is known from here on."""
        if self._at is not None:
            self._go(x, self._at[1])
        if any(y != self._floor for _, y in self._outline):
            first, last = self._outline[0][0], self._outline[-1][0]
            points = "L".join(f"{short(x)} {short(y)}" for x, y in self._outline)
            self.areas.append(
                f"M{short(first)} {short(self._floor)}L{points}L{short(last)} {short(self._floor)}Z"
            )
        self._outline.clear()
        self._at = None
        self._joined = False
