"""Rules as data, and what becomes of those that are broken.

A rule is a function that makes what it needs with the user's factory, does an experiment, and
compares with `see`. It knows nothing of the other rules. All run, whatever the first says.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from errno import errorcode
from pathlib import Path
from platform import machine
from typing import Any, Self, TypeVar

from epollkit import EpollkitError

__all__ = ["ConformanceError", "Rule", "Violation"]

MUST_HAPPEN = 5.0
"""Seconds in which what a rule waits for must have happened."""


@dataclass(frozen=True)
class Rule:
    """One thing that the kernel does, and how to see whether it is done."""

    name: str
    statement: str
    """The rule, in one line."""
    man_page: str
    """Where it is written."""
    check: Callable[[Bench], None] = field(repr=False)
    """The experiment."""

    __module__ = "epollkit.testing"


@dataclass(frozen=True)
class Violation:
    """A rule that is broken."""

    rule: Rule
    expected: str
    seen: str

    __module__ = "epollkit.testing"

    def __str__(self) -> str:
        rule = self.rule
        return (
            f"{rule.name}: {rule.statement}\n    expected: {self.expected}\n"
            f"    seen: {self.seen}\n    see {rule.man_page}"
        )


class ConformanceError(EpollkitError, AssertionError):
    """Rules are broken. The message has all of them.

    Attributes:
        violations: tuple of `Violation`, in the order of the table.
        checked: how many rules were checked.
    """

    __module__ = "epollkit.testing"

    def __init__(self, violations: Iterable[Violation], checked: int) -> None:
        """Tell each of them, and of how many rules they are."""
        self.violations: tuple[Violation, ...] = tuple(violations)
        self.checked = checked
        lines = [f"{len(self.violations)} of {checked} rules broken"]
        super().__init__("\n".join(lines + [f"  {one}" for one in self.violations]))

    def __reduce__(self) -> tuple[type[ConformanceError], tuple[tuple[Violation, ...], int]]:
        """Pickle by the arguments, not by the message."""
        return type(self), (self.violations, self.checked)


class BrokenError(Exception):
    """What a rule expected and did not see. Only between a rule and `check`."""

    def __init__(self, expected: str, seen: str) -> None:
        """Both as text."""
        super().__init__(expected, seen)
        self.expected, self.seen = expected, seen


class NotApplicableError(Exception):
    """The thing has no method that the rule needs. Only between a rule and `check`."""


class Bench:
    """Where one rule works: makes things and closes them."""

    def __init__(self, make: Callable[[], Any]) -> None:
        """Open nothing yet."""
        self._make = make
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def make(self) -> Any:  # noqa: ANN401 - the user's own thing
        """One more of what is checked."""
        return self.keep(self._make())

    def make_pair(self) -> tuple[Any, Any]:
        """Two of them, that belong together."""
        one, other = self._make()
        return self.keep(one), self.keep(other)

    def keep(self, thing: Any) -> Any:  # noqa: ANN401 - anything that closes
        """Close it at the end."""
        self._stack.callback(thing.close)
        return thing

    def then(self, call: Callable[..., object], *args: object) -> None:
        """Call it at the end."""
        self._stack.callback(call, *args)


Experiment = TypeVar("Experiment", bound=Callable[[Bench], None])


def writer(rules: list[Rule]) -> Callable[[str], Callable[[Experiment], Experiment]]:
    """The decorator that puts a function into a table.

    It takes the man page. The function's name is the rule's, its docstring the statement.
    """

    def rule(man_page: str) -> Callable[[Experiment], Experiment]:
        def add(check: Experiment) -> Experiment:
            name = check.__name__.replace("_", "-")
            rules.append(Rule(name, check.__doc__ or name, man_page, check))
            return check

        return add

    return rule


def check(rules: tuple[Rule, ...], make: Callable[[], Any], skip: Iterable[str]) -> list[str]:
    """Run them all; the names of those that were applicable."""
    __tracebackhide__ = True
    left_out = {skip} if isinstance(skip, str) else set(skip)
    if unknown := left_out - {rule.name for rule in rules}:
        known = ", ".join(rule.name for rule in rules)
        raise ValueError(f"skip names no rule: {', '.join(sorted(unknown))}. Rules: {known}")
    checked: list[str] = []
    violations: list[Violation] = []
    for rule in rules:
        if rule.name in left_out:
            continue
        try:
            _run(rule, make)
        except NotApplicableError:
            continue
        except BrokenError as broken:
            violations.append(Violation(rule, broken.expected, broken.seen))
        checked.append(rule.name)
    if violations:
        raise ConformanceError(violations, len(checked))
    return checked


def _run(rule: Rule, make: Callable[[], Any]) -> None:
    """The rule, with what it raises unawares as what was seen."""
    try:
        with Bench(make) as bench:
            rule.check(bench)
    except (BrokenError, NotApplicableError):
        raise
    except Exception as error:
        raise BrokenError("no exception", describe(error)) from error


# --- what rules say


def see(expected: object, seen: object, what: str = "") -> None:
    """They must be equal."""
    if expected != seen:
        after = f" {what}" if what else ""
        raise BrokenError(f"{expected}{after}", f"{seen}{after}")


def describe(error: BaseException) -> str:
    """A class and what it says."""
    return f"{type(error).__name__}: {error}"


def see_raised(
    kind: type[Exception],
    call: Callable[..., object],
    *args: object,
    errno: str = "",
) -> None:
    """The call must raise it, with the errno if one is named."""
    expected = kind.__name__ + (f" ({errno})" if errno else "")
    try:
        result = call(*args)
    except kind as error:
        if errno and code_name(error) != errno:
            raise BrokenError(expected, describe(error)) from error
        return
    except Exception as error:
        raise BrokenError(expected, describe(error)) from error
    raise BrokenError(expected, f"a result: {result!r}")


def code_name(error: BaseException) -> str:
    """ENOENT, ... or an empty text."""
    return errorcode.get(getattr(error, "errno", None) or 0, "")


def need(thing: object, *names: str) -> None:
    """The rule is about these methods."""
    if any(not hasattr(thing, name) for name in names):
        raise NotApplicableError


# --- waits


def see_waits_at_least(seconds: float, wait: Callable[[float], object]) -> None:
    """A wait for nothing must not end too early. Many tries: a busy machine hides it."""
    for _ in range(_TRIES):
        started = time.monotonic()
        wait(seconds)
        if (elapsed := time.monotonic() - started) < seconds:
            raise BrokenError(f"at least {seconds:.6f} s", f"{elapsed:.6f} s")


_TRIES = 20


def start(call: Callable[[], Any]) -> Call:
    """Run it in a thread, which waits when this returns.

    The thread is left behind if it does not end: a wrapper that hangs is no reason to hang.
    """
    running = Call(call)
    running.start()
    running.until_it_waits()
    return running


class Call(threading.Thread):
    """A call under way, and what came of it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        """Not started yet."""
        super().__init__(name="epollkit-testing", daemon=True)
        self._call = call
        self.end = threading.Event()
        self._result: object = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """The thread's body."""
        try:
            self._result = self._call()
        except Exception as error:  # noqa: BLE001 - told by `outcome`
            self._error = error
        finally:
            self.end.set()

    def until_it_waits(self) -> None:
        """Return when the thread is blocked in a system call that waits, or has ended.

        Where the kernel does not tell, and for a wrapper that waits in another way, after a while.
        """
        deadline = time.monotonic() + _A_WHILE
        while time.monotonic() < deadline and not self.end.wait(0.0005):
            if _is_waiting(self.native_id or 0):
                return

    def outcome(self) -> Any:  # noqa: ANN401 - the call's
        """What the call returned, in time."""
        if not self.end.wait(MUST_HAPPEN):
            raise BrokenError("a wait that ends", f"still waiting after {MUST_HAPPEN} s")
        self.join()
        if self._error is not None:
            raise BrokenError("no exception", describe(self._error)) from self._error
        return self._result


_A_WHILE = 1.0

# poll, select, epoll_wait, pselect6, ppoll, epoll_pwait, epoll_pwait2, recvfrom, recvmsg
_WAITS = {
    "x86_64": {"7", "23", "232", "270", "271", "281", "441", "45", "47"},
    "aarch64": {"22", "72", "73", "441", "207", "212"},
}


def _is_waiting(thread: int) -> bool:
    try:
        words = Path(f"/proc/self/task/{thread}/syscall").read_text(encoding="ascii").split()
    except OSError:
        return False
    return bool(words) and words[0] in _WAITS.get(machine(), ())
