"""`Socket.tcp_info()`: struct tcp_info as a record, compared with what this kernel says of it."""

import copy
import errno
import pickle
import socket
import struct
from functools import cache
from pathlib import Path

import pytest

from endpoints import Place, is_ready, must_be_readable, must_hold, notes, reset, tcp
from epollkit import Socket, TcpInfo, TcpState
from support import wait_until

BTF = Path("/sys/kernel/btf/vmlinux")


def numbered(size: int) -> TcpInfo:
    """Each byte is its own offset, but for the state."""
    return TcpInfo(bytes([1, *(offset % 256 for offset in range(1, size))]))


@cache
def kernel_layout() -> dict[str, tuple[int, int]]:
    """Field name without tcpi_: (first bit, bits or 0), as the running kernel's types have it."""
    try:
        raw = BTF.read_bytes()
    except OSError as error:
        pytest.skip(f"the kernel does not tell its types: {error}")
    _, _, _, header, types, length, strings, _ = struct.unpack_from("=HBBIIIII", raw)
    types, strings = header + types, header + strings

    def text(offset: int) -> str:
        start = strings + offset
        return raw[start : raw.index(b"\0", start)].decode()

    wanted = raw.index(b"\0tcp_info\0", strings) + 1 - strings
    at, end = types, types + length
    extra = {1: 4, 3: 12, 6: 8, 13: 8, 14: 4, 15: 12, 17: 4, 19: 12}  # BTF_KIND_*: bytes behind it
    while at < end:
        name, info, _ = struct.unpack_from("=III", raw, at)
        kind, count, has_bits = (info >> 24) & 0x1F, info & 0xFFFF, info >> 31
        at += 12
        if kind == 4 and name == wanted:
            members = [struct.unpack_from("=III", raw, at + 12 * each) for each in range(count)]
            return {
                text(member).removeprefix("tcpi_"): (
                    (offset & 0xFFFFFF, offset >> 24) if has_bits else (offset, 0)
                )
                for member, _, offset in members
            }
        each = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}.get(kind)
        at += count * each if each else extra.get(kind, 0)
    pytest.skip("struct tcp_info is not among the kernel's types")


def test_a_new_connection_is_established_at_both_ends(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        assert client.tcp_info().state is TcpState.ESTABLISHED
        assert server.tcp_info().state is TcpState.ESTABLISHED


def test_states_follow_a_connections_life(loopback: str) -> None:
    with Socket() as fresh, tcp(loopback).listener() as listener:
        assert fresh.tcp_info().state is TcpState.CLOSE
        assert listener.tcp_info().state is TcpState.LISTEN
    with tcp(loopback).pair() as (client, server):
        client.shutdown(socket.SHUT_WR)
        must_be_readable(server)
        assert server.tcp_info().state is TcpState.CLOSE_WAIT
        wait_until(lambda: client.tcp_info().state is TcpState.FIN_WAIT2)
        reset(server)
        wait_until(lambda: client.tcp_info().state is TcpState.CLOSE)


def test_a_state_without_a_name_is_its_number() -> None:
    assert TcpInfo(bytes([200])).state == 200
    assert repr(TcpInfo(bytes([200]))) == "TcpInfo(size=1, state=200)"


def test_it_is_what_getsockopt_gives(loopback: str) -> None:
    with tcp(loopback).pair() as (client, _):
        raw = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1024)
        info = client.tcp_info()
        assert info.size == len(raw) == len(bytes(info))
        rto, _, snd_mss = struct.unpack_from("=III", raw, 8)
        assert (info.rto, info.snd_mss) == (rto, snd_mss)
        assert TcpInfo(raw).rtt == struct.unpack_from("=I", raw, 68)[0]


def test_every_field_lies_where_the_kernel_has_it() -> None:
    layout = kernel_layout()
    info = numbered(280)
    known = {name: value for name, value in info._asdict().items() if name != "size"}
    checked = 0
    for name, (bit, width) in layout.items():
        if name not in known:
            assert bit >= 276 * 8, f"{name} is missing"  # Accurate ECN's state: accecn_word
            continue
        byte, below = divmod(bit, 8)
        raw = bytes(info)[byte:]
        if width:
            expected = (raw[0] >> below) & ((1 << width) - 1)
            assert known[name] == expected, name
        else:
            sizes = [int.from_bytes(raw[:size], "little") for size in (1, 2, 4, 8)]
            assert known[name] in sizes, name
        checked += 1
    assert checked >= 55
    assert known.keys() - layout.keys() == {"accecn_word"}


def test_fields_come_in_the_kernels_order() -> None:
    order = [name for name in kernel_layout() if hasattr(TcpInfo, name)]
    assert [name for name in numbered(280)._asdict() if name in order] == order


def test_counters_count_what_was_sent(loopback: str) -> None:
    with tcp(loopback).pair() as (client, server):
        before = client.tcp_info()
        assert client.send(b"x" * 1000) == 1000
        must_hold(server, 1000)
        wait_until(lambda: client.tcp_info().unacked == 0)
        after, received = client.tcp_info(), server.tcp_info()
        assert (after.bytes_sent, before.bytes_sent) == (1000, 0)
        assert after.bytes_acked == before.bytes_acked + 1000
        assert received.bytes_received == 1000
        assert after.data_segs_out == received.data_segs_in == 1
        assert after.rtt > 0
        assert after.last_data_sent is not None
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: server.tcp_info().bytes_received == 1001)  # the FIN counts as one


def test_what_the_peer_does_not_take_shows_as_not_sent(loopback: str) -> None:
    with tcp(loopback).pair() as (client, _):
        while client.try_send(bytes(65536)):
            pass
        info = client.tcp_info()
        assert info.notsent_bytes > 0
        assert info.snd_wnd is not None
        assert info.bytes_sent + info.notsent_bytes >= client.outq()


def test_a_listener_tells_its_queue(loopback: str) -> None:
    with tcp(loopback).listener(7) as listener, Socket(timeout=5.0) as client:
        assert (listener.tcp_info().unacked, listener.tcp_info().sacked) == (0, 7)
        client.connect(listener.getsockname())
        must_be_readable(listener)
        assert listener.tcp_info().unacked == 1


@pytest.mark.parametrize(
    ("size", "last", "first_missing"),
    [
        (104, "total_retrans", "pacing_rate"),
        (136, "bytes_received", "segs_out"),
        (192, "sndbuf_limited", "delivered"),
        (232, "snd_wnd", "rcv_wnd"),
        (248, "total_rto_time", "received_ce"),
    ],
)
def test_what_an_older_kernel_did_not_fill_in_is_none(
    size: int, last: str, first_missing: str
) -> None:
    info = numbered(size)
    assert info.size == size
    names = list(info._asdict())
    filled, missing = names[: names.index(last) + 1], names[names.index(first_missing) :]
    assert filled + missing == names
    assert all(getattr(info, name) is not None for name in filled)
    assert all(getattr(info, name) is None for name in missing)


def test_a_later_kernels_record_is_read_as_far_as_it_is_known() -> None:
    later = numbered(320)
    assert later.size == 320
    assert later._asdict() == numbered(280)._asdict() | {"size": 320}
    assert None not in later._asdict().values()


def test_a_field_of_which_half_is_there_is_none() -> None:
    assert numbered(107).pacing_rate is None
    assert numbered(111).pacing_rate is None
    assert numbered(112).pacing_rate is not None


def test_records_compare_and_hash_by_content() -> None:
    assert numbered(248) == numbered(248)
    assert hash(numbered(248)) == hash(numbered(248))
    assert numbered(248) != numbered(280)
    assert numbered(248) != bytes(numbered(248))


def test_a_record_can_be_pickled_and_copied(loopback: str) -> None:
    with tcp(loopback).pair() as (client, _):
        info = client.tcp_info()
    assert pickle.loads(pickle.dumps(info)) == info  # noqa: S301 - our own
    assert copy.deepcopy(info) == info


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        numbered(104).rtt = 1


def test_it_prints_what_is_not_zero(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        text = repr(listener.tcp_info())
    assert text.startswith(f"TcpInfo(size={listener_size()}, state=LISTEN, ")
    assert "sacked=128" in text
    assert "lost=" not in text
    assert "=0" not in text


def listener_size() -> int:
    with Socket() as sock:
        return sock.tcp_info().size


def test_a_notebook_shows_every_field_with_its_unit() -> None:
    html = numbered(232)._repr_html_()
    assert "<td>state</td><td>ESTABLISHED</td>" in html
    assert f"<td>rtt</td><td>{numbered(232).rtt}</td><td>us</td>" in html
    assert "<td>rcv_wnd</td><td>\N{EN DASH}</td><td>bytes</td>" in html
    assert html.count("<tr>") == 1 + len(numbered(232)._asdict())


def test_every_field_says_what_it_is() -> None:
    for name in numbered(104)._asdict():
        assert getattr(TcpInfo, name).__doc__, name


@pytest.mark.parametrize("data", [b"", bytearray()], ids=["bytes", "bytearray"])
def test_no_bytes_are_no_record(data: bytes) -> None:
    with pytest.raises(ValueError, match="no bytes"):
        TcpInfo(data)


def test_a_record_is_made_of_bytes_only() -> None:
    with pytest.raises(TypeError):
        TcpInfo("text")


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        (socket.AF_INET, socket.SOCK_DGRAM),
        (socket.AF_UNIX, socket.SOCK_STREAM),
        (socket.AF_UNIX, socket.SOCK_DGRAM),
    ],
)
def test_a_socket_that_is_not_tcp_says_so(family: int, kind: int) -> None:
    with Socket(family, kind) as sock, pytest.raises(OSError, match="upported") as caught:
        sock.tcp_info()
    assert caught.value.errno in (errno.EOPNOTSUPP, errno.ENOPROTOOPT)
    assert "this is not a TCP socket" in notes(caught.value)


def test_a_closed_socket_has_none(loopback: str) -> None:
    with tcp(loopback).bound() as sock:
        pass
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        sock.tcp_info()
    assert caught.value.errno == errno.EBADF


def test_a_reset_connection_still_tells_its_life(loopback: str) -> None:
    with Place("inet", loopback, Path()).pair() as (client, server):
        reset(server)
        assert is_ready(client, 0, 5.0)
        assert client.tcp_info().state is TcpState.CLOSE
        assert client.tcp_info().segs_in >= 1
