"""Pictures in JupyterLab as a reader sees them: whether they show, their text, their titles."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab_support import Notebook

if TYPE_CHECKING:  # the other stages have none
    from playwright.sync_api import Locator

_CALL = "(element, [name, ...given]) => epollkit.call(name, element, ...given)"


@dataclass(frozen=True)
class Picture:
    """An output with an SVG in it."""

    cell: int  # among the code cells
    output: int
    seen: list[str]  # "svg", "img": what of it can be seen
    text: str  # what can be read beside it


@dataclass(frozen=True)
class Title:
    """What a mark in a picture says under the mouse."""

    text: str  # its own
    told: str | None  # what the mouse is told there; None: it cannot get there


@dataclass(frozen=True)
class Text:
    """A line of text in a picture, as it is seen."""

    text: str
    contrast: float  # the least with what is behind it; WCAG asks for 4.5
    size: float  # CSS pixels
    cut: bool  # by the picture's edge
    into: list[str]  # what it is written over


def shoot(notebook: Notebook, folder: Path, name: str) -> None:
    """The whole notebook as NAME.png, and its pictures as NAME-CELL.OUTPUT.png."""
    # Not screenshot(path=...): it leaves a thread behind.
    notebook.stretch()
    panel = notebook.lab.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook")
    (folder / f"{name}.png").write_bytes(panel.screenshot())
    for picture in pictures_in(notebook):
        if picture.seen:
            shot = locate(notebook, picture).screenshot()
            (folder / f"{name}-{picture.cell}.{picture.output}.png").write_bytes(shot)


def pictures_in(notebook: Notebook, seconds: float = 10) -> list[Picture]:
    """The outputs with an SVG, once each can be seen; the one that cannot has `seen` empty."""
    found = notebook.lab.call("pictures", notebook.name, seconds * 1000)
    return [Picture(**picture) for picture in found]


def locate(notebook: Notebook, picture: Picture) -> "Locator":
    """The picture in the page: what can be seen of it."""
    place = f"{picture.cell}.{picture.output}"
    return notebook.lab.page.locator(f'[data-picture="{place}"]').locator("visible=true").first


def texts_in(notebook: Notebook, picture: Picture) -> list[Text]:
    """The lines of text in a picture, as they are seen."""
    svg = locate(notebook, picture)
    if picture.seen == ["img"]:  # whose text cannot be looked at
        svg.evaluate(_CALL, ["inline"])
        svg = notebook.lab.page.locator("[data-inline] svg")
    svg.evaluate(_CALL, ["hideText", True])
    ground = svg.screenshot(scale="css")
    svg.evaluate(_CALL, ["hideText", False])
    found = svg.evaluate(_CALL, ["texts", base64.b64encode(ground).decode()])
    notebook.lab.call("asImages")
    return [Text(**text) for text in found]


def titles_in(notebook: Notebook, picture: Picture) -> list[Title]:
    """The marks of an inline picture that have a title, and what the mouse is told on them."""
    notebook.stretch()
    found = []
    for title in locate(notebook, picture).evaluate(_CALL, ["titles"]):
        told = None
        if title["x"] is not None:
            notebook.lab.page.mouse.move(title["x"], title["y"])
            told = notebook.lab.call("titleUnderMouse")
        found.append(Title(title["text"], told))
    return found


def hard_to_read(texts: list[Text]) -> list[str]:
    """What a reader would complain of."""
    return [
        f"{text.text!r}: {complaint}"
        for text in texts
        for complaint in (
            [f"contrast {text.contrast:.2f}, not 4.5"] * (text.contrast < 4.5)
            + [f"{text.size:.1f} pixels high, not 9"] * (text.size < 9)
            + ["cut off by the picture's edge"] * text.cut
            + [f"written over {other!r}" for other in text.into]
        )
    ]
