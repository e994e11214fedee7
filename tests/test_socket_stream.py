import errno
import fcntl
import os
import select
import signal
import socket
from collections.abc import Callable
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from pathlib import Path
from socket import SHUT_RD, SHUT_RDWR, SHUT_WR
from threading import Thread
from time import monotonic

import pytest

from endpoints import (
    FAMILIES,
    Place,
    closing_all,
    fill,
    is_ready,
    must_be_readable,
    must_hold,
    outcome,
    python,
    receive_exactly,
    reset,
    tcp,
)
from epollkit import Drained, Socket, connect
from support import MUST_ARRIVE, wait_until

MAP_NORESERVE = 0x4000  # the mmap module has it from 3.13 on
WOULD_BLOCK = (BlockingIOError, errno.EAGAIN)


@pytest.fixture(params=FAMILIES)
def place(request: pytest.FixtureRequest, loopback: str, tmp_path: Path) -> Place:
    return Place(request.param, loopback, tmp_path)


@pytest.fixture(params=FAMILIES[:2])
def ip_place(request: pytest.FixtureRequest, loopback: str, tmp_path: Path) -> Place:
    return Place(request.param, loopback, tmp_path)


# Accepting


@pytest.mark.parametrize("accept", [Socket.accept, Socket.accept4, Socket.try_accept])
def test_an_accepted_connection_knows_both_ends(
    place: Place, accept: Callable[[Socket], tuple[Socket, object]]
) -> None:
    with place.listener() as listener, connect(listener.getsockname(), MUST_ARRIVE) as client:
        must_be_readable(listener)
        server, address = accept(listener)
        with server:
            assert address == server.getpeername() == client.getsockname()
            assert server.getsockname() == client.getpeername() == listener.getsockname()
            assert (server.family, server.type) == (listener.family, listener.type)


def test_addresses_have_the_stdlibs_form(place: Place) -> None:
    with (
        place.pair() as (client, server),
        socket.socket(fileno=os.dup(client.fileno())) as client_again,
        socket.socket(fileno=os.dup(server.fileno())) as server_again,
    ):
        for ours, theirs in ((client, client_again), (server, server_again)):
            assert ours.getsockname() == theirs.getsockname()
            assert ours.getpeername() == theirs.getpeername()


def test_an_accepted_socket_is_nonblocking_and_close_on_exec_whatever_the_listener_is(
    place: Place,
) -> None:
    with place.listener() as listener, connect(listener.getsockname(), MUST_ARRIVE):
        os.set_blocking(listener.fileno(), True)
        listener.settimeout(None)
        server, _ = listener.accept()
        with server:
            assert fcntl.fcntl(server.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK
            assert fcntl.fcntl(server.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC
            assert server.gettimeout() == 0.0


def test_an_empty_queue_would_block(place: Place) -> None:
    with place.listener() as listener:
        assert outcome(listener.accept) == WOULD_BLOCK
        assert outcome(listener.accept4) == WOULD_BLOCK
        assert listener.try_accept() is None
        assert listener.accept_many() == []


@pytest.mark.parametrize("call", ["try_accept", "accept_many"])
def test_what_never_waits_does_not_wait_with_a_timeout(call: str, loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        listener.settimeout(None)
        assert not getattr(listener, call)()


def test_accept4_takes_the_kernels_two_flags_and_no_others(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        assert outcome(lambda: listener.accept4(flags)) == WOULD_BLOCK
        with pytest.raises(ValueError, match="unknown flags 0x1"):
            listener.accept4(flags | 1)


def test_accept_many_takes_the_queue_in_order_up_to_its_limit(place: Place) -> None:
    with place.listener() as listener, closing_all() as opened:
        for number in range(5):
            opened.append(client := connect(listener.getsockname(), MUST_ARRIVE))
            client.send(bytes([number]))
        first, rest, none = listener.accept_many(2), listener.accept_many(), listener.accept_many(0)
        opened.extend(server for server, _ in first + rest)
        assert (len(first), len(rest), none) == (2, 3, [])
        assert [receive_exactly(server, 1)[0] for server, _ in first + rest] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("call", ["accept", "accept4", "accept_many", "try_accept"])
def test_accepting_on_what_does_not_listen_is_einval(call: str, place: Place) -> None:
    with place.bound() as sock:
        assert outcome(getattr(sock, call)) == (OSError, errno.EINVAL)


def test_listening_unbound_chooses_a_port() -> None:
    with Socket() as listener:
        assert listener.getsockname() == ("0.0.0.0", 0)  # noqa: S104 - what the kernel says
        listener.listen()
        assert listener.getsockname()[1] > 0


def test_a_client_that_resets_before_accept_is_handed_over_all_the_same(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        reset(connect(listener.getsockname(), MUST_ARRIVE))
        must_be_readable(listener)
        server, _ = listener.accept()
        with server:
            assert outcome(lambda: server.recv(1)) == (ConnectionResetError, errno.ECONNRESET)


# Sending and receiving


def test_nothing_to_receive_would_block(place: Place) -> None:
    with place.pair() as (client, _):
        assert outcome(lambda: client.recv(1)) == WOULD_BLOCK
        assert outcome(lambda: client.recv_into(bytearray(1))) == WOULD_BLOCK
        assert client.try_recv(1) is None
        assert client.try_recv_into(bytearray(1)) is None


@pytest.mark.parametrize("send", [Socket.send, Socket.try_send, Socket.sendall])
def test_bytes_cross_in_both_directions(
    place: Place, send: Callable[[Socket, bytes], object]
) -> None:
    with place.pair() as (client, server):
        for here, there in ((client, server), (server, client)):
            assert send(here, b"hello") in {5, None}
            must_hold(there, 5)
            assert there.recv(100) == b"hello"


def test_every_way_to_receive_gives_the_same_bytes(place: Place) -> None:
    with place.pair() as (client, server):
        client.send(b"abcdefgh")
        must_hold(server, 8)
        room = bytearray(b"........")
        assert server.recv(2) == b"ab"
        assert server.try_recv(2) == b"cd"
        assert server.recv_into(room, 2) == 2
        assert server.try_recv_into(memoryview(room)[2:], 1) == 1
        assert room == b"efg....."
        assert server.drain() is not None
        assert server.try_recv(1) is None


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 22])
def test_received_bytes_are_the_sent_ones_at_every_buffer_size(size: int, place: Place) -> None:
    payload = os.urandom(min(50_000 * size, 300_000 if size > 1 else 3_000))
    with place.pair() as (client, server):
        sent, received = 0, bytearray()
        while len(received) < len(payload):
            if sent < len(payload):
                sent += client.try_send(memoryview(payload)[sent:]) or 0
            must_be_readable(server)
            piece = server.try_recv(size)
            assert 1 <= len(piece) <= size
            received += piece
        assert received == payload
        assert server.try_recv(1) is None


def test_peeking_leaves_the_bytes_there(place: Place) -> None:
    with place.pair() as (client, server):
        client.send(b"peek")
        must_hold(server, 4)
        assert server.recv(2, socket.MSG_PEEK) == b"pe"
        assert server.try_recv(100, socket.MSG_PEEK) == b"peek"
        room = bytearray(4)
        assert server.recv_into(room, 0, socket.MSG_PEEK) == 4
        assert server.recv(100) == bytes(room) == b"peek"


def test_dontwait_makes_one_call_nonblocking_for_the_kernel_only(loopback: str) -> None:
    # As in the stdlib: the time-out is the object's, and it decides.
    with tcp(loopback).pair() as (client, _):
        client.settimeout(0.01)
        assert outcome(lambda: client.recv(1, socket.MSG_DONTWAIT)) == (TimeoutError, None)


def test_sending_no_bytes_sends_nothing(place: Place) -> None:
    with place.pair() as (client, server):
        assert client.send(b"") == 0
        assert client.try_send(b"") == 0
        client.sendall(b"")
        client.send(b"!")  # the sentinel: what was sent before it has arrived before it
        must_be_readable(server)
        assert server.recv(100) == b"!"


def test_receiving_no_bytes_is_no_call_as_in_the_stdlib(place: Place) -> None:
    with place.pair() as (client, server):
        assert server.recv(0) == b""
        assert server.recv_into(bytearray()) == 0
        client.send(b"x")
        must_hold(server, 1)
        assert server.recv(0) == b""
        assert server.recv(1) == b"x"


def test_a_send_into_a_full_buffer_would_block_and_sends_nothing(place: Place) -> None:
    with place.pair() as (client, server):
        filled = fill(client)
        assert outcome(lambda: client.send(b"lost")) == WOULD_BLOCK
        assert client.try_send(b"lost") is None
        assert receive_exactly(server, filled) == bytes(filled)
        assert server.try_recv(1) is None


def test_a_partial_send_says_how_much_was_taken(loopback: str) -> None:
    payload = os.urandom(16 << 20)
    with tcp(loopback).pair() as (client, server):
        count = client.send(payload)
        assert 0 < count < len(payload)
        assert receive_exactly(server, count) == payload[:count]
        assert server.try_recv(1) is None


# sendall


def test_a_nonblocking_sendall_says_how_far_it_came(place: Place) -> None:
    payload = os.urandom(16 << 20)
    with place.pair() as (client, server):
        with pytest.raises(BlockingIOError) as caught:
            client.sendall(payload)
        count = caught.value.characters_written
        assert caught.value.errno == errno.EAGAIN
        assert caught.value.__notes__ == [f"sendall: {count} of {len(payload)} bytes were sent"]
        assert 0 < count < len(payload)
        assert receive_exactly(server, count) == payload[:count]
        assert server.try_recv(1) is None


@pytest.mark.parametrize("timeout", [None, MUST_ARRIVE])
def test_sendall_waits_until_all_is_sent(timeout: float | None, place: Place) -> None:
    payload = os.urandom(8 << 20)
    received = bytearray()
    with place.pair() as (client, server):
        client.settimeout(timeout)
        server.settimeout(MUST_ARRIVE)

        def read_to_the_end() -> None:
            while piece := server.recv(1 << 20):
                received.extend(piece)

        reader = Thread(target=read_to_the_end)
        reader.start()
        client.sendall(payload)
        client.shutdown(SHUT_WR)
        reader.join()
    assert received == payload


def test_sendalls_timeout_is_for_the_whole(loopback: str) -> None:
    # The reader never stops, so no single wait is long; but 16 GiB take longer than 0.1 s.
    with (
        mmap(-1, 16 << 30, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE) as payload,
        tcp(loopback).pair() as (client, server),
    ):
        client.settimeout(0.1)
        server.settimeout(MUST_ARRIVE)
        room = bytearray(65536)

        def read_to_the_end() -> None:
            while server.recv_into(room):
                pass

        reader = Thread(target=read_to_the_end)
        reader.start()
        started = monotonic()
        try:
            with pytest.raises(TimeoutError, match=r"^timed out") as caught:
                client.sendall(payload)
            assert monotonic() - started >= 0.1
            assert " of 17179869184 bytes were sent" in caught.value.__notes__[0]
        finally:
            client.shutdown(SHUT_WR)
            reader.join()


def test_sendall_to_a_peer_that_is_gone_says_so(place: Place) -> None:
    with place.pair() as (client, server):
        server.close()
        client.settimeout(MUST_ARRIVE)
        with pytest.raises((BrokenPipeError, ConnectionResetError)) as caught:
            client.sendall(bytes(16 << 20))
        assert "bytes were sent" in caught.value.__notes__[0]


# The end of the stream


def test_half_closed_one_way_the_other_way_goes_on(place: Place) -> None:
    with place.pair() as (client, server):
        client.send(b"last words")
        client.shutdown(SHUT_WR)
        must_hold(server, 10)
        assert server.recv(100) == b"last words"
        must_be_readable(server)
        assert [server.recv(100), server.try_recv(100), server.recv_into(bytearray(9))] == [
            b"",
            b"",
            0,
        ]
        server.send(b"an answer")
        must_be_readable(client)
        assert client.recv(100) == b"an answer"
        server.shutdown(SHUT_WR)
        must_be_readable(client)
        assert client.recv(100) == b""


@pytest.mark.parametrize("call", ["send", "sendall", "try_send"])
def test_sending_after_the_own_half_close_is_epipe(call: str, place: Place) -> None:
    with place.pair() as (client, _):
        client.shutdown(SHUT_WR)
        send = getattr(client, call)
        assert outcome(lambda: send(b"x")) == (BrokenPipeError, errno.EPIPE)


@pytest.mark.slow
def test_epipe_never_kills_even_with_the_default_sigpipe() -> None:
    code = """
import signal, socket, epollkit
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
left, right = map(epollkit.Socket.from_stdlib, socket.socketpair())
left.shutdown(socket.SHUT_WR)
for call in left.send, left.sendall, left.try_send:
    try: call(b"x")
    except BrokenPipeError: print("EPIPE")
left.close(); right.close()
"""
    done = python(code)
    assert done.returncode != -signal.SIGPIPE
    assert done.stdout.split() == ["EPIPE"] * 3


def test_shutting_reading_down_ends_the_own_stream(place: Place) -> None:
    with place.pair() as (client, _):
        client.shutdown(SHUT_RD)
        assert client.recv(1) == b""


def test_shutting_both_down_is_a_hangup_for_the_peer(place: Place) -> None:
    with place.pair() as (client, server):
        client.shutdown(SHUT_RDWR)
        must_be_readable(server)
        assert server.recv(1) == b""
        assert outcome(lambda: client.send(b"x")) == (BrokenPipeError, errno.EPIPE)


def test_close_with_unread_bytes_resets_and_close_without_ends(place: Place) -> None:
    with place.pair() as (client, server):
        server.close()
        must_be_readable(client)
        assert client.recv(1) == b""
    with place.pair() as (client, server):
        client.send(b"never read")
        must_hold(server, 10)
        server.close()
        must_be_readable(client)
        assert outcome(lambda: client.recv(1)) == (ConnectionResetError, errno.ECONNRESET)
        assert client.recv(1) == b""


def test_after_the_peers_close_the_first_send_succeeds_and_the_next_is_epipe(
    ip_place: Place,
) -> None:
    with ip_place.pair() as (client, server):
        server.close()
        must_be_readable(client)
        assert client.send(b"x") == 1
        wait_until(lambda: is_ready(client, select.POLLHUP))
        # The answer to it is RST. A pending EPIPE or ECONNRESET is read by this call.
        assert outcome(lambda: client.send(b"x"))[0] in {BrokenPipeError, ConnectionResetError}


# drain


def test_draining_a_dry_socket_gives_nothing(place: Place) -> None:
    with place.pair() as (client, _):
        drained = client.drain()
        assert (drained.data, drained.eof, drained.limited, drained.error) == (
            b"",
            False,
            False,
            None,
        )


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 20_000])
def test_draining_takes_all_that_is_there(size: int, place: Place) -> None:
    payload = os.urandom(size)
    with place.pair() as (client, server):
        client.sendall(payload)
        must_hold(server, size)
        drained = server.drain()
        assert drained.data == payload
        assert (drained.eof, drained.limited, drained.error) == (False, False, None)
        assert server.try_recv(1) is None


def test_draining_reports_the_end_behind_the_data(place: Place) -> None:
    with place.pair() as (client, server):
        client.send(b"last")
        client.shutdown(SHUT_WR)
        must_hold(server, 4)
        wait_until(lambda: is_ready(server, select.POLLRDHUP))
        data, eof = server.drain()
        assert (data, eof) == (b"last", True)
        again = server.drain()
        assert (again.data, again.eof, again.limited, again.error) == (b"", True, False, None)


def test_draining_stops_at_its_limit(place: Place) -> None:
    with place.pair() as (client, server):
        client.send(b"0123456789")
        client.shutdown(SHUT_WR)
        must_hold(server, 10)
        wait_until(lambda: is_ready(server, select.POLLRDHUP))
        parts = [server.drain(4), server.drain(6), server.drain(6)]
        assert [part.data for part in parts] == [b"0123", b"456789", b""]
        assert [part.limited for part in parts] == [True, True, False]
        assert [part.eof for part in parts] == [False, False, True]


def test_draining_keeps_the_data_before_an_error(place: Place) -> None:
    with place.pair() as (client, server):
        client.send(b"never read")
        must_hold(server, 10)
        server.send(b"before the reset")
        must_hold(client, 16)
        server.close()  # with unread bytes: a reset
        wait_until(lambda: is_ready(client, select.POLLHUP))
        drained = client.drain()
        assert drained.data == b"before the reset"
        assert type(drained.error) is ConnectionResetError
        assert drained.error.errno == errno.ECONNRESET
        assert (drained.eof, drained.limited) == (False, False)
        assert client.drain().eof


def test_draining_keeps_the_data_before_a_lingerless_close(ip_place: Place) -> None:
    with ip_place.pair() as (client, server):
        server.send(b"data")
        must_hold(client, 4)
        reset(server)
        wait_until(lambda: is_ready(client, select.POLLHUP))
        drained = client.drain()
        assert (drained.data, drained.error.errno) == (b"data", errno.ECONNRESET)


def test_draining_raises_an_error_with_no_data_before_it(ip_place: Place) -> None:
    with ip_place.pair() as (client, server):
        reset(server)
        must_be_readable(client)
        assert outcome(client.drain) == (ConnectionResetError, errno.ECONNRESET)


def test_draining_an_unconnected_socket_raises() -> None:
    with Socket() as sock:
        assert outcome(sock.drain) == (OSError, errno.ENOTCONN)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_drain_limit_below_one_is_refused(limit: int, loopback: str) -> None:
    with (
        tcp(loopback).pair() as (client, _),
        pytest.raises(ValueError, match="limit must be at least 1"),
    ):
        client.drain(limit)


def test_a_drain_limit_may_be_huge(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.send(b"x")
        must_hold(server, 1)
        assert server.drain(2**62).data == b"x"


def test_drained_prints_its_parts(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.send(b"x")
        must_hold(server, 1)
        drained = server.drain()
        assert type(drained) is Drained
        assert repr(drained) == "Drained(data=b'x', eof=False, limited=False, error=None)"


def test_draining_never_waits_whatever_the_timeout(loopback: str) -> None:
    with tcp(loopback).pair() as (client, _):
        client.settimeout(None)
        assert client.drain().data == b""


# What the kernel holds


def test_inq_counts_the_bytes_that_wait(place: Place) -> None:
    with place.pair() as (client, server):
        assert server.inq() == 0
        client.send(b"0123456789")
        must_hold(server, 10)
        assert server.inq() == 10
        server.recv(3)
        assert server.inq() == 7
        server.drain()
        assert server.inq() == 0


def test_outq_is_nothing_when_the_peer_has_all(place: Place) -> None:
    with place.pair() as (client, server):
        assert client.outq() == 0
        filled = fill(client)
        assert client.outq() > 0
        receive_exactly(server, filled)
        wait_until(lambda: client.outq() == 0)


def test_outq_counts_the_bytes_not_acknowledged(ip_place: Place) -> None:
    with ip_place.pair() as (client, server):
        filled = fill(client)
        wait_until(lambda: client.outq() + server.inq() == filled)
        assert 0 < client.outq() < filled


def test_a_tcp_listener_has_no_queues(ip_place: Place) -> None:
    with ip_place.listener() as listener:
        assert outcome(listener.inq) == (OSError, errno.EINVAL)
        assert outcome(listener.outq) == (OSError, errno.EINVAL)


def test_error_is_cleared_by_reading(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        assert client.error() == 0
        reset(server)
        must_be_readable(client)
        assert client.error() == errno.ECONNRESET
        assert client.error() == 0
        assert client.recv(1) == b""
