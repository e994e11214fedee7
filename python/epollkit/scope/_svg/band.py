"""The foot of every heading: a bar for each run of a thread's calls, a pin for each call."""

from collections.abc import Sequence
from typing import Final

from epollkit.scope._drawing import TINY, Drawing, clipped, text_width
from epollkit.scope._palette import Palette
from epollkit.scope._svg.columns import Column, runs_of
from epollkit.scope._trace import Call
from epollkit.scope._words import is_short_write

__all__ = ["Band", "draw_label", "result_colours"]

_OWN_THREAD: Final = "main"
"""What the thread is called that made the scope."""
_THREADS: Final = 18.0
_PINS: Final = 10.0
_AGAIN: Final = frozenset({"EAGAIN", "EINPROGRESS", "EALREADY", "EWOULDBLOCK", "EINTR"})
_OF_EXCEPTIONS: Final = ("Error", "Exception", "Interrupt", "Timeout")
"""How the names of those end that have no errno."""


class Band:
    """What both kinds of heading build on."""

    def __init__(self, calls: dict[int, Call], height: float, column: float) -> None:
        self.calls = calls
        self.column = column
        self.unlabelled = 0
        self.threads = any(call.thread for call in calls.values())
        self.rail = height
        self.height = height + (_THREADS if self.threads else 0.0) + _PINS

    def band(self, out: Drawing, palette: Palette, columns: Sequence[Column], label: float) -> None:
        """Draw it; its label ends at x = `label`."""
        y = self.rail
        if self.threads:
            draw_label(out, palette, label, y + 12, "thread")
            self._threads(out, palette, columns, y)
            y += _THREADS
        for column in columns:
            self._pin(out, palette, column, y + 3)

    def _threads(self, out: Drawing, palette: Palette, columns: Sequence[Column], y: float) -> None:
        names = [self.calls[column.number].thread or _OWN_THREAD for column in columns]
        for name, first, last in runs_of(names):
            left, right = columns[first].left, columns[last].right
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
            room = int((right - left - 8) / text_width("x", TINY))
            if room >= min(len(name), 3):
                text = _with_number(name, room)
                out.text(left + 5, y + 12, text, size=TINY, title=f"thread {name}")

    def _pin(self, out: Drawing, palette: Palette, column: Column, y: float) -> None:
        """When the call was: a bar as long as it took, at least a few pixels."""
        call = self.calls[column.number]
        if not call.name:
            return
        ink, soft = result_colours(call, palette)
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


def _with_number(name: str, room: int) -> str:
    """A thread's name, clipped; if it ends with a number, at its front."""
    if len(name) > room and name[-1].isdecimal():
        return "…" + name[len(name) - room + 1 :]
    return clipped(name, room)


def result_colours(call: Call, palette: Palette) -> tuple[str, str]:
    """Of what a call gave: the text's colour, and that of the field behind it or ""."""
    if call.result in _AGAIN or is_short_write(call):
        return palette.wait, palette.wait_soft
    if call.errno is not None or call.result.endswith(_OF_EXCEPTIONS):
        return palette.error, palette.error_soft
    return palette.ink, ""


def draw_label(out: Drawing, palette: Palette, x: float, y: float, text: str) -> None:
    """A label of the heading's own, which ends at x."""
    out.element("text", text=text, x=x, y=y, text_anchor="end", fill=palette.muted)
