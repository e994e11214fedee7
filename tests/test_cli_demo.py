import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from epollkit import EventFlags, PollFlags, Trace
from epollkit.cli import _lesson
from epollkit.scope import Mark, MarkKind, legend

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "epollkit.cli", "demo"]
SMALL = ["--clients", "20", "--seconds", "0.2"]
BOUND = 15.0


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
    )


@contextmanager
def listening(host: str) -> Iterator[socket.socket]:
    with socket.create_server((host, 0)) as listener:
        listener.settimeout(5.0)
        yield listener


def where(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"{host}:{port}"


def answered_with(reply: bytes, loopback: str, *arguments: str) -> tuple[int, str, str]:
    """The demo against a server that answers the first message with `reply`, and closes."""
    with listening(loopback) as listener:
        process = subprocess.Popen(
            [*COMMAND, where(listener), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5.0)
            connection.recv(64)
            connection.sendall(reply)
        out, err = process.communicate(timeout=BOUND)
        return process.returncode, out, err.replace(where(listener), "SERVER")


# The lesson: facts about the kernel.


def test_level_edge_and_oneshot_deliver_what_the_manual_says() -> None:
    trace = _lesson.perform()
    assert trace.deliveries("LT") == [0, 1, 1, 1, 1, 1, 0]
    assert trace.deliveries("ET") == [0, 1, 0, 1, 0, 1, 0]
    assert trace.deliveries("ONESHOT") == [0, 1, 0, 0, 0, 1, 0]
    assert [(str(tick.call), tick.after["near"].unread) for tick in trace.ticks] == [
        ("wait", 0),
        ("far.send 3", 3),
        ("wait", 3),
        ("wait", 3),
        ("far.send 2", 5),
        ("wait", 5),
        ("near.recv 2", 3),
        ("wait", 3),
        ("rearm", 3),
        ("wait", 3),
        ("near.drain", 0),
        ("wait", 0),
    ]


def test_the_level_is_high_while_bytes_are_unread() -> None:
    looks = [tick.after["near"] for tick in _lesson.perform().ticks]
    assert all((PollFlags.IN in look.level) == bool(look.unread) for look in looks)


def test_every_probe_is_explained_by_a_rule() -> None:
    assert _lesson.explain(_lesson.perform()) == {
        "LT": "5 of 7 waits: at every wait while bytes are unread",
        "ET": "3 of 7 waits: once per arrival or re-arm, never for what is left over",
        "ONESHOT": "2 of 7 waits: once, then silent until re-armed, whatever arrives",
    }


def test_the_explanation_follows_what_was_seen() -> None:
    trace = _lesson.perform()
    delivered, empty = Mark(MarkKind.DELIVERED, EventFlags.IN), Mark(MarkKind.EMPTY)
    first = replace(trace.ticks[0], marks={"LT": delivered, "ET": empty, "ONESHOT": empty})
    told = _lesson.explain(replace(trace, ticks=(first, *trace.ticks[1:])))
    assert told["LT"] == "6 of 7 waits delivered"
    assert told["ET"].startswith("3 of 7 waits: once per arrival")


@pytest.mark.parametrize("ascii_only", [False, True])
def test_the_picture_fits_a_terminal(ascii_only: bool) -> None:  # noqa: FBT001 - a parameter
    picture = _lesson.perform().text(ascii_only=ascii_only)
    assert max(map(len, picture.splitlines())) <= 80
    assert picture.isascii() == ascii_only


# The command with the native server.


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    done = demo(*SMALL, "--json", "--message-size", "32", "--seed", "7")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 1
    return json.loads(lines[0])


def test_json_is_one_object_with_everything(found: dict[str, Any]) -> None:
    assert found["schema"] == 1
    assert found["problems"] == []
    assert found["server"]["native"]
    assert found["connect"]["asked"] == found["connect"]["connected"] == 20
    assert found["connect"]["failed"] == {}
    assert found["connect"]["rate"] > 0
    assert found["traffic"]["message_size"] == 32
    assert found["traffic"]["seed"] == 7
    assert found["traffic"]["errors"] == {}


def test_messages_went_round_for_as_long_as_asked(found: dict[str, Any]) -> None:
    traffic = found["traffic"]
    assert traffic["messages"] >= 20
    assert traffic["elapsed"] >= 0.2
    assert traffic["rate"] == pytest.approx(traffic["messages"] / traffic["elapsed"], rel=0.01)


def test_quantiles_are_in_order(found: dict[str, Any]) -> None:
    latency = found["traffic"]["latency"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["p999"] <= latency["max"]


def test_json_has_the_lesson_as_data(found: dict[str, Any]) -> None:
    trace = Trace.from_json(found["lesson"]["trace"])
    assert trace.deliveries("ET") == _lesson.perform().deliveries("ET")
    assert found["lesson"]["explanations"].keys() == _lesson.PROBES.keys()


@pytest.mark.slow
def test_the_page_has_the_table_and_the_picture() -> None:
    done = demo(*SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    for label in ("connects/s", "messages/s", "p50", "p99", "p99.9", "max"):
        assert label in done.stdout
    assert str(_lesson.perform()) in done.stdout
    assert legend() in done.stdout


@pytest.mark.slow
def test_a_terminal_without_unicode_gets_plain_characters() -> None:
    done = demo(*SMALL, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert _lesson.perform().text(ascii_only=True) in done.stdout


@pytest.mark.slow
def test_quiet_prints_nothing() -> None:
    done = demo(*SMALL, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_too_few_descriptors_means_fewer_clients_and_a_word_about_it() -> None:
    # Without CAP_SYS_RESOURCE (24), which root would use to raise the hard limit too. Another user
    # would do as well, but might not be able to read this interpreter's files.
    program = """
import ctypes, resource, sys
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
sets = (ctypes.c_uint32 * 6)()
libc = ctypes.CDLL(None)
assert libc.capget(header, sets) == 0
sets[0] &= ~(1 << 24)
sets[1] &= ~(1 << 24)
assert libc.capset(header, sets) == 0
resource.setrlimit(resource.RLIMIT_NOFILE, (84, 84))
from epollkit.cli import main
sys.exit(main(["demo", "--clients", "100", "--seconds", "0.1", "--json"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=BOUND,
    )
    connect = json.loads(done.stdout)["connect"]
    assert (connect["asked"], connect["tried"], connect["connected"]) == (100, 10, 10)
    assert done.stderr.startswith("10 clients instead of 100:")
    assert "LimitNOFILE=" in done.stderr


# The command with a server of the user's.


@pytest.mark.slow
def test_a_server_of_the_users_that_echoes(loopback: str) -> None:
    from epollkit import serve  # noqa: PLC0415 - the other tests need no peer

    with serve.echo(loopback) as peer:
        done = demo(f"{peer.host}:{peer.port}", *SMALL, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        found = json.loads(done.stdout)
        assert found["server"] == {"host": loopback, "port": peer.port, "native": False}
        # One more than the clients: the first one checks that it is an echo.
        assert peer.wait_until(lambda counters: counters.closed == 21).accepted == 21


def test_a_server_that_answers_something_else(loopback: str) -> None:
    code, out, err = answered_with(b"HTTP/1.1 400 Bad Request\r\n\r\n", loopback)
    assert (code, out) == (1, "")
    assert err.startswith("epollkit demo: SERVER does not echo: sent b'")
    assert "got b'HTTP/1.1 400" in err


def test_a_server_that_hangs_up(loopback: str) -> None:
    code, out, err = answered_with(b"", loopback)
    assert (code, out) == (1, "")
    assert err == (
        "epollkit demo: SERVER does not echo: 0 of 64 bytes came back, then end of stream\n"
    )


def test_a_failure_is_an_object_too_where_one_was_asked_for(loopback: str) -> None:
    code, out, err = answered_with(b"", loopback, "--json")
    assert code == 1
    assert json.loads(out)["schema"] == 1
    assert "does not echo" in json.loads(out)["error"]
    assert "does not echo" in err


def test_nobody_listens(loopback: str) -> None:
    with socket.socket() as bound:
        bound.bind((loopback, 0))
        done = demo(where(bound))
        refused = f"connect {where(bound)}: {os.strerror(errno.ECONNREFUSED)}"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"epollkit demo: {refused}\n"


def test_an_unknown_host() -> None:
    done = demo("no-such-host.invalid:7")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("epollkit demo: connect no-such-host.invalid:7: ")
    assert "Traceback" not in done.stderr
