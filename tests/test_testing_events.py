"""`expect_events`, `expect_no_events` and `assert_would_block`, on both libraries' sets."""

import io
import os
import pickle
import select
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

import epollkit
from endpoints import full_listener
from epoll_support import unix_pair
from epollkit import Epoll, EventFlags, Poll, Socket, WaitTimeout
from epollkit.testing import assert_would_block, expect_events, expect_no_events

IN, OUT, RDHUP, ET = EventFlags.IN, EventFlags.OUT, EventFlags.RDHUP, EventFlags.ET

both_sets = pytest.mark.parametrize("make", [Epoll, select.epoll], ids=["ours", "theirs"])


# --- expect_events


@both_sets
def test_all_of_them_with_all_their_flags(make: Callable[[], Any]) -> None:
    with unix_pair() as (near, far), make() as epoll:
        epoll.register(near, IN | OUT)
        epoll.register(far, OUT)
        far.send(b"x")
        came = expect_events(epoll, {near: IN | OUT, far: OUT})
        assert sorted(came, key=lambda event: event[1]) == [(far, OUT), (near, IN | OUT)]


@both_sets
def test_pairs_do_as_well_as_a_mapping_and_numbers_as_objects(make: Callable[[], Any]) -> None:
    with unix_pair() as (near, _), make() as epoll:
        epoll.register(near, OUT)
        assert expect_events(epoll, [(near.fileno(), OUT)]) == [(near.fileno(), OUT)]


def test_a_source_may_be_named_by_its_data() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, OUT, data=["cannot be hashed"])
        epoll.register(far, OUT, data=7)
        assert len(expect_events(epoll, [(["cannot be hashed"], OUT), (7, OUT)])) == 2
        assert len(expect_events(epoll, {near: OUT, far: OUT})) == 2


def test_a_bare_number_is_the_data_where_there_are_some() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, OUT, data="named")
        with pytest.raises(AssertionError, match="a source that is not expected"):
            expect_events(epoll, {near.fileno(): OUT})


@both_sets
def test_they_may_come_one_after_the_other(make: Callable[[], Any]) -> None:
    with unix_pair() as (near, far), make() as epoll:
        epoll.register(near, IN | RDHUP | ET)
        far.send(b"x")
        first = expect_events(epoll, {near: IN})
        sending = threading.Thread(target=far.shutdown, args=(socket.SHUT_WR,))
        sending.start()
        then = expect_events(epoll, {near: IN | RDHUP})
        sending.join()
        assert (first, then) == ([(near, IN)], [(near, IN | RDHUP)])


def test_flags_of_one_source_may_come_in_several_events() -> None:
    class InParts:
        parts = [[(3, 1)], [], [(3, 4), (4, 4)]]  # noqa: RUF012 - one test's

        def poll(self, _timeout: float) -> list[tuple[int, int]]:
            return self.parts.pop(0)

        def close(self) -> None: ...

    came = expect_events(InParts(), {3: IN | OUT, 4: OUT})
    assert came == [(3, IN), (3, OUT), (4, OUT)]


def test_level_triggered_one_may_come_again_while_another_is_awaited() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN)
        epoll.register(far, OUT)
        again = threading.Event()

        class Counting:
            def poll(self, timeout: float) -> list[tuple[int, int]]:
                events = epoll.poll(timeout)
                again.set()
                return events

            def close(self) -> None: ...

        def send() -> None:
            again.wait()
            far.send(b"x")

        sending = threading.Thread(target=send)
        sending.start()
        came = expect_events(Counting(), {near: IN, far: OUT})
        sending.join()
        assert came.count((far, OUT)) > 1
        assert (near, IN) in came


@both_sets
def test_a_source_too_many_fails_at_once_and_all_is_told(make: Callable[[], Any]) -> None:
    with unix_pair() as (near, far), make() as epoll:
        epoll.register(near, OUT)
        with pytest.raises(AssertionError) as raised:
            expect_events(epoll, {far: IN | RDHUP})
        assert str(raised.value) == (
            f"a source that is not expected\n"
            f"  fd {near.fileno()}: OUT\n"
            f"expected:\n"
            f"  {far!r} (fd {far.fileno()}): IN|RDHUP\n"
            f"came:\n"
            f"  fd {near.fileno()}: OUT"
        )


@both_sets
def test_a_flag_too_many_fails_at_once(make: Callable[[], Any]) -> None:
    with unix_pair() as (near, far), make() as epoll:
        epoll.register(near, IN | OUT)
        far.send(b"x")
        with pytest.raises(AssertionError, match=r"a flag that is not expected\n.*: IN\|OUT\n"):
            expect_events(epoll, {near: IN})


@both_sets
def test_what_is_missing_is_told_when_the_time_is_up(make: Callable[[], Any]) -> None:
    with unix_pair() as (near, far), make() as epoll:
        epoll.register(near, IN)
        epoll.register(far, OUT)
        with pytest.raises(WaitTimeout) as raised:
            expect_events(epoll, {near: IN, far: OUT}, timeout=0.01)
        assert raised.value.elapsed >= 0.01
        assert raised.value.seen == f"fd {far.fileno()}: OUT"
        assert f"(fd {near.fileno()}): IN\n" in raised.value.waited_for
        assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # noqa: S301


def test_a_time_out_of_zero_is_one_look() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN)
        with pytest.raises(WaitTimeout, match="no event"):
            expect_events(epoll, {near: IN}, timeout=0)
        far.send(b"x")
        assert expect_events(epoll, {near: IN}, timeout=0)


def test_nothing_expected_is_nothing_seen_and_a_look() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        assert expect_events(epoll, {}, timeout=0) == []
        epoll.register(near, OUT)
        with pytest.raises(AssertionError, match="a source that is not expected"):
            expect_events(epoll, {}, timeout=0)


@pytest.mark.parametrize("mask", [0, IN | ET, EventFlags.ONESHOT])
def test_a_mask_that_no_event_has_is_an_error(mask: int) -> None:
    with (
        unix_pair() as (near, _),
        Epoll() as epoll,
        pytest.raises(ValueError, match="no event has"),
    ):
        expect_events(epoll, {near: mask})


@pytest.mark.parametrize("make", [Poll, select.poll], ids=["ours", "theirs"])
def test_a_poll_object_is_refused_since_it_counts_milliseconds(make: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="not an epoll set"):
        expect_events(make(), {})
    with pytest.raises(TypeError, match="not an epoll set"):
        expect_no_events(make())


# --- expect_no_events


@both_sets
def test_nothing_may_come(make: Callable[[], Any]) -> None:
    with unix_pair() as (near, far), make() as epoll:
        epoll.register(near, IN)
        expect_no_events(epoll)
        far.send(b"x")
        far.shutdown(socket.SHUT_WR)
        epoll.modify(near, IN | RDHUP)
        with pytest.raises(AssertionError) as raised:
            expect_no_events(epoll)
        assert str(raised.value) == f"expected no event; came:\n  fd {near.fileno()}: IN|RDHUP"


def test_what_came_is_named_by_its_data() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, OUT, data="client 1")
        with pytest.raises(AssertionError, match=rf"'client 1' \(fd {near.fileno()}\): OUT"):
            expect_no_events(epoll)


def test_a_flag_without_a_name_is_shown_as_a_number() -> None:
    class Odd:
        def poll(self, _timeout: float) -> list[tuple[int, int]]:
            return [(3, 0x1000), (4, 0)]

        def close(self) -> None: ...

    with pytest.raises(AssertionError, match=r"fd 3: (0x1000|4096)\n  fd 4: no flag"):
        expect_no_events(Odd())


# --- assert_would_block


def both_pairs(stack: ExitStack) -> list[tuple[Any, Any]]:
    ours, theirs = stack.enter_context(unix_pair()), socket.socketpair()
    for one in theirs:
        stack.enter_context(one).setblocking(False)
    return [ours, theirs]


def test_eagain_is_what_it_wants() -> None:
    with ExitStack() as stack:
        for near, far in both_pairs(stack):
            assert_would_block(near.recv, 10)
            assert_would_block(near.recv_into, bytearray(10))
            far.send(b"x")
            with pytest.raises(AssertionError, match="recv returned b'x' and did not have to wait"):
                assert_would_block(near.recv, 10)


def test_none_of_a_try_method_is_what_it_wants_and_of_another_it_is_not() -> None:
    with unix_pair() as (near, far):
        assert_would_block(near.try_recv, 10)
        far.send(b"x")
        with pytest.raises(AssertionError, match="try_recv returned b'x'"):
            assert_would_block(near.try_recv, 10)
        with pytest.raises(AssertionError, match="sendall returned None"):
            assert_would_block(near.sendall, b"x")


def test_none_of_a_raw_file_is_what_it_wants() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with io.FileIO(reader) as reading, io.FileIO(writer, "w") as writing:
        assert_would_block(reading.read, 10)
        writing.write(b"x")
        with pytest.raises(AssertionError, match="read returned b'x'"):
            assert_would_block(reading.read, 10)


def test_a_connect_under_way_counts(loopback: str) -> None:
    with full_listener(loopback) as address, Socket() as ours, socket.socket() as theirs:
        theirs.setblocking(False)
        assert_would_block(ours.connect, address)
        assert_would_block(theirs.connect, address)


def test_keywords_are_handed_on() -> None:
    seen: dict[str, object] = {}

    def call(**keywords: object) -> None:
        seen.update(keywords)
        raise BlockingIOError

    assert_would_block(call, flags=1)
    assert seen == {"flags": 1}


@pytest.mark.parametrize("timeout", [None, 0.01])
def test_a_socket_that_may_wait_is_refused_and_nothing_called(timeout: float | None) -> None:
    with ExitStack() as stack:
        for near, far in both_pairs(stack):
            near.settimeout(timeout)
            far.send(b"x")
            with pytest.raises(ValueError, match="may wait"):
                assert_would_block(near.recv, 10)
            near.settimeout(0)
            assert near.recv(10) == b"x"


def test_a_try_method_never_waits_whatever_the_time_out() -> None:
    with unix_pair() as (near, _):
        near.settimeout(None)
        assert_would_block(near.try_recv, 10)


def test_another_exception_is_not_swallowed() -> None:
    with unix_pair() as (near, far):
        far.close()
        with pytest.raises(BrokenPipeError):
            assert_would_block(near.send, b"x")


# --- what pytest shows


@pytest.mark.thread_unsafe(reason="runs pytest in this process")
def test_a_failure_is_shown_where_the_test_called(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from epollkit import EPOLLIN, Epoll, socketpair
        from epollkit.testing import expect_events

        def test_it():
            near, far = socketpair()
            with near, far, Epoll() as epoll:
                epoll.register(near, EPOLLIN)
                expect_events(epoll, {near: EPOLLIN}, timeout=0)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *WaitTimeout: all expected events", "E *last seen: no event"])
    assert "_events.py" not in result.stdout.str()
    assert epollkit.__name__ in result.stdout.str()
