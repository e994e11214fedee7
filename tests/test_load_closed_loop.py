"""The closed loop: what it counts, and what it does about servers that do not echo."""

import errno
import os
import threading

import pytest

import epollkit
from epollkit import Socket, WaitTimeout, serve
from epollkit.load import ClosedLoop
from support import MUST_ARRIVE


def connections(address: tuple[str, int], count: int) -> list[Socket]:
    results = epollkit.connect_many([address] * count, timeout=MUST_ARRIVE)
    return [result.socket for result in results]


def close(sockets: list[Socket]) -> None:
    for sock in sockets:
        sock.close()


@pytest.mark.parametrize("size", [1, 64, 100_000])
@pytest.mark.parametrize("count", [1, 30])
def test_every_message_comes_back(loopback: str, size: int, count: int) -> None:
    with serve.echo(loopback) as peer:
        sockets = connections(peer.address, count)
        with ClosedLoop(sockets, os.urandom(size), messages=200) as run:
            result = run.result(MUST_ARRIVE)
            assert run.done
            assert run.progress == 200
        assert (result.messages, result.mismatched, result.eof, result.unfinished) == (200, 0, 0, 0)
        assert result.errors == {}
        assert 0 < result.p50 <= result.p99 <= result.p999 <= result.max <= result.elapsed
        assert 0 < result.mean <= result.max
        assert result.rate == pytest.approx(200 / result.elapsed)
        assert result.quantile(1.0) == result.max
        seen = peer.wait_until(lambda counters: counters.bytes_sent == 200 * size)
        assert seen.bytes_received == 200 * size
        close(sockets)


def test_the_duration_ends_it(loopback: str) -> None:
    with serve.echo(loopback) as peer:
        sockets = connections(peer.address, 3)
        with ClosedLoop(sockets, b"ping", duration=0.05) as run:
            result = run.result(MUST_ARRIVE)
        assert result.elapsed >= 0.05
        assert result.messages > 0
        close(sockets)


def test_stop_ends_it_and_the_sockets_are_clean(loopback: str) -> None:
    with serve.echo(loopback) as peer:
        sockets = connections(peer.address, 3)
        run = ClosedLoop(sockets, b"ping")
        peer.wait_until(lambda counters: counters.bytes_sent > 1000)
        assert not run.done
        with pytest.raises(WaitTimeout) as caught:
            run.result(timeout=0.01)
        assert caught.value.elapsed >= 0.01
        run.stop()
        result = run.result()
        assert result.messages > 0
        assert result.unfinished == 0
        for sock in sockets:
            sock.settimeout(MUST_ARRIVE)
            sock.sendall(b"mine")
            assert sock.recv(100) == b"mine"
        close(sockets)


def test_a_server_that_changes_a_byte_is_found_out(loopback: str) -> None:
    with Socket(timeout=MUST_ARRIVE) as listener:
        listener.bind((loopback, 0))
        listener.listen(1)
        client = epollkit.connect(listener.getsockname(), timeout=MUST_ARRIVE)
        server, _ = listener.accept()
        server.settimeout(MUST_ARRIVE)

        def answer() -> None:
            for _ in range(3):
                server.recv(4)
                server.sendall(b"pong")

        thread = threading.Thread(target=answer)
        thread.start()
        with ClosedLoop([client], b"ping", messages=3) as run:
            result = run.result(MUST_ARRIVE)
        thread.join()
        assert (result.messages, result.mismatched) == (3, 3)
        client.close()
        server.close()


@pytest.mark.parametrize(
    ("linger", "eof", "errors"),
    [(b"", 1, {}), (b"\1\0\0\0\0\0\0\0", 0, {errno.ECONNRESET: 1})],
)
def test_a_server_that_leaves_is_counted(
    loopback: str, linger: bytes, eof: int, errors: dict[int, int]
) -> None:
    with Socket(timeout=MUST_ARRIVE) as listener:
        listener.bind((loopback, 0))
        listener.listen(1)
        client = epollkit.connect(listener.getsockname(), timeout=MUST_ARRIVE)
        server, _ = listener.accept()
        with ClosedLoop([client], b"ping") as run:
            server.settimeout(MUST_ARRIVE)
            assert server.recv(4) == b"ping"
            if linger:
                server.setsockopt(1, 13, linger)  # SOL_SOCKET, SO_LINGER
            server.close()
            result = run.result(MUST_ARRIVE)
        assert (result.messages, result.eof, result.errors) == (0, eof, errors)
        client.close()


def test_bad_arguments_are_named(loopback: str) -> None:
    with serve.echo(loopback) as peer:
        [sock] = connections(peer.address, 1)
        for arguments, text in [
            (([], b"x"), "needs a socket"),
            (([sock], b""), "needs a message"),
        ]:
            with pytest.raises(ValueError, match=text):
                ClosedLoop(*arguments)
        with pytest.raises(ValueError, match="messages must be at least 1"):
            ClosedLoop([sock], b"x", messages=0)
        with pytest.raises(ValueError, match="out of range"):
            ClosedLoop([sock], b"x", duration=-1)
        with pytest.raises(FileExistsError):
            ClosedLoop([sock, sock], b"x")
        with pytest.raises(TypeError):
            ClosedLoop([sock], "text")
        sock.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            ClosedLoop([sock], b"x")
        with serve.echo(loopback) as other:
            [sock] = connections(other.address, 1)
            with ClosedLoop([sock], b"x", messages=1) as run:
                result = run.result(MUST_ARRIVE)
            with pytest.raises(ValueError, match=r"fraction must be 0\.0 to 1\.0, not 1\.5"):
                result.quantile(1.5)
            sock.close()
