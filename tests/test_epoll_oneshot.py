"""One-shot: one event, then nothing at all until the registration is armed again."""

import errno
import select
import socket

import pytest

from epoll_support import (
    KINDS,
    STREAMS,
    flags_of,
    is_closed_by_peer,
    open_source,
    reset,
    stream_pair,
    tcp_pair,
    unix_pair,
)
from epollkit import Epoll, EventFlags
from support import MUST_ARRIVE, wait_until

IN, OUT, ET, ONESHOT = EventFlags.IN, EventFlags.OUT, EventFlags.ET, EventFlags.ONESHOT
ERR, HUP, RDHUP = EventFlags.ERR, EventFlags.HUP, EventFlags.RDHUP


@pytest.mark.parametrize("mode", [ONESHOT, ONESHOT | ET], ids=["level", "edge"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_event_then_silence_until_rearm(kind: str, mode: EventFlags, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        epoll.register(source.fd, IN | mode)
        source.put(1)
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        assert flags_of(epoll) == []
        source.put(1)
        assert flags_of(epoll) == []
        epoll.rearm(source.fd)
        assert flags_of(epoll) == [IN]
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", KINDS)
def test_modify_arms_again_too(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        epoll.register(source.fd, IN | ONESHOT)
        source.put(1)
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        epoll.modify(source.fd, IN | ONESHOT)
        assert flags_of(epoll) == [IN]
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", KINDS)
def test_rearm_with_nothing_ready_waits_for_the_next_arrival(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        epoll.register(source.fd, IN | ONESHOT)
        source.put(1)
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        source.take(1)
        epoll.rearm(source.fd)
        assert flags_of(epoll) == []
        source.put(1)
        assert flags_of(epoll, MUST_ARRIVE) == [IN]


def test_a_registration_that_has_not_fired_is_armed() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN | ONESHOT)
        assert flags_of(epoll) == []
        far.send(b"x")
        assert flags_of(epoll) == [IN]


def test_a_reset_while_disarmed_is_silent_and_told_at_rearm(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, IN | OUT | RDHUP | ONESHOT)
        assert flags_of(epoll) == [OUT]
        reset(far)
        wait_until(lambda: is_closed_by_peer(near.fileno(), select.POLLERR))
        assert flags_of(epoll) == []
        epoll.rearm(near)
        assert flags_of(epoll) == [IN | OUT | ERR | HUP | RDHUP]
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", STREAMS)
def test_a_hang_up_while_disarmed_is_silent_and_told_at_rearm(kind: str, loopback: str) -> None:
    with stream_pair(kind, loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, OUT | ONESHOT)
        assert flags_of(epoll) == [OUT]
        near.shutdown(socket.SHUT_WR)
        far.shutdown(socket.SHUT_WR)
        wait_until(lambda: is_closed_by_peer(near.fileno(), select.POLLHUP))
        assert flags_of(epoll) == []
        epoll.rearm(near)
        assert flags_of(epoll) == [OUT | HUP]


def test_one_event_carries_all_that_is_ready() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN | OUT | ONESHOT)
        far.send(b"x")
        assert flags_of(epoll) == [IN | OUT]
        assert flags_of(epoll) == []


def test_a_disarmed_registration_is_still_a_registration() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN | ONESHOT)
        far.send(b"x")
        assert flags_of(epoll) == [IN]
        with pytest.raises(FileExistsError) as raised:
            epoll.register(near, IN)
        assert raised.value.errno == errno.EEXIST
        epoll.unregister(near)
        with pytest.raises(FileNotFoundError):
            epoll.rearm(near)


def test_rearm_uses_the_mask_of_the_last_modify() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN | ONESHOT)
        far.send(b"x")
        epoll.modify(near, OUT | ONESHOT)
        assert flags_of(epoll) == [OUT]
        epoll.rearm(near)
        assert flags_of(epoll) == [OUT]
        assert flags_of(epoll) == []


def test_modify_without_oneshot_makes_it_level_triggered() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN | ONESHOT)
        far.send(b"x")
        assert flags_of(epoll) == [IN]
        epoll.modify(near, IN)
        assert flags_of(epoll) == [IN]
        assert flags_of(epoll) == [IN]


def test_rearm_keeps_the_data() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN | ONESHOT, data="mine")
        far.send(b"x")
        assert [event.data for event in epoll.wait(0)] == ["mine"]
        epoll.rearm(near)
        assert [event.data for event in epoll.wait(0)] == ["mine"]


def test_each_set_disarms_for_itself() -> None:
    with unix_pair() as (near, far), Epoll() as one, Epoll() as other:
        one.register(near, IN | ONESHOT)
        other.register(near, IN | ONESHOT)
        far.send(b"x")
        assert flags_of(one) == [IN]
        assert flags_of(other) == [IN]
        one.rearm(near)
        assert flags_of(one) == [IN]
        assert flags_of(other) == []
