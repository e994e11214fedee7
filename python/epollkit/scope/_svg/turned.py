"""Each call with its result in one turned line: there are many, or they stand close together."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from epollkit.scope._drawing import Drawing, clipped, short, text_width
from epollkit.scope._palette import CODE, Palette
from epollkit.scope._svg.band import Band, draw_label, result_colours
from epollkit.scope._svg.columns import Column
from epollkit.scope._trace import Call
from epollkit.scope._words import call_in_words, is_short_write

__all__ = ["Turned"]

_ANGLE: Final = 50
"""Degrees: steep enough for narrow columns, flat enough to read."""
_SIZE: Final = 11.0
_MOST_CHARACTERS: Final = 40
_SPACING: Final = 17.0
"""Between two of them on the axis of time."""
_MOST_NUDGE: Final = 70.0


class Turned(Band):
    """The heading of many calls."""

    def __init__(self, calls: dict[int, Call], axis: str, column: float) -> None:
        self._axis = axis
        self.labels = ("call → gives",)
        self._texts = {number: _line(call) for number, call in calls.items() if call.name}
        longest = max((text_width(text, _SIZE) for text in self._texts.values()), default=0.0)
        self.most_overhang = longest * math.cos(math.radians(_ANGLE)) + 10 if longest else 0.0
        high = longest * math.sin(math.radians(_ANGLE)) + 16 if longest else 0.0
        self._leader = 14.0 if axis == "time" and longest else 0.0
        super().__init__(calls, high + self._leader, column)
        if not longest and not self.threads:
            self.height = self.rail = 0.0

    def overhang(self, columns: Sequence[Column], right: float, /) -> float:
        """How far texts reach beyond the lanes; counts those that found no place, too."""
        reach = [
            x + text_width(self._texts[column.number], _SIZE) * math.cos(math.radians(_ANGLE)) + 8
            for column, x in self._placed(columns)
        ]
        self.unlabelled = sum(column.number in self._texts for column in columns) - len(reach)
        return max([0.0, *(each - right for each in reach)])

    def _placed(self, columns: Sequence[Column]) -> Iterator[tuple[Column, float]]:
        """Where each text begins.

        On the axis of time to the right of where it belongs, so that it does not cover the one
        before, and nowhere if that would be too far.
        """
        free = -math.inf
        for column in columns:
            if column.number not in self._texts:
                continue
            x = column.mark
            if self._axis == "time":
                x = max(x, free)
                if x - column.mark > _MOST_NUDGE:
                    continue
            yield column, x
            free = x + _SPACING

    def draw(self, out: Drawing, palette: Palette, columns: Sequence[Column], label: float) -> None:
        """Draw it over these columns."""
        if not self.height:
            return
        foot = self.rail - self._leader - 4
        if self._texts:
            draw_label(out, palette, label, foot, "call → gives")
        out.open("g", font_family=CODE, font_size=_SIZE)
        for column, x in self._placed(columns):
            call = self.calls[column.number]
            if self._leader:
                out.element(
                    "path",
                    d=f"M{short(x)} {short(foot + 3)}L{short(column.mark)} {short(self.rail)}"
                    f"V{short(self.height - 4)}",
                    fill="none",
                    stroke=palette.guide,
                )
            out.element(
                "text",
                title=call_in_words(call),
                text=self._texts[column.number],
                x=x + 3,
                y=foot,
                fill=result_colours(call, palette)[0],
                transform=f"rotate(-{_ANGLE} {short(x + 3)} {short(foot)})",
            )
        out.close("g")
        self.band(out, palette, columns, label)


def _line(call: Call) -> str:
    mark = " (short)" if is_short_write(call) else ""
    text = clipped(str(call), _MOST_CHARACTERS - 12)
    return (
        f"{text} → {clipped(call.result, 12)}{mark}"
        if call.result
        else clipped(str(call), _MOST_CHARACTERS)
    )
