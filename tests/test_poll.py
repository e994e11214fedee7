"""Poll: select.poll() and more. Each claim about both is asked of both."""

import errno
import gc
import math
import os
import pickle
import random
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import epollkit
from epoll_support import tcp_pair, unix_pair
from epollkit import POLLIN, POLLOUT, POLLPRI, Poll, PollFlags
from poll_support import signals, sleeps, storm
from support import MUST_ARRIVE, wait_until

SIDES = pytest.mark.parametrize("make", [select.poll, Poll], ids=["stdlib", "epollkit"])
WAITS = pytest.mark.parametrize("wait", [Poll.wait, Poll.poll])
NO_SUCH_FD = 1 << 30
Make = Callable[[], Any]
Wait = Callable[..., list[tuple[int, int]]]


# --- the set


@SIDES
def test_what_is_ready_is_returned_as_plain_ints_in_the_order_of_registration(make: Make) -> None:
    with unix_pair() as (one, two), unix_pair() as (three, four):
        poll = make()
        for end in (three, one, four, two):
            poll.register(end, POLLOUT)
        found = poll.poll(0)
        assert found == [(end.fileno(), POLLOUT) for end in (three, one, four, two)]
        assert {type(mask) for _, mask in found} == {int}


@SIDES
def test_the_order_survives_taking_out_and_putting_in(make: Make) -> None:
    with unix_pair() as (one, two), unix_pair() as (three, four):
        poll = make()
        for end in (one, two, three, four):
            poll.register(end, POLLOUT)
        poll.unregister(two)
        poll.register(one, POLLOUT)  # again: stays where it is
        poll.register(two, POLLOUT)  # anew: last
        assert [fd for fd, _ in poll.poll(0)] == [end.fileno() for end in (one, three, four, two)]


@SIDES
def test_the_default_mask_is_in_pri_out(make: Make) -> None:
    with unix_pair() as (near, far):
        poll = make()
        poll.register(near)
        far.send(b"x")
        assert poll.poll(0) == [(near.fileno(), POLLIN | POLLOUT)]
        poll.modify(near, POLLPRI)
        assert poll.poll(0) == []


@SIDES
def test_registering_again_changes_the_mask(make: Make) -> None:
    with unix_pair() as (near, _):
        poll = make()
        poll.register(near, POLLIN)
        poll.register(near, POLLOUT)
        assert poll.poll(0) == [(near.fileno(), POLLOUT)]
        poll.unregister(near)
        assert poll.poll(0) == []


@SIDES
def test_a_number_that_is_not_open_is_an_event(make: Make) -> None:
    poll = make()
    poll.register(NO_SUCH_FD, 0)
    assert poll.poll() == [(NO_SUCH_FD, select.POLLNVAL)]


@SIDES
def test_a_hang_up_is_reported_unasked(make: Make) -> None:
    with unix_pair() as (near, far):
        poll = make()
        poll.register(near, 0)
        assert poll.poll(0) == []
        far.close()
        assert poll.poll() == [(near.fileno(), select.POLLHUP)]


def test_out_of_band_data_is_pri(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far):
        poll = Poll()
        poll.register(near, POLLPRI)
        far.send(b"!", 1)  # MSG_OOB
        assert poll.wait(MUST_ARRIVE) == [(near.fileno(), PollFlags.PRI)]


@SIDES
def test_modify_of_what_is_not_in_the_set_is_enoent(make: Make) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        make().modify(NO_SUCH_FD, POLLIN)
    assert raised.value.errno == errno.ENOENT


@SIDES
def test_unregister_of_what_is_not_in_the_set_is_a_key_error(make: Make) -> None:
    with pytest.raises(KeyError) as raised:
        make().unregister(NO_SUCH_FD)
    assert raised.value.args == (NO_SUCH_FD,)


class Fileno:
    """Says what it is told to say."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def fileno(self) -> object:
        return self.answer


@SIDES
@pytest.mark.parametrize(
    ("source", "error"),
    [
        (-1, ValueError),
        (1 << 40, OverflowError),
        ("1", TypeError),
        (1.0, TypeError),
        (None, TypeError),
        (Fileno(-1), ValueError),
        (Fileno("1"), TypeError),
    ],
    ids=["negative", "huge", "str", "float", "none", "fileno-negative", "fileno-str"],
)
def test_what_is_no_descriptor_is_refused(
    make: Make, source: object, error: type[Exception]
) -> None:
    poll = make()
    for call in (poll.register, poll.unregister, lambda fd: poll.modify(fd, POLLIN)):
        with pytest.raises(error):
            call(source)


@SIDES
@pytest.mark.parametrize(
    ("mask", "error"),
    [
        (-1, ValueError),
        (-(1 << 70), ValueError),
        (1 << 16, OverflowError),
        (1 << 70, OverflowError),
        (1.0, TypeError),
        ("1", TypeError),
        (None, TypeError),
    ],
    ids=["negative", "very-negative", "17-bits", "huge", "float", "str", "none"],
)
def test_what_is_no_mask_is_refused(make: Make, mask: int, error: type[Exception]) -> None:
    poll = make()
    poll.register(NO_SUCH_FD, 0)
    with pytest.raises(error):
        poll.register(NO_SUCH_FD, mask)
    with pytest.raises(error):
        poll.modify(NO_SUCH_FD, mask)


def test_a_refused_mask_is_named() -> None:
    with pytest.raises(OverflowError, match=r"0\.\.65535 \(POLL\* bits\), not 65536"):
        Poll().register(1, 1 << 16)


@SIDES
def test_a_mask_of_16_bits_is_taken(make: Make) -> None:
    with unix_pair() as (near, _):
        poll = make()
        poll.register(near, 0xFFFF)
        ((_, mask),) = poll.poll(0)
        assert mask & POLLOUT
        assert mask & ~0xFFFF == 0


def test_more_than_the_file_limit_is_einval_and_holes_do_not_count() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if not 0 <= most <= 1 << 20:
        pytest.skip("no limit to speak of")
    poll = Poll()
    for fd in range(most + 1):
        poll.register(fd, 0)
    with pytest.raises(OSError, match="Invalid argument") as raised:
        poll.poll(0)
    assert raised.value.errno == errno.EINVAL
    for fd in range(1, most + 1, 3):
        poll.unregister(fd)
    assert poll.poll(0) is not None


@pytest.mark.parametrize("seed_offset", range(3))
def test_any_sequence_of_changes_gives_what_the_stdlib_gives(seed: int, seed_offset: int) -> None:
    chance = random.Random(seed + seed_offset)  # noqa: S311 - a test, repeatable
    ours, theirs = Poll(), select.poll()
    with unix_pair() as (near, far):
        numbers = [near.fileno(), far.fileno(), *range(NO_SUCH_FD, NO_SUCH_FD + 30)]
        for _ in range(500):
            fd, mask = chance.choice(numbers), chance.choice([0, POLLIN, POLLOUT, 0xFFFF])
            name = chance.choice(["register", "register", "modify", "unregister"])
            arguments = (fd,) if name == "unregister" else (fd, mask)
            outcomes: list[object] = []
            for poll in (ours, theirs):
                try:
                    outcomes.append(getattr(poll, name)(*arguments))
                except (OSError, KeyError) as error:
                    outcomes.append((type(error), error.args))
            assert outcomes[0] == outcomes[1]
            assert ours.poll(0) == theirs.poll(0)


# --- flags


@pytest.mark.parametrize("flag", list(PollFlags), ids=lambda flag: flag.name)
def test_each_flag_is_the_kernels_bit_and_a_constant_of_the_module(flag: PollFlags) -> None:
    constant = getattr(epollkit, f"POLL{flag.name}")
    assert type(constant) is int
    assert constant == flag == getattr(select, f"POLL{flag.name}")


def test_every_poll_constant_of_the_stdlib_is_there_with_the_same_value() -> None:
    names = [name for name in dir(select) if name.startswith("POLL")]
    assert len(names) >= 12
    for name in names:
        assert getattr(epollkit, name) == getattr(select, name)
        assert name in epollkit.__all__


def test_wait_gives_flags_that_print_their_names() -> None:
    with unix_pair() as (near, far):
        poll = Poll()
        poll.register(near, PollFlags.IN | PollFlags.RDHUP)
        far.close()
        ((fd, mask),) = poll.wait(0)
        assert fd == near.fileno()
        assert repr(mask) == "<PollFlags.IN|HUP|RDHUP: 8209>"
        assert poll.wait(0)[0][1] is mask
        assert poll.poll(0) == [(fd, 8209)]


def test_flags_survive_pickling_and_keep_bits_without_a_name() -> None:
    assert pickle.loads(pickle.dumps(PollFlags.IN | PollFlags.HUP)) == 17  # noqa: S301
    assert PollFlags(1 << 15) == 1 << 15


# --- time-outs


@WAITS
@pytest.mark.parametrize("timeout", [0, 0.0, -0.0, False])
def test_zero_does_not_wait(wait: Wait, timeout: float) -> None:
    assert wait(Poll(), timeout) == []


@pytest.mark.parametrize("nanoseconds", [1, 999, 100_000, 1_000_001, 1_500_000, 20_000_000])
def test_a_timeout_is_never_early(nanoseconds: int) -> None:
    poll = Poll()
    for wait, timeout in ((poll.poll, nanoseconds / 1e6), (poll.wait, nanoseconds / 1e9)):
        started = time.monotonic_ns()
        assert wait(timeout) == []
        assert time.monotonic_ns() - started >= nanoseconds


@pytest.mark.parametrize("timeout", [3, 3.0])
def test_poll_counts_milliseconds(timeout: float) -> None:
    started = time.monotonic()
    assert Poll().poll(timeout) == []
    assert time.monotonic() - started >= 0.003


@WAITS
@pytest.mark.parametrize("timeout", [None, -1000, -1, -1.0, -0.1, -1e-100, 1e6])
def test_without_a_near_end_the_wait_lasts_until_something_comes(
    wait: Wait, timeout: float | None
) -> None:
    with unix_pair() as (near, far):
        poll, seen = Poll(), []
        poll.register(near, POLLIN)
        thread = threading.Thread(target=lambda: seen.extend(wait(poll, timeout)))
        thread.start()
        wait_until(lambda: sleeps(thread.native_id or 0))
        far.send(b"x")
        thread.join()
        assert seen == [(near.fileno(), POLLIN)]


@SIDES
@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (math.nan, ValueError),
        (math.inf, OverflowError),
        (-math.inf, OverflowError),
        (1 << 31, OverflowError),
        (2.0**31, OverflowError),
        (2.0**31 - 0.5, OverflowError),
        (1 << 64, OverflowError),
        (10**400, OverflowError),
        ("1", TypeError),
        (1j, TypeError),
    ],
    ids=[
        "nan",
        "inf",
        "-inf",
        "int",
        "float",
        "rounded",
        "64-bits",
        "400-digits",
        "str",
        "complex",
    ],
)
def test_what_is_no_number_of_milliseconds_is_refused(
    make: Make, timeout: float, error: type[Exception]
) -> None:
    with unix_pair() as (near, _):
        poll = make()
        poll.register(near, POLLOUT)
        with pytest.raises(error):
            poll.poll(timeout)
        assert poll.poll((1 << 31) - 1) == [(near.fileno(), POLLOUT)]


@pytest.mark.parametrize(
    ("timeout", "error"),
    [(math.nan, ValueError), (1e10, OverflowError), ("1", TypeError)],
    ids=["nan", "beyond-64-bits-of-ns", "str"],
)
def test_what_is_no_number_of_seconds_is_refused(timeout: float, error: type[Exception]) -> None:
    with pytest.raises(error):
        Poll().wait(timeout)


# --- threads and signals


def test_a_second_wait_on_the_same_object_is_refused_and_the_set_may_change_meanwhile() -> None:
    with unix_pair() as (near, far), unix_pair() as (other, _):
        poll, seen = Poll(), []
        poll.register(near, POLLIN)
        thread = threading.Thread(target=lambda: seen.extend(poll.poll()))
        thread.start()
        wait_until(lambda: sleeps(thread.native_id or 0))
        for wait in (poll.poll, poll.wait):
            with pytest.raises(RuntimeError, match=r"^concurrent poll\(\) invocation$"):
                wait(0)
        poll.unregister(near)
        for fd in range(NO_SUCH_FD, NO_SUCH_FD + 1000):
            poll.register(fd, 0)
        far.send(b"x")
        thread.join()
        assert seen == [(near.fileno(), POLLIN)]  # the wait knew the set as it was
        for fd in range(NO_SUCH_FD, NO_SUCH_FD + 1000):
            poll.unregister(fd)
        poll.register(other, POLLOUT)
        assert poll.poll(0) == [(other.fileno(), POLLOUT)]


def test_a_wait_that_failed_leaves_the_object_usable() -> None:
    poll = Poll()
    with pytest.raises(TypeError):
        poll.poll("1")  # type: ignore[arg-type]
    assert poll.poll(0) == []


@SIDES
def test_fileno_may_change_the_set(make: Make) -> None:
    class Meddler:
        def fileno(self) -> int:
            for fd in range(NO_SUCH_FD, NO_SUCH_FD + 100):
                poll.register(fd, 0)
            poll.unregister(near)
            return far.fileno()

    with unix_pair() as (near, far):
        poll = make()
        poll.register(near, POLLOUT)
        poll.register(Meddler(), POLLOUT)
        assert len(poll.poll(0)) == 101
        assert (far.fileno(), POLLOUT) in poll.poll(0)


@signals
@WAITS
@pytest.mark.parametrize("timeout", [None, -1, 1e6])
def test_a_signals_handler_runs_and_the_wait_goes_on(wait: Wait, timeout: float | None) -> None:
    with unix_pair() as (near, far):
        poll = Poll()
        poll.register(near, POLLIN)

        def handler() -> None:
            if len(handled) == 3:
                far.send(b"x")

        with storm(handler) as handled:
            assert wait(poll, timeout) == [(near.fileno(), POLLIN)]
            assert len(handled) >= 3


@signals
def test_signals_make_a_wait_neither_shorter_nor_endless() -> None:
    poll = Poll()
    with storm(lambda: None) as handled:
        for wait, timeout in ((poll.poll, 50), (poll.wait, 0.05)):
            started = time.monotonic()
            assert wait(timeout) == []
            assert time.monotonic() - started >= 0.05
        assert handled


@signals
@WAITS
def test_an_exception_of_a_handler_ends_the_wait(wait: Wait) -> None:
    poll = Poll()

    def handler() -> None:
        raise LookupError("from the handler")

    with pytest.raises(LookupError, match="from the handler"), storm(handler):
        wait(poll, None)
    assert wait(poll, 0) == []


@signals
def test_a_handler_may_change_the_set_and_may_not_wait_on_it() -> None:
    with unix_pair() as (near, far):
        poll, refused = Poll(), []
        poll.register(near, POLLIN)

        def handler() -> None:
            if refused:
                return
            for fd in range(NO_SUCH_FD, NO_SUCH_FD + 1000):
                poll.register(fd, 0)
            try:
                poll.poll(0)
            except RuntimeError as error:
                refused.append(error)
            far.send(b"x")

        with storm(handler):
            assert poll.poll() == [(near.fileno(), POLLIN)]
        assert len(refused) == 1
        assert len(poll.poll(0)) == 1001


def test_ctrl_c_ends_a_wait() -> None:
    code = """
import signal, epollkit
signal.signal(signal.SIGINT, signal.default_int_handler)
print(flush=True)
epollkit.Poll().poll()
"""
    with subprocess.Popen(
        [sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        try:
            process.stdout.readline()
            wait_until(lambda: sleeps(process.pid, process.pid))
            process.send_signal(signal.SIGINT)
            assert b"KeyboardInterrupt" in process.stderr.read()
        finally:
            process.kill()


# --- the object


def test_it_shows_how_many_are_registered() -> None:
    poll = Poll()
    poll.register(0, POLLIN)
    poll.register(1, POLLIN)
    assert repr(poll) == "<epollkit.Poll registered=2>"
    poll.unregister(0)
    assert repr(poll) == "<epollkit.Poll registered=1>"


def test_it_cannot_be_pickled_and_takes_no_arguments() -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(Poll())
    with pytest.raises(TypeError):
        Poll(1)  # type: ignore[call-arg]


def test_it_keeps_nothing_that_was_registered_alive() -> None:
    poll = Poll()
    source = Fileno(NO_SUCH_FD)
    gone = weakref.ref(source)
    poll.register(source, 0)
    del source
    gc.collect()
    assert gone() is None
    assert poll.poll(0) == [(NO_SUCH_FD, select.POLLNVAL)]


def test_it_works_after_fork() -> None:
    code = """
import os, epollkit
reader, writer = os.pipe()
poll = epollkit.Poll()
poll.register(writer, epollkit.POLLOUT)
if (child := os.fork()) == 0:
    os._exit(poll.poll(0) != [(writer, epollkit.POLLOUT)])
assert os.waitpid(child, 0)[1] == 0
"""
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_pipe_is_polled_by_number() -> None:
    reader, writer = os.pipe()
    try:
        poll = Poll()
        poll.register(reader, POLLIN)
        os.write(writer, b"x")
        assert poll.wait(None) == [(reader, PollFlags.IN)]
    finally:
        os.close(reader)
        os.close(writer)
