"""Level-triggered: an event for as long as the condition holds."""

import os
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

IN, OUT, PRI = EventFlags.IN, EventFlags.OUT, EventFlags.PRI
ERR, HUP, RDHUP = EventFlags.ERR, EventFlags.HUP, EventFlags.RDHUP
NOTHING = EventFlags(0)


@pytest.mark.parametrize("kind", KINDS)
def test_unread_data_is_reported_at_every_wait_until_it_is_read(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        epoll.register(source.fd, IN)
        assert flags_of(epoll) == []
        source.put(2)
        assert flags_of(epoll, MUST_ARRIVE) == [IN]
        assert flags_of(epoll) == [IN]
        source.take(1)
        assert flags_of(epoll) == [IN]
        source.take(1)
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", KINDS)
def test_data_that_was_there_before_the_registration_is_reported(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        source.put(1)
        epoll.register(source.fd, IN)
        assert flags_of(epoll, MUST_ARRIVE) == [IN]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_read_in_time_is_not_reported(kind: str, loopback: str) -> None:
    with open_source(kind, loopback) as source, Epoll() as epoll:
        epoll.register(source.fd, IN)
        source.put(3)
        source.take(3)
        assert flags_of(epoll) == []


@pytest.mark.parametrize("kind", STREAMS)
def test_an_armed_out_on_an_idle_stream_is_reported_at_every_wait(kind: str, loopback: str) -> None:
    with stream_pair(kind, loopback) as (near, _), Epoll() as epoll:
        epoll.register(near, OUT)
        assert [flags_of(epoll) for _ in range(100)] == [[OUT]] * 100


@pytest.mark.parametrize("kind", STREAMS)
def test_a_full_send_buffer_is_not_writable_until_the_peer_reads(kind: str, loopback: str) -> None:
    with stream_pair(kind, loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, OUT)
        filled = fill(near)
        assert flags_of(epoll) == []
        empty(far, filled)
        assert flags_of(epoll, MUST_ARRIVE) == [OUT]


def test_a_listener_is_reported_while_a_client_waits(loopback: str) -> None:
    with Socket() as listener, Epoll() as epoll:
        listener.bind((loopback, 0))
        listener.listen()
        epoll.register(listener, IN)
        assert flags_of(epoll) == []
        clients = [socket.create_connection(listener.getsockname()) for _ in range(2)]
        for client in clients:
            assert flags_of(epoll, MUST_ARRIVE) == [IN]
            assert flags_of(epoll) == [IN]
            listener.accept()[0].close()
            client.close()
        assert flags_of(epoll) == []


def test_a_fresh_socket_reports_what_its_kind_reports() -> None:
    every = IN | OUT | PRI | RDHUP
    with (
        Socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
        Socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        Socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
        Epoll() as epoll,
    ):
        for name, source in (("tcp", stream), ("udp", datagram), ("unix", unix)):
            epoll.register(source, every, data=name)
        assert {event.data: event.flags for event in epoll.wait(0)} == {
            "tcp": OUT | HUP,
            "udp": OUT,
            "unix": OUT | HUP,
        }


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        (IN | OUT | RDHUP, IN | OUT | RDHUP),
        (IN | OUT, IN | OUT),
        (IN, IN),
        (RDHUP, RDHUP),
        (NOTHING, NOTHING),
    ],
    ids=["all", "in-out", "in", "rdhup", "none"],
)
def test_a_half_close_shows_as_rdhup_only_if_asked_for(
    kind: str, asked: EventFlags, seen: EventFlags, loopback: str
) -> None:
    with stream_pair(kind, loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, asked)
        far.shutdown(socket.SHUT_WR)
        wait_until(lambda: is_closed_by_peer(near.fileno(), select.POLLRDHUP))
        assert flags_of(epoll) == ([seen] if seen else [])


@pytest.mark.parametrize("kind", STREAMS)
def test_ones_own_half_close_leaves_the_socket_writable(kind: str, loopback: str) -> None:
    with stream_pair(kind, loopback) as (near, _), Epoll() as epoll:
        epoll.register(near, IN | OUT | RDHUP)
        near.shutdown(socket.SHUT_WR)
        assert flags_of(epoll) == [OUT]


@pytest.mark.parametrize("kind", STREAMS)
def test_both_directions_closed_is_a_hang_up(kind: str, loopback: str) -> None:
    with stream_pair(kind, loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, IN | OUT | RDHUP)
        near.shutdown(socket.SHUT_WR)
        far.shutdown(socket.SHUT_WR)
        wait_until(lambda: is_closed_by_peer(near.fileno(), select.POLLHUP))
        assert flags_of(epoll) == [IN | OUT | HUP | RDHUP]


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        (IN | OUT | RDHUP, IN | OUT | ERR | HUP | RDHUP),
        (IN, IN | ERR | HUP),
        (NOTHING, ERR | HUP),
    ],
    ids=["all", "in", "none"],
)
def test_a_reset_shows_as_error_and_hang_up_unasked(
    asked: EventFlags, seen: EventFlags, loopback: str
) -> None:
    with tcp_pair(loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, asked)
        reset(far)
        assert flags_of(epoll, MUST_ARRIVE) == [seen]
        assert flags_of(epoll) == [seen]


def test_reading_the_pending_error_clears_it_but_not_the_hang_up(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, NOTHING)
        reset(far)
        assert flags_of(epoll, MUST_ARRIVE) == [ERR | HUP]
        assert near.error() != 0
        assert flags_of(epoll) == [HUP]


def test_out_of_band_data_is_priority_and_not_readable_data(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far), Epoll() as epoll:
        epoll.register(near, IN | PRI)
        far.send(b"!", socket.MSG_OOB)
        assert flags_of(epoll, MUST_ARRIVE) == [PRI]
        assert near.recv(1, socket.MSG_OOB) == b"!"


def test_data_below_the_low_water_mark_is_not_readable(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far), Epoll() as epoll:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 10)
        epoll.register(near, IN)
        far.send(bytes(5))
        wait_until(lambda: near.inq() == 5)
        assert flags_of(epoll) == []
        far.send(bytes(5))
        assert flags_of(epoll, MUST_ARRIVE) == [IN]


def test_an_empty_pipe_without_a_writer_is_a_hang_up_and_with_data_readable_too() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as reading, Epoll() as epoll:  # noqa: PTH123
        epoll.register(reading, NOTHING)
        os.close(writer)
        assert flags_of(epoll) == [HUP]
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as reading, Epoll() as epoll:  # noqa: PTH123
        epoll.register(reading, IN)
        os.write(writer, b"x")
        os.close(writer)
        assert flags_of(epoll) == [IN | HUP]


def test_a_pipe_without_a_reader_is_an_error_at_the_writer() -> None:
    reader, writer = os.pipe()
    with open(writer, "wb", buffering=0) as writing, Epoll() as epoll:  # noqa: PTH123
        epoll.register(writing, OUT)
        os.close(reader)
        assert flags_of(epoll) == [OUT | ERR]


def test_a_set_in_a_set_is_readable_while_it_has_events() -> None:
    with unix_pair() as (near, far), Epoll() as inner, Epoll() as outer:
        inner.register(near, IN)
        outer.register(inner, IN)
        assert flags_of(outer) == []
        far.send(b"x")
        assert flags_of(outer) == [IN]
        assert flags_of(inner) == [IN]
        assert flags_of(outer) == [IN]
        near.recv(1)
        assert flags_of(outer) == []


def test_two_sets_report_the_same_source_each() -> None:
    with unix_pair() as (near, far), Epoll() as one, Epoll() as other:
        one.register(near, IN)
        other.register(near, IN)
        far.send(b"x")
        assert flags_of(one) == [IN]
        assert flags_of(other) == [IN]


def test_only_what_was_asked_for_is_reported() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, OUT)
        far.send(b"x")
        assert flags_of(epoll) == [OUT]
        epoll.modify(near, IN | OUT)
        assert flags_of(epoll) == [IN | OUT]
        epoll.modify(near, NOTHING)
        assert flags_of(epoll) == []
