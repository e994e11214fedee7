import errno
import re
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from socket import (
    IP_BIND_ADDRESS_NO_PORT,
    IPPROTO_IP,
    SO_KEEPALIVE,
    SO_LINGER,
    SO_RCVBUF,
    SOL_SOCKET,
)
from time import monotonic

import pytest

import epollkit
from endpoints import (
    FAMILIES,
    RESET_AT_CLOSE,
    Address,
    Place,
    full_listener,
    is_ready,
    may_unshare,
    must_be_readable,
    must_hold,
    outcome,
    python,
    refusing,
    tcp,
)
from epollkit import EPOLLOUT, Connecting, Epoll, Socket, connect
from support import MUST_ARRIVE, wait_until

CLOSED = (OSError, errno.EBADF)


@pytest.fixture(params=FAMILIES)
def place(request: pytest.FixtureRequest, loopback: str, tmp_path: Path) -> Place:
    return Place(request.param, loopback, tmp_path)


def finished(connecting: Connecting) -> Socket:
    """Wait for the outcome, then ask for it."""
    assert is_ready(connecting, select.POLLOUT, MUST_ARRIVE)
    return connecting.finish()


# Connecting, the state machine


def test_an_attempt_becomes_a_socket_once(place: Place) -> None:
    with place.listener() as listener:
        connecting = Connecting(listener.getsockname())
        fd = connecting.fileno()
        assert (fd >= 0, connecting.closed) == (True, False)
        with finished(connecting) as sock:
            assert type(sock) is Socket
            assert (sock.fileno(), sock.timeout) == (fd, 0.0)
            assert sock.getpeername() == listener.getsockname()
            assert (connecting.fileno(), connecting.closed) == (-1, True)
            assert outcome(connecting.finish) == CLOSED
            connecting.close()
            assert sock.getpeername() == listener.getsockname()


def test_an_undecided_attempt_says_so_and_stays(loopback: str) -> None:
    with full_listener(loopback) as address, Connecting(address) as connecting:
        fd = connecting.fileno()
        for _ in range(3):
            with pytest.raises(BlockingIOError) as caught:
                connecting.finish()
            assert caught.value.errno == errno.EINPROGRESS
            assert caught.value.__notes__ == [f"connect {address[0]}:{address[1]}"]
        assert (connecting.fileno(), connecting.closed) == (fd, False)


def test_a_failed_attempt_is_closed(loopback: str) -> None:
    with refusing(loopback) as address:
        connecting = Connecting(address)
        assert outcome(lambda: finished(connecting)) == (
            ConnectionRefusedError,
            errno.ECONNREFUSED,
        )
        assert (connecting.fileno(), connecting.closed) == (-1, True)
        assert outcome(connecting.finish) == CLOSED
        connecting.close()


def test_writable_does_not_mean_connected(loopback: str) -> None:
    with refusing(loopback) as address, Connecting(address) as connecting, Epoll() as epoll:
        epoll.register(connecting, EPOLLOUT)
        (event,) = epoll.wait(MUST_ARRIVE)
        assert event.is_writable
        assert outcome(connecting.finish)[1] == errno.ECONNREFUSED


def test_a_finished_attempt_can_be_watched_for_in_an_epoll_set(place: Place) -> None:
    with place.listener() as listener, Epoll() as epoll:
        connecting = Connecting(listener.getsockname())
        epoll.register(connecting, EPOLLOUT, data=connecting)
        (event,) = epoll.wait(MUST_ARRIVE)
        event.data.finish().close()


def test_closing_gives_the_attempt_up(loopback: str) -> None:
    with full_listener(loopback) as address:
        connecting = Connecting(address)
        connecting.close()
        connecting.close()
        assert (connecting.fileno(), connecting.closed) == (-1, True)
        assert outcome(connecting.finish) == CLOSED


def test_leaving_with_gives_the_attempt_up(loopback: str) -> None:
    with full_listener(loopback) as address:
        connecting = Connecting(address)
        with connecting as entered:
            assert entered is connecting
        assert connecting.closed


def test_closing_an_established_attempt_ends_the_connection(place: Place) -> None:
    with place.listener() as listener:
        connecting = Connecting(listener.getsockname())
        must_be_readable(listener)
        server, _ = listener.accept()
        with server:
            connecting.close()
            must_be_readable(server)
            assert server.recv(1) == b""


def test_dropping_an_attempt_closes_its_socket(place: Place) -> None:
    with place.listener() as listener:
        Connecting(listener.getsockname())
        must_be_readable(listener)
        server, _ = listener.accept()
        with server:
            must_be_readable(server)
            assert server.recv(1) == b""


def test_a_connection_reset_before_it_is_asked_for_is_econnreset(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        connecting = Connecting(listener.getsockname())
        must_be_readable(listener)
        server, _ = listener.accept()
        server.setsockopt(SOL_SOCKET, SO_LINGER, RESET_AT_CLOSE)
        server.close()
        wait_until(lambda: is_ready(connecting, select.POLLHUP))
        assert outcome(connecting.finish) == (ConnectionResetError, errno.ECONNRESET)


def test_a_connection_that_ended_before_it_is_asked_for_is_a_connection(place: Place) -> None:
    with place.listener() as listener:
        connecting = Connecting(listener.getsockname())
        must_be_readable(listener)
        server, _ = listener.accept()
        server.send(b"bye")
        server.close()
        with finished(connecting) as sock:
            must_hold(sock, 3)
            assert sock.recv(3) == b"bye"


def test_the_address_is_kept_as_it_was_given(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        address = listener.getsockname()
        with Connecting(address) as connecting:
            assert connecting.address is address
        assert connecting.address is address


def test_repr_tells_where_to(loopback: str) -> None:
    with full_listener(loopback) as address:
        connecting = Connecting(address)
        expected = rf"<epollkit.Connecting fd=\d+ to {re.escape(loopback)}:{address[1]}>"
        assert re.fullmatch(expected, repr(connecting))
        connecting.close()
        assert repr(connecting) == "<epollkit.Connecting closed>"


def test_threads_that_ask_at_once_get_one_socket(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        connecting = Connecting(listener.getsockname())
        assert is_ready(connecting, select.POLLOUT, MUST_ARRIVE)
        barrier = threading.Barrier(4)
        results: list[object] = []

        def ask() -> None:
            barrier.wait()
            try:
                results.append(connecting.finish())
            except OSError as error:
                results.append(error.errno)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sockets = [result for result in results if isinstance(result, Socket)]
        assert len(sockets) == 1
        assert results.count(errno.EBADF) == 3
        sockets[0].close()


# What is set before connecting


def through_connecting(address: Address, **settings: object) -> Socket:
    return finished(Connecting(address, **settings))


def through_connect(address: Address, **settings: object) -> Socket:
    return connect(address, MUST_ARRIVE, **settings)


def through_connect_many(address: Address, **settings: object) -> Socket:
    (result,) = epollkit.connect_many([address], timeout=MUST_ARRIVE, **settings)
    assert result.error is None
    return result.socket


ways = pytest.mark.parametrize("way", [through_connecting, through_connect, through_connect_many])


@ways
def test_a_connection_is_connected(way: Callable[..., Socket], place: Place) -> None:
    with place.listener() as listener, way(listener.getsockname()) as client:
        assert client.getpeername() == listener.getsockname()
        assert client.gettimeout() == 0.0
        assert (client.family, client.type) == (place.family, socket.SOCK_STREAM)


@ways
def test_the_source_address_is_where_it_comes_from(
    way: Callable[..., Socket], loopback: str
) -> None:
    with (
        tcp(loopback).listener() as listener,
        way(listener.getsockname(), source_address=(loopback, 0)) as client,
    ):
        host, port = client.getsockname()
        assert host == loopback
        assert port > 0
        must_be_readable(listener)
        server, address = listener.accept()
        server.close()
        assert address == (host, port)


@ways
def test_a_source_port_of_zero_is_chosen_when_connecting(
    way: Callable[..., Socket], loopback: str
) -> None:
    with (
        tcp(loopback).listener() as listener,
        way(listener.getsockname(), source_address=(loopback, 0)) as client,
    ):
        assert client.getsockopt(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT) == 1


@ways
def test_a_given_source_port_is_used(way: Callable[..., Socket], loopback: str) -> None:
    with tcp(loopback).listener() as listener, tcp(loopback).bound() as reserved:
        # Reserved by a socket that lets others share it.
        reserved_port = reserved.getsockname()[1]
        reserved.setsockopt(SOL_SOCKET, socket.SO_REUSEADDR, 1)
        settings = {
            "source_address": (loopback, reserved_port),
            "options": [(SOL_SOCKET, socket.SO_REUSEADDR, 1)],
        }
        with way(listener.getsockname(), **settings) as client:
            assert client.getsockname() == (loopback, reserved_port)


@ways
def test_a_unix_socket_may_have_a_source(
    way: Callable[..., Socket], loopback: str, tmp_path: Path
) -> None:
    unix = Place("unix", loopback, tmp_path)
    name = Place("abstract", loopback, tmp_path).address()
    with unix.listener() as listener, way(listener.getsockname(), source_address=name) as client:
        assert client.getsockname() == name


@ways
def test_options_are_set_before_connecting(way: Callable[..., Socket], loopback: str) -> None:
    # The window scale is negotiated in the handshake: only a buffer set before it counts there.
    options = [(SOL_SOCKET, SO_RCVBUF, 10_000), (SOL_SOCKET, SO_KEEPALIVE, b"\1\0\0\0")]

    def window_scale(sock: Socket) -> int:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        return info[6] >> 4  # tcpi_rcv_wscale

    with (
        tcp(loopback).listener() as listener,
        way(listener.getsockname(), options=options) as small,
        way(listener.getsockname()) as usual,
    ):
        assert small.getsockopt(SOL_SOCKET, SO_RCVBUF) == 20_000
        assert small.getsockopt(SOL_SOCKET, SO_KEEPALIVE) == 1
        assert window_scale(small) < window_scale(usual)


@ways
def test_options_may_come_from_any_iterable(way: Callable[..., Socket], loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        options = ((SOL_SOCKET, SO_KEEPALIVE, value) for value in (0, True))
        with way(listener.getsockname(), options=options) as client:
            assert client.getsockopt(SOL_SOCKET, SO_KEEPALIVE) == 1


@ways
@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (5, TypeError),
        ([1], TypeError),
        ([(1, 2)], ValueError),
        ([(1, 2, 3, 4)], ValueError),
        ([("1", 2, 3)], TypeError),
        ([(1, 2, 3.0)], TypeError),
        ([(1, 2, "3")], TypeError),
        ([(1, 2, None)], TypeError),
    ],
    ids=repr,
)
def test_malformed_options_are_refused(
    options: object, kind: type[Exception], way: Callable[..., Socket], loopback: str
) -> None:
    with tcp(loopback).listener() as listener:
        with pytest.raises(kind):
            way(listener.getsockname(), options=options)
        assert listener.try_accept() is None


# connect(): names, families and one deadline


def test_a_host_name_is_resolved(loopback: str) -> None:
    del loopback
    with Socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        for client in (
            connect(("localhost", port), MUST_ARRIVE),
            through_connect_many(("localhost", port)),
        ):
            with client:
                assert client.getpeername() == ("127.0.0.1", port)


def test_the_empty_host_is_this_one(loopback: str) -> None:
    del loopback
    with Socket() as listener:
        listener.bind(("", 0))
        listener.listen()
        with connect(("", listener.getsockname()[1]), MUST_ARRIVE) as client:
            assert client.getpeername()[0].startswith("127.")


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_a_host_may_be_bytes(kind: type, loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        host = kind(loopback.encode())
        with connect((host, listener.getsockname()[1]), MUST_ARRIVE) as client:
            assert client.getpeername()[0] == loopback


def test_a_host_beyond_ascii_goes_through_idna_as_in_the_stdlib(loopback: str) -> None:
    fullwidth = loopback.translate({ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"})
    with tcp(loopback).listener() as listener:
        address = (fullwidth, listener.getsockname()[1])
        with socket.socket() as stdlib:
            stdlib.settimeout(MUST_ARRIVE)
            stdlib.connect(address)
        with connect(address, MUST_ARRIVE) as client:
            assert client.getpeername() == listener.getsockname()


def test_a_deadline_that_has_passed_leaves_no_time_for_a_name() -> None:
    assert outcome(lambda: connect(("localhost", 9), timeout=0.0))[1] in {
        errno.ETIMEDOUT,
        errno.ECONNREFUSED,  # the resolver was quick
    }


@pytest.mark.parametrize("timeout", [-1, -1e-9, float("nan")])
def test_a_negative_timeout_is_a_value_error(timeout: float, loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        with pytest.raises(ValueError, match=r"(?i)timeout|NaN"):
            connect(listener.getsockname(), timeout)
        assert listener.try_accept() is None


def test_without_a_timeout_it_waits_for_the_kernel(loopback: str) -> None:
    with tcp(loopback).listener() as listener, connect(listener.getsockname()) as client:
        assert client.getpeername() == listener.getsockname()


def test_the_deadline_may_be_beyond_a_lifetime(loopback: str) -> None:
    with tcp(loopback).listener() as listener, connect(listener.getsockname(), 9e9) as client:
        assert client.getpeername() == listener.getsockname()


TWOFOLD = pytest.mark.skipif(
    not may_unshare("-rm"), reason="no mount namespaces for this user, so no /etc/hosts of its own"
)


def with_hosts(tmp_path: Path, code: str) -> list[str]:
    """What `code` prints where the name "twofold" has ::1 and 127.0.0.1."""
    hosts = tmp_path / f"hosts-{threading.get_native_id()}"
    hosts.write_text("::1 twofold\n127.0.0.1 twofold\n127.0.0.1 localhost\n")
    prelude = """
import asyncio, epollkit, epollkit.aio, errno, socket, sys
six, four = epollkit.Socket(socket.AF_INET6), epollkit.Socket()
while True:
    six.bind(("::1", 0))
    port = six.getsockname()[1]
    try: four.bind(("127.0.0.1", port)); break
    except OSError: six.close(); six = epollkit.Socket(socket.AF_INET6)
first = socket.getaddrinfo("twofold", port, type=socket.SOCK_STREAM)[0][0]
one, other = (six, four) if first == socket.AF_INET6 else (four, six)
def aio(*arguments, **settings):
    return asyncio.run(epollkit.aio.connect(*arguments, **settings))
CALLS = epollkit.connect, aio
TWOFOLD = ("twofold", port)
"""
    run = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
    before = ("unshare", "-rm", "sh", "-c", run, "sh", str(hosts))
    done = python(prelude + code, "-W", "ignore", before=before)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@TWOFOLD
@pytest.mark.slow
def test_when_the_first_address_refuses_the_second_is_tried_at_once(tmp_path: Path) -> None:
    code = """
other.listen()
for call in CALLS:
    client = call(TWOFOLD, 5)
    print(client.family is other.family)
    client.close()
"""
    assert with_hosts(tmp_path, code) == ["True", "True"]


@TWOFOLD
@pytest.mark.slow
def test_when_the_first_address_hangs_the_second_is_tried_beside_it(tmp_path: Path) -> None:
    code = """
import time
one.listen(0)
filler = epollkit.connect(one.getsockname(), 5)
other.listen()
for call in CALLS:
    started = time.monotonic()
    client = call(TWOFOLD, 5)
    print(client.family is other.family, time.monotonic() - started >= 0.25)
    client.close()
"""
    assert with_hosts(tmp_path, code) == ["True True"] * 2


@TWOFOLD
@pytest.mark.slow
def test_a_slow_first_address_still_wins_when_the_second_refuses(tmp_path: Path) -> None:
    # Its queue gets room after its first SYN was dropped; the next SYN comes after 1 s, and by then
    # the second address has refused.
    code = """
import threading
main = threading.get_native_id()
def waits():
    with open(f"/proc/self/task/{main}/syscall") as file: call = file.read().split()[0]
    return call in {"232", "281", "441", "22"}  # epoll_wait, epoll_pwait, epoll_pwait2
def make_room():
    while not waits(): pass
    one.accept()[0].close()
one.listen(0)
for call in CALLS:
    filler = epollkit.connect(one.getsockname(), 5)
    thread = threading.Thread(target=make_room)
    thread.start()
    client = call(TWOFOLD, 5)
    thread.join()
    print(client.family is one.family)
    one.settimeout(5)
    one.accept()[0].close()
    client.close()
    filler.close()
"""
    assert with_hosts(tmp_path, code) == ["True", "True"]


@TWOFOLD
@pytest.mark.slow
def test_when_all_addresses_refuse_each_is_in_a_note(tmp_path: Path) -> None:
    code = """
for call in CALLS:
    try: call(TWOFOLD, 5)
    except ConnectionRefusedError as error:
        notes = "; ".join(error.__notes__)
        print(error.errno == errno.ECONNREFUSED, f"[::1]:{port}" in notes,
              f"127.0.0.1:{port}" in notes)
"""
    assert with_hosts(tmp_path, code) == ["True True True"] * 2


@TWOFOLD
@pytest.mark.slow
def test_the_deadline_is_for_all_addresses_together(tmp_path: Path) -> None:
    code = """
import time
fillers = []
for end in one, other:
    end.listen(0)
    fillers.append(epollkit.connect(end.getsockname(), 5))
for call in CALLS:
    started = time.monotonic()
    try: call(TWOFOLD, 0.4)
    except TimeoutError as error:
        notes = "; ".join(error.__notes__)
        print(error.errno == errno.ETIMEDOUT, time.monotonic() - started >= 0.4,
              "twofold" in notes or f"127.0.0.1:{port}" in notes)
"""
    assert with_hosts(tmp_path, code) == ["True True True"] * 2


@TWOFOLD
@pytest.mark.slow
def test_losers_of_the_race_are_closed(tmp_path: Path) -> None:
    code = """
import os
one.listen(0)
filler = epollkit.connect(one.getsockname(), 5)
other.listen()
def count(): return len(os.listdir("/proc/self/fd"))
for call in CALLS:
    before = count()
    client = call(TWOFOLD, 5)
    client.close()
    print(count() - before)
"""
    assert with_hosts(tmp_path, code) == ["0", "0"]


@TWOFOLD
@pytest.mark.slow
def test_an_attempt_takes_the_first_of_the_addresses(tmp_path: Path) -> None:
    code = """
one.listen()
with epollkit.Connecting(TWOFOLD) as connecting: print(connecting.finish().family is one.family)
(result,) = epollkit.connect_many([TWOFOLD]); print(result.socket.family is one.family)
"""
    assert with_hosts(tmp_path, code) == ["True", "True"]


def test_a_name_has_its_part_of_the_deadline(loopback: str) -> None:
    del loopback
    with Socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with connect(("127.0.0.1", port), MUST_ARRIVE):
            wait_until(lambda: is_ready(listener, select.POLLIN))
            started = monotonic()
            with pytest.raises(TimeoutError) as caught:
                connect(("localhost", port), 0.1)
            assert monotonic() - started >= 0.1
            assert caught.value.errno == errno.ETIMEDOUT
