"""`%load_ext epollkit` and `%%epolltrace`, in an IPython shell of the test's own."""

import io
from collections.abc import Generator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from epollkit import Epoll, Socket, Trace
from epollkit.scope import Mistake

pytestmark = pytest.mark.thread_unsafe(reason="IPython's shell replaces sys.displayhook")


@pytest.fixture
def shell() -> Generator[InteractiveShell]:
    settings = Config()
    settings.HistoryManager.enabled = False  # a database and its thread
    shell = InteractiveShell(config=settings)
    run(shell, "%load_ext epollkit")
    run(shell, "import epollkit\nnear, far = epollkit.socketpair()")
    run(shell, "near.settimeout(0); far.settimeout(0)")
    yield shell
    run(shell, "near.close(); far.close()")
    run(shell, "%unload_ext epollkit")
    assert "epolltrace" not in shell.magics_manager.magics["cell"]


def run(shell: InteractiveShell, cell: str) -> Any:  # noqa: ANN401 - a cell's value
    with redirect_stdout(io.StringIO()):
        result = shell.run_cell(cell)
    result.raise_error()
    return result.result


def test_each_statement_is_followed_by_a_look_at_the_probes(shell: InteractiveShell) -> None:
    trace = run(
        shell, '%%epolltrace near --title "why"\nfar.send(b"hello")\nnear.recv(2)\nfar.send(b"!")'
    )
    assert isinstance(trace, Trace)
    assert trace.title == "why"
    assert [str(call) for call in trace.calls] == [
        "far.send 5",
        "wait",
        "near.recv 2",
        "wait",
        "far.send 1",
        "wait",
    ]
    assert trace.deliveries("LT") == [1, 1, 1]
    assert trace.deliveries("ET") == [1, 0, 1]
    assert trace.deliveries("ONESHOT") == [1, 0, 0]
    assert shell.user_ns["trace"] == trace


def test_the_names_are_the_things_again_after_it(shell: InteractiveShell) -> None:
    before = shell.user_ns["near"]
    run(shell, "%%epolltrace\nnear.send(b'x')\nepoll = epollkit.Epoll()\nepoll.register(far, 1)")
    assert shell.user_ns["near"] is before
    assert type(shell.user_ns["epoll"]) is Epoll
    run(shell, "assert [event.fd for event in epoll.wait(0)] == [far.fileno()]\nepoll.close()")


def test_what_the_cell_makes_is_watched_under_its_name(shell: InteractiveShell) -> None:
    cell = "one = epollkit.Socket()\none.close()\nfor _ in range(2):\n    near.send(b'x')"
    trace = run(shell, f"%%epolltrace --name mine\n{cell}")
    assert [source.name for source in trace.sources] == ["near", "one"]
    assert [str(call) for call in trace.calls] == ["one.close", "near.send 1", "near.send 1"]
    assert shell.user_ns["mine"] == trace
    assert type(shell.user_ns["one"]) is Socket


def test_functions_of_earlier_cells_are_recorded(shell: InteractiveShell) -> None:
    run(shell, "def step():\n    near.send(b'x')\n    return far.recv(1)")
    trace = run(shell, "%%epolltrace near --modes LT --mask IN|OUT\nfar\nstep()")
    assert [str(call) for call in trace.calls] == ["wait", "near.send 1", "far.recv 1", "wait"]
    assert trace.deliveries("LT") == [4, 4]


def test_a_guess_is_laid_over_the_picture(shell: InteractiveShell) -> None:
    run(shell, 'guess = {"LT": "11", "ET": "11"}')
    cell = "%%epolltrace near --modes LT,ET --guess guess\nfar.send(b'hello')\nnear.recv(2)"
    trace = run(shell, cell)
    assert trace.mistakes == [Mistake("ET", 1, predicted=True)]
    assert shell.user_ns["trace"] == trace


def test_a_cell_that_fails_leaves_its_trace_and_the_names(shell: InteractiveShell) -> None:
    before = shell.user_ns["near"]
    with pytest.raises(BlockingIOError):
        run(shell, "%%epolltrace near\nnear.recv(1)\nfar.send(b'never')")
    trace = shell.user_ns["trace"]
    assert [(str(call), call.result) for call in trace.calls] == [("near.recv 1", "EAGAIN")]
    assert shell.user_ns["near"] is before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nobody", "nobody is not a socket, a pipe or a set of this notebook"),
        ("near --modes LT,XX", "'XX' is not one of LT, ET, ONESHOT, ET|ONESHOT"),
        ("near --mask WRONG", "'WRONG' is not one of IN, PRI, OUT"),
        ("near --unknown", "unrecognized arguments: --unknown"),
        ("near --guess near", "near is not a dict of this notebook"),
    ],
)
def test_wrong_usage_is_named(shell: InteractiveShell, line: str, words: str) -> None:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        result = shell.run_cell(f"%%epolltrace {line}\nnear.send(b'x')")
    assert words in str(result.error_in_exec)
    assert "Traceback" not in out.getvalue()
    run(shell, "assert far.try_recv(1) is None")
