"""`Trace`: what a `Scope` recorded. Plain frozen data; the pictures are drawn from it.

A trace is a list of ticks, one for each recorded call. The sources are looked at before and after
each: what changed during a call is known to have happened there, what changed between two calls is
only known to have happened in between, and is drawn dashed.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from epollkit._flags import EventFlags, PollFlags
from epollkit._tcp_state import TcpState

__all__ = ["Call", "Look", "Mark", "MarkKind", "Mistake", "Probe", "Source", "Tick", "Trace"]


@dataclass(frozen=True, slots=True)
class Source:
    """Something that was watched."""

    name: str
    kind: str
    """Such as "tcp", "udp", "unix", "pipe", "epoll"."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A registration in a set: it asks for a source with a mask."""

    name: str
    """The set's name; with the source behind it if the set has more than one."""
    set: str
    source: str
    mask: EventFlags


@dataclass(frozen=True, slots=True)
class Look:
    """One source at one moment."""

    level: PollFlags
    """What poll(2) says: IN, OUT, PRI, RDHUP, ERR, HUP; NVAL once it is closed."""
    unread: int | None = None
    """Bytes in the receive queue (SIOCINQ); of a listener, connections. None: it has no queue."""
    unsent: int | None = None
    """Bytes not yet acknowledged (SIOCOUTQ). None: it has no queue."""
    state: TcpState | None = None
    """None unless it is TCP."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call on something that was watched."""

    subject: str
    name: str
    arguments: str = ""
    result: str = ""
    """As text: a number of bytes, flags, or the errno's name."""
    errno: int | None = None
    """Of the OSError with which it ended."""
    thread: str = ""
    """The thread's name, unless it was the one that made the scope."""

    def __str__(self) -> str:
        subject = f"{self.subject}." if self.subject else ""
        return f"{subject}{self.name} {self.arguments}".rstrip()


_NO_FLAGS: Final = EventFlags(0)
_SAYS_YES: Final = "1●@"
"""In a prediction that is text, what stands for a delivery."""


class MarkKind(enum.Enum):
    """What happened to a probe in a tick."""

    DELIVERED = "delivered"
    EMPTY = "empty"
    """Its set was asked and did not report it."""
    ARMED = "armed"
    """Registered, modified or re-armed: EPOLL_CTL_ADD or EPOLL_CTL_MOD."""
    REMOVED = "removed"
    """EPOLL_CTL_DEL."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What happened to a probe in a tick, and with which flags."""

    kind: MarkKind
    flags: EventFlags = _NO_FLAGS


@dataclass(frozen=True, slots=True)
class Tick:
    """One call, or one look at all probes, and what the sources looked like around it."""

    began_ns: int
    """Since the trace began."""
    ended_ns: int
    call: Call
    before: Mapping[str, Look]
    after: Mapping[str, Look]
    arrivals: frozenset[str] = frozenset()
    """The sources to which something arrived since the last tick: an edge of EPOLLIN."""
    room: frozenset[str] = frozenset()
    """The sources that may have become writable since the last tick: an edge of EPOLLOUT."""
    marks: Mapping[str, Mark] = field(default_factory=dict[str, Mark])
    """By probe."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A delivery that was predicted and did not come, or the other way round."""

    probe: str
    wait: int
    """Which wait of the probe, counted from 0."""
    predicted: bool


@dataclass(frozen=True, repr=False)
class Trace:
    """A recorded experiment. Shows itself in Jupyter; `print(trace)` draws it as text."""

    __module__ = "epollkit"

    sources: tuple[Source, ...]
    probes: tuple[Probe, ...]
    ticks: tuple[Tick, ...]
    title: str = ""
    dropped: int = 0
    """Ticks that came after the scope was full."""
    guesses: Mapping[str, tuple[bool, ...]] = field(default_factory=dict[str, "tuple[bool, ...]"])
    """What `predict` was told, by probe."""

    @property
    def calls(self) -> list[Call]:
        """Every call, in the order in which they ended."""
        return [tick.call for tick in self.ticks]

    def deliveries(self, probe: str) -> list[EventFlags]:
        """What each wait of a probe's set reported of it, in order.

        Args:
            probe: its name.

        Returns:
            A list of `EventFlags`, 0 where a wait came back without it. Flags are ints, so that
            `[0, EPOLLIN, 0]` compares equal.

        Raises:
            KeyError: no probe is called so.
        """
        if probe not in {each.name for each in self.probes}:
            names = ", ".join(each.name for each in self.probes) or "none"
            raise KeyError(f"no probe {probe!r}; probes: {names}")
        marks = [tick.marks[probe] for tick in self.ticks if probe in tick.marks]
        waits = (MarkKind.DELIVERED, MarkKind.EMPTY)
        return [mark.flags for mark in marks if mark.kind in waits]

    def predict(self, **guesses: Iterable[object] | str) -> "Trace":
        """The same trace with a prediction laid over it.

        Args:
            guesses: by probe, one truth value for each of its waits: True or 1 for a delivery. Or
                text: "0110", or drawn as in the picture, "·●●·".

        Returns:
            A trace whose picture shows what was guessed, and where it was wrong.

        Raises:
            KeyError: no probe is called so.
            ValueError: not as many guesses as waits.
        """
        read = {}
        for probe, given in guesses.items():
            guess = tuple(
                each in _SAYS_YES if isinstance(each, str) else bool(each) for each in given
            )
            waits = len(self.deliveries(probe))
            if len(guess) != waits:
                raise ValueError(f"{probe}: {len(guess)} guesses for {waits} waits")
            read[probe] = guess
        return replace(self, guesses={**self.guesses, **read})

    @property
    def mistakes(self) -> list[Mistake]:
        """Where `predict` was wrong."""
        return [
            Mistake(probe, number, guess)
            for probe, guesses in self.guesses.items()
            for number, (guess, seen) in enumerate(
                zip(guesses, self.deliveries(probe), strict=True)
            )
            if guess != bool(seen)
        ]

    def __repr__(self) -> str:
        title = f" {self.title!r}" if self.title else ""
        probes = " ".join(probe.name for probe in self.probes) or "none"
        return f"<epollkit.Trace{title}: {len(self.ticks)} calls, probes: {probes}>"

    def __str__(self) -> str:
        return self.text()

    def text(self, *, ascii_only: bool = False, width: int | None = None) -> str:
        """Draw it as lines of text: a column for each tick, a row for each lane.

        Args:
            ascii_only: for terminals whose encoding has no more.
            width: break the picture into pieces of at most so many columns; None for one piece.
        """
        from epollkit.scope._text import render  # noqa: PLC0415 - drawn only when asked for

        return render(self, ascii_only=ascii_only, width=width)
