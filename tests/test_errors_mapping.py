import asyncio
import errno
import resource
import select
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from os import close as close_fd
from os import dup
from pathlib import Path
from socket import AF_UNIX, IPPROTO_IP, SHUT_WR, SO_DONTROUTE, SOCK_DGRAM, SOL_SOCKET
from struct import pack
from time import monotonic
from typing import Any

import pytest

import epollkit
import epollkit.aio
from endpoints import (
    Address,
    Place,
    full_listener,
    has_ipv6,
    is_ready,
    may_unshare,
    must_be_readable,
    notes,
    outcome,
    python,
    refusing,
    reset,
    tcp,
)
from epollkit import Connecting, Socket
from support import MUST_ARRIVE

IP_LOCAL_PORT_RANGE = 51  # linux/in.h, since Linux 6.3

# Every way to connect, each giving the exception that it ended with.


def by_connect(address: Address, **settings: object) -> BaseException:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the table says which
        epollkit.connect(address, MUST_ARRIVE, **settings)
    return caught.value


def by_connect_many(address: Address, **settings: object) -> BaseException:
    (result,) = epollkit.connect_many([address], timeout=MUST_ARRIVE, **settings)
    assert result.socket is None
    assert (result.index, result.address) == (0, address)
    return result.error


def by_connecting(address: Address, **settings: object) -> BaseException:
    def start_and_finish() -> Socket:
        connecting = Connecting(address, **settings)
        assert is_ready(connecting, select.POLLOUT, MUST_ARRIVE)
        return connecting.finish()

    with pytest.raises(OSError) as caught:  # noqa: PT011
        start_and_finish()
    return caught.value


def by_aio(address: Address, **settings: object) -> BaseException:
    with pytest.raises(OSError) as caught:  # noqa: PT011
        asyncio.run(epollkit.aio.connect(address, MUST_ARRIVE, **settings))
    return caught.value


WAYS = [by_connect, by_connect_many, by_connecting, by_aio]
ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


# What can go wrong: each gives an address, the settings and what the note names.


class Trouble:
    def __init__(self, loopback: str, directory: Path, stack: ExitStack) -> None:
        self._loopback, self._directory, self._enter = loopback, directory, stack.enter_context

    def _place(self, kind: str) -> Place:
        return Place(kind, self._loopback, self._directory)

    def refused_ipv4(self) -> tuple[Any, dict[str, Any], str]:
        host, port = self._enter(refusing(self._loopback))
        return (host, port), {}, f"connect {host}:{port}"

    def refused_ipv6(self) -> tuple[Any, dict[str, Any], str]:
        address = self._enter(self._place("inet6").bound()).getsockname()
        return address, {}, f"connect [::1]:{address[1]}"

    def refused_path(self) -> tuple[Any, dict[str, Any], str]:
        path = self._enter(self._place("unix").bound()).getsockname()
        return path, {}, f"connect unix:{path}"

    def stale_path(self) -> tuple[Any, dict[str, Any], str]:
        with self._place("unix").listener() as gone:
            path = gone.getsockname()
        return path, {}, f"connect unix:{path}"

    def refused_abstract(self) -> tuple[Any, dict[str, Any], str]:
        with self._place("abstract").listener() as gone:
            name = gone.getsockname()
        return name, {}, "connect unix:@epollkit-"

    def missing_path(self) -> tuple[Any, dict[str, Any], str]:
        path = self._place("unix").address()
        return path, {}, f"connect unix:{path}"

    def path_through_a_file(self) -> tuple[Any, dict[str, Any], str]:
        path = f"{__file__}/socket"
        if len(path) > 100:
            path = "/proc/version/socket"
        return path, {}, f"connect unix:{path}"

    def path_of_a_file(self) -> tuple[Any, dict[str, Any], str]:
        return "/proc/version", {}, "connect unix:/proc/version"

    def path_of_datagrams(self) -> tuple[Any, dict[str, Any], str]:
        sock = self._enter(Socket(AF_UNIX, SOCK_DGRAM))
        sock.bind(path := self._place("unix").address())
        return path, {}, f"connect unix:{path}"

    def full_path(self) -> tuple[Any, dict[str, Any], str]:
        path = self._enter(self._place("unix").listener(0)).getsockname()
        self._enter(Socket(AF_UNIX)).connect(path)
        return path, {}, f"connect unix:{path}"

    def unreachable(self) -> tuple[Any, dict[str, Any], str]:
        # Class E and no gateway: whatever the routes, nothing leaves this machine.
        settings = {"options": [(SOL_SOCKET, SO_DONTROUTE, 1)]}
        return ("240.0.0.1", 9), settings, "connect 240.0.0.1:9"

    def no_port_left(self) -> tuple[Any, dict[str, Any], str]:
        listener = self._enter(tcp(self._loopback).listener())
        host, port = listener.getsockname()
        # The one port of the range is in use between the same two addresses.
        taken = self._enter(epollkit.connect((host, port), MUST_ARRIVE)).getsockname()[1]
        one_port = pack("I", taken << 16 | taken)
        settings = {"options": [(IPPROTO_IP, IP_LOCAL_PORT_RANGE, one_port)]}
        return (host, port), settings, f"connect {host}:{port}"

    def source_not_here(self) -> tuple[Any, dict[str, Any], str]:
        address = self._enter(tcp(self._loopback).listener()).getsockname()
        return address, {"source_address": ("240.0.0.1", 0)}, "bind 240.0.0.1:0"

    def source_in_use(self) -> tuple[Any, dict[str, Any], str]:
        address = self._enter(tcp(self._loopback).listener()).getsockname()
        source = self._enter(tcp(self._loopback).listener()).getsockname()
        return address, {"source_address": source}, f"bind {source[0]}:{source[1]}"

    def unknown_option(self) -> tuple[Any, dict[str, Any], str]:
        address = self._enter(tcp(self._loopback).listener()).getsockname()
        return address, {"options": [(SOL_SOCKET, 9999, 1)]}, ""

    def unknown_name(self) -> tuple[Any, dict[str, Any], str]:
        # A scope that no interface has: getaddrinfo(3) says so without asking anybody.
        return ("fe80::1%nosuchif", 9), {}, 'getaddrinfo "fe80::1%nosuchif"'


ERRORS: list[Any] = [
    ("refused_ipv4", ConnectionRefusedError, errno.ECONNREFUSED),
    pytest.param(
        "refused_ipv6",
        ConnectionRefusedError,
        errno.ECONNREFUSED,
        marks=pytest.mark.skipif(not has_ipv6(), reason="no ::1 here"),
    ),
    ("refused_path", ConnectionRefusedError, errno.ECONNREFUSED),
    ("stale_path", ConnectionRefusedError, errno.ECONNREFUSED),
    ("refused_abstract", ConnectionRefusedError, errno.ECONNREFUSED),
    ("missing_path", FileNotFoundError, errno.ENOENT),
    ("path_through_a_file", NotADirectoryError, errno.ENOTDIR),
    ("path_of_a_file", ConnectionRefusedError, errno.ECONNREFUSED),
    ("path_of_datagrams", OSError, errno.EPROTOTYPE),
    ("full_path", BlockingIOError, errno.EAGAIN),
    ("unreachable", OSError, errno.ENETUNREACH),
    ("no_port_left", OSError, errno.EADDRNOTAVAIL),
    ("source_not_here", OSError, errno.EADDRNOTAVAIL),
    ("source_in_use", OSError, errno.EADDRINUSE),
    ("unknown_option", OSError, errno.ENOPROTOOPT),
    ("unknown_name", socket.gaierror, socket.EAI_NONAME),
]


@ways
@pytest.mark.parametrize(("name", "kind", "number"), ERRORS)
def test_each_error_has_its_class_its_errno_and_the_address_in_a_note(
    name: str,
    kind: type[OSError],
    number: int,
    way: Callable[..., BaseException],
    *,
    loopback: str,
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        address, settings, note = getattr(Trouble(loopback, tmp_path, stack), name)()
        error = way(address, **settings)
    assert type(error) is kind
    assert error.errno == number
    assert len(error.args) == 2
    assert note in notes(error)
    if kind is not socket.gaierror:
        assert error.args == OSError(number, error.strerror).args


@pytest.mark.parametrize(("name", "kind", "number"), ERRORS[:11])
def test_a_plain_sockets_connect_names_the_address_too(
    name: str, kind: type[OSError], number: int, loopback: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        address, settings, note = getattr(Trouble(loopback, tmp_path, stack), name)()
        match address:
            case (str(host), *_):
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
            case _:
                family = AF_UNIX
        sock = stack.enter_context(Socket(family, timeout=MUST_ARRIVE))
        for option in settings.get("options", ()):
            sock.setsockopt(*option)
        with pytest.raises(kind) as caught:
            sock.connect(address)
        assert (type(caught.value), caught.value.errno) == (kind, number)
        assert note in notes(caught.value)
        sock.close()
        with Socket(family, timeout=MUST_ARRIVE) as another:
            for option in settings.get("options", ()):
                another.setsockopt(*option)
            assert another.connect_ex(address) == number


def test_a_name_of_another_family_is_the_resolvers_error() -> None:
    with Socket() as sock, socket.socket() as stdlib:
        theirs = outcome(lambda: stdlib.connect(("::1", 9)))
        assert theirs == (socket.gaierror, socket.EAI_ADDRFAMILY)
        assert outcome(lambda: sock.connect(("::1", 9))) == theirs


@pytest.mark.slow
@pytest.mark.skipif(not may_unshare("-rn"), reason="no network namespaces for this user")
def test_loopback_itself_is_unreachable_where_it_is_down() -> None:
    code = """
import asyncio, epollkit, epollkit.aio
address = ("127.0.0.1", 9)
def connecting(): epollkit.Connecting(address)
def many(): raise next(iter(epollkit.connect_many([address]))).error
def aio(): asyncio.run(epollkit.aio.connect(address))
for call in (lambda: epollkit.connect(address)), connecting, many, aio:
    try: call()
    except OSError as error: print(error.errno, *error.__notes__)
"""
    done = python(code, before=("unshare", "-rn"))
    assert done.stderr == ""
    assert done.stdout == f"{errno.ENETUNREACH} connect 127.0.0.1:9\n" * 4


@pytest.mark.slow
@pytest.mark.skipif(not may_unshare("-rn"), reason="no network namespaces for this user")
def test_a_name_that_nobody_can_look_up_is_the_resolvers_error() -> None:
    code = """
import asyncio, epollkit, epollkit.aio
address = ("no-such-host.example", 9)
def connecting(): epollkit.Connecting(address)
def many(): raise next(iter(epollkit.connect_many([address]))).error
def aio(): asyncio.run(epollkit.aio.connect(address))
def plain():
    with epollkit.Socket(timeout=None) as sock: sock.connect(address)
for call in (lambda: epollkit.connect(address)), connecting, many, aio, plain:
    try: call()
    except OSError as error:
        print(type(error).__name__, error.errno < 0, *getattr(error, "__notes__", ()))
"""
    done = python(code, "-W", "ignore", before=("unshare", "-rn"))
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    for line in lines:
        assert line.startswith("gaierror True ")
        assert "no-such-host.example" in line


# Out of time


def time_out_connect(address: Address) -> OSError:
    with pytest.raises(TimeoutError) as caught:
        epollkit.connect(address, timeout=0.2)
    return caught.value


def time_out_connect_many(address: Address) -> OSError:
    (result,) = epollkit.connect_many([address], timeout=0.2)
    assert result.elapsed >= 0.2
    return result.error


def time_out_aio(address: Address) -> OSError:
    with pytest.raises(TimeoutError) as caught:
        asyncio.run(epollkit.aio.connect(address, timeout=0.2))
    return caught.value


@pytest.mark.parametrize("way", [time_out_connect, time_out_connect_many, time_out_aio])
def test_an_attempt_out_of_time_is_etimedout(way: Callable[[Any], OSError], loopback: str) -> None:
    with full_listener(loopback) as address:
        started = monotonic()
        error = way(address)
        assert monotonic() - started >= 0.2
    assert type(error) is TimeoutError
    assert error.errno == errno.ETIMEDOUT
    assert str(address[1]) in notes(error)
    assert address[0] in notes(error)


@pytest.mark.slow
def test_the_kernels_own_time_out_is_etimedout(loopback: str) -> None:
    # TCP_USER_TIMEOUT, ms: the kernel gives up after the first SYN's retransmission (1 s).
    options = [(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1)]
    with full_listener(loopback) as address:
        error = by_connect(address, options=options)
    assert type(error) is TimeoutError
    assert error.errno == errno.ETIMEDOUT
    assert notes(error) == f"connect {address[0]}:{address[1]}"


# Out of descriptors


@contextmanager
def descriptors_left(count: int) -> Iterator[None]:
    """Leave room for so many more descriptors in this process: 0 or 1."""
    lowest = dup(0)
    close_fd(lowest)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def listening(loopback: str) -> Generator[Any]:
    with tcp(loopback).listener() as listener:
        yield listener.getsockname()


def starve_connect(address: Address, left: int) -> BaseException:
    with descriptors_left(left):
        return by_connect(address)


def starve_connecting(address: Address, left: int) -> BaseException:
    with descriptors_left(left):
        return by_connecting(address)


def starve_connect_many(address: Address, left: int) -> BaseException:
    with epollkit.connect_many([address]) as many, descriptors_left(left):
        (result,) = many
        return result.error


def starve_aio(address: Address, left: int) -> BaseException:
    async def starve() -> BaseException:
        with descriptors_left(left), pytest.raises(OSError) as caught:  # noqa: PT011
            await epollkit.aio.connect(address)
        return caught.value

    return asyncio.run(starve())


@pytest.mark.thread_unsafe(reason="RLIMIT_NOFILE is the process's")
@pytest.mark.parametrize(
    ("way", "left"),
    [
        (starve_connect, 0),
        (starve_connect, 1),  # the epoll set of the attempt gets the last one
        (starve_connecting, 0),
        (starve_connect_many, 0),
        (starve_aio, 0),
    ],
)
def test_out_of_descriptors_is_emfile_with_the_address(
    way: Callable[[Any, int], BaseException], left: int, listening: Address
) -> None:
    error = way(listening, left)
    assert type(error) is OSError
    assert error.errno == errno.EMFILE
    assert f"{listening[0]}:{listening[1]}" in notes(error)


@pytest.mark.thread_unsafe(reason="RLIMIT_NOFILE is the process's")
def test_out_of_descriptors_before_any_address_is_emfile(listening: Address) -> None:
    with descriptors_left(0):
        calls: list[Callable[[], object]] = [Socket, lambda: epollkit.connect_many([listening])]
        for call in calls:
            assert outcome(call) == (OSError, errno.EMFILE)


@pytest.mark.thread_unsafe(reason="RLIMIT_NOFILE is the process's")
def test_dup_without_a_descriptor_left_is_emfile() -> None:
    with Socket() as sock, descriptors_left(0):
        assert outcome(sock.dup) == (OSError, errno.EMFILE)


@pytest.mark.thread_unsafe(reason="RLIMIT_NOFILE is the process's")
@pytest.mark.parametrize("name", ["accept", "accept4", "try_accept", "accept_many"])
def test_accept_without_a_descriptor_left_is_emfile_and_the_connection_stays_queued(
    name: str, loopback: str
) -> None:
    with (
        tcp(loopback).listener() as listener,
        epollkit.connect(listener.getsockname(), MUST_ARRIVE) as client,
    ):
        must_be_readable(listener)
        with descriptors_left(0):
            assert outcome(getattr(listener, name)) == (OSError, errno.EMFILE)
        server, address = listener.accept()
        server.close()
        assert address == client.getsockname()


@pytest.mark.thread_unsafe(reason="RLIMIT_NOFILE is the process's")
def test_accept_many_gives_what_it_got_and_the_error_next_time(loopback: str) -> None:
    with (
        tcp(loopback).listener() as listener,
        epollkit.connect(listener.getsockname(), MUST_ARRIVE) as first,
        epollkit.connect(listener.getsockname(), MUST_ARRIVE),
    ):
        with descriptors_left(1):
            ((server, address),) = listener.accept_many()
            assert outcome(listener.accept_many) == (OSError, errno.EMFILE)
        assert address == first.getsockname()
        ((other, _),) = listener.accept_many()
        server.close()
        other.close()


@pytest.mark.thread_unsafe(reason="RLIMIT_NOFILE is the process's")
def test_connect_many_goes_on_when_descriptors_return(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        address = listener.getsockname()
        with epollkit.connect_many([address] * 2, concurrency=1) as many:
            with descriptors_left(0):
                assert next(many).error.errno == errno.EMFILE
            result = next(many)
            assert result.error is None
            result.socket.close()


# A connection that breaks


READS: dict[str, Callable[[Socket], object]] = {
    "recv": lambda s: s.recv(1),
    "try_recv": lambda s: s.try_recv(1),
    "recv_into": lambda s: s.recv_into(bytearray(1)),
    "try_recv_into": lambda s: s.try_recv_into(bytearray(1)),
    "drain": lambda s: s.drain(),
}
WRITES: dict[str, Callable[[Socket], object]] = {
    "send": lambda s: s.send(b"x"),
    "try_send": lambda s: s.try_send(b"x"),
    "sendall": lambda s: s.sendall(b"x"),
}


@pytest.mark.parametrize("timeout", [0.0, None, MUST_ARRIVE])
@pytest.mark.parametrize("name", READS)
def test_reading_from_a_reset_connection_is_econnreset_once(
    name: str, timeout: float | None, loopback: str
) -> None:
    with tcp(loopback).pair() as (client, server):
        client.settimeout(timeout)
        reset(server)
        must_be_readable(client)
        assert outcome(partial(READS[name], client)) == (
            ConnectionResetError,
            errno.ECONNRESET,
        )
        assert client.recv(1) == b""


@pytest.mark.parametrize("name", WRITES)
def test_writing_to_a_reset_connection_is_econnreset_then_epipe(name: str, loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        reset(server)
        must_be_readable(client)
        write = partial(WRITES[name], client)
        assert outcome(write) == (ConnectionResetError, errno.ECONNRESET)
        assert outcome(write) == (BrokenPipeError, errno.EPIPE)


@pytest.mark.parametrize("name", WRITES)
def test_writing_after_the_own_end_is_epipe(name: str, loopback: str) -> None:
    with tcp(loopback).pair() as (client, _):
        client.shutdown(SHUT_WR)
        assert outcome(partial(WRITES[name], client)) == (BrokenPipeError, errno.EPIPE)


@pytest.mark.parametrize("name", [*READS, *WRITES, "getpeername", "shutdown"])
def test_a_socket_that_was_never_connected_says_so(name: str) -> None:
    calls = (
        READS
        | WRITES
        | {
            "getpeername": lambda s: s.getpeername(),
            "shutdown": lambda s: s.shutdown(SHUT_WR),
        }
    )
    expected = {
        "send": (BrokenPipeError, errno.EPIPE),
        "try_send": (BrokenPipeError, errno.EPIPE),
        "sendall": (BrokenPipeError, errno.EPIPE),
    }
    with Socket() as sock:
        assert outcome(partial(calls[name], sock)) == expected.get(name, (OSError, errno.ENOTCONN))


# Naming a place


def test_binding_names_the_address(loopback: str) -> None:
    with tcp(loopback).listener() as listener, Socket() as other:
        address = listener.getsockname()
        with pytest.raises(OSError, match="Address already in use") as caught:
            other.bind(address)
        assert caught.value.errno == errno.EADDRINUSE
        assert caught.value.__notes__ == [f"bind {address[0]}:{address[1]}"]


def test_binding_elsewhere_is_eaddrnotavail() -> None:
    with Socket() as sock:
        assert outcome(lambda: sock.bind(("240.0.0.1", 0))) == (OSError, errno.EADDRNOTAVAIL)


def test_binding_twice_is_einval(loopback: str) -> None:
    with tcp(loopback).bound() as sock:
        assert outcome(lambda: sock.bind((loopback, 0))) == (OSError, errno.EINVAL)


def test_connecting_again_is_answered_as_in_the_stdlib(loopback: str) -> None:
    def ask(sock: Socket | socket.socket, address: Address) -> list[int]:
        with sock:
            sock.settimeout(MUST_ARRIVE)
            return [sock.connect_ex(address) for _ in range(3)]

    with tcp(loopback).listener() as listener:
        address = listener.getsockname()
        # The kernel takes the second call as the question how the first one ended.
        expected = [0, 0, errno.EISCONN]
        assert ask(socket.socket(), address) == expected
        assert ask(Socket(), address) == expected
