"""What the tests of whole programs share: both libraries, joined threads, a certificate."""

import socket
import ssl
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest

import epollkit
from support import MUST_ARRIVE

Stream: TypeAlias = socket.socket | epollkit.Socket

both_libraries = pytest.mark.parametrize("library", [socket, epollkit], ids=["stdlib", "epollkit"])
"""The same program twice: what holds for the standard library's sockets holds for ours."""

CERTIFICATE = Path(__file__).with_name("localhost.pem")
"""For the name "localhost", with its key; it signs itself. The file says how it was made."""


def socket_class(library: ModuleType) -> type[Any]:
    return socket.socket if library is socket else epollkit.Socket


def listen(library: ModuleType, host: str) -> Any:  # noqa: ANN401 - of either library
    """A listening socket; `accept` waits, but not for ever."""
    listener = library.create_server((host, 0))
    listener.settimeout(MUST_ARRIVE)
    return listener


def accept(listener: Stream) -> Any:  # noqa: ANN401 - of the listener's library
    """The next connection, whose calls wait, but not for ever."""
    connection, _ = listener.accept()
    connection.settimeout(MUST_ARRIVE)
    return connection


def dial(library: ModuleType, address: tuple[Any, ...]) -> Any:  # noqa: ANN401 - of either library
    """A connection, whose calls wait, but not for ever."""
    return library.create_connection(address, timeout=MUST_ARRIVE)


@contextmanager
def tcp_pair(library: ModuleType, host: str) -> Generator[tuple[Any, Any]]:
    """(client, server), connected over TCP; calls wait, but not for ever."""
    with (
        listen(library, host) as listener,
        dial(library, listener.getsockname()) as client,
        accept(listener) as server,
    ):
        yield client, server


@contextmanager
def running(function: Callable[..., Any], *arguments: object) -> Iterator[Future[Any]]:
    """The function on a thread of its own, which must end; what it raises is raised here."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(function, *arguments)
        yield future
        future.result(MUST_ARRIVE)


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def client_context() -> ssl.SSLContext:
    """Trusts that certificate and no other."""
    return ssl.create_default_context(cafile=CERTIFICATE)
