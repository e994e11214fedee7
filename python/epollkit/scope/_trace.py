"""`Trace`: what a `Scope` recorded. Plain frozen data; the pictures are drawn from it.

A trace is a list of ticks, one for each recorded call. The sources are looked at before and after
each: what changed during a call is known to have happened there, what changed between two calls is
only known to have happened in between, and is drawn dashed.
"""

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from epollkit._flags import EventFlags, PollFlags
from epollkit._tcp_state import TcpState

if TYPE_CHECKING:
    from os import PathLike

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
    notes: tuple[str, ...] = ()
    """What else should be known: what a sampler missed and dropped."""
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

    def only(self, *subjects: str) -> "Trace":
        """The same trace without the calls on other things.

        Args:
            subjects: the names of the sources and sets whose calls stay; "" for the scope's own.
        """
        kept = (tick for tick in self.ticks if tick.call.subject in subjects)
        return replace(self, ticks=tuple(kept), guesses={})

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

    def svg(
        self,
        *,
        axis: Literal["step", "time"] = "step",
        theme: Literal["auto", "light", "dark"] = "auto",
        width: int | None = None,
    ) -> str:
        """Draw it as SVG: the lanes of `text`, and everything else when hovered over.

        Args:
            axis: "step" has a column for each tick; "time" is drawn to scale.
            theme: "light" and "dark" draw a card of that kind; "auto" a light one, which Jupyter
                darkens with the page.
            width: in pixels: with steps the picture is broken into pieces that are not wider, on
                the axis of time the scale fits it. None: as wide as it needs.

        Returns:
            An SVG document without anything outside it, of at most 300 kB: more than 1,000 ticks
            are thinned out, and the picture says so.

        Raises:
            ValueError: there is no such axis or theme.
        """
        from epollkit.scope._svg import render  # noqa: PLC0415 - drawn only when asked for

        return render(self, axis=axis, theme=theme, width=width)

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, str]:
        """What Jupyter shows: a picture, in an untrusted notebook, too; elsewhere the text."""
        from epollkit.scope._html import mime_bundle  # noqa: PLC0415 - as above

        return mime_bundle(self, include, exclude)

    def to_json(self) -> dict[str, Any]:
        """Everything, as what JSON has; `from_json` makes an equal trace of it.

        Returns:
            A dict with "schema": 1. Flags are numbers, as the kernel has them.
        """
        from epollkit.scope._json import to_json  # noqa: PLC0415 - as above

        return to_json(self)

    @classmethod
    def from_json(cls, data: object) -> "Trace":
        """The trace that `to_json` was asked of.

        Args:
            data: what it gave, also after json.dumps and json.loads.

        Raises:
            ValueError: that is no such dict; the message names the field.
        """
        from epollkit.scope._json import from_json  # noqa: PLC0415 - as above

        return from_json(data)

    def save(self, path: "str | PathLike[str]") -> None:
        """Write it to a file, as JSON.

        Args:
            path: the file's; what was in it is replaced.

        Raises:
            OSError: as open(2), write(2).
        """
        text = json.dumps(self.to_json(), separators=(",", ":"))
        Path(path).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: "str | PathLike[str]") -> "Trace":
        """Read what `save` wrote.

        Args:
            path: the file's.

        Raises:
            OSError: as open(2), read(2).
            ValueError: that is no trace; the message names the field.
        """
        return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))

    def to_chrome(self) -> dict[str, Any]:
        """The trace in the format of chrome://tracing, which Perfetto reads, too.

        Returns:
            A dict for json.dumps: a track for each source with its calls and arrivals, one for each
            probe with its deliveries, counters for levels and queues, and flows from the call with
            which something arrived to the wait that reported it. Times are microseconds since the
            trace began.

        References:
            https://ui.perfetto.dev, Trace Event Format
        """
        from epollkit.scope._chrome import to_chrome  # noqa: PLC0415 - as above

        return to_chrome(self)

    def save_chrome(self, path: "str | PathLike[str]") -> None:
        """Write `to_chrome` to a file, for chrome://tracing and https://ui.perfetto.dev.

        Args:
            path: the file's; what was in it is replaced.

        Raises:
            OSError: as open(2), write(2).
        """
        Path(path).write_text(json.dumps(self.to_chrome()), encoding="utf-8")
