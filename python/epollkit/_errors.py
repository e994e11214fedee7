"""The library's own exceptions.

Three kinds, by whose fault it is. What the kernel said is an `OSError` with its errno and never
wrapped. What our harness got wrong is a `HarnessError`. What did not happen in time is a
`WaitTimeout`. Defined here, in Python, so that they pickle and have several bases; Rust imports
them.
"""

__all__ = ["ClosedEpollError", "EpollkitError", "HarnessError", "WaitTimeout"]


class EpollkitError(Exception):
    """Base of every exception that epollkit defines."""

    __module__ = "epollkit"


class ClosedEpollError(EpollkitError, OSError, ValueError):
    """An `Epoll` was used after it was closed, or closed while a thread waited on it.

    An `OSError` (EBADF), as for a closed socket, and a `ValueError`, as `select.epoll` raises.
    """

    __module__ = "epollkit"


class HarnessError(EpollkitError):
    """A native peer broke: its thread panicked or its event loop failed. Not your code's fault."""

    __module__ = "epollkit"


class WaitTimeout(EpollkitError, TimeoutError):
    """A condition was not seen in time.

    Attributes:
        waited_for: the condition, as text.
        seen: the last state that was looked at.
        elapsed: seconds waited.
    """

    __module__ = "epollkit"

    def __init__(self, waited_for: str, seen: object, elapsed: float) -> None:
        """Say what was waited for, what was seen in its place, and for how long."""
        super().__init__(f"{waited_for}: not within {elapsed:.3f} s; last seen: {seen}")
        self.waited_for = waited_for
        self.seen = seen
        self.elapsed = elapsed

    def __reduce__(self) -> tuple[type["WaitTimeout"], tuple[str, object, float]]:
        """Pickle by the three arguments, not by the message."""
        return type(self), (self.waited_for, self.seen, self.elapsed)
