"""Servers by selectors and socketserver, and other processes, with our sockets.

multiprocessing: a forked child has a `Socket` as it is. A spawned one gets the descriptor: from
`DupFd` as an argument of the process, from `to_stdlib`, whose class multiprocessing can send, by
`send_handle` once it runs, or from a reducer of the user's own. By itself a `Socket` is refused.
"""

import errno
import os
import selectors
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

import epollkit
from program_support import (
    Stream,
    both_libraries,
    dial,
    listen,
    running,
    socket_class,
)
from support import MUST_ARRIVE

PAYLOAD = os.urandom(1 << 20)


def exchange(sock: Any, payload: bytes) -> bytes:  # noqa: ANN401 - of either library
    """Send all, end our side, and read to the other's end."""

    def send() -> None:
        sock.sendall(payload)
        sock.shutdown(socket.SHUT_WR)

    with running(send):
        received = b""
        while piece := sock.recv(65536):
            received += piece
        return received


# The echo server of the selectors module's documentation


class EchoServer:
    """The documentation's, which also stops."""

    def __init__(self, selector: selectors.BaseSelector, listener: Stream) -> None:
        self.selector = selector
        self.served = 0
        selector.register(listener, selectors.EVENT_READ, self.accept)

    def accept(self, sock: Stream, _mask: int) -> None:
        connection, _ = sock.accept()
        connection.setblocking(False)
        self.selector.register(connection, selectors.EVENT_READ, self.read)

    def read(self, connection: Stream, _mask: int) -> None:
        data = connection.recv(1000)
        if data:
            connection.send(data)  # hope that it will not block, as the documentation has it
        else:
            self.selector.unregister(connection)
            connection.close()
            self.served += 1

    def serve(self, count: int) -> None:
        while self.served < count:
            events = self.selector.select(MUST_ARRIVE)
            assert events
            for key, mask in events:
                key.data(key.fileobj, mask)


@pytest.mark.parametrize(
    "selector", [selectors.DefaultSelector, epollkit.EpollSelector], ids=["theirs", "ours"]
)
@both_libraries
def test_the_documentations_echo_server(
    library: ModuleType, selector: Callable[[], selectors.BaseSelector], loopback: str
) -> None:
    with listen(library, loopback) as listener, selector() as watching:
        listener.setblocking(False)
        server = EchoServer(watching, listener)
        address = listener.getsockname()
        with running(server.serve, 20):
            clients = [dial(library, address) for _ in range(20)]
            for number, client in enumerate(clients):
                client.sendall(b"%d" % number)
            for number, client in enumerate(clients):
                with client:
                    assert client.recv(100) == b"%d" % number
        assert len(watching.get_map()) == 1  # the listener


# socketserver


class Echo(socketserver.StreamRequestHandler):
    timeout = MUST_ARRIVE  # without one, what a listener of ours accepted would not wait

    def handle(self) -> None:
        self.wfile.write(self.rfile.read())


class WaitsForEver(socketserver.BaseServer):
    """What it accepts is in blocking mode, as what the stdlib's listeners accept: handlers need no
    time-out then."""

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        connection.settimeout(None)
        return connection, address


class EchoWithoutTimeout(Echo):
    timeout = None


class Threading(socketserver.ThreadingMixIn):
    daemon_threads = False  # they are joined

    def handle_error(self, *_: object) -> None:
        raise  # noqa: PLE0704 - called while an exception is handled; the thread shows it


class ThreadingServer(Threading, socketserver.TCPServer):
    pass


class ThreadingServerThatWaits(Threading, WaitsForEver, socketserver.TCPServer):
    pass


class ThreadingUnixServer(Threading, socketserver.UnixStreamServer):
    pass


@contextmanager
def served(
    server_class: Callable[..., Any],
    listener: Any,  # noqa: ANN401 - of either library
    handler: type[socketserver.BaseRequestHandler],
) -> Generator[Any]:
    """The address of a server on this listener; all its threads have ended at the end."""
    server = server_class(listener.getsockname(), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    with server, running(server.serve_forever, 0.005):
        try:
            yield listener.getsockname()
        finally:
            server.shutdown()


@both_libraries
@pytest.mark.parametrize("server_class", [socketserver.TCPServer, ThreadingServer])
def test_a_tcp_server_echoes(
    library: ModuleType, server_class: type[socketserver.TCPServer], loopback: str
) -> None:
    with served(server_class, listen(library, loopback), Echo) as address:
        for payload in (b"", b"hello", PAYLOAD):
            with dial(library, address) as client:
                assert exchange(client, payload) == payload


@both_libraries
def test_a_handler_without_a_timeout_needs_sockets_that_wait(
    library: ModuleType, loopback: str
) -> None:
    with (
        served(ThreadingServerThatWaits, listen(library, loopback), EchoWithoutTimeout) as address,
        dial(library, address) as client,
    ):
        assert exchange(client, PAYLOAD) == PAYLOAD


@both_libraries
def test_one_request_is_waited_for_as_the_listener_has_it(
    library: ModuleType, loopback: str
) -> None:
    class Server(socketserver.TCPServer):
        timed_out = 0

        def handle_timeout(self) -> None:
            self.timed_out += 1

    with listen(library, loopback) as listener:
        server = Server(listener.getsockname(), Echo, bind_and_activate=False)
        server.socket.close()
        server.socket = listener
        listener.setblocking(False)
        server.handle_request()
        assert server.timed_out == 1
        listener.settimeout(MUST_ARRIVE)
        with running(server.handle_request), dial(library, listener.getsockname()) as client:
            assert exchange(client, b"hello") == b"hello"
        assert server.timed_out == 1


@both_libraries
def test_many_clients_at_once_have_a_thread_each(library: ModuleType, loopback: str) -> None:
    together = threading.Barrier(5)

    class Together(Echo):
        def handle(self) -> None:
            together.wait(MUST_ARRIVE)  # passes only if five handlers run at once
            super().handle()

    with served(ThreadingServer, listen(library, loopback), Together) as address:
        clients = [dial(library, address) for _ in range(5)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
            client.shutdown(socket.SHUT_WR)
        for number, client in enumerate(clients):
            with client:
                assert client.recv(10) == b"%d" % number


@both_libraries
def test_a_unix_server_echoes(library: ModuleType, tmp_path: Path) -> None:
    class_ = socket_class(library)
    path = str(tmp_path / f"echo-{threading.get_ident()}")
    with class_(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(MUST_ARRIVE)
        with (
            served(ThreadingUnixServer, listener, Echo) as address,
            class_(socket.AF_UNIX) as client,
        ):
            client.settimeout(MUST_ARRIVE)
            client.connect(address)
            assert exchange(client, PAYLOAD) == PAYLOAD


@both_libraries
def test_a_udp_server_answers(library: ModuleType, loopback: str) -> None:
    class Shout(socketserver.DatagramRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read().upper())

    class_ = socket_class(library)
    with (
        class_(type=socket.SOCK_DGRAM) as sock,
        class_(type=socket.SOCK_DGRAM) as client,
    ):
        sock.bind((loopback, 0))
        client.settimeout(MUST_ARRIVE)
        client.bind((loopback, 0))
        with served(socketserver.UDPServer, sock, Shout) as address:
            for word in (b"one", b"", b"two"):
                client.sendto(word, address)
                assert client.recvfrom(100) == (word.upper(), address)


# Programs that this one starts: they see a descriptor, and whether it is in blocking mode

SHOUT = "import os; os.write(1, os.read(0, 100).upper())"


@both_libraries
def test_a_socket_in_blocking_mode_is_a_childs_pipe(library: ModuleType) -> None:
    """Its time-out is None. The other end, which is an open file of its own, may have one."""
    near, far = library.socketpair()
    with near, far:
        near.settimeout(MUST_ARRIVE)
        far.settimeout(None)
        command = [sys.executable, "-I", "-S", "-c", SHOUT]
        with subprocess.Popen(command, stdin=far, stdout=far.fileno()) as child:
            far.close()
            near.sendall(b"hello")
            assert near.recv(100) == b"HELLO"
            assert near.recv(100) == b""
            assert child.wait(MUST_ARRIVE) == 0


@both_libraries
@pytest.mark.parametrize("timeout", [0.0, MUST_ARRIVE])
def test_a_socket_in_another_mode_is_none(library: ModuleType, timeout: float) -> None:
    """The child is not told to wait, and few programs are ready for that."""
    near, far = library.socketpair()
    with near, far:
        far.settimeout(timeout)
        code = "import os\ntry: os.read(0, 1)\nexcept OSError as error: os._exit(error.errno)"
        command = [sys.executable, "-I", "-S", "-c", code]
        done = subprocess.run(command, stdin=far, timeout=MUST_ARRIVE, check=False)
        assert done.returncode == errno.EAGAIN


def test_a_childs_output_comes_through_a_file_object() -> None:
    near, far = epollkit.socketpair(timeout=None)
    with near, far, near.makefile("r", encoding="ascii") as lines:
        near.settimeout(MUST_ARRIVE)
        command = [sys.executable, "-I", "-S", "-c", "for n in range(1000): print(n)"]
        with subprocess.Popen(command, stdout=far) as child:
            far.close()
            assert [int(line) for line in lines] == list(range(1000))
            assert child.wait(MUST_ARRIVE) == 0


# multiprocessing. In programs of their own, as it keeps a process and descriptors of its own

PROGRAM = """
import multiprocessing
import sys
import epollkit
from multiprocessing.reduction import DupFd, ForkingPickler, recv_handle, send_handle

TIMEOUT = 5

def answer(sock):
    with sock:
        sock.settimeout(TIMEOUT)
        sock.sendall(sock.recv(100).upper())

def start(context, target, give, far):
    process = context.Process(target=target, args=(give(far),))
    process.start()
    return process

{way}

def run(method, give, target):
    near, far = epollkit.socketpair(timeout=TIMEOUT)
    with near:
        with far:
            process = start(multiprocessing.get_context(method), target, give, far)
        near.sendall(b"hello")
        print(near.recv(100), near.recv(100))
    process.join(TIMEOUT)
    print(process.exitcode)

if __name__ == "__main__":
    {main}
"""

WAYS = {
    "forked": ("", 'run("fork", lambda sock: sock, answer)'),
    "spawned, by DupFd": (
        """
        def rebuild(descriptor):
            answer(epollkit.Socket(fileno=descriptor.detach()))
        """,
        'run("spawn", lambda sock: DupFd(sock.fileno()), rebuild)',
    ),
    "spawned, by to_stdlib": (
        """
        def rebuild(sock):
            answer(epollkit.Socket.from_stdlib(sock))

        def start(context, target, give, far):
            with far.to_stdlib() as sock:
                process = context.Process(target=target, args=(sock,))
                process.start()
            return process
        """,
        'run("spawn", None, rebuild)',
    ),
    "spawned, by send_handle": (
        """
        def receive(connection):
            with connection:
                answer(epollkit.Socket(fileno=recv_handle(connection)))

        def start(context, target, give, far):
            ours, theirs = context.Pipe()
            with ours:
                with theirs:
                    process = context.Process(target=target, args=(theirs,))
                    process.start()
                send_handle(ours, far.fileno(), process.pid)
            return process
        """,
        'run("spawn", None, receive)',
    ),
    "spawned, by a reducer": (
        """
        def rebuild(descriptor, timeout):
            return epollkit.Socket(fileno=descriptor.detach(), timeout=timeout)

        def reduce(sock):
            return rebuild, (DupFd(sock.fileno()), sock.gettimeout())

        ForkingPickler.register(epollkit.Socket, reduce)
        """,
        'run("spawn", lambda sock: sock, answer)',
    ),
}


def run_program(path: Path, way: str, main: str) -> subprocess.CompletedProcess[str]:
    path.write_text(PROGRAM.format(way=dedent(way), main=main))
    command = [sys.executable, "-P", "-W", "error", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=15)


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_a_socket_is_given_to_another_process(name: str, tmp_path: Path) -> None:
    done = run_program(tmp_path / f"program_{threading.get_ident()}.py", *WAYS[name])
    assert (done.stderr, done.stdout) == ("", "b'HELLO' b''\n0\n")


@pytest.mark.slow
def test_a_socket_by_itself_is_refused_by_a_spawned_process(tmp_path: Path) -> None:
    main = 'run("spawn", lambda sock: sock, answer)'
    done = run_program(tmp_path / f"program_{threading.get_ident()}.py", "", main)
    assert done.returncode == 1
    assert "TypeError: cannot pickle 'epollkit.Socket' object" in done.stderr
