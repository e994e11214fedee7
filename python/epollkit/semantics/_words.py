"""Verdicts and pages in words."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from epollkit.semantics._outcome import Outcome

__all__ = ["link", "verdict_in_words"]


def verdict_in_words(outcome: "Outcome") -> str:
    """The verdict, and the expected one where it is another."""
    if outcome.verdict is None:
        return "failed" if outcome.broken else "not shown"
    if outcome.verdict is outcome.claim.verdict:
        return outcome.verdict.value
    return f"{outcome.verdict.value} (Linux 6.18: {outcome.claim.verdict.value})"


def link(page: str) -> str:
    """Where to read a page: "epoll(7)", "RFC 9293" or "PEP 475"."""
    if found := re.fullmatch(r"(\w+)\((\d)\)", page):
        name, section = found.groups()
        return f"https://man7.org/linux/man-pages/man{section}/{name}.{section}.html"
    if found := re.fullmatch(r"RFC (\d+)", page):
        return f"https://www.rfc-editor.org/rfc/rfc{found[1]}"
    if found := re.fullmatch(r"PEP (\d+)", page):
        return f"https://peps.python.org/pep-{int(found[1]):04}/"
    raise ValueError(f"{page!r} is neither a man page, name(section), an RFC nor a PEP")
