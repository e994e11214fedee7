"""create_server and has_dualstack_ipv6: the stdlib's functions, giving an epollkit.Socket."""

import errno
import inspect
import socket
from collections.abc import Generator
from socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    IPPROTO_IPV6,
    IPV6_V6ONLY,
    SO_ACCEPTCONN,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_STREAM,
    SOL_SOCKET,
)

import pytest

import epollkit
from endpoints import has_ipv6, outcome, refusing, tcp
from epollkit import Socket, create_server, has_dualstack_ipv6
from support import MUST_ARRIVE

IPV6 = pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")
DUAL_STACK = pytest.mark.skipif(not has_dualstack_ipv6(), reason="no dual stack here")


@pytest.fixture
def server(loopback: str) -> Generator[Socket]:
    with create_server((loopback, 0)) as opened:
        yield opened


def options(server: Socket | socket.socket) -> list[int]:
    names = [SO_ACCEPTCONN, SO_REUSEADDR, SO_REUSEPORT]
    found = [server.getsockopt(SOL_SOCKET, name) for name in names]
    if server.family == AF_INET6:
        found.append(server.getsockopt(IPPROTO_IPV6, IPV6_V6ONLY))
    return found


def must_accept(server: Socket, address: tuple[object, ...]) -> tuple[object, ...]:
    """Connect to `address`; where `server` says that the connection comes from."""
    server.settimeout(MUST_ARRIVE)
    with epollkit.connect(address, MUST_ARRIVE):
        accepted, where = server.accept()
        accepted.close()
        return where


def test_it_listens(server: Socket, loopback: str) -> None:
    assert type(server) is Socket
    assert (server.family, server.type, server.proto) == (AF_INET, SOCK_STREAM, 0)
    assert server.getsockname()[0] == loopback
    assert must_accept(server, server.getsockname())[0] == "127.0.0.1"


def test_it_does_not_wait_unless_told_to(server: Socket, loopback: str) -> None:
    assert server.gettimeout() == 0.0
    with pytest.raises(BlockingIOError):
        server.accept()
    with create_server((loopback, 0), timeout=0.05) as patient, pytest.raises(TimeoutError):
        patient.accept()
    with create_server((loopback, 0), timeout=None) as very_patient:
        assert very_patient.gettimeout() is None


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"reuse_port": True},
        {"family": AF_INET, "backlog": 5},
        pytest.param({"family": AF_INET6}, marks=IPV6),
        pytest.param({"family": AF_INET6, "dualstack_ipv6": True}, marks=[IPV6, DUAL_STACK]),
    ],
    ids=repr,
)
def test_the_options_are_the_stdlibs(settings: dict[str, int]) -> None:
    address = ("::1" if settings.get("family") == AF_INET6 else "127.0.0.1", 0)
    with (
        create_server(address, **settings) as ours,
        socket.create_server(address, **settings) as theirs,
    ):
        assert options(ours) == options(theirs)
        assert options(ours)[0] == 1


def test_the_parameters_are_the_stdlibs_and_a_timeout() -> None:
    ours, theirs = (
        dict(inspect.signature(module.create_server).parameters) for module in (epollkit, socket)
    )
    assert ours.pop("timeout").default == 0.0
    assert {name: (each.kind, each.default) for name, each in ours.items()} == {
        name: (each.kind, each.default) for name, each in theirs.items()
    }


def test_a_port_that_was_left_in_time_wait_can_be_taken_again(loopback: str) -> None:
    with create_server((loopback, 0)) as server:
        address = server.getsockname()
        server.settimeout(MUST_ARRIVE)
        with epollkit.connect(address, MUST_ARRIVE) as client:
            accepted, _ = server.accept()
            accepted.close()  # first, so this side has the TIME_WAIT
            client.settimeout(MUST_ARRIVE)
            assert client.recv(1) == b""
    with create_server(address) as again:
        assert again.getsockname() == address


def test_several_share_a_port_that_they_all_reuse(loopback: str) -> None:
    with create_server((loopback, 0), reuse_port=True) as one:
        with create_server(one.getsockname(), reuse_port=True) as other:
            assert other.getsockname() == one.getsockname()
        with pytest.raises(OSError, match="in use"):
            create_server(one.getsockname())


@IPV6
def test_ipv6_alone_leaves_the_port_to_ipv4() -> None:
    with create_server(("::", 0), family=AF_INET6) as six:
        port = six.getsockname()[1]
        assert must_accept(six, ("::1", port))[0] == "::1"
        with pytest.raises(ConnectionRefusedError):
            epollkit.connect(("127.0.0.1", port), MUST_ARRIVE)


@IPV6
@DUAL_STACK
def test_a_dual_stack_takes_both() -> None:
    with create_server(("", 0), family=AF_INET6, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        assert must_accept(server, ("::1", port))[0] == "::1"
        assert must_accept(server, ("127.0.0.1", port))[0] == "::ffff:127.0.0.1"


def test_dual_stack_is_what_the_stdlib_says() -> None:
    assert has_dualstack_ipv6() == socket.has_dualstack_ipv6()


# Errors


def test_the_address_is_in_the_text(server: Socket) -> None:
    address = server.getsockname()
    with pytest.raises(OSError, match="in use") as theirs:
        socket.create_server(address)
    with pytest.raises(OSError, match="in use") as ours:
        create_server(address)
    assert (type(ours.value), ours.value.args) == (type(theirs.value), theirs.value.args)
    assert ours.value.errno == errno.EADDRINUSE
    assert f"(while attempting to bind on address {address!r})" in str(ours.value)


@pytest.mark.parametrize(
    ("address", "settings"),
    [
        (("192.0.2.1", 0), {}),
        (("fe80::1%no-such-interface", 0), {"family": AF_INET6}),
        (("127.0.0.1", 0), {"family": AF_INET6}),
        (("::1", 0), {}),
        (("127.0.0.1", 0), {"dualstack_ipv6": True}),
        (("127.0.0.1", 0), {"family": 12345}),
        (("127.0.0.1", 0), {"family": "inet"}),
    ],
    ids=repr,
)
def test_what_is_refused_is_refused_as_by_the_stdlib(
    address: object, settings: dict[str, object]
) -> None:
    theirs = outcome(lambda: socket.create_server(address, **settings))
    assert issubclass(theirs[0], Exception)
    assert outcome(lambda: create_server(address, **settings)) == theirs


@pytest.mark.parametrize(
    ("address", "settings", "kind"),
    [
        (("127.0.0.1", 65536), {}, OverflowError),
        (("127.0.0.1",), {}, TypeError),
        (("127.0.0.1", "80"), {}, TypeError),
        ("127.0.0.1:80", {}, TypeError),
        (5, {}, TypeError),
        (("127.0.0.1", 0), {"backlog": 2**40}, OverflowError),
    ],
    ids=repr,
)
def test_what_is_malformed_is_refused_and_nothing_is_left_open(
    address: object, settings: dict[str, object], kind: type[Exception]
) -> None:
    # The stdlib's leaves the socket to the garbage collector: ResourceWarning.
    with pytest.raises(kind):
        create_server(address, **settings)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "soon"])
def test_a_malformed_timeout_is_refused(timeout: object, loopback: str) -> None:
    kind = TypeError if isinstance(timeout, str) else ValueError
    with pytest.raises(kind):
        create_server((loopback, 0), timeout=timeout)


def test_a_unix_socket_is_no_tcp_server(loopback: str) -> None:
    with pytest.raises(OSError, match="attempting to bind") as caught:
        create_server("/no/such/directory/socket", family=AF_UNIX)
    assert caught.value.errno == errno.ENOENT
    with tcp(loopback).listener() as listener, refusing(loopback):
        assert listener.try_accept() is None
