"""sendmmsg and recvmmsg: many messages in one call. The stdlib has neither."""

import array
import errno
import os
import resource
import signal
import socket
import struct
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    CMSG_LEN,
    CMSG_SPACE,
    MSG_CTRUNC,
    MSG_PEEK,
    MSG_TRUNC,
    SCM_RIGHTS,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOL_SOCKET,
)
from typing import Any

import pytest

from endpoints import has_ipv6, must_be_waiting, outcome, python
from epollkit import Socket, socketpair
from support import MUST_ARRIVE, shown

WOULD_BLOCK = (BlockingIOError, errno.EAGAIN)


@contextmanager
def unix_pair(
    timeout: float | None = 0.0, kind: int = SOCK_DGRAM
) -> Generator[tuple[Socket, Socket]]:
    one, other = socketpair(AF_UNIX, kind)
    with one, other:
        one.settimeout(timeout)
        other.settimeout(timeout)
        yield one, other


@contextmanager
def bound(count: int, loopback: str) -> Generator[list[Socket]]:
    """UDP sockets, each on a port of its own."""
    socks = [Socket(AF_INET, SOCK_DGRAM, timeout=MUST_ARRIVE) for _ in range(count)]
    try:
        for sock in socks:
            sock.bind((loopback, 0))
        yield socks
    finally:
        for sock in socks:
            sock.close()


def data_of(messages: list[tuple[bytes, Any, int, Any]]) -> list[bytes]:
    return [data for data, *_ in messages]


def fill(sock: Socket) -> int:
    """Send until the peer's queue is full; how many it took."""
    count = 0
    while sock.try_send(b"filling") is not None:
        count += 1
    return count


# Both ways


def test_messages_keep_their_order_and_sizes() -> None:
    messages = [b"", b"a", bytearray(b"bb"), memoryview(b"ccc"), b"d" * 4000]
    with unix_pair() as (one, other):
        assert one.sendmmsg(messages) == 5
        received = other.recvmmsg(10, 5000)
        assert received == [(bytes(data), [], 0, None) for data in messages]


def test_each_message_has_its_address(loopback: str) -> None:
    with bound(4, loopback) as (one, *others):
        to = [sock.getsockname() for sock in others]
        messages = [(str(number).encode(), to[number % 3]) for number in range(9)]
        assert one.sendmmsg(messages) == 9
        for at, sock in enumerate(others):
            expected = [str(number).encode() for number in range(at, 9, 3)]
            assert sock.recvmmsg(9, 10) == [(data, [], 0, one.getsockname()) for data in expected]


def test_each_message_has_its_sender(loopback: str) -> None:
    with bound(4, loopback) as (one, *others):
        order = [0, 0, 1, 2, 2, 0, 1]
        for number in order:
            others[number].sendto(bytes([number]), one.getsockname())
        received = one.recvmmsg(10, 10)
        senders = [others[number].getsockname() for number in order]
        assert [address for *_, address in received] == senders
        assert [data[0] for data in data_of(received)] == order


@pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")
def test_ipv6_addresses_are_whole() -> None:
    with Socket(AF_INET6, SOCK_DGRAM, timeout=MUST_ARRIVE) as one:
        one.bind(("::1", 0))
        assert one.sendmmsg([(b"x", one.getsockname())] * 2) == 2
        assert one.recvmmsg(2, 1) == [(b"x", [], 0, one.getsockname())] * 2


def test_unix_senders_are_paths_abstract_names_or_none(tmp_path: Path) -> None:
    path = str(tmp_path / f"named-{threading.get_native_id()}")
    with (
        Socket(AF_UNIX, SOCK_DGRAM) as one,
        Socket(AF_UNIX, SOCK_DGRAM) as named,
        Socket(AF_UNIX, SOCK_DGRAM) as abstract,
        Socket(AF_UNIX, SOCK_DGRAM) as unnamed,
    ):
        one.bind("")
        named.bind(path)
        abstract.bind("")
        senders = [named, abstract, unnamed, unnamed, named]
        for sock in senders:
            sock.sendto(b"x", one.getsockname())
        names = [path, abstract.getsockname(), None, None, path]
        assert [address for *_, address in one.recvmmsg(9, 1)] == names


def test_the_same_address_object_may_be_used_again(loopback: str) -> None:
    with bound(2, loopback) as (one, other):
        address = other.getsockname()
        one.connect(other.getsockname())
        again = tuple(address)
        messages = [(b"0", address), (b"1", address), b"2", (b"3", address), (b"4", again)]
        assert one.sendmmsg([*messages, (b"5", None)]) == 6
        assert data_of(other.recvmmsg(9, 1)) == [b"0", b"1", b"2", b"3", b"4", b"5"]


def test_an_address_that_changes_under_way_is_read_each_time() -> None:
    with (
        Socket(AF_UNIX, SOCK_DGRAM) as one,
        Socket(AF_UNIX, SOCK_DGRAM) as first,
        Socket(AF_UNIX, SOCK_DGRAM) as second,
    ):
        first.bind("")
        second.bind("")
        address = bytearray()

        def messages() -> Iterator[tuple[bytes, bytearray]]:
            for sock in (first, second):
                address[:] = sock.getsockname()
                yield b"x", address

        assert one.sendmmsg(messages()) == 2
        assert first.recv(1) == second.recv(1) == b"x"


def test_messages_carry_descriptors() -> None:
    read, write = os.pipe()
    rights = [(SOL_SOCKET, SCM_RIGHTS, array.array("i", [write]))]
    with unix_pair() as (one, other):
        assert one.sendmmsg([(b"none", None), (b"one", None, rights), (b"empty", None, [])]) == 3
        os.close(write)
        first, second, third = other.recvmmsg(9, 10, CMSG_SPACE(4))
        assert (first[:3], third[:3]) == ((b"none", [], 0), (b"empty", [], 0))
        data, ((level, kind, value),), flags, _ = second
        assert (data, level, kind, flags) == (b"one", SOL_SOCKET, SCM_RIGHTS, 0)
        (received,) = struct.unpack("i", value)
        os.write(received, b"through")
        os.close(received)
    assert os.read(read, 10) == b"through"
    os.close(read)


def test_truncation_is_each_messages_own() -> None:
    rights = [(SOL_SOCKET, SCM_RIGHTS, array.array("i", [0, 0]))]
    with unix_pair() as (one, other):
        one.sendmmsg([b"fits", b"too long", (b"both cut", None, rights), b"fits"])
        received = other.recvmmsg(9, 4, CMSG_LEN(0))
        assert [(data, flags) for data, _, flags, _ in received] == [
            (b"fits", 0),
            (b"too ", MSG_TRUNC),
            (b"both", MSG_TRUNC | MSG_CTRUNC),
            (b"fits", 0),
        ]
        assert all(ancdata == [] for _, ancdata, *_ in received)


def test_msg_trunc_gives_no_more_than_there_is_room_for() -> None:
    with unix_pair() as (one, other):
        one.sendmmsg([b"ab", b"too long"])
        assert data_of(other.recvmmsg(9, 4, 0, MSG_TRUNC)) == [b"ab", b"too "]


def test_a_size_of_none_counts_the_messages() -> None:
    with unix_pair() as (one, other):
        one.sendmmsg([b"ab", b"", b"c"])
        flags = [flags for _, _, flags, _ in other.recvmmsg(9, 0)]
        assert flags == [MSG_TRUNC, 0, MSG_TRUNC]


def test_peeking_shows_the_first_message_again_and_again() -> None:
    with unix_pair() as (one, other):
        one.sendmmsg([b"a", b"b"])
        assert data_of(other.recvmmsg(2, 1, 0, MSG_PEEK)) == [b"a", b"a"]
        assert data_of(other.recvmmsg(9, 1)) == [b"a", b"b"]


def test_sequenced_packets_are_messages_too() -> None:
    with unix_pair(kind=SOCK_SEQPACKET) as (one, other):
        assert one.sendmmsg([b"a", b"bb"]) == 2
        assert data_of(other.recvmmsg(9, 9)) == [b"a", b"bb"]


# How many


def test_two_thousand_messages_are_more_than_one_call(loopback: str) -> None:
    with bound(2, loopback) as (one, other):
        other.setsockopt(SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        if other.getsockopt(SOL_SOCKET, socket.SO_RCVBUF) < 2000 * 1000:
            other.setsockopt(SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE, for those who may
        address = other.getsockname()
        messages = [(struct.pack("I", number), address) for number in range(2000)]
        assert one.sendmmsg(messages) == 2000
        received: list[bytes] = []
        while len(received) < 2000:
            more = other.recvmmsg(2000, 4)
            assert 1 <= len(more) <= 1024
            received += data_of(more)
        assert received == [data for data, _ in messages]


def test_a_count_is_the_most() -> None:
    with unix_pair() as (one, other):
        one.sendmmsg([b"a", b"b", b"c"])
        assert data_of(other.recvmmsg(2, 1)) == [b"a", b"b"]
        assert data_of(other.recvmmsg(2, 1)) == [b"c"]


def test_no_messages_are_nothing_to_do() -> None:
    with unix_pair() as (one, _):
        assert one.sendmmsg([]) == 0
        assert one.sendmmsg(iter(())) == 0


@pytest.mark.parametrize("timeout", [0.0, 0.001])
def test_a_full_queue_ends_a_send_short(timeout: float | None) -> None:
    with unix_pair() as (one, other):
        room = fill(one)
        other.recv(100)
        one.settimeout(timeout)
        assert one.sendmmsg([b"fits", b"does not", b"nor this"]) == 1
        received = data_of(other.recvmmsg(room + 9, 9))
        assert received == [b"filling"] * (room - 1) + [b"fits"]


@pytest.mark.parametrize("before", [0, 1])
def test_without_a_timeout_a_send_waits_for_room_for_all(before: int) -> None:
    with unix_pair() as (one, other):
        room = fill(one)
        for _ in range(before):  # room for the first or not
            other.recv(10)
        one.settimeout(None)
        count = 2 * room
        sent: list[int] = []
        sender = threading.Thread(target=lambda: sent.append(one.sendmmsg([b"x"] * count)))
        sender.start()
        must_be_waiting(sender.native_id or 0)
        received: list[bytes] = []
        other.settimeout(MUST_ARRIVE)
        while received.count(b"x") < count:
            received += data_of(other.recvmmsg(count, 10))
        sender.join(MUST_ARRIVE)
        assert sent == [count]
        assert one.sendmmsg([b"x"] * count, socket.MSG_DONTWAIT) < count


def test_a_length_that_is_not_true_does_no_harm() -> None:
    class Boasting:
        def __len__(self) -> int:
            return 2**62

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x"])

    with unix_pair() as (one, _):
        assert outcome(lambda: one.sendmmsg(range(2**60))) == (TypeError, None)
        assert one.sendmmsg(Boasting()) == 1


def test_a_full_queue_may_take_none() -> None:
    with unix_pair() as (one, _):
        fill(one)
        assert outcome(lambda: one.sendmmsg([b"x"])) == WOULD_BLOCK
        one.settimeout(0.001)
        assert outcome(lambda: one.sendmmsg([b"x"])) == (TimeoutError, None)


@pytest.mark.parametrize("timeout", [MUST_ARRIVE, None])
def test_a_send_waits_for_room_for_the_first(timeout: float | None) -> None:
    with unix_pair() as (one, other):
        fill(one)
        one.settimeout(timeout)
        sent: list[int] = []
        sender = threading.Thread(target=lambda: sent.append(one.sendmmsg([b"late"])))
        sender.start()
        must_be_waiting(sender.native_id or 0)
        assert not sent
        while other.try_recv(10) is not None:  # the kernel wakes it when there is much room again
            pass
        sender.join(MUST_ARRIVE)
        assert sent == [1]


# Errors


def test_the_first_messages_error_is_raised(loopback: str) -> None:
    with bound(2, loopback) as (one, other):
        too_long = (bytes(65_536), other.getsockname())
        fits = (b"x", other.getsockname())
        assert outcome(lambda: one.sendmmsg([too_long, fits])) == (OSError, errno.EMSGSIZE)
        assert outcome(lambda: one.sendmmsg([b"nowhere"])) == (OSError, errno.EDESTADDRREQ)
        other.settimeout(0.0)
        assert outcome(lambda: other.recvmmsg(1, 1)) == WOULD_BLOCK


def test_a_later_messages_error_shows_when_it_is_sent_again(loopback: str) -> None:
    with bound(2, loopback) as (one, other):
        too_long = (bytes(65_536), other.getsockname())
        fits = (b"x", other.getsockname())
        messages = [fits, fits, too_long, fits]
        assert one.sendmmsg(messages) == 2
        assert outcome(lambda: one.sendmmsg(messages[2:])) == (OSError, errno.EMSGSIZE)
        assert one.sendmmsg(messages[3:]) == 1
        assert data_of(other.recvmmsg(9, 1)) == [b"x"] * 3


def test_a_refusal_under_way_ends_the_send_short(loopback: str) -> None:
    with Socket(AF_INET, SOCK_DGRAM) as sock:
        sock.bind((loopback, 0))
        sock.connect((loopback, 9))
        # The kernel sends one, hears of its refusal with the next, and forgets it. Were they of one
        # size, they would go as one.
        assert sock.sendmmsg([b"a", b"bb", b"ccc", b"dddd"]) == 1
        sock.send(b"e")
        refused = (ConnectionRefusedError, errno.ECONNREFUSED)
        assert outcome(lambda: sock.sendmmsg([b"f", b"gg"])) == refused


def test_a_refusal_is_an_error_of_receiving(loopback: str) -> None:
    with Socket(AF_INET, SOCK_DGRAM, timeout=MUST_ARRIVE) as sock:
        sock.bind((loopback, 0))
        sock.connect((loopback, 9))
        sock.send(b"x")
        refused = (ConnectionRefusedError, errno.ECONNREFUSED)
        assert outcome(lambda: sock.recvmmsg(9, 9)) == refused


@pytest.mark.parametrize(
    "messages",
    [
        None,
        5,
        [None],
        [5],
        ["text"],
        [[b"list", None]],
        [(b"x",)],
        [()],
        [(b"x", None, [], 0)],
        [("text", None)],
        [(b"x", 5)],
        [(b"x", ("127.0.0.1",))],
        [(b"x", ("127.0.0.1", 1, 2))],
        [(b"x", None, 5)],
        [(b"x", None, None)],
        [(b"x", None, [(1, 1)])],
        [memoryview(b"0123")[::2]],
    ],
    ids=shown,
)
def test_wrong_messages_are_refused_before_any_is_sent(messages: Any, loopback: str) -> None:  # noqa: ANN401 - of any kind
    with bound(2, loopback) as (one, other):
        one.connect(other.getsockname())
        good = [b"x"] if isinstance(messages, list) else []
        with pytest.raises((TypeError, BufferError)):
            one.sendmmsg(good + messages if good else messages)
        other.settimeout(0.0)
        assert outcome(lambda: other.recv(1)) == WOULD_BLOCK


def test_a_port_out_of_range_is_an_overflow(loopback: str) -> None:
    with bound(1, loopback) as (one,), pytest.raises(OverflowError):
        one.sendmmsg([(b"x", one.getsockname()), (b"x", (loopback, 65536))])


def test_an_error_of_the_iterable_is_its_own() -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ZeroDivisionError

    with unix_pair() as (one, other):
        assert outcome(lambda: one.sendmmsg(broken())) == (ZeroDivisionError, None)
        assert outcome(lambda: other.recv(1)) == WOULD_BLOCK


@pytest.mark.parametrize(
    ("arguments", "raised"),
    [
        ((), TypeError),
        ((1,), TypeError),
        ((0, 1), ValueError),
        ((-1, 1), ValueError),
        ((1, -1), ValueError),
        ((1, 1, -1), ValueError),
        ((1, 1, 2**31), ValueError),
        ((1.0, 1), TypeError),
        ((1, "1"), TypeError),
        ((1, 1, 0, None), TypeError),
        ((2**70, 1), OverflowError),
        ((1, 2**70), OverflowError),
        ((1, 2**63 - 1), MemoryError),
        ((2**63 - 1, 2**63 - 1, 2**31 - 1), MemoryError),
        ((1024, 2**55), MemoryError),
    ],
    ids=str,
)
def test_wrong_counts_and_sizes_are_refused(arguments: tuple[Any, ...], raised: type) -> None:
    with unix_pair() as (one, other):
        one.send(b"stays")
        with pytest.raises(raised):
            other.recvmmsg(*arguments)
        assert other.recv(9) == b"stays"


def test_more_memory_than_there_may_be_is_an_error_of_python() -> None:
    # In a process of its own: an allocation that fails may abort it.
    limit = 2 << 30
    done = python(f"""
import epollkit, resource, socket
one, other = epollkit.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
one.send(b"x")
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {resource.RLIM_INFINITY}))
for arguments in ((1024, 1 << 22), (1024, 1, 1 << 22), (1, 1 << 33)):
    try:
        print(other.recvmmsg(*arguments))
    except MemoryError as error:
        print(error)
print(other.recv(1))
one.close()
other.close()
""")
    assert done.returncode == 0, done.stderr[:300]
    assert done.stdout.count("no room for") == 3
    assert done.stdout.endswith("b'x'\n")


def test_a_closed_socket_is_ebadf() -> None:
    with unix_pair() as (one, other):
        one.close()
        other.close()
        closed = (OSError, errno.EBADF)
        assert outcome(lambda: one.sendmmsg([b"x"])) == closed
        assert outcome(lambda: other.recvmmsg(1, 1)) == closed
        assert one.sendmmsg([]) == 0


# Waiting


def test_nothing_there_would_block_or_times_out() -> None:
    with unix_pair() as (_, other):
        assert outcome(lambda: other.recvmmsg(1, 1)) == WOULD_BLOCK
        other.settimeout(0.001)
        assert outcome(lambda: other.recvmmsg(1, 1)) == (TimeoutError, None)


@pytest.mark.parametrize("timeout", [MUST_ARRIVE, None])
def test_it_waits_for_the_first_message_only(timeout: float | None) -> None:
    with unix_pair(timeout) as (one, other):
        received: list[Any] = []
        reader = threading.Thread(target=lambda: received.extend(other.recvmmsg(9, 9)))
        reader.start()
        must_be_waiting(reader.native_id or 0)
        one.send(b"first")
        reader.join(MUST_ARRIVE)
        assert data_of(received) == [b"first"]


@pytest.mark.thread_unsafe(reason="signal handlers belong to the process")
@pytest.mark.parametrize("timeout", [MUST_ARRIVE, None])
def test_a_signal_does_not_end_the_wait(timeout: float | None) -> None:
    handled: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: handled.append(number))
    main = threading.main_thread()

    with unix_pair(timeout) as (one, other):

        def interrupt() -> None:
            must_be_waiting(main.native_id or 0)
            signal.pthread_kill(main.ident or 0, signal.SIGUSR1)
            while not handled:
                os.sched_yield()
            one.send(b"then")

        interrupting = threading.Thread(target=interrupt)
        try:
            interrupting.start()
            assert data_of(other.recvmmsg(2, 9)) == [b"then"]
        finally:
            interrupting.join()
            signal.signal(signal.SIGUSR1, before)
    assert handled == [signal.SIGUSR1]


def test_rooms_stay_while_another_thread_closes() -> None:
    call: Callable[[Socket], object] = lambda sock: sock.recvmmsg(9, 9)  # noqa: E731
    with unix_pair(None) as (one, other):
        results: list[tuple[type, int | None]] = []
        reader = threading.Thread(target=lambda: results.append(outcome(lambda: call(other))))
        reader.start()
        must_be_waiting(reader.native_id or 0)
        other.close()
        one.send(b"x")  # the wait holds the descriptor until it has returned
        reader.join(MUST_ARRIVE)
        assert results == [(list, None)]
