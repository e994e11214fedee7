"""Datagrams: sendto, recvfrom, recvfrom_into, compared with the stdlib's."""

import errno
import socket
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from socket import AF_INET, AF_INET6, AF_UNIX, MSG_PEEK, MSG_TRUNC, SOCK_DGRAM, SOL_SOCKET
from typing import Any, Self

import pytest

from endpoints import has_ipv6, must_be_readable, outcome
from epollkit import Socket
from support import MUST_ARRIVE, shown

KINDS: list[Callable[..., Any]] = [Socket, socket.socket]
WOULD_BLOCK = (BlockingIOError, errno.EAGAIN)
IPV6_FREEBIND = 78  # the socket module has no name for it
needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")


class Post:
    """Datagram sockets of one library, closed at the end, on addresses of one kind."""

    def __init__(self, make: Callable[..., Any], kind: str, loopback: str, path: Path) -> None:
        self.stack = ExitStack()
        self.make, self.kind, self.loopback, self.path = make, kind, loopback, path
        self.family = {"inet": AF_INET, "inet6": AF_INET6}.get(kind, AF_UNIX)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def unbound(self) -> Any:  # noqa: ANN401 - either library's socket
        sock = self.stack.enter_context(self.make(self.family, SOCK_DGRAM))
        sock.settimeout(MUST_ARRIVE)
        return sock

    def bound(self) -> Any:  # noqa: ANN401 - either library's socket
        sock = self.unbound()
        match self.kind:
            case "inet":
                sock.bind((self.loopback, 0))
            case "inet6":
                sock.bind(("::1", 0))
            case "unix":
                sock.bind(str(self.path / uuid.uuid4().hex[:12]))
            case _:
                sock.bind(b"\0epollkit-" + uuid.uuid4().bytes)
        return sock


@pytest.fixture(params=KINDS, ids=["epollkit", "stdlib"])
def make(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Whose socket: what is asserted of one is so of the other."""
    return request.param


@pytest.fixture(
    params=["inet", pytest.param("inet6", marks=needs_ipv6), "unix", "abstract"],
)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def at(make: Callable[..., Any], kind: str, loopback: str, tmp_path: Path) -> Callable[[], Post]:
    return lambda: Post(make, kind, loopback, tmp_path)


# Both ways


def test_a_datagram_arrives_with_its_senders_address(at: Callable[[], Post]) -> None:
    with at() as post:
        one, other = post.bound(), post.bound()
        assert one.sendto(b"hello", other.getsockname()) == 5
        assert other.recvfrom(100) == (b"hello", one.getsockname())
        assert other.sendto(b"back", 0, one.getsockname()) == 4
        assert one.recvfrom(100) == (b"back", other.getsockname())


def test_any_buffer_can_be_sent(at: Callable[[], Post]) -> None:
    with at() as post:
        one, other = post.unbound(), post.bound()
        for data in (b"abc", bytearray(b"abc"), memoryview(b"xabcx")[1:4]):
            assert one.sendto(data, other.getsockname()) == 3
            assert other.recvfrom(100)[0] == b"abc"


def test_an_empty_datagram_is_one(at: Callable[[], Post]) -> None:
    with at() as post:
        one, other = post.bound(), post.bound()
        for _ in range(2):
            assert one.sendto(b"", other.getsockname()) == 0
        assert other.recvfrom(10) == (b"", one.getsockname())
        assert other.recvfrom_into(bytearray(4)) == (0, one.getsockname())
        other.settimeout(0.0)
        assert outcome(lambda: other.recvfrom(10)) == WOULD_BLOCK


def test_what_does_not_fit_is_lost(at: Callable[[], Post]) -> None:
    with at() as post:
        one, other = post.bound(), post.bound()
        one.sendto(b"0123456789", other.getsockname())
        one.sendto(b"next", other.getsockname())
        assert other.recvfrom(4) == (b"0123", one.getsockname())
        assert other.recvfrom(4) == (b"next", one.getsockname())


def test_a_size_of_none_takes_the_datagram_all_the_same(at: Callable[[], Post]) -> None:
    with at() as post:
        one, other = post.bound(), post.bound()
        one.sendto(b"lost", other.getsockname())
        one.sendto(b"next", other.getsockname())
        assert other.recvfrom(0) == (b"", one.getsockname())
        assert other.recvfrom(9)[0] == b"next"


@pytest.mark.parametrize("room", [4, 5000, 70_000])
def test_msg_trunc_tells_the_whole_length(room: int, at: Callable[[], Post]) -> None:
    with at() as post:
        one, other = post.unbound(), post.bound()
        one.sendto(bytes(range(10)), other.getsockname())
        one.sendto(bytes(range(10)), other.getsockname())
        buffer = bytearray(room)
        assert other.recvfrom_into(buffer, 0, MSG_TRUNC)[0] == 10
        assert buffer[:10] == bytes(range(10))[:room]
        data, _ = other.recvfrom(room, MSG_TRUNC)
        assert data[:room] == bytes(range(10))[:room]  # what the stdlib has beyond is not data


def test_peeking_leaves_the_datagram_there(at: Callable[[], Post]) -> None:
    with at() as post:
        one, other = post.bound(), post.bound()
        one.sendto(b"peeked", other.getsockname())
        assert other.recvfrom(3, MSG_PEEK) == (b"pee", one.getsockname())
        room = bytearray(8)
        assert other.recvfrom_into(room, 8, MSG_PEEK) == (6, one.getsockname())
        assert room == b"peeked\0\0"
        assert other.recvfrom(10) == (b"peeked", one.getsockname())


def test_nbytes_is_the_most_that_is_filled(at: Callable[[], Post]) -> None:
    with at() as post:
        one, other = post.bound(), post.bound()
        for _ in range(2):
            one.sendto(b"abcdef", other.getsockname())
        room = bytearray(b"........")
        assert other.recvfrom_into(room, 2) == (2, one.getsockname())
        assert room == b"ab......"
        assert other.recvfrom_into(memoryview(room)[4:]) == (4, one.getsockname())
        assert room == b"ab..abcd"


@pytest.mark.parametrize(
    ("arguments", "raised"),
    [
        ((bytearray(4), 5), ValueError),
        ((bytearray(4), -1), ValueError),
        ((bytearray(0), 1), ValueError),
        ((b"1234",), TypeError),
        (("1234",), TypeError),
        ((memoryview(bytearray(8))[::2],), (TypeError, BufferError)),
        ((), TypeError),
        ((bytearray(4), 0, 0, 0), TypeError),
        ((bytearray(4), "1"), TypeError),
        ((bytearray(4), 2**70), OverflowError),
    ],
    ids=shown,
)
def test_recvfrom_into_refuses_wrong_room(
    arguments: tuple[Any, ...],
    raised: type | tuple[type, ...],
    make: Callable[..., Any],
    loopback: str,
) -> None:
    with Post(make, "inet", loopback, Path()) as post:
        other = post.bound()
        post.unbound().sendto(b"stays", other.getsockname())
        with pytest.raises(raised):
            other.recvfrom_into(*arguments)
        assert other.recvfrom(10)[0] == b"stays"


def test_no_room_at_all_takes_a_datagram(at: Callable[[], Post]) -> None:
    with at() as post:
        one, other = post.unbound(), post.bound()
        one.sendto(b"lost", other.getsockname())
        assert other.recvfrom_into(bytearray())[0] == 0
        other.settimeout(0.0)
        assert outcome(lambda: other.recvfrom(10)) == WOULD_BLOCK


def test_a_negative_size_is_refused(make: Callable[..., Any]) -> None:
    with make(AF_INET, SOCK_DGRAM) as sock, pytest.raises(ValueError, match="negative buffersize"):
        sock.recvfrom(-1)


def test_nothing_there_times_out(at: Callable[[], Post]) -> None:
    with at() as post:
        sock = post.bound()
        sock.settimeout(0.001)
        assert outcome(lambda: sock.recvfrom(1)) == (TimeoutError, None)
        assert outcome(lambda: sock.recvfrom_into(bytearray(1))) == (TimeoutError, None)
        sock.setblocking(False)
        assert outcome(lambda: sock.recvfrom(1)) == WOULD_BLOCK


# Names


def test_a_name_is_looked_up(make: Callable[..., Any]) -> None:
    with make(AF_INET, SOCK_DGRAM) as one, make(AF_INET, SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(MUST_ARRIVE)
        port = other.getsockname()[1]
        for host in ("localhost", b"localhost", bytearray(b"127.0.0.1"), "127.1"):
            assert one.sendto(b"x", (host, port)) == 1
            assert other.recvfrom(1)[0] == b"x"


def test_the_empty_host_is_this_one(make: Callable[..., Any]) -> None:
    with make(AF_INET, SOCK_DGRAM) as one, make(AF_INET, SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(MUST_ARRIVE)
        assert one.sendto(b"x", ("", other.getsockname()[1])) == 1
        assert other.recvfrom(1)[0] == b"x"


WRONG: list[tuple[int, tuple[Any, ...]]] = [
    (AF_INET, ()),
    (AF_INET, (b"x",)),
    (AF_INET, (b"x", None)),
    (AF_INET, (b"x", 0, None)),
    (AF_INET, (b"x", None, ("127.0.0.1", 9))),
    (AF_INET, (b"x", "0", ("127.0.0.1", 9))),
    (AF_INET, (b"x", 1.0, ("127.0.0.1", 9))),
    (AF_INET, (b"x", 2**40, ("127.0.0.1", 9))),
    (AF_INET, (b"x", ("127.0.0.1", 9), 0)),
    (AF_INET, (b"x", 0, ("127.0.0.1", 9), 0)),
    (AF_INET, ("x", ("127.0.0.1", 9))),
    (AF_INET, (None, ("127.0.0.1", 9))),
    (AF_INET, (memoryview(b"0123")[::2], ("127.0.0.1", 9))),
    (AF_INET, (b"x", 0)),
    (AF_INET, (b"x", "127.0.0.1")),
    (AF_INET, (b"x", ["127.0.0.1", 9])),
    (AF_INET, (b"x", ())),
    (AF_INET, (b"x", ("127.0.0.1",))),
    (AF_INET, (b"x", ("127.0.0.1", 9, 0))),
    (AF_INET, (b"x", ("127.0.0.1", "9"))),
    (AF_INET, (b"x", ("127.0.0.1", None))),
    (AF_INET, (b"x", ("127.0.0.1", 9.0))),
    (AF_INET, (b"x", ("127.0.0.1", -1))),
    (AF_INET, (b"x", ("127.0.0.1", 65536))),
    (AF_INET, (b"x", ("127.0.0.1", 2**70))),
    (AF_INET, (b"x", ("127.0.0.1", 0))),
    (AF_INET, (b"x", (None, 9))),
    (AF_INET, (b"x", (7, 9))),
    (AF_INET, (b"x", ("a\0b", 9))),
    (AF_INET, (b"x", ("\ud800", 9))),
    (AF_INET, (b"x", ("::1", 9))),
    (AF_INET6, (b"x", ("::1",))),
    (AF_INET6, (b"x", ("::1", 9, 0, 0, 0))),
    (AF_INET6, (b"x", ("::1", 9, 2**20))),
    (AF_INET6, (b"x", ("::1", 9, -1))),
    (AF_INET6, (b"x", ("::1", 9, 0, "lo"))),
    (AF_INET6, (b"x", ("127.0.0.1", 9))),
    (AF_INET6, (b"x", None)),
    (AF_UNIX, (b"x", None)),
    (AF_UNIX, (b"x", 5)),
    (AF_UNIX, (b"x", ("path",))),
    (AF_UNIX, (b"x", "/nonexistent/socket")),
    (AF_UNIX, (b"x", "x" * 108)),
    (AF_UNIX, (b"x", b"\0no such name")),
    (AF_UNIX, (b"x", b"\0" + b"x" * 108)),
    (AF_UNIX, (b"x", "")),
]


@pytest.mark.parametrize(("family", "arguments"), WRONG, ids=lambda value: ascii(shown(value))[:50])
def test_a_wrong_sendto_raises_what_the_stdlib_raises(
    family: int, arguments: tuple[Any, ...]
) -> None:
    with Socket(family, SOCK_DGRAM) as ours, socket.socket(family, SOCK_DGRAM) as theirs:
        expected = outcome(lambda: theirs.sendto(*arguments))
        assert outcome(lambda: ours.sendto(*arguments)) == expected
        assert issubclass(expected[0], Exception)


# Connected


def test_a_connected_socket_hears_its_peer_only(at: Callable[[], Post]) -> None:
    with at() as post:
        one, other, stranger = post.bound(), post.bound(), post.bound()
        one.connect(other.getsockname())
        assert one.send(b"to the peer") == 11
        assert other.recvfrom(20) == (b"to the peer", one.getsockname())
        if post.family == AF_UNIX:
            refused = outcome(lambda: stranger.sendto(b"no", one.getsockname()))
            assert refused == (PermissionError, errno.EPERM)
        else:
            stranger.sendto(b"no", one.getsockname())
        other.sendto(b"yes", one.getsockname())
        assert one.recvfrom(20) == (b"yes", other.getsockname())


def test_sendto_goes_elsewhere_though_connected(at: Callable[[], Post]) -> None:
    with at() as post:
        one, other, third = post.bound(), post.bound(), post.bound()
        one.connect(other.getsockname())
        assert one.sendto(b"elsewhere", third.getsockname()) == 9
        assert third.recvfrom(20) == (b"elsewhere", one.getsockname())


def test_without_an_address_the_kernel_asks_for_one(make: Callable[..., Any], kind: str) -> None:
    family = {"inet": AF_INET, "inet6": AF_INET6}.get(kind, AF_UNIX)
    with make(family, SOCK_DGRAM) as sock:
        missing = errno.ENOTCONN if family == AF_UNIX else errno.EDESTADDRREQ
        assert outcome(lambda: sock.send(b"x")) == (OSError, missing)


@pytest.mark.parametrize("call", ["send", "recv", "recvfrom", "sendto", "recvfrom_into"])
def test_a_refusal_comes_with_a_later_call(
    call: str, make: Callable[..., Any], loopback: str
) -> None:
    with Post(make, "inet", loopback, Path()) as post:
        sock = post.bound()
        nowhere = (loopback, 9)
        sock.connect(nowhere)
        assert sock.send(b"x") == 1  # on loopback the refusal is there when send returns
        calls: dict[str, Callable[[], object]] = {
            "send": lambda: sock.send(b"y"),
            "recv": lambda: sock.recv(1),
            "recvfrom": lambda: sock.recvfrom(1),
            "recvfrom_into": lambda: sock.recvfrom_into(bytearray(1)),
            "sendto": lambda: sock.sendto(b"y", nowhere),
        }
        assert outcome(calls[call]) == (ConnectionRefusedError, errno.ECONNREFUSED)
        sock.settimeout(0.0)
        assert outcome(lambda: sock.recv(1)) == WOULD_BLOCK  # told once


def test_a_unix_path_where_nobody_is_refuses_at_once(make: Callable[..., Any]) -> None:
    with make(AF_UNIX, SOCK_DGRAM) as sock, make(AF_UNIX, SOCK_DGRAM) as gone:
        gone.bind("")
        name = gone.getsockname()
        gone.close()
        refused = (ConnectionRefusedError, errno.ECONNREFUSED)
        assert outcome(lambda: sock.sendto(b"x", name)) == refused


def test_a_datagram_may_be_too_long(at: Callable[[], Post]) -> None:
    with at() as post:
        one, other = post.unbound(), post.bound()
        one.setsockopt(SOL_SOCKET, socket.SO_SNDBUF, 4096)
        size = 65_536 if post.family != AF_UNIX else 1 << 20
        too_long = outcome(lambda: one.sendto(bytes(size), other.getsockname()))
        assert too_long == (OSError, errno.EMSGSIZE)


def test_the_longest_datagram_arrives_whole(make: Callable[..., Any], loopback: str) -> None:
    with Post(make, "inet", loopback, Path()) as post:
        one, other = post.bound(), post.bound()
        data = bytes(range(256)) * 256
        assert one.sendto(data[:65_507], other.getsockname()) == 65_507
        assert other.recvfrom(65_507) == (data[:65_507], one.getsockname())


# Unix senders


def test_an_unnamed_sender_is_none(make: Callable[..., Any]) -> None:
    with make(AF_UNIX, SOCK_DGRAM) as one, make(AF_UNIX, SOCK_DGRAM) as other:
        other.bind("")  # the kernel chooses an abstract name
        other.settimeout(MUST_ARRIVE)
        name = other.getsockname()
        assert isinstance(name, bytes)
        assert name[0] == 0
        one.sendto(b"x", name)
        assert other.recvfrom(1) == (b"x", None)
        one.sendto(b"x", name)
        assert other.recvfrom_into(bytearray(1)) == (1, None)


def test_an_abstract_name_keeps_its_nuls(make: Callable[..., Any]) -> None:
    name = b"\0" + uuid.uuid4().bytes + b"\0\0"
    with make(AF_UNIX, SOCK_DGRAM) as one, make(AF_UNIX, SOCK_DGRAM) as other:
        one.bind(name)
        other.bind("")
        other.settimeout(MUST_ARRIVE)
        one.sendto(b"x", other.getsockname())
        assert other.recvfrom(1) == (b"x", name)


def test_a_path_that_is_no_utf8_survives(make: Callable[..., Any], tmp_path: Path) -> None:
    path = bytes(tmp_path / uuid.uuid4().hex[:6]) + b"\xff"
    with make(AF_UNIX, SOCK_DGRAM) as one, make(AF_UNIX, SOCK_DGRAM) as other:
        one.bind(path)
        other.bind("")
        other.settimeout(MUST_ARRIVE)
        one.sendto(b"x", other.getsockname())
        assert other.recvfrom(1) == (b"x", path.decode(errors="surrogateescape"))


def test_a_connected_stream_has_no_sender(make: Callable[..., Any], loopback: str) -> None:
    with make(AF_INET) as listener, make(AF_INET) as client:
        listener.bind((loopback, 0))
        listener.listen()
        client.settimeout(MUST_ARRIVE)
        client.connect(listener.getsockname())
        must_be_readable(listener)
        server, _ = listener.accept()
        with server:
            server.settimeout(MUST_ARRIVE)
            client.sendall(b"stream")
            assert server.recvfrom(3) == (b"str", None)
            assert server.recvfrom_into(bytearray(3)) == (3, None)
            # tcp(7) does not look at the address.
            assert client.sendto(b"more", listener.getsockname()) == 4
            assert server.recvfrom(9) == (b"more", None)


# Broadcast, scopes


def test_broadcast_must_be_allowed(make: Callable[..., Any]) -> None:
    with make(AF_INET, SOCK_DGRAM) as sock:
        to = ("127.255.255.255", 9)
        assert outcome(lambda: sock.sendto(b"x", to)) == (PermissionError, errno.EACCES)
        sock.setsockopt(SOL_SOCKET, socket.SO_BROADCAST, 1)
        assert sock.sendto(b"x", to) == 1


def test_broadcast_has_a_name() -> None:
    with Socket(AF_INET, SOCK_DGRAM) as ours, socket.socket(AF_INET, SOCK_DGRAM) as theirs:
        expected = outcome(lambda: theirs.sendto(b"x", ("<broadcast>", 9)))
        assert outcome(lambda: ours.sendto(b"x", ("<broadcast>", 9))) == expected
        assert expected[1] in {errno.EACCES, errno.ENETUNREACH}


@needs_ipv6
@pytest.mark.parametrize("host", ["fe80::1", "::ffff:127.9.8.7", "::102:304", "2001:db8::1"])
def test_ipv6_text_and_scope_are_the_stdlibs(host: str) -> None:
    lo = socket.if_nametoindex("lo")
    seen = []
    for make in KINDS:
        with make(AF_INET6, SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            sock.bind((host, 0, 0, lo if host.startswith("fe80") else 0))
            seen.append(sock.getsockname()[0::2] + sock.getsockname()[3:])
    assert seen[0] == seen[1]
    assert socket.inet_pton(AF_INET6, seen[0][0]) == socket.inet_pton(AF_INET6, host)


@needs_ipv6
@pytest.mark.parametrize("address", ["number", "name", "text"])
def test_a_scope_may_be_given_in_each_way(address: str) -> None:
    lo = socket.if_nametoindex("lo")
    with Socket(AF_INET6, SOCK_DGRAM) as sock:  # the stdlib forgets what stands behind the %
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        host = {"number": "fe80::1", "name": "fe80::1%lo", "text": f"fe80::1%{lo}"}[address]
        sock.bind((host, 0, 0, lo) if address == "number" else (host, 0))
        assert sock.getsockname()[0] == "fe80::1"
        assert sock.getsockname()[3] == lo


@needs_ipv6
def test_a_link_local_address_without_a_scope_is_einval(make: Callable[..., Any]) -> None:
    with make(AF_INET6, SOCK_DGRAM) as sock:
        assert outcome(lambda: sock.bind(("fe80::1", 0))) == (OSError, errno.EINVAL)


@needs_ipv6
def test_a_mapped_address_reaches_ipv4(make: Callable[..., Any], loopback: str) -> None:
    with make(AF_INET6, SOCK_DGRAM) as one, make(AF_INET, SOCK_DGRAM) as other:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        other.bind((loopback, 0))
        other.settimeout(MUST_ARRIVE)
        one.settimeout(MUST_ARRIVE)
        one.sendto(b"x", (f"::ffff:{loopback}", other.getsockname()[1]))
        data, sender = other.recvfrom(9)
        assert data == b"x"
        other.sendto(b"y", sender)
        assert one.recvfrom(9) == (b"y", (f"::ffff:{loopback}", other.getsockname()[1], 0, 0))
