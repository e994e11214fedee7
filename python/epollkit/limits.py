"""How many descriptors this process may open, and how to raise it.

A connection is a descriptor, and many shells start programs with 1,024 of them. The soft limit is
what binds; the process may raise it to the hard limit by itself, so that is usually all it takes.
"""

import errno
import resource
from typing import NamedTuple

__all__ = ["FileLimit", "file_limit", "raise_nofile"]

_NR_OPEN = "/proc/sys/fs/nr_open"
_NR_OPEN_DEFAULT = 1024 * 1024
"""The kernel's own default, for where /proc/sys is not readable."""


class FileLimit(NamedTuple):
    """RLIMIT_NOFILE: one more than the highest descriptor number that may be opened."""

    soft: int
    """What binds now."""
    hard: int
    """How far the process may raise `soft` by itself."""


def file_limit() -> FileLimit:
    """getrlimit(RLIMIT_NOFILE): how many descriptors this process may open.

    Returns:
        FileLimit(soft, hard).

    References:
        getrlimit(2) https://man7.org/linux/man-pages/man2/getrlimit.2.html
    """
    soft, hard = (
        _nr_open() if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return FileLimit(soft, hard)


def raise_nofile(wanted: int | None = None) -> FileLimit:
    """setrlimit(RLIMIT_NOFILE): let this process open more descriptors. Never lowers the limit.

    Children inherit it. Code that uses select(2) breaks on descriptors from 1,024 up.

    Args:
        wanted: how many; None for as many as the hard limit allows. Beyond the hard limit only a
            privileged process can go (CAP_SYS_RESOURCE), and nobody beyond fs.nr_open.

    Returns:
        The limit as it is now: `soft` is at least `wanted`.

    Raises:
        PermissionError: EPERM, above the hard limit; the message says how to lift that.
        ValueError: a negative number, or one above fs.nr_open.

    References:
        getrlimit(2) https://man7.org/linux/man-pages/man2/getrlimit.2.html
        systemd.exec(5) https://man7.org/linux/man-pages/man5/systemd.exec.5.html
        limits.conf(5) https://man7.org/linux/man-pages/man5/limits.conf.5.html
    """
    now = file_limit()
    target = now.hard if wanted is None else wanted
    if target < 0:
        raise ValueError(f"a limit cannot be negative: {target}")
    if target <= now.soft:
        return now
    if target > now.hard and target > _nr_open():
        raise ValueError(
            f"no process may open {target} files: fs.nr_open is {_nr_open()} "
            f"(as root: sysctl fs.nr_open={target})"
        )
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, max(target, now.hard)))
    except ValueError:  # EPERM, which the standard library reports as this
        raise PermissionError(
            errno.EPERM,
            f"cannot open {target} files: the hard limit is {now.hard}. To lift it, as root: "
            f"`ulimit -n {target}` in the shell that starts the program, LimitNOFILE={target} in "
            "its systemd unit, or a nofile line in /etc/security/limits.conf",
        ) from None
    return file_limit()


def _nr_open() -> int:
    """fs.nr_open: the ceiling of every hard limit."""
    try:
        with open(_NR_OPEN, encoding="utf-8") as file:  # noqa: PTH123 - pathlib would double the import
            return int(file.read())
    except (OSError, ValueError):
        return _NR_OPEN_DEFAULT
