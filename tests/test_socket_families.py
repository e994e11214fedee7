"""Families beyond IP and Unix: netlink, packet, vsock, and others as far as the kernel has them."""

import errno
import os
import socket
import struct
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from endpoints import may_unshare, outcome, python
from epollkit import Socket
from support import MUST_ARRIVE

Made = Callable[..., Any]
NETLINK_ROUTE = 0
RTM_GETLINK, RTM_NEWLINK = 18, 16
NLMSG_DONE = 3
IFLA_IFNAME = 3
NLM_F_REQUEST_DUMP = 0x301

FAMILIES: dict[str, tuple[int, int, int]] = {
    "netlink": (socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE),
    "packet": (socket.AF_PACKET, socket.SOCK_RAW, 0),
    "vsock": (socket.AF_VSOCK, socket.SOCK_STREAM, 0),
    "alg": (socket.AF_ALG, socket.SOCK_SEQPACKET, 0),
    "can": (socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW),
    "isotp": (socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_ISOTP),
    "j1939": (socket.AF_CAN, socket.SOCK_DGRAM, socket.CAN_J1939),
    "tipc": (socket.AF_TIPC, socket.SOCK_RDM, 0),
    "qipcrtr": (socket.AF_QIPCRTR, socket.SOCK_DGRAM, 0),
}


@pytest.fixture(params=[Socket, socket.socket], ids=["epollkit", "stdlib"])
def make(request: pytest.FixtureRequest) -> Made:
    """Whose socket: what is asserted of one is so of the other."""
    return request.param


@contextmanager
def taken_for(make: Made, name: str) -> Generator[Any]:
    """A socket that its object takes for one of the family, whether or not the kernel has it."""
    family, kind, protocol = FAMILIES[name]
    plain = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with make(family, kind, protocol, plain.detach()) as sock:
        yield sock


@pytest.mark.parametrize("name", FAMILIES)
def test_a_socket_is_made_where_the_stdlib_makes_one(name: str) -> None:
    seen = []
    for make in (Socket, socket.socket):
        try:
            with make(*FAMILIES[name]) as sock:
                seen.append((sock.family, sock.type, sock.proto, outcome(sock.getsockname)))
        except OSError as error:
            seen.append((type(error), error.errno))
    assert seen[0] == seen[1]


WRONG: list[tuple[str, Any]] = [
    *[
        (name, address)
        for name in FAMILIES
        for address in (
            None,
            5,
            "lo",
            b"lo",
            (),
            [1, 2],
            (None,),
            (None, None),
            (1.0, 1.0),
            (1,) * 6,
        )
    ],
    ("netlink", (1,)),
    ("netlink", (1, 2, 3)),
    ("netlink", ("1", 0)),
    ("netlink", (-1, 2**70)),
    ("vsock", (1,)),
    ("vsock", (1, "2")),
    ("vsock", (-1, 2**32 + 5)),
    ("packet", ("lo",)),
    ("packet", ("lo", "0")),
    ("packet", ("lo", -1)),
    ("packet", ("lo", 65536)),
    ("packet", ("lo", 2**40)),
    ("packet", ("lo", 0, 2**40)),
    ("packet", ("lo", 0, 0, None)),
    ("packet", ("lo", 0, 0, 0, "address")),
    ("packet", ("lo", 0, 0, 0, b"123456789")),
    ("packet", ("lo", 0, 0, 0, b"", 0)),
    ("packet", (1, 0)),
    ("packet", ("l\0o", 0)),
    ("alg", ("hash",)),
    ("alg", (b"hash", "sha256")),
    ("alg", ("hash", "sha256", "1")),
    ("alg", ("hash", "sha256", 1, 2, 3)),
    ("alg", ("h" * 14, "sha256")),
    ("alg", ("hash", "x" * 64)),
    ("alg", ("ha\0sh", "sha256")),
    ("can", ("lo", 1)),
    ("can", (1,)),
    ("can", ("l\0o",)),
    ("isotp", ("", 1)),
    ("isotp", ("", 1, "2")),
    ("isotp", ("", -1, 2**70)),
    ("j1939", ("", 1, 2)),
    ("j1939", ("", 1, 2, 3, 4)),
    ("j1939", ("", -1, 2**70, 256)),
    ("j1939", ("", 1.0, 2, 3)),
    ("tipc", (1, 2, 3)),
    ("tipc", (1, 2, 3, 4, 5, 6)),
    ("tipc", (0, 2, 3, 4)),
    ("tipc", (257, 2, 3, 4)),
    ("tipc", (1, -1, 2**40, 3)),
    ("tipc", (1, 2, 3, "4")),
    ("qipcrtr", (1,)),
    ("qipcrtr", (1, None)),
    ("qipcrtr", (-1, 2**40)),
]


@pytest.mark.parametrize("call", ["bind", "connect", "sendto"])
@pytest.mark.parametrize(("name", "address"), WRONG, ids=lambda value: ascii(value)[:40])
def test_a_wrong_address_raises_what_the_stdlib_raises(name: str, address: Any, call: str) -> None:  # noqa: ANN401 - of any kind
    seen = []
    for make in (Socket, socket.socket):
        with taken_for(make, name) as sock:
            arguments = (b"x", address) if call == "sendto" else (address,)
            seen.append(outcome(lambda sock=sock, a=arguments: getattr(sock, call)(*a)))
    if seen[1][0] is SystemError:  # the stdlib has forgotten to ask whether it is a tuple
        seen[1] = (TypeError, None)
    assert seen[0] == seen[1]
    assert issubclass(seen[0][0], Exception)


@pytest.mark.parametrize("name", ["packet", "can"])
def test_an_interface_that_is_not_there_is_enodev(name: str, make: Made) -> None:
    with taken_for(make, name) as sock:
        address = ("nosuch0", 0) if name == "packet" else ("nosuch0",)
        raised = outcome(lambda: sock.bind(address))
        # The stdlib asks the socket itself, which is a Unix one here and does not know.
        assert raised in {(OSError, errno.ENODEV), (OSError, errno.ENOTTY)}


# Netlink


def links(sock: Any) -> dict[int, str]:  # noqa: ANN401 - either library's socket
    """The interfaces, by number, as the kernel dumps them."""
    header = struct.pack("IHHII", 32, RTM_GETLINK, NLM_F_REQUEST_DUMP, 7, 0)
    assert sock.sendto(header + bytes(16), (0, 0)) == 32
    found: dict[int, str] = {}
    while True:
        data, ancdata, flags, sender = sock.recvmsg(1 << 16)
        assert (ancdata, flags, sender) == ([], 0, (0, 0))
        while data:
            length, kind, _, sequence, _ = struct.unpack_from("IHHII", data)
            assert sequence == 7
            if kind == NLMSG_DONE:
                return found
            assert kind == RTM_NEWLINK
            (index,) = struct.unpack_from("i", data, 20)
            at = 32
            while at < length:
                size, attribute = struct.unpack_from("HH", data, at)
                if attribute == IFLA_IFNAME:
                    found[index] = data[at + 4 : at + size - 1].decode()
                at += (size + 3) & ~3
            data = data[(length + 3) & ~3 :]


def test_the_kernel_lists_its_interfaces(make: Made) -> None:
    with make(*FAMILIES["netlink"]) as sock:
        sock.settimeout(MUST_ARRIVE)
        sock.bind((0, 0))
        port_id, groups = sock.getsockname()
        assert port_id > 0
        assert groups == 0
        assert links(sock) == dict(socket.if_nameindex())


def test_a_netlink_port_is_one_sockets_own(make: Made) -> None:
    with make(*FAMILIES["netlink"]) as sock, make(*FAMILIES["netlink"]) as other:
        sock.bind((0, 1))
        port_id, groups = sock.getsockname()
        assert groups == 1
        assert outcome(lambda: other.bind((port_id, 0))) == (OSError, errno.EADDRINUSE)


def test_many_netlink_messages_have_the_kernel_for_their_sender() -> None:
    with Socket(*FAMILIES["netlink"], timeout=MUST_ARRIVE) as sock:
        request = struct.pack("IHHII", 32, RTM_GETLINK, NLM_F_REQUEST_DUMP, 7, 0) + bytes(16)
        assert sock.sendmmsg([(request, (0, 0))]) == 1
        received = sock.recvmmsg(8, 1 << 16)
        assert {sender for *_, sender in received} == {(0, 0)}
        assert len(received[0][0]) >= 32


# Packet


def test_a_frame_of_ones_own_is_captured() -> None:
    if not may_unshare("-rn"):
        pytest.skip("no network namespace of its own for this user")
    code = """
import fcntl, socket, struct
from epollkit import Socket
with socket.socket() as any_socket:  # ip link set lo up
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))
for make in (Socket, socket.socket):
    with (make(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as capture,
          make(socket.AF_INET, socket.SOCK_DGRAM) as sender,
          make(socket.AF_INET, socket.SOCK_DGRAM) as receiver):
        capture.settimeout(5)
        capture.bind(("lo", 3))  # ETH_P_ALL, which sees each frame go and come
        print(capture.getsockname())
        receiver.bind(("127.0.0.1", 0))
        sender.sendto(b"seen on the wire", receiver.getsockname())
        data, address = capture.recvfrom(2000)
        print(data[-16:], address)
        data, _, _, address = capture.recvmsg(2000)
        print(data[-16:], address)
        raw = bytes(range(64))
        print(capture.sendto(raw, ("lo", 0x1234, 0, 0, b"\\0" * 6)))
"""
    done = python(code, before=("unshare", "-rn"))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:4] == lines[4:]
    for line, kind in ((lines[1], 4), (lines[2], 0)):  # PACKET_OUTGOING, PACKET_HOST
        assert line == f"b'seen on the wire' ('lo', 2048, {kind}, 772, {bytes(6)})"
    assert lines[3] == "64"


@pytest.mark.skipif(os.geteuid() != 0, reason="packet sockets need CAP_NET_RAW")
def test_a_packet_socket_is_bound_to_an_interface(make: Made) -> None:
    with make(*FAMILIES["packet"]) as sock:
        assert sock.getsockname()[:3] == ("", 0, 0)
        assert sock.bind(("lo", 0x88B5)) is None
        assert sock.getsockname() == ("lo", 0x88B5, 0, 772, bytes(6))
        for name in ("", "nosuch0", "x" * 40):
            assert outcome(lambda name=name: sock.bind((name, 0))) == (OSError, errno.ENODEV)


# Vsock


@contextmanager
def vsock(make: Made) -> Generator[Any]:
    try:
        sock = make(*FAMILIES["vsock"])
    except OSError as error:
        pytest.skip(f"no vsock in this kernel: {error}")
    with sock:
        sock.settimeout(MUST_ARRIVE)
        yield sock


def test_a_vsock_address_is_a_cid_and_a_port(make: Made) -> None:
    with vsock(make) as sock:
        nowhere = (socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY)
        assert sock.getsockname() == nowhere
        sock.bind((-1, -1))  # the same, as C writes it
        cid, port = sock.getsockname()
        assert cid == socket.VMADDR_CID_ANY
        assert 0 < port < socket.VMADDR_PORT_ANY
        assert outcome(sock.getpeername) == (OSError, errno.ENOTCONN)


def test_a_vsock_buffer_size_has_64_bits(make: Made) -> None:
    with vsock(make) as sock:
        level, name = socket.AF_VSOCK, socket.SO_VM_SOCKETS_BUFFER_SIZE
        assert sock.getsockopt(level, name) > 131_072
        sock.setsockopt(level, name, 131_072)
        assert sock.getsockopt(level, name) == 131_072


def test_a_vsock_address_of_nobody_raises_what_the_stdlib_raises() -> None:
    seen = []
    for make in (Socket, socket.socket):
        with vsock(make) as sock:
            sock.settimeout(0.1)
            seen.append(outcome(lambda sock=sock: sock.connect((1, 0x7FFF_0001))))
    assert seen[0] == seen[1]
    assert issubclass(seen[0][0], OSError)


# Algorithms


def test_the_kernel_hashes(make: Made) -> None:
    try:
        sock = make(*FAMILIES["alg"])
    except OSError as error:
        pytest.skip(f"no AF_ALG in this kernel: {error}")
    with sock:
        sock.bind(("hash", "sha256"))
        operation, _ = sock.accept()
        with operation:
            operation.settimeout(MUST_ARRIVE)
            operation.sendall(b"abc")
            assert operation.recv(64).hex().startswith("ba7816bf8f01cfea")


AFALG: dict[str, Callable[[Any], object]] = {
    "nothing": lambda s: s.sendmsg_afalg(),
    "no op": lambda s: s.sendmsg_afalg([b"x"]),
    "op None": lambda s: s.sendmsg_afalg([b"x"], op=None),
    "op a str": lambda s: s.sendmsg_afalg([b"x"], op="1"),
    "iv a str": lambda s: s.sendmsg_afalg([b"x"], op=1, iv="iv"),
    "assoclen -1": lambda s: s.sendmsg_afalg([b"x"], op=1, assoclen=-1),
    "msg an int": lambda s: s.sendmsg_afalg(5, op=1),
}


@pytest.mark.parametrize("name", AFALG)
def test_a_wrong_cipher_message_raises_what_the_stdlib_raises(name: str) -> None:
    seen = []
    for make in (Socket, socket.socket):
        with taken_for(make, "alg") as sock:
            seen.append(outcome(lambda sock=sock: AFALG[name](sock))[0])
    assert seen[0] == seen[1]
