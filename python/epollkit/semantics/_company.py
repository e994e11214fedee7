"""Who else takes part in an experiment: threads, and processes of their own."""

import contextlib
import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from epollkit import Socket
from epollkit.semantics import _fence
from epollkit.semantics._observer import Observer
from epollkit.semantics._outcome import NotShownHere

if TYPE_CHECKING:
    from _typeshed import HasFileno

    from epollkit.scope import Scope

__all__ = ["MUST_END", "Company"]

MUST_END: Final = 15.0
"""Seconds for a process: on a busy machine its start alone takes long."""

T = TypeVar("T")


class Company(Observer):
    """Starts threads and processes, and waits for their ends."""

    def __init__(self, scope: "Scope | None" = None, address: str = "") -> None:
        super().__init__(scope, address)
        self._threads = 0

    def needs(self, condition: object, what: str) -> None:
        """Go on only if this machine has what the experiment needs.

        Raises:
            NotShownHere: it has not.
        """
        if not condition:
            raise NotShownHere(f"needs {what}")

    def thread(self, function: Callable[[], T]) -> Future[T]:
        """Run it in a thread of its own, which is asleep in a system call, or over, on return.

        Returns:
            The future of its result. The thread is joined at the end of the experiment: what it
            waits for must have happened by then.
        """
        self.needs(os.uname().machine in _WAITING, "x86-64 or arm64")
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - the future carries it
                future.set_exception(error)

        self._threads += 1
        thread = threading.Thread(target=run, name=f"thread {self._threads}")
        thread.start()
        self._ends.callback(thread.join, MUST_END)
        self.wait_until("a thread asleep", lambda: future.done() or _asleep(thread.native_id or 0))
        return future

    @contextlib.contextmanager
    def holder(self, *sources: Socket) -> Generator[None]:
        """While the block runs another process has these descriptors, too, and does nothing."""
        with subprocess.Popen(
            [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"],
            pass_fds=[source.fileno() for source in sources],
            stdin=subprocess.PIPE,
        ):
            yield

    def child(
        self, code: str, *sources: "HasFileno", timeout: float = MUST_END
    ) -> "subprocess.CompletedProcess[str]":
        """Run Python code in a process of its own.

        Args:
            code: finds the numbers of the sources in sys.argv[1:].
            sources: descriptors that it inherits.
            timeout: seconds until it is killed.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        numbers = [source.fileno() for source in sources]
        return subprocess.run(  # noqa: S603 - this interpreter, and our own code
            [sys.executable, "-c", code, *map(str, numbers)],
            pass_fds=numbers,
            env={name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def fenced(self, setup: str, *trials: tuple[str, ...]) -> list[str]:
        """Try Python calls in processes that may make only some system calls.

        Args:
            setup: code that runs first, freely: imports.
            trials: each a call, and the names of the system calls that it may make.

        Returns:
            For each trial "done", or "SIGSYS" if it made another system call.

        Raises:
            NotShownHere: no seccomp(2), or a machine whose system call numbers are not known.
        """
        self.needs(os.uname().machine in _fence.NUMBERS, "x86-64 or arm64")
        lines = [
            f"print(trial(lambda: {call}, *{allowed}), flush=True)"
            for call, *allowed in (("None",), *trials)
        ]
        child = self.child("\n".join([inspect.getsource(_fence), setup, *lines]))
        able, *results = child.stdout.split() or ["failed"]
        self.needs(able == "done", "seccomp(2)")
        for (call, *allowed), result in zip(trials, results, strict=True):
            self.note(f"{' '.join(allowed) or 'no call'} allowed: {call}: {result}")
        return results


def _asleep(task: int) -> bool:
    """Whether a thread of this process is asleep in a system call that waits for descriptors."""
    try:
        word = Path(f"/proc/self/task/{task}/syscall").read_text().split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return word.isdigit() and int(word) in _WAITING[os.uname().machine]


_WAITING: Final = {
    # poll, ppoll, epoll_wait, epoll_pwait, epoll_pwait2, select, pselect6, connect, accept,
    # accept4, sendto, recvfrom, sendmsg, recvmsg, close
    "x86_64": {7, 271, 232, 281, 441, 23, 270, 42, 43, 288, 44, 45, 46, 47, 3},
    "aarch64": {73, 22, 441, 72, 203, 202, 242, 206, 207, 211, 212, 57},
}
"""Numbers of the system calls in which a thread of an experiment waits; not futex, for the GIL."""
