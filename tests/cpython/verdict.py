"""The judgement on one row: what epollkit keeps of what passes with the standard library."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from rows import Difference
from side import DID_NOT_RUN, Side

AGAIN = 2
"""How often a test that differs is run again, alone, on both sides."""
TOO_MANY = 40
"""With more differences than this a module is broken, not unsteady: nothing is run again."""

RunAgain = Callable[[str, list[str]], Side]
"""Runs these tests on a side, "stdlib" or "epollkit", when nothing else runs."""


@dataclass
class Verdict:
    """One row's part of the result."""

    baseline: int = 0
    """Tests that pass with the standard library."""
    kept: int = 0
    """Of these, the ones that pass with epollkit."""
    listed: dict[str, str] = field(default_factory=dict)
    """Known differences, with their reasons."""
    unlisted: dict[str, str] = field(default_factory=dict)
    """Differences that nobody has listed, with what was seen."""
    unsteady: dict[str, str] = field(default_factory=dict)
    """Differences that did not come again, with what became of them."""
    stale: dict[str, str] = field(default_factory=dict)
    """Entries of DIFFERENCES that show nothing, and why not."""


def members(entry: str, tests: Iterable[str]) -> list[str]:
    """The tests that an outcome is about: itself, or those of the class in "setUpClass (class)"."""
    _, _, owner = entry.partition("(")
    if not owner:
        return [entry]
    return [test for test in tests if test.startswith(owner.removesuffix(")") + ".")]


def passed_again(entry: str, side: Side) -> bool:
    """Whether everything that an outcome is about has passed in a second run."""
    concerned = members(entry, side.outcomes)
    if concerned != [entry] and entry in side.outcomes:
        return False  # a class's set-up or tear-down is reported only when it fails
    return bool(concerned) and all(map(side.passed, concerned))


def differing(baseline: Side, ours: Side) -> list[str]:
    """What passes with the standard library and not with epollkit, or fails with epollkit only."""
    worse = [test for test in baseline.outcomes if baseline.passed(test) and not ours.passed(test)]
    return worse + [
        test
        for test, outcome in ours.outcomes.items()
        if test not in baseline.outcomes and outcome.result not in ("passed", "skipped")
    ]


def judge(
    baseline: Side, ours: Side, differences: Iterable[Difference], run_again: RunAgain
) -> Verdict:
    """Compare two sides.

    Args:
        baseline: the module with the standard library.
        ours: the module with epollkit.
        differences: what is known about it.
        run_again: for the differences that nobody has listed. They are run twice more. Those that
            then pass with epollkit both times, or fail with the standard library, do not count.
    """
    verdict = Verdict()
    found = differing(baseline, ours)
    for difference in differences:
        matching = [test for test in found if fnmatchcase(test, difference.pattern)]
        concerned = [test for test in baseline.outcomes if fnmatchcase(test, difference.pattern)]
        verdict.listed |= dict.fromkeys(matching, difference.reason)
        if not concerned:
            verdict.stale[difference.pattern] = "there is no such test"
        elif not matching and any(map(baseline.passed, concerned)):
            verdict.stale[difference.pattern] = "passes with epollkit, too"
    suspects = [test for test in found if test not in verdict.listed]
    unsound = try_again(suspects, baseline, run_again, verdict) if suspects else set()
    for test in suspects:
        if test not in verdict.unsteady:
            outcome = ours.outcomes.get(test, DID_NOT_RUN)
            verdict.unlisted[test] = f"{outcome.result}\n{outcome.detail}"
    if ours.died and not baseline.died:
        verdict.unlisted[f"{ours.module}, the process"] = ours.died
    good = [test for test in baseline.outcomes if baseline.passed(test) and test not in unsound]
    verdict.baseline = len(good)
    verdict.kept = len([t for t in good if t not in verdict.listed and t not in verdict.unlisted])
    return verdict


def try_again(
    suspects: list[str], baseline: Side, run_again: RunAgain, verdict: Verdict
) -> set[str]:
    """Note which suspects are unsteady; those that fail with the standard library, too."""
    if len(suspects) > TOO_MANY:
        return set()
    tests = sorted({each for test in suspects for each in members(test, baseline.outcomes)})
    reruns = [(run_again("stdlib", tests), run_again("epollkit", tests)) for _ in range(AGAIN)]
    unsound = set()
    for test in suspects:
        if all(passed_again(test, ours) for _, ours in reruns):
            verdict.unsteady[test] = f"passes alone, {AGAIN} times of {AGAIN}"
        elif not all(passed_again(test, theirs) for theirs, _ in reruns):
            verdict.unsteady[test] = "fails alone with the standard library, too"
            unsound.add(test)
    return unsound
