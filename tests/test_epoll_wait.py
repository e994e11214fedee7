"""How long a wait lasts, how much it brings, and what signals do to it."""

import math
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

import pytest

from epoll_support import sleeps_in_epoll, unix_pair
from epollkit import ClosedEpollError, Epoll, EventFlags, Events
from poll_support import signals, storm
from support import MUST_ARRIVE, wait_until

IN, OUT = EventFlags.IN, EventFlags.OUT
BOTH = pytest.mark.parametrize("wait", [Epoll.wait, Epoll.poll])
Wait = Callable[..., Events | list[tuple[int, int]]]


# --- time-outs


@BOTH
@pytest.mark.parametrize("timeout", [0, 0.0, -0.0, False])
def test_zero_does_not_wait(wait: Wait, timeout: float) -> None:
    with Epoll() as epoll:
        assert len(wait(epoll, timeout)) == 0


@BOTH
@pytest.mark.parametrize("nanoseconds", [1, 999, 100_000, 1_000_001, 1_500_000, 20_000_000])
def test_a_timeout_is_never_early(wait: Wait, nanoseconds: int) -> None:
    with Epoll() as epoll:
        started = time.monotonic_ns()
        assert len(wait(epoll, nanoseconds / 1e9)) == 0
        assert time.monotonic_ns() - started >= nanoseconds


@BOTH
@pytest.mark.parametrize("timeout", [None, -1, -0.001, 1e6, 9e9])
def test_without_a_near_end_the_wait_lasts_until_something_comes(
    wait: Wait, timeout: float | None
) -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN)
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(len(wait(epoll, timeout))))
        thread.start()
        identity, number = thread.native_id or 0, epoll.fileno()
        wait_until(lambda: sleeps_in_epoll(identity, number))
        far.send(b"x")
        thread.join()
        assert seen == [1]


@BOTH
@pytest.mark.parametrize("timeout", [None, -1, 0, 1, 0.0001, 9e9])
def test_what_is_ready_is_returned_whatever_the_timeout(wait: Wait, timeout: float | None) -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, OUT)
        assert len(wait(epoll, timeout)) == 1


@BOTH
@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        pytest.param(math.nan, ValueError, id="nan"),
        pytest.param(math.inf, OverflowError, id="inf"),
        pytest.param(1e10, OverflowError, id="beyond-64-bits-of-ns"),
        pytest.param(1e300, OverflowError, id="beyond-the-clock"),
        pytest.param(10**400, OverflowError, id="beyond-float"),
        pytest.param("1", TypeError, id="str"),
        pytest.param(b"1", TypeError, id="bytes"),
        pytest.param(object(), TypeError, id="object"),
        pytest.param(1j, TypeError, id="complex"),
    ],
)
def test_what_is_no_timeout_is_refused_as_by_the_stdlib(
    wait: Wait, timeout: float, error: type[Exception]
) -> None:
    with unix_pair() as (near, _), Epoll() as ours, select.epoll() as theirs:
        for epoll in (ours, theirs):
            epoll.register(near, OUT)
        with pytest.raises(error):
            theirs.poll(timeout)
        with pytest.raises(error):
            wait(ours, timeout)


# --- maxevents


@contextmanager
def ready(count: int) -> Generator[tuple[Epoll, set[int]]]:
    """A set of so many ready sources, and their numbers."""
    with ExitStack() as stack:
        epoll = stack.enter_context(Epoll())
        sources = [stack.enter_context(unix_pair()) for _ in range((count + 1) // 2)]
        ends = [end for pair in sources for end in pair][:count]
        for end in ends:
            epoll.register(end, OUT)
        yield epoll, {end.fileno() for end in ends}


@pytest.mark.parametrize("maxevents", [-1, 5, 6, 1 << 40])
def test_all_that_is_ready_is_returned_if_it_fits(maxevents: int) -> None:
    with ready(5) as (epoll, numbers):
        assert {fd for fd, _ in epoll.poll(0, maxevents)} == numbers
        assert epoll.wait(0, maxevents).delivered == 5


@pytest.mark.parametrize("maxevents", [1, 2, 3, 4])
def test_no_more_than_maxevents_are_returned_and_none_starves(maxevents: int) -> None:
    with ready(5) as (epoll, numbers):
        turns = Counter[int]()
        for _ in range(5):
            events = epoll.poll(0, maxevents)
            assert len(events) == maxevents
            turns.update(fd for fd, _ in events)
        assert turns == dict.fromkeys(numbers, maxevents)


@BOTH
@pytest.mark.parametrize(
    ("maxevents", "error"),
    [
        (0, ValueError),
        (-2, ValueError),
        (-(1 << 31), ValueError),
        (1 << 70, OverflowError),
        ("1", TypeError),
        (1.0, TypeError),
        (None, TypeError),
    ],
    ids=["zero", "minus-two", "very-negative", "beyond-c", "str", "float", "none"],
)
def test_what_is_no_maxevents_is_refused_as_by_the_stdlib(
    wait: Wait, maxevents: int, error: type[Exception]
) -> None:
    with Epoll() as ours, select.epoll() as theirs:
        with pytest.raises(error) as raised:
            wait(ours, 0, maxevents)
        with pytest.raises(error) as expected:
            theirs.poll(0, maxevents)
        if error is ValueError:
            assert str(raised.value) == str(expected.value)


def test_an_empty_set_has_nothing_to_say() -> None:
    with Epoll() as epoll:
        events = epoll.wait(0)
        assert (list(events), len(events), events.delivered, events.stale) == ([], 0, 0, 0)
        assert repr(events) == "<epollkit.Events []>"
        assert epoll.poll(0) == []


# --- signals (PEP 475)

Handler = Callable[[], object]


def storm_over(epoll: Epoll, handler: Handler) -> AbstractContextManager[list[None]]:
    """SIGUSR1 to this thread whenever it sleeps in the set; the list grows with each handled."""
    number = epoll.fileno()
    return storm(handler, lambda task: sleeps_in_epoll(task, number))


@signals
@BOTH
@pytest.mark.parametrize("timeout", [None, -1, 1e6])
def test_a_signals_handler_runs_and_the_wait_goes_on(wait: Wait, timeout: float | None) -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN)

        def handler() -> None:
            if len(handled) == 3:
                far.send(b"x")

        with storm_over(epoll, handler) as handled:
            assert len(wait(epoll, timeout)) == 1
            assert len(handled) >= 3


@signals
@BOTH
def test_signals_make_a_wait_neither_shorter_nor_endless(wait: Wait) -> None:
    with Epoll() as epoll, storm_over(epoll, lambda: None) as handled:
        bound = time.monotonic() + MUST_ARRIVE
        while len(handled) < 20:
            started = time.monotonic()
            assert len(wait(epoll, 0.05)) == 0
            assert time.monotonic() - started >= 0.05
            assert started < bound


@signals
@BOTH
def test_an_exception_of_a_handler_ends_the_wait(wait: Wait) -> None:
    def handler() -> None:
        if len(handled) == 3:
            raise LookupError("from the handler")

    with Epoll() as epoll, storm_over(epoll, handler) as handled:
        with pytest.raises(LookupError, match="from the handler"):
            wait(epoll, None)
        assert len(handled) == 3
        assert epoll.poll(0) == []


@signals
def test_a_handler_may_close_the_set() -> None:
    with Epoll() as epoll, storm_over(epoll, epoll.close), pytest.raises(ClosedEpollError):
        epoll.wait(None)


@signals
def test_a_handler_may_use_the_set() -> None:
    with unix_pair() as (near, far), unix_pair() as (other, _), Epoll() as epoll:
        epoll.register(near, IN, data="near")
        inner = []

        def handler() -> None:
            if not inner:
                epoll.register(other, OUT, data="other")
                inner.extend(event.data for event in epoll.wait(1e-6))
                epoll.unregister(other)
                far.send(b"x")

        with storm_over(epoll, handler):
            assert [event.data for event in epoll.wait(None)] == ["near"]
        assert inner == ["other"]


@signals
def test_a_signal_at_another_thread_does_not_end_its_wait() -> None:
    handled = []
    before = signal.signal(signal.SIGUSR1, lambda *_: handled.append(None))
    try:
        with unix_pair() as (near, far), Epoll() as epoll:
            epoll.register(near, IN)
            seen: list[int] = []
            thread = threading.Thread(target=lambda: seen.append(len(epoll.wait(None))))
            thread.start()
            task, number = thread.native_id or 0, epoll.fileno()
            for times in range(1, 4):
                wait_until(lambda: sleeps_in_epoll(task, number))
                signal.pthread_kill(thread.ident or 0, signal.SIGUSR1)
                wait_until(lambda: len(handled) == times)  # noqa: B023
            assert seen == []
            far.send(b"x")
            thread.join()
            assert seen == [1]
    finally:
        signal.signal(signal.SIGUSR1, before)


WAITS_FOR_EVER = """
import signal
import epollkit
signal.signal(signal.SIGINT, signal.default_int_handler)
with epollkit.Epoll() as epoll:
    print(epoll.fileno(), flush=True)
    {}
"""


@signals
@pytest.mark.parametrize(
    "call",
    ["epoll.wait()", "epoll.poll()", "epoll.wait(1e6)"],
    ids=["wait", "poll", "long"],
)
def test_ctrl_c_ends_a_wait(call: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", WAITS_FOR_EVER.format(call)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert process.stderr
        try:
            number = int(process.stdout.readline())
            wait_until(lambda: sleeps_in_epoll(process.pid, number, process.pid))
            process.send_signal(signal.SIGINT)
            assert process.wait(MUST_ARRIVE) == -signal.SIGINT
            assert process.stderr.read().rstrip().endswith("KeyboardInterrupt")
        finally:
            with suppress(ProcessLookupError):
                process.kill()
