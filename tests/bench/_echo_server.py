"""One echo server of bench_echo.py: `python _echo_server.py NAME`.

It prints its port on 127.0.0.1 and serves until its stdin ends or it is killed.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG = 4096


class Echo(asyncio.Protocol):
    """The echo that each of the event loops documents."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way back."""
        self.write = cast("asyncio.Transport", transport).write

    def data_received(self, data: bytes) -> None:
        """Sends back what came."""
        self.write(data)


async def serve() -> None:
    """Serves until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.create_future()


def serve_protocol(new_event_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """The Protocol on one of the event loops."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve())


def serve_epollkit(trigger: str) -> None:
    """The native peer; this thread only waits."""
    serve = importlib.import_module("epollkit.serve")
    with serve.echo(trigger=trigger, backlog=BACKLOG) as peer:
        print(peer.port, flush=True)
        sys.stdin.read()


def main(name: str) -> None:
    """Serves as `name`."""
    if name.startswith("epollkit-"):
        serve_epollkit(name.removeprefix("epollkit-"))
    else:  # asyncio, uvloop and rloop give their loop by the same name
        serve_protocol(importlib.import_module(name).new_event_loop)


if __name__ == "__main__":
    main(sys.argv[1])
