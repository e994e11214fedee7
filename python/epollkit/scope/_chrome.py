"""Write a trace in the Trace Event Format, which chrome://tracing and Perfetto read.

Perfetto wants the slices of a track to lie inside each other or apart. Calls of several threads on
one source may overlap: a call that does not fit goes to a further track of the same source.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from epollkit._flags import PollFlags
from epollkit.scope._causes import told
from epollkit.scope._describe import describe
from epollkit.scope._trace import Look, Tick, Trace

__all__ = ["to_chrome"]

Event: TypeAlias = dict[str, Any]

_PROCESS: Final = 1
_ELSEWHERE: Final = "calls"
"""The track of calls on nothing that is watched, such as the scope's own waits."""


def to_chrome(trace: Trace) -> dict[str, Any]:
    """The trace as a JSON object; see `Trace.to_chrome`."""
    tracks = _Tracks(trace)
    names = [_metadata("process_name", 0, trace.title or "epollkit")]
    names += [_metadata("thread_name", number, name) for number, name in tracks.names.items()]
    events = [
        *_calls(trace, tracks),
        *_arrivals(trace, tracks),
        *_marks(trace, tracks),
        *_counters(trace),
        *_flows(trace, tracks),
    ]
    return {
        "traceEvents": names + sorted(events, key=lambda event: float(event["ts"])),
        "displayTimeUnit": "ns",
        "otherData": {"title": trace.title, "dropped": trace.dropped, "notes": list(trace.notes)},
    }


class _Tracks:
    """Which track, by number, each call, source and probe has."""

    def __init__(self, trace: Trace) -> None:
        self.names = dict[int, str]()
        self.sources = {each.name: self._add(each.name) for each in trace.sources}
        self.probes = {
            each.name: self._add(f"{each.name}: {each.source} {describe(each.mask)}")
            for each in trace.probes
        }
        self.calls = dict[int, int]()
        """By the tick's number."""
        self._of_calls = {name: [number] for name, number in self.sources.items()}
        self._open = dict[int, list[int]]()
        """By track: when the slices end that are open, the outermost first."""
        by_time = sorted(
            enumerate(trace.ticks), key=lambda each: (each[1].began_ns, -each[1].ended_ns)
        )
        for number, tick in by_time:
            if tick.call.name:
                self.calls[number] = self._place(tick)

    def _add(self, name: str) -> int:
        number = len(self.names) + 1
        self.names[number] = name
        return number

    def _place(self, tick: Tick) -> int:
        """The first of the subject's tracks in which the call lies inside others or apart."""
        subject = tick.call.subject if tick.call.subject in self.sources else ""
        tracks = self._of_calls.setdefault(subject, [])
        for track in tracks:
            ends = self._open.setdefault(track, [])
            while ends and ends[-1] <= tick.began_ns:
                ends.pop()
            if not ends or tick.ended_ns <= ends[-1]:
                ends.append(tick.ended_ns)
                return track
        name = subject or _ELSEWHERE
        tracks.append(self._add(f"{name} {len(tracks) + 1}" if tracks else name))
        self._open[tracks[-1]] = [tick.ended_ns]
        return tracks[-1]


def _calls(trace: Trace, tracks: _Tracks) -> Iterator[Event]:
    for number, track in tracks.calls.items():
        tick = trace.ticks[number]
        call = tick.call
        arguments = {
            "call": str(call),
            "result": call.result,
            "errno": call.errno,
            "thread": call.thread,
        }
        yield {
            **_event("X", str(call), track, tick.began_ns),
            "cat": "call",
            "dur": _microseconds(tick.ended_ns - tick.began_ns),
            "args": {name: value for name, value in arguments.items() if value not in (None, "")},
        }


def _arrivals(trace: Trace, tracks: _Tracks) -> Iterator[Event]:
    for tick in trace.ticks:
        for what, names in (("arrival", tick.arrivals), ("room", tick.room)):
            for name in sorted(names):
                if name in tracks.sources:
                    yield _instant(what, tracks.sources[name], tick, {})


def _marks(trace: Trace, tracks: _Tracks) -> Iterator[Event]:
    for tick in trace.ticks:
        for probe, mark in tick.marks.items():
            if probe in tracks.probes:
                text = (
                    f"{mark.kind.value} {describe(mark.flags)}" if mark.flags else mark.kind.value
                )
                arguments = {"flags": describe(mark.flags)} if mark.flags else {}
                yield _instant(text, tracks.probes[probe], tick, arguments)


def _counters(trace: Trace) -> Iterator[Event]:
    """A value when it is first seen and whenever it has changed."""
    last = dict[str, dict[str, int]]()
    for tick in trace.ticks:
        for at, looks in ((tick.began_ns, tick.before), (tick.ended_ns, tick.after)):
            for source, look in looks.items():
                for name, value in _values(look):
                    counter = f"{source} {name}"
                    if last.get(counter) != value:
                        last[counter] = value
                        yield {**_event("C", counter, 0, at), "args": value}


def _values(look: Look) -> Iterator[tuple[str, dict[str, int]]]:
    open_ = PollFlags.NVAL not in look.level
    for name, flag in (("readable", PollFlags.IN), ("writable", PollFlags.OUT)):
        yield name, {name: int(open_ and flag in look.level)}
    if look.unread is not None:
        yield "unread", {"unread": look.unread}
    if look.unsent is not None:
        yield "unsent", {"unsent": look.unsent}


def _flows(trace: Trace, tracks: _Tracks) -> Iterator[Event]:
    """From the call with which something arrived to the call that reported it."""
    identity = 0
    for probe in trace.probes:
        for number, each in enumerate(told(trace, probe)):
            if each is None or each.since is None or each.goes_on or each.since == number:
                continue
            if each.since in tracks.calls and number in tracks.calls:
                identity += 1
                name = f"{probe.source} to {probe.name}"
                for phase, place in (("s", each.since), ("f", number)):
                    at = trace.ticks[place].began_ns  # inside the slice that it belongs to
                    yield {
                        **_event(phase, name, tracks.calls[place], at),
                        "cat": "delivery",
                        "id": identity,
                        **({"bp": "e"} if phase == "f" else {}),
                    }


def _event(phase: str, name: str, track: int, at_ns: int) -> Event:
    return {"ph": phase, "name": name, "pid": _PROCESS, "tid": track, "ts": _microseconds(at_ns)}


def _instant(name: str, track: int, tick: Tick, arguments: dict[str, str]) -> Event:
    return {**_event("i", name, track, tick.ended_ns), "s": "t", "args": arguments}


def _metadata(kind: str, track: int, name: str) -> Event:
    return {**_event("M", kind, track, 0), "args": {"name": name}}


def _microseconds(nanoseconds: int) -> float:
    return nanoseconds / 1000
