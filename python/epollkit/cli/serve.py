"""`epollkit serve`: a native peer in a terminal."""

import argparse
import contextlib
import os
import signal
from collections.abc import Generator
from typing import TYPE_CHECKING

from epollkit.cli._output import (
    ExitCode,
    Failure,
    Output,
    Subparsers,
    add_common_options,
    describe,
    host_port,
    parse_address,
    positive_int,
)

if TYPE_CHECKING:
    from epollkit.serve import Counters, Peer

__all__ = ["add_to"]

_EPILOG = """\
examples:
  epollkit serve echo                         on a free port of 127.0.0.1
  epollkit serve echo -l 0.0.0.0:7000         for other machines too
  epollkit serve discard --unix /tmp/discard  on a Unix socket
  epollkit serve chargen -l :7019 --max-connections 100

Ctrl-C or SIGTERM is the normal way to end it, and the exit code is then 0. With --json there are
two objects, a line each: where it listens, and the counters at the end.
"""

_KINDS = {
    "echo": "send back what arrives (RFC 862)",
    "discard": "read and forget (RFC 863)",
    "chargen": "send characters without end (RFC 864)",
}

_COUNTED = (
    "accepted",
    "open",
    "closed",
    "bytes_received",
    "bytes_sent",
    "short_sends",
    "turns",
    "accept_emfile",
    "accept_errors",
    "connection_errors",
)
"""Counters that are printed, in this order."""

_REFRESH = 0.5
"""Seconds between two looks at the counters."""


def add_to(subparsers: Subparsers) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "serve",
        help="run a native echo, discard or chargen server until Ctrl-C",
        description="Run a native server until Ctrl-C, then print what it counted.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "kind",
        choices=tuple(_KINDS),  # shtab takes a dict for subcommands
        help="; ".join(f"{kind}: {what}" for kind, what in _KINDS.items()),
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "-l",
        "--listen",
        metavar="HOST:PORT",
        type=parse_address,
        default=("127.0.0.1", 0),
        help="where to listen (default: a free port of 127.0.0.1)",
    )
    where.add_argument("--unix", metavar="PATH", help="listen on a Unix socket; @NAME is abstract")
    parser.add_argument(
        "--trigger",
        choices=("edge", "level"),
        default="edge",
        help="how its epoll set is triggered (default: %(default)s)",
    )
    parser.add_argument(
        "--max-connections",
        metavar="N",
        type=positive_int,
        help="leave further ones in the queue (default: as many as descriptors allow)",
    )
    add_common_options(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, output: Output) -> ExitCode:
    from epollkit.limits import raise_nofile  # noqa: PLC0415 - only this subcommand needs it

    raise_nofile()
    # Blocked before the server's thread starts, which inherits the mask: signals wait for us.
    with _blocked({signal.SIGINT, signal.SIGTERM}) as ending, _listen(arguments) as peer:
        _announce(peer, arguments.kind, output)
        with output.progress("serving", None) as tell:
            while not peer.closed and signal.sigtimedwait(ending, _REFRESH) is None:
                tell(0.0, _summary(peer.counters))
        counters = peer.counters
        if peer.closed:
            peer.close()  # raises what ended it
    _conclude(counters, output)
    return ExitCode.OK


@contextlib.contextmanager
def _blocked(signals: set[signal.Signals]) -> Generator[set[signal.Signals]]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield signals
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listen(arguments: argparse.Namespace) -> "Peer":
    from epollkit import serve  # noqa: PLC0415 - only this subcommand needs it

    start = {"echo": serve.echo, "discard": serve.discard, "chargen": serve.chargen}[arguments.kind]
    host, port = arguments.listen
    unix: str | bytes | None = arguments.unix
    if arguments.unix and arguments.unix.startswith("@"):
        unix = b"\0" + os.fsencode(arguments.unix[1:])
    try:
        return start(
            host,
            port,
            unix=unix,
            trigger=arguments.trigger,
            max_connections=arguments.max_connections,
        )
    except OSError as error:
        where = arguments.unix or host_port(host, port)
        raise Failure(f"listen {where}: {error.strerror or describe(error)}") from None


def _announce(peer: "Peer", kind: str, output: Output) -> None:
    address = peer.address
    name = "@" + os.fsdecode(address[1:]) if isinstance(address, bytes) else address
    if output.json:
        output.object({"event": "listening", "kind": kind, "address": name, "pid": os.getpid()})
    shown = name if isinstance(name, str) else host_port(*name[:2])
    output.show(f"{kind} on {shown}   Ctrl-C ends it")


def _summary(counters: "Counters") -> str:
    return f"{counters.open:,} open, {counters.accepted:,} accepted"


def _conclude(counters: "Counters", output: Output) -> None:
    fields = {name: int(getattr(counters, name)) for name in _COUNTED}
    if output.json:
        output.object({"event": "stopped", "counters": fields})
    shown = {name: value for name, value in fields.items() if value}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        output.show(f"{name.replace('_', ' '):<{width}}  {value:>15,}")
