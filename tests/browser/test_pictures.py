"""An experiment's picture in JupyterLab: trusted or not, light or dark, under the mouse.

And that the checks used here and on the notebooks see what they are for.
"""

import itertools
from pathlib import Path
from typing import Any

import pytest

from lab_support import DARK, LIGHT, Lab, notebook_of
from picture_support import hard_to_read, pictures_in, shoot, texts_in, titles_in

HANDMADE = '''\
import base64


class Drawn:
    """Where the style is taken away, the image stays and the rest is hidden.

    JupyterLab takes an attribute without a value away, too: not `hidden` but `hidden="hidden"`.
    """

    def __init__(self, ink="currentColor", ground="none", name="drawn"):
        self.inline = self.drawing(ink, ground)
        self.image = self.drawing("#222222", "#ffffff")
        self.name = name

    @staticmethod
    def drawing(ink, ground):
        return f"""<svg xmlns="http://www.w3.org/2000/svg" width="420" height="90">
<rect width="420" height="90" fill="{ground}"/>
<g font-family="DejaVu Sans Mono, monospace" font-size="12" fill="{ink}">
<text x="8" y="24">readable</text><text x="8" y="54">ET</text></g>
<path d="M90 24H200V12H400" fill="none" stroke="#1f77b4" stroke-width="2"/>
<g><title>step 2: ET was told IN</title><circle cx="200" cy="50" r="6" fill="#d62728"/></g></svg>"""

    def _repr_mimebundle_(self, include=None, exclude=None):
        image = base64.b64encode(self.image.encode()).decode()
        html = (
            f"<div id='{self.name}'><style>#{self.name} > img {{ display: none }}"
            f" #{self.name} > div {{ display: block !important }}</style>"
            f"<img alt='what ET was told' src='data:image/svg+xml;base64,{image}'>"
            f"<div hidden='hidden'>{self.inline}</div></div>"
        )
        return {"text/plain": "ET  ●", "text/html": html}

'''
SCOPE = """\
from epollkit import EPOLLET, EPOLLIN, EPOLLONESHOT, Scope, socketpair

with Scope("Level and edge") as scope:
    near, far = socketpair()
    near, far = scope.watch(near, "near"), scope.watch(far, "far")
    scope.probe("LT", near, EPOLLIN)
    scope.probe("ET", near, EPOLLIN | EPOLLET)
    scope.probe("ONESHOT", near, EPOLLIN | EPOLLONESHOT)
    far.send(b"hello")
    scope.wait()
    scope.wait()
    near.recv(2)
    scope.wait()
    far.send(b"!")
    scope.wait()
scope.trace"""
PICTURES = {"handmade": f"{HANDMADE}\nDrawn()", "scope": SCOPE}
"""Cells whose output is a picture of an experiment, as users have it."""

numbers = itertools.count()
both_themes = pytest.mark.parametrize("theme", [LIGHT, DARK])
every_picture = pytest.mark.parametrize("picture", PICTURES)


def outputs_of(lab: Lab, source: str) -> list[list[dict[str, Any]]]:
    """What the cell puts out when it is run."""
    with lab.open(f"run-{next(numbers)}.ipynb", notebook_of(source)) as notebook:
        assert notebook.run(), notebook.failures()
        return notebook.outputs()


def showing(html: str) -> Any:  # noqa: ANN401 - nbformat's
    """A notebook that puts this out."""
    return notebook_of(f'display({{"text/html": {html!r}}}, raw=True)')


# --- the picture


@every_picture
@both_themes
def test_a_picture_that_was_run_is_inline_and_can_be_read(
    lab: Lab, shots: Path, picture: str, theme: str
) -> None:
    with lab.theme(theme), lab.open("trusted.ipynb", notebook_of(PICTURES[picture])) as notebook:
        assert notebook.run(), notebook.failures()
        shoot(notebook, shots, f"{picture}-trusted-{theme}")
        [seen] = pictures_in(notebook)
        assert seen.seen == ["svg"]
        texts = texts_in(notebook, seen)
        assert texts
        assert hard_to_read(texts) == []


@every_picture
@both_themes
def test_a_picture_that_was_not_run_here_is_an_image_and_can_be_read(
    lab: Lab, shots: Path, picture: str, theme: str
) -> None:
    written = notebook_of(PICTURES[picture], outputs=outputs_of(lab, PICTURES[picture]))
    with lab.theme(theme), lab.open("untrusted.ipynb", written) as notebook:
        assert not notebook.trusted()
        shoot(notebook, shots, f"{picture}-untrusted-{theme}")
        [seen] = pictures_in(notebook)
        assert seen.seen == ["img"]
        assert seen.text == ""  # nothing of what is hidden, no style sheet, no apology
        texts = texts_in(notebook, seen)
        assert texts
        assert hard_to_read(texts) == []


@every_picture
@both_themes
def test_a_mark_tells_its_title_under_the_mouse(lab: Lab, picture: str, theme: str) -> None:
    with lab.theme(theme), lab.open("hover.ipynb", notebook_of(PICTURES[picture])) as notebook:
        assert notebook.run(), notebook.failures()
        [seen] = pictures_in(notebook)
        titles = titles_in(notebook, seen)
        assert titles
        assert [title for title in titles if title.told != title.text] == []


# --- the checks


@pytest.mark.parametrize(
    ("script", "address"),
    [
        ("fetch('http://elsewhere.invalid/')", "http://elsewhere.invalid/"),
        (
            "new Promise((_, no) => new WebSocket('ws://elsewhere.invalid/').onerror = no)",
            "ws://elsewhere.invalid/",
        ),
    ],
    ids=["request", "websocket"],
)
def test_what_is_asked_of_another_machine_is_stopped_and_seen(
    lab: Lab, script: str, address: str
) -> None:
    answer = lab.page.evaluate(f"() => {script}.then(() => 'answered', () => 'stopped')")
    assert (answer, lab.outside) == ("stopped", [address])
    lab.outside.clear()


@both_themes
def test_text_in_the_colour_of_its_ground_is_seen(lab: Lab, theme: str) -> None:
    ink = {LIGHT: "#dddddd", DARK: "#333333"}[theme]
    source = f"{HANDMADE}\nDrawn(ink={ink!r})"
    with lab.theme(theme), lab.open("faint.ipynb", notebook_of(source)) as notebook:
        assert notebook.run(), notebook.failures()
        [seen] = pictures_in(notebook)
        words = [complaint.split()[:2] for complaint in hard_to_read(texts_in(notebook, seen))]
        assert words == [["'readable':", "contrast"], ["'ET':", "contrast"]]


def test_contrast_is_that_of_the_colours_seen(lab: Lab) -> None:
    """Black on white is 21, #767676 on white the least that passes: WCAG 2."""
    ratios = {
        ("#000000", "#ffffff"): 21.0,
        ("#ffffff", "#000000"): 21.0,
        ("#767676", "#ffffff"): 4.54,
        ("#0000ff", "#ffff00"): 8.0,
    }
    show = f"for ink, ground in {list(ratios)}:\n    display(Drawn(ink, ground, 'on-' + ink[1:]))"
    with lab.open("contrast.ipynb", notebook_of(HANDMADE + show)) as notebook:
        assert notebook.run(), notebook.failures()
        for picture, ratio in zip(pictures_in(notebook), ratios.values(), strict=True):
            for text in texts_in(notebook, picture):
                assert text.contrast == pytest.approx(ratio, abs=0.01)


def test_words_over_words_small_words_and_half_a_word_are_seen(lab: Lab) -> None:
    drawing = """\
<svg xmlns="http://www.w3.org/2000/svg" width="200" height="60" fill="currentColor">
<text x="10" y="20" font-size="12">waits</text><text x="14" y="22" font-size="12">tells</text>
<text x="10" y="50" font-size="6">small</text><text x="170" y="50" font-size="12">outside</text>
</svg>"""
    with lab.open("words.ipynb", showing(drawing)) as notebook:
        assert notebook.run(), notebook.failures()
        [seen] = pictures_in(notebook)
        assert hard_to_read(texts_in(notebook, seen)) == [
            "'waits': written over 'tells'",
            "'small': 6.0 pixels high, not 9",
            "'outside': cut off by the picture's edge",
        ]


def test_a_title_that_the_mouse_cannot_reach_is_seen(lab: Lab) -> None:
    drawing = """\
<svg xmlns="http://www.w3.org/2000/svg" width="200" height="60" fill="#888888">
<g><title>below</title><circle cx="30" cy="30" r="6"/></g>
<rect width="60" height="60"/>
<path d="M80 10V50H190" fill="none" stroke="#888888"><title>a line</title></path>
</svg>"""
    with lab.open("titles.ipynb", showing(drawing)) as notebook:
        assert notebook.run(), notebook.failures()
        [seen] = pictures_in(notebook)
        assert [(title.text, title.told) for title in titles_in(notebook, seen)] == [
            ("below", None),
            ("a line", "a line"),
        ]


def test_what_an_untrusted_notebook_does_not_show_is_seen(lab: Lab) -> None:
    source = f"""{HANDMADE}
display({{"image/svg+xml": Drawn().image}}, raw=True)
display({{"text/html": Drawn().inline}}, raw=True)"""
    written = notebook_of(source, outputs=outputs_of(lab, source))
    with lab.open("bare.ipynb", written) as notebook:
        lab.page.locator(".jp-OutputArea-output", has_text="step 2: ET was told IN").wait_for()
        refused, soup = pictures_in(notebook, seconds=0)
        assert (refused.seen, soup.seen) == ([], [])
        assert "step 2: ET was told IN" in soup.text
