"""Outcomes and reports in Jupyter."""

from html import escape
from typing import TYPE_CHECKING, Final

from epollkit.semantics._words import link, verdict_in_words

if TYPE_CHECKING:
    from epollkit.semantics._outcome import Finding, Outcome
    from epollkit.semantics._registry import Claim
    from epollkit.semantics._report import Report

__all__ = ["of_outcome", "of_report"]

_HEADINGS: Final = ("claim", "verdict", "seen", "man page")


def of_report(report: "Report") -> str:
    """A table; the name is what `run` and `epollkit semantics explain` take."""
    return _table([_cells(each) for each in report], _HEADINGS)


def _cells(outcome: "Outcome") -> list[str]:
    claim = outcome.claim
    truth = f"<br><i>{escape(claim.truth)}</i>" if claim.truth else ""
    return [
        f"<b>{escape(claim.text)}</b>{truth}<br><code>{claim.name}</code>",
        escape(verdict_in_words(outcome)),
        escape(outcome.told),
        _pages(claim),
    ]


def of_outcome(outcome: "Outcome") -> str:
    """The claim, the verdict, the findings, and the picture if it was recorded."""
    claim = outcome.claim
    verdict = escape(verdict_in_words(outcome))
    truth = f": {escape(claim.truth)}" if claim.truth else ""
    problem = f"<p>{escape(outcome.problem)}</p>" if outcome.problem else ""
    picture = ""
    if outcome.trace is not None and outcome.trace.ticks:
        from epollkit.scope._html import html  # noqa: PLC0415 - drawn only when asked for

        picture = html(outcome.trace)
    return (
        f"<p><b>{escape(claim.text)}</b><br>{verdict}{truth} ({_pages(claim)})</p>"
        f"{problem}{_table([_of_finding(each) for each in outcome.findings])}{picture}"
    )


def _of_finding(finding: "Finding") -> list[str]:
    seen = escape(finding.seen)
    if not finding.as_expected:
        seen += f" <b>(Linux 6.18: {escape(finding.expected)})</b>"
    return [finding.bearing.value, escape(finding.text), seen]


def _pages(claim: "Claim") -> str:
    return ", ".join(f"<a href='{link(page)}'>{escape(page)}</a>" for page in claim.man)


def _table(rows: list[list[str]], headings: tuple[str, ...] = ()) -> str:
    head = "".join(f"<th style='text-align:left'>{each}</th>" for each in headings)
    body = "".join(f"<tr>{''.join(map(_cell, cells))}</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(content: str) -> str:
    return f"<td style='text-align:left;vertical-align:top'>{content}</td>"
