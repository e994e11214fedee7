"""What the benchmarks share: interleaved rounds, ratios with their spread, CPU time, output.

Two sides are never compared across runs. A round measures every side once, one right after the
other, and each round rotates the order, so that a machine that gets slower meanwhile slows all
sides alike. Ratios are taken within a round; what is printed is their median, quartiles and range.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HERE = Path(__file__).parent
SERVER_CPU, CLIENT_CPU = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))

T = TypeVar("T")


def optional_module(name: str) -> Any:  # noqa: ANN401 - a module, or None
    """Imports `name`; if it is not installed, says so and gives None."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"note: {name} is left out, it cannot be imported ({error})", file=sys.stderr)
        return None


# Rounds and ratios


def interleave(sides: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Calls every side once per round, in an order that rotates, and gathers what they return."""
    names = list(sides)
    results: dict[str, list[T]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            results[name].append(sides[name]())
    return results


def timed(
    run: Callable[[int], object], count: int, clock: Callable[[], int] = time.perf_counter_ns
) -> float:
    """Seconds per iteration of `run(count)`, with the garbage collector off."""
    gc.collect()
    gc.disable()
    try:
        start = clock()
        run(count)
        return (clock() - start) / count / 1e9
    finally:
        gc.enable()


def calibrate(run: Callable[[int], object], seconds: float) -> int:
    """How many iterations take about `seconds`. Warms up by the way."""
    count = 1
    while True:
        per_call = timed(run, count)
        if per_call * count >= seconds / 4:
            return max(1, round(seconds / per_call))
        count *= 2


def digits(number: float) -> str:
    """Three significant digits, without an exponent."""
    decimals = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2
    return f"{number:,.{decimals}f}"


@dataclass(frozen=True)
class Spread:
    """The median of some numbers and how far they scatter."""

    median: float
    lower_quartile: float
    upper_quartile: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        """Summarizes `numbers`; one number is its own quartiles."""
        several = numbers if len(numbers) > 1 else [*numbers, *numbers]
        lower, median, upper = statistics.quantiles(several, n=4, method="inclusive")
        return cls(median, lower, upper, min(numbers), max(numbers))

    def __str__(self) -> str:
        """Median, quartiles, range."""
        quartiles = f"[{digits(self.lower_quartile)} {digits(self.upper_quartile)}]"
        return f"{digits(self.median)} {quartiles} ({digits(self.minimum)}..{digits(self.maximum)})"


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> Spread:
    """The spread of the ratios that two sides had, round by round."""
    return Spread.of([a / b for a, b in zip(numerator, denominator, strict=True)])


# Targets


@dataclass(frozen=True)
class Target:
    """A figure that the project promises, and what was measured."""

    claim: str
    limit: float
    at_least: bool
    measured: float | None

    @property
    def met(self) -> bool | None:
        """Judged at the two decimals that the claim has; None if nothing was measured."""
        if self.measured is None:
            return None
        measured = round(self.measured, 2)
        return measured >= self.limit if self.at_least else measured <= self.limit

    def __str__(self) -> str:
        """One line with the verdict in front."""
        verdict = {True: "met    ", False: "NOT MET", None: "no data"}[self.met]
        sign = "at least" if self.at_least else "at most"
        measured = "-" if self.measured is None else f"{self.measured:.2f}"
        return f"{verdict}  {self.claim}: {measured} ({sign} {self.limit:g})"


# Command line and output


@dataclass
class Report:
    """Tables, raw numbers and verdicts of one benchmark; prints them and knows the exit code."""

    name: str
    options: argparse.Namespace
    data: dict[str, object] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Says first where this runs."""
        self.say(f"# {self.name} on {machine()}")
        self.say(f"{self.options.rounds} rounds; spreads: median [quartiles] (range)\n")

    def say(self, line: str = "") -> None:
        """Prints a line for people; keeps silent if a program reads the output."""
        if not self.options.json:
            print(line, flush=True)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Prints an aligned table: first column to the left, others to the right."""
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for row in [head, ["-" * width for width in widths], *rows]:
            first, *others = row
            cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
            self.say("  ".join([first.ljust(widths[0]), *cells]))
        self.say()

    def promise(
        self, claim: str, spread: Spread | None, limit: float, *, at_least: bool = False
    ) -> None:
        """Holds a median against what the project promises."""
        measured = spread.median if spread else None
        self.targets.append(Target(claim, limit, at_least, measured))

    def finish(self) -> int:
        """Prints the verdicts, or everything as JSON; with --check an unmet target gives 1."""
        for target in self.targets:
            self.say(str(target))
        if self.options.json:
            verdicts = [asdict(target) | {"met": target.met} for target in self.targets]
            whole = {"name": self.name, "machine": machine(), "data": self.data}
            print(json.dumps(whole | {"targets": verdicts}, default=asdict, indent=1))
        unmet = any(target.met is not True for target in self.targets)
        return int(self.options.check and unmet)


@dataclass(frozen=True)
class Plan:
    """How long a benchmark runs unless the command line says otherwise."""

    rounds: int
    seconds: float


def parser(doc: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has; --quick only changes the defaults of the others."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--rounds", type=int, help="interleaved rounds")
    add("--seconds", type=float, help="length of one side's part of a round")
    add("--quick", action="store_true", help="few and short rounds: does it run at all?")
    add("--json", action="store_true", help="print data instead of tables")
    add("--check", action="store_true", help="exit with 1 unless every target is met")
    return parser


def parse(parser: argparse.ArgumentParser, usual: Plan, quick: Plan) -> argparse.Namespace:
    """Reads the command line and fills in what it leaves open."""
    options = parser.parse_args()
    plan = quick if options.quick else usual
    options.rounds = options.rounds or plan.rounds
    options.seconds = options.seconds or plan.seconds
    return options


def machine() -> str:
    """What the numbers depend on."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"Linux {platform.release()}, {os.cpu_count()} CPUs, {python}"


# Processes


def raise_file_limit(wanted: int) -> None:
    """Lifts the soft limit of open files to `wanted` if it is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


@contextlib.contextmanager
def compiled(*names: str) -> Iterator[list[Path]]:
    """Builds C files of this folder in a temporary one."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        sys.exit("a C compiler is needed: the C side is what the others are measured against")
    with tempfile.TemporaryDirectory(prefix="epollkit-bench-") as folder:
        programs = [Path(folder) / Path(name).stem for name in names]
        for name, program in zip(names, programs, strict=True):
            flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror"]
            command: list[str | Path] = [compiler, *flags, "-o", program, HERE / name]
            subprocess.run(command, check=True)
        yield programs


@contextlib.contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    """Keeps this thread on one CPU; what it starts inside stays there for good."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Process:
    """A helper process on one CPU that is asked and answers by lines."""

    def __init__(self, command: Sequence[str | Path], cpu: int) -> None:
        self._command = " ".join(map(str, command))
        with on_cpu(cpu):
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def answer(self) -> str:
        """The next line; a process that ended without one is an error."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command} ended with {self._process.wait()}")
        return line.rstrip("\n")

    def ask(self, question: str) -> str:
        """Writes a line and waits for one."""
        assert self._process.stdin
        self._process.stdin.write(question + "\n")
        return self.answer()

    def cpu_seconds(self) -> float:
        """User and system time of all its threads, in ns resolution: its process clock.

        The clock's number is made of the pid as clock_getcpuclockid(3) does it, which the stdlib
        lacks. /proc/<pid>/stat would count in ticks of 10 ms.
        """
        return time.clock_gettime((~self._process.pid << 3) | 2)
