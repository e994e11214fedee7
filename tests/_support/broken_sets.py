"""Sets that break rules of epoll(7), each in one way, and the rules that find it."""

import contextlib
import errno
import fcntl
import os
import select
import sys
import termios
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

ET, ONESHOT, EXCLUSIVE = select.EPOLLET, select.EPOLLONESHOT, select.EPOLLEXCLUSIVE
HUP, RDHUP, ERR = select.EPOLLHUP, select.EPOLLRDHUP, select.EPOLLERR


class Set:
    """A set that passes everything on. Those below break one thing each."""

    def __init__(self) -> None:
        self.inner = select.epoll()

    def fileno(self) -> int:
        return self.inner.fileno()

    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        self.inner.register(fd, eventmask)

    def modify(self, fd: "FileDescriptorLike", eventmask: int) -> None:
        self.inner.modify(fd, eventmask)

    def unregister(self, fd: "FileDescriptorLike") -> None:
        self.inner.unregister(fd)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        return self.inner.poll(timeout, maxevents)

    def close(self) -> None:
        self.inner.close()


def number(source: "FileDescriptorLike") -> int:
    return source if isinstance(source, int) else source.fileno()


class EdgeIsLevel(Set):
    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask & ~ET)

    def modify(self, fd: "FileDescriptorLike", eventmask: int) -> None:
        super().modify(fd, eventmask & ~ET)


class EdgeRepeatsOnce(Set):
    """Reports an edge a second time, if nothing else is to be told."""

    def __init__(self) -> None:
        super().__init__()
        self.last: list[tuple[int, int]] = []
        self.edges: set[int] = set()

    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask)
        if eventmask & ET:
            self.edges.add(number(fd))

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        events = super().poll(timeout, maxevents) or self.last
        self.last = [event for event in events if event[0] in self.edges and event not in self.last]
        return events


class EdgeMeansFromEmpty(Set):
    """Believes that new data is no edge while old is unread: one event per registration."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[int, bool] = {}

    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask)
        if eventmask & ET:
            self.told[number(fd)] = False

    def modify(self, fd: "FileDescriptorLike", eventmask: int) -> None:
        super().modify(fd, eventmask)
        if eventmask & ET:
            self.told[number(fd)] = False

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        events = []
        for fd, mask in super().poll(timeout, maxevents):
            if not self.told.get(fd, False):
                events.append((fd, mask))
            if fd in self.told:
                self.told[fd] = True
        return events


class ModifyDoesNotReport(Set):
    """Takes a modify to the same mask for nothing to do."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: dict[int, int] = {}

    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask)
        self.masks[number(fd)] = eventmask

    def modify(self, fd: "FileDescriptorLike", eventmask: int) -> None:
        if self.masks.get(number(fd)) != eventmask:
            super().modify(fd, eventmask)


class OneshotNeverRearms(Set):
    def modify(self, fd: "FileDescriptorLike", eventmask: int) -> None:
        if not eventmask & ONESHOT:
            super().modify(fd, eventmask)


class OneshotForgotten(Set):
    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask if eventmask & EXCLUSIVE else eventmask & ~ONESHOT)

    def modify(self, fd: "FileDescriptorLike", eventmask: int) -> None:
        super().modify(fd, eventmask & ~ONESHOT)


class LosesFlags(Set):
    lost = 0

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        events = super().poll(timeout, maxevents)
        return [(fd, mask & ~self.lost) for fd, mask in events if mask & ~self.lost]


class LosesHup(LosesFlags):
    lost = HUP


class LosesErr(LosesFlags):
    lost = ERR


class LosesRdhup(LosesFlags):
    lost = RDHUP


class RdhupUnasked(Set):
    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask if eventmask & EXCLUSIVE else eventmask | RDHUP)


class ModifyAdds(Set):
    def __init__(self) -> None:
        super().__init__()
        self.masks: dict[int, int] = {}

    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask)
        self.masks[number(fd)] = eventmask

    def modify(self, fd: "FileDescriptorLike", eventmask: int) -> None:
        super().modify(fd, eventmask | self.masks.get(number(fd), 0))


class SwallowsEexist(Set):
    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        with contextlib.suppress(FileExistsError):
            super().register(fd, eventmask)


class RegisterReplaces(Set):
    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        try:
            super().register(fd, eventmask)
        except FileExistsError:
            self.modify(fd, eventmask)
            raise


class SwallowsEnoent(Set):
    def unregister(self, fd: "FileDescriptorLike") -> None:
        with contextlib.suppress(FileNotFoundError):
            super().unregister(fd)


class ErrnoIsLost(Set):
    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        try:
            super().register(fd, eventmask)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OSError("it did not work") from None
            raise


class TimeoutIsRoundedDown(Set):
    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        milliseconds = None if timeout is None else int(timeout * 1000)
        return super().poll(milliseconds and milliseconds / 1000, maxevents)


class NoneIsZero(Set):
    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        return super().poll(timeout or 0, maxevents)


class Starves(Set):
    """Cuts the list of all, and so never comes to the last."""

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        if maxevents < 1:
            return super().poll(timeout, maxevents)
        return sorted(super().poll(timeout))[:maxevents]


class MaxeventsIgnored(Set):
    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        if maxevents == 0:
            raise ValueError("maxevents")
        return super().poll(timeout)


class EventsAreLists(Set):
    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        return [list(event) for event in super().poll(timeout, maxevents)]


class ExclusiveIsDropped(Set):
    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask & ~EXCLUSIVE)

    def modify(self, fd: "FileDescriptorLike", eventmask: int) -> None:
        super().modify(fd, eventmask & ~EXCLUSIVE)


class TakesDuplicates(Set):
    """Watches a duplicate, which keeps a closed source in the set."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[int] = []

    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask)
        with contextlib.suppress(OSError):
            self.kept.append(os.dup(number(fd)))

    def close(self) -> None:
        while self.kept:
            os.close(self.kept.pop())
        super().close()


class ClosesOnce(Set):
    def close(self) -> None:
        if self.inner.closed:
            raise ValueError("closed already")
        super().close()


class ClosedIsEmpty(Set):
    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        return [] if self.inner.closed else super().poll(timeout, maxevents)


class LevelIsEdge(Set):
    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask | ET)


class Lags(Set):
    """Tells the last events again when there are none."""

    last: list[Any] = []  # noqa: RUF012 - replaced, never changed

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        events = super().poll(timeout, maxevents)
        events, self.last = events or self.last, events
        return events


class RoomIsIgnored(Set):
    """Believes a socket to be writable always."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: set[int] = set()

    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask)
        if eventmask == select.EPOLLOUT:
            self.writers.add(number(fd))

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        events = super().poll(timeout, maxevents)
        return events or [(fd, select.EPOLLOUT) for fd in self.writers]


class DefaultIsIn(Set):
    def register(self, fd: "FileDescriptorLike", eventmask: int = select.EPOLLIN) -> None:
        super().register(fd, eventmask)


class ObjectsOnly(Set):
    def unregister(self, fd: "FileDescriptorLike") -> None:
        assert not isinstance(fd, int)
        super().unregister(fd)


class NumbersAreForgotten(Set):
    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, 0 if isinstance(fd, int) else eventmask)


class ArrivalsAreCounted(Set):
    """One event for each unread byte, edge-triggered."""

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        events = super().poll(timeout, maxevents)
        return events * 2 if len(events) == 1 and self.unread(events[0][0]) == 2 else events

    def unread(self, fd: int) -> int:
        with contextlib.suppress(OSError):
            return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)
        return 0


class EdgeIsLaterOnly(Set):
    """Believes that what is ready at register has had no edge."""

    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask)
        if eventmask & ET:
            super().poll(0)


class UnregisterDoesNothing(Set):
    def unregister(self, fd: "FileDescriptorLike") -> None:
        pass


class ModifyRegisters(Set):
    def modify(self, fd: "FileDescriptorLike", eventmask: int) -> None:
        try:
            super().modify(fd, eventmask)
        except FileNotFoundError:
            self.register(fd, eventmask)


class Swallows(Set):
    swallowed = 0

    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        try:
            super().register(fd, eventmask)
        except OSError as error:
            if error.errno != self.swallowed:
                raise


class SwallowsEbadf(Swallows):
    swallowed = errno.EBADF


class SwallowsEperm(Swallows):
    swallowed = errno.EPERM


class SwallowsEinval(Swallows):
    swallowed = errno.EINVAL


class NegativeIsEbadf(Set):
    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(1 << 30 if fd == -1 else fd, eventmask)


class LongIsZero(Set):
    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        return super().poll(0 if timeout and timeout > 1 else timeout, maxevents)


class OneAtATime(Set):
    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        return super().poll(timeout, maxevents and 1)


class ZeroIsAll(Set):
    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[Any]:
        return super().poll(timeout, maxevents or -1)


class KnowsFiles(Set):
    """Takes a duplicate for the same source."""

    def __init__(self) -> None:
        super().__init__()
        self.files: set[int] = set()

    def register(self, fd: "FileDescriptorLike", eventmask: int = 7) -> None:
        super().register(fd, eventmask)
        file = os.fstat(number(fd)).st_ino if eventmask else 0
        if file in self.files and number(fd) not in self.files:
            raise FileExistsError(errno.EEXIST, "the same file")
        self.files |= {file, number(fd)}

    def unregister(self, fd: "FileDescriptorLike") -> None:
        super().unregister(fd)
        self.files.clear()


class NeverReadable(Set):
    """Its number is that of another set, which is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = select.epoll()

    def fileno(self) -> int:
        return self.shown.fileno()

    def close(self) -> None:
        super().close()
        self.shown.close()


class EmptyIsNone(Set):
    def poll(self, timeout: float | None = None, maxevents: int = -1) -> Any:  # noqa: ANN401
        return super().poll(timeout, maxevents) or None


BROKEN_SETS = {
    EdgeIsLevel: {"edge-once", "edge-partial-read", "nested-edge"},
    EdgeRepeatsOnce: {"edge-once", "edge-partial-read", "edge-room", "nested-edge"},
    EdgeMeansFromEmpty: {"edge-new-arrival", "edge-room"},
    EdgeIsLaterOnly: {"edge-at-register"},
    ArrivalsAreCounted: {"edge-new-arrival", "edge-merges"},
    ModifyDoesNotReport: {"edge-modify", "oneshot-rearm"},
    OneshotNeverRearms: {"oneshot-rearm"},
    OneshotForgotten: {"oneshot-once", "oneshot-deaf", "oneshot-rearm"},
    LosesHup: {"hangup-unasked", "hangup-of-both"},
    LosesErr: {"error-unasked"},
    LosesRdhup: {"rdhup-asked", "hangup-of-both"},
    RdhupUnasked: {"rdhup-unasked"},
    ModifyAdds: {"modify-replaces"},
    ModifyRegisters: {"modify-unknown"},
    SwallowsEexist: {"register-twice"},
    RegisterReplaces: {"register-twice"},
    SwallowsEnoent: {"unregister-unknown"},
    SwallowsEbadf: {"not-open"},
    SwallowsEperm: {"regular-file"},
    SwallowsEinval: {"itself", "exclusive-oneshot"},
    ErrnoIsLost: {"loop"},
    NegativeIsEbadf: {"negative-number"},
    TimeoutIsRoundedDown: {"timeout-at-least"},
    NoneIsZero: {"timeout-none"},
    LongIsZero: {"arrival-ends-wait", "register-ends-wait"},
    Starves: {"maxevents-fair"},
    MaxeventsIgnored: {"maxevents", "maxevents-fair"},
    ZeroIsAll: {"maxevents-zero"},
    OneAtATime: {"number-or-object", "all-ready", "maxevents", "dup-is-another"},
    EventsAreLists: {"event-pairs"},
    ExclusiveIsDropped: {"exclusive-oneshot", "exclusive-modify"},
    TakesDuplicates: {"close-ends"},
    KnowsFiles: {"dup-is-another"},
    NeverReadable: {"itself", "loop", "nested-level", "nested-edge"},
    ClosesOnce: {"close-twice", "closed"},
    ClosedIsEmpty: {"closed"},
    LevelIsEdge: {"level-repeats", "nested-level", "exclusive-reports"},
    RoomIsIgnored: {"out-while-room"},
    DefaultIsIn: {"default-mask"},
    ObjectsOnly: {"number-or-object"},
    NumbersAreForgotten: {"number-or-object", "close-one-of-two", "nested-level", "nested-edge"},
    UnregisterDoesNothing: {
        "number-or-object",
        "unregister-ends",
        "register-again",
        "unregister-unknown",
        "closed",
    },
    Lags: {
        "level-ends",
        "out-while-room",
        "edge-once",
        "edge-partial-read",
        "edge-room",
        "oneshot-once",
        "oneshot-deaf",
        "oneshot-rearm",
        "nested-level",
        "nested-edge",
    },
    EmptyIsNone: {
        "level-ends",
        "out-while-room",
        "edge-once",
        "edge-partial-read",
        "edge-room",
        "oneshot-once",
        "oneshot-deaf",
        "oneshot-rearm",
        "unregister-ends",
        "hangup-unasked",
        "error-unasked",
        "timeout-zero",
        "timeout-at-least",
        "close-ends",
        "nested-level",
        "nested-edge",
    },
}
