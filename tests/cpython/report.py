"""What `run.py` prints: a table, and under it everything that is not plain sailing."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from rows import MODULES_LEFT_OUT, TESTS_LEFT_OUT, Row
from side import Outcome, Side
from verdict import Verdict

ENOUGH = 0.99
"""What part of the baseline's passes has to pass."""
DETAIL = 12
"""Lines of what a failed test had to say; the last ones tell most."""


@dataclass(frozen=True)
class Judged:
    """A row with both its sides and what was made of them."""

    row: Row
    baseline: Side
    ours: Side
    verdict: Verdict


def print_table(judged: list[Judged]) -> None:
    """One line for each row, and their sum."""
    print(
        f"{'module':32} {'stdlib':>6} {'epollkit':>8} {'kept':>7} {'reached':>8} "
        f"{'skipped':>7} {'seconds':>14}"
    )
    sums = [0, 0, 0, 0]
    for each in judged:
        outcomes = each.ours.outcomes.values()
        numbers = [
            each.verdict.baseline,
            each.verdict.kept,
            sum(outcome.uses > 0 for outcome in outcomes),
            sum(outcome.result == "skipped" for outcome in outcomes),
        ]
        sums = [total + number for total, number in zip(sums, numbers, strict=True)]
        seconds = f"{each.baseline.seconds:6.1f} {each.ours.seconds:7.1f}"
        print_line(each.row.module.removeprefix("test."), numbers, seconds)
    print_line("all", sums, "")
    print(
        "epollkit: of the tests that pass with the stdlib. reached: tests that have made a socket\n"
        "or used a selector of epollkit; the others test what is around these."
    )


def print_line(name: str, numbers: list[int], seconds: str) -> None:
    """A line of the table."""
    baseline, kept, reached, skipped = numbers
    share = f"{kept / baseline:7.2%}" if baseline else "      -"
    print(f"{name:32} {baseline:6} {kept:8} {share} {reached:8} {skipped:7} {seconds:>14}")


def print_section(title: str, entries: dict[str, str]) -> None:
    """A list under the table, if there is anything to list."""
    if entries:
        print(f"\n{title}")
    for name, text in entries.items():
        print(f"  {name}", *(f"    {line}" for line in text.splitlines()[-DETAIL:]), sep="\n")


def each_outcome(judged: list[Judged]) -> list[tuple[str, Outcome]]:
    """Every outcome of both sides, under a name that tells them apart."""
    return [
        (f"{test} ({name})", outcome)
        for each in judged
        for name, side in (("stdlib", each.baseline), ("epollkit", each.ours))
        for test, outcome in side.outcomes.items()
    ]


def print_what_was_left_out(judged: list[Judged], *, everything: bool) -> None:
    """Tests that ran on neither side, and modules of test_asyncio that are no rows."""
    modules = [each.row.module for each in judged]
    patterns = {
        pattern: reason
        for pattern, reason in TESTS_LEFT_OUT.items()
        if any(fnmatchcase(pattern, f"{module}.*") for module in modules)
    }
    print_section("left out, run on neither side", patterns)
    if everything:
        print_section("modules of test_asyncio left out", MODULES_LEFT_OUT)


def print_what_took_long(judged: list[Judged], count: int = 5) -> None:
    """The slowest tests of both sides, and those that hung or took their process with them."""
    outcomes = each_outcome(judged)
    longest = sorted(outcomes, key=lambda pair: pair[1].seconds, reverse=True)[:count]
    print_section("slowest", {test: f"{outcome.seconds:.1f} s" for test, outcome in longest})
    ended = {
        test: f"{outcome.result}\n{outcome.detail}"
        for test, outcome in outcomes
        if outcome.result in ("hung", "died")
    }
    ended |= {
        f"{each.row.module} (stdlib)": each.baseline.died for each in judged if each.baseline.died
    }
    print_section("hung or died, on either side", ended)


def print_report(judged: list[Judged], *, everything: bool) -> list[str]:
    """Print it all.

    Returns:
        What is wrong, in words.
    """
    print_table(judged)
    print_what_was_left_out(judged, everything=everything)
    print_what_took_long(judged)

    def merged(kind: str) -> dict[str, str]:
        return {name: text for each in judged for name, text in getattr(each.verdict, kind).items()}

    unlisted, stale = merged("unlisted"), merged("stale")
    print_section("unsteady: differed, but not when run again alone", merged("unsteady"))
    print_section("different for a reason", merged("listed"))
    print_section("listed as different in rows.py, and is not", stale)
    print_section("different", unlisted)
    baseline = sum(each.verdict.baseline for each in judged)
    kept = sum(each.verdict.kept for each in judged)
    wrong = [f"{each.row.module}: the baseline died" for each in judged if each.baseline.died]
    wrong += [
        f"{each.row.module}: nothing passes in the baseline, so it shows nothing"
        for each in judged
        if not any(outcome.result == "passed" for outcome in each.baseline.outcomes.values())
    ]
    if unlisted:
        wrong.append(f"{len(unlisted)} differences that rows.py does not list")
    if stale:
        wrong.append(f"{len(stale)} entries of rows.py are stale")
    if everything and kept < ENOUGH * baseline:
        wrong.append(f"{kept} of {baseline} is less than {ENOUGH:.0%}")
    return wrong
