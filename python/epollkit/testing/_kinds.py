"""What the helpers ask of a set and of a socket: the part that both libraries' have.

Ours and the standard library's fit, and so does a wrapper of the same shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike, ReadableBuffer

__all__ = ["EpollLike", "SocketLike"]


class EpollLike(Protocol):
    """A set with `select.epoll`'s methods."""

    def register(self, fd: FileDescriptorLike, eventmask: int = ..., /) -> object:
        """As epoll_ctl(2) with EPOLL_CTL_ADD."""

    def modify(self, fd: FileDescriptorLike, eventmask: int, /) -> object:
        """As epoll_ctl(2) with EPOLL_CTL_MOD."""

    def unregister(self, fd: FileDescriptorLike, /) -> object:
        """As epoll_ctl(2) with EPOLL_CTL_DEL."""

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        """As epoll_wait(2), with seconds."""
        ...

    def close(self) -> object:
        """Give the descriptor back."""


class SocketLike(Protocol):
    """A socket with `socket.socket`'s methods."""

    @property
    def type(self) -> int:
        """SOCK_*."""
        ...

    def fileno(self) -> int:
        """The descriptor's number."""
        ...

    def send(self, data: ReadableBuffer, flags: int = ..., /) -> int:
        """Send; how many bytes were taken."""
        ...

    def recv(self, bufsize: int, flags: int = ..., /) -> bytes:
        """Receive; b'' at the end of the stream."""
        ...

    def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
        """The bytes of an option."""
        ...

    def shutdown(self, how: int, /) -> object:
        """End one direction, or both."""

    def gettimeout(self) -> float | None:
        """Seconds that a call may wait."""
        ...

    def settimeout(self, value: float | None, /) -> object:
        """Set the seconds that a call may wait."""

    def close(self) -> object:
        """Give the descriptor back."""


EpollLike.__module__ = SocketLike.__module__ = (
    "epollkit.testing"  # in the body it would be a member
)
