"""Run CPython's own tests with epollkit in the standard library's place.

    python tests/cpython/run.py [-j N] [MODULE ...]

Each row of rows.py names a module of CPython's test suite. It runs twice in child processes of this
interpreter, from the suite it was installed with: unmodified, which is the baseline, and after
`epollkit.stdlib.patch()`. A table shows both, and under it is every difference with its reason.

A test that differs without a listed reason is run again on both sides, twice, when nothing else
runs. If it then passes with epollkit both times, or fails with the standard library, it is reported
as unsteady and does not count as a difference.

Exit code 1 if a test that passes in the baseline does anything else with epollkit and rows.py does
not say why; if a difference that rows.py lists is there no more; if less than 99 % of what passes
in the baseline passes with epollkit; or if this interpreter comes without its test suite (Debian:
`apt install libpython3-testsuite`).
"""

import argparse
import importlib
import importlib.util
import pkgutil
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # -I leaves it out

from report import Judged, print_report
from rows import DIFFERENCES, MODULES_LEFT_OUT, ROWS, TESTS_LEFT_OUT, Row
from side import run_side
from verdict import judge


def run_rows(rows: list[Row], jobs: int) -> list[Judged]:
    """Both sides of every row, `jobs` processes at a time; then, alone, what differs."""
    with ThreadPoolExecutor(jobs) as pool:
        sides = [
            [
                pool.submit(run_side, row, side, skip=[*TESTS_LEFT_OUT])
                for side in ("stdlib", "epollkit")
            ]
            for row in rows
        ]
    judged = []
    for row, futures in zip(rows, sides, strict=True):
        baseline, ours = (future.result() for future in futures)
        known = [
            each
            for each in DIFFERENCES
            if each.here() and each.pattern.startswith(f"{row.module}.")
        ]
        verdict = judge(
            baseline,
            ours,
            known,
            lambda side, tests, row=row: run_side(row, side, only=tests),
        )
        judged.append(Judged(row, baseline, ours, verdict))
    return judged


def chosen(modules: list[str]) -> list[Row]:
    """The rows of these names: "test_socket" will do, and "test_asyncio" is all of its rows."""
    names = [name if name.startswith("test.") else f"test.{name}" for name in modules]

    def named(row: Row, name: str) -> bool:
        return row.module == name or row.module.startswith(f"{name}.")

    for name in names:
        if not any(named(row, name) for row in ROWS):
            raise SystemExit(f"no row for {name}; rows: {', '.join(row.module for row in ROWS)}")
    return [row for row in ROWS if not names or any(named(row, name) for name in names)]


def absent(rows: list[Row]) -> list[str]:
    """The modules that this interpreter was installed without."""
    if importlib.util.find_spec("test") is None:
        return [row.module for row in rows]
    return [row.module for row in rows if importlib.util.find_spec(row.module) is None]


def forgotten() -> list[str]:
    """Modules of the package test_asyncio that are neither rows nor left out."""
    package = importlib.import_module("test.test_asyncio")
    found = {
        f"test.test_asyncio.{each.name}"
        for each in pkgutil.iter_modules(package.__path__)
        if each.name.startswith("test_")
    }
    return sorted(found - {row.module for row in ROWS} - MODULES_LEFT_OUT.keys())


def main() -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(description="Run CPython's own tests with epollkit.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="default: every row")
    parser.add_argument(
        "-j", "--jobs", type=int, default=4, help="processes at a time, %(default)s"
    )
    arguments = parser.parse_args()
    rows = chosen(arguments.modules)
    if missing := absent(rows):
        print(f"{sys.executable} was installed without {', '.join(missing)}", file=sys.stderr)
        return 1
    print(f"CPython {platform.python_version()}'s own tests", flush=True)
    started = time.monotonic()
    everything = len(rows) == len(ROWS)
    wrong = print_report(run_rows(rows, arguments.jobs), everything=everything)
    if everything and (names := forgotten()):
        wrong.append(f"neither a row nor left out: {', '.join(names)}")
    print(f"\n{time.monotonic() - started:.0f} s", *wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
