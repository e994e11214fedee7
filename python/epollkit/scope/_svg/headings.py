"""The head of the picture: the calls, what they gave, and which thread made them.

A few calls stand upright above their columns, in lines. Many, and those on the axis of time, are
turned, each with its result behind it.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from epollkit.scope._drawing import Drawing
from epollkit.scope._palette import Palette
from epollkit.scope._svg.columns import Column
from epollkit.scope._svg.turned import Turned
from epollkit.scope._svg.upright import Upright, upright_width
from epollkit.scope._trace import Trace

__all__ = ["Heading", "heading_of"]

_LEAST: Final = 68.0
"""The least width of a column with an upright call."""
_MOST: Final = 132.0
_NARROW: Final = 34.0
"""The least width of a column with a turned call; flags fit, one below the other."""
_TURNED: Final = 50.0
"""The most; the reason for an empty wait fits."""
_UPRIGHT: Final = 1_060.0
"""What fits a notebook's cell; more calls than that are turned."""


class Heading(Protocol):
    """What stands above the lanes."""

    column: float
    """The width of a step."""
    height: float

    @property
    def labels(self) -> tuple[str, ...]:
        """Its own, which stand in the gutter."""
        ...

    unlabelled: int
    """Calls whose text found no place."""

    def overhang(self, columns: Sequence[Column], right: float, /) -> float:
        """How far texts reach beyond the lanes' right end."""
        ...

    @property
    def most_overhang(self) -> float:
        """The same, wherever a line is broken."""
        ...

    def draw(self, out: Drawing, palette: Palette, columns: Sequence[Column], label: float) -> None:
        """Draw it over these columns; its labels end at x = `label`."""
        ...


def heading_of(trace: Trace, numbers: Sequence[int], axis: str, least_column: float) -> Heading:
    """The heading for these ticks of a trace."""
    calls = {number: trace.ticks[number].call for number in numbers}
    if axis == "step":
        width = max([_LEAST, least_column + 8, *map(upright_width, calls.values())])
        if min(width, _MOST) * len(calls) <= _UPRIGHT and any(map(str, calls.values())):
            return Upright(calls, min(width, _MOST))
    width = min(max(_NARROW, _UPRIGHT * 0.9 / max(len(calls), 1)), _TURNED)
    return Turned(calls, axis, max(width, least_column + 4))
