import importlib.metadata
import json
import os
import pty
import signal
import subprocess
import sys

import pytest

from epollkit.cli import main

COMMAND = [sys.executable, "-m", "epollkit.cli"]


def epollkit(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def on_terminal(*arguments: str, **environment: str) -> str:
    """What a command writes to a terminal's stdout."""
    ours, theirs = pty.openpty()
    try:
        env = {**os.environ, "TERM": "xterm-256color", **environment}
        process = subprocess.Popen([*COMMAND, *arguments], stdout=theirs, env=env)
    finally:
        os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 1 << 16):
            written += chunk
    except OSError:  # EIO: the other side is closed
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0
    return written.decode()


def test_version() -> None:
    done = epollkit("--version")
    version = importlib.metadata.version("epollkit")
    assert (done.returncode, done.stdout) == (0, f"epollkit {version}\n")


@pytest.mark.parametrize("command", [[], ["demo"], ["doctor"], ["serve"], ["completion"]])
def test_help_is_a_page_with_examples(command: list[str]) -> None:
    done = epollkit(*command, "--help", COLUMNS="80")
    assert done.returncode == 0
    assert "examples:" in done.stdout or "to switch it on:" in done.stdout
    if not command:
        assert "exit codes:" in done.stdout


def test_without_a_command_the_help_is_shown_as_an_error() -> None:
    done = epollkit()
    assert (done.returncode, done.stdout) == (2, "")
    assert "examples:" in done.stderr


def test_a_misspelt_command_brings_a_suggestion() -> None:
    done = epollkit("dmeo")
    assert (done.returncode, done.stdout) == (2, "")
    assert "maybe you meant 'demo'?" in done.stderr


def test_a_misspelt_choice_brings_a_suggestion() -> None:
    done = epollkit("serve", "ecoh")
    assert done.returncode == 2
    assert "maybe you meant 'echo'?" in done.stderr


def test_options_are_not_guessed_from_abbreviations() -> None:
    assert epollkit("demo", "--client", "5").returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "localhost"],
        ["demo", "localhost:http"],
        ["demo", "localhost:65536"],
        ["demo", "::1:7"],
        ["demo", "--clients", "0"],
        ["demo", "--clients", "many"],
        ["demo", "--seconds", "0"],
        ["demo", "--seconds", "nan"],
        ["demo", "--seconds", "inf"],
        ["demo", "--message-size", "65537"],
        ["serve"],
        ["serve", "echo", "-l", "127.0.0.1:0", "--unix", "/tmp/never"],  # noqa: S108 - not made
        ["serve", "echo", "--max-connections", "-1"],
        ["completion", "powershell"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_before_anything_is_done(arguments: list[str]) -> None:
    done = epollkit(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: epollkit")
    assert "Traceback" not in done.stderr


def test_main_returns_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == 1
    assert main(["no-such-command"]) == 2
    assert main(["--help"]) == 0


@pytest.mark.slow
def test_a_terminal_gets_colours_unless_it_asks_for_none() -> None:
    assert "\x1b[32m" in on_terminal("doctor", NO_COLOR="")
    assert "\x1b[" not in on_terminal("doctor", NO_COLOR="1")
    assert "\x1b[" not in on_terminal("doctor", "--no-color", NO_COLOR="")


def test_a_pipe_gets_no_colours() -> None:
    assert "\x1b[" not in epollkit("doctor").stdout


@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--json"], ["completion", "bash"]])
def test_a_closed_pipe_is_not_a_traceback(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=writing, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_it_starts_without_importing_what_draws() -> None:
    program = """
import sys
from epollkit.cli import main
main(["doctor", "--quiet"])
print(sorted(name for name in ("rich", "shtab", "asyncio") if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
