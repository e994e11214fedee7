import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from endpoints import Address, outcome, python, tcp
from epollkit import Connecting, Socket, connect, connect_many

# Calls that are wrong in the same way for both; each gets a fresh socket.

ADDRESSES: list[Any] = [
    None,
    5,
    1.5,
    "127.0.0.1",
    b"127.0.0.1",
    ["127.0.0.1", 1],
    (),
    ("127.0.0.1",),
    ("127.0.0.1", 1, 2),
    ("127.0.0.1", 1, 2, 3),
    ("127.0.0.1", None),
    ("127.0.0.1", "1"),
    ("127.0.0.1", b"1"),
    ("127.0.0.1", 1.0),
    ("127.0.0.1", -1),
    ("127.0.0.1", 65536),
    ("127.0.0.1", 2**31),
    ("127.0.0.1", 2**70),
    (None, 1),
    (127, 1),
    (("127.0.0.1",), 1),
    ("a\0b", 1),
    (b"a\0b", 1),
    ("\ud800", 1),
    ("a" * 300, 1),
    ("é" * 300, 1),
    (memoryview(b"127.0.0.1"), 1),
    ("::1", 1),
]
IPV6_ADDRESSES: list[Any] = [
    None,
    "::1",
    ("::1",),
    ("::1", 1, 0, 0, 0),
    ("::1", "1"),
    ("::1", 65536),
    ("::1", 1, -1),
    ("::1", 1, 2**20),
    ("::1", 1, "0"),
    ("::1", 1, 0, "lo"),
    ("127.0.0.1", 1),
]
UNIX_ADDRESSES: list[Any] = [
    None,
    5,
    ("path",),
    ("127.0.0.1", 1),
    "x" * 108,
    b"x" * 200,
    "\0" + "x" * 108,
    ["x"],
    "\ud800" * 50,
]
WRONG = [
    *[(socket.AF_INET, address) for address in ADDRESSES],
    *[(socket.AF_INET6, address) for address in IPV6_ADDRESSES],
    *[(socket.AF_UNIX, address) for address in UNIX_ADDRESSES],
]


def described(value: object) -> str:
    text = f"view of {bytes(value[0])!r}" if is_view(value) else ascii(value)
    return text if len(text) < 40 else text[:37] + "..."


def is_view(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], memoryview)


def on_both(family: int, call: Callable[[Any], object]) -> tuple[object, object]:
    with Socket(family) as sock, socket.socket(family) as stdlib:
        stdlib.setblocking(False)
        return outcome(lambda: call(sock)), outcome(lambda: call(stdlib))


@pytest.mark.parametrize("method", ["bind", "connect", "connect_ex"])
@pytest.mark.parametrize(
    ("family", "address"),
    WRONG,
    ids=[f"{family.name} {described(address)}" for family, address in WRONG],
)
def test_a_wrong_address_raises_what_the_stdlib_raises(
    family: int, address: Address, method: str
) -> None:
    ours, theirs = on_both(family, lambda sock: getattr(sock, method)(address))
    assert ours == theirs
    assert theirs != (type(None), None)


CALLS: dict[str, Callable[[Any], object]] = {
    "recv a negative size": lambda s: s.recv(-1),
    "recv a str": lambda s: s.recv("1"),
    "recv a float": lambda s: s.recv(1.0),
    "recv None": lambda s: s.recv(None),
    "recv nothing": lambda s: s.recv(),
    "recv too much": lambda s: s.recv(1, 2, 3),
    "recv beyond ssize_t": lambda s: s.recv(2**63),
    "recv by keyword": lambda s: s.recv(nosuch=1),
    "recv with flags of no kind": lambda s: s.recv(1, "0"),
    "recv with flags beyond int": lambda s: s.recv(1, 2**40),
    "recv unconnected": lambda s: s.recv(1),
    "recv_into nothing": lambda s: s.recv_into(),
    "recv_into bytes": lambda s: s.recv_into(b"...."),
    "recv_into a str": lambda s: s.recv_into("...."),
    "recv_into a negative size": lambda s: s.recv_into(bytearray(4), -1),
    "recv_into a small buffer": lambda s: s.recv_into(bytearray(4), 5),
    "recv_into with a str for size": lambda s: s.recv_into(bytearray(4), "4"),
    "recv_into with a float for size": lambda s: s.recv_into(bytearray(4), 4.0),
    "recv_into with flags of no kind": lambda s: s.recv_into(bytearray(4), 0, None),
    "send a str": lambda s: s.send("text"),
    "send None": lambda s: s.send(None),
    "send an int": lambda s: s.send(4),
    "send nothing": lambda s: s.send(),
    "send with flags of no kind": lambda s: s.send(b"x", "0"),
    "send with flags beyond int": lambda s: s.send(b"x", 2**31),
    "send unconnected": lambda s: s.send(b"x"),
    "send a strided view": lambda s: s.send(memoryview(b"0123")[::2]),
    "sendall a str": lambda s: s.sendall("text"),
    "sendall None": lambda s: s.sendall(None),
    "sendall with flags of no kind": lambda s: s.sendall(b"x", None),
    "sendall unconnected": lambda s: s.sendall(b"x"),
    "shutdown unconnected": lambda s: s.shutdown(socket.SHUT_RD),
    "shutdown how 3": lambda s: s.shutdown(3),
    "shutdown how -1": lambda s: s.shutdown(-1),
    "shutdown a str": lambda s: s.shutdown("RD"),
    "shutdown None": lambda s: s.shutdown(None),
    "shutdown beyond int": lambda s: s.shutdown(2**40),
    "shutdown nothing": lambda s: s.shutdown(),
    "listen a str": lambda s: s.listen("1"),
    "listen a float": lambda s: s.listen(1.0),
    "listen None": lambda s: s.listen(None),
    "listen beyond int": lambda s: s.listen(2**40),
    "accept without listening": lambda s: s.accept(),
    "accept with an argument": lambda s: s.accept(1),
    "getpeername unconnected": lambda s: s.getpeername(),
    "getpeername with an argument": lambda s: s.getpeername(1),
    "getsockname with an argument": lambda s: s.getsockname(1),
    "bind nothing": lambda s: s.bind(),
    "bind too much": lambda s: s.bind("127.0.0.1", 0),
    "connect too much": lambda s: s.connect("127.0.0.1", 0),
    "close with an argument": lambda s: s.close(1),
    "fileno with an argument": lambda s: s.fileno(1),
    "settimeout nothing": lambda s: s.settimeout(),
    "setblocking nothing": lambda s: s.setblocking(),
    "set the family": lambda s: setattr(s, "family", 1),
    "set the time-out": lambda s: setattr(s, "timeout", 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_raises_what_the_stdlib_raises(name: str) -> None:
    ours, theirs = on_both(socket.AF_INET, CALLS[name])
    assert ours == theirs


@pytest.mark.parametrize("backlog", [-5, 0, 2**31 - 1])
def test_any_int_is_a_backlog_as_in_the_stdlib(backlog: int, loopback: str) -> None:
    for made in (Socket(), socket.socket()):
        with made:
            made.bind((loopback, 0))
            made.listen(backlog)
            assert made.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_listening_on_datagrams_is_eopnotsupp() -> None:
    with Socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert outcome(sock.listen) == (OSError, errno.EOPNOTSUPP)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["2**46", "2**63 - 1"])
@pytest.mark.parametrize("method", ["recv", "try_recv"])
def test_receiving_more_than_there_is_memory_for_is_an_error_of_python(
    method: str, size: str
) -> None:
    # In a process of its own: an allocation that fails may abort it.
    code = f"""
import epollkit, socket
left, right = map(epollkit.Socket.from_stdlib, socket.socketpair())
right.send(b"x")
left.settimeout(0)
try: print(left.{method}({size}))
except (MemoryError, OverflowError): print("refused")
left.close(); right.close()
"""
    done = python(code)
    assert done.returncode == 0, done.stderr[:300]
    assert done.stdout in {"refused\n", "b'x'\n"}


HOSTILE: list[Any] = [
    None,
    True,
    -1,
    0,
    2**31,
    -(2**31) - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    1j,
    "",
    "text",
    "\0",
    "\ud800",
    b"",
    b"\0\xff",
    bytearray(3),
    memoryview(b"0123")[::2],
    (),
    (1, 2),
    ("127.0.0.1", 0),
    [],
    {},
    set(),
    object,
    range(3),
]


class Raises:
    """Every question to it is an error of its own."""

    def __index__(self) -> int:
        raise ZeroDivisionError

    def __float__(self) -> float:
        raise ZeroDivisionError

    def __bool__(self) -> bool:
        raise ZeroDivisionError

    def __iter__(self) -> Iterator[object]:
        raise ZeroDivisionError

    def fileno(self) -> int:
        raise ZeroDivisionError


METHODS = [
    name
    for name in dir(Socket)
    if not name.startswith("_") and callable(getattr(Socket, name)) and name != "from_stdlib"
]
ACCEPTABLE = (OSError, TypeError, ValueError, OverflowError, BufferError, ZeroDivisionError)


def abuse(call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Call it; an exception of Python's is fine, a panic (a BaseException of Rust's) is not."""
    __tracebackhide__ = True
    try:
        made = call(*arguments)
    except ACCEPTABLE:
        return
    for each in made if isinstance(made, list | tuple) else [made]:
        if hasattr(each, "close"):
            each.close()


@pytest.mark.parametrize("method", METHODS)
def test_a_method_survives_any_arguments(method: str, loopback: str) -> None:
    values = [*HOSTILE, Raises(), object()]
    if method in {"recv", "try_recv", "drain"}:
        # Sizes beyond memory have a test of their own, in a process of their own.
        values = [each for each in values if not (isinstance(each, int) and each > 2**20)]
    for value in values:
        for arguments in ((value,), (value, 0), (0, value), (0, value, value), (1, 2, 3, value)):
            with Socket() as sock:
                if method == "bind" or method.startswith("connect"):
                    sock.settimeout(0.0)
                abuse(getattr(sock, method), arguments)
    with tcp(loopback).pair() as (client, _):
        for value in values:
            abuse(getattr(client, method), (value,))


@pytest.mark.parametrize(
    "call",
    [
        Socket,
        Connecting,
        connect,
        connect_many,
        Socket.from_stdlib,
        lambda value: Socket(fileno=value),
        lambda value: Socket(timeout=value),
        lambda value: connect(("127.0.0.1", 1), value),
        lambda value: Connecting(("127.0.0.1", 1), source_address=value),
        lambda value: Connecting(("127.0.0.1", 1), options=value),
        lambda value: Connecting(("127.0.0.1", 1), options=[(1, 2, value)]),
        lambda value: Connecting((value, 1)),
        lambda value: Connecting(("127.0.0.1", value)),
        lambda value: Connecting(("::1", 1, value)),
        lambda value: Connecting(("::1", 1, 0, value)),
        lambda value: connect_many([], concurrency=value),
        lambda value: list(connect_many([value], timeout=0.0)),
        lambda value: connect_many([], timeout=value),
    ],
    ids=[
        "Socket",
        "Connecting",
        "connect",
        "connect_many",
        "from_stdlib",
        "fileno",
        "timeout",
        "connect timeout",
        "source_address",
        "options",
        "option value",
        "host",
        "port",
        "flowinfo",
        "scope",
        "concurrency",
        "many",
        "many timeout",
    ],
)
def test_a_constructor_survives_any_argument(call: Callable[[Any], Any]) -> None:
    for value in [*HOSTILE, Raises(), object()]:
        if value == "text" or (isinstance(value, int) and value in {0, 1}):
            continue  # a name to look up; a descriptor that is not ours to adopt
        try:
            made = call(value)
        except (*ACCEPTABLE, AttributeError):
            continue
        for each in made if isinstance(made, list) else [made]:
            each = getattr(each, "socket", each)  # noqa: PLW2901
            if hasattr(each, "close"):
                each.close()
