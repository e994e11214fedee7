"""Show a trace in Jupyter: with hovering where that is allowed, as an image where it is not.

Jupyter and GitHub take <svg>, <style> and unknown attributes out of what they do not trust, and
leave the text that stood between. (JupyterLab also drops an attribute without a value, hence
hidden="hidden".) So there is an <img>, which they leave, and behind it, hidden,
the SVG itself with a style sheet that swaps the two. If the style sheet is taken out, the image
stays, and what is left of the SVG is text in a hidden element. scikit-learn shows estimators so.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Final

from epollkit.scope._palette import swaps
from epollkit.scope._trace import Trace
from epollkit.scope._words import summary

__all__ = ["html", "mime_bundle"]

_WIDTH: Final = 1_240
"""Pixels: about what a notebook's cell has on a large screen."""
_MOST: Final = 1_400
"""A picture that is a little wider is scrolled, not broken."""

_DARK: Final = ':is([data-jp-theme-light="false"],[data-theme="dark"],.vscode-dark)'
"""Dark pages: JupyterLab's, Sphinx' and Visual Studio Code's."""


def mime_bundle(
    trace: Trace, include: Iterable[str] | None, exclude: Iterable[str] | None
) -> dict[str, str]:
    """The forms that Jupyter may choose from, without those that it does not want."""
    forms: dict[str, Callable[[], str]] = {
        "text/plain": trace.text,
        "text/html": lambda: html(trace),
    }
    wanted = set(forms) if include is None else set(forms) & set(include)
    wanted -= set(exclude or ())
    return {form: make() for form, make in forms.items() if form in wanted}


def html(trace: Trace) -> str:
    """A piece of HTML with the picture in it, by itself and the same for the same trace."""
    svg = trace.svg()
    width = re.search(r' width="(\d+)"', svg)
    if width is None or int(width[1]) > _MOST:
        svg = trace.svg(width=_WIDTH)
    name = f"epollkit-{hashlib.sha256(svg.encode()).hexdigest()[:12]}"
    image = base64.b64encode(svg.encode()).decode()
    return (
        f'<div id="{name}">'
        f'<img alt="{escape(summary(trace))}" src="data:image/svg+xml;base64,{image}">'
        f'<div hidden="hidden"><style>{_style(name, svg)}</style>{svg}</div>'
        "</div>"
    )


def _style(name: str, svg: str) -> str:
    """Show the SVG in place of the image, and in the page's theme."""
    rules = [
        f"#{name}>img{{display:none}}",
        f"#{name}>[hidden]{{display:block!important;overflow-x:auto}}",  # JupyterLab's is important
        f"#{name} svg{{max-width:none;height:auto}}",
    ]
    rules += [
        f'{_DARK} #{name} [{attribute}="{light}"]{{{attribute}:{dark}}}'
        for light, dark in swaps()
        for attribute in ("fill", "stroke")
        if f'{attribute}="{light}"' in svg
    ]
    return "".join(rules)
