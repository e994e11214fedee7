"""`Socket.options`: each option set and read back, and what it does on a real connection."""

import contextlib
import errno
import os
import select
import socket
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from endpoints import (
    has_ipv6,
    is_ready,
    must_be_readable,
    must_hold,
    notes,
    receive_exactly,
    refusing,
    tcp,
)
from epoll_support import unix_pair
from epollkit import Epoll, EventFlags, Socket, TcpState, options
from epollkit.options import (
    OPTIONS,
    Option,
    PathMtuDiscovery,
    PeerCredentials,
    PortRange,
    SocketOptions,
)
from support import MUST_ARRIVE, wait_until

TCP = (socket.AF_INET, socket.SOCK_STREAM)
TCP6 = (socket.AF_INET6, socket.SOCK_STREAM)
UDP6 = (socket.AF_INET6, socket.SOCK_DGRAM)
UDP = (socket.AF_INET, socket.SOCK_DGRAM)
UNIX = (socket.AF_UNIX, socket.SOCK_STREAM)

needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")


def sysctl(name: str) -> int:
    return int(Path(f"/proc/sys/{name.replace('.', '/')}").read_text())


@contextlib.contextmanager
def as_privileged(option: str) -> Generator[None]:
    """What takes a capability: without it, EPERM with the option's description, and no more."""
    try:
        yield
    except PermissionError as error:
        assert "CAP_" in notes(error)  # noqa: PT017 - one of the two outcomes
        pytest.skip(f"{option} takes a capability")


def udp_pair(loopback: str, opened: contextlib.ExitStack) -> tuple[Socket, Socket]:
    near, far = (opened.enter_context(Socket(*UDP)) for _ in range(2))
    for each in (near, far):
        each.bind((loopback, 0))
    near.connect(far.getsockname())
    return near, far


ROUND_TRIPS = [
    (TCP, "so_broadcast", True),
    (TCP, "so_dontroute", True),
    (TCP, "so_keepalive", True),
    (TCP, "so_linger", 0.0),
    (TCP, "so_linger", 30.0),
    (TCP, "so_linger", None),
    (TCP, "so_max_pacing_rate", 1_000_000),
    (TCP, "so_max_pacing_rate", 10_000_000_000),
    (TCP, "so_max_pacing_rate", None),
    (TCP, "so_oobinline", True),
    (TCP, "so_priority", 6),
    (TCP, "so_rcvlowat", 100),
    (TCP, "so_rcvtimeo", 1.5),
    (TCP, "so_rcvtimeo", None),
    (TCP, "so_reuseaddr", True),
    (TCP, "so_reuseport", True),
    (TCP, "so_sndtimeo", 2.0),
    (TCP, "so_select_err_queue", True),
    (TCP, "so_timestamp", True),
    (TCP, "so_timestampns", True),
    (TCP, "so_txrehash", 0),
    (TCP, "so_zerocopy", True),
    (TCP, "tcp_congestion", "reno"),
    (TCP, "tcp_cork", True),
    (TCP, "tcp_defer_accept", 1),
    (TCP, "tcp_defer_accept", 0),
    (TCP, "tcp_fastopen_no_cookie", False),
    (TCP, "tcp_inq", True),
    (TCP, "tcp_keepcnt", 3),
    (TCP, "tcp_keepidle", 10),
    (TCP, "tcp_keepintvl", 5),
    (TCP, "tcp_linger2", 7),
    (TCP, "tcp_linger2", -1),
    (TCP, "tcp_nodelay", True),
    (TCP, "tcp_notsent_lowat", 16384),
    (TCP, "tcp_notsent_lowat", 2**32 - 1),
    (TCP, "tcp_quickack", False),
    (TCP, "tcp_quickack", True),
    (TCP, "tcp_save_syn", 1),
    (TCP, "tcp_syncnt", 2),
    (TCP, "tcp_thin_linear_timeouts", True),
    (TCP, "tcp_user_timeout", 2.5),
    (TCP, "tcp_user_timeout", None),
    (TCP, "tcp_window_clamp", 100_000),
    (TCP, "ip_bind_address_no_port", True),
    (TCP, "ip_freebind", True),
    (TCP, "ip_minttl", 254),
    (TCP, "ip_mtu_discover", PathMtuDiscovery.DO),
    (TCP, "ip_recverr", True),
    (TCP, "ip_tos", 0x68),
    (TCP, "ip_ttl", 5),
    (UDP, "so_peek_off", 3),
    (UDP, "so_peek_off", None),
    (UDP, "so_rxq_ovfl", True),
    (UDP, "udp_cork", True),
    (UDP, "udp_gro", True),
    (UDP, "udp_segment", 1200),
    (UDP, "ip_multicast_loop", False),
    (UDP, "ip_multicast_ttl", 4),
    (UDP, "ip_pktinfo", True),
    (UDP, "ip_recvtos", True),
    (UDP, "ip_recvttl", True),
    (UNIX, "so_passcred", True),
    pytest.param(UDP6, "ipv6_multicast_hops", 3, marks=needs_ipv6),
    pytest.param(UDP6, "ipv6_multicast_loop", False, marks=needs_ipv6),
    *(
        pytest.param(TCP6, *case, marks=needs_ipv6)
        for case in [
            ("ipv6_dontfrag", True),
            ("ipv6_freebind", True),
            ("ipv6_mtu_discover", PathMtuDiscovery.PROBE),
            ("ipv6_recverr", True),
            ("ipv6_recvpktinfo", True),
            ("ipv6_tclass", 0x68),
            ("ipv6_unicast_hops", 9),
            ("ipv6_v6only", True),
            ("ipv6_v6only", False),
        ]
    ),
]


@pytest.mark.parametrize(("kind", "name", "value"), ROUND_TRIPS)
def test_an_option_reads_as_it_was_set(kind: tuple[int, int], name: str, value: object) -> None:
    with Socket(*kind) as sock:
        setattr(sock.options, name, value)
        seen = getattr(sock.options, name)
    assert seen == value
    assert type(seen) is type(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("so_busy_poll", 50e-6),
        ("so_debug", True),
        ("so_mark", 2**32 - 1),
        ("so_mark", 5),
        ("so_prefer_busy_poll", True),
        ("ip_transparent", True),
    ],
)
def test_a_privileged_option_reads_as_it_was_set_or_says_what_it_takes(
    name: str, value: object
) -> None:
    with Socket() as sock, as_privileged(name):
        setattr(sock.options, name, value)
        assert getattr(sock.options, name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [("tcp_delack_max_us", 0.05), ("tcp_rto_max_ms", 30.0), ("tcp_rto_min_us", 0.005)],
)
def test_an_option_of_linux_6_15_reads_as_it_was_set_or_a_tick_more(
    name: str, value: float
) -> None:
    with Socket() as sock:
        try:
            setattr(sock.options, name, value)
        except OSError as error:
            assert error.errno == errno.ENOPROTOOPT  # noqa: PT017 - an older kernel
            pytest.skip(f"this kernel has no {name}")
        assert value <= getattr(sock.options, name) < value + 0.02


def test_the_stdlibs_socket_will_do(loopback: str) -> None:
    with socket.create_server((loopback, 0)) as listener:
        view = SocketOptions(listener)
        assert view.so_acceptconn is True
        view.tcp_nodelay = True
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


# What each does, on a connection.


def test_so_acceptconn_tells_a_listener(loopback: str) -> None:
    with tcp(loopback).bound() as sock:
        assert sock.options.so_acceptconn is False
        sock.listen()
        assert sock.options.so_acceptconn is True


def test_so_bindtodevice_names_the_interface_and_none_undoes_it() -> None:
    with Socket() as sock:
        sock.options.so_bindtodevice = "lo"
        assert sock.options.so_bindtodevice == "lo"
        assert sock.options.so_bindtoifindex == socket.if_nametoindex("lo")
        with as_privileged("so_bindtodevice"):
            sock.options.so_bindtodevice = None
            assert sock.options.so_bindtodevice is None
            assert sock.options.so_bindtoifindex is None


def test_so_broadcast_allows_broadcast_addresses() -> None:
    with Socket(*UDP) as sock:
        with pytest.raises(PermissionError):
            sock.connect(("127.255.255.255", 9))
        sock.options.so_broadcast = True
        sock.connect(("127.255.255.255", 9))
        assert sock.getpeername() == ("127.255.255.255", 9)


def test_so_cookie_is_one_sockets_own() -> None:
    with Socket() as one, Socket() as other, one.dup() as again:
        assert one.options.so_cookie == again.options.so_cookie
        assert one.options.so_cookie != other.options.so_cookie
        assert one.options.so_cookie > 0


def test_so_domain_type_and_protocol_say_what_it_is() -> None:
    with Socket(*UNIX) as unix, Socket(*UDP) as udp, Socket() as stream:
        assert unix.options.so_domain is socket.AF_UNIX
        assert udp.options.so_type is socket.SOCK_DGRAM
        assert stream.options.so_protocol == socket.IPPROTO_TCP


def test_so_error_is_cleared_by_reading_and_not_by_printing(loopback: str) -> None:
    with refusing(loopback) as address, Socket() as client:
        assert client.connect_ex(address) == errno.EINPROGRESS
        assert is_ready(client, select.POLLOUT, MUST_ARRIVE)
        assert "so_error" not in str(client.options)
        assert client.options.so_error == errno.ECONNREFUSED
        assert client.options.so_error == 0


def test_so_incoming_cpu_tells_which_cpu_a_packet_was_handled_by(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.send(b"x")
        must_hold(server, 1)
        assert 0 <= server.options.so_incoming_cpu < os.cpu_count()
    with Socket() as listener:
        listener.options.so_incoming_cpu = 0
        assert listener.options.so_incoming_cpu == 0


def test_so_linger_zero_resets_the_peer(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.options.so_linger = 0.0
        client.close()
        must_be_readable(server)
        with pytest.raises(ConnectionResetError):
            server.recv(1)


def test_without_so_linger_the_peer_sees_the_end(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.options.so_linger = 0
        client.options.so_linger = None
        client.close()
        must_be_readable(server)
        assert server.recv(1) == b""


@pytest.mark.slow
def test_so_linger_makes_close_wait_although_the_socket_does_not_block(loopback: str) -> None:
    with tcp(loopback).pair() as (client, _):
        while client.try_send(bytes(65536)):
            pass
        client.options.so_linger = 1.0
        began = time.monotonic()
        client.close()
        assert time.monotonic() - began >= 0.99  # the kernel counts in ticks


def test_so_max_pacing_rate_shows_in_tcp_info(loopback: str) -> None:
    with tcp(loopback).pair() as (client, _):
        assert client.options.so_max_pacing_rate is None
        client.options.so_max_pacing_rate = 5_000_000
        assert client.tcp_info().max_pacing_rate == 5_000_000


def test_so_meminfo_counts_what_is_not_read_yet() -> None:
    with unix_pair() as (near, far):
        assert near.options.so_meminfo.rmem_alloc == 0
        far.send(b"x" * 1000)
        assert far.options.so_meminfo.wmem_alloc >= 1000
        assert near.options.so_meminfo.rcvbuf == near.options.so_rcvbuf


def test_so_oobinline_leaves_urgent_data_in_the_stream(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        server.options.so_oobinline = True
        client.send(b"a")
        client.send(b"!", socket.MSG_OOB)
        client.send(b"b")
        assert receive_exactly(server, 3) == b"a!b"


def test_without_so_oobinline_urgent_data_are_beside_the_stream(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.send(b"a")
        client.send(b"!", socket.MSG_OOB)
        client.send(b"b")
        assert is_ready(server, select.POLLPRI, MUST_ARRIVE)
        assert server.recv(1, socket.MSG_OOB) == b"!"
        assert receive_exactly(server, 2) == b"ab"


def test_so_peek_off_moves_on_with_each_peek() -> None:
    with unix_pair() as (near, far):
        far.send(b"abcdef")
        near.options.so_peek_off = 1
        assert near.recv(2, socket.MSG_PEEK) == b"bc"
        assert near.options.so_peek_off == 3
        assert near.recv(2, socket.MSG_PEEK) == b"de"
        near.options.so_peek_off = None
        assert near.recv(2, socket.MSG_PEEK) == b"ab"


def test_so_peercred_is_who_made_the_pair() -> None:
    with unix_pair() as (near, _):
        expected = PeerCredentials(os.getpid(), os.geteuid(), os.getegid())
        assert near.options.so_peercred == expected


def test_so_rcvbuf_tells_the_double_up_to_the_systems_limit() -> None:
    with Socket() as sock:
        sock.options.so_rcvbuf = 20_000
        assert sock.options.so_rcvbuf == 40_000
        sock.options.so_rcvbuf = 2**30 - 1
        assert sock.options.so_rcvbuf == min(2 * sysctl("net.core.rmem_max"), 2**31 - 2)


def test_so_sndbuf_tells_the_double_up_to_the_systems_limit() -> None:
    with Socket() as sock:
        sock.options.so_sndbuf = 20_000
        assert sock.options.so_sndbuf == 40_000
        sock.options.so_sndbuf = 2**30 - 1
        assert sock.options.so_sndbuf == min(2 * sysctl("net.core.wmem_max"), 2**31 - 2)


def test_so_rcvlowat_delays_readiness_until_so_many_bytes_are_there(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server), Epoll() as epoll:
        server.options.so_rcvlowat = 10
        epoll.register(server, EventFlags.IN)
        client.send(b"x" * 9)
        must_hold(server, 9)
        assert len(epoll.wait(0)) == 0
        client.send(b"x")
        assert len(epoll.wait(MUST_ARRIVE)) == 1
        assert server.recv(100) == b"x" * 10


def test_so_rcvlowat_does_not_delay_the_end_of_the_stream(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        server.options.so_rcvlowat = 10
        client.send(b"x")
        client.shutdown(socket.SHUT_WR)
        must_be_readable(server)
        assert server.recv(100) == b"x"


def test_so_rcvlowat_is_cut_to_half_of_the_buffer(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        most = int(Path("/proc/sys/net/ipv4/tcp_rmem").read_text().split()[2])
        client.options.so_rcvlowat = 2**30
        assert client.options.so_rcvlowat == most // 2
        server.options.so_rcvbuf = 50_000
        server.options.so_rcvlowat = 2**30
        assert server.options.so_rcvlowat == 50_000


def test_so_rcvtimeo_is_rounded_up_never_down() -> None:
    with Socket() as sock:
        sock.options.so_rcvtimeo = 0.0000001
        assert 0.0000001 <= sock.options.so_rcvtimeo < 1


def test_so_reuseaddr_binds_over_time_wait(loopback: str) -> None:
    with tcp(loopback).bound() as listener, Socket(timeout=MUST_ARRIVE) as client:
        listener.options.so_reuseaddr = True
        listener.listen()
        address = listener.getsockname()
        client.connect(address)
        must_be_readable(listener)
        accepted, _ = listener.accept()
        accepted.close()  # first, so that TIME_WAIT is at the server's port
        assert client.recv(1) == b""
    with Socket() as sock:
        with pytest.raises(OSError, match="in use") as caught:
            sock.bind(address)
        assert caught.value.errno == errno.EADDRINUSE
        sock.options.so_reuseaddr = True
        sock.bind(address)
        sock.listen()
        assert sock.getsockname() == address


def test_so_reuseport_lets_two_listeners_share_a_port(loopback: str) -> None:
    with contextlib.ExitStack() as opened:
        first, second = (opened.enter_context(Socket()) for _ in range(2))
        first.options.so_reuseport = True
        first.bind((loopback, 0))
        first.listen()
        with pytest.raises(OSError, match="in use"):
            second.bind(first.getsockname())
        second.options.so_reuseport = True
        second.bind(first.getsockname())
        second.listen()
        for _ in range(64):
            client = opened.enter_context(Socket(timeout=MUST_ARRIVE))
            client.connect(first.getsockname())
        queues: list[int] = [first.tcp_info().unacked, second.tcp_info().unacked]
        assert sum(queues) == 64
        assert min(queues) > 0


def test_tcp_congestion_that_is_not_loaded_is_enoent_with_a_hint() -> None:
    with Socket() as sock, pytest.raises(FileNotFoundError) as caught:
        sock.options.tcp_congestion = "no-such-thing"
    assert "tcp_available_congestion_control" in notes(caught.value)


def segments_of_five_sends(client: Socket, server: Socket) -> int:
    """How many segments five sends of one byte make, all of which arrive."""
    for _ in range(5):
        assert client.send(b"x") == 1
    client.options.tcp_cork = False
    must_hold(server, 5)
    return client.tcp_info().data_segs_out


def test_tcp_nodelay_sends_each_piece_at_once(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.options.tcp_nodelay = True
        server.options.tcp_quickack = False
        assert segments_of_five_sends(client, server) == 5


def test_without_tcp_nodelay_pieces_wait_for_the_acknowledgement(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        assert client.options.tcp_nodelay is False
        server.options.tcp_quickack = False
        assert segments_of_five_sends(client, server) < 5


def test_tcp_cork_joins_pieces_until_it_is_pulled(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        client.options.tcp_cork = True
        assert segments_of_five_sends(client, server) < 5


def test_tcp_defer_accept_waits_for_data(loopback: str) -> None:
    with tcp(loopback).listener() as listener, Socket(timeout=MUST_ARRIVE) as client:
        listener.options.tcp_defer_accept = 60
        assert listener.options.tcp_defer_accept >= 60
        client.connect(listener.getsockname())
        assert client.tcp_info().state is TcpState.ESTABLISHED
        assert listener.try_accept() is None
        client.send(b"x")
        must_be_readable(listener)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(1) == b"x"


def test_tcp_fastopen_carries_data_in_the_syn(loopback: str) -> None:
    allowed = sysctl("net.ipv4.tcp_fastopen")
    if allowed & 3 != 3:
        pytest.skip(f"net.ipv4.tcp_fastopen is {allowed}: without bits 1 (client) and 2 (server)")
    with tcp(loopback).listener() as listener:
        listener.options.tcp_fastopen = 5
        assert listener.options.tcp_fastopen == 5
        for known in (False, True):  # the first connection gets the cookie
            with Socket() as client:
                client.options.tcp_fastopen_connect = True
                assert (client.connect_ex(listener.getsockname()) == 0) == known
                assert is_ready(client, select.POLLOUT, MUST_ARRIVE)
                assert client.send(b"early") == 5
                must_be_readable(listener)
                accepted, _ = listener.accept()
                with accepted:
                    assert receive_exactly(accepted, 5) == b"early"
                wait_until(lambda: client.tcp_info().unacked == 0)
                data_in_syn = 32
                assert bool(client.tcp_info().options & data_in_syn) == known


def test_tcp_fastopen_reads_as_a_queue_length_or_off(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        listener.options.tcp_fastopen = 5
        assert listener.options.tcp_fastopen == 5
        with Socket() as client:
            if sysctl("net.ipv4.tcp_fastopen") & 1:
                client.options.tcp_fastopen_connect = True
                assert client.options.tcp_fastopen_connect is True
            else:
                with pytest.raises(OSError, match="supported"):
                    client.options.tcp_fastopen_connect = True


def test_tcp_maxseg_bounds_the_segments(loopback: str) -> None:
    with tcp(loopback).listener() as listener, Socket(timeout=MUST_ARRIVE) as client:
        client.options.tcp_maxseg = 1000
        client.connect(listener.getsockname())
        assert client.tcp_info().snd_mss <= 1000


def test_tcp_notsent_lowat_keeps_the_queue_short_and_delays_writability(loopback: str) -> None:
    def queued(low: int) -> int:
        with tcp(loopback).pair() as (client, server), Epoll() as epoll:
            client.options.tcp_notsent_lowat = low
            while client.try_send(bytes(1000)):
                pass
            queued = client.tcp_info().notsent_bytes
            epoll.register(client, EventFlags.OUT)
            assert len(epoll.wait(0)) == 0
            while not is_ready(client, select.POLLOUT):
                server.drain()
            assert client.tcp_info().notsent_bytes <= max(low, queued)
            return queued

    assert queued(4096) < 100_000 < queued(2**32 - 1)


def test_tcp_quickack_is_not_permanent(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        server.options.tcp_quickack = True

        def answer() -> bool:
            client.send(b"question")
            must_be_readable(server)
            server.send(server.recv(100))
            must_be_readable(client)
            client.recv(100)
            return not server.options.tcp_quickack

        assert server.options.tcp_quickack is True
        wait_until(answer)


def test_tcp_user_timeout_is_rounded_up_to_milliseconds() -> None:
    with Socket() as sock:
        sock.options.tcp_user_timeout = 0.0001
        assert sock.options.tcp_user_timeout == 0.001
        sock.options.tcp_user_timeout = 1.1
        assert sock.options.tcp_user_timeout == 1.1


def test_udp_segment_cuts_one_send_into_datagrams(loopback: str) -> None:
    with contextlib.ExitStack() as opened:
        near, far = udp_pair(loopback, opened)
        near.options.udp_segment = 10
        near.send(b"a" * 10 + b"b" * 10 + b"c" * 5)
        received = []
        while len(received) < 3:
            must_be_readable(far)
            received.append(far.recv(100))
        assert received == [b"a" * 10, b"b" * 10, b"c" * 5]


def test_udp_cork_joins_sends_into_one_datagram(loopback: str) -> None:
    with contextlib.ExitStack() as opened:
        near, far = udp_pair(loopback, opened)
        near.options.udp_cork = True
        near.send(b"one")
        near.send(b"two")
        near.options.udp_cork = False
        must_be_readable(far)
        assert far.recv(100) == b"onetwo"


def test_ip_bind_address_no_port_chooses_the_port_at_connect(loopback: str) -> None:
    with tcp(loopback).listener() as listener, Socket(timeout=MUST_ARRIVE) as client:
        client.options.ip_bind_address_no_port = True
        client.bind((loopback, 0))
        assert client.getsockname() == (loopback, 0)
        client.connect(listener.getsockname())
        assert client.getsockname()[1] != 0


def test_ip_local_port_range_bounds_what_the_kernel_chooses(loopback: str) -> None:
    low, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    with Socket() as sock:
        try:
            sock.options.ip_local_port_range = PortRange(low + 100, low + 140)
        except OSError as error:
            assert error.errno == errno.ENOPROTOOPT  # noqa: PT017 - before Linux 6.3
            pytest.skip("this kernel has no IP_LOCAL_PORT_RANGE")
        assert sock.options.ip_local_port_range == (low + 100, low + 140)
        sock.bind((loopback, 0))
        assert low + 100 <= sock.getsockname()[1] <= low + 140


def test_ip_local_port_range_takes_the_highest_ports() -> None:
    with Socket() as sock:
        sock.options.ip_local_port_range = PortRange(60_000, 65_535)
        assert sock.options.ip_local_port_range == PortRange(60_000, 65_535)


def test_ip_recverr_queues_the_error_with_what_caused_it(loopback: str) -> None:
    with Socket(*UDP) as unheard, Socket(*UDP) as sock:
        unheard.bind((loopback, 0))
        address = unheard.getsockname()
        unheard.close()
        sock.options.ip_recverr = True
        sock.connect(address)
        sock.send(b"anyone?")
        assert is_ready(sock, 0, MUST_ARRIVE)
        msg_errqueue = 0x2000
        assert sock.recv(100, msg_errqueue) == b"anyone?"


def test_ip_tos_sets_so_priority() -> None:
    with Socket() as sock:
        assert sock.options.so_priority == 0
        sock.options.ip_tos = 0x10
        assert sock.options.so_priority == 6


def test_ip_ttl_of_minus_one_is_the_systems() -> None:
    with Socket() as sock:
        sock.options.ip_ttl = 3
        sock.options.ip_ttl = -1
        assert sock.options.ip_ttl == sysctl("net.ipv4.ip_default_ttl")


def test_ip_mtu_is_known_once_there_is_a_path(loopback: str) -> None:
    with Socket() as fresh, pytest.raises(OSError, match="not connected"):
        _ = fresh.options.ip_mtu
    with tcp(loopback).pair() as (client, _):
        assert client.options.ip_mtu == client.tcp_info().pmtu


@needs_ipv6
def test_ipv6_v6only_leaves_the_port_to_ipv4(loopback: str) -> None:
    with tcp(loopback).listener() as listener, Socket(*TCP6) as sock:
        wildcard = ("::", listener.getsockname()[1])
        sock.options.ipv6_v6only = False
        with pytest.raises(OSError, match="in use"):
            sock.bind(wildcard)
        sock.options.ipv6_v6only = True
        sock.bind(wildcard)
        with pytest.raises(OSError, match="Invalid argument") as caught:
            sock.options.ipv6_v6only = False
        assert "before bind" in notes(caught.value)


@needs_ipv6
def test_without_ipv6_v6only_ipv4_comes_in_as_a_mapped_address(loopback: str) -> None:
    with Socket(*TCP6) as listener, Socket(timeout=MUST_ARRIVE) as client:
        listener.options.ipv6_v6only = False
        listener.bind(("::", 0))
        listener.listen()
        client.connect((loopback, listener.getsockname()[1]))
        must_be_readable(listener)
        accepted, address = listener.accept()
        accepted.close()
        assert address[0] == f"::ffff:{client.getsockname()[0]}"


# What is refused before the kernel sees it.

REFUSALS: list[tuple[str, Any, type[Exception], str]] = [
    ("tcp_nodelay", "yes", TypeError, "tcp_nodelay must be True or False, not 'yes'"),
    ("tcp_nodelay", 2, TypeError, "True or False, not 2"),
    ("tcp_nodelay", None, TypeError, "True or False, not None"),
    ("tcp_nodelay", 1.0, TypeError, "True or False"),
    ("so_rcvbuf", True, TypeError, "an int from 0"),
    ("so_rcvbuf", "4096", TypeError, "bytes"),
    ("so_rcvbuf", 4096.0, TypeError, "an int"),
    ("so_rcvbuf", -1, ValueError, "an int from 0 to 1073741823 \\(bytes\\), not -1"),
    ("so_rcvbuf", 2**31 - 1, ValueError, "1073741823"),
    ("so_rcvbuf", 2**32, OverflowError, "does not fit a C int"),
    ("so_rcvbuf", 10**30, OverflowError, "does not fit a C int"),
    ("so_priority", -(2**31) - 1, OverflowError, "does not fit a C int"),
    ("so_mark", -1, ValueError, "so_mark must be"),
    ("so_linger", -1.0, ValueError, "whole seconds"),
    ("so_linger", 0.5, ValueError, "counts whole seconds: 0.5 would be 0"),
    ("so_linger", True, TypeError, "whole seconds, or None, not True"),
    ("so_linger", 1e30, OverflowError, "too long"),
    ("so_linger", float("inf"), OverflowError, "infinite"),
    ("so_linger", float("nan"), ValueError, "nan"),
    ("so_rcvtimeo", 0, ValueError, "takes 0 for ever"),
    ("so_rcvtimeo", -0.5, ValueError, "seconds above 0"),
    ("so_rcvtimeo", 1e30, OverflowError, "too long"),
    ("so_rcvtimeo", "1", TypeError, "seconds above 0"),
    ("so_busy_poll", -1, ValueError, "0 or more"),
    ("so_busy_poll", 1e9, OverflowError, "at most 2147.483647 s"),
    ("so_max_pacing_rate", 0, ValueError, "at least 1"),
    ("so_max_pacing_rate", 2**64, ValueError, "at least 1"),
    ("so_max_pacing_rate", 1.5, TypeError, "bytes per second"),
    ("so_peek_off", -2, ValueError, "or None"),
    ("so_bindtodevice", "", ValueError, "1 to 15 bytes"),
    ("so_bindtodevice", "x" * 16, ValueError, "1 to 15 bytes"),
    ("so_bindtodevice", "a\0b", ValueError, "without NUL"),
    ("so_bindtodevice", b"lo", TypeError, "a str or None"),
    ("tcp_congestion", None, TypeError, "a str"),
    ("tcp_congestion", "x" * 16, ValueError, "1 to 15 bytes"),
    ("tcp_keepidle", 0, ValueError, "whole seconds from 1 to 32767"),
    ("tcp_keepidle", 1.5, TypeError, "whole seconds"),
    ("tcp_keepcnt", 128, ValueError, "from 1 to 127"),
    ("tcp_linger2", 121, ValueError, "from -1 to 120"),
    ("tcp_user_timeout", 0, ValueError, "takes 0 for None"),
    ("tcp_user_timeout", 1e7, OverflowError, "at most 2147483.647 s"),
    ("tcp_syncnt", 0, ValueError, "from 1 to 127"),
    ("ip_tos", 256, ValueError, "from 0 to 255"),
    ("ip_mtu_discover", 9, TypeError, "PathMtuDiscovery's DONT, WANT"),
    ("ip_local_port_range", 5, TypeError, "two ports"),
    ("ip_local_port_range", (1, 2, 3), TypeError, "two ports"),
    ("ip_local_port_range", (5, 4), ValueError, "above the last"),
    ("ip_local_port_range", (0, 65536), ValueError, "0 to 65535"),
]


@pytest.mark.parametrize(("name", "value", "error", "text"), REFUSALS)
def test_a_value_that_the_option_cannot_have_is_refused(
    name: str, value: object, error: type[Exception], text: str
) -> None:
    with Socket() as sock:
        before = getattr(sock.options, name)
        with pytest.raises(error, match=text) as caught:
            setattr(sock.options, name, value)
        assert name in str(caught.value)
        assert getattr(sock.options, name) == before


def test_a_refusal_comes_before_the_system_call() -> None:
    with Socket() as sock:
        pass
    with pytest.raises(TypeError):
        sock.options.tcp_nodelay = "yes"
    with pytest.raises(OSError, match="Bad file descriptor"):
        sock.options.tcp_nodelay = True


def test_whole_seconds_may_be_a_float() -> None:
    with Socket() as sock:
        sock.options.tcp_keepidle = 20.0
        assert sock.options.tcp_keepidle == 20


@pytest.mark.parametrize(
    "name", [name for name, option in OPTIONS.items() if not isinstance(option, Option)]
)
def test_what_can_only_be_read_cannot_be_set(name: str) -> None:
    with Socket() as sock, pytest.raises(AttributeError, match=f"{name} can only be read"):
        setattr(sock.options, name, 1)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("tcp_nodely", "tcp_nodelay"),
        ("nodelay", "tcp_nodelay"),
        ("SO_REUSEPORT", "so_reuseport"),
        ("linger", "so_linger"),
    ],
)
def test_an_unknown_name_suggests_what_is_meant(name: str, meant: str) -> None:
    with Socket() as sock:
        with pytest.raises(AttributeError, match=f"{name}.*did you mean.*{meant}"):
            getattr(sock.options, name)
        with pytest.raises(AttributeError, match=f"{name}.*did you mean.*{meant}"):
            setattr(sock.options, name, 1)
        with pytest.raises(KeyError, match=meant):
            sock.options[name]


def test_a_name_like_no_other_is_just_unknown() -> None:
    with Socket() as sock, pytest.raises(AttributeError) as caught:
        _ = sock.options.xyzzy
    assert str(caught.value) == "no socket option 'xyzzy'"


def test_an_option_of_another_kind_of_socket_is_the_kernels_error_with_a_note() -> None:
    with Socket(*UNIX) as sock:
        with pytest.raises(OSError, match="not supported") as caught:
            _ = sock.options.tcp_nodelay
        assert caught.value.errno == errno.EOPNOTSUPP
        assert "getsockopt tcp_nodelay: Send small segments at once" in notes(caught.value)
        with pytest.raises(OSError, match="524") as caught:
            sock.options.so_zerocopy = True
        assert "Not for Unix sockets" in notes(caught.value)


# As a table.


def test_the_names_are_those_that_the_socket_has() -> None:
    with Socket(*UNIX) as unix, Socket(*UDP) as udp, Socket() as stream:
        assert {"so_peercred", "so_passcred", "so_rcvbuf"} <= set(unix.options)
        assert not any(name.startswith(("tcp_", "ip_")) for name in unix.options)
        assert {"udp_cork", "ip_ttl"} <= set(udp.options)
        assert not any(name.startswith(("tcp_", "ipv6_")) for name in udp.options)
        assert {"tcp_nodelay", "ip_ttl", "so_cookie"} <= set(stream.options)
        assert "so_peercred" not in stream.options
        assert len(stream.options) == len(list(stream.options))


def test_it_is_a_mapping_of_names_to_values() -> None:
    with Socket() as sock:
        sock.options.so_linger = 5.0
        values = dict(sock.options)
        assert values["so_linger"] == sock.options["so_linger"] == 5.0
        assert values["so_type"] is socket.SOCK_STREAM
        assert "so_error" not in values


def test_it_prints_a_line_for_each() -> None:
    with Socket() as sock:
        sock.options.so_linger = 5.0
        lines = [line.split(" = ") for line in str(sock.options).splitlines()]
    shown = {name.strip(): value for name, value in lines}
    assert shown["so_linger"] == "5.0"
    assert shown["so_type"] == "SOCK_STREAM"
    assert shown["ip_mtu_discover"] == "WANT"
    assert len(shown) == len(lines) > 50


def test_a_notebook_shows_them_with_what_they_are() -> None:
    with Socket() as sock:
        html = sock.options._repr_html_()
    assert "<td>tcp_nodelay</td><td>False</td><td>Send small segments at once" in html
    assert "Nagle&#x27;s" in html


def test_a_closed_socket_has_no_options() -> None:
    with Socket() as sock:
        view = sock.options
    with pytest.raises(OSError, match="Bad file descriptor"):
        str(view)
    with pytest.raises(OSError, match="Bad file descriptor"):
        _ = view.so_type


def test_views_of_one_socket_are_equal() -> None:
    with Socket() as sock, Socket() as other:
        assert sock.options == sock.options
        assert hash(sock.options) == hash(sock.options)
        assert sock.options != other.options
        assert repr(sock) in repr(sock.options)


@pytest.mark.parametrize("name", list(OPTIONS))
def test_every_option_says_what_it_is_and_has_the_stdlibs_number(name: str) -> None:
    option = OPTIONS[name]
    assert getattr(SocketOptions, name) is option
    assert option.name == name
    assert len(option.doc) > 4
    assert option.__doc__ == option.doc
    assert option.number == getattr(socket, name.upper(), option.number)
    assert name in repr(option)


def test_names_in_all_exist() -> None:
    assert all(hasattr(options, name) for name in options.__all__)
