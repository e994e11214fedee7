"""The head of the picture: the calls, what they gave, and which thread made them.

A few calls stand upright above their columns, in lines. Many, and those on the axis of time, are
turned, each with its result behind it.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from epollkit.scope._columns import Axis, Column
from epollkit.scope._drawing import Drawing, clipped, short, text_width
from epollkit.scope._palette import CODE, Palette
from epollkit.scope._trace import Call, Trace
from epollkit.scope._words import call_in_words, is_short_write

__all__ = ["Heading", "heading_of"]

_ANGLE: Final = 50
"""Degrees: steep enough for narrow columns, flat enough to read."""
_SIZE: Final = 11.0
_SMALL: Final = 10.0
_LINE: Final = 13.0
_LEAST: Final = 68.0
"""The least width of a column with an upright call."""
_MOST: Final = 132.0
_NARROW: Final = 34.0
"""The least width of a column with a turned call; flags fit, one below the other."""
_TURNED: Final = 50.0
"""The most; the reason for an empty wait fits."""
_UPRIGHT: Final = 1_060.0
"""What fits a notebook's cell; more calls than that are turned."""
_MOST_CHARACTERS: Final = 40
_MOST_LINES: Final = 3
_SPACING: Final = 17.0
"""Between turned calls on the axis of time."""
_MOST_NUDGE: Final = 70.0
_AGAIN: Final = frozenset({"EAGAIN", "EINPROGRESS", "EALREADY", "EWOULDBLOCK", "EINTR"})
_OF_EXCEPTIONS: Final = ("Error", "Exception", "Interrupt", "Timeout")
"""How the names of those end that have no errno."""


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


def heading_of(trace: Trace, numbers: Sequence[int], axis: Axis, least_column: float) -> "Heading":
    """The heading for these ticks of a trace."""
    calls = {number: trace.ticks[number].call for number in numbers}
    if axis == "step":
        width = max([_LEAST, least_column + 8, *map(_upright_width, calls.values())])
        if min(width, _MOST) * len(calls) <= _UPRIGHT and any(map(str, calls.values())):
            return _Upright(calls, min(width, _MOST))
    width = min(max(_NARROW, _UPRIGHT * 0.9 / max(len(calls), 1)), _TURNED)
    return _Turned(calls, axis, max(width, least_column + 4))


def _upright_width(call: Call) -> float:
    words = f"{call.name} {call.arguments}".split()
    widths = [text_width(word, _SIZE) for word in words]
    return (
        max([*widths, text_width(f"→ {call.result}", _SMALL), text_width(call.subject, _SMALL)]) + 8
    )


class _Common:
    """The band of threads and the rail of pins below it."""

    def __init__(self, calls: dict[int, Call], height: float, column: float) -> None:
        self.calls = calls
        self.column = column
        self.unlabelled = 0
        self.threads = any(call.thread for call in calls.values())
        self.rail = height
        self.height = height + (18.0 if self.threads else 0.0) + 10.0

    def band(self, out: Drawing, palette: Palette, columns: Sequence[Column], label: float) -> None:
        """A bar for each run of calls of one thread; the pins of the calls."""
        y = self.rail
        if self.threads:
            _label(out, palette, label, y + 12, "thread")
            for name, left, right in _thread_runs(self.calls, columns):
                out.element(
                    "rect",
                    title=f"thread {name}",
                    x=left + 1,
                    y=y + 2,
                    width=max(right - left - 2, 1.0),
                    height=13,
                    rx=3,
                    fill=palette.closed_soft if name == _OWN_THREAD else palette.armed_soft,
                )
                room = int((right - left - 8) / text_width("x", 9))
                if room >= min(len(name), 3):
                    out.element(
                        "text",
                        title=f"thread {name}",
                        text=_with_number(name, room),
                        x=left + 5,
                        y=y + 12,
                        font_size=9,
                    )
            y += 18.0
        for column in columns:
            self._pin(out, palette, column, y + 3)

    def _pin(self, out: Drawing, palette: Palette, column: Column, y: float) -> None:
        """When the call was: a bar as long as it took, at least a few pixels."""
        call = self.calls[column.number]
        if not call.name:
            return
        ink, soft = _result_colours(call, palette)
        half = max((column.end - column.begin) / 2, 1.5)
        middle = (column.end + column.begin) / 2
        out.element(
            "rect",
            x=middle - half,
            y=y,
            width=2 * half,
            height=3,
            rx=1,
            fill=ink if soft else palette.muted,
            pointer_events="none",
        )


class _Upright(_Common):
    """In lines: the subject, the call, its arguments; below, what it gave."""

    def __init__(self, calls: dict[int, Call], column: float) -> None:
        room = int((column - 6) / text_width("x", _SMALL))
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
        return 0.0

    def draw(self, out: Drawing, palette: Palette, columns: Sequence[Column], label: float) -> None:
        first = _LINE * 2 if self._subjects else _LINE
        _label(out, palette, label, first, "call")
        if self._results:
            _label(out, palette, label, self._result + 10, "gives")
        out.open("g", font_family=CODE, text_anchor="middle", font_size=_SMALL)
        for column in columns:
            call = self.calls[column.number]
            title = call_in_words(call)
            x = column.mark
            if call.subject:
                name = clipped(call.subject, self._room)
                out.element("text", title=title, text=name, x=x, y=_LINE, fill=palette.muted)
            for number, line in enumerate(self._lines[column.number]):
                bold = {} if number else {"font_weight": "700"}
                y = first + 12.5 * number
                out.element("text", title=title, text=line, x=x, y=y, **bold)
            if call.result:
                self._chip(out, palette, column, call)
        out.close("g")
        self.band(out, palette, columns, label)

    def _chip(self, out: Drawing, palette: Palette, column: Column, call: Call) -> None:
        ink, soft = _result_colours(call, palette)
        text = clipped(call.result if soft else f"→ {call.result}", self._room)
        width = max(text_width(text, _SMALL) + 8, 20.0)
        short_write = is_short_write(call)
        if soft:
            more = {"stroke": ink, "stroke_dasharray": "3 2"} if short_write else {}
            out.element(
                "rect",
                title="a short write: the rest was not taken" if short_write else call.result,
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


class _Turned(_Common):
    """Each call with its result in one turned line."""

    def __init__(self, calls: dict[int, Call], axis: Axis, column: float) -> None:
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
        if not self.height:
            return
        foot = self.rail - self._leader - 4
        if self._texts:
            _label(out, palette, label, foot, "call → gives")
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
                fill=_result_colours(call, palette)[0],
                transform=f"rotate(-{_ANGLE} {short(x + 3)} {short(foot)})",
            )
        out.close("g")
        self.band(out, palette, columns, label)


_OWN_THREAD: Final = "main"
"""What the thread is called that made the scope."""


def _thread_runs(
    calls: dict[int, Call], columns: Sequence[Column]
) -> Iterator[tuple[str, float, float]]:
    """Runs of neighbouring columns of one thread, by name, from where to where."""
    names = [calls[column.number].thread or _OWN_THREAD for column in columns]
    first = 0
    for place, name in enumerate(names):
        if place + 1 == len(names) or names[place + 1] != name:
            yield name, columns[first].left, columns[place].right
            first = place + 1


def _with_number(name: str, room: int) -> str:
    """A thread's name, clipped; if it ends with a number, at its front."""
    if len(name) > room and name[-1].isdecimal():
        return "…" + name[len(name) - room + 1 :]
    return clipped(name, room)


def _line(call: Call) -> str:
    mark = " (short)" if is_short_write(call) else ""
    text = clipped(str(call), _MOST_CHARACTERS - 12)
    return (
        f"{text} → {clipped(call.result, 12)}{mark}"
        if call.result
        else clipped(str(call), _MOST_CHARACTERS)
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


def _result_colours(call: Call, palette: Palette) -> tuple[str, str]:
    """Of what a call gave: the text's colour, and that of the field behind it or ""."""
    if call.result in _AGAIN or is_short_write(call):
        return palette.wait, palette.wait_soft
    if call.errno is not None or call.result.endswith(_OF_EXCEPTIONS):
        return palette.error, palette.error_soft
    return palette.ink, ""


def _label(out: Drawing, palette: Palette, x: float, y: float, text: str) -> None:
    out.element("text", text=text, x=x, y=y, text_anchor="end", fill=palette.muted)
