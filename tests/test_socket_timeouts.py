import errno
import os
import select
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from decimal import Decimal
from time import monotonic
from types import FrameType

import pytest

import epollkit.stdlib
from endpoints import (
    fill,
    full_listener,
    is_ready,
    must_be_readable,
    must_be_waiting,
    outcome,
    tcp,
)
from epollkit import Socket
from support import MUST_ARRIVE

# The settings


@pytest.mark.parametrize(
    "value",
    [
        None,
        0,
        0.0,
        -0.0,
        1,
        2.5,
        True,
        1e-9,
        1.5e-9,
        1e-10,
        5e-324,
        1e9,
        -1,
        -1e-10,
        float("nan"),
        float("inf"),
        float("-inf"),
        1e10,
        10**30,
        10**400,
        "1",
        b"1",
        [],
        1j,
    ],
    ids=repr,
)
def test_settimeout_takes_and_gives_what_the_stdlib_does(value: object) -> None:
    def ask(sock: Socket | socket.socket) -> object:
        with sock:
            try:
                sock.settimeout(value)
            except (TypeError, ValueError, OverflowError) as error:
                return type(error)
            return sock.gettimeout(), sock.timeout, sock.getblocking()

    assert ask(Socket()) == ask(socket.socket())


@pytest.mark.parametrize("value", [True, False, 0, 1, 2, -1, None, "", "x", [], 0.0], ids=repr)
def test_setblocking_takes_and_gives_what_the_stdlib_does(value: object) -> None:
    def ask(sock: Socket | socket.socket, flag: object) -> object:
        with sock:
            sock.settimeout(7.5)
            sock.setblocking(flag)
            return sock.gettimeout(), sock.getblocking()

    # Before 3.12 the stdlib takes ints only.
    theirs = value if sys.version_info >= (3, 12) else bool(value)
    assert ask(Socket(), value) == ask(socket.socket(), theirs)


def test_a_refused_timeout_leaves_the_last_one() -> None:
    with Socket(timeout=7.5) as sock:
        with pytest.raises(ValueError, match="Timeout value out of range"):
            sock.settimeout(-1)
        assert sock.gettimeout() == 7.5


def test_anything_with_a_float_value_is_a_timeout() -> None:
    with Socket() as sock:
        sock.settimeout(Decimal("1.5"))
        assert sock.gettimeout() == 1.5


def test_the_descriptor_is_in_blocking_mode_only_without_a_timeout() -> None:
    # As the stdlib has it: a child that gets such a descriptor can use it as any other.
    for sock in (Socket(), socket.socket()):
        with sock:
            for timeout, blocking in ((None, True), (1.0, False), (None, True), (0.0, False)):
                sock.settimeout(timeout)
                assert os.get_blocking(sock.fileno()) is blocking


# Running out of time


def waiting_calls(loopback: str) -> dict[str, Callable[[float | None], object]]:
    """Calls that wait for ever, given their time-out; each makes its own sockets."""

    @contextmanager
    def pair(timeout: float | None) -> Generator[Socket]:
        with tcp(loopback).pair() as (client, _):
            client.settimeout(timeout)
            yield client

    def receive(call: Callable[[Socket], object]) -> Callable[[float | None], object]:
        def run(timeout: float | None) -> object:
            with pair(timeout) as client:
                return call(client)

        return run

    def send(call: Callable[[Socket], object]) -> Callable[[float | None], object]:
        def run(timeout: float | None) -> object:
            with pair(timeout) as client:
                fill(client)
                return call(client)

        return run

    def accept(timeout: float | None) -> object:
        with tcp(loopback).listener() as listener:
            listener.settimeout(timeout)
            return listener.accept()

    def connect(timeout: float | None) -> object:
        with full_listener(loopback) as address, Socket(timeout=timeout) as client:
            return client.connect(address)

    return {
        "recv": receive(lambda client: client.recv(1)),
        "recv_into": receive(lambda client: client.recv_into(bytearray(1))),
        "send": send(lambda client: client.send(b"x")),
        "sendall": send(lambda client: client.sendall(b"x")),
        "accept": accept,
        "connect": connect,
    }


WAITING = ["recv", "recv_into", "send", "sendall", "accept", "connect"]


@pytest.mark.parametrize("name", WAITING)
def test_running_out_of_time_is_timed_out_as_in_the_stdlib(name: str, loopback: str) -> None:
    call = waiting_calls(loopback)[name]
    started = monotonic()
    with pytest.raises(TimeoutError) as caught:
        call(0.05)
    assert monotonic() - started >= 0.05
    assert (caught.value.args, caught.value.errno) == (("timed out",), None)


def test_connect_ex_out_of_time_returns_eagain_as_in_the_stdlib(loopback: str) -> None:
    with (
        full_listener(loopback) as address,
        Socket(timeout=0.05) as sock,
        socket.socket() as stdlib,
    ):
        stdlib.settimeout(0.05)
        assert stdlib.connect_ex(address) == errno.EAGAIN
        assert sock.connect_ex(address) == errno.EAGAIN


def test_an_attempt_goes_on_after_its_timeout(loopback: str) -> None:
    # As in the stdlib: the kernel has not given up; calling again finds the attempt under way.
    with full_listener(loopback) as address, Socket(timeout=0.01) as sock:
        assert outcome(lambda: sock.connect(address)) == (TimeoutError, None)
        sock.settimeout(0.0)
        assert sock.connect_ex(address) == errno.EALREADY


def test_what_is_there_already_needs_no_time(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.send(b"x")
        must_be_readable(server)
        server.settimeout(1e-9)
        assert server.recv(1) == b"x"


@pytest.mark.parametrize("timeout", [None, MUST_ARRIVE])
def test_a_wait_ends_when_the_bytes_come(timeout: float | None, loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        server.settimeout(timeout)
        main = threading.get_native_id()

        def send_when_it_waits() -> None:
            must_be_waiting(main)
            client.send(b"late")

        sender = threading.Thread(target=send_when_it_waits)
        sender.start()
        assert server.recv(100) == b"late"
        sender.join()


def test_a_wait_ends_when_the_peer_goes(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        server.settimeout(None)
        main = threading.get_native_id()

        def close_when_it_waits() -> None:
            must_be_waiting(main)
            client.close()

        closer = threading.Thread(target=close_when_it_waits)
        closer.start()
        assert server.recv(100) == b""
        closer.join()


def test_other_threads_run_during_a_wait(loopback: str) -> None:
    # Were the GIL held, the second wait could not begin before the first has ended.
    with tcp(loopback).pair() as (client, server):
        for end in (client, server):
            end.settimeout(None)
        threads = [threading.Thread(target=end.recv, args=(1,)) for end in (client, server)]
        for thread in threads:
            thread.start()
        for thread in threads:
            must_be_waiting(thread.native_id)
        client.send(b"x")
        server.send(b"x")
        for thread in threads:
            thread.join()


def test_a_new_timeout_does_not_change_a_wait_under_way(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        server.settimeout(None)
        received: list[bytes] = []
        reader = threading.Thread(target=lambda: received.append(server.recv(1)))
        reader.start()
        must_be_waiting(reader.native_id)
        server.settimeout(0.0)
        client.send(b"x")
        reader.join()
        assert received == [b"x"]


def ready_and_nothing(loopback: str) -> Callable[[float], object]:
    """A call on a socket that poll(2) finds ready for it, and that gives EAGAIN all the same."""

    def call(timeout: float) -> object:
        with tcp(loopback).pair() as (client, server):
            client.send(b"unread")
            must_be_readable(server)
            server.settimeout(timeout)
            return server.recv(10, socket.MSG_ERRQUEUE)

    return call


def test_a_wait_that_brings_nothing_ends_with_its_time(loopback: str) -> None:
    assert outcome(lambda: ready_and_nothing(loopback)(0.01)) == (TimeoutError, None)


# Signals (PEP 475)


@contextmanager
def alarm_every(
    seconds: float, handler: Callable[[int, FrameType | None], object]
) -> Generator[None]:
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class OwnError(Exception):
    pass


@pytest.mark.thread_unsafe(reason="signals are the main thread's")
def test_a_wait_that_brings_nothing_ends_with_a_signal(loopback: str) -> None:
    def handler(_number: int, _frame: FrameType | None) -> None:
        raise OwnError

    with alarm_every(0.01, handler), pytest.raises(OwnError):
        ready_and_nothing(loopback)(MUST_ARRIVE)


@pytest.mark.thread_unsafe(reason="signals are the main thread's")
@pytest.mark.slow
@pytest.mark.parametrize("name", WAITING)
def test_a_signal_runs_its_handler_and_the_wait_goes_on_with_what_is_left(
    name: str, loopback: str
) -> None:
    calls = 0

    def count(_number: int, _frame: FrameType | None) -> None:
        nonlocal calls
        calls += 1

    # A wait that began anew after each signal would never end.
    call = waiting_calls(loopback)[name]
    with alarm_every(0.02, count):
        started = monotonic()
        assert outcome(lambda: call(0.25)) == (TimeoutError, None)
        assert monotonic() - started >= 0.25
    assert calls > 0


@pytest.mark.thread_unsafe(reason="signals are the main thread's")
@pytest.mark.parametrize("timeout", [None, MUST_ARRIVE])
@pytest.mark.parametrize("name", WAITING)
def test_a_handler_that_raises_ends_the_wait(
    name: str, timeout: float | None, loopback: str
) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise OwnError

    call = waiting_calls(loopback)[name]

    def raise_during_the_call() -> None:
        with alarm_every(0.02, stop):
            call(timeout)

    with pytest.raises(OwnError):
        raise_during_the_call()


@pytest.mark.thread_unsafe(reason="signals are the main thread's")
def test_what_the_handler_sends_is_received_by_the_interrupted_call(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        server.settimeout(None)

        def send(_number: int, _frame: FrameType | None) -> None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            client.send(b"from the handler")

        with alarm_every(0.02, send):
            assert server.recv(100) == b"from the handler"


@pytest.mark.thread_unsafe(reason="signals are the main thread's")
@pytest.mark.parametrize("name", ["recv", "accept", "connect", "epollkit.connect", "connect_many"])
def test_control_c_ends_a_wait_at_once(name: str, loopback: str) -> None:
    main = threading.main_thread()

    def interrupt_when_it_waits() -> None:
        must_be_waiting(main.native_id)
        signal.pthread_kill(main.ident, signal.SIGINT)

    def call() -> None:
        if name in (calls := waiting_calls(loopback)):
            calls[name](None)
            return
        with full_listener(loopback) as address:
            if name == "epollkit.connect":
                epollkit.connect(address)
            else:
                list(epollkit.connect_many([address]))

    other = threading.Thread(target=interrupt_when_it_waits)

    def call_and_be_interrupted() -> None:
        other.start()
        call()

    with pytest.raises(KeyboardInterrupt):
        call_and_be_interrupted()
    other.join()


# Closing during a wait


def received_or_errno(sock: Socket, results: list[object]) -> None:
    try:
        results.append(sock.recv(100))
    except OSError as error:
        results.append(error.errno)


def test_close_during_a_wait_keeps_the_socket_open_until_the_wait_ends(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        server.settimeout(MUST_ARRIVE)
        fd = server.fileno()
        results: list[object] = []
        reader = threading.Thread(target=received_or_errno, args=(server, results))
        reader.start()
        must_be_waiting(reader.native_id)
        server.close()
        assert (server.closed, server.fileno()) == (True, -1)
        assert outcome(lambda: server.send(b"x")) == (OSError, errno.EBADF)
        os.fstat(fd)  # the waiter has it still: no other open can get this number
        assert client.try_recv(1) is None  # so the peer sees no end yet
        client.send(b"too late")
        reader.join()
        assert results == [errno.EBADF]
        must_be_readable(client)  # now it does: closed with an unread byte, so a reset
        assert outcome(lambda: client.recv(1)) == (ConnectionResetError, errno.ECONNRESET)


def test_close_does_not_end_a_wait_in_the_kernel(loopback: str) -> None:
    # As in the stdlib: the call under way has the socket, and gets what still comes.
    with tcp(loopback).pair() as (client, server):
        server.settimeout(None)
        results: list[object] = []
        reader = threading.Thread(target=received_or_errno, args=(server, results))
        reader.start()
        must_be_waiting(reader.native_id)
        server.close()
        assert outcome(lambda: server.recv(1)) == (OSError, errno.EBADF)
        client.send(b"in time")
        reader.join()
        assert results == [b"in time"]
        must_be_readable(client)
        assert client.recv(1) == b""


def test_detach_during_a_wait_leaves_the_descriptor_to_the_caller(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        server.settimeout(MUST_ARRIVE)
        results: list[object] = []
        reader = threading.Thread(target=received_or_errno, args=(server, results))
        reader.start()
        must_be_waiting(reader.native_id)
        with Socket(fileno=server.detach()) as again:
            client.send(b"for the new owner")
            reader.join()
            assert results == [errno.EBADF]
            assert again.recv(100) == b"for the new owner"


def test_two_threads_may_wait_on_one_socket(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        server.settimeout(None)
        results: list[object] = []
        readers = [
            threading.Thread(target=received_or_errno, args=(server, results)) for _ in range(2)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            must_be_waiting(reader.native_id)
        client.shutdown(socket.SHUT_WR)
        for reader in readers:
            reader.join()
        assert results == [b"", b""]


def test_a_wait_for_a_refused_connect_ends_with_its_error(loopback: str) -> None:
    with tcp(loopback).bound() as silent, Socket(timeout=None) as sock:
        assert outcome(lambda: sock.connect(silent.getsockname())) == (
            ConnectionRefusedError,
            errno.ECONNREFUSED,
        )
        assert is_ready(sock, select.POLLOUT)
        assert sock.error() == 0  # it has been told


@pytest.mark.parametrize("make", [socket.socket, epollkit.stdlib.socket], ids=["stdlib", "own"])
def test_so_sndtimeo_ends_a_blocking_connect(make: type[socket.socket], loopback: str) -> None:
    with full_listener(loopback) as address, make() as client:
        limit = struct.pack("ll", 0, 20_000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        with pytest.raises(BlockingIOError) as caught:
            client.connect(address)
        assert caught.value.errno == errno.EINPROGRESS
