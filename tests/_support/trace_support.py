"""Traces for the tests of the pictures: written down, and random ones."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

from hypothesis import strategies as st

from epollkit import EventFlags, PollFlags, TcpState
from epollkit.scope import Call, Look, Mark, MarkKind, Probe, Source, Tick, Trace

SVG = "{http://www.w3.org/2000/svg}"

LEVEL_AND_EDGE = "Level and edge"


def level_and_edge() -> Trace:
    """Send, wait, wait, recv, wait, send, wait: LT is told four times, ET twice, ONESHOT once."""
    masks = {
        "LT": EventFlags.IN,
        "ET": EventFlags.IN | EventFlags.ET,
        "ONESHOT": EventFlags.IN | EventFlags.ONESHOT,
    }
    told = iter(("111", "100", "100", "110"))
    unread = [0, 5, 5, 5, 3, 3, 4, 4]
    calls = [
        Call("far", "send", "5", "5"),
        Call("", "wait"),
        Call("", "wait"),
        Call("near", "recv", "2", "2"),
        Call("", "wait"),
        Call("far", "send", "1", "1"),
        Call("", "wait"),
    ]
    ticks = []
    for number, call in enumerate(calls):
        marks = {}
        if call.name == "wait":
            marks = {name: mark(each == "1") for name, each in zip(masks, next(told), strict=True)}
        arrived = frozenset({"near"} if call.name == "send" else ())
        before, after = look(unread[number]), look(unread[number + 1])
        began = number * 1000
        ticks.append(
            Tick(began, began + 500, call, {"near": before}, {"near": after}, arrived, marks=marks)
        )
    probes = tuple(Probe(name, name, "near", mask) for name, mask in masks.items())
    return Trace((Source("near", "unix"),), probes, tuple(ticks), LEVEL_AND_EDGE)


def look(unread: int) -> Look:
    level = PollFlags.OUT | (PollFlags.IN if unread else PollFlags(0))
    return Look(level, unread, 0)


def mark(delivered: bool, flags: EventFlags = EventFlags.IN) -> Mark:  # noqa: FBT001 - a cell
    return Mark(MarkKind.DELIVERED, flags) if delivered else Mark(MarkKind.EMPTY)


def sampled(looks: int, *, changes: bool = True) -> Trace:
    """Looks of a sampler without calls, 20 µs apart; each is another if it changes."""
    ticks = []
    for number in range(looks):
        old, new = (number % 7, (number + 1) % 7) if changes else (3, 3)
        at = number * 20_000
        ticks.append(Tick(at, at, Call("", ""), {"near": look(old)}, {"near": look(new)}))
    return Trace((Source("near", "tcp"),), (), tuple(ticks), "sampled")


def elements(svg: str, tag: str, kind: str = "") -> list[ET.Element]:
    """The elements of a picture, perhaps only those of a class."""
    root = ET.fromstring(svg)  # noqa: S314 - our own
    found = root.iter(f"{SVG}{tag}")
    return [each for each in found if not kind or each.get("class") == kind]


def text_of(element: ET.Element) -> str:
    """Its text, without its title's."""
    return (element.text or "") + "".join(each.tail or "" for each in element)


def texts_of(svg: str) -> list[str]:
    return [text_of(each) for each in elements(svg, "text")]


def titles(svg: str) -> list[str]:
    return [each.text or "" for each in elements(svg, "title")]


def shift_of(svg: str) -> float:
    """How far the lanes of the first piece are moved to the right."""
    first = next(each for each in elements(svg, "g") if each.get("transform"))
    found = re.match(r"translate\(([\d.]+) ", first.get("transform", ""))
    assert found is not None
    return float(found[1])


# Random traces: whatever the types allow.

_NAMES = st.text(max_size=12)
_EVENTS = st.integers(0, 0xFFFF_FFFF).map(EventFlags) | st.sampled_from(
    [EventFlags.IN, EventFlags.OUT, EventFlags.IN | EventFlags.ET]
)
_AMOUNTS = st.none() | st.integers(0, 10) | st.integers(0, 1 << 40)
_LOOKS = st.builds(
    Look,
    st.sampled_from(list(PollFlags)).flatmap(lambda flag: st.sampled_from([PollFlags(0), flag]))
    | st.integers(0, 0xFFFF).map(PollFlags),
    _AMOUNTS,
    _AMOUNTS,
    st.none() | st.sampled_from(TcpState),
)
_CALLS = st.builds(
    Call,
    _NAMES,
    st.sampled_from(["", "send", "recv", "wait"]) | _NAMES,
    st.sampled_from(["", "5"]) | _NAMES,
    st.sampled_from(["", "3", "EAGAIN", "ECONNRESET"]) | _NAMES,
    st.none() | st.integers(1, 133),
    st.sampled_from(["", "worker 1"]) | _NAMES,
)


@st.composite
def _marks(draw: st.DrawFn) -> Mark:
    kind = draw(st.sampled_from(MarkKind))
    flags = draw(_EVENTS.filter(bool)) if kind is MarkKind.DELIVERED else EventFlags(0)
    return Mark(kind, flags)


@st.composite
def traces(draw: st.DrawFn, most_ticks: int = 12) -> Trace:
    """Any trace that the types allow, with guesses for some of its probes."""
    names = draw(st.lists(_NAMES, max_size=3, unique=True))
    sources = tuple(Source(name, draw(st.sampled_from(["tcp", "unix", "fd"]))) for name in names)
    probes = tuple(
        Probe(name, draw(_NAMES), draw(st.sampled_from(names)), draw(_EVENTS))
        for name in draw(st.lists(_NAMES, max_size=3, unique=True))
        if names
    )
    some = st.sets(st.sampled_from(names)) if names else st.just(set[str]())
    looks = st.dictionaries(st.sampled_from(names), _LOOKS) if names else st.just({})
    ticks = list[Tick]()
    at = 0
    for _ in range(draw(st.integers(0, most_ticks))):
        at += draw(st.integers(0, 10**9))
        ended = at + draw(st.integers(0, 10**9))
        marks = {each.name: draw(_marks()) for each in probes if draw(st.booleans())}
        arrivals, room = frozenset(draw(some)), frozenset(draw(some))
        call, before, after = draw(_CALLS), draw(looks), draw(looks)
        ticks.append(Tick(at, ended, call, before, after, arrivals, room, marks))
    notes = tuple(draw(st.lists(_NAMES, max_size=2)))
    trace = Trace(sources, probes, tuple(ticks), draw(_NAMES), draw(st.integers(0, 5)), notes)
    guesses = {
        each.name: tuple(draw(st.booleans()) for _ in trace.deliveries(each.name))
        for each in probes
        if draw(st.booleans())
    }
    return replace(trace, guesses=guesses)
