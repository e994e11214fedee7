import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "cpython" / "run.py"


@pytest.mark.slow
@pytest.mark.timeout(120)  # two interpreters, CPython's own waits
@pytest.mark.thread_unsafe(reason="starts processes; one pair is enough")
@pytest.mark.parametrize("module", ["test.test_epoll"])
def test_cpythons_own_tests_pass_with_epollkit_in_place(module: str) -> None:
    if any(importlib.util.find_spec(name) is None for name in ("test", module)):
        pytest.skip(f"this Python was installed without {module}")
    done = subprocess.run(
        [sys.executable, "-I", RUN, module],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
