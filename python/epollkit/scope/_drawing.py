"""Write SVG: elements with attributes, escaped, as one string without any resource beside it."""

import re
import unicodedata
from typing import Final
from xml.sax.saxutils import escape, quoteattr

__all__ = ["LABEL", "SMALL", "TINY", "Drawing", "clipped", "short", "text_width"]

LABEL: Final = 12.0
"""Text sizes, in pixels."""
SMALL: Final = 10.0
TINY: Final = 9.0

_NOT_XML: Final = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # XML 1.0, section 2.2
)

Value = str | float


class Drawing:
    """SVG elements, in the order in which they are painted."""

    def __init__(self) -> None:
        self._parts = list[str]()

    def element(self, tag: str, *, title: str = "", text: str = "", **attributes: Value) -> None:
        """Add an element.

        Args:
            tag: such as "path".
            title: what hovering over it shows.
            text: its text.
            attributes: presentation attributes; "stroke_width" becomes stroke-width.
        """
        self.open(tag, **attributes)
        inner = f"<title>{_clean(title)}</title>" if title else ""
        inner += _clean(text)
        opened = self._parts.pop()
        self._parts.append(f"{opened}{inner}</{tag}>" if inner else f"{opened[:-1]}/>")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = LABEL,
        anchor: str = "start",
        fill: str = "",
        bold: bool = False,
        title: str = "",
    ) -> None:
        """Add a line of text.

        Args:
            x: where its anchor is.
            y: its baseline.
            text: what it says.
            size: in pixels.
            anchor: "start", "middle" or "end".
            fill: its colour; "" for that of what is around it.
            bold: whether it is.
            title: what hovering over it shows.
        """
        more = {"font_weight": "600"} if bold else {}
        if anchor != "start":
            more["text_anchor"] = anchor
        if fill:
            more["fill"] = fill
        self.element("text", title=title, text=text, x=x, y=y, font_size=size, **more)

    def open(self, tag: str, **attributes: Value) -> None:
        """Begin an element around those that follow."""
        written = "".join(
            f" {name.rstrip('_').replace('_', '-')}={_quoted(value)}"
            for name, value in attributes.items()
        )
        self._parts.append(f"<{tag}{written}>")

    def close(self, tag: str) -> None:
        """End it."""
        self._parts.append(f"</{tag}>")

    def __str__(self) -> str:
        return "".join(self._parts)


def text_width(text: str, size: float) -> float:
    """About how wide a text of this size is, in a wide font such as DejaVu."""
    if text.isascii():
        return len(text) * size * 0.61
    cells = sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)
    return cells * size * 0.61


def clipped(text: str, most: int) -> str:
    """At most so many characters, with an ellipsis where some are missing."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _clean(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))


def _quoted(value: Value) -> str:
    if isinstance(value, str):
        return quoteattr(_NOT_XML.sub("\ufffd", value))
    return f'"{short(value)}"'


def short(number: float) -> str:
    """A coordinate: a tenth of a pixel is enough."""
    return f"{number:.1f}".removesuffix(".0")
