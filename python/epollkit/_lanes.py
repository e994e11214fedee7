"""The same bytes, watched by three epoll sets: what LT, ET and ONESHOT each deliver.

An experiment is data: steps in, observations out. `run` performs the steps on a real TCP
connection and asks the kernel after each; nothing here knows beforehand what it will answer.
`render` draws observations, `explain` puts them into words; both are pure functions.

What is sampled and how. Each watching lane is an `Epoll` of its own on the same socket, asked with
wait(0). `readable` is poll(2), which looks at the level and keeps no state. `unread` is SIOCINQ.
`arrived` is an edge-triggered set of the experiment's own: an event on it, with more bytes unread
than before. On Linux new bytes fire an edge even while old ones are unread, so that level alone
would explain nothing: hence the row of arrivals.
"""

import contextlib
import select
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from epollkit import EPOLLET, EPOLLIN, EPOLLONESHOT, Epoll, Socket, WaitTimeout

__all__ = ["LANES", "STEPS", "Observation", "Step", "explain", "legend", "render", "run"]

LANES: Final = {
    "LT": EPOLLIN,
    "ET": EPOLLIN | EPOLLET,
    "ONESHOT": EPOLLIN | EPOLLONESHOT,
}
"""The lanes and their interest, in the order in which they are drawn."""

_MUST_ARRIVE = 5.0
"""Seconds that loopback gets for what it does at once."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: `send` and `recv` with a number of bytes, the others without."""

    operation: Literal["wait", "send", "recv", "rearm", "drain"]
    size: int = 0

    def __str__(self) -> str:
        return f"{self.operation} {self.size}" if self.size else self.operation


STEPS: Final = (
    Step("wait"),
    Step("send", 3),
    Step("wait"),
    Step("wait"),
    Step("send", 2),
    Step("wait"),
    Step("recv", 2),
    Step("wait"),
    Step("rearm"),
    Step("wait"),
    Step("drain"),
    Step("wait"),
)
"""Every difference between the three, in twelve steps."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the kernel showed after one step."""

    step: Step
    moved: int
    """Bytes that the step sent or received."""
    unread: int
    """Bytes in the receive queue (SIOCINQ)."""
    readable: bool
    """What poll(2) says of the level."""
    arrived: bool
    """The step made new bytes arrive."""
    marks: dict[str, str]
    """By lane, for a wait and a rearm; empty for the other steps."""


def run(steps: Sequence[Step] = STEPS) -> tuple[Observation, ...]:
    """Perform the steps on a new TCP connection over loopback, and see what each lane gets.

    Args:
        steps: what to do, in this order.

    Returns:
        One `Observation` for each step.

    Raises:
        OSError: as socket(2), connect(2) and epoll_create1(2) give.
        WaitTimeout: what was sent did not arrive.
    """
    with _connection() as (near, far), contextlib.ExitStack() as stack:
        # Registered first, the experiment's own set is told of an arrival last (a wait queue is
        # walked from its newest entry): once it knows, the lanes know.
        arrivals = stack.enter_context(Epoll())
        arrivals.register(near, EPOLLIN | EPOLLET)
        lanes = {name: stack.enter_context(Epoll()) for name in LANES}
        for name, interest in LANES.items():
            lanes[name].register(near, interest)
        return tuple(_observe(step, near, far, arrivals, lanes) for step in steps)


@contextlib.contextmanager
def _connection() -> Generator[tuple[Socket, Socket]]:
    """Both ends of a TCP connection over loopback."""
    with Socket(timeout=_MUST_ARRIVE) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with Socket(timeout=_MUST_ARRIVE) as far:
            far.connect(listener.getsockname())
            near, _ = listener.accept()
            with near:
                yield near, far


def _observe(
    step: Step, near: Socket, far: Socket, arrivals: Epoll, lanes: dict[str, Epoll]
) -> Observation:
    """Perform one step and look."""
    moved, arrived, marks = 0, False, dict[str, str]()
    match step.operation:
        case "wait":
            for name, lane in lanes.items():
                marks[name] = "delivered" if lane.wait(0) else "empty"
        case "rearm":
            for name, lane in lanes.items():
                lane.rearm(near)
                marks[name] = "rearmed"
        case "send":
            before = near.inq()
            moved = far.send(bytes(step.size))
            arrived = _await_arrival(near, arrivals, before + moved)
        case "recv":
            moved = len(near.try_recv(step.size) or b"")
        case "drain":
            moved = len(near.drain().data)
    return Observation(step, moved, near.inq(), _readable(near), arrived, marks)


def _await_arrival(near: Socket, arrivals: Epoll, expected: int) -> bool:
    """Wait until all of it is in the receive queue, and tell whether an edge said so."""
    began = time.monotonic()
    arrived = False
    while not arrived or near.inq() < expected:
        left = began + _MUST_ARRIVE - time.monotonic()
        if not arrivals.wait(max(left, 0.0)):
            raise WaitTimeout(f"{expected} bytes in the receive queue", near.inq(), _MUST_ARRIVE)
        arrived = True
    return arrived


def _readable(near: Socket) -> bool:
    level = select.poll()
    level.register(near, select.POLLIN)
    return bool(level.poll(0))


@dataclass(frozen=True, slots=True)
class _Glyphs:
    """What the picture is drawn with."""

    low: str
    rise: str
    high: str
    fall: str
    arrival: str
    marks: dict[str, str]


_UNICODE = _Glyphs(
    "▁", "\u2571", "▔", "\u2572", "▲", {"delivered": "●", "empty": "·", "rearmed": "↻"}
)
_ASCII = _Glyphs("_", "/", "-", "\\", "^", {"delivered": "@", "empty": ".", "rearmed": "R"})


def render(observations: Sequence[Observation], *, ascii_only: bool = False) -> str:
    """Draw the picture: a column for each step, a row for each lane. Pure.

    Args:
        observations: what `run` gave.
        ascii_only: for terminals whose encoding has no more.

    Returns:
        Lines of text without trailing spaces; the twelve `STEPS` fit 80 columns.
    """
    glyphs = _ASCII if ascii_only else _UNICODE
    titles = [str(seen.step) for seen in observations]
    widths = [len(title) + 1 for title in titles]
    rows = [("step", _cells(titles, widths)), ("readable", _level(observations, widths, glyphs))]
    rows.append(("unread", _cells([str(seen.unread) for seen in observations], widths)))
    arrivals = [glyphs.arrival if seen.arrived else "" for seen in observations]
    rows.append(("arrival", _cells(arrivals, widths)))
    for name in LANES:
        marks = [seen.marks.get(name) for seen in observations]
        drawn = ["" if mark is None else glyphs.marks[mark] for mark in marks]
        rows.append((name, _cells(drawn, widths)))
    label_width = max(len(label) for label, _ in rows)
    return "\n".join(f"{label:>{label_width}}  {cells}".rstrip() for label, cells in rows)


def legend(*, ascii_only: bool = False) -> str:
    """What the signs of the picture mean, in one line."""
    glyphs = _ASCII if ascii_only else _UNICODE
    delivered, empty, rearmed = (
        glyphs.marks["delivered"],
        glyphs.marks["empty"],
        glyphs.marks["rearmed"],
    )
    return (
        f"{delivered} event delivered   {empty} wait came back empty   "
        f"{rearmed} re-armed   {glyphs.arrival} bytes arrived"
    )


def _cells(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(f"{text:<{width}}" for text, width in zip(texts, widths, strict=True))


def _level(observations: Sequence[Observation], widths: Sequence[int], glyphs: _Glyphs) -> str:
    """The waveform of the level: a slope where a step changed it."""
    drawn, high = "", False
    for seen, width in zip(observations, widths, strict=True):
        if seen.readable != high:
            first = glyphs.rise if seen.readable else glyphs.fall
        else:
            first = glyphs.high if high else glyphs.low
        high = seen.readable
        drawn += first + (glyphs.high if high else glyphs.low) * (width - 1)
    return drawn


@dataclass(frozen=True, slots=True)
class _Wait:
    """One wait of one lane, and what had happened since the lane's last one."""

    delivered: bool
    unread: bool
    arrived: bool
    rearmed: bool
    armed: bool
    """No delivery since the lane was registered or re-armed."""


def _waits(observations: Sequence[Observation], lane: str) -> Generator[_Wait]:
    arrived, rearmed, armed = False, False, True
    for seen in observations:
        arrived |= seen.arrived
        match seen.marks.get(lane):
            case "rearmed":
                rearmed = armed = True
            case "delivered" | "empty" as mark:
                delivered = mark == "delivered"
                yield _Wait(delivered, seen.unread > 0, arrived, rearmed, armed)
                arrived = rearmed = False
                armed &= not delivered
            case _:
                pass


_RULES: tuple[tuple[str, Callable[[_Wait], bool]], ...] = (
    ("at every wait while bytes are unread", lambda wait: wait.unread),
    (
        "once per arrival or re-arm, never for what is left over",
        lambda wait: wait.unread and (wait.arrived or wait.rearmed),
    ),
    (
        "once, then silent until re-armed, whatever arrives",
        lambda wait: wait.unread and wait.armed,
    ),
)
"""What a lane may be said to do, each with the waits at which it would deliver."""


def explain(observations: Sequence[Observation]) -> dict[str, str]:
    """Put into words what each lane did: the first rule that fits every wait of it. Pure.

    Args:
        observations: what `run` gave.

    Returns:
        A sentence for each lane. Where no rule fits, it only counts.
    """
    return {lane: _sentence(list(_waits(observations, lane))) for lane in LANES}


def _sentence(waits: Sequence[_Wait]) -> str:
    count = sum(wait.delivered for wait in waits)
    told = f"{count} of {len(waits)} waits"
    for text, expected in _RULES:
        if all(wait.delivered == expected(wait) for wait in waits):
            return f"{told}: {text}"
    return f"{told} delivered"
