"""EPOLLEXCLUSIVE: one of several sets that watch the same source is woken, not all."""

import errno
import os
import queue
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from epoll_support import flags_of, sleeps_in_epoll, unix_pair
from epollkit import Epoll, EventFlags, Socket
from support import MUST_ARRIVE, wait_until

IN, OUT, ET = EventFlags.IN, EventFlags.OUT, EventFlags.ET
EXCLUSIVE, ONESHOT = EventFlags.EXCLUSIVE, EventFlags.ONESHOT
WAITERS = 4


@pytest.mark.parametrize(
    "beside",
    [ONESHOT, EventFlags.RDHUP, EventFlags.PRI],
    ids=["oneshot", "rdhup", "pri"],
)
def test_it_does_not_go_with_other_flags(beside: EventFlags) -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        with pytest.raises(OSError, match="Invalid argument") as raised:
            epoll.register(near, IN | EXCLUSIVE | beside)
        assert raised.value.errno == errno.EINVAL
        epoll.register(near, IN)  # nothing was registered


@pytest.mark.parametrize(
    "beside",
    [IN, OUT, ET, EventFlags.ERR, EventFlags.HUP, EventFlags.WAKEUP],
    ids=["in", "out", "et", "err", "hup", "wakeup"],
)
def test_it_goes_with_these_flags(beside: EventFlags) -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN | EXCLUSIVE | beside)
        far.send(b"x")
        (flags,) = flags_of(epoll)
        assert flags & IN


def test_modify_can_neither_add_it_nor_touch_a_registration_that_has_it() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN)
        epoll.register(far, OUT | EXCLUSIVE, data="kept")
        for source, mask in ((near, IN | EXCLUSIVE), (far, OUT), (far, OUT | EXCLUSIVE)):
            with pytest.raises(OSError, match="Invalid argument") as raised:
                epoll.modify(source, mask, data="lost")
            assert raised.value.errno == errno.EINVAL
        with pytest.raises(OSError, match="Invalid argument"):
            epoll.rearm(far)
        assert [(event.data, event.flags) for event in epoll.wait(0)] == [("kept", OUT)]


def test_a_set_cannot_be_watched_exclusively() -> None:
    with Epoll() as inner, Epoll() as outer:
        with pytest.raises(OSError, match="Invalid argument") as raised:
            outer.register(inner, IN | EXCLUSIVE)
        assert raised.value.errno == errno.EINVAL


def test_the_default_mask_is_refused_since_pri_is_in_it() -> None:
    default = IN | EventFlags.PRI | OUT
    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, default)
        epoll.unregister(near)
        with pytest.raises(OSError, match="Invalid argument"):
            epoll.register(near, default | EXCLUSIVE)


def test_it_can_be_unregistered_and_registered_again() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        far.send(b"x")
        epoll.register(near, IN | EXCLUSIVE)
        epoll.unregister(near)
        assert flags_of(epoll) == []
        epoll.register(near, IN | EXCLUSIVE)
        assert flags_of(epoll) == [IN]


def an_eventfd(stack: ExitStack) -> tuple[int, Callable[[], object]]:
    counter = os.eventfd(0, os.EFD_NONBLOCK)
    stack.callback(os.close, counter)
    return counter, lambda: os.eventfd_write(counter, 1)


def a_pipe(stack: ExitStack) -> tuple[int, Callable[[], object]]:
    reader, writer = os.pipe()
    stack.callback(os.close, reader)
    stack.callback(os.close, writer)
    return reader, lambda: os.write(writer, b"x")


def a_listener(stack: ExitStack) -> tuple[int, Callable[[], object]]:
    listener = stack.enter_context(Socket(socket.AF_UNIX))
    listener.bind("")  # the kernel chooses an abstract name
    listener.listen()
    client = stack.enter_context(Socket(socket.AF_UNIX))
    return listener.fileno(), lambda: client.connect(listener.getsockname())


def woken(make: Callable[[ExitStack], tuple[int, Callable[[], object]]], mask: int) -> list[str]:
    """What each of four sets reported first, with a thread asleep in each, after one arrival.

    All sets watch a second source, too, that ends the waits of those that the arrival did not end.
    """
    with ExitStack() as stack:
        shared, arrive = make(stack)
        end = os.eventfd(0)
        stack.callback(os.close, end)
        reports: queue.Queue[str] = queue.Queue()
        sets = [stack.enter_context(Epoll()) for _ in range(WAITERS)]
        for epoll in sets:
            epoll.register(shared, mask, data="arrival")
            epoll.register(end, IN, data="end")

        def report(epoll: Epoll) -> None:
            reports.put("+".join(sorted(event.data for event in epoll.wait(MUST_ARRIVE))))

        threads = [threading.Thread(target=report, args=(epoll,)) for epoll in sets]
        for thread, epoll in zip(threads, sets, strict=True):
            thread.start()
            identity, fd = thread.native_id or 0, epoll.fileno()
            wait_until(lambda: sleeps_in_epoll(identity, fd))  # noqa: B023
        arrive()
        first = reports.get(timeout=MUST_ARRIVE)
        if mask & EXCLUSIVE:
            os.eventfd_write(end, 1)
        for thread in threads:
            thread.join()
        return sorted([first, *(reports.get_nowait() for _ in range(WAITERS - 1))])


@pytest.mark.parametrize("mode", [0, ET], ids=["level", "edge"])
@pytest.mark.parametrize("make", [an_eventfd, a_pipe, a_listener])
def test_one_set_of_four_is_woken(
    make: Callable[[ExitStack], tuple[int, Callable[[], object]]], mode: int
) -> None:
    assert woken(make, IN | EXCLUSIVE | mode) == ["arrival", "end", "end", "end"]


@pytest.mark.parametrize("make", [an_eventfd, a_pipe, a_listener])
def test_without_it_all_four_are_woken(
    make: Callable[[ExitStack], tuple[int, Callable[[], object]]],
) -> None:
    assert woken(make, IN) == ["arrival"] * WAITERS
