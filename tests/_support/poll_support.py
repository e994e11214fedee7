"""What the tests of poll, select and selectors share: threads seen asleep, signals meanwhile."""

import platform
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

_WAITS = {  # poll, select, epoll_wait, epoll_pwait, pselect6, ppoll, epoll_pwait2
    "x86_64": {"7", "23", "232", "281", "270", "271", "441"},
    "aarch64": {"22", "72", "73", "441"},
}

signals = pytest.mark.thread_unsafe(reason="signal handlers belong to the process")


def sleeps(task: int, process: int | str = "self") -> bool:
    """Whether a thread (by its native id) waits for readiness at this moment, in any call."""
    words = Path(f"/proc/{process}/task/{task}/syscall").read_text().split()
    return words[0] in _WAITS[platform.machine()]


@contextmanager
def storm(
    handler: Callable[[], object], asleep: Callable[[int], bool] = sleeps
) -> Generator[list[None]]:
    """SIGUSR1 to this thread whenever it waits; the list grows with each handled."""
    handled: list[None] = []
    over = threading.Event()
    thread, task = threading.get_ident(), threading.get_native_id()

    def handle(_number: int, _frame: FrameType | None) -> None:
        handled.append(None)
        handler()

    def rain() -> None:
        while not over.is_set():
            if asleep(task):
                signal.pthread_kill(thread, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handle)
    raining = threading.Thread(target=rain)
    try:
        raining.start()
        yield handled
    finally:
        over.set()
        raining.join()
        signal.signal(signal.SIGUSR1, before)
