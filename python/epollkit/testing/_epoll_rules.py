"""What a set with `select.epoll`'s methods must do: the rules of epoll(7), one experiment each."""

from __future__ import annotations

import io
import os
from socket import SHUT_WR, socketpair
from typing import TYPE_CHECKING

from epollkit import (
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLHUP,
    EPOLLIN,
    EPOLLONESHOT,
    EPOLLOUT,
    EPOLLRDHUP,
    Socket,
)
from epollkit.testing._buffers import drain_socket, fill_socket
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
from epollkit.testing._events import flag_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import FileDescriptorLike

    from epollkit.testing._kinds import EpollLike

__all__ = ["EPOLL_RULES"]

_table: list[Rule] = []
_rule = writer(_table)

EPOLL = "epoll(7)"
CTL = "epoll_ctl(2)"
WAIT = "epoll_wait(2)"

NO_SUCH_DESCRIPTOR = 1 << 30  # beyond any limit, so no other thread can open it meanwhile


def pair(bench: Bench) -> tuple[Socket, Socket]:
    """Two connected stream sockets that never wait."""
    near, far = map(Socket.from_stdlib, socketpair())
    for one in (near, far):
        bench.keep(one)
        one.settimeout(0.0)
    return near, far


def pipe(bench: Bench) -> tuple[io.FileIO, io.FileIO]:
    """A reader and a writer."""
    reader, writing = os.pipe()
    return bench.keep(io.FileIO(reader)), bench.keep(io.FileIO(writing, "w"))


def told(
    epoll: EpollLike, timeout: float = 0, maxevents: int = -1, **names: FileDescriptorLike
) -> str:
    """What one wait reports, as text: "near IN; far OUT", or "nothing"."""
    numbers = {_number(source): name for name, source in names.items()}
    events = epoll.poll(timeout, maxevents) if maxevents != -1 else epoll.poll(timeout)
    return "; ".join(sorted(_told(event, numbers) for event in events)) or "nothing"


def _told(event: object, names: dict[int, str]) -> str:
    match event:
        case (int(fd), int(mask)):
            return f"{names.get(fd, f'fd {fd}')} {flag_names(mask)}"
        case _:
            return repr(event)


def _number(source: FileDescriptorLike) -> int:
    return source if isinstance(source, int) else source.fileno()


# --- level-triggered


@_rule("level-repeats", "Level-triggered, what is ready is reported again and again.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.send(b"x")
    for _again in range(3):
        see("near IN", told(epoll, near=near))


@_rule("level-ends", "Level-triggered, nothing is reported once all has been read.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.send(b"xy")
    near.recv(1)
    see("near IN", told(epoll, near=near), "with a byte left")
    near.recv(1)
    see("nothing", told(epoll, near=near), "with none left")


@_rule(
    "out-while-room", "OUT is reported while the send buffer has room, and not when full.", EPOLL
)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLOUT)
    see("near OUT", told(epoll, near=near), "with an empty buffer")
    fill_socket(near)
    see("nothing", told(epoll, near=near), "with a full buffer")
    drain_socket(far)
    see("near OUT", told(epoll, near=near), "once it is read")


@_rule("default-mask", "Without a mask, register watches for IN, PRI and OUT.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near)
    far.send(b"x")
    see("near IN|OUT", told(epoll, near=near))


@_rule("number-or-object", "A source is a number or an object with fileno().", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near.fileno(), EPOLLOUT)
    epoll.register(far, EPOLLOUT)
    see("far OUT; near OUT", told(epoll, near=near, far=far))
    epoll.modify(near, EPOLLOUT)
    epoll.unregister(far.fileno())
    see("near OUT", told(epoll, near=near, far=far))


@_rule("event-pairs", "poll returns a list of pairs of descriptor and mask.", WAIT)
def _(bench: Bench) -> None:
    near, _far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLOUT)
    see([(near.fileno(), EPOLLOUT)], epoll.poll(0))


# --- edge-triggered


@_rule("edge-once", "Edge-triggered, unread data is not reported again.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLET)
    far.send(b"x")
    see("near IN", told(epoll, near=near), "at the arrival")
    see("nothing", told(epoll, near=near), "while it is unread")


@_rule("edge-partial-read", "Edge-triggered, what a short read has left is not reported.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLET)
    far.send(b"xyz")
    epoll.poll(0)
    near.recv(1)
    see("nothing", told(epoll, near=near), "after one of three bytes was read")


@_rule("edge-new-arrival", "Edge-triggered, new data is reported while old is unread.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLET)
    for turn in ("first", "second", "third"):
        far.send(b"x")
        see("near IN", told(epoll, near=near), f"at the {turn} arrival")


@_rule("edge-merges", "Edge-triggered, arrivals before a wait are one event.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLET)
    far.send(b"x")
    far.send(b"y")
    see("near IN", told(epoll, near=near))


@_rule("edge-at-register", "Edge-triggered, what is ready at register is reported.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    far.send(b"x")
    epoll.register(near, EPOLLIN | EPOLLET)
    see("near IN", told(epoll, near=near))


@_rule("edge-modify", "Edge-triggered, modify reports what is ready, unread data too.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLET)
    far.send(b"x")
    epoll.poll(0)
    epoll.modify(near, EPOLLIN | EPOLLET)
    see("near IN", told(epoll, near=near))


@_rule("edge-room", "Edge-triggered, OUT is reported when a full buffer gets room.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLOUT | EPOLLET)
    epoll.poll(0)
    fill_socket(near)
    see("nothing", told(epoll, near=near), "with a full buffer")
    drain_socket(far)
    see("near OUT", told(epoll, near=near), "once it is read")


# --- one-shot


@_rule("oneshot-once", "One-shot, after one event nothing is reported, new data neither.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLONESHOT)
    far.send(b"x")
    see("near IN", told(epoll, near=near), "at the arrival")
    far.send(b"y")
    see("nothing", told(epoll, near=near), "at the next")


@_rule("oneshot-deaf", "A disarmed one-shot does not report a hang-up.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLONESHOT)
    far.send(b"x")
    epoll.poll(0)
    far.close()
    see("nothing", told(epoll, near=near))


@_rule("oneshot-rearm", "modify arms a one-shot again; what is ready is reported at once.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLONESHOT)
    far.send(b"x")
    epoll.poll(0)
    for turn in ("once", "twice"):
        epoll.modify(near, EPOLLIN | EPOLLONESHOT)
        see("near IN", told(epoll, near=near), f"rearmed {turn}")
    see("nothing", told(epoll, near=near), "after that")


# --- what is watched


@_rule("modify-replaces", "modify replaces the mask, all of it.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.send(b"x")
    epoll.modify(near, EPOLLOUT)
    see("near OUT", told(epoll, near=near))


@_rule("unregister-ends", "After unregister nothing is reported, though it is ready.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.send(b"x")
    epoll.unregister(near)
    see("nothing", told(epoll, near=near))


@_rule("register-again", "What was unregistered can be registered again.", CTL)
def _(bench: Bench) -> None:
    near, _far = pair(bench)
    epoll = bench.make()
    for _again in range(2):
        epoll.register(near, EPOLLOUT)
        see("near OUT", told(epoll, near=near))
        epoll.unregister(near)


@_rule("register-twice", "Registering twice is EEXIST, and changes nothing.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    see_raised(FileExistsError, epoll.register, near, EPOLLOUT, errno="EEXIST")
    far.send(b"x")
    see("near IN", told(epoll, near=near))


@_rule("modify-unknown", "modify of what is not registered is ENOENT.", CTL)
def _(bench: Bench) -> None:
    near, _far = pair(bench)
    epoll = bench.make()
    see_raised(FileNotFoundError, epoll.modify, near, EPOLLIN, errno="ENOENT")


@_rule("unregister-unknown", "unregister of what is not registered is ENOENT.", CTL)
def _(bench: Bench) -> None:
    near, _far = pair(bench)
    epoll = bench.make()
    see_raised(FileNotFoundError, epoll.unregister, near, errno="ENOENT")


@_rule("not-open", "A number that is not open is EBADF.", CTL)
def _(bench: Bench) -> None:
    epoll = bench.make()
    see_raised(OSError, epoll.register, NO_SUCH_DESCRIPTOR, EPOLLIN, errno="EBADF")
    see_raised(OSError, epoll.modify, NO_SUCH_DESCRIPTOR, EPOLLIN, errno="EBADF")


@_rule("negative-number", "A negative number is a ValueError.", CTL)
def _(bench: Bench) -> None:
    see_raised(ValueError, bench.make().register, -1, EPOLLIN)


@_rule("regular-file", "A regular file is EPERM: it is always ready.", CTL)
def _(bench: Bench) -> None:
    number = os.memfd_create("epollkit.testing")
    bench.then(os.close, number)
    see_raised(PermissionError, bench.make().register, number, EPOLLIN, errno="EPERM")


@_rule("itself", "A set in itself is EINVAL.", CTL)
def _(bench: Bench) -> None:
    epoll = bench.make()
    need(epoll, "fileno")
    see_raised(OSError, epoll.register, epoll.fileno(), EPOLLIN, errno="EINVAL")


@_rule("loop", "Two sets in each other are ELOOP.", CTL)
def _(bench: Bench) -> None:
    one, other = bench.make(), bench.make()
    need(one, "fileno")
    one.register(other.fileno(), EPOLLIN)
    see_raised(OSError, other.register, one.fileno(), EPOLLIN, errno="ELOOP")


# --- hang-ups and errors


@_rule("hangup-unasked", "HUP is reported unasked.", CTL)
def _(bench: Bench) -> None:
    reader, writing = pipe(bench)
    epoll = bench.make()
    epoll.register(reader, 0)
    see("nothing", told(epoll, reader=reader), "before")
    writing.close()
    see("reader HUP", told(epoll, reader=reader), "once the writer is closed")


@_rule("error-unasked", "ERR is reported unasked.", CTL)
def _(bench: Bench) -> None:
    reader, writing = pipe(bench)
    epoll = bench.make()
    epoll.register(writing, 0)
    see("nothing", told(epoll, writer=writing), "before")
    reader.close()
    see("writer ERR", told(epoll, writer=writing), "once the reader is closed")


@_rule("hangup-of-both", "A closed peer is IN and HUP, with RDHUP for those who ask.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLRDHUP)
    far.close()
    expected = flag_names(EPOLLIN | EPOLLHUP | EPOLLRDHUP)
    see(f"near {expected}", told(epoll, near=near))


@_rule("rdhup-asked", "RDHUP is reported to those who ask for it.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLRDHUP)
    far.shutdown(SHUT_WR)
    see(f"near {flag_names(EPOLLIN | EPOLLRDHUP)}", told(epoll, near=near))


@_rule("rdhup-unasked", "RDHUP is not reported to those who do not.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.shutdown(SHUT_WR)
    see("near IN", told(epoll, near=near))


# --- time-outs


@_rule("timeout-zero", "A time-out of 0 is a look.", WAIT)
def _(bench: Bench) -> None:
    near, _far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    see("nothing", start(lambda: told(epoll, 0, near=near)).outcome())


@_rule("timeout-at-least", "A wait for nothing does not end before its time.", WAIT)
def _(bench: Bench) -> None:
    near, _far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    see_waits_at_least(0.0015, lambda seconds: see("nothing", told(epoll, seconds, near=near)))


@_rule("timeout-none", "Without a time-out a wait ends with an event and not before.", WAIT)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)

    def wait() -> str:
        (event,) = epoll.poll(None) or ["nothing"]
        return _told(event, {near.fileno(): "near"})

    waiting = start(wait)
    far.send(b"x")
    see("near IN", waiting.outcome())


@_rule("arrival-ends-wait", "An arrival ends a wait before its time-out.", WAIT)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    waiting = start(lambda: told(epoll, MUST_HAPPEN, near=near))
    far.send(b"x")
    see("near IN", waiting.outcome())


@_rule("register-ends-wait", "What another thread registers ends a wait, if it is ready.", EPOLL)
def _(bench: Bench) -> None:
    near, _far = pair(bench)
    epoll = bench.make()
    waiting = start(lambda: told(epoll, MUST_HAPPEN, near=near))
    epoll.register(near, EPOLLOUT)
    see("near OUT", waiting.outcome())


# --- how many events


def _three_ready(bench: Bench) -> tuple[EpollLike, Callable[[int], str]]:
    """A set with three sources ready, and what one wait reports of them."""
    epoll = bench.make()
    a, b, c = (pair(bench)[0] for _ in range(3))
    for source in (a, b, c):
        epoll.register(source, EPOLLOUT)
    return epoll, lambda maxevents: told(epoll, 0, maxevents, a=a, b=b, c=c)


@_rule("all-ready", "One wait reports all that is ready.", WAIT)
def _(bench: Bench) -> None:
    _epoll, look = _three_ready(bench)
    see("a OUT; b OUT; c OUT", look(-1))


@_rule("maxevents", "A wait reports at most maxevents.", WAIT)
def _(bench: Bench) -> None:
    epoll, _look = _three_ready(bench)
    see(2, len(epoll.poll(0, 2)), "events")


@_rule("maxevents-fair", "With fewer than are ready, the next waits report the others.", WAIT)
def _(bench: Bench) -> None:
    _epoll, look = _three_ready(bench)
    see(["a OUT", "b OUT", "c OUT"], sorted({look(1) for _ in range(3)}))


@_rule("maxevents-zero", "A maxevents of 0 is a ValueError.", WAIT)
def _(bench: Bench) -> None:
    see_raised(ValueError, bench.make().poll, 0, 0)


# --- duplicates


@_rule("close-ends", "Closing the last descriptor of a file ends its registration.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.send(b"x")
    near.close()
    see("nothing", told(epoll))


@_rule("close-one-of-two", "Closing one of two does not: events go on under its number.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    other = bench.keep(near.dup())
    number = near.fileno()
    epoll.register(number, EPOLLIN)
    near.close()
    far.send(b"x")
    see("near IN", told(epoll, near=number))
    see("x", other.recv(1).decode())


@_rule("dup-is-another", "A duplicate is a source of its own.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    other = bench.keep(near.dup())
    epoll.register(near, EPOLLIN)
    epoll.register(other, EPOLLIN | EPOLLOUT)
    far.send(b"x")
    see("near IN; other IN|OUT", told(epoll, near=near, other=other))


# --- sets in sets


@_rule("nested-level", "A set is readable while it has events.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    inner, outer = bench.make(), bench.make()
    need(inner, "fileno")
    inner.register(near, EPOLLIN)
    outer.register(inner.fileno(), EPOLLIN)
    see("nothing", told(outer, inner=inner), "before")
    far.send(b"x")
    for _again in range(2):
        see("inner IN", told(outer, inner=inner), "with an event")
    near.recv(1)
    see("nothing", told(outer, inner=inner), "without")


@_rule("nested-edge", "Edge-triggered, a set's event is reported once.", EPOLL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    inner, outer = bench.make(), bench.make()
    need(inner, "fileno")
    inner.register(near, EPOLLIN)
    outer.register(inner.fileno(), EPOLLIN | EPOLLET)
    far.send(b"x")
    see("inner IN", told(outer, inner=inner), "at the arrival")
    see("nothing", told(outer, inner=inner), "while it is unread")


# --- exclusive


@_rule("exclusive-oneshot", "EXCLUSIVE with ONESHOT is EINVAL.", CTL)
def _(bench: Bench) -> None:
    near, _far = pair(bench)
    mask = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT
    see_raised(OSError, bench.make().register, near, mask, errno="EINVAL")


@_rule("exclusive-modify", "modify can neither add EXCLUSIVE nor touch what has it: EINVAL.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    epoll.register(far, EPOLLIN | EPOLLEXCLUSIVE)
    see_raised(OSError, epoll.modify, near, EPOLLIN | EPOLLEXCLUSIVE, errno="EINVAL")
    see_raised(OSError, epoll.modify, far, EPOLLOUT, errno="EINVAL")


@_rule("exclusive-reports", "EXCLUSIVE reports, level-triggered, as without it.", CTL)
def _(bench: Bench) -> None:
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLEXCLUSIVE)
    far.send(b"x")
    for _again in range(2):
        see("near IN", told(epoll, near=near))


# --- the end


@_rule("close-twice", "Closing again does nothing.", "select.epoll")
def _(bench: Bench) -> None:
    epoll = bench.make()
    epoll.close()
    epoll.close()


@_rule("closed", "A closed set raises ValueError, or OSError with EBADF.", "select.epoll")
def _(bench: Bench) -> None:
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


EPOLL_RULES: tuple[Rule, ...] = tuple(_table)
