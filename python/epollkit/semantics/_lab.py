"""`Lab`: what an experiment works with.

It makes sockets, sets, threads and children, ends them all when the experiment is over, and takes
down what was found. With a scope everything it makes is recorded; without one the experiment works
on the bare objects. The findings must be the same.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from epollkit.scope._describe import describe
from epollkit.semantics._company import MUST_END, Company
from epollkit.semantics._outcome import Bearing, Finding
from epollkit.semantics._workshop import EVERY_FLAG, MUST_ARRIVE

if TYPE_CHECKING:
    from epollkit.scope import Scope

__all__ = ["EVERY_FLAG", "MUST_ARRIVE", "MUST_END", "Lab"]

T = TypeVar("T")


class Lab(Company):
    """One experiment's sockets, threads and findings; a context manager that ends all of it.

    Args:
        scope: records what the lab makes.
        address: a loopback address of the experiment's own; by default the next of 127.83.0.0/16.
    """

    def __init__(self, scope: "Scope | None" = None, address: str = "") -> None:
        super().__init__(scope, address)
        self.findings: list[Finding] = []

    def supports(self, text: str, seen: T, expected: T | Callable[[T], object]) -> None:
        """What was expected speaks for the claim.

        Args:
            text: what was looked at, and in which case: the finding reads "text: seen".
            seen: what the kernel gave.
            expected: what Linux 6.18 gives: a value to compare with, or a predicate of `seen`.
        """
        self._find(Bearing.SUPPORTS, text, seen, expected)

    def contradicts(self, text: str, seen: T, expected: T | Callable[[T], object]) -> None:
        """What was expected speaks against the claim; arguments as for `supports`."""
        self._find(Bearing.CONTRADICTS, text, seen, expected)

    def shows(self, text: str, seen: T, expected: T | Callable[[T], object]) -> None:
        """Must come out as expected and does not bear on the claim; arguments as for `supports`."""
        self._find(Bearing.NEITHER, text, seen, expected)

    def _find(
        self, bearing: Bearing, text: str, seen: T, expected: T | Callable[[T], object]
    ) -> None:
        if callable(expected):
            as_expected, wanted = bool(expected(seen)), "otherwise"
        else:
            as_expected, wanted = seen == expected, describe(expected)
        self.findings.append(Finding(text, bearing, describe(seen), wanted, as_expected))
