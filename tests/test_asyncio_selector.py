"""asyncio on an EpollSelector: streams, signals, subprocesses, executors, other threads."""

import asyncio
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from epoll_support import unix_pair
from epollkit import EpollSelector, aio
from poll_support import signals
from support import MUST_ARRIVE


def run(main: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
    """Run on a loop over an EpollSelector; fail if it takes too long."""
    selector = EpollSelector()

    def make_loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(selector)

    async def in_time() -> Any:  # noqa: ANN401
        async with asyncio.timeout(MUST_ARRIVE):
            return await main

    with asyncio.Runner(loop_factory=make_loop) as runner:
        result = runner.run(in_time())
    assert selector.get_map() is None  # the loop has closed it
    return result


def test_streams_echo(loopback: str) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def client(port: int, payload: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(loopback, port)
        writer.write(payload)
        writer.write_eof()
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
        return received

    async def main() -> None:
        payloads = [bytes([number]) * 300_000 for number in range(10)]
        async with await asyncio.start_server(echo, loopback, 0) as server:
            port = server.sockets[0].getsockname()[1]
            received = await asyncio.gather(*(client(port, payload) for payload in payloads))
        assert received == payloads

    run(main())


def test_datagrams_arrive(loopback: str) -> None:
    class Receiver(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.received = asyncio.get_running_loop().create_future()

        def datagram_received(self, data: bytes, addr: object) -> None:
            self.received.set_result((data, addr))

    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, receiver = await loop.create_datagram_endpoint(
            Receiver, local_addr=(loopback, 0)
        )
        address = transport.get_extra_info("sockname")
        transport.sendto(b"to myself", address)
        assert await receiver.received == (b"to myself", address)
        transport.close()

    run(main())


def test_readers_and_writers_of_our_sockets_are_called() -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        with unix_pair() as (near, far):

            def write() -> None:
                far.send(b"hello")
                loop.remove_writer(far)

            def read() -> None:
                done.set_result(near.recv(100))
                loop.remove_reader(near)

            loop.add_reader(near, read)
            loop.add_writer(far, write)
            return await done

    assert run(main()) == b"hello"


def test_low_level_socket_calls_work(loopback: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server((loopback, 0)) as listener, socket.socket() as client:
            listener.setblocking(False)
            client.setblocking(False)
            (server, _), _ = await asyncio.gather(
                loop.sock_accept(listener), loop.sock_connect(client, listener.getsockname())
            )
            with server:
                payload = os.urandom(1 << 20)
                sending = asyncio.ensure_future(loop.sock_sendall(client, payload))
                received = b""
                while len(received) < len(payload):
                    received += await loop.sock_recv(server, 1 << 20)
                await sending
                assert received == payload

    run(main())


def test_a_connection_of_ours_is_awaited(loopback: str) -> None:
    async def main() -> None:
        with (
            socket.create_server((loopback, 0)) as listener,
            await aio.connect(listener.getsockname()) as client,
        ):
            assert client.getpeername() == listener.getsockname()

    run(main())


def test_what_another_thread_calls_wakes_the_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(done.set_result, 7))
        thread.start()
        assert await done == 7
        thread.join()

    run(main())


def test_an_executors_result_wakes_the_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        results = await asyncio.gather(
            *(loop.run_in_executor(None, pow, 2, power) for power in range(20))
        )
        assert results == [2**power for power in range(20)]

    run(main())


def test_timers_fire_in_order_and_never_early() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        fired: list[tuple[float, float]] = []
        done = loop.create_future()
        start = loop.time()
        delays = [0.02, 0.0, 0.001, 0.0001, 0.0105]
        for delay in delays:
            loop.call_at(start + delay, lambda delay=delay: fired.append((delay, loop.time())))
        loop.call_at(start + 0.021, done.set_result, None)
        await done
        assert [delay for delay, _ in fired] == sorted(delays)
        # asyncio fires what is due within a tick of its clock, which is a nanosecond here.
        assert all(at >= start + delay - 1e-6 for delay, at in fired)

    run(main())


@signals
def test_a_signals_handler_runs_on_the_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.add_signal_handler(signal.SIGUSR1, done.set_result, "handled")
        try:
            loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
            assert await done == "handled"
        finally:
            loop.remove_signal_handler(signal.SIGUSR1)

    run(main())


@signals
def test_ctrl_c_ends_a_run() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(os.kill, os.getpid(), signal.SIGINT)
        await loop.create_future()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(main())
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_subprocess_is_talked_to_and_its_end_is_seen() -> None:
    async def main() -> None:
        code = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.exit(3)"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-c", code),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate(b"spoken" * 50_000)
        assert output == b"SPOKEN" * 50_000
        assert process.returncode == 3

    run(main())


@pytest.mark.thread_unsafe(reason="a module is patched")
def test_the_loop_runs_on_it_when_it_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "DefaultSelector", EpollSelector)
    loop = asyncio.SelectorEventLoop()
    try:
        assert type(loop._selector) is EpollSelector  # noqa: SLF001 - asyncio shows it nowhere else
        assert loop.run_until_complete(loop.run_in_executor(None, int, "7")) == 7
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
