"""Run CPython's own tests with epollkit in the standard library's place.

    python tests/cpython/run.py [MODULE ...]

Each row of ROWS names a module of CPython's test suite and what stands in for what. The module
runs twice in child processes of this interpreter, from the suite it was installed with: unmodified,
which is the baseline, and with the replacements made before it is imported. A table shows both.
Exit code 1 if a test that passes in the baseline does anything else with epollkit, or if this
interpreter comes without its test suite (Debian: `apt install libpython3-testsuite`).

To add a module, add a row.
"""

import argparse
import importlib
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

CHILD_TIMEOUT = 300.0


@dataclass(frozen=True)
class Row:
    """A module of CPython's test suite, and what stands in for what while it runs."""

    module: str
    swap: dict[str, str] = field(default_factory=dict)


ROWS = (Row("test.test_epoll", {"select.epoll": "epollkit.Epoll"}),)


class Recorder(unittest.TextTestResult):
    """Keeps one outcome per test: passed, failed or skipped."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.outcomes: dict[str, str] = {}

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 -- unittest's name
        super().addSuccess(test)
        self.outcomes[test.id()] = "passed"

    def addExpectedFailure(self, test: unittest.TestCase, err: tuple) -> None:  # noqa: N802
        super().addExpectedFailure(test, err)
        self.outcomes[test.id()] = "passed"

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().addUnexpectedSuccess(test)
        self.outcomes[test.id()] = "failed"

    def addError(self, test: unittest.TestCase, err: tuple) -> None:  # noqa: N802
        super().addError(test, err)
        self.outcomes[test.id()] = "failed"

    def addFailure(self, test: unittest.TestCase, err: tuple) -> None:  # noqa: N802
        super().addFailure(test, err)
        self.outcomes[test.id()] = "failed"

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        self.outcomes[test.id()] = "skipped"

    def addSubTest(  # noqa: N802
        self, test: unittest.TestCase, subtest: unittest.TestCase, err: tuple | None
    ) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcomes[test.id()] = "failed"


def put_in_place(old: str, new: str) -> None:
    """Make the dotted name `old` mean what the dotted name `new` means."""
    new_module, _, new_name = new.rpartition(".")
    replacement = getattr(importlib.import_module(new_module), new_name)
    old_module, _, old_name = old.rpartition(".")
    setattr(importlib.import_module(old_module), old_name, replacement)


def child(module: str, swaps: list[str], report: Path) -> None:
    """Run one module in this process and write the outcomes as JSON."""
    for swap in swaps:
        put_in_place(*swap.split("="))
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName(module)
    except unittest.SkipTest:
        outcomes = {module: "skipped"}
    else:
        runner = unittest.TextTestRunner(resultclass=Recorder, verbosity=2)
        outcomes = runner.run(suite).outcomes
    report.write_text(json.dumps(outcomes))


def run_child(row: Row, *, swapped: bool) -> tuple[dict[str, str], str]:
    """The outcomes of one side, and all that it printed; no outcomes if the process died."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "report.json")
        command = [sys.executable, "-I", __file__, row.module, "--child", str(report)]
        if swapped:
            command += [f"--swap={old}={new}" for old, new in row.swap.items()]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=directory,
            timeout=CHILD_TIMEOUT,
            check=False,
        )
        if not report.exists():
            return {}, f"{done.stdout}\nexit code {done.returncode}"
        return json.loads(report.read_text()), done.stdout


def compare(row: Row) -> bool:
    """Print both sides of one row; whether epollkit does at least as well."""
    baseline, _ = run_child(row, swapped=False)
    ours, output = run_child(row, swapped=True)
    for side, outcomes in (("stdlib", baseline), ("epollkit", ours)):
        count = Counter(outcomes.values())
        print(
            f"{row.module:24} {side:9} {len(outcomes):5} {count['passed']:7} {count['failed']:7} "
            f"{count['skipped']:8}"
        )
    worse = [
        f"{test}: passed in the baseline, {ours.get(test, 'did not run')} with epollkit"
        for test, outcome in baseline.items()
        if outcome == "passed" and ours.get(test) != "passed"
    ]
    worse += [
        f"{test}: fails with epollkit, absent from the baseline"
        for test, outcome in ours.items()
        if outcome == "failed" and test not in baseline
    ]
    if "passed" not in baseline.values():
        worse.append(f"{row.module}: nothing passes in the baseline, so it shows nothing")
    if worse:
        print(output, *worse, sep="\n")
    return not worse


def missing(rows: list[Row]) -> list[str]:
    """The modules that this interpreter was installed without."""
    if importlib.util.find_spec("test") is None:
        return [row.module for row in rows]
    return [row.module for row in rows if importlib.util.find_spec(row.module) is None]


def main() -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(description="Run CPython's own tests with epollkit.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="default: every row")
    parser.add_argument("--child", type=Path, metavar="REPORT", help=argparse.SUPPRESS)
    parser.add_argument("--swap", action="append", default=[], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.modules[0], arguments.swap, arguments.child)
        return 0
    known = {row.module: row for row in ROWS}
    if unknown := set(arguments.modules) - known.keys():
        parser.error(f"no row for {', '.join(sorted(unknown))}; rows: {', '.join(known)}")
    rows = [known[module] for module in arguments.modules or known]
    if absent := missing(rows):
        print(f"{sys.executable} was installed without {', '.join(absent)}", file=sys.stderr)
        return 1
    print(f"CPython {platform.python_version()}'s own tests")
    print(f"{'module':24} {'side':9} {'ran':>5} {'passed':>7} {'failed':>7} {'skipped':>8}")
    good = [compare(row) for row in rows]  # every row, also after a bad one
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
