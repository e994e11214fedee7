"""One module of CPython's test suite in a process of its own: `run.py` starts it.

    python -I child.py JOB.json

The job names the module, the side ("stdlib", or "epollkit" after `epollkit.stdlib.patch()`), and
where to report. A line of JSON is written as each test starts and as it ends, so that a test that
hangs or kills the process loses only itself: `run.py` starts another child for the rest.
"""

import faulthandler
import json
import sys
import time
import unittest
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from test import support


class Uses:
    """How often the code under test has come to epollkit."""

    def __init__(self) -> None:
        self.count = 0

    def counting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, counted."""

        def counted(*args: object, **kwargs: object) -> object:
            self.count += 1
            return function(*args, **kwargs)

        return counted


def put_epollkit_in_place(uses: Uses) -> None:
    """Patch this process; sockets made, registrations and calls of select(2) are counted."""
    from epollkit import stdlib  # noqa: PLC0415 -- the baseline must not have it

    stdlib.socket.__init__ = uses.counting(stdlib.socket.__init__)
    stdlib.epoll.register = uses.counting(stdlib.epoll.register)
    stdlib.poll.register = uses.counting(stdlib.poll.register)
    stdlib.select = uses.counting(stdlib.select)
    stdlib.patch()


class Reporter(unittest.TextTestResult):
    """Writes what becomes of each test at once."""

    def __init__(
        self, *args: object, report: Path, uses: Uses, limit: float, **kwargs: object
    ) -> None:
        super().__init__(*args, **kwargs)
        self.report = report.open("a", encoding="utf-8", buffering=1)
        self.uses = uses
        self.limit = limit
        self.outcome = "passed"
        self.detail = ""
        self.running = False

    def write(self, **line: object) -> None:
        self.report.write(json.dumps(line) + "\n")

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802 -- unittest's name
        super().startTest(test)
        self.write(start=test.id())
        faulthandler.dump_traceback_later(self.limit, exit=True)
        self.outcome, self.detail, self.running = "passed", "", True
        self.uses_before, self.started = self.uses.count, time.monotonic()

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        faulthandler.cancel_dump_traceback_later()
        if self.running:  # 3.12.1 does not start what it skips
            self.running = False
            self.write(
                test=test.id(),
                outcome=self.outcome,
                seconds=round(time.monotonic() - self.started, 3),
                uses=self.uses.count - self.uses_before,
                detail=self.detail,
            )
        super().stopTest(test)

    def note(self, test: unittest.TestCase, outcome: str, detail: str = "") -> None:
        if self.running:
            if self.outcome != "failed":
                self.outcome = outcome
            self.detail += detail
        else:  # set-up or tear-down of a class or module; what was skipped without a start
            self.write(test=test.id(), outcome=outcome, seconds=0.0, uses=0, detail=detail)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().addUnexpectedSuccess(test)
        self.note(test, "failed", "unexpected success")

    def addError(self, test: unittest.TestCase, err: tuple) -> None:  # noqa: N802
        super().addError(test, err)
        self.note(test, "failed", self.errors[-1][1])

    def addFailure(self, test: unittest.TestCase, err: tuple) -> None:  # noqa: N802
        super().addFailure(test, err)
        self.note(test, "failed", self.failures[-1][1])

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        if not hasattr(test, "test_case"):  # a skipped subtest leaves its test what it was
            self.note(test, "skipped", reason)

    def addSubTest(  # noqa: N802
        self, test: unittest.TestCase, subtest: unittest.TestCase, err: tuple | None
    ) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test, "failed", f"{subtest}: {err[0].__name__}: {err[1]}")


def flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """The suite's tests in order; unittest sets classes up by it, not by nesting."""
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flat(item)
        else:
            yield item


def chosen(
    tests: Iterable[unittest.TestCase], only: list[str], skip: list[str]
) -> unittest.TestSuite:
    """The tests that this child is to run; `skip` may have patterns."""
    exact, patterns = set(skip), [each for each in skip if "*" in each]
    return unittest.TestSuite(
        test
        for test in tests
        if test.id() not in exact
        and not any(fnmatchcase(test.id(), pattern) for pattern in patterns)
        and (not only or test.id() in only)
    )


def main() -> None:
    """Run the job."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    report = Path(job["report"])
    faulthandler.enable()
    support.use_resources = job["resources"]  # None, the default, would be all of them
    uses = Uses()
    if job["side"] == "epollkit":
        put_epollkit_in_place(uses)

    def result(*args: object, **kwargs: object) -> Reporter:
        return Reporter(*args, report=report, uses=uses, limit=job["test_limit"], **kwargs)

    try:
        suite = unittest.defaultTestLoader.loadTestsFromName(job["module"])
    except unittest.SkipTest as reason:
        line = {
            "test": job["module"],
            "outcome": "skipped",
            "seconds": 0,
            "uses": 0,
            "detail": str(reason),
        }
        report.write_text(json.dumps(line) + "\n", encoding="utf-8")
    else:
        tests = chosen(flat(suite), job["only"], job["skip"])
        unittest.TextTestRunner(resultclass=result, verbosity=2).run(tests)
    with report.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"over": True}) + "\n")


if __name__ == "__main__":
    main()
