"""One side of one row: child processes until every test has an outcome."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from rows import TEST_LIMIT, Row

CHILD = Path(__file__).with_name("child.py")
PROCESS_LIMIT = 300.0
"""Seconds for one child process. Only what hangs outside of a test can reach it."""
RESTARTS = 20
"""How many tests of a module may hang or kill the process before the rest is given up."""


@dataclass(frozen=True)
class Outcome:
    """What became of a test: passed, failed, skipped, hung or died."""

    result: str
    detail: str = ""
    seconds: float = 0.0
    uses: int = 0


DID_NOT_RUN = Outcome("did not run")


@dataclass
class Side:
    """One side of a module."""

    module: str
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By test id; set-up and tear-down of classes that failed are entries of their own."""
    died: str = ""
    """How the process ended, if it did not end well and no test can be blamed for it."""
    output: str = ""
    """All that was printed."""
    seconds: float = 0.0

    def passed(self, test: str) -> bool:
        return self.outcomes.get(test, DID_NOT_RUN).result == "passed"


def run_side(
    row: Row, side: str, *, only: Collection[str] = (), skip: Collection[str] = ()
) -> Side:
    """Run a module's tests; what hangs or kills its process is left out of the next one.

    Args:
        row: the module.
        side: "stdlib" or "epollkit".
        only: ids of tests; empty for all.
        skip: patterns or ids of tests not to run.
    """
    whole = Side(row.module)
    started = time.monotonic()
    for _ in range(RESTARTS):
        part, unfinished = run_child(row, side, only, [*skip, *whole.outcomes])
        whole.outcomes |= part.outcomes
        whole.output += part.output
        if unfinished is None:
            break
        if unfinished == "":
            whole.died = part.output[-2000:]
            break
        result = "hung" if "Timeout (" in part.output[-20000:] else "died"
        whole.outcomes[unfinished] = Outcome(result, part.output[-2000:])
    whole.seconds = time.monotonic() - started
    return whole


def run_child(
    row: Row, side: str, only: Collection[str], skip: Collection[str]
) -> tuple[Side, str | None]:
    """One process: what it reported, and which test it ended in.

    Returns:
        (Side, test): the test is None if the process ended well, and "" if it ended badly and not
        in a test.
    """
    with tempfile.TemporaryDirectory(prefix="cpython-") as directory:
        report, job = Path(directory, "report"), Path(directory, "job.json")
        job.write_text(
            json.dumps(
                {
                    "module": row.module,
                    "side": side,
                    "resources": row.resources,
                    "only": [*only],
                    "skip": [*skip],
                    "test_limit": TEST_LIMIT,
                    "report": str(report),
                }
            ),
            encoding="utf-8",
        )
        work = Path(directory, "work")
        work.mkdir()
        try:
            done = subprocess.run(
                [sys.executable, "-I", CHILD, job],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=work,
                env=os.environ | {"TMPDIR": str(work)},
                timeout=PROCESS_LIMIT,
                check=False,
            )
            output, status = done.stdout, f"exit code {done.returncode}"
            good = done.returncode == 0
        except subprocess.TimeoutExpired as expired:
            output, status, good = expired.stdout or b"", "Timeout (process)", False
        part = Side(row.module, output=f"{output.decode(errors='replace')}\n{status}\n")
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    running, over = "", False
    for line in map(json.loads, lines):
        if "start" in line:
            running = line["start"]
        elif "test" in line:
            part.outcomes[line["test"]] = Outcome(
                line["outcome"], line["detail"], line["seconds"], line["uses"]
            )
            running = ""
        else:
            over = True
    return part, None if over and good else running
