"""What every test may import: `from support import MUST_ARRIVE, wait_until`."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

MUST_ARRIVE = 5.0
"""Seconds to wait for what must happen. The only bound in the tests; what must not happen is shown
by a sentinel sent after it and `wait(0)`, not by waiting."""


def wait_until(predicate: Callable[[], bool], timeout: float = MUST_ARRIVE) -> None:
    """Let other threads run until `predicate()` holds; fail if it still does not in time."""
    __tracebackhide__ = True
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise AssertionError(f"still not so after {timeout} s: {predicate}")
        os.sched_yield()


def shown(value: object) -> str:
    """A parameter's id: its repr without the address in it, so that it is the same in every run."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def descriptors() -> dict[int, str]:
    """This process's descriptors and what each is: a reused number shows as another inode."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except FileNotFoundError:  # the descriptor of this listing itself
            continue
    return found


def native_threads() -> dict[int, str]:
    """This process's threads and the kernel's names of them, also those unknown to Python."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            found[int(task.name)] = (task / "comm").read_text().rstrip("\n")
        except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
            continue
    return found
