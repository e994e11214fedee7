"""`epollkit doctor`: what this machine allows."""

import argparse
import sys
from typing import TYPE_CHECKING

from epollkit.cli._output import ExitCode, Output, Subparsers, add_common_options

if TYPE_CHECKING:
    from epollkit._doctor import Report

__all__ = ["add_to"]

_EPILOG = """\
examples:
  epollkit doctor                    read it
  epollkit doctor --check            fail (exit code 1) if something is low
  epollkit doctor --json | jq '.rows[] | select(.verdict == "low")'
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "doctor",
        help="what this machine allows, and how to raise it",
        description="Show the limits that sockets run into on this machine, and how to raise them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if something is low")
    add_common_options(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, output: Output) -> ExitCode:
    from epollkit._doctor import doctor  # noqa: PLC0415 - only this subcommand needs it

    report = doctor()
    if output.json:
        sys.stdout.write(report.to_json() + "\n")
    elif not output.quiet:
        _show(report, output)
    return ExitCode.FAILED if arguments.check and report.low else ExitCode.OK


def _show(report: "Report", output: Output) -> None:
    from rich.text import Text  # noqa: PLC0415 - only when something is drawn

    text = Text(str(report))
    text.highlight_regex(r"(?m)^ok\b", "green")
    text.highlight_regex(r"(?m)^low\b", "bold red")
    text.highlight_regex(r"(?m)^unknown\b", "yellow")
    text.highlight_regex(r"(?m)^ {11}.*$", "dim")
    output.show(text)
