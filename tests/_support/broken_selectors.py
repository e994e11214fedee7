"""Selectors that break rules of their documentation, each in one way, and what finds it."""

import contextlib
import select
import selectors
from typing import Any, TypeAlias

Source: TypeAlias = Any


class ForgetsModify(selectors.EpollSelector):
    def modify(self, fileobj: Source, events: int, data: object = None) -> selectors.SelectorKey:
        key = self.get_key(fileobj)._replace(events=events, data=data)
        self._fd_to_key[key.fd] = key
        return key


class KeepsData(selectors.EpollSelector):
    def modify(self, fileobj: Source, events: int, _data: object = None) -> selectors.SelectorKey:
        return super().modify(fileobj, events, self.get_key(fileobj).data)


class ModifyRegistersKey(selectors.EpollSelector):
    def modify(self, fileobj: Source, events: int, data: object = None) -> selectors.SelectorKey:
        with contextlib.suppress(KeyError):
            self.unregister(fileobj)
        return self.register(fileobj, events, data)


class RegisterReplacesKey(selectors.EpollSelector):
    def register(self, fileobj: Source, events: int, data: object = None) -> selectors.SelectorKey:
        with contextlib.suppress(KeyError, ValueError):
            self.unregister(fileobj)
        return super().register(fileobj, events, data)


class AnyEvents(selectors.EpollSelector):
    def register(self, fileobj: Source, events: int, data: object = None) -> selectors.SelectorKey:
        return super().register(fileobj, events & 3 or 1, data)


class WrongError(selectors.EpollSelector):
    def _fileobj_lookup(self, fileobj: Source) -> int:
        try:
            return super()._fileobj_lookup(fileobj)
        except ValueError:
            raise TypeError(fileobj) from None


class NoDataInKey(selectors.EpollSelector):
    def register(self, fileobj: Source, events: int, data: object = None) -> selectors.SelectorKey:
        super().register(fileobj, events, data)
        return super().modify(fileobj, events, data and "data")


class KeyIsAnother(selectors.EpollSelector):
    """Keeps the number in place of the object."""

    def register(self, fileobj: Source, events: int, data: object = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        return key._replace(fileobj=fileobj if not isinstance(fileobj, int) else str(fileobj))


class UnregisterKeeps(selectors.EpollSelector):
    def unregister(self, fileobj: Source) -> selectors.SelectorKey:
        return self.get_key(fileobj)


class UnregisterForgives(selectors.EpollSelector):
    def unregister(self, fileobj: Source) -> Source:
        with contextlib.suppress(KeyError):
            return super().unregister(fileobj)


class UnregisterNeedsOpen(selectors.EpollSelector):
    def unregister(self, fileobj: Source) -> selectors.SelectorKey:
        if fileobj.fileno() < 0:
            raise ValueError(fileobj)
        return super().unregister(fileobj)


class EdgeSelector(selectors.EpollSelector):
    def register(self, fileobj: Source, events: int, data: object = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self._selector.modify(key.fd, (events & 1) | (events & 2) << 1 | select.EPOLLET)
        return key


class MapIsCopied(selectors.EpollSelector):
    def get_map(self) -> Source:
        shown = super().get_map()
        return shown if shown is None else dict(shown)


class ClosedKeepsMap(selectors.EpollSelector):
    def close(self) -> None:
        kept = self._map
        super().close()
        self._map = kept


class ExitDoesNotClose(selectors.EpollSelector):
    def __exit__(self, *_exception: object) -> None:
        pass


class Selecting(selectors.EpollSelector):
    """Changes the time-out, or what is reported."""

    def timeout(self, timeout: float | None) -> float | None:
        return timeout

    def reported(self, ready: list[Any]) -> list[Any]:
        return ready

    def select(self, timeout: float | None = None) -> list[Any]:
        return self.reported(super().select(self.timeout(timeout)))


class SelectRoundsDown(Selecting):
    def timeout(self, timeout: float | None) -> float | None:
        return timeout and int(timeout * 1000) / 1000


class SelectNoneIsZero(Selecting):
    def timeout(self, timeout: float | None) -> float | None:
        return timeout or 0


class SelectLongIsZero(Selecting):
    def timeout(self, timeout: float | None) -> float | None:
        return 0 if timeout and timeout > 1 else timeout


class ReportsAll(Selecting):
    def reported(self, ready: list[Any]) -> list[Any]:
        return [(key, 3) for key, _ in ready]


class ReportsRead(Selecting):
    def reported(self, ready: list[Any]) -> list[Any]:
        return [(key, 1) for key, _ in ready]


class ReportsSplit(Selecting):
    def reported(self, ready: list[Any]) -> list[Any]:
        return [(key, bit) for key, events in ready for bit in (1, 2) if events & bit]


class EmptySelectIsNone(Selecting):
    def reported(self, ready: list[Any]) -> Source:
        return ready or None


class HangupsAreIgnored(Selecting):
    """Leaves out whose peer has closed."""

    def reported(self, ready: list[Any]) -> list[Any]:
        return [(key, events) for key, events in ready if not self.is_hung_up(key.fd)]

    def is_hung_up(self, fd: int) -> bool:
        poll = select.poll()
        poll.register(fd, 0)
        return bool(poll.poll(0))


class FilesAreNeverReady(selectors.EpollSelector):
    def register(self, fileobj: Source, events: int, data: object = None) -> selectors.SelectorKey:
        try:
            return super().register(fileobj, events, data)
        except PermissionError:
            key = selectors.SelectorKey(fileobj, fileobj, events, data)
            self._fd_to_key[fileobj] = key
            return key


BROKEN_SELECTORS = {
    ForgetsModify: {"modify-events"},
    KeepsData: {"modify-data"},
    ModifyRegistersKey: {"modify-unknown"},
    RegisterReplacesKey: {"register-twice"},
    AnyEvents: {"bad-events"},
    WrongError: {"bad-source"},
    NoDataInKey: {"key"},
    KeyIsAnother: {"numbers"},
    UnregisterKeeps: {"unregister-ends", "live-map"},
    UnregisterForgives: {"unregister-unknown"},
    UnregisterNeedsOpen: {"unregister-closed"},
    EdgeSelector: {"read-repeats"},
    MapIsCopied: {"live-map", "numbers", "modify-events"},
    ClosedKeepsMap: {"closed", "with-closes"},
    ExitDoesNotClose: {"with-closes"},
    FilesAreNeverReady: {"regular-file"},
    SelectRoundsDown: {"timeout-at-least"},
    SelectNoneIsZero: {"timeout-none"},
    SelectLongIsZero: {"arrival-ends-wait"},
    ReportsSplit: {"both"},
    HangupsAreIgnored: {"end-is-readable", "hangup-wakes-writers"},
    ReportsRead: {
        "write-while-room",
        "both",
        "only-what-is-asked",
        "hangup-wakes-writers",
        "modify-events",
    },
    ReportsAll: {
        "read-repeats",
        "write-while-room",
        "only-what-is-asked",
        "end-is-readable",
        "hangup-wakes-writers",
        "key",
        "register-twice",
        "modify-events",
        "timeout-none",
        "arrival-ends-wait",
    },
    EmptySelectIsNone: {
        "read-repeats",
        "write-while-room",
        "hangup-wakes-writers",
        "unregister-ends",
        "timeout-zero",
        "timeout-at-least",
    },
}
