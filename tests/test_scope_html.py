"""What Jupyter shows of a trace: trusted, untrusted, light and dark."""

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings

from epollkit.scope import Trace
from epollkit.scope._palette import DARK, LIGHT, swaps
from trace_support import elements, level_and_edge, texts_of, traces

# What JupyterLab's sanitizer does to what it does not trust: these tags go, with the text of the
# first two; of the others the text stays.
DROPPED_WITH_TEXT = {"style", "script"}
DROPPED = {"svg", "g", "path", "rect", "circle", "text", "title"}


class Sanitized(HTMLParser):
    """The tags, and the text that is neither dropped nor in a hidden element."""

    def __init__(self, html: str, *, trusted: bool = False) -> None:
        super().__init__()
        self.trusted = trusted
        self.images = list[dict[str, str | None]]()
        self.shown = ""
        self._open = list[tuple[str, bool]]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))
        elif self.trusted or tag not in DROPPED:
            self._open.append(
                (tag, dict(attrs).get("hidden") == "hidden" or tag in DROPPED_WITH_TEXT)
            )

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        if self.trusted or tag not in DROPPED:
            assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not any(hidden for _, hidden in self._open):
            self.shown += data


def html_of(trace: Trace) -> str:
    return trace._repr_mimebundle_()["text/html"]


def image_of(html: str) -> str:
    (image,) = Sanitized(html).images
    kind, _, data = (image["src"] or "").partition(",")
    assert kind == "data:image/svg+xml;base64"
    return base64.b64decode(data, validate=True).decode()


def rules_of(html: str) -> Iterator[tuple[str, str]]:
    style = re.findall("<style>(.*?)</style>", html)
    assert len(style) == 1
    yield from re.findall(r"([^{}]+)\{([^{}]*)\}", style[0])


def test_it_comes_as_text_and_as_html() -> None:
    bundle = level_and_edge()._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert bundle["text/plain"] == level_and_edge().text()


def test_jupyter_may_choose_what_it_wants() -> None:
    trace = level_and_edge()
    assert set(trace._repr_mimebundle_(include=["text/plain", "image/png"])) == {"text/plain"}
    assert set(trace._repr_mimebundle_(exclude=["text/plain"])) == {"text/html"}
    assert trace._repr_mimebundle_(include=[]) == {}


def test_untrusted_it_is_an_image_and_no_text_leaks() -> None:
    html = html_of(level_and_edge())
    sanitized = Sanitized(html)
    assert len(sanitized.images) == 1
    assert sanitized.shown == ""
    assert len(elements(image_of(html), "circle", "delivered")) == 7


def test_trusted_the_style_sheet_swaps_the_image_for_the_svg() -> None:
    html = html_of(level_and_edge())
    (name,) = re.findall(r'^<div id="([^"]+)">', html)
    rules = dict(rules_of(html))
    assert rules[f"#{name}>img"] == "display:none"
    assert rules[f"#{name}>[hidden]"].startswith("display:block!important")
    (inline,) = re.findall("<svg.*</svg>", html, re.DOTALL)
    assert inline == image_of(html)


def test_the_style_sheet_touches_nothing_else_on_the_page() -> None:
    html = html_of(level_and_edge())
    (name,) = re.findall(r'^<div id="([^"]+)">', html)
    for selector, _ in rules_of(html):
        assert f"#{name}" in selector


def test_on_a_dark_page_each_colour_is_swapped_for_its_dark_one() -> None:
    html = html_of(level_and_edge())
    dark = {
        (found[2], body.partition(":")[2])
        for selector, body in rules_of(html)
        if (
            found := re.search(
                r'(\[data-jp-theme-light="false"\]).*\[(?:fill|stroke)="(.*)"\]', selector
            )
        )
    }
    assert (LIGHT.card, DARK.card) in dark
    assert (LIGHT.ink, DARK.ink) in dark
    assert dark <= set(swaps())
    used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', image_of(html)))
    assert {light for light, _ in dark} == used


def test_no_two_light_colours_are_the_same() -> None:
    lights = [light for light, _ in swaps()]
    assert len(set(lights)) == len(lights)


def test_the_image_says_in_words_what_it_shows() -> None:
    (image,) = Sanitized(html_of(level_and_edge())).images
    assert image["alt"] == (
        "Level and edge. Timeline of 7 calls on near. "
        "LT (IN) reported in wait 1, 2, 3, 4 of 4. ET (IN|ET) reported in wait 1, 4 of 4. "
        "ONESHOT (IN|ONESHOT) reported in wait 1 of 4."
    )


def test_the_same_trace_gives_the_same_bytes_and_another_another_id() -> None:
    assert html_of(level_and_edge()) == html_of(level_and_edge())
    other = html_of(level_and_edge().predict(ET="1001"))
    assert html_of(level_and_edge())[:40] != other[:40]


def test_a_picture_much_wider_than_a_cell_is_broken_into_pieces() -> None:
    trace = level_and_edge()
    for times, pieces in ((1, 1), (4, 1), (8, 2)):
        inline = image_of(html_of(replace(trace, ticks=trace.ticks * times)))
        assert texts_of(inline).count("readable") == pieces


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = html_of(level_and_edge())
    assert set(re.findall(r"https?://[^\"']*", html)) == {"http://www.w3.org/2000/svg"}
    assert "<script" not in html


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(trace=traces(most_ticks=4))
def test_no_name_breaks_out_of_the_page(trace: Trace) -> None:
    html = html_of(trace)
    assert Sanitized(html).shown == ""
    assert Sanitized(html, trusted=True).shown == ""
    assert len(Sanitized(html, trusted=True).images) == 1
