"""asyncio given our sockets, on a loop over our selector and on uvloop's: as with the stdlib's.

uvloop takes any socket object, but keeps open, and detaches in the end, those of the class
`socket.socket` alone: one of ours must stay open while a transport or a reader has it, and its
number is closed twice. For anyone's sockets it lacks `sock_sendfile`, `sock_sendto` and
`sock_recvfrom`.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SO_TYPE, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET
from types import ModuleType
from typing import Any

import pytest
import uvloop

import epollkit
from endpoints import refusing, reset
from program_support import (
    Stream,
    both_libraries,
    client_context,
    dial,
    listen,
    server_context,
    socket_class,
    tcp_pair,
)
from support import MUST_ARRIVE

PAYLOAD = os.urandom(1 << 20)


@dataclass(frozen=True)
class World:
    """A loop, and the library whose sockets it is given."""

    name: str
    library: ModuleType
    new_loop: Callable[[], asyncio.AbstractEventLoop]

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
        """Run on such a loop; fail if it takes too long."""

        async def in_time() -> Any:  # noqa: ANN401
            async with asyncio.timeout(MUST_ARRIVE):
                return await main

        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(in_time())

    @contextmanager
    def pair(self, host: str) -> Generator[tuple[Any, Any]]:
        """(client, server), connected and non-blocking."""
        with tcp_pair(self.library, host) as ends:
            for end in ends:
                end.setblocking(False)
            yield ends

    def listener(self, host: str) -> Any:  # noqa: ANN401 - of either library
        listener = listen(self.library, host)
        listener.setblocking(False)
        return listener

    def datagram(self, host: str) -> Any:  # noqa: ANN401 - of either library
        sock = socket_class(self.library)(type=SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((host, 0))
        return sock


def on_our_selector() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(epollkit.EpollSelector())


STDLIB = World("stdlib", socket, asyncio.SelectorEventLoop)
EPOLLKIT = World("epollkit", epollkit, on_our_selector)
UVLOOP = World("uvloop", epollkit, uvloop.new_event_loop)

closed_twice = pytest.mark.thread_unsafe(
    reason="uvloop closes the number again, which another thread may have by then"
)


def in_worlds(*worlds: Any) -> pytest.MarkDecorator:  # noqa: ANN401 - worlds and params of them
    return pytest.mark.parametrize("world", worlds, ids=lambda world: world.name)


on_asyncio = in_worlds(STDLIB, EPOLLKIT)
on_every_loop = in_worlds(STDLIB, EPOLLKIT, UVLOOP)
where_transports_close_it = in_worlds(STDLIB, EPOLLKIT, pytest.param(UVLOOP, marks=closed_twice))


@pytest.fixture(scope="module", autouse=True)
def uvloop_started() -> None:
    """What uvloop keeps for the life of the process, a pipe and four threads, is there already."""

    async def start_the_resolvers() -> None:
        await asyncio.get_running_loop().getaddrinfo("localhost", 1)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(start_the_resolvers())


# Sockets awaited directly


async def by_recv(sock: Stream, room: int) -> bytes:
    return await asyncio.get_running_loop().sock_recv(sock, room)


async def by_recv_into(sock: Stream, room: int) -> bytes:
    buffer = bytearray(room)
    count = await asyncio.get_running_loop().sock_recv_into(sock, buffer)
    return bytes(buffer[:count])


async def receive_all(
    sock: Stream,
    length: int = len(PAYLOAD),
    receive: Callable[[Stream, int], Coroutine[Any, Any, bytes]] = by_recv,
) -> bytes:
    received = bytearray()
    while len(received) < length:
        piece = await receive(sock, 65536)
        assert piece
        received += piece
    return bytes(received)


@on_every_loop
@pytest.mark.parametrize("receive", [by_recv, by_recv_into])
def test_a_megabyte_crosses(
    world: World, receive: Callable[[Stream, int], Coroutine[Any, Any, bytes]], loopback: str
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.pair(loopback) as (client, server):
            _, received = await asyncio.gather(
                loop.sock_sendall(client, PAYLOAD), receive_all(server, receive=receive)
            )
            assert received == PAYLOAD

    world.run(main())


@on_every_loop
def test_the_end_of_the_stream_is_no_bytes(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.pair(loopback) as (client, server):
            client.shutdown(socket.SHUT_WR)
            assert await loop.sock_recv(server, 10) == b""
            await loop.sock_sendall(server, b"still open")
            assert await loop.sock_recv(client, 100) == b"still open"

    world.run(main())


@on_every_loop
def test_an_accepted_connection_is_of_the_listeners_class(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.listener(loopback) as listener:
            accepting = asyncio.ensure_future(loop.sock_accept(listener))
            with dial(world.library, listener.getsockname()) as client:
                server, address = await accepting
                with server:
                    assert type(server) is socket_class(world.library)
                    assert server.gettimeout() == 0.0
                    assert address == client.getsockname()

    world.run(main())


@on_every_loop
def test_a_connection_is_awaited(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with (
            world.listener(loopback) as listener,
            socket_class(world.library)() as client,
        ):
            client.setblocking(False)
            await loop.sock_connect(client, listener.getsockname())
            assert client.getpeername() == listener.getsockname()

    world.run(main())


@on_every_loop
def test_a_refused_connection_says_so(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with refusing(loopback) as address, socket_class(world.library)() as client:
            client.setblocking(False)
            with pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(client, address)
            assert client.fileno() >= 0  # it stays the caller's

    world.run(main())


@on_asyncio
def test_datagrams_are_awaited(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.datagram(loopback) as near, world.datagram(loopback) as far:
            assert await loop.sock_sendto(near, b"one", far.getsockname()) == 3
            assert await loop.sock_recvfrom(far, 100) == (b"one", near.getsockname())
            waiting = asyncio.ensure_future(loop.sock_recvfrom_into(far, room := bytearray(100)))
            await loop.sock_sendto(near, b"two", far.getsockname())
            assert await waiting == (3, near.getsockname())
            assert room[:3] == b"two"

    world.run(main())


@on_asyncio
@pytest.mark.parametrize(("offset", "count"), [(0, None), (1000, 500_000)])
def test_a_file_is_sent_by_the_kernel(
    world: World, offset: int, count: int | None, loopback: str, tmp_path: Path
) -> None:
    expected = PAYLOAD[offset:][:count]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        path = tmp_path / "payload"
        path.write_bytes(PAYLOAD)
        with path.open("rb") as file, world.pair(loopback) as (client, server):
            sent, received = await asyncio.gather(
                loop.sock_sendfile(client, file, offset, count, fallback=False),
                receive_all(server, len(expected)),
            )
            assert (sent, file.tell()) == (len(expected), offset + len(expected))
            assert received == expected

    world.run(main())


@both_libraries
def test_what_uvloop_does_not_have_it_has_for_no_ones_sockets(
    library: ModuleType, loopback: str
) -> None:
    world = World("", library, uvloop.new_event_loop)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with (
            world.datagram(loopback) as sock,
            Path(__file__).open("rb") as file,  # noqa: ASYNC230 - nothing else runs here
        ):
            for call in (
                lambda: loop.sock_sendto(sock, b"", sock.getsockname()),
                lambda: loop.sock_recvfrom(sock, 1),
                lambda: loop.sock_recvfrom_into(sock, bytearray(1)),
                lambda: loop.sock_sendfile(sock, file),
            ):
                with pytest.raises(NotImplementedError):
                    await call()

    world.run(main())


@on_every_loop
def test_readers_and_writers_are_called(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.pair(loopback) as (client, server):
            received = loop.create_future()

            def write() -> None:
                loop.remove_writer(client)
                client.send(b"hello")

            def read() -> None:
                loop.remove_reader(server)
                received.set_result(server.recv(100))

            loop.add_writer(client, write)
            loop.add_reader(server, read)
            assert await received == b"hello"

    world.run(main())


# Cancellation


@on_every_loop
def test_a_cancelled_receive_leaves_the_socket_as_it_was(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.pair(loopback) as (client, server):
            receiving = asyncio.ensure_future(loop.sock_recv(server, 100))
            await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop: it waits now
            receiving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiving
            await loop.sock_sendall(client, b"for the next one")
            assert await loop.sock_recv(server, 100) == b"for the next one"

    world.run(main())


@on_every_loop
def test_a_cancelled_accept_leaves_the_connection_in_the_queue(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.listener(loopback) as listener:
            accepting = asyncio.ensure_future(loop.sock_accept(listener))
            await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop: it waits now
            accepting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await accepting
            with dial(world.library, listener.getsockname()) as client:
                server, address = await loop.sock_accept(listener)
                server.close()
                assert address == client.getsockname()

    world.run(main())


@on_every_loop
def test_a_cancelled_send_closes_nothing(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.pair(loopback) as (client, server):
            sending = asyncio.ensure_future(loop.sock_sendall(client, bytes(1 << 25)))
            assert await loop.sock_recv(server, 1) == b"\0"  # under way, and too much to end
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            client.shutdown(socket.SHUT_WR)
            received = 1
            while piece := await loop.sock_recv(server, 1 << 20):
                received += len(piece)
            assert 1 < received < 1 << 25

    world.run(main())


# Transports. A socket stays open until its transport is closed, so that is waited for


class Recorder(asyncio.Protocol):
    """Writes down what happens to it."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.received = bytearray()
        self.resumed = asyncio.get_running_loop().create_future()
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.received += data

    def pause_writing(self) -> None:
        self.happened.append("pause")

    def resume_writing(self) -> None:
        self.happened.append("resume")
        self.resumed.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


async def echo_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read until the client ends its side; answer then."""
    received = await reader.read()
    writer.write(received)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@where_transports_close_it
def test_streams_over_our_sockets_half_close(world: World, loopback: str) -> None:
    async def main() -> None:
        listener = world.listener(loopback)
        async with await asyncio.start_server(echo_at_the_end, sock=listener):
            client = dial(world.library, listener.getsockname())
            reader, writer = await asyncio.open_connection(sock=client)
            writer.write(PAYLOAD)
            writer.write_eof()
            assert await reader.read() == PAYLOAD
            writer.close()
            await writer.wait_closed()
        assert (client.fileno(), listener.fileno()) == (-1, -1)  # the loop has closed both

    world.run(main())


@where_transports_close_it
def test_a_transport_shows_its_socket(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with tcp_pair(world.library, loopback) as (client, server):
            transport, protocol = await loop.create_connection(Recorder, sock=client)
            shown = transport.get_extra_info("socket")
            assert (shown.fileno(), shown.family, shown.type) == (
                client.fileno(),
                client.family,
                SOCK_STREAM,
            )
            assert shown.getsockopt(SOL_SOCKET, SO_TYPE) == SOCK_STREAM
            assert shown.getsockname() == transport.get_extra_info("sockname")
            assert transport.get_extra_info("sockname") == server.getpeername()
            assert transport.get_extra_info("peername") == server.getsockname()
            transport.close()
            await protocol.lost

    world.run(main())


@where_transports_close_it
def test_a_socket_that_a_transport_has_is_refused_elsewhere(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.pair(loopback) as (client, _):
            transport, protocol = await loop.create_connection(Recorder, sock=client)
            with pytest.raises(RuntimeError, match="is used by transport"):
                loop.add_reader(client, print)
            with pytest.raises(RuntimeError, match="is used by transport"):
                await loop.sock_recv(client, 1)
            transport.close()
            await protocol.lost

    world.run(main())


@where_transports_close_it
def test_writing_pauses_while_the_peer_does_not_read(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        payload = PAYLOAD * 24  # more than the kernel's buffers hold
        with world.pair(loopback) as (client, server):
            transport, protocol = await loop.create_connection(Recorder, sock=client)
            transport.write(payload)
            assert protocol.happened == ["pause"]
            assert transport.get_write_buffer_size() > 0
            received = await receive_all(server, len(payload))
            await protocol.resumed
            assert protocol.happened == ["pause", "resume"]
            assert transport.get_write_buffer_size() == 0
            transport.close()
            assert await protocol.lost is None
        assert received == payload

    world.run(main())


@where_transports_close_it
def test_reading_pauses_and_goes_on(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.pair(loopback) as (client, server):
            transport, protocol = await loop.create_connection(Recorder, sock=client)
            transport.pause_reading()
            assert not transport.is_reading()
            await loop.sock_sendall(server, b"now")
            server.shutdown(socket.SHUT_WR)
            # Another connection's bytes come after these, and through the same loop.
            with world.pair(loopback) as (one, other):
                await loop.sock_sendall(one, b"sentinel")
                assert await loop.sock_recv(other, 100) == b"sentinel"
            assert not protocol.received
            transport.resume_reading()
            assert await protocol.lost is None
            assert protocol.received == b"now"

    world.run(main())


@where_transports_close_it
def test_a_reset_is_a_connection_reset_error(world: World, loopback: str) -> None:
    async def main() -> None:
        with world.pair(loopback) as (client, server):
            reader, writer = await asyncio.open_connection(sock=client)
            reset(server)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            with pytest.raises(ConnectionResetError):
                await writer.wait_closed()

    world.run(main())


@where_transports_close_it
def test_a_cancelled_reader_leaves_the_connection_open(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.pair(loopback) as (client, server):
            reader, writer = await asyncio.open_connection(sock=client)
            reading = asyncio.ensure_future(reader.readexactly(5))
            await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop: it waits now
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await loop.sock_sendall(server, b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            await writer.wait_closed()

    world.run(main())


@where_transports_close_it
def test_a_connection_accepted_elsewhere_becomes_a_transport(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.pair(loopback) as (client, server):
            transport, protocol = await loop.connect_accepted_socket(Recorder, server)
            await loop.sock_sendall(client, b"hello")
            client.shutdown(socket.SHUT_WR)
            assert await protocol.lost is None
            assert protocol.received == b"hello"
            assert transport.is_closing()

    world.run(main())


@where_transports_close_it
def test_a_unix_pair_carries_streams(world: World) -> None:
    async def main() -> None:
        near, far = world.library.socketpair()
        assert near.family == AF_UNIX
        (_, writer), (reader, other) = await asyncio.gather(
            asyncio.open_unix_connection(sock=near), asyncio.open_unix_connection(sock=far)
        )
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b"hello"
        for each in (writer, other):
            each.close()
            await each.wait_closed()

    world.run(main())


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.first = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.first.set_result((data, addr))


@where_transports_close_it
def test_datagram_endpoints_over_our_sockets_answer(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        endpoints = [
            await loop.create_datagram_endpoint(Datagrams, sock=world.datagram(loopback))
            for _ in range(2)
        ]
        (near, near_protocol), (far, far_protocol) = endpoints
        near.sendto(b"ask", far.get_extra_info("sockname"))
        data, address = await far_protocol.first
        assert (data, address) == (b"ask", near.get_extra_info("sockname"))
        far.sendto(b"answer", address)
        assert await near_protocol.first == (b"answer", far.get_extra_info("sockname"))
        for transport in (near, far):
            transport.close()

    world.run(main())


@on_asyncio
def test_a_file_is_sent_through_a_transport(world: World, loopback: str, tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        path = tmp_path / "payload"
        path.write_bytes(PAYLOAD)
        with path.open("rb") as file, world.pair(loopback) as (client, server):
            transport, protocol = await loop.create_connection(Recorder, sock=client)
            sent, received = await asyncio.gather(
                loop.sendfile(transport, file, fallback=False), receive_all(server)
            )
            assert (sent, received) == (len(PAYLOAD), PAYLOAD)
            transport.close()
            await protocol.lost

    world.run(main())


class Watched(epollkit.Socket):
    """Knows whether its descriptor was open when it was closed."""

    was_open: bool

    def close(self) -> None:
        with suppress(OSError):
            self.was_open = False
            os.fstat(self.fileno())
            self.was_open = True
        super().close()


@pytest.mark.parametrize(
    ("world", "was_open"),
    [(EPOLLKIT, True), pytest.param(UVLOOP, False, marks=closed_twice)],
    ids=["epollkit", "uvloop"],
)
def test_uvloop_closes_a_descriptor_before_its_socket(
    world: World, loopback: str, *, was_open: bool
) -> None:
    """And the number again with the socket, unless it is a `socket.socket`, which it detaches."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with tcp_pair(world.library, loopback) as (client, _):
            watched = Watched(fileno=client.detach())
            transport, protocol = await loop.create_connection(Recorder, sock=watched)
            transport.close()
            await protocol.lost
            assert watched.closed
            assert watched.was_open is was_open

    world.run(main())


def test_uvloop_detaches_a_socket_that_was_made_the_stdlibs(loopback: str) -> None:
    """So this is how to give uvloop's transports a socket of ours in a program with threads."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with tcp_pair(epollkit, loopback) as (client, server):
            server.setblocking(False)
            theirs = client.to_stdlib()
            theirs.setblocking(False)
            transport, protocol = await loop.create_connection(Recorder, sock=theirs)
            transport.write(b"hello")
            assert await loop.sock_recv(server, 100) == b"hello"
            transport.close()
            await protocol.lost
            assert theirs.fileno() == -1

    UVLOOP.run(main())


# TLS


@where_transports_close_it
def test_tls_streams_over_our_sockets(world: World, loopback: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(len(PAYLOAD)))
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        listener = world.listener(loopback)
        async with await asyncio.start_server(answer, sock=listener, ssl=server_context()):
            reader, writer = await asyncio.open_connection(
                sock=dial(world.library, listener.getsockname()),
                ssl=client_context(),
                server_hostname="localhost",
            )
            assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
            writer.write(PAYLOAD)
            assert await reader.read() == PAYLOAD
            writer.close()
            await writer.wait_closed()

    world.run(main())


@where_transports_close_it
def test_a_plain_connection_of_ours_is_upgraded(world: World, loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with world.pair(loopback) as (client, server):
            near, near_protocol = await loop.create_connection(Recorder, sock=client)
            far, far_protocol = await loop.connect_accepted_socket(Recorder, server)
            near_tls, far_tls = await asyncio.gather(
                loop.start_tls(near, near_protocol, client_context(), server_hostname="localhost"),
                loop.start_tls(far, far_protocol, server_context(), server_side=True),
            )
            near_tls.write(PAYLOAD)
            near_tls.close()
            assert await far_protocol.lost is None
            await near_protocol.lost
            assert far_protocol.received == PAYLOAD
            assert isinstance(far_tls.get_extra_info("ssl_object"), ssl.SSLObject)

    world.run(main())
