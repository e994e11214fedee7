"""`check_epoll_semantics`, `check_stream_pair`: what conforms passes, what is broken is named."""

import doctest
import pickle
import re
import select
import selectors
import socket
import threading
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

import epollkit
from broken_ends import BROKEN_ENDS, End, ResetIsEnd, ends_of
from broken_selectors import BROKEN_SELECTORS
from broken_sets import BROKEN_SETS, ErrnoIsLost, LosesHup, NeverReadable, Set
from endpoints import python
from epoll_support import tcp_pair
from epollkit import testing
from epollkit.testing import (
    EPOLL_RULES,
    SELECTOR_RULES,
    STREAM_RULES,
    ConformanceError,
    check_epoll_semantics,
    check_stream_pair,
)

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

TABLES = {"epoll": EPOLL_RULES, "selector": SELECTOR_RULES, "stream": STREAM_RULES}


# --- the tables


@pytest.mark.parametrize("rules", TABLES.values(), ids=TABLES.keys())
def test_a_rule_has_a_name_of_its_own_a_sentence_and_a_source(
    rules: tuple[testing.Rule, ...],
) -> None:
    names = [rule.name for rule in rules]
    assert len(names) == len(set(names)) >= 20
    for rule in rules:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
        assert rule.statement.endswith(".")
        assert rule.man_page


# --- what conforms


@pytest.mark.parametrize("make", [select.epoll, epollkit.Epoll], ids=["theirs", "ours"])
def test_a_set_keeps_every_rule(make: Callable[[], Any]) -> None:
    assert check_epoll_semantics(make) == [rule.name for rule in EPOLL_RULES]


@pytest.mark.parametrize(
    "make",
    [
        epollkit.EpollSelector,
        selectors.EpollSelector,
        selectors.PollSelector,
        selectors.SelectSelector,
    ],
    ids=["ours", "epoll", "poll", "select"],
)
def test_a_selector_keeps_every_rule(make: Callable[[], selectors.BaseSelector]) -> None:
    assert check_epoll_semantics(make) == [rule.name for rule in SELECTOR_RULES]


def ours_over_tcp(loopback: str) -> tuple[epollkit.Socket, epollkit.Socket]:
    with tcp_pair(loopback) as (near, far):
        return near.dup(), far.dup()


def theirs_over_tcp(loopback: str) -> tuple[socket.socket, socket.socket]:
    near, far = ours_over_tcp(loopback)
    return near.to_stdlib(), far.to_stdlib()


@pytest.mark.parametrize(
    "make",
    [
        lambda _: epollkit.socketpair(),
        lambda _: socket.socketpair(),
        pytest.param(ours_over_tcp, marks=pytest.mark.slow),
        pytest.param(theirs_over_tcp, marks=pytest.mark.slow),
    ],
    ids=["ours", "theirs", "ours over TCP", "theirs over TCP"],
)
def test_two_sockets_keep_every_rule(make: Callable[[str], Any], loopback: str) -> None:
    assert check_stream_pair(lambda: make(loopback)) == [rule.name for rule in STREAM_RULES]


# --- what is said of them


def broken(check: Callable[[], object]) -> set[str]:
    with pytest.raises(ConformanceError) as raised:
        check()
    return {violation.rule.name for violation in raised.value.violations}


SETS = [pytest.param(kind, rules, id=kind.__name__) for kind, rules in BROKEN_SETS.items()]
SELECTORS = [
    pytest.param(kind, rules, id=kind.__name__) for kind, rules in BROKEN_SELECTORS.items()
]
ENDS = [pytest.param(kind, rules, id=kind.__name__) for kind, rules in BROKEN_ENDS.items()]


@pytest.mark.parametrize(("kind", "rules"), SETS)
def test_a_broken_set_breaks_the_rules_that_it_breaks(kind: type[Set], rules: set[str]) -> None:
    assert broken(lambda: check_epoll_semantics(kind)) == rules


@pytest.mark.parametrize(("kind", "rules"), SELECTORS)
def test_a_broken_selector_breaks_the_rules_that_it_breaks(
    kind: type[selectors.EpollSelector], rules: set[str]
) -> None:
    assert broken(lambda: check_epoll_semantics(kind)) == rules


@pytest.mark.parametrize(("kind", "rules"), ENDS)
def test_a_broken_pair_breaks_the_rules_that_it_breaks(kind: type[End], rules: set[str]) -> None:
    assert broken(lambda: check_stream_pair(ends_of(kind))) == rules


@pytest.mark.parametrize(
    ("rules", "caught"),
    [
        (EPOLL_RULES, BROKEN_SETS),
        (SELECTOR_RULES, BROKEN_SELECTORS),
        (STREAM_RULES, BROKEN_ENDS),
    ],
    ids=TABLES.keys(),
)
def test_every_rule_can_be_broken(
    rules: tuple[testing.Rule, ...], caught: dict[Any, set[str]]
) -> None:
    assert {rule.name for rule in rules} == set().union(*caught.values())


def test_the_error_tells_of_each_rule_what_was_expected_and_seen_and_where_it_is_written() -> None:
    with pytest.raises(AssertionError) as raised:
        check_epoll_semantics(LosesHup)
    assert str(raised.value) == (
        "2 of 51 rules broken\n"
        "  hangup-unasked: HUP is reported unasked.\n"
        "    expected: reader HUP once the writer is closed\n"
        "    seen: nothing once the writer is closed\n"
        "    see epoll_ctl(2)\n"
        "  hangup-of-both: A closed peer is IN and HUP, with RDHUP for those who ask.\n"
        "    expected: near IN|HUP|RDHUP\n"
        "    seen: near IN|RDHUP\n"
        "    see epoll_ctl(2)"
    )


def test_the_error_can_be_pickled() -> None:
    with pytest.raises(ConformanceError) as raised:
        check_epoll_semantics(LosesHup)
    again = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 - our own
    assert (str(again), again.violations) == (str(raised.value), raised.value.violations)


def test_a_lost_errno_is_named() -> None:
    with pytest.raises(ConformanceError) as raised:
        check_epoll_semantics(ErrnoIsLost)
    (violation,) = raised.value.violations
    assert (violation.expected, violation.seen) == ("OSError (ELOOP)", "OSError: it did not work")


def test_an_exception_is_a_finding_and_does_not_end_the_run() -> None:
    class Raises(Set):
        def modify(self, fd: "FileDescriptorLike", eventmask: int) -> None:
            raise NotImplementedError("no modify yet")

    with pytest.raises(ConformanceError) as raised:
        check_epoll_semantics(Raises)
    seen = {violation.rule.name: violation.seen for violation in raised.value.violations}
    assert seen["edge-modify"] == "NotImplementedError: no modify yet"
    assert seen["modify-unknown"] == "NotImplementedError: no modify yet"


def test_what_is_skipped_is_not_checked() -> None:
    skipped = BROKEN_SETS[NeverReadable]
    checked = check_epoll_semantics(NeverReadable, skip=skipped)
    assert checked == [rule.name for rule in EPOLL_RULES if rule.name not in skipped]
    assert check_stream_pair(ends_of(ResetIsEnd), skip="reset")


@pytest.mark.parametrize("skip", [["edge-once", "egde-twice"], "egde-twice"])
def test_skip_of_no_rule_is_an_error(skip: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=r"skip names no rule: egde-twice\. Rules: level-repeats,"):
        check_epoll_semantics(select.epoll, skip=skip)


def test_a_set_without_a_number_is_not_asked_about_nesting() -> None:
    class Bare:
        def __init__(self) -> None:
            self.inner = select.epoll()
            self.register, self.modify = self.inner.register, self.inner.modify
            self.unregister, self.poll = self.inner.unregister, self.inner.poll
            self.close = self.inner.close

    checked = check_epoll_semantics(Bare)
    left_out = {rule.name for rule in EPOLL_RULES} - set(checked)
    assert left_out == {"itself", "loop", "nested-level", "nested-edge"}


@pytest.mark.slow
@pytest.mark.thread_unsafe(reason="changes the bound of a module")
def test_a_wait_that_hangs_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("epollkit.testing._conformance"), "MUST_HAPPEN", 0.05)
    end = threading.Event()

    class Hangs(Set):
        def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
            if timeout is None:
                end.wait()
            return super().poll(timeout, maxevents)

    before = threading.enumerate()
    try:
        with pytest.raises(ConformanceError) as raised:
            check_epoll_semantics(Hangs)
    finally:
        end.set()
        for thread in set(threading.enumerate()) - set(before):
            thread.join()
    (violation,) = raised.value.violations
    assert violation.rule.name == "timeout-none"
    assert violation.seen == "still waiting after 0.05 s"


# --- the module


@pytest.mark.slow
def test_it_needs_no_pytest() -> None:
    done = python("import sys; sys.modules['pytest'] = None; import epollkit.testing")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_it_is_not_imported_unless_asked_for() -> None:
    done = python("import sys, epollkit; print('epollkit.testing' in sys.modules)")
    assert done.stdout == "False\n"


def test_all_is_sorted_and_says_that_it_lives_in_the_package() -> None:
    names = testing.__all__
    assert names == sorted(names, key=lambda name: (name.islower(), not name.isupper(), name))
    classes = [thing for thing in map(vars(testing).get, names) if isinstance(thing, type)]
    assert {one.__module__ for one in classes} == {"epollkit.testing"}


MODULES = ["", "._buffers", "._check", "._events"]


@pytest.mark.thread_unsafe(reason="doctest takes sys.stdout")
@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_run(name: str) -> None:
    module = import_module(f"epollkit.testing{name}")
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed
