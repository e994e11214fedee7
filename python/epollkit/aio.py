"""asyncio: await a connection on the running event loop, whichever it is."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from epollkit import Connecting, Socket
from epollkit._epollkit import host_to_resolve

__all__ = ["connect"]

Address: TypeAlias = tuple[Any, ...] | str | bytes
SocketOption: TypeAlias = tuple[int, int, int | bytes]

_ATTEMPT_DELAY = 0.25
"""RFC 8305 section 5: seconds until the next address is tried beside the last one."""


async def connect(
    address: Address,
    timeout: float | None = None,  # noqa: ASYNC109 - one deadline over name and attempts
    *,
    source_address: Address | None = None,
    options: Iterable[SocketOption] = (),
) -> Socket:
    """Connect to an address or a host, within one deadline; `epollkit.connect`, awaited.

    Works on any loop with `add_writer` (asyncio's selector loop, uvloop) and starts none itself.
    Cancelling it closes what was under way.

    Args:
        address: (host, port), (host, port, flowinfo, scope_id), or a Unix name.
        timeout: seconds for all of it, the name included; None for as long as the kernel tries.
        source_address: connect from here; port 0 is chosen at connect time.
        options: (level, optname, int | bytes) triples, set before connect(2).

    Returns:
        A connected socket with time-out 0.0.

    Raises:
        ConnectionRefusedError: ECONNREFUSED.
        TimeoutError: ETIMEDOUT, the deadline has passed.
        OSError: ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EMFILE, ...; the address is in a note.
        socket.gaierror: the name is not known.

    References:
        RFC 8305 https://www.rfc-editor.org/rfc/rfc8305
    """
    if timeout is not None and not timeout >= 0:  # NaN, too
        raise ValueError("Timeout value out of range")
    settings = list(options)
    try:
        async with asyncio.timeout(timeout):
            addresses = await _resolve(address)
            return await _first_of(addresses, source_address, settings)
    except TimeoutError as late:
        if late.errno is not None:
            raise  # The kernel's own ETIMEDOUT.
        raised = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        raised.add_note(f"connect to {address!r} (the time-out of {timeout} s has passed)")
        raise raised from None


async def _resolve(address: Address) -> list[Address]:
    """All addresses of a host, families alternating (RFC 8305 section 4)."""
    named = host_to_resolve(address)
    if named is None:
        return [address]
    host, port = named
    try:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        error.add_note(f'getaddrinfo "{host}"')
        raise
    same = [where for family, *_, where in found if family == found[0][0]]
    other = [where for family, *_, where in found if family != found[0][0]]
    mixed: list[Address] = []
    while same or other:
        mixed += same[:1] + other[:1]
        same, other = same[1:], other[1:]
    return mixed


async def _first_of(
    addresses: Sequence[Address],
    source_address: Address | None,
    options: Sequence[SocketOption],
) -> Socket:
    """Race the addresses: a new attempt every 250 ms or as soon as one fails."""
    waiting = list(addresses)
    attempts: set[asyncio.Task[Socket]] = set()
    failures: list[OSError] = []
    winner: asyncio.Task[Socket] | None = None
    try:
        while winner is None and (waiting or attempts):
            if waiting:
                attempt = _attempt(waiting.pop(0), source_address, options)
                attempts.add(asyncio.ensure_future(attempt))
            done, _ = await asyncio.wait(
                attempts,
                timeout=_ATTEMPT_DELAY if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                match task.exception():
                    case None:
                        winner = task
                    case OSError() as failure:
                        attempts.remove(task)
                        failures.append(failure)
                    case _:
                        task.result()  # Raises it: a bad argument, not a bad connection.
    except BaseException:
        await _abandon(attempts)
        raise
    if winner is None:
        raise _all_failed(failures)
    attempts.remove(winner)
    try:
        await _abandon(attempts)
    except BaseException:
        winner.result().close()
        raise
    return winner.result()


def _all_failed(failures: Sequence[OSError]) -> OSError:
    """The first failure; the others are its notes."""
    first, *others = failures
    for error in others:
        first.add_note(": ".join([*getattr(error, "__notes__", []), str(error)]))
    return first


async def _abandon(attempts: set[asyncio.Task[Socket]]) -> None:
    """Cancel what is under way, and close what has just connected."""
    for task in attempts:
        task.cancel()
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(outcome, Socket):
            outcome.close()


async def _attempt(
    address: Address,
    source_address: Address | None,
    options: Sequence[SocketOption],
) -> Socket:
    """One connection attempt: wait until the socket is writable, then ask what became of it."""
    loop = asyncio.get_running_loop()
    with Connecting(address, source_address=source_address, options=list(options)) as connecting:
        while True:
            try:
                return connecting.finish()
            except BlockingIOError as pending:
                if pending.errno != errno.EINPROGRESS:
                    raise  # A Unix backlog is full: there is nothing to wait for.
            writable = asyncio.Event()
            fd = connecting.fileno()
            loop.add_writer(fd, writable.set)
            try:
                await writable.wait()
            finally:
                loop.remove_writer(fd)
