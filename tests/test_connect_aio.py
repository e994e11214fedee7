import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from socket import SO_KEEPALIVE, SOL_SOCKET
from time import monotonic
from typing import Any, TypeVar

import pytest

from endpoints import FAMILIES, Address, Place, full_listener, notes, outcome, refusing, tcp
from epollkit import Socket, connect
from epollkit.aio import connect as aio_connect
from support import MUST_ARRIVE

T = TypeVar("T")


def watching(base: type) -> type:
    """An event loop class that tells which descriptors it is asked to watch for writing."""

    class Watching(base):
        def __init__(self) -> None:
            super().__init__()
            self.watched: set[int] = set()
            self.watches = asyncio.Event()

        def add_writer(
            self, fd: int, callback: Callable[..., object], *arguments: object
        ) -> object:
            self.watched.add(fd)
            self.watches.set()
            return super().add_writer(fd, callback, *arguments)

        def remove_writer(self, fd: int) -> bool:
            self.watched.discard(fd)
            return super().remove_writer(fd)

    return Watching


@pytest.fixture(scope="module", autouse=True)
def uvloop_started() -> None:
    """What uvloop keeps for the life of the process, a pipe and four threads, is there already."""
    try:
        import uvloop  # noqa: PLC0415 - may be missing
    except ImportError:
        return

    async def start_the_resolvers() -> None:
        await asyncio.get_running_loop().getaddrinfo("localhost", 1)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(start_the_resolvers())


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[object, object, T]], T]:
    """Runs a coroutine on a new event loop of each kind; no loop watches anything afterwards."""
    base: type = asyncio.SelectorEventLoop
    if request.param == "uvloop":
        base = pytest.importorskip("uvloop").Loop

    def run_on_a_new_loop(coroutine: Coroutine[object, object, T]) -> T:
        with asyncio.Runner(loop_factory=watching(base)) as runner:
            result = runner.run(coroutine)
            assert runner.get_loop().watched == set()
            return result

    return run_on_a_new_loop


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_connection_is_awaited(
    kind: str, run: Callable[..., Any], loopback: str, tmp_path: Path
) -> None:
    with (
        Place(kind, loopback, tmp_path).listener() as listener,
        run(aio_connect(listener.getsockname(), MUST_ARRIVE)) as client,
    ):
        assert type(client) is Socket
        assert client.getpeername() == listener.getsockname()
        assert client.gettimeout() == 0.0


@pytest.mark.parametrize("timeout", [None, MUST_ARRIVE, 10**9])
def test_the_timeout_may_be_none_or_long(
    timeout: float | None, run: Callable[..., Any], loopback: str
) -> None:
    with tcp(loopback).listener() as listener:
        run(aio_connect(listener.getsockname(), timeout)).close()


def test_a_host_name_is_resolved(run: Callable[..., Any], loopback: str) -> None:
    del loopback
    with Socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with run(aio_connect(("localhost", port), MUST_ARRIVE)) as client:
            assert client.getpeername() == ("127.0.0.1", port)


def test_refused_is_refused(run: Callable[..., Any], loopback: str) -> None:
    with refusing(loopback) as address:
        with pytest.raises(ConnectionRefusedError) as caught:
            run(aio_connect(address, MUST_ARRIVE))
        assert caught.value.errno == errno.ECONNREFUSED
        assert notes(caught.value) == f"connect {address[0]}:{address[1]}"


def test_a_full_unix_backlog_is_eagain(
    run: Callable[..., Any], loopback: str, tmp_path: Path
) -> None:
    with (
        Place("unix", loopback, tmp_path).listener(0) as listener,
        connect(listener.getsockname(), MUST_ARRIVE),
    ):
        again = outcome(lambda: run(aio_connect(listener.getsockname(), MUST_ARRIVE)))
        assert again == (BlockingIOError, errno.EAGAIN)


def test_out_of_time_is_etimedout(run: Callable[..., Any], loopback: str) -> None:
    with full_listener(loopback) as address:
        started = monotonic()
        with pytest.raises(TimeoutError) as caught:
            run(aio_connect(address, 0.1))
        assert monotonic() - started >= 0.1
        assert caught.value.errno == errno.ETIMEDOUT
        assert str(address[1]) in notes(caught.value)


@pytest.mark.slow
def test_a_connection_that_takes_its_time_is_awaited(
    run: Callable[..., Any], loopback: str
) -> None:
    # The first SYN finds the queue full; when it is sent again, after 1 s, there is room.
    async def connect_and_make_room() -> Socket:
        loop = asyncio.get_running_loop()
        attempt = asyncio.create_task(aio_connect(address, MUST_ARRIVE))
        await loop.watches.wait()
        listener.accept()[0].close()
        return await attempt

    with tcp(loopback).listener(0) as listener:
        address = listener.getsockname()
        with connect(address, MUST_ARRIVE), run(connect_and_make_room()) as client:
            assert client.getpeername() == address


def test_cancelling_leaves_nothing_behind(run: Callable[..., Any], loopback: str) -> None:
    async def cancel_when_it_waits(address: Address) -> bool:
        loop = asyncio.get_running_loop()
        attempt = asyncio.create_task(aio_connect(address))
        await loop.watches.wait()
        assert len(loop.watched) == 1
        attempt.cancel("no longer wanted")
        with pytest.raises(asyncio.CancelledError):
            await attempt
        assert loop.watched == set()
        return attempt.cancelled()

    with full_listener(loopback) as address:
        assert run(cancel_when_it_waits(address))


def test_cancelling_before_it_begins_does_nothing(run: Callable[..., Any], loopback: str) -> None:
    async def cancel_at_once(address: Address) -> bool:
        attempt = asyncio.create_task(aio_connect(address))
        attempt.cancel()
        await asyncio.wait([attempt])
        return attempt.cancelled()

    with tcp(loopback).listener() as listener:
        assert run(cancel_at_once(listener.getsockname()))
        assert listener.try_accept() is None


def test_anothers_timeout_around_it_stays_anothers(run: Callable[..., Any], loopback: str) -> None:
    async def with_a_timeout_outside(address: Address) -> None:
        async with asyncio.timeout(0.05):
            await aio_connect(address, MUST_ARRIVE)

    with full_listener(loopback) as address:
        with pytest.raises(TimeoutError) as caught:
            run(with_a_timeout_outside(address))
        assert caught.value.errno is None


def test_many_are_awaited_at_once(run: Callable[..., Any], loopback: str) -> None:
    async def connect_all(addresses: list[Any]) -> list[Any]:
        attempts = [aio_connect(address, MUST_ARRIVE) for address in addresses]
        return await asyncio.gather(*attempts, return_exceptions=True)

    with refusing(loopback) as bad, tcp(loopback).listener() as listener:
        results = run(connect_all([bad, listener.getsockname()] * 20))
    for refused, client in zip(results[::2], results[1::2], strict=True):
        assert type(refused) is ConnectionRefusedError
        client.close()


def test_source_address_and_options_are_set_before(run: Callable[..., Any], loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        options = ((SOL_SOCKET, SO_KEEPALIVE, value) for value in [1])
        attempt = aio_connect(
            listener.getsockname(), MUST_ARRIVE, source_address=(loopback, 0), options=options
        )
        with run(attempt) as client:
            assert client.getsockname()[0] == loopback
            assert client.getsockopt(SOL_SOCKET, SO_KEEPALIVE) == 1


def test_the_socket_works_with_the_loops_own_calls(run: Callable[..., Any], loopback: str) -> None:
    async def echo_once(listener: Socket) -> tuple[bytes, bytes]:
        loop = asyncio.get_running_loop()
        with await aio_connect(listener.getsockname(), MUST_ARRIVE) as client:
            server, _ = await loop.sock_accept(listener)
            with server:
                receiving = asyncio.create_task(loop.sock_recv(server, 100))
                await loop.sock_sendall(client, b"ping")
                there = await receiving
                room = bytearray(4)
                receiving = asyncio.create_task(loop.sock_recv_into(client, room))
                await loop.sock_sendall(server, there)
                await receiving
                return there, bytes(room)

    with tcp(loopback).listener() as listener:
        assert run(echo_once(listener)) == (b"ping", b"ping")


MALFORMED = [
    ((), {}),
    (("127.0.0.1",), {}),
    (("127.0.0.1", 1, 0, 0, 0), {}),
    (("127.0.0.1", 70_000), {}),
    (("127.0.0.1", -1), {}),
    (("127.0.0.1", "1"), {}),
    (("127.0.0.1", None), {}),
    ((None, 1), {}),
    ((5, 1), {}),
    (("a\0b", 1), {}),
    (["127.0.0.1", 1], {}),
    (None, {}),
    (5, {}),
    ("x" * 200, {}),
    (("127.0.0.1", 1), {"timeout": -1}),
    (("127.0.0.1", 1), {"timeout": "1"}),
    (("127.0.0.1", 1), {"timeout": float("nan")}),
    (("127.0.0.1", 1), {"options": 5}),
    (("127.0.0.1", 1), {"options": [(1, 2)]}),
    (("127.0.0.1", 1), {"source_address": 5}),
    (("127.0.0.1", 1), {"source_address": ("127.0.0.1",)}),
]


@pytest.mark.parametrize(("address", "settings"), MALFORMED, ids=repr)
def test_what_connect_refuses_is_refused_alike(
    address: Address, settings: dict[str, Any], run: Callable[..., Any]
) -> None:
    expected = outcome(lambda: connect(address, **settings))
    assert outcome(lambda: run(aio_connect(address, **settings))) == expected


def test_the_empty_host_is_this_one_as_for_connect(run: Callable[..., Any]) -> None:
    with Socket() as listener:
        listener.bind(("", 0))
        listener.listen()
        address = ("", listener.getsockname()[1])
        connect(address, MUST_ARRIVE).close()
        run(aio_connect(address, MUST_ARRIVE)).close()


def test_the_resolvers_error_is_gaierror() -> None:
    # On asyncio's loop alone: uvloop's own getaddrinfo says OSError, EINVAL to this name.
    expected = (socket.gaierror, socket.EAI_NONAME)
    call = aio_connect(("fe80::1%nosuchif", 1), MUST_ARRIVE)
    assert outcome(lambda: asyncio.run(call)) == expected
