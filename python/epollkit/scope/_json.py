"""A trace as JSON and back, without loss. Flags are numbers; states and kinds are names."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, cast

from epollkit._flags import EventFlags, PollFlags
from epollkit._tcp_state import TcpState
from epollkit.scope._drawing import clipped
from epollkit.scope._trace import Call, Look, Mark, MarkKind, Probe, Source, Tick, Trace

__all__ = ["from_json", "to_json"]

T = TypeVar("T")

SCHEMA: Final = 1
"""Goes up when a field changes its meaning or goes away."""


def to_json(trace: Trace) -> dict[str, Any]:
    """The trace as dicts, lists, strings, numbers, booleans and None."""
    return {
        "schema": SCHEMA,
        "title": trace.title,
        "dropped": trace.dropped,
        "notes": list(trace.notes),
        "sources": [{"name": each.name, "kind": each.kind} for each in trace.sources],
        "probes": [
            {"name": each.name, "set": each.set, "source": each.source, "mask": int(each.mask)}
            for each in trace.probes
        ],
        "ticks": [_of_tick(tick) for tick in trace.ticks],
        "guesses": {name: list(guesses) for name, guesses in trace.guesses.items()},
    }


def _of_tick(tick: Tick) -> dict[str, Any]:
    call = tick.call
    return {
        "began_ns": tick.began_ns,
        "ended_ns": tick.ended_ns,
        "call": {
            "subject": call.subject,
            "name": call.name,
            "arguments": call.arguments,
            "result": call.result,
            "errno": call.errno,
            "thread": call.thread,
        },
        "before": {name: _of_look(look) for name, look in tick.before.items()},
        "after": {name: _of_look(look) for name, look in tick.after.items()},
        "arrivals": sorted(tick.arrivals),
        "room": sorted(tick.room),
        "marks": {
            name: {"kind": mark.kind.value, "flags": int(mark.flags)}
            for name, mark in tick.marks.items()
        },
    }


def _of_look(look: Look) -> dict[str, Any]:
    return {
        "level": int(look.level),
        "unread": look.unread,
        "unsent": look.unsent,
        "state": None if look.state is None else look.state.name,
    }


def from_json(data: object) -> Trace:
    """The trace again; a ValueError names the field that is wrong."""
    root = _Node(data, "")
    schema = root["schema"].integer()
    if schema != SCHEMA:
        raise ValueError(f"schema: {schema}, but this version reads {SCHEMA}")
    trace = Trace(
        tuple(
            Source(each["name"].string(), each["kind"].string()) for each in root["sources"].items()
        ),
        tuple(
            Probe(
                each["name"].string(),
                each["set"].string(),
                each["source"].string(),
                EventFlags(each["mask"].count()),
            )
            for each in root["probes"].items()
        ),
        tuple(_tick(each) for each in root["ticks"].items()),
        root["title"].string(),
        root["dropped"].count(),
        tuple(note.string() for note in root["notes"].items()),
        {
            name: tuple(each.boolean() for each in guesses.items())
            for name, guesses in root["guesses"].entries()
        },
    )
    _check_guesses(trace)
    return trace


def _tick(node: "_Node") -> Tick:
    call = node["call"]
    return Tick(
        node["began_ns"].integer(),
        node["ended_ns"].integer(),
        Call(
            call["subject"].string(),
            call["name"].string(),
            call["arguments"].string(),
            call["result"].string(),
            call["errno"].optional(call["errno"].integer),
            call["thread"].string(),
        ),
        {name: _look(each) for name, each in node["before"].entries()},
        {name: _look(each) for name, each in node["after"].entries()},
        frozenset(each.string() for each in node["arrivals"].items()),
        frozenset(each.string() for each in node["room"].items()),
        {name: _mark(each) for name, each in node["marks"].entries()},
    )


def _look(node: "_Node") -> Look:
    return Look(
        PollFlags(node["level"].count()),
        node["unread"].optional(node["unread"].count),
        node["unsent"].optional(node["unsent"].count),
        node["state"].optional(lambda: node["state"].one_of(TcpState.__members__)),
    )


def _mark(node: "_Node") -> Mark:
    kinds = {kind.value: kind for kind in MarkKind}
    return Mark(node["kind"].one_of(kinds), EventFlags(node["flags"].count()))


def _check_guesses(trace: Trace) -> None:
    """A picture needs a guess for each wait."""
    names = {probe.name for probe in trace.probes}
    for name, guesses in trace.guesses.items():
        if name not in names:
            raise ValueError(f"guesses: no probe {name!r}")
        waits = len(trace.deliveries(name))
        if len(guesses) != waits:
            raise ValueError(f"guesses.{name}: {len(guesses)} guesses for {waits} waits")


class _Node:
    """A value of JSON that knows where it is, for the error messages."""

    def __init__(self, value: object, path: str) -> None:
        self._value = value
        self._path = path

    def __getitem__(self, name: str) -> "_Node":
        items = cast("dict[object, object]", self._is(dict, "an object"))
        path = f"{self._path}.{name}" if self._path else name
        if name not in items:
            raise ValueError(f"{path}: missing")
        return _Node(items[name], path)

    def items(self) -> "list[_Node]":
        items = cast("list[object]", self._is(list, "a list"))
        return [_Node(each, f"{self._path}[{number}]") for number, each in enumerate(items)]

    def entries(self) -> "list[tuple[str, _Node]]":
        items = cast("dict[object, object]", self._is(dict, "an object"))
        names = [_Node(name, f"{self._path}'s name").string() for name in items]
        return [(name, _Node(items[name], f"{self._path}.{name}")) for name in names]

    def string(self) -> str:
        return self._is(str, "a string")

    def boolean(self) -> bool:
        return self._is(bool, "true or false")

    def integer(self) -> int:
        if isinstance(self._value, bool):
            raise self._wrong("an integer")
        return self._is(int, "an integer")

    def count(self) -> int:
        number = self.integer()
        if number < 0:
            raise self._wrong("an integer from 0 on")
        return number

    def one_of(self, choices: Mapping[str, T]) -> T:
        name = self.string()
        if name not in choices:
            raise self._wrong(f"one of {', '.join(choices)}")
        return choices[name]

    def optional(self, read: Callable[[], T]) -> T | None:
        return None if self._value is None else read()

    def _is(self, kind: type[T], what: str) -> T:
        if not isinstance(self._value, kind):
            raise self._wrong(what)
        return self._value

    def _wrong(self, expected: str) -> ValueError:
        found = repr(self._value)
        found = clipped(found, 60)
        return ValueError(f"{self._path or 'the trace'}: expected {expected}, not {found}")
