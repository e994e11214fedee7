"""A trace as JSON: nothing is lost, and what is wrong is named."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from epollkit.scope import Trace
from trace_support import level_and_edge, sampled, traces

NEAR = ("ticks", 0, "after", "near")


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(trace=traces())
def test_any_trace_survives_the_round_trip(trace: Trace) -> None:
    text = json.dumps(trace.to_json())
    again = Trace.from_json(json.loads(text))
    assert again == trace
    assert json.dumps(again.to_json()) == text


def test_what_comes_back_has_the_same_types() -> None:
    trace = level_and_edge().predict(ET="1001")
    again = Trace.from_json(trace.to_json())
    assert repr((again.ticks, again.probes)) == repr((trace.ticks, trace.probes))
    assert again.text() == trace.text()
    assert again.svg() == trace.svg()


def test_a_file_survives_too(tmp_path: Path) -> None:
    for trace in (level_and_edge(), sampled(100)):
        trace.save(tmp_path / "trace.json")
        assert Trace.load(tmp_path / "trace.json") == trace
        assert Trace.load(str(tmp_path / "trace.json")) == trace


def test_a_file_that_is_not_json_is_a_value_error(tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        Trace.load(tmp_path / "trace.json")


def test_the_schema_has_a_number() -> None:
    assert level_and_edge().to_json()["schema"] == 1


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("schema",), 2, "schema: 2, but this version reads 1"),
        (("schema",), "1", "schema: expected an integer, not '1'"),
        (("schema",), True, "schema: expected an integer, not True"),
        (("title",), None, "title: expected a string, not None"),
        (("dropped",), -1, "dropped: expected an integer from 0 on, not -1"),
        (("sources",), {}, "sources: expected a list, not {}"),
        (("sources", 0), 5, "sources[0]: expected an object, not 5"),
        (("probes", 1, "mask"), "IN", "probes[1].mask: expected an integer, not 'IN'"),
        (("probes", 1, "mask"), -1, "probes[1].mask: expected an integer from 0 on, not -1"),
        (("ticks", 2, "began_ns"), 1.5, "ticks[2].began_ns: expected an integer, not 1.5"),
        (("ticks", 2, "call", "errno"), "EIO", "ticks[2].call.errno: expected an integer"),
        ((*NEAR, "level"), None, "ticks[0].after.near.level: expected an integer"),
        ((*NEAR, "unread"), -5, "ticks[0].after.near.unread: expected an integer"),
        ((*NEAR, "state"), "OPEN", "ticks[0].after.near.state: expected one of EST"),
        (("ticks", 0, "arrivals"), "near", "ticks[0].arrivals: expected a list, not 'near'"),
        (("ticks", 1, "marks", "ET", "kind"), "told", "ticks[1].marks.ET.kind: expected one of"),
        (("guesses",), {"none": []}, "guesses: no probe 'none'"),
        (("guesses",), {"ET": [True]}, "guesses.ET: 1 guesses for 4 waits"),
        (("guesses",), {"ET": [1, 0, 0, 1]}, "guesses.ET[0]: expected true or false, not 1"),
        (("guesses",), {5: []}, "guesses's name: expected a string, not 5"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(path: tuple[str | int, ...], value: object, message: str) -> None:
    data: Any = copy.deepcopy(level_and_edge().to_json())
    at = data
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - compared below
        Trace.from_json(data)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("garbage", [None, 5, "trace", [], {}, {"schema": None}])
def test_garbage_is_a_value_error(garbage: object) -> None:
    with pytest.raises(ValueError, match=r"trace|schema"):
        Trace.from_json(garbage)


def test_a_missing_field_is_named() -> None:
    whole = level_and_edge().to_json()
    names = {"schema", "title", "dropped", "notes", "sources", "probes", "ticks", "guesses"}
    assert set(whole) == names
    for name in names:
        with pytest.raises(ValueError, match=f"^{name}: missing$"):
            Trace.from_json({key: value for key, value in whole.items() if key != name})
    for where in ("call", "before", "began_ns"):
        data = copy.deepcopy(whole)
        del data["ticks"][3][where]
        with pytest.raises(ValueError, match=rf"^ticks\[3\]\.{where}: missing$"):
            Trace.from_json(data)
