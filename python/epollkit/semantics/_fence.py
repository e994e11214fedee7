"""A fence that lets a process make only the system calls that are named: seccomp(2).

How an experiment shows what a function does not do, without strace. `Lab.fenced` runs this text in
a child, so it uses nothing but the standard library.
"""

import ctypes
import os
import signal
import struct
from collections.abc import Callable
from typing import Final

__all__ = ["NUMBERS", "trial"]

NUMBERS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {"exit_group": 231, "socket": 41, "accept4": 288},
    "aarch64": {"exit_group": 94, "socket": 198, "accept4": 242},
}
"""Numbers of the system calls that experiments allow, by machine."""

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF_0000
_KILL_PROCESS: Final = 0x8000_0000


def trial(action: Callable[[], object], *allowed: str) -> str:
    """Call it in a forked process: once freely, for what a first call sets up, then fenced in.

    Returns:
        "done"; or the name of the signal that ended it, which is SIGSYS for a system call that is
        not allowed.
    """
    child = os.fork()
    if child == 0:
        _fenced_in(action, allowed)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        return signal.Signals(-code).name
    return "done" if code == 0 else "failed"


def _fenced_in(action: Callable[[], object], allowed: tuple[str, ...]) -> None:
    kept: list[object] = []  # what is dropped might make a system call, such as close
    try:
        kept.append(action())
        _allow_only(*(NUMBERS[os.uname().machine][name] for name in (*allowed, "exit_group")))
        kept.append(action())
    except BaseException:  # noqa: BLE001 - this process has no other way to tell
        os._exit(1)
    os._exit(0)


def _allow_only(*numbers: int) -> None:
    """Any other system call of this process kills it, from here on."""
    last = len(numbers)
    program = [(_LOAD, 0, 0, 0)]  # the system call's number: the first member of seccomp_data
    program += [(_JUMP_IF_EQUAL, last - at, 0, number) for at, number in enumerate(numbers)]
    program += [(_RETURN, 0, 0, _KILL_PROCESS), (_RETURN, 0, 0, _ALLOW)]
    text = b"".join(struct.pack("=HBBI", *each) for each in program)
    code = ctypes.create_string_buffer(text, len(text))
    header = struct.pack("HP", len(program), ctypes.addressof(code))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header
    ):
        raise OSError(ctypes.get_errno(), "seccomp")
