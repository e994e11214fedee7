"""The colours and the measures of the SVG pictures.

The hues are those of Okabe and Ito, which people with any kind of colour blindness tell apart, made
darker or lighter until text in them has a contrast of 4.5 on the card (WCAG 2, AA). No meaning
rests on a colour alone: every sign has a shape of its own.
"""

from dataclasses import dataclass, fields
from typing import Final

__all__ = [
    "CODE",
    "DARK",
    "LIGHT",
    "SANS",
    "Palette",
    "palette_of",
    "swaps",
]

SANS: Final = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"
CODE: Final = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
"""What every system has: an SVG shown as <img> cannot load a font."""


@dataclass(frozen=True, slots=True)
class Palette:
    """What each thing is drawn with. The `soft` ones lie under text, which is `ink` there."""

    card: str
    """The picture's own background, so that it reads on any page."""
    edge: str
    ink: str
    muted: str
    guide: str
    shade: str
    """A column in which a set was asked."""
    inward: str
    """EPOLLIN: the level, the queue, and deliveries."""
    inward_soft: str
    outward: str
    """EPOLLOUT."""
    outward_soft: str
    news: str
    """Arrivals, and the way from one to the delivery that it caused."""
    wait: str
    """EAGAIN and its like, short writes: try again later."""
    wait_soft: str
    error: str
    error_soft: str
    missed: str
    """Ready, and not reported."""
    armed: str
    armed_soft: str
    right: str
    closed_soft: str


LIGHT: Final = Palette(
    card="#ffffff",
    edge="#d3d8e0",
    ink="#1c2330",
    muted="#5a6371",
    guide="#c9d0da",
    shade="#f1f4f9",
    inward="#0b60b4",
    inward_soft="#d9e8f8",
    outward="#08705e",
    outward_soft="#d3ede6",
    news="#a84c00",
    wait="#855400",
    wait_soft="#fbeac9",
    error="#b11f2b",
    error_soft="#fadfe0",
    missed="#b8125f",
    armed="#763b95",
    armed_soft="#eee1f5",
    right="#086f5d",
    closed_soft="#e5e8ee",
)

DARK: Final = Palette(
    card="#171b22",
    edge="#363e4a",
    ink="#e8ecf2",
    muted="#a5afbd",
    guide="#3c4552",
    shade="#20262f",
    inward="#6db4fa",
    inward_soft="#1c3956",
    outward="#50caae",
    outward_soft="#17433a",
    news="#f3a75c",
    wait="#f1be60",
    wait_soft="#493612",
    error="#ff8d8d",
    error_soft="#54252a",
    missed="#ff86bd",
    armed="#d1a5ec",
    armed_soft="#3d2b4a",
    right="#51cbaf",
    closed_soft="#2c333e",
)


def palette_of(theme: str) -> Palette:
    """The colours of a theme; of "auto" the light ones, whose card reads on dark pages, too.

    Raises:
        ValueError: there is no such theme.
    """
    try:
        return {"auto": LIGHT, "light": LIGHT, "dark": DARK}[theme]
    except KeyError:
        raise ValueError(f"theme: 'auto', 'light' or 'dark', not {theme!r}") from None


def swaps() -> list[tuple[str, str]]:
    """Each light colour with the dark one that stands in its place."""
    return [(getattr(LIGHT, each.name), getattr(DARK, each.name)) for each in fields(Palette)]
