import contextlib
import errno
import fcntl
import gc
import os
import re
import shutil
import socket
import sys
import warnings
import weakref
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

import epollkit
from endpoints import Place, is_ready, must_be_readable, outcome, python, tcp
from epollkit import Socket
from support import MUST_ARRIVE

NEVER_OPEN = 2**30
"""A number beyond any RLIMIT_NOFILE: other threads cannot open it meanwhile."""

KINDS = [
    (socket.AF_INET, socket.SOCK_STREAM),
    (socket.AF_INET, socket.SOCK_DGRAM),
    (socket.AF_INET6, socket.SOCK_STREAM),
    (socket.AF_UNIX, socket.SOCK_STREAM),
    (socket.AF_UNIX, socket.SOCK_DGRAM),
    (socket.AF_UNIX, socket.SOCK_SEQPACKET),
]


def is_nonblocking(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)


def is_close_on_exec(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC)


@contextlib.contextmanager
def pipe() -> Generator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_a_new_socket_is_nonblocking_and_close_on_exec(family: int, kind: int) -> None:
    with Socket(family, kind) as sock:
        assert is_nonblocking(sock.fileno())
        assert is_close_on_exec(sock.fileno())
        assert sock.gettimeout() == 0.0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("made = epollkit.Socket()", ["socket"]),
        ("made = listener.accept()[0]", ["accept4"]),
        (
            "made = epollkit.Connecting(listener.getsockname())",
            ["getsockname", "socket", "connect"],
        ),
    ],
)
def test_both_flags_are_set_by_the_call_that_makes_the_socket(
    call: str, expected: list[str], tmp_path: Path
) -> None:
    code = f"""
import epollkit, os
listener = epollkit.Socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
client = epollkit.connect(listener.getsockname())
os.getpgid(0)
{call}
os.getpgid(0)
for sock in (made, listener, client): sock.close()
"""
    log = tmp_path / str(os.getpid())
    trace = "trace=%network,fcntl,ioctl,getpgid"
    done = python(code, before=("strace", "-qq", "-e", trace, "-o", str(log)))
    if "ptrace" in done.stderr.lower():
        pytest.skip("ptrace(2) is not permitted here")
    assert (done.returncode, done.stderr) == (0, "")
    lines = log.read_text().splitlines()
    first, last = (n for n, line in enumerate(lines) if line.startswith("getpgid"))
    between = lines[first + 1 : last]
    assert [line.partition("(")[0] for line in between] == expected
    makes = next(line for line in between if line.startswith(("socket", "accept4")))
    assert "SOCK_NONBLOCK" in makes
    assert "SOCK_CLOEXEC" in makes


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_family_type_and_proto_are_what_the_stdlib_says(family: int, kind: int) -> None:
    with Socket(family, kind) as sock, socket.socket(family, kind) as stdlib:
        assert sock.family is stdlib.family
        assert sock.type is stdlib.type
        assert sock.proto == stdlib.proto


def test_creation_flags_are_no_part_of_the_type() -> None:
    flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    with Socket(socket.AF_INET, socket.SOCK_STREAM | flags) as sock:
        assert sock.type is socket.SOCK_STREAM


def test_the_defaults_are_ipv4_tcp_and_never_waiting() -> None:
    with Socket() as sock:
        assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_STREAM, 0)
        assert (sock.timeout, sock.getblocking(), sock.closed) == (0.0, False, False)


@pytest.mark.parametrize("timeout", [None, 0.0, 1.5, 3])
def test_a_timeout_can_be_given_at_creation(timeout: float | None) -> None:
    with Socket(timeout=timeout) as sock:
        assert sock.gettimeout() == timeout
        assert is_nonblocking(sock.fileno()) is (timeout is not None)


@pytest.mark.parametrize(
    "arguments",
    [
        (12345,),
        (socket.AF_INET, 77),
        (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_UDP),
        (-7,),
        (2**40,),
        ("AF_INET",),
        (1.0,),
        (socket.AF_INET, None),
    ],
)
def test_what_the_kernel_or_the_stdlib_refuses_is_refused_alike(arguments: tuple) -> None:
    expected = outcome(lambda: socket.socket(*arguments))
    assert expected[0] is not socket.socket
    assert outcome(lambda: Socket(*arguments)) == expected


@pytest.mark.parametrize(("family", "kind"), KINDS)
def test_an_adopted_descriptor_is_asked_for_its_kind(family: int, kind: int) -> None:
    stdlib = socket.socket(family, kind)
    fd = stdlib.detach()
    with Socket(fileno=fd) as sock:
        assert sock.fileno() == fd
        assert (sock.family, sock.type) == (family, kind)
        with socket.socket(fileno=os.dup(fd)) as seen_by_stdlib:
            assert sock.proto == seen_by_stdlib.proto
        assert is_nonblocking(fd)


def test_given_values_win_over_the_kernels_at_adoption() -> None:
    fd = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).detach()
    with Socket(socket.AF_INET, socket.SOCK_DGRAM, 17, fileno=fd) as sock:
        assert (sock.family, sock.type, sock.proto) == (socket.AF_INET, socket.SOCK_DGRAM, 17)


def test_adopting_a_pipe_is_enotsock_and_leaves_it_open() -> None:
    with pipe() as (reader, writer):
        with pytest.raises(OSError, match="non-socket") as caught:
            Socket(fileno=reader)
        assert caught.value.errno == errno.ENOTSOCK
        os.write(writer, b"still open")
        assert os.read(reader, 100) == b"still open"


def test_a_refused_descriptor_keeps_its_flags() -> None:
    with pipe() as (reader, _):
        assert outcome(lambda: Socket(fileno=reader)) == (OSError, errno.ENOTSOCK)
        assert not is_nonblocking(reader)


@pytest.mark.parametrize("fd", [NEVER_OPEN, -1, -5, "3", 3.0, None.__class__])
def test_adopting_what_is_no_descriptor_is_refused_as_the_stdlib_refuses_it(fd: object) -> None:
    assert outcome(lambda: Socket(fileno=fd)) == outcome(lambda: socket.socket(fileno=fd))


def test_detach_gives_the_open_descriptor_away(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        fd = client.fileno()
        assert client.detach() == fd
        assert (client.fileno(), client.closed, client.detach()) == (-1, True, -1)
        assert outcome(lambda: client.send(b"x")) == (OSError, errno.EBADF)
        client.close()
        with Socket(fileno=fd) as again:
            again.send(b"alive")
            must_be_readable(server)
            assert server.recv(100) == b"alive"


def test_a_duplicate_shares_the_connection(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.settimeout(2.5)
        with client.dup() as duplicate:
            assert duplicate.fileno() != client.fileno()
            assert is_close_on_exec(duplicate.fileno())
            assert duplicate.gettimeout() == 2.5
            assert (duplicate.family, duplicate.type) == (client.family, client.type)
            assert duplicate.getpeername() == client.getpeername()
            client.close()
            duplicate.send(b"from the other descriptor")
            must_be_readable(server)
            assert server.recv(100) == b"from the other descriptor"
            assert server.try_recv(1) is None
        must_be_readable(server)
        assert server.recv(1) == b""


def test_shutdown_on_a_duplicate_ends_the_connection_for_both(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server), client.dup() as duplicate:
        duplicate.shutdown(socket.SHUT_WR)
        must_be_readable(server)
        assert server.recv(1) == b""
        assert outcome(lambda: client.send(b"x")) == (BrokenPipeError, errno.EPIPE)


def test_nonblocking_belongs_to_the_open_file_and_close_on_exec_to_the_descriptor() -> None:
    with Socket() as sock, sock.dup() as duplicate:
        fcntl.fcntl(duplicate.fileno(), fcntl.F_SETFD, 0)
        assert is_close_on_exec(sock.fileno())
        os.set_blocking(duplicate.fileno(), True)
        assert not is_nonblocking(sock.fileno())


def test_repr_tells_each_state(loopback: str) -> None:
    ip = re.escape(loopback)
    listener = tcp(loopback).bound()
    assert re.fullmatch(rf"<epollkit.Socket fd=\d+ AF_INET unconnected {ip}:\d+>", repr(listener))
    listener.listen()
    assert re.fullmatch(rf"<epollkit.Socket fd=\d+ AF_INET listening {ip}:\d+>", repr(listener))
    with epollkit.connect(listener.getsockname(), MUST_ARRIVE) as client:
        pattern = rf"<epollkit.Socket fd=\d+ AF_INET connected [\d.]+:\d+ -> {ip}:\d+>"
        assert re.fullmatch(pattern, repr(client))
    listener.close()
    assert repr(listener) == "<epollkit.Socket closed>"


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("inet6", r"<epollkit.Socket fd=\d+ AF_INET6 listening \[::1\]:\d+>"),
        ("unix", r"<epollkit.Socket fd=\d+ AF_UNIX listening unix:/.+>"),
        ("abstract", r"(?s)<epollkit.Socket fd=\d+ AF_UNIX listening unix:@epollkit-.+>"),
    ],
)
def test_repr_names_addresses_of_each_family(
    kind: str, pattern: str, loopback: str, tmp_path: Path
) -> None:
    with Place(kind, loopback, tmp_path).listener() as listener:
        assert re.fullmatch(pattern, repr(listener))


def test_leaving_with_closes(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        with client as entered:
            assert entered is client
        assert client.closed
        must_be_readable(server)
        assert server.recv(1) == b""


def test_closing_twice_does_nothing() -> None:
    sock = Socket()
    sock.close()
    sock.close()
    assert (sock.fileno(), sock.closed) == (-1, True)


CALLS: dict[str, Callable[[Socket], object]] = {
    "accept": lambda s: s.accept(),
    "bind": lambda s: s.bind(("127.0.0.1", 0)),
    "connect": lambda s: s.connect(("127.0.0.1", 1)),
    "dup": lambda s: s.dup(),
    "getpeername": lambda s: s.getpeername(),
    "getsockname": lambda s: s.getsockname(),
    "getsockopt": lambda s: s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE),
    "getsockopt bytes": lambda s: s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE, 4),
    "listen": lambda s: s.listen(),
    "recv": lambda s: s.recv(1),
    "recv_into": lambda s: s.recv_into(bytearray(1)),
    "send": lambda s: s.send(b"x"),
    "sendall": lambda s: s.sendall(b"x"),
    "sendall nothing": lambda s: s.sendall(b""),
    "setsockopt": lambda s: s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    "shutdown": lambda s: s.shutdown(socket.SHUT_RDWR),
}
ITS_OWN_CALLS: dict[str, Callable[[Socket], object]] = {
    "accept4": lambda s: s.accept4(),
    "accept_many": lambda s: s.accept_many(),
    "drain": lambda s: s.drain(),
    "error": lambda s: s.error(),
    "inq": lambda s: s.inq(),
    "outq": lambda s: s.outq(),
    "to_stdlib": lambda s: s.to_stdlib(),
    "try_accept": lambda s: s.try_accept(),
    "try_recv": lambda s: s.try_recv(1),
    "try_recv_into": lambda s: s.try_recv_into(bytearray(1)),
    "try_send": lambda s: s.try_send(b"x"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_after_close_gives_what_the_stdlib_gives(name: str) -> None:
    closed, stdlib = Socket(timeout=None), socket.socket()
    closed.close()
    stdlib.close()
    assert outcome(lambda: CALLS[name](stdlib)) == (OSError, errno.EBADF)
    assert outcome(lambda: CALLS[name](closed)) == (OSError, errno.EBADF)


@pytest.mark.parametrize("name", ITS_OWN_CALLS)
def test_a_call_of_its_own_after_close_is_ebadf(name: str) -> None:
    closed = Socket()
    closed.close()
    assert outcome(lambda: ITS_OWN_CALLS[name](closed)) == (OSError, errno.EBADF)


def test_connect_ex_after_close_returns_ebadf_as_in_the_stdlib() -> None:
    for made in (Socket(), socket.socket()):
        made.close()
        assert made.connect_ex(("127.0.0.1", 1)) == errno.EBADF


def test_what_needs_no_descriptor_still_answers_after_close() -> None:
    closed = Socket(timeout=1.0)
    closed.close()
    assert (closed.family, closed.type, closed.gettimeout()) == (
        socket.AF_INET,
        socket.SOCK_STREAM,
        1.0,
    )


def test_a_timeout_cannot_be_set_after_close_as_in_the_stdlib() -> None:
    for made in (Socket(), socket.socket()):
        made.close()
        assert outcome(lambda made=made: made.settimeout(2.0)) == (OSError, errno.EBADF)
        assert outcome(lambda made=made: made.setblocking(True)) == (OSError, errno.EBADF)


@pytest.mark.thread_unsafe(reason="warnings are the process's")
def test_an_unreachable_open_socket_warns_and_is_closed(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        leaked = epollkit.connect(listener.getsockname(), MUST_ARRIVE)
        must_be_readable(listener)
        server, _ = listener.accept()
        with pytest.warns(ResourceWarning, match=r"unclosed <epollkit.Socket fd=\d+ AF_INET conn"):
            del leaked
        with server:
            must_be_readable(server)
            assert server.recv(1) == b""


@pytest.mark.thread_unsafe(reason="warnings are the process's")
def test_a_leak_in_a_cycle_warns_when_it_is_collected() -> None:
    class Node(Socket):
        me: "Node"

    node = Node()
    node.me = node
    del node
    with pytest.warns(ResourceWarning, match="unclosed <epollkit.Socket"):
        gc.collect()


@pytest.mark.thread_unsafe(reason="warnings are the process's")
@pytest.mark.parametrize("end", [Socket.close, Socket.detach, lambda s: s.to_stdlib().close()])
def test_a_closed_or_detached_socket_does_not_warn(end: Callable[[Socket], object]) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        sock = Socket()
        fd = sock.fileno()
        end(sock)
        del sock
        gc.collect()
    assert seen == []
    if end is Socket.detach:
        os.close(fd)


@pytest.mark.slow
@pytest.mark.parametrize("warning", ["ignore", "always", "error"])
def test_a_leak_while_an_exception_flies_does_not_replace_it(warning: str) -> None:
    # The list's first item is freed while ZeroDivisionError is on its way. In a process of its
    # own: Python code that runs then, with the exception still set, may crash it.
    code = """
import epollkit
try:
    [epollkit.Socket(), 1 / 0]
except ZeroDivisionError:
    print("caught")
"""
    done = python(code, "-W", f"{warning}::ResourceWarning")
    assert (done.returncode, done.stdout) == (0, "caught\n"), done.stderr
    assert ("unclosed <epollkit.Socket" in done.stderr) is (warning != "ignore")


@pytest.mark.slow
def test_a_leak_is_reported_in_development_mode() -> None:
    done = python("import epollkit; epollkit.Socket()", "-X", "dev")
    assert done.returncode == 0
    assert "ResourceWarning: unclosed <epollkit.Socket fd=" in done.stderr


@pytest.mark.slow
def test_a_leak_where_warnings_are_errors_does_not_stop_the_program() -> None:
    code = "import epollkit; epollkit.Socket(); print('goes on')"
    done = python(code, "-W", "error::ResourceWarning")
    assert (done.returncode, done.stdout) == (0, "goes on\n")
    assert "ResourceWarning: unclosed <epollkit.Socket fd=" in done.stderr


@pytest.mark.slow
def test_a_socket_that_lives_until_the_interpreter_ends_does_not_crash_it() -> None:
    code = "import builtins, epollkit; builtins.kept = epollkit.Socket(); print('done')"
    done = python(code, "-X", "dev")
    assert (done.returncode, done.stdout) == (0, "done\n")


class Tagged(Socket):
    tag: str = "none"


def test_a_subclass_has_a_dict_and_the_calls() -> None:
    with Tagged(socket.AF_UNIX, timeout=1.0) as sock:
        sock.tag = "mine"
        assert isinstance(sock, Socket)
        assert (sock.tag, sock.family, sock.timeout) == ("mine", socket.AF_UNIX, 1.0)
    assert sock.closed


def test_a_subclass_may_have_an_init_of_its_own_as_in_the_stdlib() -> None:
    def make(base: type) -> object:
        class Named(base):
            def __init__(self, name: str, *, family: int) -> None:
                super().__init__(family, socket.SOCK_STREAM)
                self.name = name

        with Named("mine", family=socket.AF_UNIX) as made:
            return made.name, made.family

    assert make(socket.socket) == ("mine", socket.AF_UNIX)
    assert make(Socket) == ("mine", socket.AF_UNIX)


def test_a_weak_reference_ends_with_the_socket() -> None:
    with Socket() as sock:
        reference = weakref.ref(sock)
        assert reference() is sock
    del sock
    assert reference() is None


def test_a_plain_socket_takes_no_new_attributes_but_hashes_by_identity() -> None:
    with Socket() as one, Socket() as other:
        assert one != other
        assert len({one, other, one}) == 2
        with pytest.raises(AttributeError):
            one.timeout = 1.0


@pytest.mark.parametrize("timeout", [None, 0.0, 1.5])
def test_a_stdlib_socket_is_taken_over(timeout: float | None) -> None:
    left, right = socket.socketpair()
    with right:
        left.settimeout(timeout)
        fd = left.fileno()
        with Socket.from_stdlib(left) as sock:
            assert (left.fileno(), sock.fileno()) == (-1, fd)
            assert (sock.family, sock.type, sock.gettimeout()) == (
                socket.AF_UNIX,
                socket.SOCK_STREAM,
                timeout,
            )
            sock.send(b"x")
            assert right.recv(1) == b"x"


@pytest.mark.parametrize("timeout", [None, 0.0, 1.5])
def test_a_socket_is_given_to_the_stdlib(timeout: float | None) -> None:
    sock = Socket(timeout=timeout)
    fd = sock.fileno()
    with sock.to_stdlib() as stdlib:
        assert sock.closed
        assert type(stdlib) is socket.socket
        assert (stdlib.fileno(), stdlib.family, stdlib.gettimeout()) == (fd, sock.family, timeout)
        assert is_nonblocking(fd) is (timeout is not None)


def test_a_pending_error_goes_with_the_socket_to_the_stdlib(loopback: str) -> None:
    with tcp(loopback).bound() as silent:
        sock = Socket()
        assert sock.connect_ex(silent.getsockname()) == errno.EINPROGRESS
        assert is_ready(sock, 4, MUST_ARRIVE)
        with sock.to_stdlib() as stdlib:
            error = stdlib.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            assert error == errno.ECONNREFUSED


def test_only_an_open_stdlib_socket_is_taken_over() -> None:
    closed = socket.socket()
    closed.close()
    assert outcome(lambda: Socket.from_stdlib(closed)) == (OSError, errno.EBADF)
    with pipe() as (reader, _), open(reader, closefd=False) as file:
        with pytest.raises((TypeError, AttributeError)):
            Socket.from_stdlib(file)
        assert sys.getrefcount(file)
