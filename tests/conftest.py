import contextlib
import gc
import itertools
import os
import secrets
from collections.abc import Generator

import pytest

from support import descriptors, native_threads, wait_until

pytest_plugins = ["pytester"]

_call_failed = pytest.StashKey[bool]()
_test_numbers = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("epollkit")
    group.addoption(
        "--epollkit-seed",
        type=int,
        metavar="N",
        help="the one seed for everything random in the tests (default: a new one, printed)",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Written back into the options, which is what xdist hands to its workers.
    if config.option.epollkit_seed is None:
        config.option.epollkit_seed = secrets.randbits(32)


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.option.epollkit_seed
    return f"epollkit: seed {seed} (repeat with --epollkit-seed={seed})"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_call_failed] = report.failed
    return report


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The run's seed: give it to faults, load and `random.Random`."""
    return request.config.option.epollkit_seed


@pytest.fixture
def loopback() -> str:
    """A loopback address of this test's own: no port or TIME_WAIT crosstalk. Bind port 0 on it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    high, low = divmod(next(_test_numbers), 254)
    return f"127.{1 + worker % 254}.{high % 256}.{1 + low}"


@pytest.fixture(autouse=True)
def leak_guard(request: pytest.FixtureRequest) -> Generator[None]:
    """Descriptors are the same after each test as before it, and no thread is new.

    Exact under `--parallel-threads` too: fixtures are set up and torn down once, around all the
    threads that run the test's body.
    """
    open_before, threads_before = descriptors(), native_threads()
    yield
    if request.node.stash.get(_call_failed, False):
        return  # the failure's traceback keeps the test's sockets alive

    # The kernel lists a thread for a moment after join has returned. So one of the last test may
    # be among those before, and be gone now; and one of this test may still be there.
    def clean() -> bool:
        return descriptors() == open_before and native_threads().keys() <= threads_before.keys()

    if not clean():
        gc.collect()  # pytest.raises leaves cycles
        with contextlib.suppress(AssertionError):
            wait_until(clean)
    open_after, threads_after = descriptors(), native_threads()
    left = {
        "left open": open_after.items() - open_before.items(),
        "closed or replaced, not the test's own": open_before.items() - open_after.items(),
        "threads left running": threads_after.items() - threads_before.items(),
    }
    if any(left.values()):
        found = [f"{what}: {dict(sorted(pairs))}" for what, pairs in left.items() if pairs]
        pytest.fail("\n".join(found), pytrace=False)
