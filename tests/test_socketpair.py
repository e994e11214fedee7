"""socketpair and fromfd: sockets that are open from the start."""

import errno
import fcntl
import inspect
import os
import socket
from socket import (
    AF_INET,
    AF_UNIX,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_SEQPACKET,
    SOCK_STREAM,
)

import pytest

import epollkit
from endpoints import outcome, tcp
from epollkit import Socket, fromfd, socketpair
from support import MUST_ARRIVE, descriptors


def is_nonblocking(descriptor: int) -> bool:
    return bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_NONBLOCK)


# socketpair


def test_each_is_the_others_peer() -> None:
    one, other = socketpair()
    with one, other:
        for sender, receiver in ((one, other), (other, one)):
            assert sender.send(b"hello") == 5
            assert receiver.recv(10) == b"hello"
        one.close()
        assert other.recv(10) == b""


def test_a_pair_is_of_unix_stream_sockets() -> None:
    for sock in socketpair():
        with sock:
            assert type(sock) is Socket
            assert (sock.family, sock.type, sock.proto) == (AF_UNIX, SOCK_STREAM, 0)
            assert sock.gettimeout() == 0.0
            assert is_nonblocking(sock.fileno())
            assert not os.get_inheritable(sock.fileno())


@pytest.mark.parametrize("kind", [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET])
@pytest.mark.parametrize("flags", [0, SOCK_NONBLOCK | SOCK_CLOEXEC])
def test_a_pair_may_be_of_another_type(kind: int, flags: int) -> None:
    one, other = socketpair(AF_UNIX, kind | flags)
    with one, other:
        assert (one.type, other.type) == (kind, kind)
        one.send(b"one")
        one.send(b"two")
        assert other.recv(10) == (b"onetwo" if kind == SOCK_STREAM else b"one")


def test_a_pair_waits_for_as_long_as_it_is_told_to() -> None:
    one, other = socketpair(timeout=0.05)
    with one, other:
        assert (one.gettimeout(), other.gettimeout()) == (0.05, 0.05)
        with pytest.raises(TimeoutError):
            one.recv(1)
    one, other = socketpair(timeout=None)
    with one, other:
        assert (one.gettimeout(), other.gettimeout()) == (None, None)


@pytest.mark.parametrize("timeout", [None, 0.0, MUST_ARRIVE])
@pytest.mark.parametrize(
    "make", ["Socket", "socketpair", "create_connection", "create_server", "fromfd"]
)
def test_the_mode_is_the_timeouts(make: str, timeout: float | None, loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        listener.settimeout(timeout)  # fromfd leaves the mode alone where it has no time-out
        made = {
            "Socket": lambda: [Socket(timeout=timeout)],
            "socketpair": lambda: socketpair(timeout=timeout),
            "create_connection": lambda: [
                epollkit.create_connection(listener.getsockname(), timeout)
            ],
            "create_server": lambda: [epollkit.create_server((loopback, 0), timeout=timeout)],
            "fromfd": lambda: [
                fromfd(listener.fileno(), AF_INET, SOCK_STREAM, timeout=timeout),
            ],
        }[make]()
        for sock in made:
            with sock:
                assert sock.gettimeout() == timeout
                assert os.get_blocking(sock.fileno()) is (timeout is None)


def test_a_duplicate_with_a_timeout_does_not_block_and_one_without_changes_nothing() -> None:
    for blocking in (True, False):
        with socket.socket() as given:
            given.setblocking(blocking)
            with fromfd(given.fileno(), AF_INET, SOCK_STREAM, timeout=None):
                assert os.get_blocking(given.fileno()) is blocking
            with fromfd(given.fileno(), AF_INET, SOCK_STREAM, timeout=0.0):
                assert not os.get_blocking(given.fileno())


def test_none_is_the_unix_family() -> None:
    one, other = socketpair(None, type=SOCK_DGRAM, proto=0)
    with one, other:
        assert one.family == AF_UNIX


@pytest.mark.parametrize(
    "arguments",
    [
        (AF_INET,),
        (12345,),
        (AF_UNIX, 12345),
        (AF_UNIX, SOCK_STREAM, 12345),
        ("unix",),
        (1, 1, 0, 0),
    ],
    ids=repr,
)
def test_what_makes_no_pair_is_refused_as_by_the_stdlib(arguments: tuple[object, ...]) -> None:
    theirs = outcome(lambda: socket.socketpair(*arguments))
    assert issubclass(theirs[0], Exception)
    assert outcome(lambda: socketpair(*arguments)) == theirs


# fromfd


def test_a_duplicate_is_of_the_same_connection(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        with fromfd(client.fileno(), AF_INET, SOCK_STREAM) as copy:
            assert type(copy) is Socket
            assert copy.fileno() != client.fileno()
            assert copy.getpeername() == client.getpeername()
            assert (copy.family, copy.type, copy.proto) == (AF_INET, SOCK_STREAM, 0)
            assert copy.gettimeout() == 0.0
            assert not os.get_inheritable(copy.fileno())
            copy.send(b"copy")
        client.send(b"!")  # closing the one leaves the other
        server.settimeout(MUST_ARRIVE)
        received = b""
        while len(received) < 5:
            received += server.recv(10)
        assert received == b"copy!"


def test_an_object_with_a_descriptor_will_do() -> None:
    one, other = socket.socketpair()
    with one, other, fromfd(one, AF_UNIX, SOCK_STREAM, timeout=MUST_ARRIVE) as copy:
        other.send(b"x")
        assert copy.gettimeout() == MUST_ARRIVE
        assert copy.recv(1) == b"x"


def test_family_type_and_protocol_are_as_they_are_given() -> None:
    one, other = socket.socketpair()
    with one, other, fromfd(one.fileno(), AF_INET, SOCK_DGRAM, 17) as copy:
        assert (copy.family, copy.type, copy.proto) == (AF_INET, SOCK_DGRAM, 17)
        with socket.fromfd(one.fileno(), AF_INET, SOCK_DGRAM, 17) as theirs:
            assert (theirs.family, theirs.type, theirs.proto) == (AF_INET, SOCK_DGRAM, 17)


@pytest.mark.thread_unsafe(reason="compares the process's descriptors")
def test_what_is_no_socket_is_refused_and_nothing_is_left_open() -> None:
    reading, writing = os.pipe()
    try:
        before = descriptors()
        assert outcome(lambda: fromfd(reading, AF_UNIX, SOCK_STREAM)) == (OSError, errno.ENOTSOCK)
        assert descriptors() == before
        assert not is_nonblocking(reading)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(
    ("descriptor", "expected"),
    [
        (-1, (ValueError, None)),
        (2**31 - 1, (OSError, errno.EBADF)),
        (2**40, (OverflowError, None)),
        ("0", (TypeError, None)),
        (None, (TypeError, None)),
    ],
    ids=repr,
)
def test_what_is_no_descriptor_is_refused(descriptor: object, expected: tuple[object]) -> None:
    assert outcome(lambda: fromfd(descriptor, AF_UNIX, SOCK_STREAM)) == expected


@pytest.mark.parametrize("timeout", [-1, float("nan"), "soon"])
def test_a_malformed_timeout_is_refused(timeout: object) -> None:
    kind = TypeError if isinstance(timeout, str) else ValueError
    one, other = socket.socketpair()
    with one, other:
        assert outcome(lambda: fromfd(one, AF_UNIX, SOCK_STREAM, timeout=timeout))[0] is kind
    assert outcome(lambda: socketpair(timeout=timeout))[0] is kind


@pytest.mark.parametrize("name", ["socketpair", "fromfd"])
def test_the_parameters_are_the_stdlibs_and_a_timeout(name: str) -> None:
    ours, theirs = (
        list(inspect.signature(getattr(module, name)).parameters) for module in (epollkit, socket)
    )
    assert ours == [*theirs, "timeout"]


# What is the stdlib's own


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, value in vars(epollkit).items()
        if getattr(value, "__module__", None) in {"_socket", "socket"}
    ],
)
def test_a_helper_of_the_stdlibs_is_the_same_object(name: str) -> None:
    assert getattr(epollkit, name) is getattr(socket, name)
    assert name in epollkit.__all__
