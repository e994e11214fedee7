"""Edge-triggered: an event when something happens, not while it lasts."""

import select
import socket

import pytest

from epoll_support import (
    KINDS,
    STREAMS,
    empty,
    fill,
    flags_of,
    is_closed_by_peer,
    open_source,
    reset,
    stream_pair,
    tcp_pair,
    unix_pair,
)
from epollkit import Epoll, EventFlags, Socket
from support import MUST_ARRIVE, wait_until

IN, OUT, ET = EventFlags.IN, EventFlags.OUT, EventFlags.ET
ERR, HUP, RDHUP = EventFlags.ERR, EventFlags.HUP, EventFlags.RDHUP


@pytest.mark.parametrize("kind", KINDS)
def test_unread_data_is_not_reported_again(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        epoll.register(source.fd, IN | ET)
        source.put(2)
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_partial_read_is_followed_by_silence(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        epoll.register(source.fd, IN | ET)
        source.put(2)
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        source.take(1)
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", KINDS)
def test_new_data_fires_while_older_data_are_unread(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        epoll.register(source.fd, IN | ET)
        for _ in range(3):
            source.put(1)
            assert flags_of(epoll, MUST_ARRIVE) == [IN]
            assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", KINDS)
def test_two_arrivals_before_a_wait_are_one_event(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        epoll.register(source.fd, IN | ET)
        source.put(1)
        source.put(1)
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_read_before_the_wait_is_not_reported(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        epoll.register(source.fd, IN | ET)
        source.put(1)
        source.take(1)
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", KINDS)
def test_registering_a_ready_source_fires(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        source.put(1)
        epoll.register(source.fd, IN | ET)
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", KINDS)
def test_modify_fires_for_what_is_unread_and_only_then(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        epoll.register(source.fd, IN | ET)
        source.put(1)
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        epoll.modify(source.fd, IN | ET)
        assert flags_of(epoll) == [IN]
        assert flags_of(epoll) == []
        epoll.rearm(source.fd)
        assert flags_of(epoll) == [IN]
        source.take(1)
        epoll.modify(source.fd, IN | ET)
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", STREAMS)
def test_an_idle_stream_reports_out_once(kind: str, loopback: str) -> None:
    with stream_pair(kind, loopback) as (near, _), Epoll() as epoll:
        epoll.register(near, OUT | ET)
        assert flags_of(epoll) == [OUT]
        assert near.send(b"x") == 1
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", STREAMS)
def test_out_fires_once_for_each_fill(kind: str, loopback: str) -> None:
    with stream_pair(kind, loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, OUT | ET)
        assert flags_of(epoll) == [OUT]
        for _ in range(2):
            filled = fill(near)
            assert flags_of(epoll) == []
            empty(far, filled)
            wait_until(lambda: near.outq() == 0)
            assert flags_of(epoll, MUST_ARRIVE) == [OUT]
            assert flags_of(epoll) == []


def test_on_a_unix_stream_each_read_of_the_peer_is_a_write_edge() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, OUT | ET)
        assert flags_of(epoll) == [OUT]
        near.send(b"x")
        assert flags_of(epoll) == []
        far.recv(1)
        assert flags_of(epoll) == [OUT]


@pytest.mark.parametrize("kind", STREAMS)
def test_an_arrival_reports_the_whole_readiness_with_out_in_it(kind: str, loopback: str) -> None:
    with stream_pair(kind, loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, IN | OUT | ET)
        assert flags_of(epoll) == [OUT]
        far.send(b"x")
        assert flags_of(epoll, MUST_ARRIVE) == [IN | OUT]
        assert flags_of(epoll) == []


def test_a_listener_reports_arrivals_and_not_those_that_still_wait(loopback: str) -> None:
    clients = []
    with Socket() as listener, Epoll() as epoll:
        listener.bind((loopback, 0))
        listener.listen()
        epoll.register(listener, IN | ET)
        clients.append(socket.create_connection(listener.getsockname()))
        clients.append(socket.create_connection(listener.getsockname()))
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        listener.accept()[0].close()
        assert flags_of(epoll) == []  # the second client waits, and nobody says so
        clients.append(socket.create_connection(listener.getsockname()))
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        accepted = listener.accept_many()
        assert len(accepted) == 2
    for end in (*clients, *(connection for connection, _ in accepted)):
        end.close()


@pytest.mark.parametrize("kind", STREAMS)
def test_an_end_of_stream_behind_a_short_read_is_never_reported(kind: str, loopback: str) -> None:
    with stream_pair(kind, loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, IN | ET)
        far.send(b"bye")
        far.shutdown(socket.SHUT_WR)
        wait_until(lambda: is_closed_by_peer(near.fileno(), select.POLLRDHUP))
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        assert near.recv(100) == b"bye"
        assert flags_of(epoll) == []  # who stops at the short read hangs here
        assert near.recv(100) == b""


@pytest.mark.parametrize("kind", STREAMS)
def test_rdhup_tells_of_the_end_of_stream_with_the_data(kind: str, loopback: str) -> None:
    with stream_pair(kind, loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, IN | RDHUP | ET)
        far.send(b"bye")
        far.shutdown(socket.SHUT_WR)
        wait_until(lambda: is_closed_by_peer(near.fileno(), select.POLLRDHUP))
        assert flags_of(epoll, MUST_ARRIVE) == [IN | RDHUP]
        assert near.recv(100) == b"bye"
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", STREAMS)
def test_an_end_of_stream_after_the_event_is_an_event(kind: str, loopback: str) -> None:
    with stream_pair(kind, loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, IN | RDHUP | ET)
        far.send(b"bye")
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        assert near.recv(100) == b"bye"
        far.shutdown(socket.SHUT_WR)
        assert flags_of(epoll, MUST_ARRIVE) == [IN | RDHUP]
        assert flags_of(epoll) == []


def test_a_reset_is_reported_once(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, IN | ET)
        reset(far)
        assert flags_of(epoll, MUST_ARRIVE) == [IN | ERR | HUP]
        assert flags_of(epoll) == []


def test_a_drained_stream_fires_for_the_next_arrival(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, IN | ET)
        for round_number in range(3):
            sent = f"round {round_number}".encode()
            far.send(sent)
            assert flags_of(epoll, MUST_ARRIVE) == [IN]
            assert near.drain(4096).data == sent
            assert near.try_recv(1) is None
            assert flags_of(epoll) == []


def test_two_sets_report_the_same_arrival_each() -> None:
    with unix_pair() as (near, far), Epoll() as one, Epoll() as other:
        one.register(near, IN | ET)
        other.register(near, IN | ET)
        far.send(b"x")
        assert flags_of(one) == [IN]
        assert flags_of(other) == [IN]
        assert flags_of(one) == flags_of(other) == []


def test_a_set_in_a_set_fires_at_arrivals_in_it() -> None:
    with unix_pair() as (near, far), Epoll() as inner, Epoll() as outer:
        inner.register(near, IN)
        outer.register(inner, IN | ET)
        far.send(b"x")
        assert flags_of(outer) == [IN]
        assert flags_of(outer) == []
        far.send(b"x")
        assert flags_of(outer) == [IN]
        assert flags_of(outer) == []
        assert flags_of(inner) == [IN]


def test_level_and_edge_are_properties_of_the_registration_and_can_change() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN | ET)
        far.send(b"x")
        assert flags_of(epoll) == [IN]
        assert flags_of(epoll) == []
        epoll.modify(near, IN)
        assert flags_of(epoll) == [IN]
        assert flags_of(epoll) == [IN]
        epoll.modify(near, IN | ET)
        assert flags_of(epoll) == [IN]
        assert flags_of(epoll) == []
