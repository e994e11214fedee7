"""`epollkit.stdlib`: what a program that was written for the standard library finds there.

That its classes behave as the standard library's is what tests/cpython shows; here is what is
epollkit's own: which class comes out, with which time-out, and what `patch` reaches and puts back.
"""

import asyncio
import gc
import http.client
import http.server
import io
import multiprocessing.reduction
import os
import select
import selectors
import socket
import ssl
import threading
import warnings
from collections.abc import Generator
from contextlib import ExitStack, closing
from unittest import mock

import pytest

import epollkit
from epollkit import stdlib

REAL_SOCKET = socket.socket
MODULES = (socket, select, selectors)
patches_the_process = pytest.mark.thread_unsafe(reason="replaces the modules of the process")


@pytest.fixture
def listener(loopback: str) -> Generator[stdlib.socket]:
    with stdlib.socket() as listening:
        listening.bind((loopback, 0))
        listening.listen()
        yield listening


def test_a_new_socket_waits_for_ever() -> None:
    with stdlib.socket() as sock:
        assert sock.gettimeout() is None
        assert sock.getblocking()


def test_sock_nonblock_in_the_type_means_a_time_out_of_zero() -> None:
    with stdlib.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
        assert sock.gettimeout() == 0.0
        assert sock.type == socket.SOCK_STREAM


@pytest.mark.thread_unsafe(reason="the default time-out belongs to the process")
def test_the_default_time_out_is_read_when_a_socket_is_made() -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(2.5)
    try:
        with ExitStack() as stack:
            sock = stack.enter_context(stdlib.socket())
            pair = [stack.enter_context(each) for each in stdlib.socketpair()]
            twin = stack.enter_context(stdlib.fromfd(sock.fileno(), sock.family, sock.type))
            assert [each.gettimeout() for each in (sock, *pair, twin)] == [2.5] * 4
            kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
            with stdlib.socket(type=kind) as never:
                assert never.gettimeout() == 0.0
    finally:
        socket.setdefaulttimeout(before)


class Derived(stdlib.socket):
    """A program's own class."""


def test_what_a_derived_class_accepts_is_a_plain_socket(loopback: str) -> None:
    with Derived() as listening, stdlib.socket() as client:
        listening.bind((loopback, 0))
        listening.listen()
        client.connect(listening.getsockname())
        accepted, address = listening.accept()
        with accepted:
            assert type(accepted) is stdlib.socket
            assert address == client.getsockname()


def test_what_a_derived_class_duplicates_is_of_its_class_and_time_out() -> None:
    with Derived() as sock:
        sock.settimeout(1.5)
        with sock.dup() as twin:
            assert type(twin) is Derived
            assert twin.gettimeout() == 1.5
            assert twin.fileno() != sock.fileno()


@pytest.mark.parametrize("timeout", [None, 4.0])
def test_an_accepted_socket_has_the_default_time_out_not_the_listeners(
    listener: stdlib.socket, timeout: float | None
) -> None:
    listener.settimeout(timeout)
    with stdlib.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
        assert accepted.gettimeout() is None


def test_the_functions_give_the_class_of_this_module(listener: stdlib.socket) -> None:
    address = listener.getsockname()
    with ExitStack() as stack:
        made = [
            *stdlib.socketpair(),
            stdlib.fromfd(listener.fileno(), listener.family, listener.type),
            stdlib.create_connection(address),
            stdlib.create_server((address[0], 0)),
        ]
        for each in made:
            stack.enter_context(each)
        assert [type(each) for each in made] == [stdlib.socket] * len(made)
        assert [each.gettimeout() for each in made] == [None] * len(made)


def test_a_socket_pair_takes_sock_nonblock() -> None:
    near, far = stdlib.socketpair(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    with near, far:
        assert (near.gettimeout(), far.gettimeout()) == (0.0, 0.0)


def test_create_connection_keeps_its_time_out_on_the_socket(listener: stdlib.socket) -> None:
    with stdlib.create_connection(listener.getsockname(), 3.0) as sock:
        assert sock.gettimeout() == 3.0


def test_create_connection_knows_the_stdlibs_word_for_no_time_out(
    listener: stdlib.socket,
) -> None:
    # http.client passes it on.
    default = socket._GLOBAL_DEFAULT_TIMEOUT  # noqa: SLF001
    with stdlib.create_connection(listener.getsockname(), default) as sock:
        assert sock.gettimeout() is None


def test_create_connection_raises_the_last_error_or_all_of_them(loopback: str) -> None:
    with stdlib.socket() as bound:  # and not listening
        bound.bind((loopback, 0))
        with pytest.raises(ConnectionRefusedError):
            stdlib.create_connection(bound.getsockname())
        with pytest.raises(ExceptionGroup) as caught:
            stdlib.create_connection(bound.getsockname(), all_errors=True)
    assert [type(error) for error in caught.value.exceptions] == [ConnectionRefusedError]


def test_a_bad_time_out_leaves_no_socket_behind(listener: stdlib.socket) -> None:
    with pytest.raises(ValueError, match="out of range"):
        stdlib.create_connection(listener.getsockname(), -1.0)


def test_fromfd_leaves_the_descriptors_blocking_mode_alone() -> None:
    with REAL_SOCKET() as theirs:
        theirs.setblocking(False)
        with stdlib.fromfd(theirs.fileno(), theirs.family, theirs.type):
            assert not os.get_blocking(theirs.fileno())


def test_isinstance_takes_the_stdlibs_sockets_for_ours() -> None:
    with REAL_SOCKET() as theirs, stdlib.socket() as ours:
        assert isinstance(theirs, stdlib.socket)
        assert isinstance(ours, stdlib.SocketType)
    assert issubclass(ssl.SSLSocket, stdlib.socket)
    assert not issubclass(epollkit.Socket, stdlib.socket)


def test_the_repr_is_the_stdlibs_but_for_the_module(listener: stdlib.socket) -> None:
    with stdlib.create_connection(listener.getsockname()) as sock:
        ours = repr(sock)
        with REAL_SOCKET(sock.family, sock.type, sock.proto, sock.detach()) as theirs:
            assert ours == repr(theirs).replace("<socket.", "<epollkit.stdlib.")
    assert repr(sock).startswith("<epollkit.stdlib.socket [closed] fd=-1, ")


def test_a_forgotten_socket_is_closed_with_the_stdlibs_warning() -> None:
    sock = stdlib.socket()
    number, shown = sock.fileno(), repr(sock)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del sock
        gc.collect()
    assert [str(warning.message) for warning in caught] == [f"unclosed {shown}"]
    assert caught[0].category is ResourceWarning
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("AF_INET", socket),
        ("gaierror", socket),
        ("htons", socket),
        ("timeout", socket),
        ("EPOLLIN", select),
        ("POLLIN", select),
        ("EVENT_READ", selectors),
        ("SelectSelector", selectors),
    ],
)
def test_every_other_name_is_the_stdlibs(name: str, module: object) -> None:
    assert getattr(stdlib, name) is getattr(module, name)


def test_a_name_that_is_nowhere_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'epollkit\.stdlib' has no attribute 'sockte'"):
        _ = stdlib.sockte


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_there_is_a_name_for_every_public_one_of_the_stdlibs(module: object) -> None:
    public = getattr(module, "__all__", [name for name in vars(module) if name[0] != "_"])
    assert [name for name in public if not hasattr(stdlib, name)] == []


@patches_the_process
def test_a_patch_puts_every_class_in_place_and_undoing_it_puts_all_back() -> None:
    before = [dict(vars(module)) for module in MODULES]
    classes = (selectors.EpollSelector, selectors.PollSelector, selectors.SelectSelector)
    inside = [dict(vars(each)) for each in classes]
    with stdlib.patch():
        assert socket.socket is socket.SocketType is stdlib.socket
        assert select.epoll is epollkit.Epoll
        assert select.poll is epollkit.Poll
        assert select.select is epollkit.select
        assert selectors.DefaultSelector is selectors.EpollSelector is epollkit.EpollSelector
    assert [dict(vars(module)) for module in MODULES] == before
    assert [dict(vars(each)) for each in classes] == inside


@patches_the_process
def test_a_second_patch_and_its_end_change_nothing() -> None:
    with stdlib.patch() as first:
        with stdlib.patch() as second:
            assert repr(second) == "<epollkit.stdlib.Patch of nothing>"
            assert "socket.socket" in repr(first)
        assert socket.socket is stdlib.socket
    assert socket.socket is REAL_SOCKET
    first.undo()
    assert socket.socket is REAL_SOCKET


@patches_the_process
def test_undoing_a_patch_leaves_what_somebody_else_has_put_there_since() -> None:
    patched = stdlib.patch()
    with mock.patch.object(socket, "socket", "theirs"):
        patched.undo()
        assert socket.socket == "theirs"
        assert select.epoll is not epollkit.Epoll
    assert socket.socket is stdlib.socket  # what mock has found, mock has put back
    socket.socket = REAL_SOCKET


@patches_the_process
def test_the_stdlibs_functions_make_our_sockets_while_patched(loopback: str) -> None:
    with stdlib.patch(), ExitStack() as stack:
        server = stack.enter_context(socket.create_server((loopback, 0)))
        made = [
            server,
            *socket.socketpair(),
            socket.create_connection(server.getsockname()),
            socket.fromfd(server.fileno(), server.family, server.type),
        ]
        for each in made[1:]:
            stack.enter_context(each)
        assert [type(each) for each in made] == [stdlib.socket] * len(made)


@patches_the_process
def test_a_mock_in_the_place_of_the_class_reaches_the_stdlibs_functions() -> None:
    with (
        stdlib.patch(),
        mock.patch("socket.socket", side_effect=TimeoutError("mocked")),
        pytest.raises(TimeoutError, match="mocked"),
    ):
        socket.create_connection(("127.0.0.1", 9))


@patches_the_process
@pytest.mark.parametrize("name", ["EpollSelector", "PollSelector", "SelectSelector"])
def test_a_selector_class_that_is_known_by_name_works_while_patched(name: str) -> None:
    selector_class = getattr(selectors, name)
    with stdlib.patch(), selector_class() as selector:
        near, far = socket.socketpair()
        with near, far:
            selector.register(near, selectors.EVENT_READ, "data")
            assert selector.select(0) == []
            far.send(b"x")
            [(key, events)] = selector.select(0)
            assert (key.fileobj, key.data, events) == (near, "data", selectors.EVENT_READ)


@patches_the_process
def test_multiprocessing_knows_how_to_send_our_sockets() -> None:
    with stdlib.patch():
        table = multiprocessing.reduction.ForkingPickler(io.BytesIO()).dispatch_table
        assert {stdlib.socket, REAL_SOCKET} <= set(table)


@patches_the_process
def test_asyncio_runs_on_it(loopback: str) -> None:
    async def echo_once() -> bytes:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(5))
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(serve, loopback, 0) as server:
            host, port = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"hello")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            return answer

    with stdlib.patch(), asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert isinstance(runner.get_loop()._selector, epollkit.EpollSelector)  # noqa: SLF001
        assert runner.run(echo_once()) == b"hello"


class Quiet(http.server.BaseHTTPRequestHandler):
    """Answers with the path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_arguments: object) -> None:
        pass


@patches_the_process
def test_http_runs_on_it(loopback: str) -> None:
    with stdlib.patch(), http.server.HTTPServer((loopback, 0), Quiet) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        try:
            with closing(http.client.HTTPConnection(*server.server_address)) as connection:
                connection.request("GET", "/path")
                assert type(connection.sock) is stdlib.socket
                assert connection.getresponse().read() == b"/path"
        finally:
            thread.join()


@patches_the_process
def test_tls_takes_the_descriptor_over() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with stdlib.patch():
        near, far = socket.socketpair()
        number = near.fileno()
        with (
            far,
            context.wrap_socket(
                near, server_hostname="peer", do_handshake_on_connect=False
            ) as wrapped,
        ):
            assert near.closed
            assert wrapped.fileno() == number
            assert isinstance(wrapped, socket.socket)
