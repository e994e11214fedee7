from pathlib import Path

import pytest

TESTS = Path(__file__).parent

LEAKY = """
import os
import threading

kept = []
go = threading.Event()

def test_tidy():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    os.close(os.dup(0))

def test_opens():
    kept.append(os.dup(0))

def test_closes():
    os.close(kept.pop())

def test_starts():
    threading.Thread(target=go.wait).start()

def test_fails():
    kept.append(os.dup(0))
    assert not go.set()
    assert False
"""


@pytest.mark.slow
@pytest.mark.thread_unsafe(reason="starts a process that runs pytest")
def test_each_leak_is_an_error_of_its_own_test(pytester: pytest.Pytester) -> None:
    support = (TESTS / "_support" / "support.py").read_text()
    impatient = support.replace("MUST_ARRIVE = 5.0", "MUST_ARRIVE = 0.1")
    assert impatient != support
    pytester.makepyprojecttoml("[tool.pytest]\npythonpath = ['.']\n")
    pytester.makepyfile(LEAKY, support=impatient)
    pytester.makeconftest((TESTS / "conftest.py").read_text())
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(passed=4, failed=1, errors=3)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_opens*",
            "left open: *",
            "*ERROR at teardown of test_closes*",
            "closed or replaced, not the test's own: *",
            "*ERROR at teardown of test_starts*",
            "threads left running: *",
        ]
    )
