"""http.client, urllib, http.server and xmlrpc over our sockets, and the same over the stdlib's.

`HTTPConnection.sock` may be set, and a connection class may have a `connect` of its own; a server
made with `bind_and_activate=False` may be given a `socket`. Nothing is patched. One thing is for
the user to do: what our listener accepts does not wait, so a handler needs a `timeout`.
"""

import http.client
import os
import ssl
import urllib.error
import urllib.request
import xmlrpc.client
import xmlrpc.server
from collections.abc import Generator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import IPPROTO_TCP, TCP_NODELAY
from types import ModuleType
from typing import Any

import pytest

import epollkit
from endpoints import refusing, reset
from program_support import (
    accept,
    both_libraries,
    client_context,
    dial,
    listen,
    running,
    server_context,
)
from support import MUST_ARRIVE

PAYLOAD = os.urandom(1 << 20)


class Handler(BaseHTTPRequestHandler):
    """GET gives the payload, in chunks where the path says so; POST gives what was sent back."""

    protocol_version = "HTTP/1.1"
    timeout = MUST_ARRIVE  # without one, what was accepted would not wait
    disable_nagle_algorithm = True  # or each response waits for an acknowledgement, 40 ms

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        chunks = [PAYLOAD[at : at + 10_000] for at in range(0, len(PAYLOAD), 10_000)]
        self.send_response(200)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in chunks:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(PAYLOAD)))
            self.end_headers()
            self.wfile.write(PAYLOAD)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server on a socket that it is given; close waits for its threads."""

    daemon_threads = False

    def __init__(self, listener: Any) -> None:  # noqa: ANN401 - of either library
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def handle_error(self, *_: object) -> None:
        raise  # noqa: PLE0704 - called while an exception is handled; the thread shows it


@contextmanager
def served(server: Any) -> Generator[tuple[str, int]]:  # noqa: ANN401 - each kind of server
    """The address of a server that runs on a thread, all of whose threads have ended at the end."""
    with server, running(server.serve_forever, 0.005):
        try:
            yield server.socket.getsockname()
        finally:
            server.shutdown()


@contextmanager
def http_served(library: ModuleType, host: str) -> Generator[tuple[str, int]]:
    with served(Server(listen(library, host))) as address:
        yield address


def http_to(library: ModuleType, address: tuple[str, int]) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(*address)
    connection.sock = dial(library, address)
    connection.sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # as HTTPConnection.connect does
    return connection


# Requests


@both_libraries
@pytest.mark.parametrize("path", ["/whole", "/chunked"])
def test_a_response_is_read(library: ModuleType, path: str, loopback: str) -> None:
    with (
        http_served(library, loopback) as address,
        closing(http_to(library, address)) as connection,
    ):
        connection.request("GET", path)
        response = connection.getresponse()
        assert (response.status, response.chunked) == (200, path == "/chunked")
        assert response.read() == PAYLOAD


@both_libraries
def test_a_connection_is_kept_alive(library: ModuleType, loopback: str) -> None:
    with (
        http_served(library, loopback) as address,
        closing(http_to(library, address)) as connection,
    ):
        where = connection.sock.getsockname()
        for number in range(10):
            body = b"%d " % number * 1000
            connection.request("POST", "/", body)
            assert connection.getresponse().read() == body
            assert connection.sock.getsockname() == where


@both_libraries
def test_a_body_is_uploaded_in_chunks(library: ModuleType, loopback: str) -> None:
    chunks = [PAYLOAD[at : at + 100_000] for at in range(0, len(PAYLOAD), 100_000)]

    def take() -> bytes:
        with accept(listener) as server, server.makefile("rb") as lines:
            received = b""
            while lines.readline() != b"\r\n":
                pass
            while size := int(lines.readline(), 16):
                received += lines.read(size)
                lines.readline()
            lines.readline()
            server.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            return received

    with (
        listen(library, loopback) as listener,
        running(take) as taking,
        closing(http_to(library, listener.getsockname())) as connection,
    ):
        connection.request("PUT", "/", iter(chunks), encode_chunked=True)
        assert connection.getresponse().status == 204
        assert taking.result(MUST_ARRIVE) == PAYLOAD


@both_libraries
def test_a_response_is_read_into_memory_of_the_callers(library: ModuleType, loopback: str) -> None:
    with (
        http_served(library, loopback) as address,
        closing(http_to(library, address)) as connection,
    ):
        connection.request("GET", "/whole")
        response = connection.getresponse()
        received, room = b"", bytearray(50_000)
        while count := response.readinto(room):
            received += room[:count]
        assert received == PAYLOAD


def answering(library: ModuleType, host: str, answer: bytes, *, then_reset: bool = False) -> Any:  # noqa: ANN401 - a context manager
    """The address of a server that reads one request, answers and leaves."""

    @contextmanager
    def scripted() -> Generator[tuple[str, int]]:
        def serve() -> None:
            with accept(listener) as server:
                request = b""
                while not request.endswith(b"\r\n\r\n"):
                    request += server.recv(65536)
                server.sendall(answer)
                if then_reset:
                    reset(server)

        with listen(library, host) as listener, running(serve):
            yield listener.getsockname()

    return scripted()


@both_libraries
def test_a_response_outlives_its_connection(library: ModuleType, loopback: str) -> None:
    """makefile's file keeps the socket open past `close`, as http.client counts on."""
    with (
        answering(library, loopback, b"HTTP/1.0 200 OK\r\n\r\nup to the end") as address,
        closing(http_to(library, address)) as connection,
    ):
        sock = connection.sock
        connection.request("GET", "/")
        response = connection.getresponse()
        assert connection.sock is None  # closed by now, since nothing can come after this response
        assert sock.fileno() >= 0
        assert response.read() == b"up to the end"
        assert sock.fileno() == -1


@both_libraries
def test_a_server_that_leaves_without_an_answer(library: ModuleType, loopback: str) -> None:
    with (
        answering(library, loopback, b"") as address,
        closing(http_to(library, address)) as connection,
    ):
        connection.request("GET", "/")
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()


@both_libraries
def test_a_server_that_leaves_in_the_middle(library: ModuleType, loopback: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it"
    with (
        answering(library, loopback, answer) as address,
        closing(http_to(library, address)) as connection,
    ):
        connection.request("GET", "/")
        with pytest.raises(http.client.IncompleteRead) as caught:
            connection.getresponse().read()
        assert (caught.value.partial, caught.value.expected) == (b"half of it", 90)


@both_libraries
def test_a_server_that_resets(library: ModuleType, loopback: str) -> None:
    with (
        answering(library, loopback, b"", then_reset=True) as address,
        closing(http_to(library, address)) as connection,
    ):
        connection.request("GET", "/")
        with pytest.raises(ConnectionResetError):
            connection.getresponse()


@both_libraries
def test_a_server_that_says_nothing_is_a_timeout(library: ModuleType, loopback: str) -> None:
    with (
        listen(library, loopback) as listener,
        closing(http_to(library, listener.getsockname())) as connection,
    ):
        connection.sock.settimeout(0.02)
        connection.request("GET", "/")
        with pytest.raises(TimeoutError, match=r"^timed out$"):
            connection.getresponse()


@both_libraries
def test_https_over_a_wrapped_connection(library: ModuleType, loopback: str) -> None:
    listener = server_context().wrap_socket(
        listen(library, loopback), server_side=True, do_handshake_on_connect=False
    )
    with (
        served(Server(listener)) as address,
        closing(http.client.HTTPSConnection("localhost", address[1])) as connection,
    ):
        connection.sock = client_context().wrap_socket(
            dial(library, address), server_hostname="localhost"
        )
        for path in ("/chunked", "/whole"):
            connection.request("GET", path)
            assert connection.getresponse().read() == PAYLOAD
        assert isinstance(connection.sock, ssl.SSLSocket)


# urllib


def opener_of(library: ModuleType) -> urllib.request.OpenerDirector:
    """Opens URLs through connections of the library's, and nothing else: no proxies either."""

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = library.create_connection((self.host, self.port), self.timeout)

    class SecureConnection(http.client.HTTPSConnection):
        def connect(self) -> None:
            sock = library.create_connection((self.host, self.port), self.timeout)
            self.sock = client_context().wrap_socket(sock, server_hostname="localhost")

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Connection, req)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(SecureConnection, req)

    return urllib.request.build_opener(urllib.request.ProxyHandler({}), Handler, SecureHandler)


def url(address: tuple[str, int], path: str, scheme: str = "http") -> str:
    return f"{scheme}://{address[0]}:{address[1]}{path}"


@both_libraries
@pytest.mark.parametrize("path", ["/whole", "/chunked"])
def test_a_url_is_opened(library: ModuleType, path: str, loopback: str) -> None:
    with (
        http_served(library, loopback) as address,
        opener_of(library).open(url(address, path), timeout=MUST_ARRIVE) as response,
    ):
        assert response.read() == PAYLOAD


@both_libraries
def test_a_secure_url_is_opened(library: ModuleType, loopback: str) -> None:
    listener = server_context().wrap_socket(listen(library, loopback), server_side=True)
    with (
        served(Server(listener)) as address,
        opener_of(library).open(url(address, "/", "https"), timeout=MUST_ARRIVE) as response,
    ):
        assert response.read() == PAYLOAD


@both_libraries
def test_a_form_is_posted(library: ModuleType, loopback: str) -> None:
    with (
        http_served(library, loopback) as address,
        opener_of(library).open(url(address, "/"), b"a=1&b=2", MUST_ARRIVE) as response,
    ):
        assert response.read() == b"a=1&b=2"


@both_libraries
def test_a_page_that_is_not_there_is_an_http_error(library: ModuleType, loopback: str) -> None:
    with http_served(library, loopback) as address:
        with pytest.raises(urllib.error.HTTPError) as caught:
            opener_of(library).open(url(address, "/missing"), timeout=MUST_ARRIVE)
        with caught.value as response:
            assert response.code == 404
            assert b"404" in response.read()


@both_libraries
def test_a_refused_url_is_a_url_error_with_its_reason(library: ModuleType, loopback: str) -> None:
    with refusing(loopback) as address, pytest.raises(urllib.error.URLError) as caught:
        opener_of(library).open(url(address, "/"), timeout=MUST_ARRIVE)
    assert type(caught.value.reason) is ConnectionRefusedError


# xmlrpc


class RequestHandler(xmlrpc.server.SimpleXMLRPCRequestHandler):
    timeout = MUST_ARRIVE  # without one, what was accepted would not wait


class Transport(xmlrpc.client.Transport):
    """Over connections of one library."""

    def __init__(self, library: ModuleType) -> None:
        super().__init__()
        self._library = library

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ANN401 - or a pair
        connection = super().make_connection(host)
        if connection.sock is None:
            connection.sock = dial(self._library, (connection.host, connection.port))
        return connection


@both_libraries
def test_remote_procedures_are_called(library: ModuleType, loopback: str) -> None:
    listener = listen(library, loopback)
    server = xmlrpc.server.SimpleXMLRPCServer(
        listener.getsockname(), RequestHandler, logRequests=False, bind_and_activate=False
    )
    server.socket.close()
    server.socket = listener
    server.register_function(pow, "pow")
    server.register_function(lambda binary: xmlrpc.client.Binary(binary.data[::-1]), "reverse")
    with (
        served(server) as address,
        xmlrpc.client.ServerProxy(url(address, "/"), transport=Transport(library)) as proxy,
    ):
        assert [proxy.pow(2, number) for number in range(5)] == [1, 2, 4, 8, 16]
        assert proxy.reverse(xmlrpc.client.Binary(PAYLOAD)).data == PAYLOAD[::-1]
        with pytest.raises(xmlrpc.client.Fault, match="not supported"):
            proxy.missing()


def test_a_server_on_a_listener_of_ours_answers_the_stdlibs_client(loopback: str) -> None:
    with http_served(epollkit, loopback) as address:
        connection = http.client.HTTPConnection(*address, timeout=MUST_ARRIVE)
        with closing(connection):
            connection.request("GET", "/chunked")
            assert connection.getresponse().read() == PAYLOAD
