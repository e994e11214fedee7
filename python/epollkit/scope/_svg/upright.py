"""Calls in lines above their columns: the subject, the call, its arguments; below, what it gave."""

from collections.abc import Sequence
from typing import Final

from epollkit.scope._drawing import SMALL, Drawing, clipped, text_width
from epollkit.scope._palette import CODE, Palette
from epollkit.scope._svg.band import Band, draw_label, result_colours
from epollkit.scope._svg.columns import Column
from epollkit.scope._trace import Call
from epollkit.scope._words import call_in_words, is_short_write

__all__ = ["Upright", "upright_width"]

_SIZE: Final = 11.0
_LINE: Final = 13.0
_MOST_LINES: Final = 3


def upright_width(call: Call) -> float:
    """What it needs to be shown in full, a word in a line."""
    words = f"{call.name} {call.arguments}".split()
    widths = [text_width(word, _SIZE) for word in words]
    beside = [text_width(text, SMALL) for text in (f"→ {call.result}", call.subject)]
    return max([*widths, *beside]) + 8


class Upright(Band):
    """The heading of a few calls."""

    def __init__(self, calls: dict[int, Call], column: float) -> None:
        room = int((column - 6) / text_width("x", SMALL))
        self._room = room
        self._lines = {number: _broken(call, room) for number, call in calls.items()}
        lines = max((len(lines) - 1 for lines in self._lines.values()), default=0)
        self._subjects = any(call.subject for call in calls.values())
        self._results = any(call.result for call in calls.values())
        self._result = (2.5 if self._subjects else 1.5) * _LINE + lines * 12.0
        super().__init__(calls, self._result + (19.0 if self._results else 0.0), column)

    most_overhang = 0.0
    labels = ("call", "gives", "thread")

    def overhang(self, _columns: Sequence[Column], _right: float, /) -> float:
        """Each text stays in its column."""
        return 0.0

    def draw(self, out: Drawing, palette: Palette, columns: Sequence[Column], label: float) -> None:
        """Draw it over these columns."""
        first = _LINE * 2 if self._subjects else _LINE
        draw_label(out, palette, label, first, "call")
        if self._results:
            draw_label(out, palette, label, self._result + 10, "gives")
        out.open("g", font_family=CODE, text_anchor="middle", font_size=SMALL)
        for column in columns:
            self._call(out, palette, column, first)
        out.close("g")
        self.band(out, palette, columns, label)

    def _call(self, out: Drawing, palette: Palette, column: Column, first: float) -> None:
        call, x = self.calls[column.number], column.mark
        title = call_in_words(call)
        if call.subject:
            name = clipped(call.subject, self._room)
            out.element("text", title=title, text=name, x=x, y=_LINE, fill=palette.muted)
        for number, line in enumerate(self._lines[column.number]):
            bold = {} if number else {"font_weight": "700"}
            out.element("text", title=title, text=line, x=x, y=first + 12.5 * number, **bold)
        if call.result:
            self._chip(out, palette, column, call)

    def _chip(self, out: Drawing, palette: Palette, column: Column, call: Call) -> None:
        """What it gave, on a field if that is an error or a short write."""
        ink, soft = result_colours(call, palette)
        text = clipped(call.result if soft else f"→ {call.result}", self._room)
        width = max(text_width(text, SMALL) + 8, 20.0)
        if soft:
            less = is_short_write(call)
            more = {"stroke": ink, "stroke_dasharray": "3 2"} if less else {}
            out.element(
                "rect",
                title="a short write: the rest was not taken" if less else call.result,
                x=column.mark - width / 2,
                y=self._result,
                width=width,
                height=14,
                rx=3,
                fill=soft,
                **more,
            )
        out.element(
            "text",
            title=call_in_words(call),
            text=text,
            x=column.mark,
            y=self._result + 10.5,
            fill=ink if soft else palette.ink,
        )


def _broken(call: Call, room: int) -> list[str]:
    """The call and its arguments, or a note, in lines of whole words; a longer word is clipped."""
    lines = list[str]()
    for word in f"{call.name} {call.arguments}".split():
        if lines and len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(clipped(word, room))
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES - 1] = clipped(lines[_MOST_LINES - 1] + " …", room)
    return lines[:_MOST_LINES]
