"""`EpollSelector`: the `selectors` interface, and so asyncio's, over an `Epoll`.

It does what the standard library's class of this name does, in each corner, and hands out the
standard library's `SelectorKey`. Two things differ: a time-out is not rounded up to milliseconds,
and a look (`select(0)`) keeps the GIL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from select import EPOLLIN, EPOLLOUT
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import TYPE_CHECKING

from epollkit._epollkit import Epoll

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

__all__ = ["EpollSelector"]

_BOTH = EVENT_READ | EVENT_WRITE
_MASKS = (0, EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT)  # by EVENT_READ and EVENT_WRITE
_NOT_IN, _NOT_OUT = ~EPOLLIN, ~EPOLLOUT


def _number_of(fileobj: FileDescriptorLike) -> int:
    """The descriptor's number; ValueError for what has none."""
    if isinstance(fileobj, int):
        number = fileobj
    else:
        try:
            number = int(fileobj.fileno())
        except (AttributeError, TypeError, ValueError):
            raise ValueError(f"Invalid file object: {fileobj!r}") from None
    if number < 0:
        raise ValueError(f"Invalid file descriptor: {number}")
    return number


class _Keys(Mapping["FileDescriptorLike", SelectorKey]):
    """What `get_map` gives: keys by file object or number."""

    def __init__(
        self, keys: dict[int, SelectorKey], number_of: Callable[[FileDescriptorLike], int]
    ) -> None:
        self._keys, self._number_of = keys, number_of

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, fileobj: FileDescriptorLike) -> SelectorKey:
        try:
            return self._keys[self._number_of(fileobj)]
        except KeyError:
            raise KeyError(f"{fileobj!r} is not registered") from None

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)


class EpollSelector(BaseSelector):
    """A `selectors.BaseSelector` over an `Epoll`: the stdlib's `EpollSelector`, faster.

    Level-triggered. What is not registered is not reported.
    `asyncio.SelectorEventLoop(EpollSelector())` runs on it.

    Raises:
        OSError: EMFILE, ENFILE, ENOMEM.

    References:
        https://docs.python.org/3/library/selectors.html
    """

    __module__ = "epollkit"

    _selector_cls = Epoll  # where CPython's tests look for it

    def __init__(self) -> None:
        self._fd_to_key: dict[int, SelectorKey] = {}
        self._map: _Keys | None = _Keys(self._fd_to_key, self._number_in_map)
        self._selector = self._selector_cls()

    def _number_in_map(self, fileobj: FileDescriptorLike) -> int:
        """The number of what may be closed by now, and then is known by its identity."""
        try:
            return _number_of(fileobj)
        except ValueError:
            for key in self._fd_to_key.values():
                if key.fileobj is fileobj:
                    return key.fd
            raise

    def register(
        self, fileobj: FileDescriptorLike, events: int, data: object = None
    ) -> SelectorKey:
        """Watch a file object.

        Args:
            fileobj: an int, or an object with `fileno()`.
            events: EVENT_READ, EVENT_WRITE or both.
            data: any object; comes back as `SelectorKey.data`.

        Raises:
            ValueError: other events, or no descriptor; the selector is closed.
            KeyError: registered already.
            OSError: as `Epoll.register`.
        """
        if not events or events & ~_BOTH:
            raise ValueError(f"Invalid events: {events!r}")
        number = self._number_in_map(fileobj)
        keys = self._fd_to_key
        if number in keys:
            raise KeyError(f"{fileobj!r} (FD {number}) is already registered")
        keys[number] = key = SelectorKey(fileobj, number, events, data)
        try:
            self._selector.register(number, _MASKS[events])
        except BaseException:
            keys.pop(number, None)
            raise
        return key

    def unregister(self, fileobj: FileDescriptorLike) -> SelectorKey:
        """Stop watching. The file object may be closed.

        Args:
            fileobj: as for `register`.

        Raises:
            KeyError: not registered.
            ValueError: no descriptor, and not known by its identity either.
        """
        try:
            key = self._fd_to_key.pop(self._number_in_map(fileobj))
        except KeyError:
            raise KeyError(f"{fileobj!r} is not registered") from None
        try:  # noqa: SIM105 - contextlib.suppress takes as long as the rest
            self._selector.unregister(key.fd)
        except OSError:  # closed since, which has ended the registration
            pass
        return key

    def modify(self, fileobj: FileDescriptorLike, events: int, data: object = None) -> SelectorKey:
        """Change what is watched for, and the data. On an error the file object is unregistered.

        Args:
            fileobj: as for `register`.
            events: the new events, all of them.
            data: the new data.

        Raises:
            KeyError: not registered.
            OSError: as `Epoll.modify`.
        """
        keys = self._fd_to_key
        try:
            key = keys[self._number_in_map(fileobj)]
        except KeyError:
            raise KeyError(f"{fileobj!r} is not registered") from None
        registered, number, before, data_before = key
        if events != before:
            try:
                self._selector.modify(number, _MASKS[events & _BOTH])
            except BaseException:
                keys.pop(number, None)
                raise
        elif not data != data_before:  # noqa: SIM202 - `!=` is what the stdlib asks
            return key
        keys[number] = key = SelectorKey(registered, number, events, data)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Wait until something is ready.

        Args:
            timeout: seconds, to the nanosecond; None for ever; zero or less for a look.

        Returns:
            List of (key, events), empty when the time is up. What hangs up or has an error is
            ready for all that it was registered for.

        Raises:
            ClosedEpollError: the selector is closed; a ValueError too.
        """
        if timeout is not None and timeout <= 0:
            timeout = 0
        keys = self._fd_to_key
        try:
            found = self._selector.poll(timeout, len(keys) or 1)
        except InterruptedError:  # raised by a signal's handler
            return []
        ready: list[tuple[SelectorKey, int]] = []
        if found:
            get = keys.get
            for number, mask in found:
                if key := get(number):
                    events = (mask & _NOT_IN and EVENT_WRITE) | (mask & _NOT_OUT and EVENT_READ)
                    ready.append((key, events & key.events))
        return ready

    def close(self) -> None:
        """Close the set and forget what was registered. Closing again does nothing."""
        self._selector.close()
        self._fd_to_key.clear()
        self._map = None

    def get_key(self, fileobj: FileDescriptorLike) -> SelectorKey:
        """The key of a registered file object.

        Args:
            fileobj: as for `register`.

        Raises:
            KeyError: not registered.
            RuntimeError: the selector is closed.
        """
        if self._map is None:
            raise RuntimeError("Selector is closed")
        return self._map[fileobj]

    def get_map(self) -> Mapping[FileDescriptorLike, SelectorKey]:
        """Keys by file object or number, always as of now; None once the selector is closed."""
        return self._map  # type: ignore[return-value] # as typeshed has it, for an open selector

    def fileno(self) -> int:
        """The number of the epoll set.

        Raises:
            ClosedEpollError: the selector is closed; a ValueError too.
        """
        return self._selector.fileno()
