"""create_connection: the stdlib's function, as a race within one deadline."""

import errno
import http.client
import inspect
import select
import socket
import threading
from collections.abc import Generator
from pathlib import Path
from socket import AF_INET6, SO_REUSEADDR, SOL_SOCKET
from time import monotonic

import pytest

import epollkit
from endpoints import full_listener, is_ready, notes, outcome, refusing, tcp
from epollkit import Socket, create_connection
from slow_names import NAMESPACES, with_slow_names
from support import MUST_ARRIVE, wait_until


@pytest.fixture
def listener(loopback: str) -> Generator[Socket]:
    with tcp(loopback).listener() as opened:
        yield opened


def test_it_connects(listener: Socket) -> None:
    with create_connection(listener.getsockname()) as client:
        assert type(client) is Socket
        assert client.getpeername() == listener.getsockname()


@pytest.mark.parametrize("timeout", [None, 7, 7.5])
def test_the_socket_has_the_timeout(timeout: float | None, listener: Socket) -> None:
    with create_connection(listener.getsockname(), timeout) as client:
        assert client.gettimeout() == timeout
    with create_connection(listener.getsockname(), timeout=timeout) as client:
        assert client.gettimeout() == timeout


@pytest.mark.thread_unsafe(reason="the default time-out is the process's")
def test_the_default_is_the_stdlibs_default_timeout(listener: Socket) -> None:
    before = epollkit.getdefaulttimeout()
    try:
        for default in (None, 7.0):
            epollkit.setdefaulttimeout(default)
            with create_connection(listener.getsockname()) as client:
                assert client.gettimeout() == default
            sentinel = inspect.signature(socket.create_connection).parameters["timeout"].default
            with create_connection(listener.getsockname(), sentinel) as client:
                assert client.gettimeout() == default
    finally:
        epollkit.setdefaulttimeout(before)


def test_what_can_be_had_at_once_needs_no_time(listener: Socket) -> None:
    with create_connection(listener.getsockname(), 0.0) as client:
        assert client.gettimeout() == 0.0
        assert client.getpeername() == listener.getsockname()


def test_http_client_may_use_it(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        listener.settimeout(MUST_ARRIVE)
        connection = http.client.HTTPConnection(*listener.getsockname())
        asked: list[object] = []

        def create(*arguments: object) -> Socket:
            asked.extend(arguments)
            return create_connection(*arguments)

        connection._create_connection = create  # noqa: SLF001 - the hook that ssl tests use
        connection.connect()
        server, _ = listener.accept()
        with server:
            connection.send(b"GET")
            assert server.recv(3) == b"GET"
        assert asked[0] == listener.getsockname()
        connection.sock.close()


@pytest.mark.parametrize(
    "host", ["localhost", b"localhost", bytearray(b"127.0.0.1"), None], ids=repr
)
def test_a_host_is_what_getaddrinfo_takes(host: object) -> None:
    with Socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        for given in (port, str(port), str(port).encode()):
            with create_connection((host, given), MUST_ARRIVE) as client:
                assert client.getpeername() == ("127.0.0.1", port)


def test_any_pair_is_an_address(listener: Socket) -> None:
    with create_connection(list(listener.getsockname())) as client:
        assert client.getpeername() == listener.getsockname()


# Where it connects from


@pytest.mark.parametrize("port", [0, "0"], ids=repr)
def test_the_source_address_is_bound(port: object, loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        source = ("127.0.0.1", port)
        with create_connection(listener.getsockname(), MUST_ARRIVE, source) as client:
            assert client.getsockname()[0] == "127.0.0.1"


def test_the_source_may_be_any_address_with_a_port(loopback: str) -> None:
    with tcp(loopback).listener() as listener, Socket() as held:
        held.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        held.bind((loopback, 0))
        port = held.getsockname()[1]
        held.close()
        address = listener.getsockname()
        with create_connection(address, source_address=(loopback, port)) as client:
            assert client.getsockname() == (loopback, port)
        with create_connection(address, source_address=("", 0)) as client:
            assert client.getpeername() == address


@pytest.mark.parametrize("nothing", [None, (), ""])
def test_an_empty_source_is_none(nothing: object, listener: Socket) -> None:
    with create_connection(listener.getsockname(), source_address=nothing) as client:
        assert client.getpeername() == listener.getsockname()


def test_a_source_of_the_other_family_is_an_error(listener: Socket) -> None:
    with pytest.raises(OSError, match=r"(?i)argument|family") as caught:
        create_connection(listener.getsockname(), source_address=("::1", 0))
    assert listener.try_accept() is None
    assert caught.value.errno in {errno.EINVAL, errno.EAFNOSUPPORT}


def test_a_source_in_use_is_an_error(listener: Socket, loopback: str) -> None:
    with tcp(loopback).listener() as taken, pytest.raises(OSError, match="in use") as caught:
        create_connection(listener.getsockname(), source_address=taken.getsockname())
    assert caught.value.errno == errno.EADDRINUSE


# Errors


def test_a_refusal_is_raised_with_its_address(loopback: str) -> None:
    with refusing(loopback) as address:
        with pytest.raises(ConnectionRefusedError) as caught:
            create_connection(address)
        assert caught.value.args == (errno.ECONNREFUSED, "Connection refused")
        assert f"{address[0]}:{address[1]}" in notes(caught.value)


def test_all_errors_come_as_a_group(loopback: str) -> None:
    with refusing(loopback) as address:
        with pytest.raises(ExceptionGroup) as caught:
            create_connection(address, all_errors=True)
        assert caught.value.message == "create_connection failed"
        assert [type(error) for error in caught.value.exceptions] == [ConnectionRefusedError]


@pytest.mark.parametrize("all_errors", [False, True])
def test_the_timeout_ends_it(all_errors: bool, loopback: str) -> None:  # noqa: FBT001
    with full_listener(loopback) as address:
        started = monotonic()
        with pytest.raises((TimeoutError, ExceptionGroup)) as caught:
            create_connection(address, 0.1, all_errors=all_errors)
        assert monotonic() - started >= 0.1
    assert isinstance(caught.value, ExceptionGroup) == all_errors
    late = caught.value.exceptions[-1] if all_errors else caught.value
    assert type(late) is TimeoutError
    assert late.errno == errno.ETIMEDOUT
    assert f"{address[0]}:{address[1]}" in notes(late)


@pytest.mark.thread_unsafe(reason="the default time-out is the process's")
def test_the_default_timeout_ends_it(loopback: str) -> None:
    before = epollkit.getdefaulttimeout()
    epollkit.setdefaulttimeout(0.1)
    try:
        with full_listener(loopback) as address, pytest.raises(TimeoutError):
            create_connection(address)
    finally:
        epollkit.setdefaulttimeout(before)


@pytest.mark.parametrize("all_errors", [False, True])
def test_an_unknown_name_is_the_resolvers_error(all_errors: bool) -> None:  # noqa: FBT001
    with pytest.raises(socket.gaierror):
        create_connection(("fe80::1%no-such-interface", 80), all_errors=all_errors)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (("127.0.0.1",), ValueError),
        (("127.0.0.1", 80, 0, 0), ValueError),
        ("/tmp/socket", ValueError),  # noqa: S108 - never made
        (5, TypeError),
        ((5, 80), TypeError),
        (("127.0.0.1", 65536), OverflowError),
        (("127.0.0.1", -1), OverflowError),
        (("127.0.0.1", 1.5), OSError),
        (("127.0.0.1", "no-such-service"), socket.gaierror),
        (("localhost\0.example", 80), TypeError),
        (("a..b", 80), UnicodeError),
    ],
    ids=repr,
)
def test_a_malformed_address_is_refused(address: object, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        create_connection(address)
    with pytest.raises(kind):
        create_connection(("127.0.0.1", 9), source_address=address)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "soon"])
def test_a_malformed_timeout_is_refused(timeout: object, listener: Socket) -> None:
    kind = TypeError if isinstance(timeout, str) else ValueError
    assert outcome(lambda: create_connection(listener.getsockname(), timeout))[0] is kind
    assert listener.try_accept() is None


# A host with two addresses

TWO = """
six, four = epollkit.Socket(socket.AF_INET6), epollkit.Socket()
while True:
    six.bind(("::1", 0))
    port = six.getsockname()[1]
    try: four.bind(("127.0.0.1", port)); break
    except OSError: six.close(); six = epollkit.Socket(socket.AF_INET6)
with open("/etc/hosts", "w") as hosts: hosts.write("::1 twofold\\n127.0.0.1 twofold\\n")
order = [found[0] for found in socket.getaddrinfo("twofold", port, type=socket.SOCK_STREAM)]
one, other = (six, four) if order[0] == socket.AF_INET6 else (four, six)
TWOFOLD = ("twofold", port)
"""


@NAMESPACES
@pytest.mark.slow
def test_each_address_has_an_error_of_its_own(tmp_path: Path) -> None:
    code = """
try: epollkit.create_connection(TWOFOLD, all_errors=True)
except ExceptionGroup as group: errors = group.exceptions
print([error.errno == errno.ECONNREFUSED for error in errors])
try: epollkit.create_connection(TWOFOLD)
except ConnectionRefusedError as error: last = error
# As the stdlib: of several errors the last.
print(last.__notes__[0] == errors[-1].__notes__[0], len(last.__notes__))
try: socket.create_connection(TWOFOLD, all_errors=True)
except ExceptionGroup as theirs: print(len(theirs.exceptions))
"""
    assert with_slow_names(tmp_path, TWO + code) == ["[True, True]", "True 2", "2"]


@NAMESPACES
@pytest.mark.slow
def test_when_the_first_address_hangs_the_second_is_tried_beside_it(tmp_path: Path) -> None:
    code = """
one.listen(0)
filler = epollkit.connect(one.getsockname(), 5)
other.listen()
started = time.monotonic()
client = epollkit.create_connection(TWOFOLD, 5)
print(client.family is other.family, client.gettimeout(), time.monotonic() - started >= 0.25)
"""
    assert with_slow_names(tmp_path, TWO + code) == ["True 5.0 True"]


@NAMESPACES
@pytest.mark.slow
def test_any_source_is_of_the_family_of_each_attempt(tmp_path: Path) -> None:
    code = """
for listener, family in (one, order[0]), (other, order[1]):
    listener.listen()
    with socket.socket() as free: free.bind(("127.0.0.1", 0)); port = free.getsockname()[1]
    with epollkit.create_connection(TWOFOLD, 5, ("", port)) as client:
        print(client.family == family, client.getsockname()[1] == port)
    listener.close()
"""
    assert with_slow_names(tmp_path, TWO + code) == ["True True", "True True"]


def test_a_name_has_its_part_of_the_deadline() -> None:
    with Socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with create_connection(address, MUST_ARRIVE):
            wait_until(lambda: is_ready(listener, select.POLLIN))
            started = monotonic()
            with pytest.raises(TimeoutError) as caught:
                create_connection(("localhost", address[1]), 0.1)
            assert monotonic() - started >= 0.1
            assert caught.value.errno == errno.ETIMEDOUT


def test_other_threads_run_meanwhile(loopback: str) -> None:
    with full_listener(loopback) as address:
        results: list[object] = []

        def call() -> None:
            results.append(outcome(lambda: create_connection(address, 0.2)))

        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [(TimeoutError, errno.ETIMEDOUT)] * 3


def test_ipv6_addresses_work_where_there_is_ipv6() -> None:
    with Socket(AF_INET6) as listener:
        try:
            listener.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"no ::1 here: {error}")
        listener.listen()
        with create_connection(("::1", listener.getsockname()[1])) as client:
            assert client.getpeername()[:2] == listener.getsockname()[:2]
