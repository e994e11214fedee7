"""One Python side of bench_connect.py: `python _connect_side.py NAME CAP PORT...`.

It speaks as connect_epoll.c: "connect ADDRESS COUNT" opens COUNT connections, the ports in turn, at
most CAP under way, keeps them and prints the nanoseconds that took; "close" closes them.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import os
import select
import socket
import sys
import time
from errno import EINPROGRESS
from typing import Protocol

import _harness as harness

Address = tuple[str, int]


class Closable(Protocol):
    """What every side's connections are at least."""

    def close(self) -> None:
        """Ends it."""


class Stdlib:
    """The loop of connect_epoll.c with socket and select.epoll."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.connected: list[Closable] = []

    def connect(self, addresses: list[Address]) -> None:
        """Connects to all."""
        pending: dict[int, socket.socket] = {}
        left = iter(addresses)
        with select.epoll() as epoll:
            while len(self.connected) < len(addresses):
                for address in itertools.islice(left, self.cap - len(pending)):
                    sock = self.start(epoll, address)
                    pending[sock.fileno()] = sock
                for fd, _ in epoll.poll():
                    sock = pending.pop(fd)
                    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if error:
                        raise OSError(error, os.strerror(error))
                    self.connected.append(sock)

    @staticmethod
    def start(epoll: select.epoll, address: Address) -> socket.socket:
        """Connects without waiting and asks epoll to tell the end."""
        sock = socket.socket()
        sock.setblocking(False)
        error = sock.connect_ex(address)
        if error not in (0, EINPROGRESS):
            raise OSError(error, os.strerror(error))
        epoll.register(sock.fileno(), select.EPOLLOUT | select.EPOLLONESHOT)
        return sock

    def close(self) -> None:
        """Closes all."""
        for one in self.connected:
            one.close()
        self.connected.clear()


class Epollkit(Stdlib):
    """One call."""

    def connect(self, addresses: list[Address]) -> None:
        """Connects to all."""
        connect_many = importlib.import_module("epollkit").connect_many
        for result in connect_many(addresses, concurrency=self.cap):
            if result.error:
                raise result.error
            self.connected.append(result.socket)


class EventLoop(Stdlib):
    """A task per connection on an event loop, CAP of them at work: sock_connect."""

    def __init__(self, cap: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(cap)
        self.loop = loop

    def connect(self, addresses: list[Address]) -> None:
        """Connects to all."""
        self.connected = self.loop.run_until_complete(self.gather(addresses))

    async def gather(self, addresses: list[Address]) -> list[Closable]:
        """The tasks."""
        free = asyncio.Semaphore(self.cap)

        async def one(address: Address) -> Closable:
            async with free:
                return await self.connect_one(address)

        return await asyncio.gather(*map(one, addresses))

    async def connect_one(self, address: Address) -> Closable:
        """One task's work."""
        sock = socket.socket()
        sock.setblocking(False)
        await self.loop.sock_connect(sock, address)
        return sock

    def close(self) -> None:
        """Closes all, and lets the loop do its part of it now rather than in the next round."""
        super().close()
        self.loop.run_until_complete(self.settle())

    async def settle(self) -> None:
        """Gives the loop a turn for handles that it closes by callback."""
        await asyncio.sleep(0)  # noqa: TID251 - yields once, waits for nothing


class Connection(asyncio.Protocol):
    """Tells when it is over."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lost: asyncio.Future[None] = loop.create_future()

    def connection_lost(self, _: Exception | None) -> None:
        """The transport has closed its socket."""
        self.lost.set_result(None)


class EventLoopTransports(EventLoop):
    """The same with create_connection."""

    def __init__(self, cap: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(cap, loop)
        self.protocols: list[Connection] = []

    async def connect_one(self, address: Address) -> Closable:
        """One task's work."""
        transport, protocol = await self.loop.create_connection(
            lambda: Connection(self.loop), *address
        )
        self.protocols.append(protocol)
        return transport

    async def settle(self) -> None:
        """Waits until every transport is gone."""
        await asyncio.gather(*(protocol.lost for protocol in self.protocols))
        self.protocols.clear()


def side(name: str, cap: int) -> Stdlib:
    """The way of connecting that `name` stands for."""
    if name == "stdlib":
        return Stdlib(cap)
    if name == "epollkit":
        return Epollkit(cap)
    module, way = name.split("-")
    loop = importlib.import_module(module).new_event_loop()
    return (EventLoop if way == "sock_connect" else EventLoopTransports)(cap, loop)


def main(name: str, cap: int, ports: list[int]) -> None:
    """Answers line by line."""
    connector = side(name, cap)
    for line in sys.stdin:
        verb, *arguments = line.split()
        if verb == "connect":
            host, count = arguments
            harness.raise_file_limit(int(count) + 100)
            addresses = list(zip([host] * int(count), itertools.cycle(ports), strict=False))
            start = time.perf_counter_ns()
            connector.connect(addresses)
            print(time.perf_counter_ns() - start, flush=True)
        else:
            connector.close()
            print("closed", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), [int(port) for port in sys.argv[3:]])
