import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "epollkit.cli", "serve"]
BOUND = 5.0


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server with --json, and the object that it prints when it listens."""
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], signum: signal.Signals) -> dict[str, Any]:
    process.send_signal(signum)
    out, err = process.communicate(timeout=BOUND)
    assert (process.returncode, err) == (0, "")
    return json.loads(out)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end_and_tells_what_it_counted(
    signum: signal.Signals, loopback: str
) -> None:
    with serving("echo", "-l", f"{loopback}:0", "--trigger", "level") as (process, listening):
        assert (listening["schema"], listening["kind"]) == (1, "echo")
        with socket.create_connection(listening["address"], BOUND) as client:
            client.sendall(b"hello")
            assert client.recv(5, socket.MSG_WAITALL) == b"hello"
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        stopped = ended(process, signum)
    assert stopped["event"] == "stopped"
    counters = stopped["counters"]
    assert (counters["accepted"], counters["bytes_received"], counters["bytes_sent"]) == (1, 5, 5)


def test_it_listens_on_a_unix_path(tmp_path: Path) -> None:
    path = os.fspath(tmp_path / f"echo-{threading.get_native_id()}")
    with serving("echo", "--unix", path) as (process, listening):
        assert listening["address"] == path
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(BOUND)
            client.connect(path)
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        assert ended(process, signal.SIGINT)["counters"]["accepted"] == 1


def test_it_listens_on_an_abstract_name() -> None:
    name = f"@epollkit-test-{threading.get_native_id()}"
    with serving("chargen", "--unix", name) as (process, listening):
        assert listening["address"] == name
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(BOUND)
            client.connect("\0" + name[1:])
            assert len(client.recv(72, socket.MSG_WAITALL)) == 72
        ended(process, signal.SIGINT)


def test_an_address_in_use_is_one_line(loopback: str) -> None:
    with socket.create_server((loopback, 0)) as taken:
        where = f"{loopback}:{taken.getsockname()[1]}"
        done = subprocess.run(
            [*COMMAND, "echo", "-l", where], capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"epollkit serve: listen {where}: Address already in use\n"


def test_people_see_where_it_listens_and_the_counters_that_are_not_zero(loopback: str) -> None:
    process = subprocess.Popen(
        [*COMMAND, "echo", "-l", f"{loopback}:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith(f"echo on {loopback}:")
        assert "Ctrl-C" in first
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=BOUND)
    assert (process.returncode, err) == (0, "")
    assert "accepted" not in out
