"""What the rules watch, and what a set tells of it."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from epollkit import Socket, socketpair
from epollkit.testing._events import flag_names

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

    from epollkit.testing._conformance import Bench
    from epollkit.testing._kinds import EpollLike

__all__ = ["pair", "pipe", "told", "told_of"]


def pair(bench: Bench) -> tuple[Socket, Socket]:
    """Two connected stream sockets that never wait."""
    near, far = socketpair()
    return bench.keep(near), bench.keep(far)


def pipe(bench: Bench) -> tuple[io.FileIO, io.FileIO]:
    """A reader and a writer."""
    reader, writing = os.pipe()
    return bench.keep(io.FileIO(reader)), bench.keep(io.FileIO(writing, "w"))


def told(
    epoll: EpollLike, timeout: float = 0, maxevents: int = -1, **names: FileDescriptorLike
) -> str:
    """What one wait reports, as text: "near IN; far OUT", or "nothing"."""
    numbers = {_number(source): name for name, source in names.items()}
    events = epoll.poll(timeout, maxevents) if maxevents != -1 else epoll.poll(timeout)
    return "; ".join(sorted(told_of(event, numbers) for event in events)) or "nothing"


def told_of(event: object, names: dict[int, str]) -> str:
    """One event, as text."""
    match event:
        case (int(fd), int(mask)):
            return f"{names.get(fd, f'fd {fd}')} {flag_names(mask)}"
        case _:
            return repr(event)


def _number(source: FileDescriptorLike) -> int:
    return source if isinstance(source, int) else source.fileno()
