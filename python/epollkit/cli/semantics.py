"""`epollkit semantics`: what people claim about sockets and epoll, decided on this kernel."""

import argparse
import difflib
import os
from typing import TYPE_CHECKING, Any, Final

from epollkit.cli._output import ExitCode, Failure, Output, Subparsers, add_common_options

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from epollkit.semantics import Claim, Outcome, Report

__all__ = ["add_to"]

_EPILOG = """\
examples:
  epollkit semantics                      perform every experiment on this kernel
  epollkit semantics --only epoll         one topic; repeat it for more, or give names of claims
  epollkit semantics explain NAME         one experiment, call by call, with its timeline
  epollkit semantics --json | jq '.claims[] | select(.verdict == "false") | .truth'

topics:
  creation connect accept transfer close descriptors select poll epoll

A verdict follows from what is seen. The exit code is 1 if one is otherwise than on Linux 6.18, or
an experiment failed.
"""

_COLORS: Final = {"true": "green", "true with a condition": "yellow", "false": "red"}


def add_to(subparsers: Subparsers) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "semantics",
        help="what is claimed about sockets and epoll, and what is true",
        description="Decide what people claim about sockets, select, poll and epoll, each claim\n"
        "by an experiment on this kernel.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", nargs="?", choices=["explain"], help="show one in full")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the claim to explain")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TOPIC|NAME",
        help="only this topic, or this claim; may be repeated",
    )
    add_common_options(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, output: Output) -> ExitCode:
    if arguments.action == "explain":
        return _explain(arguments.name, output)
    from epollkit import semantics  # noqa: PLC0415 - only this subcommand needs it

    claims = _claims(arguments.only)
    outcomes = list["Outcome"]()
    with output.progress("claims", len(claims)) as tell:
        for claim in claims:
            tell(len(outcomes), claim.name)
            outcomes.append(semantics.run(claim))
    report = semantics.Report(tuple(outcomes))
    if output.json:
        output.object(
            {**_machine(), "counts": report.counts, "claims": list(map(semantics.as_data, report))}
        )
    else:
        output.show(*_page(report))
    for outcome in report.unexpected:
        output.error(_complaint(outcome))
    return ExitCode.FAILED if report.unexpected else ExitCode.OK


def _claims(only: list[str]) -> "list[Claim]":
    from epollkit import semantics  # noqa: PLC0415 - as above

    try:
        return semantics.select_claims(only)
    except ValueError as error:
        raise Failure(f"{error}{_suggestion(only)}") from None


def _suggestion(names: list[str]) -> str:
    from epollkit.semantics import CLAIMS  # noqa: PLC0415 - as above

    close = [found for name in names for found in difflib.get_close_matches(name, CLAIMS, n=1)]
    return f"; maybe you meant {' '.join(close)}?" if close else ""


def _machine() -> dict[str, Any]:
    system = os.uname()
    return {"kernel": system.release, "machine": system.machine}


def _complaint(outcome: "Outcome") -> str:
    if outcome.problem:
        return f"{outcome.claim.name}: {outcome.problem}"
    told = [f"{each.text}: {each.seen}, not {each.expected}" for each in outcome.surprises]
    return f"{outcome.claim.name}: otherwise than on Linux 6.18: {'; '.join(told)}"


# All of them.


def _page(report: "Report") -> "list[RenderableType]":
    from rich.rule import Rule  # noqa: PLC0415 - only when something is drawn
    from rich.text import Text  # noqa: PLC0415

    page = list["RenderableType"]()
    topics = dict.fromkeys(each.claim.topic for each in report)
    for topic in topics:
        page.append(Rule(topic, align="left", style="dim"))
        page.append(_table([each for each in report if each.claim.topic == topic]))
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.counts.items())
    seconds = sum(each.elapsed for each in report)
    system = os.uname()
    page.append(Text(f"{len(report)} claims on Linux {system.release}: {counts}; {seconds:.1f} s"))
    return page


def _table(outcomes: "list[Outcome]") -> "Table":
    from rich.table import Table  # noqa: PLC0415 - only when something is drawn
    from rich.text import Text  # noqa: PLC0415

    from epollkit.semantics import verdict_in_words  # noqa: PLC0415

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=max(len("condition"), 9))
    table.add_column(ratio=1)
    table.add_column(justify="right", style="dim")
    for outcome in outcomes:
        claim, verdict = outcome.claim, verdict_in_words(outcome)
        cell = Text(claim.text, style="bold")
        if claim.truth:
            cell.append(f"\n{claim.truth}", style="not bold")
        cell.append(f"\nseen: {outcome.told}", style="not bold dim")
        cell.append(f"\n{claim.name}\n", style="not bold cyan")
        table.add_row(
            Text(verdict, style=_COLORS.get(verdict, "bold red")), cell, "\n".join(claim.man)
        )
    return table


# One of them.


def _explain(name: str | None, output: Output) -> ExitCode:
    from epollkit import semantics  # noqa: PLC0415 - only this subcommand needs it

    if name is None:
        raise Failure("explain: of which claim? `epollkit semantics` lists their names")
    if name not in semantics.CLAIMS:
        raise Failure(f"no claim {name!r}{_suggestion([name])}")
    outcome = semantics.run(name, record=True)
    if output.json:
        trace = None if outcome.trace is None else outcome.trace.to_json()
        output.object({**_machine(), **semantics.as_data(outcome), "trace": trace})
    else:
        output.show(*_story(outcome, output))
    if outcome.broken or (not outcome.problem and not outcome.as_expected):
        output.error(_complaint(outcome))
        return ExitCode.FAILED
    return ExitCode.OK


def _story(outcome: "Outcome", output: Output) -> "list[RenderableType]":
    from rich.text import Text  # noqa: PLC0415 - only when something is drawn

    from epollkit.semantics import link, verdict_in_words  # noqa: PLC0415

    claim, verdict = outcome.claim, verdict_in_words(outcome)
    story: list[RenderableType] = [
        Text(claim.text, style="bold"),
        Text(
            verdict + (f": {claim.truth}" if claim.truth else ""), style=_COLORS.get(verdict, "red")
        ),
        Text(f"\n{claim.about}\n"),
    ]
    width = max((len(finding.text) for finding in outcome.findings), default=0)
    for finding in outcome.findings:
        line = f"{finding.bearing.value:>7}  {finding.text:<{width}}  {finding.seen}"
        if not finding.as_expected:
            line += f"   (Linux 6.18: {finding.expected})"
        story.append(Text(line, style="" if finding.as_expected else "red"))
    if outcome.problem:
        story.append(Text(outcome.problem, style="red"))
    if outcome.trace is not None and outcome.trace.ticks:
        from epollkit.scope import legend  # noqa: PLC0415

        picture = outcome.trace.text(ascii_only=output.ascii_only, width=output.width)
        story.append(Text(f"\n{picture}\n{legend(ascii_only=output.ascii_only)}", no_wrap=True))
    pages = "\n".join(f"{page:<16} {link(page)}" for page in claim.man)
    story.append(Text(f"\n{pages}\nnotebook {claim.notebook}", style="dim"))
    return story
