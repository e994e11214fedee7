"""TLS over our sockets: `wrap_socket`, which takes the descriptor over, and memory BIOs."""

import os
import select
import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

import pytest

import epollkit
from endpoints import is_ready
from epollkit import EPOLLIN, EPOLLOUT
from program_support import (
    accept,
    both_libraries,
    client_context,
    dial,
    listen,
    running,
    server_context,
    tcp_pair,
)
from support import MUST_ARRIVE, wait_until

PAYLOAD = os.urandom(1 << 20)


def wrap_client(sock: Any, **options: bool) -> ssl.SSLSocket:  # noqa: ANN401 - of either library
    return client_context().wrap_socket(sock, server_hostname="localhost", **options)


def wrap_server(sock: Any, **options: bool) -> ssl.SSLSocket:  # noqa: ANN401 - of either library
    return server_context().wrap_socket(sock, server_side=True, **options)


@contextmanager
def tls_pair(library: ModuleType, host: str) -> Generator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    """(client, server) after a handshake on two threads."""
    with (
        tcp_pair(library, host) as (client, server),
        running(wrap_server, server) as wrapping,
        wrap_client(client) as near,
        wrapping.result(MUST_ARRIVE) as far,
    ):
        yield near, far


@both_libraries
def test_a_handshake_that_waits_gives_a_connection(library: ModuleType, loopback: str) -> None:
    with tls_pair(library, loopback) as (client, server):
        assert client.version() == server.version() == "TLSv1.3"
        assert client.getpeercert()["subjectAltName"] == (("DNS", "localhost"),)
        assert client.getsockname() == server.getpeername()
        with running(client.sendall, PAYLOAD):
            received = b""
            while len(received) < len(PAYLOAD):
                received += server.recv(65536)
        assert received == PAYLOAD


@both_libraries
def test_wrapping_moves_the_descriptor_and_its_timeout(library: ModuleType, loopback: str) -> None:
    with tcp_pair(library, loopback) as (plain, _):
        number, timeout = plain.fileno(), plain.gettimeout()
        with wrap_client(plain, do_handshake_on_connect=False) as wrapped:
            assert (wrapped.fileno(), wrapped.gettimeout()) == (number, timeout)
            assert plain.fileno() == -1
            plain.close()  # has nothing to close any more
            assert os.fstat(number)


def test_a_socket_of_ours_says_that_it_gave_its_descriptor_away(loopback: str) -> None:
    with (
        tcp_pair(epollkit, loopback) as (plain, _),
        wrap_client(plain, do_handshake_on_connect=False),
    ):
        assert plain.closed
        with pytest.raises(OSError, match="Bad file descriptor"):
            plain.send(b"in the clear")


@both_libraries
def test_a_certificate_for_another_name_is_refused(library: ModuleType, loopback: str) -> None:
    def serve(sock: Any) -> None:  # noqa: ANN401 - of either library
        # The client's alert comes behind the server's own half of a TLS 1.3 handshake.
        with pytest.raises(ssl.SSLError, match=r"(?i)alert"), wrap_server(sock) as server:
            server.recv(1)

    with tcp_pair(library, loopback) as (client, server), running(serve, server):
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            client_context().wrap_socket(client, server_hostname="elsewhere")
        assert client.fileno() == -1


@both_libraries
def test_a_listener_of_tls_accepts(library: ModuleType, loopback: str) -> None:
    with wrap_server(listen(library, loopback)) as listener:

        def answer() -> None:
            with accept(listener) as connection:
                connection.sendall(connection.recv(100).upper())

        address = listener.getsockname()
        with running(answer), wrap_client(dial(library, address)) as client:
            client.sendall(b"hello")
            assert client.recv(100) == b"HELLO"
            assert client.recv(100) == b""


@both_libraries
def test_a_handshake_has_the_sockets_timeout(library: ModuleType, loopback: str) -> None:
    with tcp_pair(library, loopback) as (client, _):
        client.settimeout(0.02)
        with pytest.raises(TimeoutError, match="handshake operation timed out"):
            wrap_client(client)


@both_libraries
def test_a_peer_that_leaves_ends_the_handshake(library: ModuleType, loopback: str) -> None:
    with tcp_pair(library, loopback) as (client, server):
        server.shutdown(socket.SHUT_WR)
        with pytest.raises(ssl.SSLEOFError):
            wrap_client(client)


def take_turns(*calls: tuple[ssl.SSLSocket, Callable[[], object]]) -> list[str]:
    """Run calls on sockets that do not wait, each again when epoll says that it can go on."""
    wanted = {ssl.SSLWantReadError: EPOLLIN, ssl.SSLWantWriteError: EPOLLOUT}
    seen = []
    with epollkit.Epoll() as epoll:
        for sock, call in calls:
            epoll.register(sock, EPOLLOUT, data=(sock, call))
        unfinished = len(calls)
        while unfinished:
            events = epoll.wait(MUST_ARRIVE)
            assert events
            for event in events:
                sock, call = event.data
                try:
                    call()
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                    seen.append(type(error).__name__)
                    epoll.modify(sock, wanted[type(error)])
                else:
                    epoll.unregister(sock)
                    unfinished -= 1
    return seen


@both_libraries
def test_a_handshake_without_waiting_is_driven_by_epoll(library: ModuleType, loopback: str) -> None:
    with tcp_pair(library, loopback) as ends:
        for end in ends:
            end.setblocking(False)
        with (
            wrap_client(ends[0], do_handshake_on_connect=False) as client,
            wrap_server(ends[1], do_handshake_on_connect=False) as server,
        ):
            seen = take_turns((client, client.do_handshake), (server, server.do_handshake))
            assert "SSLWantReadError" in seen
            assert client.version() == server.version() == "TLSv1.3"
            take_turns((client, lambda: client.send(b"hello")))
            received = []
            take_turns((server, lambda: received.append(server.recv(100))))
            assert received == [b"hello"]


@both_libraries
def test_a_nonblocking_socket_has_no_handshake_at_once(library: ModuleType, loopback: str) -> None:
    with tcp_pair(library, loopback) as (client, _):
        client.setblocking(False)
        with pytest.raises(ValueError, match="should not be specified for non-blocking sockets"):
            wrap_client(client)
        assert client.fileno() == -1


@both_libraries
def test_reading_where_there_is_nothing_wants_to_read(library: ModuleType, loopback: str) -> None:
    with tls_pair(library, loopback) as (client, server):
        server.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            server.recv(1)
        client.sendall(b"x")
        must_have_plaintext(server)
        assert server.recv(1) == b"x"


def must_have_plaintext(sock: ssl.SSLSocket) -> None:
    assert is_ready(sock, select.POLLIN, MUST_ARRIVE)


@both_libraries
def test_unwrapping_gives_the_plain_connection_back(library: ModuleType, loopback: str) -> None:
    with (
        tls_pair(library, loopback) as (client, server),
        running(server.unwrap) as unwrapping,
    ):
        plain = client.unwrap()
        assert plain is client
        assert unwrapping.result(MUST_ARRIVE) is server
        plain.sendall(b"in the clear")
        assert server.recv(100) == b"in the clear"


def test_the_descriptor_comes_back_to_a_socket_of_ours(loopback: str) -> None:
    with (
        tls_pair(epollkit, loopback) as (client, server),
        running(server.unwrap) as unwrapping,
    ):
        client.unwrap()
        unwrapping.result(MUST_ARRIVE)
        timeout = client.gettimeout()
        with epollkit.Socket(fileno=client.detach(), timeout=timeout) as plain:
            plain.send(b"in the clear")
            assert server.recv(100) == b"in the clear"


# Memory BIOs: the sockets stay ours, and so do their try_ calls


class Tls:
    """One end: bytes between a socket of ours and an SSLObject, without waiting."""

    def __init__(self, sock: epollkit.Socket, context: ssl.SSLContext, *, server: bool) -> None:
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server else "localhost"
        self.object = context.wrap_bio(self._incoming, self._outgoing, server, name)

    def attempt(self, call: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        """Make the call as far as the bytes go; None where it needs more of them."""
        with suppress(ssl.SSLWantReadError):
            result = call(*arguments)
            self._flush()
            return result
        self._flush()
        match self._sock.try_recv(65536):
            case None:
                pass
            case b"":
                self._incoming.write_eof()
            case data:
                self._incoming.write(data)
        return None

    def _flush(self) -> None:
        data = self._outgoing.read()
        assert not data or self._sock.try_send(data) == len(data)  # a handshake is small


def alternate(*calls: Callable[[], object]) -> list[Any]:
    """Attempt both sides' calls until each has given something."""
    results: dict[int, object] = {}

    def all_have() -> bool:
        for number, call in enumerate(calls):
            if number not in results and (result := call()) is not None:
                results[number] = result
        return len(results) == len(calls)

    wait_until(all_have)
    return [results[number] for number in range(len(calls))]


def test_a_memory_bio_is_fed_by_calls_that_do_not_wait(loopback: str) -> None:
    def handshake(end: Tls) -> bool:
        end.object.do_handshake()
        return True

    with tcp_pair(epollkit, loopback) as ends:
        client = Tls(ends[0], client_context(), server=False)
        server = Tls(ends[1], server_context(), server=True)
        alternate(
            lambda: client.attempt(handshake, client), lambda: server.attempt(handshake, server)
        )
        assert client.object.version() == server.object.version() == "TLSv1.3"
        sent, received = alternate(
            lambda: client.attempt(client.object.write, b"hello"),
            lambda: server.attempt(server.object.read, 100),
        )
        assert (sent, received) == (5, b"hello")
        ends[0].shutdown(socket.SHUT_WR)
        with pytest.raises(ssl.SSLEOFError):  # the end came without TLS's own goodbye
            alternate(lambda: server.attempt(server.object.read, 100))
