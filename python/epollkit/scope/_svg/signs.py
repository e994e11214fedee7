"""The signs of the picture, drawn as paths, so that no font has to have them.

Deliveries carry the class "delivered", empty waits "empty", and so on, for those who restyle or
count them; nothing of the picture depends on it.
"""

from epollkit._flags import EventFlags
from epollkit.scope._describe import describe
from epollkit.scope._drawing import Drawing, clipped, short
from epollkit.scope._palette import Palette
from epollkit.scope._trace import Mark, MarkKind

__all__ = ["armed", "dot", "dot_colour", "flag_lines", "guess", "removed", "ring", "triangle"]


def dot(out: Drawing, x: float, y: float, colour: str, title: str = "") -> None:
    """Delivered."""
    out.element(
        "circle",
        title=title,
        **_class("delivered", title),
        cx=x,
        cy=y,
        r=6.5,
        fill=colour,
    )


def dot_colour(mark: Mark, palette: Palette) -> str:
    """The direction's; ERR stands out."""
    if mark.flags & EventFlags.ERR:
        return palette.error
    inward = mark.flags & (EventFlags.IN | EventFlags.PRI | EventFlags.RDHUP)
    return palette.inward if inward else palette.outward


def flag_lines(mark: Mark) -> list[str]:
    """The flags under a delivery, unless they are just EPOLLIN."""
    if mark.kind is not MarkKind.DELIVERED or mark.flags == EventFlags.IN:
        return []
    return [clipped(each, 10) for each in describe(mark.flags).split("|")]


def ring(
    out: Drawing,
    x: float,
    y: float,
    colour: str,
    title: str = "",
    *,
    card: str,
    small: bool = False,
) -> None:
    """A wait came back without it: large where it was ready."""
    out.element(
        "circle",
        title=title,
        **_class("empty", title),
        cx=x,
        cy=y,
        r=3 if small else 6,
        fill=card,
        stroke=colour,
        stroke_width=1.3 if small else 2.4,
    )


def triangle(out: Drawing, x: float, y: float, colour: str, title: str = "", *, up: bool) -> None:
    """An edge: filled and upwards something arrived, hollow and downwards there is room."""
    size = 5.5 if up else -5.0
    out.element(
        "path",
        title=title,
        **_class("arrival" if up else "room", title),
        d=f"M{short(x)} {short(y - size)}l{short(size)} {short(size * 1.8)}h{short(-2 * size)}z",
        fill=colour if up else "none",
        stroke=colour,
        stroke_width=1.4,
        stroke_linejoin="round",
    )


def armed(out: Drawing, x: float, y: float, colour: str, title: str = "", *, card: str) -> None:
    """ADD or MOD: an arrow in a circle."""
    out.element("circle", title=title, **_class("armed", title), cx=x, cy=y, r=7.5, fill=card)
    out.element(
        "path",
        d=f"M{short(x + 4.2)} {short(y - 3.2)}A5.3 5.3 0 1 0 {short(x + 5.3)} {short(y + 0.6)}"
        f"M{short(x + 5.2)} {short(y - 6.4)}v4h-4",
        fill="none",
        stroke=colour,
        stroke_width=1.7,
        stroke_linejoin="round",
        stroke_linecap="round",
        pointer_events="none",
    )


def removed(out: Drawing, x: float, y: float, colour: str, title: str = "", *, card: str) -> None:
    """DEL: a bar."""
    out.element(
        "rect",
        title=title,
        **_class("removed", title),
        x=x - 6,
        y=y - 2,
        width=12,
        height=4,
        rx=1,
        fill=colour,
        stroke=card,
    )


def guess(
    out: Drawing,
    x: float,
    y: float,
    colour: str,
    title: str,
    *,
    guessed: bool,
    right: bool,
) -> None:
    """A prediction, a small dot or ring, and a tick or a cross beside it."""
    out.element(
        "circle",
        title=title,
        class_="guess",
        cx=x - 5,
        cy=y,
        r=3.6,
        fill=colour if guessed else "none",
        stroke=colour,
        stroke_width=1.4,
    )
    sign = (
        f"M{short(x + 3)} {short(y)}l2.5 3l4.5 -7"
        if right
        else (f"M{short(x + 3)} {short(y - 3.5)}l7 7m0 -7l-7 7")
    )
    out.element(
        "path",
        title=title,
        d=sign,
        fill="none",
        stroke=colour,
        stroke_width=2,
        stroke_linecap="round",
        stroke_linejoin="round",
    )


def _class(name: str, title: str) -> dict[str, str]:
    """The samples of the legend, which have no title, do not count."""
    return {"class_": name} if title else {}
