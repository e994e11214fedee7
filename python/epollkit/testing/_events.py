"""What a set must report, and what it must not."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from epollkit import Epoll, EventFlags, WaitTimeout

if TYPE_CHECKING:
    from epollkit.testing._kinds import EpollLike

__all__ = ["assert_would_block", "expect_events", "expect_no_events"]

_HOW = EventFlags.ET | EventFlags.ONESHOT | EventFlags.EXCLUSIVE | EventFlags.WAKEUP

Expected: TypeAlias = Mapping[Any, int] | Iterable[tuple[object, int]]


@dataclass(frozen=True)
class Seen:
    """One event, of either library."""

    fd: int
    data: object
    flags: EventFlags

    def __str__(self) -> str:
        name = f"fd {self.fd}" if self.data is None else f"{self.data!r} (fd {self.fd})"
        return f"{name}: {flag_names(self.flags)}"

    def comes_from(self, source: object) -> bool:
        """Whether `source` names it: an object by its number, anything else by the data.

        A bare number names the data where there are some, else the descriptor.
        """
        if self.data is not None and (self.data is source or self.data == source):
            return True
        if isinstance(source, int):
            return self.data is None and self.fd == source
        number = getattr(source, "fileno", None)
        return callable(number) and number() == self.fd


def flag_names(mask: int) -> str:
    """The names of a mask's bits, as the man page has them without EPOLL."""
    return (EventFlags(mask).name or hex(mask)) if mask else "no flag"


def look(epoll: EpollLike, timeout: float) -> list[Seen]:
    """One wait, of either library's set."""
    if not hasattr(epoll, "close"):
        raise TypeError(f"{epoll!r} is not an epoll set: a poll object counts in milliseconds")
    if isinstance(epoll, Epoll):
        return [Seen(event.fd, event.data, event.flags) for event in epoll.wait(timeout)]
    return [Seen(fd, None, EventFlags(mask)) for fd, mask in epoll.poll(timeout)]


def expect_events(
    epoll: EpollLike, expected: Expected, timeout: float = 5.0
) -> list[tuple[object, EventFlags]]:
    """Wait until a set has reported exactly these sources with exactly these flags.

    One time-out is for all. The flags of one source may come in several events, and a
    level-triggered one may come again while others are awaited. A source that is not expected, or
    a flag, fails at once. Nothing is said about what comes next: `expect_no_events` does.

        >>> from epollkit import EPOLLIN, EPOLLOUT, Epoll, socketpair
        >>> near, far = socketpair()
        >>> with near, far, Epoll() as epoll:
        ...     epoll.register(near, EPOLLIN | EPOLLOUT)
        ...     epoll.register(far, EPOLLOUT, data="the other")
        ...     _ = far.send(b"x")
        ...     events = expect_events(epoll, {near: EPOLLIN | EPOLLOUT, "the other": EPOLLOUT})
        >>> len(events)
        2

    Args:
        epoll: an `Epoll`, a `select.epoll`, or a wrapper with the latter's methods.
        expected: a mapping, or pairs, of source and mask. A source is an object with `fileno()`,
            or what was registered as `data`, or the number. A number means the data where there
            are some.
        timeout: seconds for all of them together.

    Returns:
        List of (source, flags) in the order of arrival, one for each event; the source as
        `expected` has it.

    Raises:
        AssertionError: an event that is not expected; the message has all that came.
        WaitTimeout: something is still missing.
        TypeError: `epoll` is a poll object.
        ValueError: a mask that no event can have: 0, or with EPOLLET, EPOLLONESHOT, ... in it.
    """
    __tracebackhide__ = True
    pairs = (
        cast("Mapping[Any, int]", expected).items() if isinstance(expected, Mapping) else expected
    )
    wanted: list[tuple[object, EventFlags]] = [(one, _reportable(mask)) for one, mask in pairs]
    came = [EventFlags(0)] * len(wanted)
    events: list[tuple[object, EventFlags]] = []
    history: list[Seen] = []
    started = time.monotonic()
    remaining = max(timeout, 0.0)
    while True:
        for seen in look(epoll, remaining):
            if seen not in history:
                history.append(seen)
            place = next((i for i, (s, _) in enumerate(wanted) if seen.comes_from(s)), None)
            if place is None or int(seen.flags) & ~int(wanted[place][1]):
                wrong = "a source" if place is None else "a flag"
                raise AssertionError(
                    f"{wrong} that is not expected\n  {seen}\n{_compare(wanted, history)}"
                )
            came[place] |= seen.flags
            events.append((wanted[place][0], seen.flags))
        if all(flags == mask for flags, (_, mask) in zip(came, wanted, strict=True)):
            return events
        remaining = started + timeout - time.monotonic()
        if remaining <= 0:
            raise WaitTimeout(
                f"all expected events\n{_compare(wanted, history)}\n ",
                "; ".join(map(str, history)) or "no event",
                time.monotonic() - started,
            )


def _reportable(mask: int) -> EventFlags:
    if not mask or mask & _HOW:
        raise ValueError(f"{flag_names(mask)}: no event has these flags")
    return EventFlags(mask)


def _compare(wanted: list[tuple[object, EventFlags]], history: list[Seen]) -> str:
    return "\n".join(
        ["expected:"]
        + [f"  {_name(source)}: {flag_names(mask)}" for source, mask in wanted]
        + ["came:"]
        + ([f"  {seen}" for seen in history] or ["  no event"])
    )


def _name(source: object) -> str:
    number = getattr(source, "fileno", None)
    return f"{source!r} (fd {number()})" if callable(number) else repr(source)


def expect_no_events(epoll: EpollLike) -> None:
    """Look once, without waiting: the set must have nothing to report.

    To show that something does not come, make something else come after it and expect that first.

        >>> from epollkit import EPOLLET, EPOLLIN, Epoll, socketpair
        >>> near, far = socketpair()
        >>> with near, far, Epoll() as epoll:
        ...     epoll.register(near, EPOLLIN | EPOLLET)
        ...     _ = far.send(b"x")
        ...     _ = expect_events(epoll, {near: EPOLLIN})
        ...     expect_no_events(epoll)  # unread, and not reported again

    Args:
        epoll: as for `expect_events`.

    Raises:
        AssertionError: there are events; the message names them and their flags.
    """
    __tracebackhide__ = True
    if seen := look(epoll, 0):
        raise AssertionError("expected no event; came:\n" + "\n".join(f"  {one}" for one in seen))


def assert_would_block(call: Callable[..., object], *args: object, **keywords: object) -> None:
    """Call it: it must say that it would have to wait.

    It says so with BlockingIOError (EAGAIN, and EINPROGRESS of a connect), or, as a `try_` method
    or a method of a raw file, with None.

        >>> from epollkit import socketpair
        >>> near, far = socketpair()
        >>> with near, far:
        ...     assert_would_block(near.recv, 10)
        ...     assert_would_block(near.try_recv, 10)

    Args:
        call: a method of a non-blocking socket, a raw file, ...
        *args: its arguments.
        **keywords: its keyword arguments.

    Raises:
        AssertionError: it gave a result.
        ValueError: its socket may wait, so that this call could hang.
        Exception: any other that it raises.
    """
    __tracebackhide__ = True
    name, owner = getattr(call, "__name__", repr(call)), getattr(call, "__self__", None)
    never_waits = name.startswith("try_")
    timeout = getattr(owner, "gettimeout", None)
    if callable(timeout) and not never_waits and timeout() != 0:
        raise ValueError(f"{owner!r} may wait ({timeout()} s): settimeout(0) first")
    try:
        result = call(*args, **keywords)
    except BlockingIOError:
        return
    if result is None and (never_waits or isinstance(owner, io.RawIOBase)):
        return
    raise AssertionError(f"{name} returned {result!r} and did not have to wait")
