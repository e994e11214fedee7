"""`epollkit demo`: a tour in a few seconds.

Connects many clients to an echo server, the native one or the user's, drives closed-loop traffic
and prints one table. Then the picture: what level-triggered, edge-triggered and one-shot epoll
sets each deliver for the same bytes, read from real sockets.
"""

import argparse
import errno
import os
import random
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from epollkit.cli._demo_report import Address, Connected, Outcome, show
from epollkit.cli._output import (
    ExitCode,
    Failure,
    Output,
    Subparsers,
    add_common_options,
    host_port,
    parse_address,
    positive_float,
    positive_int,
)

if TYPE_CHECKING:
    from epollkit import ConnectResult, Socket
    from epollkit.load import ClosedLoop, LoopResult

__all__ = ["add_to"]

_EPILOG = """\
examples:
  epollkit demo                             the native echo server on loopback
  epollkit demo --clients 10000             more connections, if ulimit -n allows
  epollkit demo localhost:7000 --clients 50 an echo server of yours
  epollkit demo --json | jq .traffic.latency

Each client sends a message, reads it back, and only then sends the next (a closed loop). The
message is text that ends with a newline, so that servers that read lines will do. The exit code
is 1 if the server does not echo, or a connection failed.
"""

_PATIENCE = 5.0
"""Seconds for one connection, and for the first reply of a server."""
_CONNECTING_IN_ALL = 15.0
"""Seconds for all connections."""
_LARGEST_MESSAGE = 64 * 1024
"""Fits the socket buffers, so that one send and one read can check the echo."""
_SPARE_DESCRIPTORS = 64
_OURS_AT_ONCE, _THEIRS_AT_ONCE = 1024, 100
"""Attempts under way: a server of the user's may have asyncio's backlog of 100."""
_PER_SOURCE = 20_000
"""Connections from one source address, which has a port range of some 28,000."""


def add_to(subparsers: Subparsers) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "demo",
        help="measure this machine, and see LT, ET and ONESHOT",
        description="Connect many clients to an echo server, measure, and show what epoll's\n"
        "trigger modes deliver.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "server",
        nargs="?",
        metavar="HOST:PORT",
        type=parse_address,
        help="an echo server of yours (default: a native one, started for the demo)",
    )
    parser.add_argument(
        "--clients",
        metavar="N",
        type=positive_int,
        default=1000,
        help="connections (default: %(default)s)",
    )
    parser.add_argument(
        "--seconds",
        metavar="S",
        type=positive_float,
        default=2.0,
        help="how long messages go round (default: %(default)g)",
    )
    parser.add_argument(
        "--message-size",
        metavar="BYTES",
        type=_message_size,
        default=64,
        help=f"1 to {_LARGEST_MESSAGE} (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=int, default=0, help="of the message's text (default: 0)"
    )
    add_common_options(parser)
    parser.set_defaults(run=_run)


def _message_size(text: str) -> int:
    size = positive_int(text)
    if size > _LARGEST_MESSAGE:
        raise argparse.ArgumentTypeError(f"at most {_LARGEST_MESSAGE}")
    return size


def _run(arguments: argparse.Namespace, output: Output) -> ExitCode:
    from epollkit.cli import _lesson  # noqa: PLC0415 - only this subcommand needs it

    native = arguments.server is None
    clients = _affordable(arguments.clients, 2 if native else 1, output)
    message = _message(arguments.message_size, arguments.seed)
    with _server(arguments.server) as server:
        address = _check_echo(server, message)
        with _connected(_attempts(address, clients, native=native), clients, output) as connected:
            result = _drive(connected.sockets, message, arguments.seconds, output)
    if not result.messages:
        raise Failure(f"{host_port(*address[:2])} does not echo: no message came back")
    outcome = Outcome(
        address=address,
        native=native,
        asked=arguments.clients,
        message_size=arguments.message_size,
        seed=arguments.seed,
        connected=connected,
        result=result,
        lesson=_lesson.perform(),
    )
    if output.json:
        output.object(outcome.as_data())
    elif not output.quiet:
        show(outcome, output)
    problems = outcome.problems()
    for problem in problems:
        output.error(problem)
    return ExitCode.FAILED if problems else ExitCode.OK


# Before the traffic: descriptors, the message, the server.


def _affordable(wanted: int, descriptors_each: int, output: Output) -> int:
    """Raise RLIMIT_NOFILE for so many clients, or say that there will be fewer."""
    from epollkit.limits import raise_nofile  # noqa: PLC0415 - only this subcommand needs it

    try:
        raise_nofile(wanted * descriptors_each + _SPARE_DESCRIPTORS)
    except (PermissionError, ValueError) as refused:
        clients = max((raise_nofile().soft - _SPARE_DESCRIPTORS) // descriptors_each, 1)
        why = refused.strerror if isinstance(refused, OSError) else str(refused)
        output.note(f"{clients:,} clients instead of {wanted:,}: {why}")
        return clients
    return wanted


def _message(size: int, seed: int) -> bytes:
    """Text of one line: binary would starve a server that reads lines."""
    letters = random.Random(seed).choices(b"abcdefghijklmnopqrstuvwxyz", k=size - 1)  # noqa: S311 - no secret
    return bytes(letters) + b"\n"


@contextmanager
def _server(theirs: Address | None) -> Generator[Address]:
    """The user's server, or a native one for as long as the block runs."""
    if theirs is not None:
        yield theirs
        return
    from epollkit import serve  # noqa: PLC0415 - only this subcommand needs it

    with serve.echo() as peer:
        yield (peer.host, peer.port)


def _check_echo(address: Address, message: bytes) -> Address:
    """One message by hand, so that a server that does not echo is told apart at once.

    Returns:
        The numeric address that answered, so that no client has to resolve the name again.

    Raises:
        Failure: it cannot be reached, or what came back is not what was sent.
    """
    from epollkit import connect  # noqa: PLC0415 - only this subcommand needs it

    try:
        probe = connect(address, _PATIENCE)
    except OSError as error:
        raise Failure(f"connect {host_port(*address[:2])}: {error.strerror or error}") from None
    with probe:
        probe.settimeout(_PATIENCE)
        deadline = time.monotonic() + _PATIENCE
        reply = b""
        ending = ""
        try:
            probe.sendall(message)
            while len(reply) < len(message) and message.startswith(reply):
                probe.settimeout(max(deadline - time.monotonic(), 1e-3))
                if not (chunk := probe.recv(len(message) - len(reply))):
                    ending = ", then end of stream"
                    break
                reply += chunk
        except TimeoutError:
            ending = f" in {_PATIENCE:g} s"
        except OSError as error:
            ending = f", then: {error.strerror}"
        if reply != message:
            raise Failure(
                f"{host_port(*address[:2])} does not echo: {_difference(message, reply)}{ending}"
            )
        answered: Address = probe.getpeername()
        return answered


def _difference(sent: bytes, reply: bytes) -> str:
    if sent.startswith(reply):
        return f"{len(reply)} of {len(sent)} bytes came back"
    shown = 24
    return f"sent {sent[:shown]!r}{'...' * (len(sent) > shown)}, got {reply[:shown]!r}" + "..." * (
        len(reply) > shown
    )


# The traffic.


def _attempts(address: Address, clients: int, *, native: bool) -> Generator["ConnectResult"]:
    """Connect so many times. One source address has ports for some 28,000; loopback has more."""
    from epollkit import connect_many  # noqa: PLC0415 - only this subcommand needs it

    if not native:
        with connect_many(
            [address] * clients, timeout=_PATIENCE, concurrency=_THEIRS_AT_ONCE
        ) as results:
            yield from results
        return
    for number, first in enumerate(range(0, clients, _PER_SOURCE), start=1):
        count = min(_PER_SOURCE, clients - first)
        with connect_many(
            [address] * count,
            timeout=_PATIENCE,
            concurrency=_OURS_AT_ONCE,
            source_address=(f"127.0.{number // 256}.{number % 256}", 0),
        ) as results:
            yield from results


@contextmanager
def _connected(
    attempts: Generator["ConnectResult"], clients: int, output: Output
) -> Generator[Connected]:
    """Make all the attempts; what they connected is closed at the end of the block."""
    sockets: list[Socket] = []
    failures: list[OSError] = []
    try:
        began = time.perf_counter()
        with output.progress("connect", clients) as tell, closing(attempts):
            for result in attempts:
                if result.socket is not None:
                    sockets.append(result.socket)
                elif result.error is not None:
                    failures.append(result.error)
                ended = len(sockets) + len(failures)
                if ended % 32 == 0 or ended == clients:
                    tell(ended, f"{ended:,} clients")
                if time.perf_counter() - began > _CONNECTING_IN_ALL:
                    break
        elapsed = time.perf_counter() - began
        missing = clients - len(sockets) - len(failures)
        failures += [TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))] * missing
        if not sockets:
            raise failures[0]
        yield Connected(clients, sockets, failures, elapsed)
    finally:
        for socket in sockets:
            socket.close()


def _drive(
    sockets: Sequence["Socket"], message: bytes, seconds: float, output: Output
) -> "LoopResult":
    """Let messages go round, and show how many."""
    from epollkit.load import ClosedLoop  # noqa: PLC0415 - only this subcommand needs it

    with (
        ClosedLoop(sockets, message, duration=seconds) as loop,
        output.progress("traffic", seconds) as tell,
    ):
        began = time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds + _PATIENCE:
            tell(elapsed, f"{loop.progress:,} messages")
            if (result := _result(loop, 0.1)) is not None:
                return result
        loop.stop()
        return loop.result(_PATIENCE)


def _result(loop: "ClosedLoop", patience: float) -> "LoopResult | None":
    """The result, if there is one in time."""
    from epollkit import WaitTimeout  # noqa: PLC0415 - only this subcommand needs it

    try:
        return loop.result(patience)
    except WaitTimeout:
        return None
