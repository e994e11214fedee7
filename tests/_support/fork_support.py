"""Tests that fork: the mark, and a child that must succeed."""

import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

import pytest

from support import MUST_ARRIVE


def forks(test: Callable[[], None]) -> Callable[[], None]:
    # Python 3.12 and later warn of threads; that they are there is the point.
    quiet = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    return pytest.mark.thread_unsafe(reason="forks")(quiet(test))


@contextmanager
def child(run: Callable[[], object]) -> Generator[None]:
    """A child process that runs `run` while the body runs; it must succeed, and in time."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            run()
            status = 0
        except BaseException:  # noqa: BLE001
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(status)
    ended = os.pidfd_open(process)
    try:
        yield
        readable, _, _ = select.select([ended], [], [], MUST_ARRIVE)
    finally:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        os.close(ended)
    assert readable, "the child hangs"
    assert os.waitstatus_to_exitcode(status) == 0
