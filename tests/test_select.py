"""select: select.select() and more. Each claim about both is asked of both."""

import array
import errno
import fcntl
import math
import os
import resource
import select as stdlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import epollkit
from epoll_support import tcp_pair, unix_pair
from poll_support import signals, sleeps, storm
from support import MUST_ARRIVE, wait_until

SIDES = pytest.mark.parametrize(
    "select", [stdlib.select, epollkit.select], ids=["stdlib", "epollkit"]
)
Select = Callable[..., tuple[list[Any], list[Any], list[Any]]]


# --- what comes back


@SIDES
def test_what_is_ready_comes_back_as_the_objects_that_were_given(select: Select) -> None:
    with unix_pair() as (near, far):
        far.send(b"x")
        read, write, other = select([near, far], [far.fileno(), near], [near], 0)
        assert len(read) == 1
        assert read[0] is near
        assert write == [far.fileno(), near]
        assert other == []


@SIDES
def test_the_arguments_stay_as_they_are_and_the_lists_are_new(select: Select) -> None:
    with unix_pair() as (near, far):
        given = [near], [far], [near]
        found = select(*given, 0)
        assert given == ([near], [far], [near])
        assert found == ([], [far], [])
        assert len({id(each) for each in (*given, *found)}) == 6


@SIDES
def test_nothing_to_ask_about_is_three_lists(select: Select) -> None:
    found = select([], [], [], 0)
    assert found == ([], [], [])
    assert [type(each) for each in found] == [list] * 3
    assert len({id(each) for each in found}) == 3


@SIDES
def test_an_object_that_is_given_twice_comes_back_twice(select: Select) -> None:
    with unix_pair() as (near, far):
        assert select([], [near, far, near], [], 0)[1] == [near, far, near]


@SIDES
@pytest.mark.parametrize(
    "wrap",
    [list, tuple, set, frozenset, dict.fromkeys, iter, lambda fds: (fd for fd in fds)],
    ids=["list", "tuple", "set", "frozenset", "dict", "iterator", "generator"],
)
def test_any_iterable_will_do(select: Select, wrap: Callable[[list[int]], Any]) -> None:
    with unix_pair() as (near, far):
        fds = sorted([near.fileno(), far.fileno()])
        assert sorted(select(wrap([]), wrap(fds), wrap([]), 0)[1]) == fds


@SIDES
def test_an_array_of_ints_will_do(select: Select) -> None:
    with unix_pair() as (near, _):
        assert select([], array.array("i", [near.fileno()]), (), 0)[1] == [near.fileno()]


@SIDES
def test_sockets_of_both_kinds_and_files_will_do(select: Select) -> None:
    one, two = socket.socketpair()
    with one, two, unix_pair() as (near, _), Path(os.devnull).open("w") as file:
        assert select([], [one, near, file], [], 0)[1] == [one, near, file]


@SIDES
def test_out_of_band_data_is_exceptional(select: Select, loopback: str) -> None:
    with tcp_pair(loopback) as (near, far):
        far.send(b"!", socket.MSG_OOB)
        assert select([], [], [near], MUST_ARRIVE)[2] == [near]


@pytest.mark.thread_unsafe(reason="there is one number 1023")
@SIDES
def test_the_highest_number_that_fits_is_1023(select: Select) -> None:
    with number_at_least(1023) as (fd, peer):
        if fd != 1023:
            pytest.skip("1023 is taken")
        peer.send(b"x")
        assert select([fd], [fd], [fd], 0) == ([fd], [fd], [])


@contextmanager
def number_at_least(lowest: int) -> Generator[tuple[int, epollkit.Socket]]:
    """A descriptor with a number from here on, and its peer."""
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= lowest + 64:
        pytest.skip(f"no descriptor of {lowest} is allowed here")
    with unix_pair() as (near, far):
        fd = fcntl.fcntl(near.fileno(), fcntl.F_DUPFD_CLOEXEC, lowest)
        try:
            yield fd, far
        finally:
            os.close(fd)


# --- what is refused


@SIDES
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_number_past_the_set_is_refused(select: Select, place: int) -> None:
    arguments: list[list[int]] = [[], [], []]
    with number_at_least(1024) as (fd, _):
        arguments[place] = [fd]
        with pytest.raises(ValueError, match=r"^filedescriptor out of range in select\(\)"):
            select(*arguments, 0)


def test_the_refusal_says_which_number_and_the_way_out() -> None:
    with pytest.raises(ValueError, match="1500 is not below FD_SETSIZE") as raised:
        epollkit.select([0, 1500], [], [], 0)
    assert str(raised.value) == (
        "filedescriptor out of range in select(): 1500 is not below FD_SETSIZE (1024); "
        "use epollkit.Poll or epollkit.Epoll, which have no such limit"
    )


@SIDES
def test_more_than_1024_entries_are_refused(select: Select) -> None:
    with unix_pair() as (near, _):
        assert len(select([], [near] * 1024, [], 0)[1]) == 1024
        with pytest.raises(ValueError, match=r"^too many file descriptors in select\(\)"):
            select([], [near] * 1025, [], 0)


class Fileno:
    """Says what it is told to say, or raises it."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def fileno(self) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@SIDES
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        (-1, ValueError, "file descriptor cannot be a negative integer"),
        (1 << 40, OverflowError, "too large|out of range"),
        ("1", TypeError, "argument must be an int, or have a fileno"),
        (1.0, TypeError, "argument must be an int, or have a fileno"),
        (Fileno(-1), ValueError, "file descriptor cannot be a negative integer"),
        (Fileno("1"), TypeError, "fileno"),
        (Fileno(LookupError("mine")), LookupError, "mine"),
    ],
    ids=["negative", "huge", "str", "float", "fileno-negative", "fileno-str", "fileno-raises"],
)
def test_what_is_no_descriptor_is_refused(
    select: Select, place: int, source: object, error: type[Exception], text: str
) -> None:
    arguments: list[list[object]] = [[], [], []]
    arguments[place] = [source]
    with pytest.raises(error, match=text):
        select(*arguments, 0)


@SIDES
def test_what_is_no_iterable_is_refused(select: Select) -> None:
    for arguments in ((1, [], []), ([], None, []), ([], [], object())):
        with pytest.raises(TypeError, match="arguments 1-3 must be sequences"):
            select(*arguments, 0)


@SIDES
def test_an_iterators_own_error_comes_through(select: Select) -> None:
    def broken() -> Iterator[int]:
        yield 0
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        select(broken(), [], [], 0)


@pytest.mark.thread_unsafe(reason="another thread may open the number")
@SIDES
def test_a_number_that_is_not_open_is_ebadf(select: Select) -> None:
    with number_at_least(900) as (fd, _):
        pass  # it has been open, so the kernel's table has a place for it
    for arguments in (([fd], [], []), ([], [fd], []), ([], [], [fd])):
        with pytest.raises(OSError, match="Bad file descriptor") as raised:
            select(*arguments, 0)
        assert raised.value.errno == errno.EBADF


@SIDES
def test_a_closed_socket_is_refused_before_the_call(select: Select) -> None:
    with unix_pair() as (near, far):
        far.close()
        with pytest.raises(ValueError, match="negative integer"):
            select([near, far], [], [], 0)


# --- lists that change while they are read


@SIDES
def test_a_list_that_shrinks_while_it_is_read_is_read_to_its_new_end(select: Select) -> None:
    with unix_pair() as (near, _):

        class Shrinking:
            def fileno(self) -> int:
                del given[-1]
                return near.fileno()

        given = [Shrinking() for _ in range(10)]
        kept = given[:5]
        assert select([], given, [], 0) == ([], kept, [])


@SIDES
def test_a_list_that_grows_while_it_is_read_ends_at_the_limit(select: Select) -> None:
    with unix_pair() as (near, _):

        class Growing:
            def fileno(self) -> int:
                given.append(self)
                return near.fileno()

        given = [Growing()]
        with pytest.raises(ValueError, match="too many file descriptors"):
            select([], given, [], 0)


@SIDES
def test_a_list_that_is_cleared_meanwhile_loses_none_of_what_was_asked(select: Select) -> None:
    with unix_pair() as (near, _):

        class Clearing:
            def fileno(self) -> int:
                given.clear()
                return near.fileno()

        given: list[object] = [near, Clearing(), near]
        ready = select([], given, [], 0)[1]
        assert ready[0] is near
        assert type(ready[1]) is Clearing
        assert len(ready) == 2


# --- time-outs


@SIDES
@pytest.mark.parametrize("timeout", [0, 0.0, -0.0, False])
def test_zero_does_not_wait(select: Select, timeout: float) -> None:
    assert select([], [], [], timeout) == ([], [], [])


@SIDES
@pytest.mark.parametrize("timeout", [-1, -1.0, -0.001, -1e-9])
def test_a_negative_timeout_is_refused(select: Select, timeout: float) -> None:
    with pytest.raises(ValueError, match=r"^timeout must be non-negative$"):
        select([], [], [], timeout)


@SIDES
@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (math.nan, ValueError),
        (math.inf, OverflowError),
        (10**400, OverflowError),
        ("1", TypeError),
        (1j, TypeError),
        (b"1", TypeError),
    ],
    ids=["nan", "inf", "400-digits", "str", "complex", "bytes"],
)
def test_what_is_no_timeout_is_refused(
    select: Select, timeout: float, error: type[Exception]
) -> None:
    with pytest.raises(error):
        select([], [], [], timeout)


@pytest.mark.parametrize("nanoseconds", [1, 999, 100_000, 1_000_001, 1_500_000, 20_000_000])
def test_a_timeout_is_never_early(nanoseconds: int) -> None:
    with unix_pair() as (near, _):
        started = time.monotonic_ns()
        assert epollkit.select([near], (), (), nanoseconds / 1e9) == ([], [], [])
        assert time.monotonic_ns() - started >= nanoseconds


@SIDES
@pytest.mark.parametrize("arguments", [(), (None,), (1e6,)], ids=["default", "none", "long"])
def test_without_a_near_end_the_wait_lasts_until_something_comes(
    select: Select, arguments: tuple[float | None, ...]
) -> None:
    with unix_pair() as (near, far):
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.append(select([near], [], [], *arguments)))
        thread.start()
        wait_until(lambda: sleeps(thread.native_id or 0))
        far.send(b"x")
        thread.join()
        assert seen == [([near], [], [])]


# --- signals (PEP 475)


@signals
@SIDES
@pytest.mark.parametrize("timeout", [None, 1e6])
def test_a_signals_handler_runs_and_the_wait_goes_on(select: Select, timeout: float | None) -> None:
    with unix_pair() as (near, far):

        def handler() -> None:
            if len(handled) == 3:
                far.send(b"x")

        with storm(handler) as handled:
            assert select([near], [], [near], timeout) == ([near], [], [])
            assert len(handled) >= 3


@signals
@SIDES
def test_signals_make_a_wait_neither_shorter_nor_endless(select: Select) -> None:
    with unix_pair() as (near, _), storm(lambda: None) as handled:
        started = time.monotonic()
        assert select([near], [], [], 0.05) == ([], [], [])
        assert time.monotonic() - started >= 0.05
        assert handled


@signals
@SIDES
def test_an_exception_of_a_handler_ends_the_wait(select: Select) -> None:
    def handler() -> None:
        raise LookupError("from the handler")

    with (
        unix_pair() as (near, _),
        pytest.raises(LookupError, match="from the handler"),
        storm(handler),
    ):
        select([near], [], [])


def test_other_threads_run_while_it_waits() -> None:
    code = """
import threading, epollkit
near, far = map(epollkit.Socket.from_stdlib, __import__("socket").socketpair())
threading.Thread(target=lambda: far.send(b"x")).start()
assert epollkit.select([near], [], []) == ([near], [], [])
near.close()
far.close()
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
