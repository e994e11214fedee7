"""What the calls of a set must do and refuse: the rules of epoll_ctl(2) and epoll_wait(2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from epollkit import (
    EPOLLEXCLUSIVE,
    EPOLLIN,
    EPOLLONESHOT,
    EPOLLOUT,
)
from epollkit.testing._conformance import (
    MUST_HAPPEN,
    Bench,
    BrokenError,
    Rule,
    code_name,
    need,
    see,
    see_raised,
    see_waits_at_least,
    start,
    writer,
)
from epollkit.testing._sources import (
    pair,
    told,
    told_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from epollkit.testing._kinds import EpollLike

__all__ = ["CALL_RULES"]

_table: list[Rule] = []
_rule = writer(_table)

EPOLL = "epoll(7)"
CTL = "epoll_ctl(2)"
WAIT = "epoll_wait(2)"

NO_SUCH_DESCRIPTOR = 1 << 30  # beyond any limit, so no other thread can open it meanwhile


# --- what is watched


@_rule(CTL)
def modify_replaces(bench: Bench) -> None:
    """`modify` replaces the mask, all of it."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.send(b"x")
    epoll.modify(near, EPOLLOUT)
    see("near OUT", told(epoll, near=near))


@_rule(CTL)
def unregister_ends(bench: Bench) -> None:
    """After unregister nothing is reported, though it is ready."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.send(b"x")
    epoll.unregister(near)
    see("nothing", told(epoll, near=near))


@_rule(CTL)
def register_again(bench: Bench) -> None:
    """What was unregistered can be registered again."""
    near, _far = pair(bench)
    epoll = bench.make()
    for _again in range(2):
        epoll.register(near, EPOLLOUT)
        see("near OUT", told(epoll, near=near))
        epoll.unregister(near)


@_rule(CTL)
def register_twice(bench: Bench) -> None:
    """Registering twice is EEXIST, and changes nothing."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    see_raised(FileExistsError, epoll.register, near, EPOLLOUT, errno="EEXIST")
    far.send(b"x")
    see("near IN", told(epoll, near=near))


@_rule(CTL)
def modify_unknown(bench: Bench) -> None:
    """`modify` of what is not registered is ENOENT."""
    near, _far = pair(bench)
    epoll = bench.make()
    see_raised(FileNotFoundError, epoll.modify, near, EPOLLIN, errno="ENOENT")


@_rule(CTL)
def unregister_unknown(bench: Bench) -> None:
    """`unregister` of what is not registered is ENOENT."""
    near, _far = pair(bench)
    epoll = bench.make()
    see_raised(FileNotFoundError, epoll.unregister, near, errno="ENOENT")


@_rule(CTL)
def not_open(bench: Bench) -> None:
    """A number that is not open is EBADF."""
    epoll = bench.make()
    see_raised(OSError, epoll.register, NO_SUCH_DESCRIPTOR, EPOLLIN, errno="EBADF")
    see_raised(OSError, epoll.modify, NO_SUCH_DESCRIPTOR, EPOLLIN, errno="EBADF")


@_rule(CTL)
def negative_number(bench: Bench) -> None:
    """A negative number is a ValueError."""
    see_raised(ValueError, bench.make().register, -1, EPOLLIN)


@_rule(CTL)
def regular_file(bench: Bench) -> None:
    """A regular file is EPERM: it is always ready."""
    number = os.memfd_create("epollkit.testing")
    bench.then(os.close, number)
    see_raised(PermissionError, bench.make().register, number, EPOLLIN, errno="EPERM")


@_rule(CTL)
def itself(bench: Bench) -> None:
    """A set in itself is EINVAL."""
    epoll = bench.make()
    need(epoll, "fileno")
    see_raised(OSError, epoll.register, epoll.fileno(), EPOLLIN, errno="EINVAL")


@_rule(CTL)
def loop(bench: Bench) -> None:
    """Two sets in each other are ELOOP."""
    one, other = bench.make(), bench.make()
    need(one, "fileno")
    one.register(other.fileno(), EPOLLIN)
    see_raised(OSError, other.register, one.fileno(), EPOLLIN, errno="ELOOP")


# --- time-outs


@_rule(WAIT)
def timeout_zero(bench: Bench) -> None:
    """A time-out of 0 is a look."""
    near, _far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    see("nothing", start(lambda: told(epoll, 0, near=near)).outcome())


@_rule(WAIT)
def timeout_at_least(bench: Bench) -> None:
    """A wait for nothing does not end before its time."""
    near, _far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    see_waits_at_least(0.0015, lambda seconds: see("nothing", told(epoll, seconds, near=near)))


@_rule(WAIT)
def timeout_none(bench: Bench) -> None:
    """Without a time-out a wait ends with an event and not before."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)

    def wait() -> str:
        (event,) = epoll.poll(None) or ["nothing"]
        return told_of(event, {near.fileno(): "near"})

    waiting = start(wait)
    far.send(b"x")
    see("near IN", waiting.outcome())


@_rule(WAIT)
def arrival_ends_wait(bench: Bench) -> None:
    """An arrival ends a wait before its time-out."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    waiting = start(lambda: told(epoll, MUST_HAPPEN, near=near))
    far.send(b"x")
    see("near IN", waiting.outcome())


@_rule(EPOLL)
def register_ends_wait(bench: Bench) -> None:
    """What another thread registers ends a wait, if it is ready."""
    near, _far = pair(bench)
    epoll = bench.make()
    waiting = start(lambda: told(epoll, MUST_HAPPEN, near=near))
    epoll.register(near, EPOLLOUT)
    see("near OUT", waiting.outcome())


# --- the events


@_rule(WAIT)
def event_pairs(bench: Bench) -> None:
    """`poll` returns a list of pairs of descriptor and mask."""
    near, _far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLOUT)
    see([(near.fileno(), EPOLLOUT)], epoll.poll(0))


def _three_ready(bench: Bench) -> tuple[EpollLike, Callable[[int], str]]:
    """A set with three sources ready, and what one wait reports of them."""
    epoll = bench.make()
    a, b, c = (pair(bench)[0] for _ in range(3))
    for source in (a, b, c):
        epoll.register(source, EPOLLOUT)
    return epoll, lambda maxevents: told(epoll, 0, maxevents, a=a, b=b, c=c)


@_rule(WAIT)
def all_ready(bench: Bench) -> None:
    """One wait reports all that is ready."""
    _epoll, look = _three_ready(bench)
    see("a OUT; b OUT; c OUT", look(-1))


@_rule(WAIT)
def maxevents(bench: Bench) -> None:
    """A wait reports at most maxevents."""
    epoll, _look = _three_ready(bench)
    see(2, len(epoll.poll(0, 2)), "events")


@_rule(WAIT)
def maxevents_fair(bench: Bench) -> None:
    """With fewer than are ready, the next waits report the others."""
    _epoll, look = _three_ready(bench)
    see(["a OUT", "b OUT", "c OUT"], sorted({look(1) for _ in range(3)}))


@_rule(WAIT)
def maxevents_zero(bench: Bench) -> None:
    """A maxevents of 0 is a ValueError."""
    see_raised(ValueError, bench.make().poll, 0, 0)


# --- exclusive


@_rule(CTL)
def exclusive_oneshot(bench: Bench) -> None:
    """EXCLUSIVE with ONESHOT is EINVAL."""
    near, _far = pair(bench)
    mask = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT
    see_raised(OSError, bench.make().register, near, mask, errno="EINVAL")


@_rule(CTL)
def exclusive_modify(bench: Bench) -> None:
    """`modify` can neither add EXCLUSIVE nor touch what has it: EINVAL."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    epoll.register(far, EPOLLIN | EPOLLEXCLUSIVE)
    see_raised(OSError, epoll.modify, near, EPOLLIN | EPOLLEXCLUSIVE, errno="EINVAL")
    see_raised(OSError, epoll.modify, far, EPOLLOUT, errno="EINVAL")


@_rule(CTL)
def exclusive_reports(bench: Bench) -> None:
    """EXCLUSIVE reports, level-triggered, as without it."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLEXCLUSIVE)
    far.send(b"x")
    for _again in range(2):
        see("near IN", told(epoll, near=near))


# --- the end


@_rule("select.epoll")
def close_twice(bench: Bench) -> None:
    """Closing again does nothing."""
    epoll = bench.make()
    epoll.close()
    epoll.close()


@_rule("select.epoll")
def closed(bench: Bench) -> None:
    """A closed set raises ValueError, or OSError with EBADF."""
    near, _far = pair(bench)
    epoll = bench.make()
    epoll.close()
    calls: list[tuple[Callable[..., object], tuple[object, ...]]] = [
        (epoll.register, (near, EPOLLIN)),
        (epoll.modify, (near, EPOLLIN)),
        (epoll.unregister, (near,)),
        (epoll.poll, (0,)),
    ]
    for call, args in calls:
        _see_closed(call, args)


def _see_closed(call: Callable[..., object], args: tuple[object, ...]) -> None:
    expected = "ValueError or OSError (EBADF)"
    try:
        result = call(*args)
    except ValueError:
        return
    except OSError as error:
        see(expected, expected if code_name(error) == "EBADF" else code_name(error))
        return
    raise BrokenError(expected, f"a result: {result!r}")


CALL_RULES: tuple[Rule, ...] = tuple(_table)
