"""The public API as a type checker sees it. Checked by mypy and pyright, never run."""

import asyncio
import errno
import selectors
import socket
from collections.abc import Mapping
from select import epoll as stdlib_epoll
from typing import TYPE_CHECKING, Any, assert_type

import epollkit
from epollkit import (
    Connecting,
    ConnectResult,
    Epoll,
    EpollSelector,
    Event,
    EventFlags,
    Events,
    Poll,
    PollFlags,
    Socket,
    TcpInfo,
    TcpState,
    aio,
    limits,
    load,
    serve,
    testing,
)
from epollkit.options import (
    MemoryInfo,
    Option,
    PathMtuDiscovery,
    PeerCredentials,
    PortRange,
    ReadOnlyOption,
    SocketOptions,
)
from epollkit.zerocopy import Completion, ZeroCopySender

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike


def sockets(buffer: bytearray) -> None:
    with Socket(socket.AF_INET, socket.SOCK_STREAM, timeout=1.0) as opened:
        assert_type(opened, Socket)
    assert_type(opened.fileno(), int)
    assert_type(opened.closed, bool)
    assert_type(opened.timeout, float | None)
    assert_type(opened.gettimeout(), float | None)
    assert_type(opened.getblocking(), bool)
    assert_type(opened.recv(10), bytes)
    assert_type(opened.recv_into(buffer), int)
    assert_type(opened.send(b"x"), int)
    assert_type(opened.sendall(memoryview(b"x")), None)
    assert_type(opened.try_recv(10), bytes | None)
    assert_type(opened.try_recv_into(buffer), int | None)
    assert_type(opened.try_send(b"x"), int | None)
    assert_type(opened.accept()[0], Socket)
    assert_type(opened.connect_ex(("127.0.0.1", 1)), int)
    assert_type(opened.detach(), int)
    assert_type(opened.dup(), Socket)
    assert_type(opened.inq(), int)
    assert_type(opened.outq(), int)
    assert_type(opened.to_stdlib(), socket.socket)
    assert_type(Socket.from_stdlib(socket.socket()), Socket)
    drained = opened.drain(4096)
    assert_type(drained.data, bytes)
    assert_type(drained.eof, bool)


def messages(opened: Socket, buffer: bytearray) -> None:
    assert_type(opened.recvfrom(10), tuple[bytes, Any])
    assert_type(opened.recvfrom_into(buffer), tuple[int, Any])
    assert_type(opened.sendto(b"x", ("127.0.0.1", 1)), int)
    assert_type(opened.sendto(b"x", socket.MSG_OOB, ("127.0.0.1", 1)), int)
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, b"1234")
    assert_type(opened.sendmsg([b"x", buffer], [rights], 0, None), int)
    ancillary: list[tuple[int, int, bytes]]
    data, ancillary, flags, _ = opened.recvmsg(10, 64)
    assert_type(data, bytes)
    assert_type(flags, int)
    assert_type(opened.recvmsg_into([buffer])[0], int)
    assert_type(opened.sendmmsg([b"x", (b"y", ("127.0.0.1", 1)), (b"z", None, ancillary)]), int)
    assert_type(opened.recvmmsg(64, 1500)[0][0], bytes)
    assert_type(opened.get_inheritable(), bool)
    opened.set_inheritable(True)


def names_and_servers() -> None:
    found = epollkit.getaddrinfo("localhost", "http", type=socket.SOCK_STREAM, timeout=1)
    assert_type(found[0][0], socket.AddressFamily)
    assert_type(found[0][1], socket.SocketKind)
    assert_type(found[0][4], tuple[str, int] | tuple[str, int, int, int])
    assert_type(epollkit.gethostbyname(b"localhost", timeout=None), str)
    assert_type(epollkit.getnameinfo(("::1", 80, 0, 0), 0), tuple[str, str])
    assert_type(epollkit.create_connection((None, 80), 1, ("", 0), all_errors=True), Socket)
    assert_type(epollkit.create_server(("", 0), backlog=None, timeout=None), Socket)
    assert_type(epollkit.socketpair(), tuple[Socket, Socket])
    assert_type(epollkit.fromfd(3, socket.AF_INET, socket.SOCK_STREAM), Socket)
    assert_type(epollkit.has_dualstack_ipv6(), bool)
    assert_type(epollkit.htons(1), int)


def tcp_info(opened: Socket) -> None:
    info = opened.tcp_info()
    assert_type(info, TcpInfo)
    assert_type(info.state, TcpState)
    assert_type(info.size, int)
    assert_type(info.rtt, int | None)
    assert_type(info.delivery_rate_app_limited, bool | None)
    assert_type(bytes(info), bytes)
    assert_type(info._asdict(), dict[str, Any])
    assert_type(TcpInfo(bytes(info)), TcpInfo)


def options(opened: Socket, stdlib: socket.socket) -> None:
    assert_type(opened.options, SocketOptions)
    assert_type(SocketOptions(stdlib).so_keepalive, bool)
    assert_type(SocketOptions(opened).so_keepalive, bool)
    assert_type(opened.options.tcp_nodelay, bool)
    assert_type(opened.options.so_rcvbuf, int)
    assert_type(opened.options.so_linger, float | None)
    assert_type(opened.options.so_rcvtimeo, float | None)
    assert_type(opened.options.so_busy_poll, float)
    assert_type(opened.options.tcp_congestion, str)
    assert_type(opened.options.so_bindtodevice, str | None)
    assert_type(opened.options.so_peercred, PeerCredentials)
    assert_type(opened.options.so_meminfo, MemoryInfo)
    assert_type(opened.options.so_domain, socket.AddressFamily)
    assert_type(opened.options.ip_mtu_discover, PathMtuDiscovery)
    assert_type(SocketOptions.tcp_nodelay, Option[bool])
    assert_type(SocketOptions.so_error, ReadOnlyOption[int])
    assert_type(dict(opened.options), dict[str, object])
    opened.options.tcp_nodelay = True
    opened.options.so_linger = None
    opened.options.so_linger = 0
    opened.options.tcp_user_timeout = 1.5
    opened.options.ip_local_port_range = PortRange(40000, 41000)


def zero_copy(opened: Socket) -> None:
    sender = ZeroCopySender(opened)
    assert_type(sender.send(b"x"), int)
    assert_type(sender.pending, int)
    assert_type(sender.reap(), list[Completion])
    assert_type(sender.wait(1.0), list[Completion])


def epoll(source: Socket) -> None:
    with Epoll(sizehint=-1, flags=0) as opened:
        assert_type(opened, Epoll)
    assert_type(Epoll.fromfd(3), Epoll)
    assert_type(opened.register(source, EventFlags.IN | EventFlags.ET, data="any"), None)
    assert_type(opened.modify(source.fileno(), epollkit.EPOLLIN), None)
    assert_type(opened.rearm(source), None)
    assert_type(opened.unregister(source), None)
    assert_type(opened.poll(0.5, 10), list[tuple[int, int]])
    assert_type(opened.closed, bool)
    events = opened.wait(timeout=None, maxevents=64)
    assert_type(events, Events)
    assert_type(events.delivered, int)
    assert_type(events.stale, int)
    assert_type(len(events), int)
    assert_type(events[0], Event)
    for event in events:
        assert_type(event, Event)
        assert_type(event.fd, int)
        assert_type(event.data, Any)
        assert_type(event.flags, EventFlags)
        assert_type(event.is_readable, bool)
        assert_type(event.is_writable, bool)
        assert_type(event.is_error, bool)
        assert_type(event.is_hangup, bool)
        assert_type(event.is_read_closed, bool)
        assert_type(event.is_priority, bool)
    assert_type(EventFlags.IN | EventFlags.OUT, EventFlags)
    assert_type(epollkit.EPOLLIN | epollkit.EPOLLONESHOT, int)


def poll(source: Socket) -> None:
    opened = Poll()
    assert_type(opened.register(source, PollFlags.IN | epollkit.POLLRDHUP), None)
    assert_type(opened.modify(source.fileno(), epollkit.POLLIN), None)
    assert_type(opened.unregister(source), None)
    assert_type(opened.poll(500), list[tuple[int, int]])
    assert_type(opened.wait(timeout=0.5), list[tuple[int, PollFlags]])
    assert_type(PollFlags.IN | PollFlags.OUT, PollFlags)


def select(source: Socket) -> None:
    found = epollkit.select([source], (3,), {4: None}, timeout=None)
    assert_type(found, tuple[list[Any], list[Any], list[Any]])


def selector(source: Socket) -> None:
    with EpollSelector() as opened:
        assert_type(opened, EpollSelector)
    base: selectors.BaseSelector = opened
    asyncio.SelectorEventLoop(base)
    assert_type(opened.register(source, selectors.EVENT_READ, "any"), selectors.SelectorKey)
    assert_type(opened.modify(source, selectors.EVENT_WRITE), selectors.SelectorKey)
    assert_type(opened.unregister(source), selectors.SelectorKey)
    assert_type(opened.select(0.5), list[tuple[selectors.SelectorKey, int]])
    assert_type(opened.get_key(3), selectors.SelectorKey)
    assert_type(opened.get_map(), Mapping["FileDescriptorLike", selectors.SelectorKey])
    assert_type(opened.fileno(), int)


def connecting() -> None:
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    assert_type(epollkit.connect(("localhost", 80), timeout=1.0, options=options), Socket)
    assert_type(epollkit.connect("/run/x", source_address=None), Socket)
    results = epollkit.connect_many([("::1", 80), b"\0abstract"], timeout=1.0, concurrency=10)
    assert_type(results, epollkit.ConnectMany)
    assert_type(next(results), ConnectResult)
    for result in results:
        assert_type(result.index, int)
        assert_type(result.socket, Socket | None)
        assert_type(result.error, OSError | None)
        assert_type(result.elapsed, float)
    state = Connecting(("127.0.0.1", 80))
    assert_type(state.fileno(), int)
    assert_type(state.finish(), Socket)
    assert_type(state.closed, bool)


async def connecting_in_asyncio() -> None:
    assert_type(await aio.connect(("localhost", 80), 1.0), Socket)


def peers(clients: list[Socket]) -> None:
    with serve.echo(trigger="level", max_connections=10) as peer:
        assert_type(peer, serve.Peer)
    assert_type(serve.discard(unix="/run/x"), serve.Peer)
    assert_type(serve.chargen(port=0), serve.Peer)
    assert_type(peer.host, str | None)
    assert_type(peer.port, int | None)
    assert_type(peer.closed, bool)
    counters = peer.wait_until(lambda counted: counted.accepted == 1, timeout=5.0)
    assert_type(counters, serve.Counters)
    assert_type(counters.accepted + counters.bytes_received + counters.bytes_sent, int)
    with load.ClosedLoop(clients, b"message", duration=1.0) as loop:
        assert_type(loop.progress, int)
        assert_type(loop.done, bool)
        result = loop.result(timeout=2.0)
    assert_type(result, load.LoopResult)
    assert_type(result.messages, int)
    assert_type(result.errors, dict[int, int])
    assert_type(result.errors.get(errno.ECONNRESET), int | None)
    assert_type(result.p50 + result.p99 + result.p999 + result.max + result.quantile(0.5), float)


def machine() -> None:
    assert_type(limits.raise_nofile(), limits.FileLimit)
    assert_type(limits.file_limit().soft, int)


def vocabulary(epoll: Epoll, opened: Socket, theirs: socket.socket) -> None:
    events = testing.expect_events(epoll, {opened: epollkit.EPOLLIN, "data": 1}, timeout=1.0)
    assert_type(events, list[tuple[object, EventFlags]])
    assert_type(
        testing.expect_events(stdlib_epoll(), [(theirs, 1)]), list[tuple[object, EventFlags]]
    )
    testing.expect_no_events(epoll)
    testing.expect_no_events(stdlib_epoll())
    testing.assert_would_block(opened.recv, 10)
    for one in (opened, theirs):
        assert_type(testing.fill_socket(one), int)
        assert_type(testing.recv_exactly(one, 3, timeout=1.0), bytes)
        assert_type(testing.drain_socket(one), testing.Drained)
    assert_type(testing.check_epoll_semantics(Epoll, skip=["loop"]), list[str])
    assert_type(testing.check_epoll_semantics(stdlib_epoll), list[str])
    assert_type(testing.check_epoll_semantics(selectors.DefaultSelector), list[str])
    assert_type(testing.check_stream_pair(epollkit.socketpair), list[str])
    assert_type(testing.check_stream_pair(socket.socketpair), list[str])


def broken(found: testing.ConformanceError) -> None:
    failure: tuple[AssertionError, epollkit.EpollkitError] = (found, found)
    assert_type(found.violations, tuple[testing.Violation, ...])
    assert_type(found.violations[0].rule.name, str)
    del failure


def errors(closed: epollkit.ClosedEpollError, late: epollkit.WaitTimeout) -> None:
    both: tuple[OSError, ValueError, epollkit.EpollkitError] = (closed, closed, closed)
    timeout: TimeoutError = late
    del both, timeout
