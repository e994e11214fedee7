"""The runner of CPython's own tests: one module through all of it, and its judgement by itself."""

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "cpython" / "run.py"


@pytest.mark.slow
@pytest.mark.timeout(120)  # two interpreters, CPython's own waits
@pytest.mark.thread_unsafe(reason="starts processes; one pair is enough")
@pytest.mark.parametrize("module", ["test.test_epoll"])
def test_cpythons_own_tests_pass_with_epollkit_in_place(module: str) -> None:
    if any(importlib.util.find_spec(name) is None for name in ("test", module)):
        pytest.skip(f"this Python was installed without {module}")
    done = subprocess.run(
        [sys.executable, "-I", RUN, module],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


class Judge:
    """Judges made-up sides: each is a word per test, "p" for passed, "f" failed, "s" skipped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(RUN.parent)
        self.rows, self.side, self.verdict = map(
            importlib.import_module, ("rows", "side", "verdict")
        )
        self.reruns: list[tuple[str, list[str]]] = []

    def made(self, outcomes: dict[str, str], died: str = "") -> object:
        words = {"p": "passed", "f": "failed", "s": "skipped", "h": "hung"}
        return self.side.Side(
            "m", {test: self.side.Outcome(words[word]) for test, word in outcomes.items()}, died
        )

    def __call__(
        self,
        baseline: dict[str, str],
        ours: dict[str, str],
        *,
        listed: dict[str, str] | None = None,
        again: list[dict[str, dict[str, str]]] | None = None,
        died: str = "",
    ) -> object:
        """The verdict; `again` has a rerun's outcomes by side, else reruns repeat what was."""
        first = {"stdlib": baseline, "epollkit": ours}

        def run_again(side: str, tests: list[str]) -> object:
            number = sum(known == side for known, _ in self.reruns)
            self.reruns.append((side, tests))
            outcomes = again[number][side] if again else first[side]
            return self.made({test: outcomes[test] for test in tests if test in outcomes})

        differences = [self.rows.Difference(*pair) for pair in (listed or {}).items()]
        return self.verdict.judge(
            self.made(baseline), self.made(ours, died), differences, run_again
        )


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    if importlib.util.find_spec("test") is None:
        pytest.skip("this Python was installed without test")
    return Judge(monkeypatch)


def test_what_passes_on_both_sides_is_kept(judge: Judge) -> None:
    verdict = judge({"m.a": "p", "m.b": "p", "m.c": "s"}, {"m.a": "p", "m.b": "p", "m.c": "s"})
    assert (verdict.baseline, verdict.kept) == (2, 2)
    assert not verdict.unlisted
    assert judge.reruns == []


def test_what_fails_in_the_baseline_is_nobodys_fault(judge: Judge) -> None:
    verdict = judge({"m.a": "f", "m.b": "p"}, {"m.a": "f", "m.b": "p"})
    assert (verdict.baseline, verdict.kept) == (1, 1)
    assert not verdict.unlisted


@pytest.mark.parametrize("word", ["f", "s", "h", None])
def test_a_difference_that_comes_again_counts(judge: Judge, word: str | None) -> None:
    ours = {"m.a": "p"} | ({"m.b": word} if word else {})
    verdict = judge({"m.a": "p", "m.b": "p"}, ours)
    assert (verdict.baseline, verdict.kept) == (2, 1)
    assert list(verdict.unlisted) == ["m.b"]
    assert judge.reruns == [("stdlib", ["m.b"]), ("epollkit", ["m.b"])] * 2


def test_a_difference_that_goes_away_alone_is_unsteady(judge: Judge) -> None:
    good = {"stdlib": {"m.a": "p"}, "epollkit": {"m.a": "p"}}
    verdict = judge({"m.a": "p"}, {"m.a": "f"}, again=[good, good])
    assert (verdict.baseline, verdict.kept) == (1, 1)
    assert list(verdict.unsteady) == ["m.a"]
    assert not verdict.unlisted


def test_a_difference_that_comes_again_once_of_twice_counts(judge: Judge) -> None:
    good = {"stdlib": {"m.a": "p"}, "epollkit": {"m.a": "p"}}
    bad = {"stdlib": {"m.a": "p"}, "epollkit": {"m.a": "f"}}
    verdict = judge({"m.a": "p"}, {"m.a": "f"}, again=[good, bad])
    assert list(verdict.unlisted) == ["m.a"]
    assert not verdict.unsteady


def test_what_fails_alone_with_the_stdlib_does_not_count(judge: Judge) -> None:
    bad = {"stdlib": {"m.a": "f"}, "epollkit": {"m.a": "f"}}
    verdict = judge({"m.a": "p"}, {"m.a": "f"}, again=[bad, bad])
    assert (verdict.baseline, verdict.kept) == (0, 0)
    assert list(verdict.unsteady) == ["m.a"]
    assert not verdict.unlisted


def test_a_listed_difference_is_not_run_again_and_lowers_the_share(judge: Judge) -> None:
    verdict = judge({"m.a": "p", "m.b": "p"}, {"m.a": "p", "m.b": "f"}, listed={"m.b": "why"})
    assert verdict.listed == {"m.b": "why"}
    assert (verdict.baseline, verdict.kept) == (2, 1)
    assert not verdict.unlisted
    assert judge.reruns == []


def test_a_listed_difference_that_passes_is_stale(judge: Judge) -> None:
    verdict = judge({"m.a": "p"}, {"m.a": "p"}, listed={"m.*": "why"})
    assert verdict.stale == {"m.*": "passes with epollkit, too"}


def test_a_listed_difference_that_names_no_test_is_stale(judge: Judge) -> None:
    verdict = judge({"m.a": "p"}, {"m.a": "p"}, listed={"m.gone": "why"})
    assert verdict.stale == {"m.gone": "there is no such test"}


def test_a_listed_difference_that_the_baseline_skips_says_nothing(judge: Judge) -> None:
    assert not judge({"m.a": "s"}, {"m.a": "s"}, listed={"m.a": "why"}).stale


def test_a_class_that_cannot_be_set_up_is_run_again_as_a_whole(judge: Judge) -> None:
    baseline = {"m.C.a": "p", "m.C.b": "p", "m.D.c": "p"}
    verdict = judge(baseline, {"setUpClass (m.C)": "f", "m.D.c": "p"})
    assert set(verdict.unlisted) == {"m.C.a", "m.C.b", "setUpClass (m.C)"}
    assert judge.reruns[0] == ("stdlib", ["m.C.a", "m.C.b"])
    assert (verdict.baseline, verdict.kept) == (3, 1)


def test_a_class_that_cannot_be_torn_down_counts_if_it_comes_again(judge: Judge) -> None:
    ours = {"m.C.a": "p", "tearDownClass (m.C)": "f"}
    good = {"stdlib": {"m.C.a": "p"}, "epollkit": {"m.C.a": "p"}}
    assert list(judge({"m.C.a": "p"}, ours, again=[good, good]).unsteady) == ["tearDownClass (m.C)"]


def test_a_process_that_dies_outside_of_any_test_counts(judge: Judge) -> None:
    verdict = judge({"m.a": "p"}, {"m.a": "p"}, died="exit code -11")
    assert verdict.unlisted == {"m, the process": "exit code -11"}


def test_a_broken_module_is_not_run_again(judge: Judge) -> None:
    tests = [f"m.{number}" for number in range(judge.verdict.TOO_MANY + 1)]
    verdict = judge(dict.fromkeys(tests, "p"), dict.fromkeys(tests, "f"))
    assert list(verdict.unlisted) == tests
    assert judge.reruns == []
