"""`Report`: the outcomes of several experiments, as a table in a terminal and in Jupyter."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from epollkit.semantics._outcome import Outcome
from epollkit.semantics._words import verdict_in_words

__all__ = ["Report", "as_data"]


@dataclass(frozen=True, repr=False)
class Report:
    """What several experiments found. A sequence of outcomes that shows itself as a table."""

    outcomes: tuple[Outcome, ...]

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def __len__(self) -> int:
        return len(self.outcomes)

    def __getitem__(self, name: str) -> Outcome:
        """The outcome of the claim of this name.

        Raises:
            KeyError: it was not among them.
        """
        for outcome in self.outcomes:
            if outcome.claim.name == name:
                return outcome
        raise KeyError(name)

    @property
    def as_expected(self) -> bool:
        """Every verdict and every finding is what Linux 6.18 gave; not shown here is not unlike."""
        return not self.unexpected

    @property
    def unexpected(self) -> tuple[Outcome, ...]:
        """The outcomes that are otherwise than on Linux 6.18, and the experiments that failed."""
        return tuple(
            each for each in self if each.broken or (not each.problem and not each.as_expected)
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many of each verdict; "not shown" for those without one."""
        return dict(Counter(verdict_in_words(each) for each in self))

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items())
        return f"<epollkit.semantics.Report: {counts or 'no claims'}>"

    def __str__(self) -> str:
        width = max((len(verdict_in_words(each)) for each in self), default=0)
        lines = list[str]()
        for each in self:
            lines.append(f"{verdict_in_words(each):{width}}  {each.claim.text}")
            lines += [f"{'':{width}}  {line}" for line in (each.claim.truth, each.told) if line]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from epollkit.semantics._html import of_report  # noqa: PLC0415 - drawn only when asked for

        return of_report(self)


def as_data(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain data, for JSON."""
    claim = outcome.claim
    return {
        "name": claim.name,
        "topic": claim.topic,
        "claim": claim.text,
        "verdict": None if outcome.verdict is None else outcome.verdict.value,
        "verdict_on_linux_6_18": claim.verdict.value,
        "as_expected": outcome.as_expected,
        "truth": claim.truth,
        "findings": [
            {
                "looked_at": finding.text,
                "seen": finding.seen,
                "bearing": finding.bearing.value,
                "as_expected": finding.as_expected,
            }
            for finding in outcome.findings
        ],
        "problem": outcome.problem,
        "man": list(claim.man),
        "notebook": claim.notebook,
        "seconds": outcome.elapsed,
    }
