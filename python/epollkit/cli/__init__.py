"""The command line: `epollkit demo`, `doctor`, `semantics`, `serve`, `completion`.

A subcommand is a module with `add_to(subparsers)`, which declares it and sets `run`, a function of
the parsed arguments and an `Output` that returns an `ExitCode`. This module does the rest:
parsing, expected errors in one line, Ctrl-C, a closed pipe.
"""

import argparse
import contextlib
import difflib
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import epollkit
from epollkit._errors import EpollkitError
from epollkit.cli import completion, demo, doctor, semantics, serve
from epollkit.cli._output import ExitCode, Failure, Output, describe

__all__ = ["main"]

_EPILOG = """\
examples:
  epollkit demo                          a tour of this machine, in a few seconds
  epollkit demo localhost:7 --clients 50 the same against an echo server of yours
  epollkit doctor                        what this machine allows
  epollkit semantics                     what is claimed about epoll, and what is true
  epollkit serve echo -l 127.0.0.1:7000  a native echo server, until Ctrl-C
  epollkit completion bash               tab completion for this shell

exit codes:
  0 fine   1 something failed, or a check did   2 wrong usage
  130 ended by Ctrl-C   141 the reader of stdout went away
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments, without the program's name; None for those of the process.

    Returns:
        The exit code: 0, 1 (failed), 2 (usage), 130 (Ctrl-C) or 141 (stdout's reader is gone).
    """
    try:
        code = _main(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return ExitCode.BROKEN_PIPE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return code


def make_parser() -> argparse.ArgumentParser:
    """The whole command line as a parser; completions are made from it too."""
    parser = _Parser(
        prog="epollkit",
        description="Linux sockets and epoll, exactly as the kernel does them.",
        epilog=_EPILOG,
        formatter_class=_HelpFormatter,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"epollkit {epollkit.__version__}",
        help="show the version and exit",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for module in (demo, doctor, semantics, serve, completion):
        module.add_to(subparsers)
    return parser


def _main(argv: Sequence[str] | None) -> int:
    parser = make_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as leaving:  # argparse has printed its help or its error
        return leaving.code if isinstance(leaving.code, int) else ExitCode.USAGE
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return ExitCode.USAGE
    output = Output(arguments)
    try:
        code: ExitCode = arguments.run(arguments, output)
    except BrokenPipeError:  # stdout's: those of sockets are results
        raise
    except OSError as error:
        return _fail(output, describe(error))
    except (Failure, EpollkitError) as error:
        return _fail(output, str(error))
    return code


def _fail(output: Output, message: str) -> ExitCode:
    """One line on stderr, and the same as an object where one was asked for."""
    output.error(message)
    if output.json:
        output.object({"error": message})
    return ExitCode.FAILED


def _forget_stdout() -> None:
    """Let the interpreter's last flush go nowhere, or it would complain about the pipe again."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class _Parser(argparse.ArgumentParser):
    """Suggests what was meant, on every version; never guesses from an abbreviation."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(allow_abbrev=False, **settings)
        self.suggest_on_error = True  # Python 3.14's own; earlier ones get the same below

    def error(self, message: str) -> NoReturn:
        if found := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            choices = re.findall(r"[\w-]+", found[2])
            close = difflib.get_close_matches(found[1], choices, n=1)
            hint = f"maybe you meant '{close[0]}'? " if close else ""
            message = message[: found.start()] + (
                f"invalid choice: '{found[1]}', {hint}(choose from {', '.join(choices)})"
            )
        super().error(message)


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Leaves room for the commands' names, whose indentation argparse forgets to count."""

    def __init__(self, prog: str, **settings: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(prog, **settings)
        self._action_max_length = 16
