"""A trace for chrome://tracing and Perfetto, held against the Trace Event Format."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from epollkit.scope import Call, Trace
from trace_support import level_and_edge, sampled, traces

Event = dict[str, Any]

REQUIRED = {
    "X": {"dur"},
    "C": {"args"},
    "i": {"s"},
    "M": {"args"},
    "s": {"id", "cat"},
    "f": {"id", "cat", "bp"},
}


def events_of(trace: Trace, phase: str = "") -> list[Event]:
    events: list[Event] = trace.to_chrome()["traceEvents"]
    return [event for event in events if phase in ("", event["ph"])]


def check_fields(event: Event) -> None:
    assert {"ph", "name", "pid", "tid", "ts"} | REQUIRED[event["ph"]] <= set(event)
    assert isinstance(event["name"], str)
    for name in ("pid", "tid"):
        assert type(event[name]) is int
    for name in ("ts", "dur"):
        assert event.get(name, 0) >= 0
    if event["ph"] == "C":
        assert all(type(value) is int for value in event["args"].values())
    if event["ph"] == "M":
        assert event["name"] in ("process_name", "thread_name")
        assert set(event["args"]) == {"name"}


def check_nesting(events: list[Event]) -> None:
    """The slices of a track lie inside each other or apart."""
    tracks = defaultdict[int, list[tuple[int, int]]](list)
    for event in events:
        if event["ph"] == "X":
            began = round(event["ts"] * 1000)
            tracks[event["tid"]].append((began, began + round(event["dur"] * 1000)))
    for slices in tracks.values():
        open_ = list[int]()
        for began, ended in sorted(slices, key=lambda each: (each[0], -each[1])):
            while open_ and open_[-1] <= began:
                open_.pop()
            assert not open_ or ended <= open_[-1]
            open_.append(ended)


def check_flows(events: list[Event]) -> None:
    """Each has a start and an end, in this order, and both lie in a slice of their track."""
    flows = defaultdict[int, list[Event]](list)
    for event in events:
        if event["ph"] in ("s", "f"):
            flows[event["id"]].append(event)
    for flow in flows.values():
        start, end = sorted(flow, key=lambda event: str(event["ph"]), reverse=True)
        assert (start["ph"], end["ph"]) == ("s", "f")
        assert (start["name"], start["cat"]) == (end["name"], end["cat"])
        for event in flow:
            assert any(
                each["ph"] == "X"
                and each["tid"] == event["tid"]
                and each["ts"] <= event["ts"] <= each["ts"] + each["dur"]
                for each in events
            )


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(trace=traces())
def test_any_trace_keeps_to_the_format(trace: Trace) -> None:
    data = trace.to_chrome()
    assert json.loads(json.dumps(data)) == data
    events = data["traceEvents"]
    for event in events:
        check_fields(event)
    named = {event["tid"] for event in events if event["name"] == "thread_name"}
    assert {event["tid"] for event in events if event["ph"] in "Xisf"} <= named
    check_nesting(events)
    check_flows(events)
    calls = sum(bool(tick.call.name) for tick in trace.ticks)
    assert len([event for event in events if event["ph"] == "X"]) == calls
    marks = sum(len(tick.marks) for tick in trace.ticks)
    marked = [
        event for event in events if event["ph"] == "i" and event["name"] not in ("arrival", "room")
    ]
    assert len(marked) == marks


def test_calls_have_their_times_in_microseconds_and_what_they_gave() -> None:
    trace = level_and_edge()
    calls = events_of(trace, "X")
    assert [event["ts"] for event in calls] == [tick.began_ns / 1000 for tick in trace.ticks]
    assert {event["dur"] for event in calls} == {0.5}
    assert calls[3]["name"] == "near.recv 2"
    assert calls[3]["args"] == {"call": "near.recv 2", "result": "2"}
    failed = replace(trace.ticks[3], call=Call("near", "recv", "2", "EAGAIN", 11, "worker"))
    (call,) = events_of(replace(trace, ticks=(failed,)), "X")
    assert call["args"]["errno"] == 11
    assert call["args"]["thread"] == "worker"


def test_each_source_and_each_probe_has_a_track_of_its_own() -> None:
    names = [
        event["args"]["name"]
        for event in events_of(level_and_edge(), "M")
        if event["name"] == "thread_name"
    ]
    assert names == ["near", "LT: near IN", "ET: near IN|ET", "ONESHOT: near IN|ONESHOT", "calls"]


def test_calls_that_overlap_on_one_source_are_on_different_tracks() -> None:
    trace = level_and_edge()
    call = Call("near", "recv", "1", "1", None, "worker")
    ticks = tuple(
        replace(trace.ticks[0], began_ns=began, ended_ns=ended, call=call)
        for began, ended in ((0, 100), (50, 150), (100, 200), (160, 170))
    )
    calls = events_of(replace(trace, ticks=ticks), "X")
    tracks = [event["tid"] for event in calls]
    assert tracks[0] == tracks[2] != tracks[1]
    check_nesting(calls)


def test_counters_go_up_and_down_with_the_queue() -> None:
    counters = [
        event["args"]["unread"]
        for event in events_of(level_and_edge(), "C")
        if event["name"] == "near unread"
    ]
    assert counters == [0, 5, 3, 4]


def test_a_flow_leads_from_an_arrival_to_each_delivery_that_it_caused() -> None:
    trace = level_and_edge()
    starts = {event["id"]: event for event in events_of(trace, "s")}
    ends = {event["id"]: event for event in events_of(trace, "f")}
    led = {(event["name"], event["ts"], ends[number]["ts"]) for number, event in starts.items()}
    assert led == {
        ("near to LT", 0, 1),
        ("near to ET", 0, 1),
        ("near to ONESHOT", 0, 1),
        ("near to ET", 5, 6),
    }


def test_a_sampled_trace_has_counters_and_no_calls() -> None:
    phases = {event["ph"] for event in events_of(sampled(50))}
    assert phases == {"M", "C"}


def test_a_file_holds_the_same(tmp_path: Path) -> None:
    trace = level_and_edge()
    trace.save_chrome(tmp_path / "trace.json")
    assert json.loads((tmp_path / "trace.json").read_text()) == trace.to_chrome()
