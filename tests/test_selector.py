"""EpollSelector: the stdlib's class over Epoll. Each claim about both is asked of both."""

import math
import os
import resource
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from selectors import EVENT_READ, EVENT_WRITE, SelectorKey
from typing import Any

import pytest

import epollkit
from epoll_support import unix_pair
from epollkit import ClosedEpollError, EpollSelector
from poll_support import signals, sleeps, storm
from support import MUST_ARRIVE, wait_until

BOTH = EVENT_READ | EVENT_WRITE
SIDES = pytest.mark.parametrize(
    "make", [selectors.EpollSelector, EpollSelector], ids=["stdlib", "epollkit"]
)
Make = Callable[[], Any]


# --- registering


@SIDES
def test_register_gives_the_stdlibs_key_and_so_do_map_and_get_key(make: Make) -> None:
    with unix_pair() as (near, far), make() as selector:
        key = selector.register(near, EVENT_READ, "data")
        assert type(key) is SelectorKey
        assert key == (near, near.fileno(), EVENT_READ, "data")
        assert selector.get_key(near) is key
        assert selector.get_key(near.fileno()) is key
        assert selector.get_map()[near] is key
        assert selector.register(far, BOTH) == (far, far.fileno(), BOTH, None)


@SIDES
@pytest.mark.parametrize(
    ("events", "error"),
    [(0, ValueError), (4, ValueError), (-1, ValueError), (7, ValueError), (1.0, TypeError)],
)
def test_other_events_are_refused(make: Make, events: int, error: type[Exception]) -> None:
    with unix_pair() as (near, _), make() as selector:
        with pytest.raises(error):
            selector.register(near, events)
        assert len(selector.get_map()) == 0
        selector.register(near, EVENT_READ)


@SIDES
def test_registering_twice_is_a_key_error_and_changes_nothing(make: Make) -> None:
    with unix_pair() as (near, _), make() as selector:
        key = selector.register(near, EVENT_READ, "first")
        for again in (near, near.fileno()):
            with pytest.raises(KeyError, match=rf"\(FD {near.fileno()}\) is already registered"):
                selector.register(again, EVENT_WRITE)
        assert selector.get_key(near) is key
        assert selector.select(0) == []


class Fileno:
    """Says what it is told to say."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def fileno(self) -> object:
        return self.answer


@SIDES
@pytest.mark.parametrize(
    "source",
    [-1, "1", None, Fileno("x"), Fileno(None), Fileno(-1)],
    ids=["negative", "str", "none", "fileno-str", "fileno-none", "fileno-negative"],
)
def test_what_is_no_file_object_is_a_value_error(make: Make, source: object) -> None:
    with make() as selector:
        for call in (
            lambda: selector.register(source, EVENT_READ),
            lambda: selector.unregister(source),
            lambda: selector.modify(source, EVENT_READ),
            lambda: selector.get_key(source),
            lambda: selector.get_map()[source],
            lambda: source in selector.get_map(),
        ):
            with pytest.raises(ValueError, match=r"Invalid file (object|descriptor): "):
                call()


@SIDES
def test_what_fileno_says_is_made_an_int(make: Make) -> None:
    with unix_pair() as (near, _), make() as selector:
        assert selector.register(Fileno(str(near.fileno())), EVENT_WRITE).fd == near.fileno()
        assert len(selector.select(0)) == 1


@SIDES
def test_what_the_kernel_refuses_is_not_registered(make: Make, tmp_path: Any) -> None:  # noqa: ANN401
    with make() as selector, (tmp_path / "file").open("w") as file:
        with pytest.raises(PermissionError):
            selector.register(file, EVENT_READ)
        assert dict(selector.get_map()) == {}
        with pytest.raises(KeyError, match="is not registered"):
            selector.unregister(file)


# --- unregistering


@SIDES
def test_unregister_gives_the_key_back(make: Make) -> None:
    with unix_pair() as (near, _), make() as selector:
        key = selector.register(near, EVENT_WRITE)
        assert selector.unregister(near) is key
        assert selector.select(0) == []
        with pytest.raises(KeyError, match="is not registered"):
            selector.unregister(near)
        selector.register(near, EVENT_WRITE)


@SIDES
def test_what_is_closed_can_be_unregistered_by_its_identity(make: Make) -> None:
    with unix_pair() as (near, _), make() as selector:
        key = selector.register(near, EVENT_READ)
        near.close()
        assert selector.get_key(near) is key
        assert selector.modify(near, EVENT_READ, "data") == (near, key.fd, EVENT_READ, "data")
        assert selector.unregister(near).fileobj is near


@SIDES
def test_a_number_that_was_closed_can_be_unregistered(make: Make) -> None:
    reader, writer = os.pipe()
    try:
        with make() as selector:
            selector.register(reader, EVENT_READ)
            os.close(reader)
            assert selector.unregister(reader).fd == reader
    finally:
        os.close(writer)


# --- modifying


@SIDES
def test_modify_changes_events_and_data(make: Make) -> None:
    with unix_pair() as (near, far), make() as selector:
        far.send(b"x")
        selector.register(near, EVENT_READ, "first")
        key = selector.modify(near, EVENT_WRITE, "second")
        assert key == (near, near.fileno(), EVENT_WRITE, "second")
        assert selector.select(0) == [(key, EVENT_WRITE)]
        assert selector.modify(near.fileno(), BOTH).fileobj is near
        assert selector.get_key(near).data is None
        assert selector.select(0)[0][1] == BOTH


@SIDES
def test_modify_that_changes_nothing_keeps_the_key(make: Make) -> None:
    with unix_pair() as (near, _), make() as selector:
        key = selector.register(near, EVENT_READ, [1])
        assert selector.modify(near, EVENT_READ, [1]) is key
        assert selector.modify(near, EVENT_READ, [2]).data == [2]


@SIDES
def test_modify_of_what_is_not_registered_is_a_key_error(make: Make) -> None:
    with make() as selector, pytest.raises(KeyError, match="7 is not registered"):
        selector.modify(7, EVENT_READ)


@SIDES
def test_modify_with_no_events_silences(make: Make) -> None:
    with unix_pair() as (near, _), make() as selector:
        selector.register(near, EVENT_WRITE)
        assert selector.modify(near, 0).events == 0
        assert selector.select(0) == []


@SIDES
def test_modify_that_fails_unregisters(make: Make) -> None:
    reader, writer = os.pipe()
    try:
        with make() as selector:
            selector.register(reader, EVENT_READ)
            os.close(reader)
            with pytest.raises(OSError, match="Bad file descriptor"):
                selector.modify(reader, EVENT_WRITE)
            assert len(selector.get_map()) == 0
    finally:
        os.close(writer)


# --- selecting


@SIDES
def test_select_reports_what_was_asked_for(make: Make) -> None:
    with unix_pair() as (near, far), make() as selector:
        read = selector.register(near, EVENT_READ)
        both = selector.register(far, BOTH)
        assert selector.select(0) == [(both, EVENT_WRITE)]
        far.send(b"x")
        near.send(b"x")
        found = dict(selector.select(0))
        assert found == {read: EVENT_READ, both: BOTH}
        assert {type(events) for events in found.values()} == {int}


@SIDES
@pytest.mark.parametrize("events", [EVENT_READ, EVENT_WRITE, BOTH])
def test_a_hang_up_is_ready_for_all_that_was_asked(make: Make, events: int) -> None:
    with unix_pair() as (near, far), make() as selector:
        key = selector.register(near, events)
        far.close()
        assert selector.select() == [(key, events)]


@SIDES
def test_an_empty_selector_has_nothing_to_say(make: Make) -> None:
    with make() as selector:
        assert selector.select(0) == []
        assert selector.select(-1) == []
        assert selector.select(1e-4) == []


@SIDES
def test_all_that_is_ready_is_reported_at_once(make: Make) -> None:
    # 1,023 is what the stdlib's epoll reports by default.
    count = 1100
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2 * count + 64:
        pytest.skip("too few descriptors are allowed here")
    with ExitStack() as stack:
        selector = stack.enter_context(make())
        for _ in range(count // 2):
            for end in stack.enter_context(unix_pair()):
                selector.register(end, EVENT_WRITE)
        assert len(selector.select(0)) == count


@SIDES
def test_the_keys_are_those_of_now_and_what_is_unregistered_is_not_reported(make: Make) -> None:
    with unix_pair() as (near, far), make() as selector:
        selector.register(near, EVENT_WRITE)
        selector.register(far, EVENT_WRITE)
        key = selector.modify(near, EVENT_WRITE, "new")
        selector.unregister(far)
        assert selector.select(0) == [(key, EVENT_WRITE)]


def test_an_event_whose_number_is_registered_no_more_is_left_out() -> None:
    # A duplicate keeps the registration in the kernel alive, where nothing can reach it.
    with unix_pair() as (near, _), EpollSelector() as selector:
        duplicate = os.dup(near.fileno())
        try:
            selector.register(near, EVENT_WRITE)
            near.close()
            selector.unregister(near)
            assert selector.select(0) == []
        finally:
            os.close(duplicate)


@pytest.mark.parametrize("nanoseconds", [1, 999, 100_000, 1_000_001, 1_500_000, 20_000_000])
def test_a_timeout_is_never_early(nanoseconds: int) -> None:
    with EpollSelector() as selector:
        started = time.monotonic_ns()
        assert selector.select(nanoseconds / 1e9) == []
        assert time.monotonic_ns() - started >= nanoseconds


@SIDES
@pytest.mark.parametrize(
    ("timeout", "error"),
    [(math.nan, ValueError), (math.inf, OverflowError), (1e300, OverflowError), ("1", TypeError)],
    ids=["nan", "inf", "beyond-the-clock", "str"],
)
def test_what_is_no_timeout_is_refused(make: Make, timeout: float, error: type[Exception]) -> None:
    with make() as selector, pytest.raises(error):
        selector.select(timeout)


@SIDES
@pytest.mark.parametrize("arguments", [(), (None,), (1e6,)], ids=["default", "none", "long"])
def test_without_a_near_end_select_lasts_until_something_comes(
    make: Make, arguments: tuple[float | None, ...]
) -> None:
    with unix_pair() as (near, far), make() as selector:
        key = selector.register(near, EVENT_READ)
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.extend(selector.select(*arguments)))
        thread.start()
        wait_until(lambda: sleeps(thread.native_id or 0))
        far.send(b"x")
        thread.join()
        assert seen == [(key, EVENT_READ)]


@SIDES
def test_what_another_thread_registers_during_a_wait_ends_it(make: Make) -> None:
    with unix_pair() as (near, _), unix_pair() as (other, _), make() as selector:
        selector.register(near, EVENT_READ)
        seen: list[tuple[SelectorKey, int]] = []
        thread = threading.Thread(target=lambda: seen.extend(selector.select()))
        thread.start()
        wait_until(lambda: sleeps(thread.native_id or 0))
        key = selector.register(other, EVENT_WRITE)
        thread.join()
        assert seen == [(key, EVENT_WRITE)]


# --- signals


@signals
@SIDES
def test_signals_make_a_wait_neither_shorter_nor_endless(make: Make) -> None:
    with make() as selector, storm(lambda: None) as handled:
        started = time.monotonic()
        assert selector.select(0.05) == []
        assert time.monotonic() - started >= 0.05
        assert handled


@signals
@SIDES
def test_an_exception_of_a_handler_ends_the_wait(make: Make) -> None:
    def handler() -> None:
        raise LookupError("from the handler")

    with make() as selector, pytest.raises(LookupError, match="handler"), storm(handler):
        selector.select()


@signals
@SIDES
def test_a_handler_that_raises_interrupted_error_makes_select_return_nothing(make: Make) -> None:
    def handler() -> None:
        if len(handled) == 1:
            raise InterruptedError

    with make() as selector, storm(handler) as handled:
        assert selector.select(MUST_ARRIVE) == []


# --- the map


@SIDES
def test_the_map_is_live_and_looks_up_by_object_and_by_number(make: Make) -> None:
    with unix_pair() as (near, far), make() as selector:
        keys = selector.get_map()
        assert isinstance(keys, Mapping)
        assert len(keys) == 0
        key = selector.register(near, EVENT_READ)
        assert selector.get_map() is keys
        assert (len(keys), list(keys), dict(keys)) == (1, [near.fileno()], {near.fileno(): key})
        assert keys[near] is keys[near.fileno()] is keys.get(near) is key
        assert near in keys
        assert far not in keys
        assert keys.get(far) is None
        assert keys.get(far, "none") == "none"
        with pytest.raises(KeyError, match="is not registered"):
            keys[far]
        with pytest.raises(KeyError, match="is not registered"):
            selector.get_key(far)
        with pytest.raises(TypeError):
            keys[near] = key


# --- closing


@SIDES
def test_a_closed_selector_says_so(make: Make) -> None:
    with unix_pair() as (near, _):
        selector = make()
        selector.register(near, EVENT_READ)
        keys = selector.get_map()
        selector.close()
        selector.close()
        assert selector.get_map() is None
        assert len(keys) == 0
        with pytest.raises(RuntimeError, match="Selector is closed"):
            selector.get_key(near)
        with pytest.raises(KeyError):
            selector.unregister(near)
        with pytest.raises(KeyError):
            selector.modify(near, EVENT_READ)
        for call in (
            selector.fileno,
            lambda: selector.select(0),
            lambda: selector.register(near, EVENT_READ),
        ):
            with pytest.raises(ValueError, match="closed"):
                call()
        with pytest.raises(KeyError):
            selector.unregister(near)


def test_a_wait_in_another_thread_ends_when_the_selector_is_closed() -> None:
    selector = EpollSelector()
    seen: list[type[Exception]] = []

    def wait() -> None:
        try:
            selector.select()
        except ClosedEpollError as error:
            seen.append(type(error))

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: sleeps(thread.native_id or 0))
    selector.close()
    thread.join()
    assert seen == [ClosedEpollError]


@SIDES
def test_leaving_its_block_closes_it(make: Make) -> None:
    with make() as selector:
        assert selector.fileno() >= 0
    assert selector.get_map() is None


@SIDES
def test_it_can_be_watched_itself(make: Make) -> None:
    with unix_pair() as (near, _), make() as inner, make() as outer:
        key = outer.register(inner, EVENT_READ)
        assert outer.select(0) == []
        inner.register(near, EVENT_WRITE)
        assert outer.select(0) == [(key, EVENT_READ)]


def test_it_is_a_selector_of_the_stdlibs_kind() -> None:
    assert issubclass(EpollSelector, selectors.BaseSelector)
    public = {name for name in dir(selectors.EpollSelector) if not name.startswith("_")}
    assert public <= set(dir(EpollSelector))


def test_sockets_of_both_kinds_can_be_registered() -> None:
    one, two = socket.socketpair()
    with one, two, epollkit.Socket() as native, EpollSelector() as selector:
        selector.register(one, EVENT_WRITE)
        selector.register(native, EVENT_READ)  # unconnected: a hang-up
        assert {key.fileobj for key, _ in selector.select(0)} == {one, native}
