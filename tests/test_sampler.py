"""The sampler: what it sees of a program, what it says it has not seen, what it leaves alone."""

import contextlib
import copy
import errno
import gc
import math
import os
import pickle
import select
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count

import pytest

import epollkit
from endpoints import closing_all, full_listener, python, reset, tcp
from epoll_support import tcp_pair, unix_pair
from epollkit import (
    Epoll,
    EventFlags,
    PollFlags,
    Sample,
    Sampler,
    SamplerCounters,
    Socket,
    TcpState,
    WaitTimeout,
    serve,
)
from epollkit.load import ClosedLoop
from fork_support import child, forks
from support import MUST_ARRIVE, descriptors, native_threads, wait_until

IN, OUT, RDHUP, HUP = PollFlags.IN, PollFlags.OUT, PollFlags.RDHUP, PollFlags.HUP
OFTEN = 20e-6
ALWAYS = 1e-6


def of(sampler: Sampler, name: str) -> list[Sample]:
    return [sample for sample in sampler.samples() if sample.name == name]


def latest(sampler: Sampler, name: str) -> Sample:
    """The state of a source after all that has happened before."""
    sampler.wait_rounds()
    return of(sampler, name)[-1]


def until(sampler: Sampler, name: str, holds: Callable[[Sample], bool]) -> Sample:
    """Look until a source is as it should be: a segment takes its time, loopback or not."""
    __tracebackhide__ = True
    wait_until(lambda: holds(latest(sampler, name)))
    return latest(sampler, name)


# --- what it sees


@pytest.mark.parametrize("make_pair", [tcp_pair, lambda _: unix_pair()], ids=["tcp", "unix"])
def test_a_level_rises_and_falls_while_python_does_other_things(
    loopback: str, make_pair: Callable[[str], contextlib.AbstractContextManager]
) -> None:
    with make_pair(loopback) as (near, far), Sampler({"near": near}, interval=OFTEN) as sampler:
        for size in (5, 700, 64):
            far.send(bytes(size))
            until(sampler, "near", lambda seen, size=size: seen.inq == size and IN in seen.flags)
            near.recv(size)
            until(sampler, "near", lambda seen: seen.inq == 0 and IN not in seen.flags)
    settled = [
        (seen.flags, seen.inq)
        for seen in of(sampler, "near")
        if bool(seen.inq) is (IN in seen.flags)
    ]
    assert settled == [
        (OUT, 0),
        (IN | OUT, 5),
        (OUT, 0),
        (IN | OUT, 700),
        (OUT, 0),
        (IN | OUT, 64),
        (OUT, 0),
    ]


def test_each_source_has_a_first_record_when_the_sampler_is_made() -> None:
    with unix_pair() as (near, far):
        far.send(b"before")
        with Sampler([near, far], interval=3600.0) as sampler:
            seen = sampler.samples()
            assert sampler.names == (f"fd {near.fileno()}", f"fd {far.fileno()}")
            assert [(one.name, one.flags, one.inq) for one in seen] == [
                (f"fd {near.fileno()}", IN | OUT, 6),
                (f"fd {far.fileno()}", OUT, 0),
            ]
            assert sampler.counters.rounds == 1


def test_nothing_is_recorded_while_nothing_changes() -> None:
    with unix_pair() as (near, far), Sampler([near, far], interval=OFTEN) as sampler:
        assert sampler.wait_rounds(500).rounds >= 501
        assert sampler.counters.records == len(sampler.samples()) == 2


def test_a_queue_is_as_long_as_what_was_sent(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far), Sampler({"far": far}, interval=OFTEN) as sampler:
        lengths = []
        for size in (1, 10, 100, 1000):
            near.sendall(bytes(size))
            lengths.append((lengths or [0])[-1] + size)
            until(sampler, "far", lambda seen: seen.inq == lengths[-1])
        seen = [sample.inq for sample in of(sampler, "far")]
        # Each length that lasted; a segment may come between two parts of a look.
        assert [length for length in dict.fromkeys(seen) if length] == lengths


def test_a_send_queue_is_what_the_peer_has_not_taken(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far), Sampler({"near": near}, interval=OFTEN) as sampler:
        sent = 0
        while (count := near.try_send(bytes(65536))) is not None:
            sent += count
        full = until(sampler, "near", lambda seen: OUT not in seen.flags)
        assert full.outq is not None
        assert 0 < full.outq == near.outq() <= sent
        while sent:
            sent -= len(far.drain(1 << 20).data)
        assert until(sampler, "near", lambda seen: seen.outq == 0).flags == OUT


def test_the_states_of_a_connection_are_seen_at_both_ends(loopback: str) -> None:
    with (
        tcp(loopback).listener() as listener,
        Socket(timeout=MUST_ARRIVE) as near,
        Sampler({"listener": listener, "near": near}, interval=OFTEN) as ends,
    ):
        assert latest(ends, "listener").state is TcpState.LISTEN
        assert latest(ends, "near").state is TcpState.CLOSE
        near.connect(listener.getsockname())
        until(ends, "listener", lambda seen: IN in seen.flags)
        assert latest(ends, "near").state is TcpState.ESTABLISHED
        listener.settimeout(MUST_ARRIVE)
        far, _ = listener.accept()
        assert latest(ends, "listener").flags == PollFlags(0)
        with far, Sampler({"far": far}, interval=OFTEN) as other:
            near.shutdown(socket.SHUT_WR)
            until(other, "far", lambda seen: seen.state is TcpState.CLOSE_WAIT)
            until(ends, "near", lambda seen: seen.state is TcpState.FIN_WAIT2)
            far.close()
            until(other, "far", lambda seen: seen.closed)
            # The kernel keeps TIME_WAIT without the socket.
            ended = until(ends, "near", lambda seen: seen.state is TcpState.CLOSE)
            assert ended.flags == IN | OUT | RDHUP | HUP
        assert [seen.state for seen in of(ends, "near")][-1] is TcpState.CLOSE
        states = list(dict.fromkeys(seen.state for seen in of(other, "far")))
        assert states == [TcpState.ESTABLISHED, TcpState.CLOSE_WAIT, None]


def test_a_connection_attempt_that_hangs_is_seen(loopback: str) -> None:
    with full_listener(loopback) as address, Socket() as sock, Sampler({"it": sock}) as sampler:
        assert sock.connect_ex(address) == errno.EINPROGRESS
        seen = latest(sampler, "it")
        assert (seen.state, seen.flags, seen.inq, seen.outq) == (
            TcpState.SYN_SENT,
            PollFlags(0),
            0,
            0,
        )


def test_a_reset_is_seen_and_its_error_left_for_the_program(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far), Sampler({"near": near}, interval=OFTEN) as sampler:
        reset(far)
        seen = until(sampler, "near", lambda seen: PollFlags.ERR in seen.flags)
        assert HUP in seen.flags
        assert seen.state is TcpState.CLOSE
        sampler.wait_rounds(50)
        assert near.error() == errno.ECONNRESET


def test_out_of_band_data_is_seen_and_left_for_the_program(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far), Sampler({"near": near}, interval=OFTEN) as sampler:
        far.send(b"!", socket.MSG_OOB)
        until(sampler, "near", lambda seen: PollFlags.PRI in seen.flags)
        sampler.wait_rounds(50)
        assert near.recv(1, socket.MSG_OOB) == b"!"


def test_a_datagram_socket_has_the_size_of_the_next_datagram(loopback: str) -> None:
    with (
        Socket(type=socket.SOCK_DGRAM) as receiver,
        Socket(type=socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind((loopback, 0))
        with Sampler({"it": receiver}, interval=OFTEN) as sampler:
            assert latest(sampler, "it").state is None
            for size in (7, 3):
                sender.sendto(bytes(size), receiver.getsockname())
            until(sampler, "it", lambda seen: seen.inq == 7)
            assert len(receiver.recv(100)) == 7
            until(sampler, "it", lambda seen: seen.inq == 3)
            assert len(receiver.recv(100)) == 3


def test_the_time_is_pythons_and_of_the_look(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far), Sampler({"near": near}, interval=OFTEN) as sampler:
        before = time.monotonic_ns()
        far.send(b"x")
        until(sampler, "near", lambda seen: IN in seen.flags)
        after = time.monotonic_ns()
        stamps = [seen.t_ns for seen in of(sampler, "near")]
        assert stamps == sorted(stamps)
        risen = next(seen for seen in of(sampler, "near") if IN in seen.flags)
        assert before <= risen.t_ns <= after


# --- sources that are not ours


@contextmanager
def foreign(kind: str) -> Generator[tuple[object, Callable[[], object], Callable[[], object]]]:
    """A source, what makes it readable, what makes that undone."""
    if kind in {"socket", "number"}:
        near, far = socket.socketpair()
        with near, far:
            source = near if kind == "socket" else near.fileno()
            yield source, lambda: far.send(b"xyz"), lambda: near.recv(3)
    elif kind == "pipe":
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb", 0) as source, os.fdopen(writer, "wb", 0) as sink:
            yield source, lambda: sink.write(b"xyz"), lambda: source.read(3)
    elif kind == "eventfd":
        number = os.eventfd(0, os.EFD_NONBLOCK)
        try:
            yield number, lambda: os.eventfd_write(number, 3), lambda: os.eventfd_read(number)
        finally:
            os.close(number)
    else:
        with unix_pair() as (near, far), Epoll() as epoll:
            epoll.register(near, EventFlags.IN)
            yield epoll, lambda: far.send(b"xyz"), lambda: near.recv(3)


@pytest.mark.parametrize(
    ("kind", "idle", "inq"),
    [
        ("socket", OUT, 3),
        ("number", OUT, 3),
        ("pipe", PollFlags(0), 3),
        ("eventfd", OUT, None),
        ("epoll", PollFlags(0), None),
    ],
)
def test_what_is_not_ours_is_sampled_too(kind: str, idle: PollFlags, inq: int | None) -> None:
    with foreign(kind) as (source, put, take), Sampler({"it": source}, interval=OFTEN) as sampler:
        assert latest(sampler, "it").flags == idle
        assert latest(sampler, "it").inq == (None if inq is None else 0)
        put()
        seen = until(sampler, "it", lambda seen: IN in seen.flags)
        assert (seen.flags, seen.inq, seen.state) == (idle | IN, inq, None)
        assert (seen.outq is None) is (kind in {"pipe", "eventfd", "epoll"})
        sampler.wait_rounds(50)
        take()  # all is there still
        until(sampler, "it", lambda seen: seen.flags == idle)


def test_a_foreign_tcp_socket_has_its_state(loopback: str) -> None:
    with (
        socket.create_server((loopback, 0)) as listener,
        socket.create_connection(listener.getsockname()) as near,
        Sampler({"listener": listener, "near": near}, interval=OFTEN) as sampler,
    ):
        assert latest(sampler, "near").state is TcpState.ESTABLISHED
        assert latest(sampler, "listener").state is TcpState.LISTEN


# --- sources that end


@pytest.mark.parametrize("end", [Socket.close, lambda sock: os.close(sock.detach())])
def test_a_closed_source_has_a_last_record(end: Callable[[Socket], object]) -> None:
    with unix_pair() as (near, far), Sampler({"near": near, "far": far}, interval=OFTEN) as sampler:
        before = time.monotonic_ns()
        end(near)
        last = latest(sampler, "near")
        assert last == Sample(last.t_ns, "near", 0, closed=True)
        assert last.t_ns >= before
        records = len(of(sampler, "near"))
        assert HUP in latest(sampler, "far").flags
        far.close()
        sampler.wait_rounds(50)
        assert len(of(sampler, "near")) == records
        assert latest(sampler, "far").closed


def test_a_forgotten_socket_is_closed_although_it_is_watched() -> None:
    sockets = list(epollkit.socketpair())
    far = sockets.pop()
    with far, Sampler({"near": sockets[0]}, interval=OFTEN) as sampler:
        with pytest.warns(ResourceWarning, match="unclosed"):
            sockets.clear()
        assert far.recv(1) == b""
        assert latest(sampler, "near").closed


def test_a_foreign_source_that_is_closed_has_a_last_record() -> None:
    near, far = socket.socketpair()
    with far, Sampler({"near": near}, interval=OFTEN) as sampler:
        near.close()
        assert latest(sampler, "near").closed


def test_a_number_in_new_hands_is_never_taken_for_the_old_source() -> None:
    near, far = socket.socketpair()
    with near, far, unix_pair() as (other, sender):
        with Sampler({"near": near}, interval=ALWAYS) as sampler:
            sender.send(b"of another")
            os.dup2(other.fileno(), near.fileno())  # the number is never closed in between
            assert latest(sampler, "near").closed
            sender.send(b", and more")
            sampler.wait_rounds(50)
        assert [(seen.inq, seen.closed) for seen in of(sampler, "near")] == [
            (0, False),
            (None, True),
        ]
        assert far.recv(1) == b""  # it was not kept open


# --- what it says it has not seen


@pytest.mark.parametrize("capacity", [1, 7, 64])
def test_the_ring_keeps_the_newest_and_counts_what_it_dropped(capacity: int) -> None:
    with (
        unix_pair() as (near, far),
        Sampler({"near": near}, interval=OFTEN, capacity=capacity) as sampler,
    ):
        assert sampler.capacity == capacity
        for length in range(1, 101):
            far.send(b"x")
            until(sampler, "near", lambda seen, length=length: seen.inq == length)
        sampler.stop()
        kept = sampler.samples()
        counters = sampler.counters
        assert len(kept) == capacity
        assert counters.records == counters.dropped + capacity
        assert counters.records >= 101
        lengths = [seen.inq for seen in kept]
        assert lengths[-1] == 100
        assert lengths == sorted(lengths)


def test_rounds_that_come_too_late_are_counted_and_not_made_up_for(loopback: str) -> None:
    with tcp_pair(loopback) as (near, far):
        before = time.monotonic_ns()
        with Sampler([near, far], interval=ALWAYS) as sampler:
            made = time.monotonic_ns()
            wait_until(lambda: sampler.wait_rounds(100).missed >= 100)
            then = time.monotonic_ns()
            sampler.wait_rounds()
        after = time.monotonic_ns()
        last = sampler.counters
        # One for each interval, taken or missed, and never more: there is no burst.
        turns = last.rounds + last.missed
        assert (then - made) // 1000 <= turns <= (after - before) // 1000 + 1
        assert last.largest_gap_ns >= 1000 * last.missed // last.rounds


def test_on_time_nothing_is_missed() -> None:
    with unix_pair() as (near, _), Sampler([near], interval=3600.0) as sampler:
        wanted = SamplerCounters, 1, 0, 1, 0, 0
        seen = sampler.counters
        assert wanted == (
            type(seen),
            seen.rounds,
            seen.missed,
            seen.records,
            seen.dropped,
            seen.largest_gap_ns,
        )


def test_rounds_are_an_interval_apart() -> None:
    with unix_pair() as (near, _), Sampler([near], interval=0.002) as sampler:
        before = time.monotonic_ns()
        begun = sampler.counters.rounds
        seen = sampler.wait_rounds(10)
        # The first of them may be due at once.
        assert time.monotonic_ns() - before >= 9 * 2_000_000 - seen.largest_gap_ns
        assert seen.rounds >= begun + 10
        assert seen.largest_gap_ns >= 2_000_000


def test_records_keep_coming_while_python_holds_the_gil(loopback: str) -> None:
    with serve.echo(loopback) as peer:
        sock = epollkit.connect(peer.address, timeout=MUST_ARRIVE)
        with sock, ClosedLoop([sock], b"x" * 64), Sampler([sock], interval=OFTEN) as sampler:
            deadline = time.monotonic() + MUST_ARRIVE
            for size in (100_000 << shift for shift in count()):
                rounds = sampler.counters.rounds
                begin = time.monotonic_ns()
                sum(range(size))  # one call of C code, which gives the GIL to nobody
                end = time.monotonic_ns()
                meanwhile = [seen for seen in sampler.samples() if begin < seen.t_ns < end]
                if len(meanwhile) > 20:
                    break
                assert time.monotonic() < deadline, f"{meanwhile} in {(end - begin) / 1e9} s"
            assert sampler.counters.rounds > rounds + 10


def test_records_can_be_read_by_several_threads_at_once() -> None:
    with (
        unix_pair() as (near, far),
        Sampler({"near": near}, interval=OFTEN, capacity=10) as sampler,
    ):
        ends = []

        def read() -> None:
            seen = 0
            while seen < 20:
                samples = sampler.samples()
                assert len(samples) <= 10
                assert [one.t_ns for one in samples] == sorted(one.t_ns for one in samples)
                seen = samples[-1].inq or 0
            ends.append(seen)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for _ in range(20):
            far.send(b"x")
            sampler.wait_rounds()
        for reader in readers:
            reader.join()
        assert ends == [20] * 2


# --- waiting for it


def test_what_happened_before_a_wait_is_seen_by_its_end() -> None:
    with unix_pair() as (near, far), Sampler({"near": near}, interval=ALWAYS) as sampler:
        for _ in range(25):
            far.send(b"x")
            sampler.wait_rounds()
            assert of(sampler, "near")[-1].inq == 1
            near.recv(1)
            sampler.wait_rounds()
            assert of(sampler, "near")[-1].inq == 0


def test_a_wait_for_a_round_that_does_not_come_ends_with_its_time() -> None:
    with unix_pair() as (near, _), Sampler([near], interval=3600.0) as sampler:
        with pytest.raises(WaitTimeout, match="2 more rounds: not within") as caught:
            sampler.wait_rounds(2, timeout=0.01)
        assert caught.value.elapsed >= 0.01
        assert caught.value.seen == sampler.counters


def test_stop_ends_a_wait() -> None:
    with unix_pair() as (near, _), Sampler([near], interval=3600.0) as sampler:
        outcome = []

        def wait() -> None:
            with pytest.raises(WaitTimeout) as caught:
                sampler.wait_rounds(timeout=None)
            outcome.append(caught.value.waited_for)

        waiter = threading.Thread(target=wait)
        waiter.start()
        sampler.stop()
        waiter.join(MUST_ARRIVE)
        assert outcome == ["1 more rounds"]


# --- its end


@pytest.mark.thread_unsafe(reason="looks at all threads and descriptors of the process")
def test_stop_leaves_no_thread_and_no_descriptor() -> None:
    with unix_pair() as (near, far):
        opened, threads = descriptors(), native_threads()
        sampler = Sampler([near, far])
        new = [name for task, name in native_threads().items() if task not in threads]
        assert new == ["epollkit-scope"]
        sampler.stop()
        assert descriptors() == opened
        wait_until(lambda: "epollkit-scope" not in native_threads().values())
        assert len(sampler.samples()) == 2


def test_stopping_again_does_nothing_new_and_the_records_stay() -> None:
    with unix_pair() as (near, far):
        sampler = Sampler([near, far])
        assert not sampler.closed
        stoppers = [threading.Thread(target=sampler.stop) for _ in range(4)]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            stopper.join()
        sampler.stop()
        assert sampler.closed
        seen, counters = sampler.samples(), sampler.counters
        far.send(b"x")
        assert len(seen) == 2
        assert (sampler.samples(), sampler.counters) == (seen, counters)
        with pytest.raises(WaitTimeout):
            sampler.wait_rounds(timeout=None)


def test_close_stops_and_lets_the_records_go() -> None:
    with unix_pair() as (near, _):
        sampler = Sampler([near])
        counters = sampler.counters
        for _ in range(2):
            sampler.close()
            assert sampler.closed
            assert sampler.samples() == []
        assert sampler.counters.records == counters.records == 1


def test_leaving_the_block_stops_and_keeps_the_records() -> None:
    with unix_pair() as (near, _):
        with pytest.raises(KeyError), Sampler([near]) as sampler:
            raise KeyError
        assert sampler.closed
        assert len(sampler.samples()) == 1


@pytest.mark.thread_unsafe(reason="looks at all threads of the process")
def test_a_forgotten_sampler_stops_itself() -> None:
    with unix_pair() as (near, _):
        sampler = Sampler([near])
        assert "epollkit-scope" in native_threads().values()
        del sampler
        gc.collect()
        wait_until(lambda: "epollkit-scope" not in native_threads().values())


def test_a_thread_that_cannot_go_on_says_why() -> None:
    done = python("""
import resource
import epollkit

pairs = [epollkit.socketpair() for _ in range(8)]
sampler = epollkit.Sampler([sock for pair in pairs for sock in pair])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (8, hard))  # poll(2) takes no more entries than that
try:
    sampler.wait_rounds(1 << 40)
except epollkit.WaitTimeout as error:
    print("WaitTimeout:", error.waited_for)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
for end in (sampler.stop, sampler.stop, sampler.close):
    try:
        end()
    except epollkit.HarnessError as error:
        print("HarnessError:", error)
print(sampler.closed, len(sampler.samples()))
for pair in pairs:
    for sock in pair:
        sock.close()
""")
    assert done.stderr == ""
    reason = "HarnessError: epollkit-scope: poll: Invalid argument (os error 22)"
    waited = "WaitTimeout: 1099511627776 more rounds"
    assert done.stdout.splitlines() == [waited, reason, reason, reason, "True 0"]


# --- fork


@forks
def test_a_child_has_no_sampler_and_its_parents_goes_on() -> None:
    with unix_pair() as (near, far), Sampler({"near": near}, interval=OFTEN) as sampler:

        def run() -> None:
            assert sampler.closed
            assert sampler.samples() == []
            with pytest.raises(WaitTimeout):
                sampler.wait_rounds(timeout=None)
            sampler.stop()
            sampler.close()
            with Sampler({"mine": near}) as own:
                assert latest(own, "mine").inq == 0

        with child(run):
            pass
        far.send(b"x")
        assert until(sampler, "near", lambda seen: seen.inq == 1)
        assert not sampler.closed


@pytest.mark.slow
@pytest.mark.timeout(60)
@forks
def test_a_fork_in_the_middle_of_a_look_leaves_no_lock_behind() -> None:
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(unix_pair()) for _ in range(64)]
        sources = [sock for pair in pairs for sock in pair]
        # It does nothing but look, with a cell lent out nearly all of the time.
        stack.enter_context(Sampler(sources, interval=ALWAYS))

        def close_all() -> None:
            for sock in sources:
                sock.close()

        for _ in range(30):
            with child(close_all):
                pass


# --- what it leaves alone


def test_the_peer_sees_the_end_when_close_returns() -> None:
    for _ in range(50):
        with unix_pair() as (near, far), Sampler([near, far], interval=ALWAYS):
            near.close()
            assert far.recv(1) == b""  # nothing waits here: another owner would make it EAGAIN


@pytest.mark.parametrize("watched", [False, True])
def test_edge_triggered_deliveries_are_the_same_with_a_sampler(
    loopback: str, *, watched: bool
) -> None:
    with contextlib.ExitStack() as stack:
        near, far = stack.enter_context(tcp_pair(loopback))
        epoll = stack.enter_context(Epoll())
        epoll.register(near, EventFlags.IN | EventFlags.OUT | EventFlags.RDHUP | EventFlags.ET)
        sampler = stack.enter_context(Sampler([near], interval=ALWAYS)) if watched else None

        def delivered() -> list[EventFlags]:
            if sampler:
                sampler.wait_rounds(20)
            return [event.flags for event in epoll.wait(0)]

        def holds(size: int) -> Callable[[], bool]:
            return lambda: near.inq() == size

        seen = [delivered(), delivered()]
        for size in (3, 6):  # an arrival beside unread data is news
            far.send(b"abc")
            wait_until(holds(size))
            seen += [delivered(), delivered()]
        near.recv(2)
        seen.append(delivered())
        far.shutdown(socket.SHUT_WR)
        poll = select.poll()
        poll.register(near, select.POLLRDHUP)
        assert poll.poll(MUST_ARRIVE * 1000)
        seen += [delivered(), delivered()]
        both = EventFlags.IN | EventFlags.OUT
        assert seen == [
            [EventFlags.OUT],
            [],
            [both],
            [],
            [both],
            [],
            [],
            [both | EventFlags.RDHUP],
            [],
        ]


def is_out_of_room(sock: Socket) -> bool:
    """As poll(2) finds it (`sk_stream_is_writeable`), without asking poll(2): SO_MEMINFO."""
    so_meminfo = 55
    numbers = memoryview(sock.getsockopt(socket.SOL_SOCKET, so_meminfo, 36)).cast("I")
    allowed, queued = numbers[3], numbers[5]
    return allowed - queued < queued >> 1


def no_look(_: Socket) -> None:
    pass


def look_by_poll(sock: Socket) -> None:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    poll.poll(0)


def look_by_sampler(sock: Socket) -> None:
    with Sampler([sock]) as sampler:
        sampler.wait_rounds()


@pytest.mark.parametrize(
    ("look", "deliveries"),
    [(no_look, []), (look_by_poll, [EventFlags.OUT]), (look_by_sampler, [EventFlags.OUT])],
)
def test_the_one_trace_of_a_look_is_that_of_poll(
    loopback: str, look: Callable[[Socket], None], deliveries: list[EventFlags]
) -> None:
    """A full socket at which nobody has looked does not fire EPOLLOUT when there is room again."""
    with (
        tcp(loopback).bound() as listener,
        Socket(timeout=MUST_ARRIVE) as near,
        Epoll() as epoll,
    ):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 50_000)
        listener.listen()
        near.connect(listener.getsockname())
        listener.settimeout(MUST_ARRIVE)
        far, _ = listener.accept()
        with far:
            near.settimeout(0.0)
            epoll.register(near, EventFlags.OUT | EventFlags.ET)
            assert [event.flags for event in epoll.wait(0)] == [EventFlags.OUT]
            sent = 0
            # What is acknowledged makes room again; 100 times in a row it did not.
            while not all(is_out_of_room(near) for _ in range(100)):
                assert near.send(bytes(500)) == 500  # never short, never EAGAIN
                sent += 500
            look(near)
            assert len(epoll.wait(0)) == 0
            while sent:
                sent -= len(far.try_recv(1 << 20) or b"")
            wait_until(lambda: near.outq() == 0)
            assert [event.flags for event in epoll.wait(0)] == deliveries


# --- arguments


def closed_socket() -> Socket:
    sock = Socket()
    sock.close()
    return sock


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (([],), ValueError, "Sampler needs a source"),
        (({},), ValueError, "Sampler needs a source"),
        ((7,), TypeError, "a mapping of names to sources or an iterable of sources, not int"),
        ((None,), TypeError, "not NoneType"),
        (("text",), TypeError, "must be an int, or have a fileno"),
        (([None],), TypeError, "must be an int, or have a fileno"),
        (([-1],), ValueError, "cannot be a negative integer"),
        (([1 << 40],), OverflowError, None),
        (({7: 0},), TypeError, "the name of a source must be a str, not int"),
        (({"one": 0, "two": 0},), ValueError, 'fd 0 is given twice, as "one" and as "two"'),
        (([0, 0],), ValueError, "fd 0 is given twice"),
        (([1 << 30],), OSError, "Bad file descriptor"),
        (([closed_socket()],), OSError, "Bad file descriptor"),
    ],
    ids=str,
)
def test_sources_that_are_none_are_named(
    arguments: tuple, error: type[Exception], text: str | None
) -> None:
    with pytest.raises(error, match=text):
        Sampler(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"interval": 0}, ValueError, "interval must be at least 1e-06 seconds, not 0 ns"),
        ({"interval": 9e-7}, ValueError, "interval must be at least 1e-06 seconds, not 900 ns"),
        ({"interval": -1}, ValueError, "interval must be at least 1e-06 seconds, and not negative"),
        ({"interval": math.nan}, ValueError, "not a number"),
        ({"interval": math.inf}, OverflowError, "out of range"),
        ({"interval": "1"}, TypeError, None),
        ({"interval": None}, TypeError, None),
        ({"capacity": 0}, ValueError, "capacity must be 1 to 16777216 records, not 0"),
        ({"capacity": -5}, ValueError, "capacity must be 1 to 16777216 records, not -5"),
        ({"capacity": 1 << 25}, ValueError, "capacity must be 1 to 16777216 records"),
        ({"capacity": 1.5}, TypeError, None),
    ],
    ids=str,
)
def test_options_out_of_range_are_named(
    options: dict[str, object], error: type[Exception], text: str | None
) -> None:
    with unix_pair() as (near, _), pytest.raises(error, match=text):
        Sampler([near], **options)


def test_a_socket_and_its_number_are_the_same_source() -> None:
    with unix_pair() as (near, _), pytest.raises(ValueError, match="is given twice"):
        Sampler({"socket": near, "number": near.fileno()})


def test_more_sources_than_a_sampler_takes_are_refused_and_not_read_to_their_end() -> None:
    with closing_all() as opened:
        number = os.open("/dev/null", os.O_RDONLY)
        file = os.fdopen(number)
        opened.append(file)
        given = iter(lambda: file, None)  # without end
        with pytest.raises(ValueError, match="at most 256 sources"):
            Sampler(given)


def test_256_sources_are_sampled() -> None:
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(unix_pair()) for _ in range(128)]
        sources = {f"{at}": sock for at, sock in enumerate(sock for pair in pairs for sock in pair)}
        with Sampler(sources, interval=0.001) as sampler:
            assert [seen.name for seen in sampler.samples()] == list(sources)
            pairs[100][1].send(b"x")
            assert until(sampler, "200", lambda seen: seen.inq == 1)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((0,), ValueError, "rounds must be at least 1, not 0"),
        ((-1,), ValueError, "rounds must be at least 1, not -1"),
        ((1, -1.0), ValueError, "Timeout value out of range"),
        (("1",), TypeError, None),
    ],
)
def test_a_wait_for_no_round_is_refused(
    arguments: tuple, error: type[Exception], text: str | None
) -> None:
    with unix_pair() as (near, _), Sampler([near]) as sampler, pytest.raises(error, match=text):
        sampler.wait_rounds(*arguments)


# --- values


def test_a_sample_is_a_value() -> None:
    sample = Sample(12, "near", IN | OUT, 3, 0, 1)
    same = Sample(t_ns=12, name="near", flags=5, inq=3, outq=0, state=TcpState.ESTABLISHED)
    assert sample == same
    assert hash(sample) == hash(same)
    assert {sample, same} == {same}
    assert sample != Sample(13, "near", IN | OUT, 3, 0, 1)
    assert sample != Sample(12, "far", IN | OUT, 3, 0, 1)
    assert (sample.flags, sample.state) == (IN | OUT, TcpState.ESTABLISHED)
    assert type(sample.flags) is PollFlags
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(sample, protocol)) == sample  # noqa: S301
    assert copy.deepcopy(sample) == sample
    with pytest.raises(AttributeError):
        sample.inq = 4


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        (
            Sample(12, "near", IN | OUT, 3, 0, 1),
            "Sample(t_ns=12, name='near', flags=IN|OUT, inq=3, outq=0, state=ESTABLISHED)",
        ),
        (Sample(1, "it's", 0), 'Sample(t_ns=1, name="it\'s", flags=0)'),
        (Sample(1, "new", 1, state=99), "Sample(t_ns=1, name='new', flags=IN, state=99)"),
        (Sample(1, "gone", 0, closed=True), "Sample(t_ns=1, name='gone', closed=True)"),
    ],
)
def test_a_sample_says_what_was_seen(sample: Sample, text: str) -> None:
    assert repr(sample).replace("PollFlags(0)", "0") == text


def test_a_sampler_says_what_it_does() -> None:
    with unix_pair() as (near, _):
        with Sampler([near], interval=3600) as sampler:
            shown = "sources=1 interval=3600.0 rounds=1 missed=0 records=1 dropped=0>"
            assert repr(sampler) == f"<epollkit.Sampler sampling {shown}"
            assert sampler.interval == 3600.0
            counters = "rounds=1, missed=0, records=1, dropped=0, largest_gap_ns=0"
            assert repr(sampler.counters) == f"SamplerCounters({counters})"
            assert sampler.counters == sampler.counters
        assert repr(sampler) == f"<epollkit.Sampler closed {shown}"


def test_the_defaults_are_50_us_and_65536_records() -> None:
    with unix_pair() as (near, _), Sampler([near]) as sampler:
        assert (sampler.interval, sampler.capacity) == (50e-6, 65_536)


def test_a_sampler_is_of_this_process() -> None:
    with unix_pair() as (near, _), Sampler([near]) as sampler:
        with pytest.raises(TypeError, match=r"cannot pickle 'epollkit\.Sampler' object"):
            pickle.dumps(sampler)
        with pytest.raises(TypeError):
            copy.copy(sampler)
