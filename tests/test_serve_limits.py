"""A peer at its connection limit, and one without descriptors."""

import subprocess
import sys
import textwrap

import pytest

import epollkit
from epollkit import Peer, Socket, serve
from support import MUST_ARRIVE


def connect(peer: Peer) -> Socket:
    sock = epollkit.connect(peer.address, timeout=MUST_ARRIVE)
    sock.settimeout(MUST_ARRIVE)
    return sock


@pytest.mark.parametrize("trigger", ["edge", "level"])
def test_the_limit_counts_before_it_accepts(loopback: str, trigger: str) -> None:
    with serve.echo(loopback, trigger=trigger, max_connections=2) as peer:
        first, second, third = (connect(peer) for _ in range(3))
        for sock in (first, second):
            sock.sendall(b"in")
            assert sock.recv(2) == b"in"
        third.sendall(b"waits in the backlog")
        seen = peer.wait_until(lambda counters: counters.accept_paused)
        assert (seen.accepted, seen.open) == (2, 2)
        first.close()
        assert third.recv(20) == b"waits in the backlog"
        seen = peer.wait_until(lambda counters: counters.closed == 1)
        assert (seen.accepted, seen.accept_emfile) == (3, 0)
        second.close()
        third.close()
        assert not peer.wait_until(lambda counters: counters.open == 0).accept_paused


STARVED = textwrap.dedent("""
    import resource, sys
    import epollkit
    from epollkit import serve

    loopback, trigger = sys.argv[1:]
    peer = serve.echo(loopback, trigger=trigger)
    clients = [epollkit.Socket(timeout=5.0) for _ in range(20)]
    # The peer counts in a table of its own: this leaves it room for a few clients.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (12, hard))

    for client in clients:
        client.connect(peer.address)
        client.sendall(b"hello")
    seen = peer.wait_until(lambda counters: counters.accept_paused and counters.accept_emfile)
    assert 0 < seen.accepted < 20, seen
    assert clients[0].recv(5) == b"hello"

    # Not one more turn than its ticks: it does not spin.
    before = peer.counters.turns
    try:
        peer.wait_until(lambda counters: counters.turns > before + 20, timeout=0.1)
    except epollkit.WaitTimeout:
        pass
    else:
        sys.exit("spins")

    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for client in clients[1:]:
        assert client.recv(5) == b"hello"
    seen = peer.wait_until(lambda counters: counters.accepted == 20)
    assert not peer.wait_until(lambda counters: not counters.accept_paused).accept_paused
    for client in clients:
        client.close()
    assert peer.wait_until(lambda counters: counters.open == 0).connection_errors == 0
    peer.close()
    print("all served")
""")


@pytest.mark.thread_unsafe(reason="starts a process")
@pytest.mark.parametrize("trigger", ["edge", "level"])
def test_without_descriptors_it_waits_and_then_serves_all(loopback: str, trigger: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", STARVED, loopback, trigger],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("all served\n", 0), done.stderr
