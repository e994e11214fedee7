"""The native peers over TCP and Unix sockets, with both triggers."""

import gc
import itertools
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import epollkit
from epollkit import HarnessError, Peer, Socket, WaitTimeout, serve
from support import MUST_ARRIVE

Start = Callable[..., Peer]

_names = itertools.count()


@pytest.fixture(params=["edge", "level"])
def trigger(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["ipv4", "ipv6", "path", "abstract"])
def where(request: pytest.FixtureRequest, loopback: str, tmp_path: Path) -> Callable[[], dict]:
    def arguments() -> dict:
        number = next(_names)
        return {
            "ipv4": {"host": loopback},
            "ipv6": {"host": "::1"},
            "path": {"unix": str(tmp_path / f"{number}.sock")},
            "abstract": {"unix": f"\0epollkit-{os.getpid()}-{number}".encode()},
        }[request.param]

    return arguments


def connect(peer: Peer) -> Socket:
    sock = epollkit.connect(peer.address, timeout=MUST_ARRIVE)
    sock.settimeout(MUST_ARRIVE)
    return sock


def receive(sock: Socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = sock.recv(size - len(received))
        assert chunk, f"the stream ended after {len(received)} of {size} bytes"
        received += chunk
    return received


def receive_to_end(sock: Socket) -> bytes:
    received = b""
    while chunk := sock.recv(65536):
        received += chunk
    return received


def test_echo_sends_back_what_it_receives(where: Callable[[], dict], trigger: str) -> None:
    with serve.echo(**where(), trigger=trigger) as peer, connect(peer) as sock:
        for message in (b"x", b"hello" * 100, bytes(range(256)) * 1000):
            sock.sendall(message)
            assert receive(sock, len(message)) == message


def test_echo_answers_all_before_it_ends(where: Callable[[], dict], trigger: str) -> None:
    message = os.urandom(300_000)
    with serve.echo(**where(), trigger=trigger) as peer, connect(peer) as sock:
        sender = threading.Thread(target=lambda: (sock.sendall(message), sock.shutdown(1)))
        sender.start()
        assert receive_to_end(sock) == message
        sender.join()


def test_echo_keeps_what_a_client_does_not_read(where: Callable[[], dict], trigger: str) -> None:
    """A client that only writes is made to wait by its own full buffers, and loses nothing."""
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)]
    pattern = bytes(range(251)) * 1000
    with serve.echo(**where(), trigger=trigger) as peer:
        sock = epollkit.connect(peer.address, timeout=MUST_ARRIVE, options=small)
        sent = 0
        while not (seen := peer.counters).short_sends:
            count = sock.try_send(pattern[sent % 251 :][:100_000])
            if count is None:
                peer.wait_until(lambda later, turns=seen.turns: later.turns > turns, MUST_ARRIVE)
            else:
                sent += count
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(MUST_ARRIVE)
        back = receive_to_end(sock)
        assert len(back) == sent
        assert back == (bytes(range(251)) * (sent // 251 + 1))[:sent]
        sock.close()


def test_discard_takes_all_and_says_nothing(where: Callable[[], dict], trigger: str) -> None:
    with serve.discard(**where(), trigger=trigger) as peer, connect(peer) as sock:
        sock.sendall(b"x" * 200_000)
        peer.wait_until(lambda counters: counters.bytes_received == 200_000, MUST_ARRIVE)
        sock.shutdown(socket.SHUT_WR)
        assert receive_to_end(sock) == b""
        assert peer.wait_until(lambda counters: counters.closed == 1).bytes_sent == 0


def test_chargen_rotates_its_lines(where: Callable[[], dict], trigger: str) -> None:
    ring = bytes(range(0x21, 0x7F))
    ring = b" " + ring
    with serve.chargen(**where(), trigger=trigger) as peer, connect(peer) as sock:
        lines = receive(sock, 74 * 200).split(b"\r\n")[:200]
        for number, line in enumerate(lines):
            start = number % len(ring)
            assert line == (ring * 2)[start : start + 72]


def test_chargen_outlives_a_half_close(where: Callable[[], dict], trigger: str) -> None:
    with serve.chargen(**where(), trigger=trigger) as peer, connect(peer) as sock:
        sock.sendall(b"ignored")
        sock.shutdown(socket.SHUT_WR)
        assert len(receive(sock, 1_000_000)) == 1_000_000
        sock.close()
        assert peer.wait_until(lambda counters: counters.open == 0).closed == 1


def test_a_reset_is_counted_and_hurts_nobody_else(loopback: str, trigger: str) -> None:
    with serve.echo(loopback, trigger=trigger) as peer, connect(peer) as healthy:
        with connect(peer) as sock:
            sock.sendall(b"x")
            assert receive(sock, 1) == b"x"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        seen = peer.wait_until(lambda counters: counters.closed == 1)
        assert seen.connection_errors == 1
        healthy.sendall(b"still here")
        assert receive(healthy, 10) == b"still here"


def test_counters_add_up(loopback: str, trigger: str) -> None:
    with serve.echo(loopback, trigger=trigger) as peer:
        socks = [connect(peer) for _ in range(20)]
        for sock in socks:
            sock.sendall(b"12345")
            assert receive(sock, 5) == b"12345"
        seen = peer.wait_until(lambda counters: counters.bytes_sent == 100)
        assert (seen.accepted, seen.open, seen.closed, seen.bytes_received) == (20, 20, 0, 100)
        for sock in socks:
            sock.close()
        seen = peer.wait_until(lambda counters: counters.open == 0)
        assert (seen.accepted, seen.closed, seen.connection_errors) == (20, 20, 0)
        assert seen == peer.counters or peer.counters.turns > seen.turns


def test_the_address_is_what_connect_takes(where: Callable[[], dict]) -> None:
    arguments = where()
    with serve.echo(**arguments) as peer:
        if "unix" in arguments:
            assert peer.address == arguments["unix"]
            assert peer.host is None
            assert peer.port is None
            assert peer.url("http").startswith("http+unix:")
        else:
            assert peer.address[:2] == (peer.host, peer.port)
            assert peer.host == arguments["host"]
            assert peer.url("http").startswith("http://")
            assert peer.url().endswith(f":{peer.port}")


def test_a_closed_peer_is_gone(where: Callable[[], dict]) -> None:
    peer = serve.echo(**where())
    with connect(peer) as sock:
        peer.wait_until(lambda counters: counters.accepted == 1)
        peer.close()
        assert peer.closed
        assert sock.recv(1) == b""
    with pytest.raises(OSError, match=r"refused|No such file"):
        epollkit.connect(peer.address, timeout=MUST_ARRIVE)
    peer.close()
    assert "closed" in repr(peer)
    assert peer.counters.open == 0


def test_a_unix_path_is_removed_but_not_somebody_elses(tmp_path: Path) -> None:
    path = tmp_path / "peer.sock"
    with serve.echo(unix=str(path)):
        assert path.is_socket()
    assert not path.exists()
    with serve.echo(unix=str(path)):
        path.unlink()
        path.write_text("mine")
    assert path.read_text() == "mine"


def test_an_address_in_use_is_said_at_once(loopback: str, tmp_path: Path) -> None:
    with serve.echo(loopback) as peer, pytest.raises(OSError, match="in use") as caught:
        serve.echo(loopback, peer.port)
    assert caught.value.__notes__ == [f"bind {loopback}:{peer.port}"]
    with pytest.raises(OSError, match="too long"):
        serve.echo(unix=str(tmp_path / ("x" * 200)))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"trigger": "egde"}, (ValueError, 'trigger must be "edge" or "level", not "egde"')),
        (
            {"max_connections": 0},
            (ValueError, "max_connections must be at least 1, or None, not 0"),
        ),
        ({"max_connections": -3}, (ValueError, "not -3")),
        ({"port": 65536}, (OverflowError, "port must be 0-65535")),
        ({"port": "http"}, (TypeError, "str")),
        ({"host": 7}, (TypeError, "str, bytes or bytearray expected, not int")),
    ],
)
def test_bad_arguments_are_named(
    loopback: str, arguments: dict, expected: tuple[type[Exception], str]
) -> None:
    with pytest.raises(expected[0], match=expected[1]):
        serve.echo(**{"host": loopback} | arguments)


def test_a_wait_in_vain_tells_what_was_seen(loopback: str) -> None:
    with serve.echo(loopback) as peer:
        with pytest.raises(WaitTimeout) as caught:
            peer.wait_until(lambda counters: counters.accepted == 7, timeout=0.01)
        assert caught.value.elapsed >= 0.01
        assert caught.value.seen.accepted == 0
        with pytest.raises(ZeroDivisionError):
            peer.wait_until(lambda _counters: 1 / 0)
        with pytest.raises(ValueError, match="out of range"):
            peer.wait_until(bool, timeout=-1)


def test_a_wait_ends_when_the_peer_does(loopback: str) -> None:
    peer = serve.echo(loopback)
    waiting = threading.Event()
    outcome: list[BaseException] = []

    def wait() -> None:
        def never(_counters: serve.Counters) -> bool:
            waiting.set()
            return False

        try:
            peer.wait_until(never, timeout=None)
        except WaitTimeout as error:
            outcome.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert waiting.wait(MUST_ARRIVE)
    peer.close()
    waiter.join(MUST_ARRIVE)
    assert len(outcome) == 1


def test_a_forgotten_peer_stops_itself(loopback: str) -> None:
    peer = serve.echo(loopback)
    address = peer.address
    del peer
    gc.collect()
    with pytest.raises(ConnectionRefusedError):
        epollkit.connect(address, timeout=MUST_ARRIVE)


@pytest.mark.thread_unsafe(reason="forks")
def test_a_child_leaves_its_parents_peer_alone(loopback: str) -> None:
    with serve.echo(loopback) as peer:
        child = os.fork()
        if child == 0:
            try:
                peer.close()  # has no thread to join, and must not ring the parent's bell
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0
        with connect(peer) as sock:
            sock.sendall(b"alive")
            assert receive(sock, 5) == b"alive"


def test_harness_errors_are_not_os_errors() -> None:
    assert not issubclass(HarnessError, OSError)
