"""select(2) as C programs call it: with sets and a time-out that it changes."""

import ctypes
import os
from collections.abc import Iterable
from typing import Final

__all__ = ["FdSet", "select_in_place"]

_LIBRARY: Final = ctypes.CDLL(None, use_errno=True)


class FdSet:
    """A bit for each descriptor: fd_set, but as long as its greatest number needs."""

    def __init__(self, *numbers: int) -> None:
        words = 1 + max(numbers, default=0) // 64
        self._bits = (ctypes.c_uint64 * max(words, 16))()
        for number in numbers:
            self._bits[number // 64] |= 1 << number % 64

    def among(self, numbers: Iterable[int]) -> list[int]:
        """Those of the numbers whose bits are set."""
        return [each for each in numbers if self._bits[each // 64] >> each % 64 & 1]

    @property
    def pointer(self) -> "ctypes.Array[ctypes.c_uint64]":
        """For the C library."""
        return self._bits


def select_in_place(nfds: int, readers: FdSet, timeout: float) -> tuple[int, float]:
    """select(2) on one set, which is changed.

    Args:
        nfds: the kernel looks at descriptors below it.
        readers: wait until one of these is readable.
        timeout: seconds.

    Returns:
        How many are ready, and what it left of the time-out, in seconds.

    Raises:
        OSError: what select(2) says.
    """
    seconds, rest = divmod(timeout, 1)
    left = (ctypes.c_long * 2)(int(seconds), int(rest * 1e6))  # struct timeval
    ready = _LIBRARY.select(nfds, readers.pointer, None, None, ctypes.byref(left))
    if ready < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return ready, left[0] + left[1] / 1e6
