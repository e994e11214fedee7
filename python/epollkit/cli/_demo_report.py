"""What `epollkit demo` found, as data and as a page of text."""

import errno
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from epollkit.cli._output import Output, host_port

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from epollkit import Socket, Trace
    from epollkit.load import LoopResult

__all__ = ["Address", "Connected", "Outcome", "show"]

Address: TypeAlias = tuple[Any, ...]

_SYN_RETRY = 1.0
"""Seconds until the kernel repeats a SYN that nobody answered."""


@dataclass(frozen=True, slots=True)
class Connected:
    """How the connects went."""

    tried: int
    sockets: Sequence["Socket"]
    failures: Sequence[OSError]
    elapsed: float

    @property
    def rate(self) -> float:
        """Connections per second."""
        return len(self.sockets) / self.elapsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that the demo found."""

    address: Address
    native: bool
    asked: int
    message_size: int
    seed: int
    connected: Connected
    result: "LoopResult"
    lesson: "Trace"

    @property
    def server(self) -> str:
        """The server's HOST:PORT."""
        return host_port(*self.address[:2])

    def problems(self) -> list[str]:
        """What went wrong on the way, a sentence each."""
        found: list[str] = []
        if failures := self.connected.failures:
            reasons = Counter(failure.strerror for failure in failures)
            told = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.items())
            found.append(
                f"{len(failures):,} of {self.connected.tried:,} connects to {self.server} failed "
                f"({told})"
            )
        for number, count in self.result.errors.items():
            found.append(f"{count:,} connections ended with: {os.strerror(number)}")
        if mismatched := self.result.mismatched:
            found.append(f"{self.server} does not echo: {mismatched:,} replies were other bytes")
        if ended := self.result.eof:
            found.append(f"{self.server} closed {ended:,} connections in the middle of a message")
        return found

    def as_data(self) -> dict[str, Any]:
        """What `--json` prints. Times are seconds; errors go by their names in errno.h."""
        from epollkit.cli import _lesson  # noqa: PLC0415 - only the demo needs it

        connected, result = self.connected, self.result
        return {
            "server": {"host": self.address[0], "port": self.address[1], "native": self.native},
            "connect": {
                "asked": self.asked,
                "tried": connected.tried,
                "connected": len(connected.sockets),
                "failed": dict(Counter(_errno_name(error.errno) for error in connected.failures)),
                "elapsed": connected.elapsed,
                "rate": connected.rate,
            },
            "traffic": {
                "message_size": self.message_size,
                "seed": self.seed,
                "messages": result.messages,
                "unfinished": result.unfinished,
                "errors": {_errno_name(number): n for number, n in result.errors.items()},
                "elapsed": result.elapsed,
                "rate": result.rate,
                "latency": {
                    "p50": result.p50,
                    "p99": result.p99,
                    "p999": result.p999,
                    "max": result.max,
                },
            },
            "lesson": {
                "trace": self.lesson.to_json(),
                "explanations": _lesson.explain(self.lesson),
            },
            "problems": self.problems(),
        }


def show(outcome: Outcome, output: Output) -> None:
    """Print the page: the table, then the picture."""
    from rich.text import Text  # noqa: PLC0415 - only when something is drawn

    whose = f"a native echo server, {outcome.server}" if outcome.native else outcome.server
    count = len(outcome.connected.sockets)
    title = Text(f"{count:,} clients of {whose}", style="bold")
    output.show("", title, "", _table(outcome, micro="us" if output.ascii_only else "µs"))
    if count > 1:
        note = f"All {count:,} have a message under way at any time: each waits for the others."
        output.show(Text(note, style="dim"))
    if not outcome.native and outcome.connected.elapsed >= _SYN_RETRY:
        note = "A connect that finds the server's listen backlog full is tried again after 1 s."
        output.show(Text(note, style="dim"))
    _show_lesson(outcome.lesson, output)


def _errno_name(number: int | None) -> str:
    return errno.errorcode.get(number or 0, str(number))


def _table(outcome: Outcome, *, micro: str) -> "Table":
    from rich import box  # noqa: PLC0415 - only when something is drawn
    from rich.table import Table  # noqa: PLC0415

    connected, result = outcome.connected, outcome.result
    connects = f"{len(connected.sockets):,} connections in {_duration(connected.elapsed, micro)}"
    if connected.failures:
        connects += f", {len(connected.failures):,} failed"
    messages = f"{result.messages:,} echoes of {outcome.message_size:,} bytes"
    rows = [
        ("connects/s", f"{connected.rate:,.0f}", connects),
        ("messages/s", f"{result.rate:,.0f}", f"{messages} in {_duration(result.elapsed, micro)}"),
        ("p50", _duration(result.p50, micro), "half of the echoes were back in this time"),
        ("p99", _duration(result.p99, micro), "99 of 100"),
        ("p99.9", _duration(result.p999, micro), "999 of 1,000"),
        ("max", _duration(result.max, micro), "all of them"),
    ]
    table = Table(box=box.ROUNDED, show_header=False, border_style="dim", safe_box=True)
    table.add_column(style="bold")
    table.add_column(justify="right", style="cyan")
    table.add_column()
    for row in rows:
        table.add_row(*row)
    return table


def _duration(seconds: float, micro: str) -> str:
    """Three digits and the unit that suits them."""
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{_three_digits(seconds / unit)} {name}"
    return f"{_three_digits(seconds / 1e-6)} {micro}"


def _three_digits(number: float) -> str:
    decimals = 2 if number < 9.995 else 1 if number < 99.95 else 0  # noqa: PLR2004 - where digits are rounded up
    return f"{number:,.{decimals}f}"


def _show_lesson(lesson: "Trace", output: Output) -> None:
    from rich.text import Text  # noqa: PLC0415 - only when something is drawn

    from epollkit.cli import _lesson  # noqa: PLC0415 - only the demo needs it
    from epollkit.scope import legend  # noqa: PLC0415 - as above

    ascii_only = output.ascii_only
    title = "One socket, three epoll sets: what each was told about the same bytes"
    output.show("", Text(title, style="bold"), "")
    output.show(_painted(lesson.text(ascii_only=ascii_only)))
    output.show("", _painted(legend(ascii_only=ascii_only)), "")
    for probe, sentence in _lesson.explain(lesson).items():
        output.show(Text.assemble((f"{probe:>8}", "bold"), f"  {sentence}"))


def _painted(picture: str) -> "Text":
    """Colours for the signs. Each sign has its own shape too, for those who see no colours."""
    from rich.text import Text  # noqa: PLC0415 - only when something is drawn

    text = Text(picture, no_wrap=True)
    text.highlight_regex(r"[●@]", "bold green")
    text.highlight_regex(r"[·.]", "dim")
    text.highlight_regex(r"↻|\bR\b", "bold yellow")
    text.highlight_regex(r"[▲^]", "bold cyan")
    text.highlight_regex(r"[▁▔\u2571\u2572]+|_+/|/-+\\?|-+\\|\\_+", "blue")
    return text
