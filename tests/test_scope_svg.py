"""The SVG of a trace: self-contained, to scale, readable, and as long as a notebook can bear."""

import re
from dataclasses import fields, replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings

from epollkit import EPOLLET, EPOLLIN, EventFlags, Scope, socketpair
from epollkit.scope import Call, Mark, MarkKind, Source, Tick, Trace
from epollkit.scope import _causes as causes
from epollkit.scope._drawing import text_width
from epollkit.scope._palette import DARK, LIGHT, Palette
from epollkit.scope._svg import MOST_BYTES
from epollkit.scope._svg.columns import MOST_TICKS
from trace_support import (
    elements,
    level_and_edge,
    look,
    mark,
    sampled,
    shift_of,
    text_of,
    texts_of,
    titles,
    traces,
)

ALLOWED = {"svg", "g", "rect", "path", "circle", "text", "title"}
HEADING = ("send 5", "wait", "wait", "recv 2", "wait", "send 1", "wait")


def numbers_of(svg: str, kind: str) -> list[float]:
    return [float(each.get("cx", "nan")) for each in elements(svg, "circle", kind)]


def titles_in(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element if each.tag.endswith("title")]


def test_it_is_one_document_without_anything_beside_it() -> None:
    for axis in ("step", "time"):
        svg = level_and_edge().svg(axis=axis)
        root = ET.fromstring(svg)  # noqa: S314 - our own
        assert {each.tag.rpartition("}")[2] for each in root.iter()} <= ALLOWED
        names = {name for each in root.iter() for name in each.attrib}
        assert not {name for name in names if "href" in name or name.startswith("on")}
        assert not {"style", "id"} & names
        assert "url(" not in svg
        assert svg.count("http") == 1  # the namespace


def test_the_same_trace_gives_the_same_bytes() -> None:
    assert level_and_edge().svg() == level_and_edge().svg()


def test_a_delivery_is_drawn_in_the_column_of_its_wait() -> None:
    trace = level_and_edge()
    svg = trace.svg()
    columns = [
        float(each.get("x", "nan")) for each in elements(svg, "text") if text_of(each) in HEADING
    ]
    assert len(columns) == len(trace.ticks)
    assert columns == sorted(columns)
    for kind, sign in ((MarkKind.DELIVERED, "delivered"), (MarkKind.EMPTY, "empty")):
        expected = [
            columns[number]
            for probe in trace.probes
            for number, tick in enumerate(trace.ticks)
            if probe.name in tick.marks and tick.marks[probe.name].kind is kind
        ]
        assert numbers_of(svg, sign) == expected


def test_steps_are_equally_wide() -> None:
    svg = level_and_edge().svg()
    columns = [
        float(each.get("x", "nan")) for each in elements(svg, "text") if text_of(each) in HEADING
    ]
    assert len({round(right - left, 1) for left, right in pairwise(columns)}) == 1


def test_the_axis_of_time_is_to_scale() -> None:
    trace = level_and_edge()
    width = 900.0  # of the lanes
    svg = trace.svg(axis="time")
    span = trace.ticks[-1].ended_ns - trace.ticks[0].began_ns
    expected = [
        round(tick.ended_ns / span * width, 1)
        for probe in trace.probes
        for tick in trace.ticks
        if probe.name in tick.marks and tick.marks[probe.name].kind is MarkKind.DELIVERED
    ]
    assert numbers_of(svg, "delivered") == pytest.approx(expected, abs=0.11)
    assert "2 µs" in texts_of(svg)


def test_a_missing_delivery_is_a_ring_that_says_why() -> None:
    svg = level_and_edge().svg()
    said = titles(svg)
    assert said.count("ET: ready, but not reported: nothing has arrived since its last report") == 2
    assert (
        said.count(
            "ONESHOT: ready, but not reported: disarmed by its delivery until it is modified"
        )
        == 3
    )
    texts = texts_of(svg)
    assert texts.count("nothing new") == 2
    assert texts.count("disarmed") == 3


def test_a_wait_with_nothing_to_report_is_a_smaller_ring() -> None:
    trace = level_and_edge()
    tick = replace(trace.ticks[1], before={"near": look(0)}, after={"near": look(0)})
    ready = replace(trace, ticks=trace.ticks[2:3])
    quiet = replace(trace, ticks=(replace(tick, marks={"LT": mark(delivered=False)}),))
    radius = [float(each.get("r", 0)) for each in elements(ready.svg(), "circle", "empty")]
    smaller = [float(each.get("r", 0)) for each in elements(quiet.svg(), "circle", "empty")]
    assert max(smaller) < min(radius)


def test_hovering_over_a_column_tells_of_the_call() -> None:
    said = titles(level_and_edge().svg())
    (column,) = [each for each in said if each.startswith("near.recv 2 → 2\n")]
    assert "took 500 ns" in column
    assert "near: IN|OUT, unread 3, unsent 0" in column


def test_a_change_between_two_ticks_is_dashed_and_one_during_a_call_is_not() -> None:
    trace = level_and_edge()
    assert "changed some time in between" not in texts_of(trace.svg())
    late = list(trace.ticks)
    late[0] = replace(late[0], after={"near": look(0)})
    svg = replace(trace, ticks=tuple(late)).svg()
    dashed = [
        each
        for each in elements(svg, "path")
        if (each.findtext("{*}title") or "").startswith("changed some time")
    ]
    assert dashed
    assert all(each.get("stroke-dasharray") for each in dashed)
    assert "changed some time in between" in texts_of(svg)


def test_flags_stand_below_a_delivery_unless_they_are_just_in() -> None:
    trace = level_and_edge()
    assert "HUP" not in texts_of(trace.svg())
    tick = replace(
        trace.ticks[1],
        marks={"LT": mark(True, EventFlags.IN | EventFlags.HUP)},
    )
    texts = texts_of(replace(trace, ticks=(tick,)).svg())
    assert texts.count("HUP") == 1


@pytest.mark.parametrize(
    ("call", "colour"),
    [
        (Call("near", "recv", "5", "EAGAIN", 11), "wait"),
        (Call("near", "recv", "5", "ECONNRESET", 104), "error"),
        (Call("near", "send", "5,000", "1,000"), "wait"),
        (Call("near", "send", "5", "5"), None),
    ],
    ids=["EAGAIN", "error", "short write", "fine"],
)
def test_what_a_call_gave_has_its_colour(call: Call, colour: str | None) -> None:
    trace = level_and_edge()
    svg = replace(trace, ticks=(replace(trace.ticks[0], call=call),)).svg()
    fields_behind = {each.get("fill") for each in elements(svg, "rect")}
    for name in ("wait", "error"):
        assert (getattr(LIGHT, f"{name}_soft") in fields_behind) is (name == colour)


def test_a_short_write_has_a_dashed_edge() -> None:
    trace = level_and_edge()
    call = Call("near", "send", "5,000", "1,000")
    svg = replace(trace, ticks=(replace(trace.ticks[0], call=call),)).svg()
    assert [each for each in elements(svg, "rect") if each.get("stroke-dasharray")]


def test_threads_have_a_band_if_there_are_several() -> None:
    trace = level_and_edge()
    assert "thread" not in texts_of(trace.svg())
    other = replace(trace.ticks[1].call, thread="worker")
    svg = replace(trace, ticks=(trace.ticks[0], replace(trace.ticks[1], call=other))).svg()
    texts = texts_of(svg)
    assert {"thread", "main", "worker"} <= set(texts)


def test_a_prediction_is_drawn_with_its_mistakes() -> None:
    trace = level_and_edge().predict(ET="1101")
    svg = trace.svg()
    assert len(elements(svg, "circle", "guess")) == 4
    assert titles(svg).count("ET: predicted a delivery, wrong") == 2
    assert len(trace.mistakes) == 1


def test_a_small_amount_beside_a_large_one_can_still_be_seen() -> None:
    trace = level_and_edge()
    ticks = (
        replace(trace.ticks[0], before={"near": look(0)}, after={"near": look(3)}),
        replace(trace.ticks[5], before={"near": look(3)}, after={"near": look(4_000_000)}),
    )
    svg = replace(trace, ticks=ticks).svg()
    texts = texts_of(svg)
    assert "max 4,000,000 B" in texts
    assert "3" in texts
    assert "unread: 4,000,000" in titles(svg)
    (line,) = [
        each.get("d", "")
        for each in elements(svg, "path")
        if (each.findtext("{*}title") or "") == "unread: near"
    ]
    heights = [float(y) for y in re.findall(r"[ML][-\d.]+ ([\d.]+)", line)]
    assert len(set(heights)) == 3  # empty, a little, a lot


@pytest.mark.parametrize("axis", ["step", "time"])
@pytest.mark.parametrize("call", [Call("", ""), Call("near", "recv", "95,232", "95,232")])
def test_a_number_in_the_last_column_is_on_the_card(axis: str, call: Call) -> None:
    unread = [3_886_726] * 12 + [3_791_494]
    ticks = [
        Tick(at, at, call, {"near": look(old)}, {"near": look(new)})
        for at, (old, new) in enumerate(pairwise(unread))
    ]
    svg = Trace((Source("near", "tcp"),), (), tuple(ticks)).svg(axis=axis)
    [last] = [text for text in elements(svg, "text") if "unread: 3,791,494" in titles_in(text)]
    card = float(elements(svg, "svg")[0].get("width", "nan"))
    left = shift_of(svg) + float(last.get("x", "nan"))
    assert left + text_width(text_of(last), float(last.get("font-size", "nan"))) < card


def test_a_given_width_breaks_the_picture_into_pieces() -> None:
    whole = level_and_edge().svg()
    broken = level_and_edge().svg(width=400)
    assert float(ET.fromstring(broken).get("width", "nan")) <= 460  # noqa: S314 - the legend's least
    assert len(elements(broken, "circle", "delivered")) == len(
        elements(whole, "circle", "delivered")
    )
    assert texts_of(broken).count("readable") > 1


def test_many_calls_are_turned() -> None:
    trace = level_and_edge()
    many = replace(trace, ticks=trace.ticks * 5)
    turned = [
        each for each in elements(many.svg(), "text") if "rotate" in each.get("transform", "")
    ]
    assert len(turned) == len(many.ticks)
    assert not [
        each for each in elements(trace.svg(), "text") if "rotate" in each.get("transform", "")
    ]


def test_hostile_names_are_escaped() -> None:
    name = "<script>&\"'\x00\ud800\N{SNOWMAN}"
    trace = replace(level_and_edge(), title=name)
    call = Call(name, name, name, name, None, name)
    svg = replace(trace, ticks=(replace(trace.ticks[0], call=call),)).svg()
    assert "<script" not in svg
    texts = texts_of(svg)
    assert "<script>&\"'\ufffd\ufffd\N{SNOWMAN}" in texts


@pytest.mark.slow
def test_more_than_a_thousand_ticks_are_thinned_out_and_it_says_so() -> None:
    for axis in ("step", "time"):
        svg = sampled(4_000).svg(axis=axis)
        assert len(svg.encode()) <= MOST_BYTES
        (said,) = [
            each.text or "" for each in elements(svg, "text") if "4,000" in (each.text or "")
        ]
        assert re.search(r"\d ticks are drawn", said.lower().replace(",", ""))


def test_ticks_in_which_nothing_changed_are_left_out_first() -> None:
    svg = sampled(3_000, changes=False).svg(axis="time")
    (said,) = [each for each in texts_of(svg) if "left out" in each]
    assert said == "2,998 of 3,000 ticks, in which nothing changed, are left out."


def test_a_thousand_ticks_are_drawn_in_full() -> None:
    svg = sampled(MOST_TICKS).svg(axis="time")
    assert not [each for each in texts_of(svg) if "drawn" in each]


@pytest.mark.slow
def test_long_names_do_not_break_the_cap() -> None:
    trace = level_and_edge()
    call = Call("s" * 1000, "n" * 1000, "a" * 5000, "r" * 5000, None, "t" * 1000)
    ticks = tuple(replace(tick, call=call) for tick in trace.ticks * 60)
    svg = replace(trace, ticks=ticks, title="t" * 10_000).svg()
    assert len(svg.encode()) <= MOST_BYTES


def test_what_was_dropped_is_said() -> None:
    texts = texts_of(replace(level_and_edge(), dropped=7).svg())
    assert "7 more calls were not kept: the scope was full." in texts


@pytest.mark.parametrize("trace", [Trace((), (), ()), sampled(0), sampled(1), sampled(2)])
def test_an_empty_or_nearly_empty_trace_is_drawn(trace: Trace) -> None:
    for axis in ("step", "time"):
        assert elements(trace.svg(axis=axis), "rect")


def test_without_calls_there_is_no_row_for_them() -> None:
    texts = texts_of(sampled(5).svg())
    assert not {"call", "call → gives"} & set(texts)


def test_a_wrong_argument_is_named() -> None:
    trace = level_and_edge()
    with pytest.raises(ValueError, match="axis: 'step' or 'time', not 'log'"):
        trace.svg(axis="log")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="theme: 'auto', 'light' or 'dark', not 'pink'"):
        trace.svg(theme="pink")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="width: at least 1 pixel, not 0"):
        trace.svg(width=0)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_has_contrast_on_everything_that_may_lie_below_it(palette: Palette) -> None:
    plain = [palette.card, palette.shade]
    softs = [getattr(palette, each.name) for each in fields(palette) if "soft" in each.name]
    for below in [*plain, *softs]:
        assert contrast(palette.ink, below) >= 4.5
    for name in ("muted", "wait", "error", "missed"):
        for below in plain:
            assert contrast(getattr(palette, name), below) >= 4.5, name
    assert contrast(palette.wait, palette.wait_soft) >= 4.5
    assert contrast(palette.error, palette.error_soft) >= 4.5


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_every_sign_has_contrast_on_the_card(palette: Palette) -> None:
    for name in ("inward", "outward", "news", "missed", "armed", "right", "error", "muted"):
        for below in (palette.card, palette.shade):
            assert contrast(getattr(palette, name), below) >= 3, name  # WCAG 1.4.11


def test_a_theme_uses_its_own_colours_only() -> None:
    for theme, palette in (("auto", LIGHT), ("light", LIGHT), ("dark", DARK)):
        own = {getattr(palette, each.name) for each in fields(palette)}
        used = set(re.findall(r"#[0-9a-f]{6}", level_and_edge().svg(theme=theme)))
        assert used <= own


def test_every_text_is_in_a_colour_that_may_be_text() -> None:
    texts = {LIGHT.ink, LIGHT.muted, LIGHT.wait, LIGHT.error, LIGHT.missed}
    svg = level_and_edge().predict(ET="1111").svg()
    assert {each.get("fill", LIGHT.ink) for each in elements(svg, "text")} <= texts


def test_what_a_scope_recorded_is_drawn() -> None:
    with Scope("recorded") as scope:
        near, far = map(scope.watch, socketpair(), ("near", "far"))
        scope.probe("LT", near, EPOLLIN)
        scope.probe("ET", near, EPOLLIN | EPOLLET)
        far.send(b"hello")
        scope.wait()
        scope.wait()
        near.close()
        far.close()
    svg = scope.trace.svg()
    assert len(elements(svg, "circle", "delivered")) == 3
    assert len(elements(svg, "circle", "empty")) == 1
    assert shift_of(svg) > 0


@pytest.mark.slow
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(trace=traces())
def test_any_trace_is_drawn_with_a_dot_for_each_delivery(trace: Trace) -> None:
    delivered = sum(bool(flags) for probe in trace.probes for flags in trace.deliveries(probe.name))
    waits = sum(len(trace.deliveries(probe.name)) for probe in trace.probes)
    guesses = sum(map(len, trace.guesses.values()))
    for svg in (trace.svg(), trace.svg(axis="time"), trace.svg(width=300, theme="dark")):
        assert len(elements(svg, "circle", "delivered")) == delivered
        assert len(elements(svg, "circle", "empty")) == waits - delivered
        assert len(elements(svg, "circle", "guess")) == guesses
        assert len(svg.encode()) <= MOST_BYTES
        assert not [each for each in elements(svg, "path") if "nan" in each.get("d", "")]


def test_what_a_blocked_call_saw_when_it_began_does_not_undo_what_came_later() -> None:
    trace = level_and_edge()
    send = replace(trace.ticks[0], began_ns=100, ended_ns=200)
    wait = replace(
        trace.ticks[1], began_ns=0, ended_ns=300, before={"near": look(0)}, after={"near": look(5)}
    )
    svg = replace(trace, ticks=(send, wait)).svg()
    assert not [each for each in titles(svg) if each.startswith("changed some time")]
    later = replace(wait, began_ns=200)
    svg = replace(trace, ticks=(send, later)).svg()
    assert [each for each in titles(svg) if each.startswith("changed some time")]


def test_a_stroke_leads_from_arming_to_a_delivery_only_if_there_was_something() -> None:
    trace = level_and_edge()
    armed = {"LT": Mark(MarkKind.ARMED, EventFlags.IN)}
    told = {"LT": Mark(MarkKind.DELIVERED, EventFlags.IN)}
    register = replace(trace.ticks[0], arrivals=frozenset(), marks=armed)
    wait = replace(trace.ticks[1], marks=told)
    for unread, expected in ((0, None), (5, 0)):
        tick = replace(register, after={"near": look(unread)})
        made = replace(trace, ticks=(tick, wait))
        (each,) = [
            each
            for each in causes.told(made, trace.probes[0])
            if each and each.since == expected and each.mark.kind is MarkKind.DELIVERED
        ]
        assert each.ready


def test_a_note_is_broken_between_its_words() -> None:
    trace = level_and_edge()
    note = replace(trace.ticks[0], call=Call("", "the peer reads all there is"))
    texts = texts_of(replace(trace, ticks=(note,)).svg())
    start = texts.index("the peer")
    assert " ".join(texts[start : start + 3]) == "the peer reads all there is"
