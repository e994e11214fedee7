"""What the subcommands share: results to stdout, progress to a terminal's stderr, failures.

rich is imported when something is drawn, so that `--help`, `--json` and completions start fast.
"""

import argparse
import contextlib
import enum
import json
import math
import os
import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = [
    "ExitCode",
    "Failure",
    "Output",
    "add_common_options",
    "describe",
    "host_port",
    "parse_address",
    "positive_float",
    "positive_int",
]


_LAST_PORT = 0xFFFF


class Subparsers(Protocol):
    """What `ArgumentParser.add_subparsers` returns; argparse has no public name for it."""

    def add_parser(self, name: str, **settings: Any) -> argparse.ArgumentParser:  # noqa: ANN401
        """Declare a subcommand."""
        ...


class ExitCode(enum.IntEnum):
    """What the command's exit tells; `epollkit --help` lists them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INTERRUPTED = 130
    """Ctrl-C: 128 + SIGINT, as a shell reports it."""
    BROKEN_PIPE = 141
    """Nobody reads stdout any more: 128 + SIGPIPE."""


class Failure(Exception):
    """An expected way to fail: its message, without a traceback, and exit code 1."""


class Output:
    """Where a subcommand's results, notes and progress go.

    Args:
        arguments: parsed, with the options of `add_common_options`.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._command: str = arguments.command
        self.json: bool = arguments.json
        self.quiet: bool = arguments.quiet
        self._color: bool = arguments.color and not os.environ.get("NO_COLOR")

    def object(self, fields: dict[str, Any]) -> None:
        """Print a result as one line of JSON."""
        sys.stdout.write(json.dumps({"schema": 1, **fields}) + "\n")
        sys.stdout.flush()

    def show(self, *renderables: "RenderableType") -> None:
        """Print a result for people, unless they asked for quiet or for JSON."""
        if self.quiet or self.json:
            return
        console = self._console(sys.stdout)
        # Captured, since rich ends the process by itself when the pipe is closed.
        with console.capture() as drawn:
            for renderable in renderables:
                console.print(renderable)
        sys.stdout.write(drawn.get())
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Tell on stderr what is not the result but should be known."""
        if not self.quiet:
            self._console(sys.stderr).print(text, style="yellow", highlight=False)

    def error(self, text: str) -> None:
        """Tell on stderr why the exit code will be 1."""
        sys.stderr.write(f"epollkit {self._command}: {text}\n")

    @property
    def ascii_only(self) -> bool:
        """Whether stdout's encoding lacks what the pictures are drawn with."""
        try:
            "●▁▔▲↻·─µ".encode(sys.stdout.encoding or "ascii")
        except UnicodeEncodeError:
            return True
        return False

    @property
    def width(self) -> int:
        """Columns of stdout: the terminal's, what COLUMNS says, or 80."""
        return self._console(sys.stdout).width

    @contextlib.contextmanager
    def progress(self, title: str, total: float | None) -> Generator[Callable[[float, str], None]]:
        """A progress bar on stderr while the block runs; none unless that is a terminal.

        Args:
            title: what is going on.
            total: the amount at which the bar is full; None if there is no telling.

        Yields:
            A function to call with the amount done and a word on it.
        """
        if self.quiet or not sys.stderr.isatty():
            yield lambda _done, _text: None
            return
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

        with Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=40),
            TextColumn("{task.fields[text]}"),
            console=self._console(sys.stderr),
            transient=True,
        ) as bars:
            task = bars.add_task(title, total=total, text="")
            yield lambda done, text: bars.update(task, completed=done, text=text)

    def _console(self, file: TextIO) -> "Console":
        from rich.console import Console  # noqa: PLC0415

        colors: Literal["auto"] | None = "auto" if self._color else None
        return Console(file=file, color_system=colors, highlight=False, markup=False)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """The options that every subcommand has."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help='one JSON object, with "schema": 1')
    group.add_argument("--quiet", action="store_true", help="print errors only; see the exit code")
    group.add_argument(
        "--no-color",
        dest="color",
        action="store_false",
        help="no colours, as with NO_COLOR in the environment",
    )


def describe(error: OSError) -> str:
    """An OSError as people read it: what was being done, and the kernel's words for it."""
    text = error.strerror or str(error)
    notes = getattr(error, "__notes__", [])
    return f"{notes[0]}: {text}" if notes else text


def parse_address(text: str) -> tuple[str, int]:
    """HOST:PORT as an argparse type. No host means 127.0.0.1; an IPv6 host goes in brackets."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or (":" in host and not bracketed):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not HOST:PORT (an IPv6 host goes in brackets: [::1]:7)"
        )
    if not (port.isascii() and port.isdigit() and int(port) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"{port!r} is not a port, 0 to 65535")
    return host.strip("[]") or "127.0.0.1", int(port)


def host_port(host: str, port: int) -> str:
    """An address as people write it, and `parse_address` reads it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def positive_int(text: str) -> int:
    """A whole number from 1 up, as an argparse type."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return number


def positive_float(text: str) -> float:
    """A finite number above 0, as an argparse type."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
