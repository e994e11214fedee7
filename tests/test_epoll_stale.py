"""Stale events: of a registration that was removed, replaced or closed after the wait."""

import errno
import gc
import os
import socket
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from epoll_support import unix_pair
from epollkit import Epoll, Event, EventFlags, Events, Socket

IN, OUT, ONESHOT = EventFlags.IN, EventFlags.OUT, EventFlags.ONESHOT


class Data:
    """Something that can be weakly referenced, and hold what it likes."""

    kept: object


@contextmanager
def three_ready() -> Generator[tuple[Epoll, list[Socket], Events]]:
    """Three writable sockets, registered with 0, 1 and 2 as data, in one delivery."""
    with unix_pair() as (first, second), unix_pair() as (third, _), Epoll() as epoll:
        sockets = [first, second, third]
        for number, source in enumerate(sockets):
            epoll.register(source, OUT, data=number)
        events = epoll.wait(0)
        assert sorted(event.data for event in events) == [0, 1, 2]
        yield epoll, sockets, events


def data_of(events: Events) -> list[object]:
    return sorted(event.data for event in events)


def test_an_event_of_an_unregistered_source_is_left_out_of_everything() -> None:
    with three_ready() as (epoll, sockets, events):
        assert (events.delivered, events.stale, len(events)) == (3, 0, 3)
        epoll.unregister(sockets[1])
        assert (events.delivered, events.stale, len(events)) == (3, 1, 2)
        assert data_of(events) == [0, 2]
        assert [events[0].data, events[1].data] == [event.data for event in events]
        assert repr(events).count("epollkit.Event ") == 2
        assert "data=1" not in repr(events)


def test_an_event_of_a_closed_socket_is_left_out() -> None:
    with three_ready() as (_, sockets, events):
        sockets[1].close()
        assert data_of(events) == [0, 2]
        assert events.stale == 1


def test_an_event_of_a_closed_stdlib_socket_is_left_out() -> None:
    near, far = socket.socketpair()
    with far, Epoll() as epoll:
        epoll.register(near, OUT)
        epoll.register(far, OUT)
        events = epoll.wait(0)
        near.close()
        assert [event.fd for event in events] == [far.fileno()]
        assert (events.delivered, events.stale) == (2, 1)


def test_an_event_of_a_closed_file_is_left_out() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as reading, Epoll() as epoll:  # noqa: PTH123
        writing = open(writer, "wb", buffering=0)  # noqa: PTH123, SIM115
        epoll.register(writing, OUT)
        events = epoll.wait(0)
        writing.close()
        assert (events.delivered, len(events)) == (1, 0)
        assert reading.read() == b""


def test_an_event_of_an_object_that_has_moved_to_another_number_is_left_out() -> None:
    class Connection:
        """Reconnects: `fileno()` is that of its present socket."""

        def __init__(self, now: Socket) -> None:
            self.now = now

        def fileno(self) -> int:
            return self.now.fileno()

    with unix_pair() as (old, new), Epoll() as epoll:
        connection = Connection(old)
        epoll.register(connection, OUT)
        events = epoll.wait(0)
        connection.now = new
        old.close()
        assert (events.delivered, len(events)) == (1, 0)


@pytest.mark.thread_unsafe(reason="catches a warning")
def test_a_dropped_socket_is_a_closed_one() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        dropped = Socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        epoll.register(dropped, OUT)
        epoll.register(near, OUT, data="near")
        events = epoll.wait(0)
        assert len(events) == 2
        with pytest.warns(ResourceWarning):
            del dropped
        assert data_of(events) == ["near"]


def test_a_dropped_wrapper_says_nothing_of_its_descriptor() -> None:
    class Wrapper:
        def __init__(self, fd: int) -> None:
            self.fd = fd

        def fileno(self) -> int:
            return self.fd

    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(Wrapper(near.fileno()), OUT, data="near")
        gc.collect()
        assert data_of(epoll.wait(0)) == ["near"]


def test_an_event_of_a_number_that_was_registered_anew_is_left_out() -> None:
    with three_ready() as (epoll, sockets, events):
        epoll.unregister(sockets[1])
        epoll.register(sockets[1], OUT, data="anew")
        assert data_of(events) == [0, 2]
        assert {event.data for event in epoll.wait(0)} == {0, "anew", 2}


@pytest.mark.thread_unsafe(reason="counts on the number of a closed socket staying free")
def test_an_event_is_not_passed_on_to_the_next_owner_of_the_number() -> None:
    with unix_pair() as (near, _), unix_pair() as (other, _), Epoll() as epoll:
        number = near.fileno()
        epoll.register(number, OUT, data="old")
        events = epoll.wait(0)
        near.close()
        os.dup2(other.fileno(), number)
        with Socket(fileno=number) as heir:
            epoll.register(heir, OUT, data="new")
            assert (events.delivered, len(events)) == (1, 0)
            assert data_of(epoll.wait(0)) == ["new"]


def test_events_that_were_touched_before_stay_as_they_are() -> None:
    with three_ready() as (epoll, sockets, events):
        touched = list(events)
        for source in sockets:
            epoll.unregister(source)
        assert sorted(event.data for event in touched) == [0, 1, 2]
        assert all(event.flags == OUT for event in touched)
        assert (events.delivered, events.stale, len(events), list(events)) == (3, 3, 0, [])


def test_what_is_closed_while_iterating_is_left_out_of_the_rest() -> None:
    with three_ready() as (_, sockets, events):
        seen = []
        for event in events:
            seen.append(event.data)
            for source in sockets:
                if source.fileno() != event.fd:
                    source.close()
        assert len(seen) == 1


def test_modify_after_the_wait_leaves_its_events_live_with_the_new_data() -> None:
    with three_ready() as (epoll, sockets, events):
        epoll.modify(sockets[1], IN, data="newer")
        assert {event.data for event in events} == {0, "newer", 2}
        assert events.stale == 0


def test_all_events_of_a_closed_set_are_stale() -> None:
    with three_ready() as (epoll, _, events):
        epoll.close()
        assert (events.delivered, events.stale, list(events)) == (3, 3, [])


def test_events_are_indexed_from_both_ends_and_no_further() -> None:
    with three_ready() as (epoll, sockets, events):
        in_order = [event.data for event in events]
        assert [events[at].data for at in (0, 1, 2)] == in_order
        assert [events[at].data for at in (-3, -2, -1)] == in_order
        for beyond in (3, -4, 1 << 62, -(1 << 62)):
            with pytest.raises(IndexError):
                events[beyond]
        epoll.unregister(sockets[in_order[0]])
        assert [events[at].data for at in (0, 1, -1, -2)] == [*in_order[1:], *in_order[:0:-1]]
        for beyond in (2, -3):
            with pytest.raises(IndexError):
                events[beyond]


def test_events_are_true_if_any_is_live() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        assert not epoll.wait(0)
        epoll.register(near, OUT)
        events = epoll.wait(0)
        assert events
        epoll.unregister(near)
        assert not events


def test_events_can_be_iterated_again_and_by_halves() -> None:
    with three_ready() as (_, _, events):
        iterator = iter(events)
        assert iter(iterator) is iterator
        first = next(iterator)
        assert [first.data, *(event.data for event in iterator)] == [e.data for e in events]
        assert next(iterator, None) is None
        assert next(iterator, None) is None
        assert len(list(events)) == 3


def test_an_event_says_what_it_is() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN | OUT | EventFlags.RDHUP, data="mine")
        far.shutdown(socket.SHUT_WR)
        (event,) = epoll.wait(0)
        assert isinstance(event, Event)
        assert (event.fd, event.data) == (near.fileno(), "mine")
        assert event.flags is IN | OUT | EventFlags.RDHUP
        assert repr(event) == f"<epollkit.Event fd={near.fileno()} IN|OUT|RDHUP data='mine'>"
        seen = (event.is_readable, event.is_writable, event.is_read_closed)
        assert seen == (True, True, True)
        assert (event.is_error, event.is_hangup, event.is_priority) == (False, False, False)


@pytest.mark.thread_unsafe(reason="counts on the number of a closed socket staying free")
def test_a_duplicate_keeps_the_events_coming_under_a_closed_number() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        number = near.fileno()
        epoll.register(near, IN, data="near")
        duplicate = near.dup()
        near.close()
        far.send(b"x")
        assert epoll.poll(0) == [(number, IN)]
        events = epoll.wait(0)
        assert (events.delivered, events.stale, list(events)) == (1, 1, [])
        with pytest.raises(OSError, match="Bad file descriptor") as raised:
            epoll.unregister(number)
        assert raised.value.errno == errno.EBADF
        assert epoll.poll(0) == [(number, IN)]  # out of reach
        duplicate.close()
        assert epoll.poll(0) == []


@pytest.mark.thread_unsafe(reason="counts on the number of a closed socket staying free")
def test_a_bare_number_is_left_out_once_unregister_has_said_that_it_is_closed() -> None:
    near, far = socket.socketpair()
    with far, Epoll() as epoll:
        number = near.fileno()
        epoll.register(number, IN, data="near")
        duplicate = near.dup()
        near.close()
        far.send(b"x")
        # A number has no way to tell that it was closed.
        assert [event.data for event in epoll.wait(0)] == ["near"]
        with pytest.raises(OSError, match="Bad file descriptor"):
            epoll.unregister(number)
        events = epoll.wait(0)
        assert (events.delivered, events.stale) == (1, 1)
        duplicate.close()


@pytest.mark.thread_unsafe(reason="counts on the number of a closed socket staying free")
def test_the_next_owner_of_a_number_and_the_duplicate_of_the_last_are_told_apart() -> None:
    with unix_pair() as (near, far), unix_pair() as (other, peer), Epoll() as epoll:
        number = near.fileno()
        epoll.register(near, IN, data="old")
        duplicate = near.dup()
        near.close()
        os.dup2(other.fileno(), number)
        with Socket(fileno=number) as heir, duplicate:
            epoll.register(heir, IN, data="new")  # the same number, another open file
            far.send(b"x")
            assert epoll.poll(0) == [(number, IN)]
            assert list(epoll.wait(0)) == []
            peer.send(b"x")
            assert epoll.poll(0) == [(number, IN)] * 2
            events = epoll.wait(0)
            assert [event.data for event in events] == ["new"]
            assert (events.delivered, events.stale) == (2, 1)


def test_oneshot_ends_the_events_of_a_closed_number_after_one() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        number = near.fileno()
        epoll.register(near, IN | ONESHOT)
        with near.dup():
            near.close()
            far.send(b"x")
            assert epoll.poll(0) == [(number, IN)]
            far.send(b"x")
            assert epoll.poll(0) == []


def test_closing_the_last_descriptor_removes_the_registration() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN | OUT)
        epoll.register(far, OUT)
        near.close()
        assert [fd for fd, _ in epoll.poll(0)] == [far.fileno()]


def drop_by_unregister(epoll: Epoll, source: Socket) -> None:
    epoll.unregister(source)


def drop_by_close(epoll: Epoll, _: Socket) -> None:
    epoll.close()


def drop_by_modify(epoll: Epoll, source: Socket) -> None:
    epoll.modify(source, OUT, data=None)


@pytest.mark.parametrize("drop", [drop_by_unregister, drop_by_close, drop_by_modify])
def test_data_live_until_the_registration_ends(drop: Callable[[Epoll, Socket], None]) -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        data = Data()
        alive = weakref.ref(data)
        epoll.register(near, OUT, data=data)
        del data
        assert alive() is not None
        drop(epoll, near)
        assert alive() is None


@pytest.mark.thread_unsafe(reason="counts on the number of a closed socket staying free")
def test_data_of_a_closed_number_go_with_its_next_registration() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        data = Data()
        alive = weakref.ref(data)
        number = near.fileno()
        epoll.register(near, OUT, data=data)
        del data
        near.close()
        os.dup2(far.fileno(), number)
        with Socket(fileno=number) as heir:
            epoll.register(heir, OUT)
            assert alive() is None


def test_data_that_were_refused_are_not_kept() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, OUT)
        data = Data()
        alive = weakref.ref(data)
        with pytest.raises(FileExistsError):
            epoll.register(near, OUT, data=data)
        del data
        assert alive() is None


def test_a_source_is_not_kept_alive() -> None:
    near, far = socket.socketpair()
    with far, Epoll() as epoll:
        epoll.register(near, OUT)
        alive = weakref.ref(near)
        os.close(near.detach())
        del near
        assert alive() is None


def test_data_may_use_the_set_when_they_are_dropped() -> None:
    class Unregisters:
        def __init__(self, epoll: Epoll, source: Socket) -> None:
            self.parts = epoll, source

        def __del__(self) -> None:
            epoll, source = self.parts
            epoll.unregister(source)

    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(far, OUT)
        epoll.register(near, OUT, data=Unregisters(epoll, far))
        epoll.unregister(near)
        assert epoll.poll(0) == []


def the_set(epoll: Epoll) -> object:
    return epoll


def its_events(epoll: Epoll) -> object:
    return epoll.wait(0)


def an_iterator(epoll: Epoll) -> object:
    return iter(epoll.wait(0))


def an_event(epoll: Epoll) -> object:
    return epoll.wait(0)[0]


@pytest.mark.parametrize("keep", [the_set, its_events, an_iterator, an_event])
def test_a_cycle_through_data_is_collected(keep: Callable[[Epoll], object]) -> None:
    with unix_pair() as (near, _):
        epoll = Epoll()
        data = Data()
        epoll.register(near, OUT, data=data)
        data.kept = keep(epoll)
        alive = weakref.ref(data), weakref.ref(epoll)
        del data, epoll
        gc.collect()
        assert [ref() for ref in alive] == [None, None]
