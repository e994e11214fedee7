"""`doctor()`: what this machine allows, what that means for sockets, and how to lift it."""

import ctypes
import errno
import html
import json
import os
import platform
import socket
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from epollkit.limits import file_limit

__all__ = ["Report", "Row", "doctor"]

_SYS_EPOLL_PWAIT2 = 441
"""The same number on every architecture that got it in the common table (all but Alpha)."""

_NO_LIMIT = 1 << 62
_COLUMNS = 80


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was looked at."""

    name: str
    """The kernel's name of it, which is also the one to search for."""
    value: str
    """What it is here."""
    meaning: str
    """What that does to a program with many sockets."""
    verdict: Literal["ok", "low", "unknown"]
    """`low` if it will be in the way; `unknown` if it could not be read, as in some containers."""
    fix: str
    """How to raise it."""


@dataclass(frozen=True)
class Report:
    """What the machine allows: prints as a table, in Jupyter too."""

    __module__ = "epollkit"

    rows: tuple[Row, ...]

    @property
    def low(self) -> tuple[Row, ...]:
        """The rows that will be in the way."""
        return tuple(row for row in self.rows if row.verdict == "low")

    def to_json(self, *, indent: int | None = None) -> str:
        """One JSON object: "schema" (1) and "rows", each with the fields of a `Row`.

        Args:
            indent: spaces for each level; None for all in one line.
        """
        rows = [asdict(row) for row in self.rows]
        return json.dumps({"schema": 1, "rows": rows}, indent=indent)

    def __str__(self) -> str:
        """A table of 80 columns, two lines a row, and under it the remedies for what is low."""
        width = max(len(row.name) for row in self.rows)
        lines: list[str] = []
        for row in self.rows:
            lines.append(f"{row.verdict:<7}  {row.name:<{width}}  {row.value}")
            lines += _indented(row.meaning)
        if self.low:
            lines += ["", "To raise what is low:"]
            for row in self.low:
                lines += [f"         {row.name}", *_indented(row.fix)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The same as an HTML table."""
        titles = ("", "name", "value", "what it means", "how to raise it")
        cells = [
            (row.verdict, row.name, row.value, row.meaning, row.fix if row.verdict == "low" else "")
            for row in self.rows
        ]
        head = "".join(f"<th>{title}</th>" for title in titles)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>"
            for line in cells
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _indented(text: str) -> list[str]:
    indent = " " * 11
    return textwrap.wrap(
        text, _COLUMNS, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


def doctor() -> Report:
    """Look at what this machine allows: descriptors, queues, ports, buffers, processors.

    Reads only. What cannot be read is `unknown`, never an exception.

    Returns:
        A `Report`; print it, or look at `rows` and `low`.
    """
    return examine(Path("/"))


def examine(root: Path) -> Report:
    """`doctor`, with the files under `root`: tests give a tree of their own."""
    rows = [_kernel(), *_files(root)]
    rows += [_sysctl(root, check) for check in _SYSCTLS]
    rows += [_processors(), _governor(root), _ipv6()]
    return Report(tuple(rows))


@dataclass(frozen=True, slots=True)
class _Sysctl:
    """A number in /proc/sys, the least that is enough, and what it is for."""

    name: str
    enough: int
    meaning: str
    fix: str
    read: Callable[[str], int] = int
    unit: str = ""


def _ports(text: str) -> int:
    low, high = map(int, text.split())
    return high - low + 1


def _last(text: str) -> int:
    return int(text.rsplit(maxsplit=1)[-1])


_SYSCTLS = (
    _Sysctl(
        "net.core.somaxconn",
        4096,
        "connections that may wait for accept: listen()'s backlog is cut to it",
        "sysctl net.core.somaxconn=4096",
    ),
    _Sysctl(
        "net.ipv4.tcp_max_syn_backlog",
        512,
        "half-open connections that a listener remembers",
        "sysctl net.ipv4.tcp_max_syn_backlog=4096",
    ),
    _Sysctl(
        "net.ipv4.ip_local_port_range",
        20_000,
        "connections from one address to one server address",
        'sysctl net.ipv4.ip_local_port_range="1024 65535", or connect from several 127.x.y.z',
        read=_ports,
        unit=" ports",
    ),
    _Sysctl(
        "net.ipv4.tcp_tw_reuse",
        1,
        "1 or 2: ports in TIME_WAIT are used again (2: on loopback only)",
        "sysctl net.ipv4.tcp_tw_reuse=2, or wait a minute between big runs",
    ),
    _Sysctl(
        "net.ipv4.tcp_rmem",
        1 << 20,
        "how far a TCP receive buffer may grow",
        'sysctl net.ipv4.tcp_rmem="4096 131072 6291456"',
        read=_last,
        unit=" bytes",
    ),
    _Sysctl(
        "net.ipv4.tcp_wmem",
        1 << 20,
        "how far a TCP send buffer may grow",
        'sysctl net.ipv4.tcp_wmem="4096 16384 4194304"',
        read=_last,
        unit=" bytes",
    ),
    _Sysctl(
        "fs.epoll.max_user_watches",
        100_000,
        "registrations in all epoll sets of a user",
        "sysctl fs.epoll.max_user_watches=1000000",
    ),
)


def _read(root: Path, name: str) -> str | None:
    """A file's text, or None where the machine has none to show."""
    try:
        return (root / name).read_text().strip()
    except (OSError, ValueError):
        return None


def _verdict(fine: bool | None) -> Literal["ok", "low", "unknown"]:  # noqa: FBT001 - the question
    if fine is None:
        return "unknown"
    return "ok" if fine else "low"


def _number(value: int) -> str:
    return "no limit" if value >= _NO_LIMIT else f"{value:,}"


def _sysctl(root: Path, check: _Sysctl) -> Row:
    text = _read(root, "proc/sys/" + check.name.replace(".", "/"))
    try:
        found = None if text is None else check.read(text)
    except ValueError:
        found = None
    if found is None:
        return Row(check.name, "?", check.meaning, "unknown", check.fix)
    value = _number(found) + check.unit
    verdict = _verdict(found >= check.enough)
    return Row(check.name, value, check.meaning, verdict, check.fix)


def _kernel() -> Row:
    """Ask for epoll_pwait2 itself: a sandbox may refuse a call that the version promises."""
    there = _has_epoll_pwait2()
    meaning = {
        True: "epoll_pwait2 is there: time-outs are exact to the nanosecond",
        False: "no epoll_pwait2: time-outs are rounded up to the millisecond",
        None: "could not ask for epoll_pwait2 (Linux 5.11)",
    }[there]
    fix = "Linux 5.11 or later; in a container, a seccomp profile that lets it through"
    version = platform.release().partition("-")[0]
    return Row("Linux", version, meaning, _verdict(there), fix)


def _has_epoll_pwait2() -> bool | None:
    """Call it with a bad descriptor: EBADF or EINVAL from the call itself, ENOSYS without it."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall(_SYS_EPOLL_PWAIT2, -1, None, 0, None, None, 0)
    except (OSError, AttributeError):
        return None
    return ctypes.get_errno() in {errno.EBADF, errno.EINVAL}


def _files(root: Path) -> Iterator[Row]:
    """What bounds the number of descriptors: this process, any process, the machine."""
    soft, hard = file_limit()
    yield Row(
        "ulimit -n",
        f"{soft:,} (hard limit {hard:,})",
        "descriptors, so sockets, of this process; raise_nofile() lifts it to the hard limit",
        "ok" if hard >= 10_000 else "low",  # noqa: PLR2004 - a server of 10,000 connections
        "ulimit -n 100000 as root, LimitNOFILE= in a systemd unit, "
        "or a nofile line in /etc/security/limits.conf",
    )
    yield _sysctl(
        root,
        _Sysctl(
            "fs.nr_open",
            100_000,
            "how far root may raise ulimit -n",
            "sysctl fs.nr_open=1048576",
        ),
    )
    yield _sysctl(
        root,
        _Sysctl(
            "fs.file-max", 100_000, "open files of the whole machine", "sysctl fs.file-max=2000000"
        ),
    )


def _processors() -> Row:
    count = len(os.sched_getaffinity(0))
    return Row(
        "CPUs",
        str(count),
        "client and server run side by side" if count > 1 else "client and server share one",
        "ok" if count > 1 else "low",
        "give the machine or the container a second one; expect half the rates until then",
    )


def _governor(root: Path) -> Row:
    text = _read(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    steady = text in {"performance", "schedutil"}
    return Row(
        "CPU governor",
        text or "?",
        "with a slow one the first measurements are of a sleepy processor",
        "unknown" if text is None else "ok" if steady else "low",
        "cpupower frequency-set -g performance",
    )


def _ipv6() -> Row:
    name, meaning = "IPv6 loopback", "whether ::1 can be used"
    fix = "sysctl net.ipv6.conf.lo.disable_ipv6=0"
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        why = errno.errorcode.get(error.errno or 0, "no")
        return Row(name, why, meaning, "low", fix)
    return Row(name, "yes", meaning, "ok", fix)
