"""The line below the picture that says what its signs mean: only of those that it has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from epollkit.scope._causes import Told
from epollkit.scope._drawing import Drawing, text_width
from epollkit.scope._lanes import Amounts, Arrivals, Group, Level
from epollkit.scope._palette import Palette
from epollkit.scope._svg import signs
from epollkit.scope._trace import MarkKind

__all__ = ["Legend"]

_SIZE: Final = 11.0
_LINE: Final = 18.0
_SIGN: Final = 20.0
_GAP: Final = 16.0
_MIDDLE: Final = 8.0
"""Of the place for a sign."""

_Entry: TypeAlias = tuple[bool, str, Callable[[Drawing], None]]
"""Whether the picture has it, what it means, and how it is drawn."""


class Legend:
    """Lays out the entries in lines that fit."""

    def __init__(
        self,
        groups: Sequence[Group],
        told: Mapping[str, Sequence[Told | None]],
        palette: Palette,
        width: float,
    ) -> None:
        self._palette = palette
        self._placed = list[tuple[float, float, _Entry]]()
        marks = [each for of_probe in told.values() for each in of_probe if each is not None]
        x, y = 0.0, _LINE / 2
        for entry in (*_of_lanes(groups, palette), *_of_marks(marks, palette)):
            if not entry[0]:
                continue
            room = _SIGN + text_width(entry[1], _SIZE) * 0.93 + _GAP
            if x and x + room > width + _GAP:
                x, y = 0.0, y + _LINE
            self._placed.append((x, y, entry))
            x += room
        self.height = y + _LINE if self._placed else 0.0

    def draw(self, out: Drawing, left: float, top: float) -> None:
        """Draw it with its upper left corner there."""
        for x, y, (_, text, draw) in self._placed:
            out.open("g", transform=f"translate({left + x:.1f} {top + y:.1f})")
            draw(out)
            out.element("text", text=text, x=_SIGN, y=4, font_size=_SIZE, fill=self._palette.muted)
            out.close("g")


def _of_lanes(groups: Sequence[Group], palette: Palette) -> Iterator[_Entry]:
    lanes = [lane for group in groups for lane in group.lanes]
    labels = {lane.label for lane in lanes if isinstance(lane, Arrivals)}
    yield (
        any(isinstance(lane, Level | Amounts) and _jumps(lane) for lane in lanes),
        "changed some time in between",
        lambda out: _line(out, palette.inward, "3 2.5"),
    )
    yield (
        "arrival" in labels,
        "something arrived",
        lambda out: signs.triangle(out, _MIDDLE, 0, palette.news, up=True),
    )
    yield (
        "room" in labels,
        "room to send",
        lambda out: signs.triangle(out, _MIDDLE, 0, palette.outward, up=False),
    )


def _of_marks(marks: Sequence[Told], palette: Palette) -> Iterator[_Entry]:
    delivered = [each.mark for each in marks if each.mark.kind is MarkKind.DELIVERED]
    empty = [each for each in marks if each.mark.kind is MarkKind.EMPTY]
    kinds = {each.mark.kind for each in marks}
    card = palette.card
    yield (
        any(each.since is not None and not each.goes_on for each in marks),
        "new since the last wait",
        lambda out: _line(out, palette.news),
    )
    yield (
        any(each.goes_on for each in marks),
        "still ready",
        lambda out: _line(out, palette.inward),
    )
    flags = ": IN, or the flags below" if any(map(signs.flag_lines, delivered)) else ""
    yield (
        bool(delivered),
        f"wait reported it{flags}",
        lambda out: signs.dot(out, _MIDDLE, 0, signs.dot_colour(delivered[0], palette)),
    )
    yield (
        any(each.ready for each in empty),
        "ready, but wait did not report it",
        lambda out: signs.ring(out, _MIDDLE, 0, palette.missed, card=card),
    )
    yield (
        not all(each.ready for each in empty),
        "wait had nothing to report",
        lambda out: signs.ring(out, _MIDDLE, 0, palette.muted, card=card, small=True),
    )
    yield (
        MarkKind.ARMED in kinds,
        "armed (ADD, MOD)",
        lambda out: signs.armed(out, _MIDDLE, 0, palette.armed, card=card),
    )
    yield (
        MarkKind.REMOVED in kinds,
        "removed (DEL)",
        lambda out: signs.removed(out, _MIDDLE, 0, palette.armed, card=card),
    )


def _line(out: Drawing, colour: str, dashes: str = "none") -> None:
    out.element(
        "path", d="M1 0H16", stroke=colour, stroke_width=2, stroke_dasharray=dashes, fill="none"
    )


def _jumps(lane: Level | Amounts) -> bool:
    """Whether it ever changed between two ticks."""
    return any(None not in (old, new) and old != new for (_, old), (new, _) in pairwise(lane.cells))
