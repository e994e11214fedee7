"""What an experiment found, and the verdict that follows from it. Pure data."""

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from epollkit._errors import EpollkitError
from epollkit.semantics._registry import Claim, Verdict
from epollkit.semantics._words import verdict_in_words

if TYPE_CHECKING:
    from epollkit.scope import Trace

__all__ = ["Bearing", "Finding", "NotShownHere", "Outcome"]


class NotShownHere(EpollkitError):
    """An experiment needs what this machine lacks. Says what."""

    __module__ = "epollkit.semantics"


class Bearing(enum.Enum):
    """What it means for the claim that a finding came out as expected."""

    SUPPORTS = "for"
    CONTRADICTS = "against"
    NEITHER = "aside"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an experiment looked at."""

    text: str
    """What was looked at, and in which case."""
    bearing: Bearing
    seen: str
    """What was seen, as text."""
    expected: str
    """What Linux 6.18 shows; equal to `seen`, or a description."""
    as_expected: bool

    @property
    def supports(self) -> bool | None:
        """Whether it speaks for the claim; None if it does not bear on it."""
        if self.bearing is Bearing.NEITHER:
            return None
        return (self.bearing is Bearing.SUPPORTS) == self.as_expected


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """An experiment that was performed: what it found, or why it ended early.

    Shows itself in Jupyter with its findings, and with the picture if it was recorded.
    """

    claim: Claim
    findings: tuple[Finding, ...]
    elapsed: float
    """Seconds."""
    problem: str = ""
    """Why there is no verdict: an exception, or what this machine lacks."""
    broken: bool = False
    """The experiment itself failed; False if this machine only lacks what it needs."""
    trace: "Trace | None" = None
    """What was recorded, if it was asked for."""

    @property
    def verdict(self) -> Verdict | None:
        """What the findings say: none against it, none for it, or some of both."""
        votes = {finding.supports for finding in self.findings} - {None}
        if self.problem or not votes:
            return None
        if len(votes) > 1:
            return Verdict.CONDITION
        return Verdict.TRUE if True in votes else Verdict.FALSE

    @property
    def surprises(self) -> tuple[Finding, ...]:
        """What came out otherwise than on Linux 6.18."""
        return tuple(finding for finding in self.findings if not finding.as_expected)

    @property
    def as_expected(self) -> bool:
        """The claim's verdict, and no surprise on the way."""
        return self.verdict is self.claim.verdict and not self.surprises

    @property
    def told(self) -> str:
        """The evidence, or why there is none: one line."""
        return self.problem or self.evidence

    @property
    def evidence(self) -> str:
        """The findings that bear on the claim, in one line; all of them if none does."""
        bearing = [found for found in self.findings if found.bearing is not Bearing.NEITHER]
        return "; ".join(f"{found.text}: {found.seen}" for found in bearing or self.findings)

    def __repr__(self) -> str:
        return f"<epollkit.semantics.Outcome {self.claim.name}: {verdict_in_words(self)}>"

    def __str__(self) -> str:
        lines = [
            self.claim.text,
            f"{verdict_in_words(self)}: {self.claim.truth}".removesuffix(": "),
        ]
        lines += [f"  {each.bearing.value:>7}  {each.text}: {each.seen}" for each in self.findings]
        return "\n".join([*lines, self.problem] if self.problem else lines)

    def _repr_html_(self) -> str:
        from epollkit.semantics._html import of_outcome  # noqa: PLC0415 - drawn only when asked for

        return of_outcome(self)
