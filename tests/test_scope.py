"""What a `Scope` records is what happened, and recording changes nothing."""

import errno
import gc
import os
import select
import selectors
import socket
import threading
import time
import weakref
from typing import Any

import pytest

from endpoints import must_be_waiting
from epoll_support import tcp_pair, unix_pair
from epollkit import (
    EPOLLET,
    EPOLLIN,
    EPOLLONESHOT,
    EPOLLOUT,
    Epoll,
    EventFlags,
    Poll,
    PollFlags,
    Scope,
    Socket,
    TcpState,
    Trace,
)
from epollkit.scope import Call, Mark, MarkKind, Mistake, Probe
from support import MUST_ARRIVE, wait_until

IN, OUT = EventFlags.IN, EventFlags.OUT
NOTHING = EventFlags(0)


def calls(trace: Trace) -> list[tuple[str, str]]:
    return [(str(call), call.result) for call in trace.calls]


def three_probes(scope: Scope, source: Socket) -> None:
    scope.probe("LT", source, EPOLLIN)
    scope.probe("ET", source, EPOLLIN | EPOLLET)
    scope.probe("ONESHOT", source, EPOLLIN | EPOLLONESHOT)


def test_probes_are_told_what_their_trigger_says(loopback: str) -> None:
    with Scope() as scope, tcp_pair(loopback) as pair:
        near, far = map(scope.watch, pair, ("near", "far"))
        three_probes(scope, near)
        scope.wait()
        far.send(b"hello")
        scope.wait()
        scope.wait()
        near.recv(2)
        scope.wait()
        far.send(b"!")
        scope.wait()
        scope.rearm()
        scope.wait()
        near.drain()
        scope.wait()
        trace = scope.trace
    assert trace.deliveries("LT") == [0, IN, IN, IN, IN, IN, 0]
    assert trace.deliveries("ET") == [0, IN, 0, 0, IN, IN, 0]
    assert trace.deliveries("ONESHOT") == [0, IN, 0, 0, 0, IN, 0]
    arrivals = [str(tick.call) for tick in trace.ticks if tick.arrivals == {"near"}]
    assert arrivals == ["far.send 5", "far.send 1"]


def test_a_tick_has_the_looks_before_and_after(loopback: str) -> None:
    with Scope() as scope, tcp_pair(loopback) as pair:
        near, far = map(scope.watch, pair, ("near", "far"))
        far.send(b"hello")
        near.recv(2)
        far.shutdown(socket.SHUT_WR)
        send, recv, shutdown = scope.trace.ticks
    assert (send.before["near"].unread, send.after["near"].unread) == (0, 5)
    assert (send.before["near"].level, send.after["near"].level) == (OUT, IN | OUT)
    assert (recv.before["near"].unread, recv.after["near"].unread) == (5, 3)
    assert shutdown.before["near"].state is TcpState.ESTABLISHED
    assert shutdown.after["near"].state is TcpState.CLOSE_WAIT
    assert shutdown.after["far"].state in (TcpState.FIN_WAIT1, TcpState.FIN_WAIT2)  # as the ACK is
    assert shutdown.after["near"].level == PollFlags.IN | PollFlags.OUT | PollFlags.RDHUP
    assert send.began_ns <= send.ended_ns <= recv.began_ns


def test_a_listener_shows_the_connections_that_wait(loopback: str) -> None:
    with Scope() as scope, Socket() as listener, Socket() as client:
        listener.bind((loopback, 0))
        listener.listen()
        watched = scope.watch(listener, "listener")
        scope.watch(client, "client").connect_ex(listener.getsockname())
        accepted, _ = watched.accept()
        accepted.close()
        connect, accept, _ = scope.trace.ticks
    assert (connect.before["listener"].unread, connect.after["listener"].unread) == (0, 1)
    assert accept.after["listener"].unread == 0
    assert accept.after["listener"].state is TcpState.LISTEN
    assert connect.arrivals == {"listener"}


def test_errors_are_recorded_and_raised() -> None:
    with Scope() as scope, unix_pair() as (end, _):
        near = scope.watch(end, "near")
        with pytest.raises(BlockingIOError):
            near.recv(1)
        (call,) = scope.trace.calls
    assert call == Call("near", "recv", "1", "EAGAIN", errno.EAGAIN)


def test_results_and_arguments_are_in_few_words(loopback: str) -> None:
    with Scope() as scope, tcp_pair(loopback) as pair, Epoll() as bare:
        near, far = map(scope.watch, pair, ("near", "far"))
        epoll = scope.watch(bare, "epoll")
        near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 2)
        epoll.register(near, EPOLLIN | EPOLLET)
        far.send(b"ab")
        assert len(epoll.wait(0)) == 1
        assert epoll.poll(0) == []
        assert near.recvfrom(8)[0] == b"ab"
        assert near.try_recv(8) is None
        epoll.unregister(near)
        near.close()
        assert calls(scope.trace) == [
            ("near.setsockopt SO_RCVLOWAT 2", ""),
            ("epoll.register near IN|ET", ""),
            ("far.send 2", "2"),
            ("epoll.wait", "near IN"),
            ("epoll.poll", "nothing"),
            ("near.recvfrom 8", "2"),
            ("near.try_recv 8", "EAGAIN"),
            ("epoll.unregister near", ""),
            ("near.close", ""),
        ]


def test_a_set_of_the_experiments_own_has_a_probe_for_each_source() -> None:
    with Scope() as scope, unix_pair() as pair, Epoll() as bare:
        near, far = map(scope.watch, pair, ("near", "far"))
        epoll = scope.watch(bare, "epoll")
        epoll.register(near, EPOLLIN)
        epoll.register(far, EPOLLOUT | EPOLLET)
        far.send(b"x")
        epoll.wait(0)
        epoll.modify(near, EPOLLIN | EPOLLONESHOT)
        epoll.wait(0)
        epoll.wait(0)
        epoll.rearm(near)
        epoll.wait(0)
        epoll.unregister(near)
        epoll.wait(0)
        trace = scope.trace
    assert trace.probes == (
        Probe("epoll", "epoll", "near", IN | EventFlags.ONESHOT),
        Probe("epoll far", "epoll", "far", OUT | EventFlags.ET),
    )
    assert trace.deliveries("epoll") == [IN, IN, 0, IN]
    assert trace.deliveries("epoll far") == [OUT, 0, 0, 0, 0]
    marks = [tick.marks["epoll"] for tick in trace.ticks if "epoll" in tick.marks]
    assert marks[0] == Mark(MarkKind.ARMED, IN)
    assert marks[-1] == Mark(MarkKind.REMOVED)


@pytest.mark.parametrize("make", [select.epoll, select.poll, Poll, selectors.DefaultSelector])
def test_sets_of_every_kind_are_understood(make: Any) -> None:  # noqa: ANN401
    own: Any = make()
    try:
        with Scope() as scope, unix_pair() as pair:
            near, far = map(scope.watch, pair, ("near", "far"))
            watched = scope.watch(own, "set")
            watched.register(near, selectors.EVENT_READ if hasattr(own, "select") else EPOLLIN)
            far.send(b"x")
            ask = watched.select if hasattr(own, "select") else watched.poll
            ask(0)
            near.recv(1)
            ask(0)
            assert scope.trace.deliveries("set") == [IN, 0]
            watched.unregister(near)
    finally:
        if hasattr(own, "close"):
            own.close()


def test_to_watch_a_stand_in_is_to_have_it() -> None:
    with Scope() as scope, unix_pair() as (end, _):
        near = scope.watch(end, "near")
        assert scope.watch(near, "another name") is near
        assert [source.name for source in scope.trace.sources] == ["near"]


def test_a_stand_in_is_the_thing_itself() -> None:
    with Scope() as scope, unix_pair() as (end, _):
        near = scope.watch(end, "near")
        assert isinstance(near, Socket)
        assert near == end
        assert hash(near) == hash(end)
        assert near.fileno() == end.fileno()
        assert near.family == socket.AF_UNIX
        assert select.select([near], [near], [], 0) == ([], [near], [])
        assert "near" in repr(near)
        with near as same:
            assert same is near
        assert end.closed


def test_the_stdlibs_sockets_can_be_watched(loopback: str) -> None:
    with socket.create_server((loopback, 0)) as listener, Scope() as scope:
        watched = scope.watch(listener, "listener")
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = watched.accept()
            with accepted:
                scope.watch(client, "client").sendall(b"abc")
                wait_until(lambda: bool(select.select([accepted], [], [], 0)[0]))
                assert accepted.recv(9) == b"abc"
        assert scope.trace.ticks[-2].call == Call("accepted", "recv", "9", "3")
        assert scope.trace.ticks[1].after["accepted"].state is TcpState.ESTABLISHED


def test_a_number_is_looked_at() -> None:
    reader, writer = os.pipe()
    try:
        with Scope() as scope:
            assert scope.watch(reader, "pipe") == reader
            scope.probe("ET", reader, EPOLLIN | EPOLLET)
            scope.call(os.write, writer, b"abc")
            scope.wait()
            scope.wait()
            assert scope.trace.deliveries("ET") == [IN, 0]
            assert scope.trace.ticks[0].after["pipe"].unread == 3
            assert calls(scope.trace)[0] == (f"write {writer} 3", "3")
    finally:
        os.close(reader)
        os.close(writer)


def test_what_accept_and_dup_make_is_watched(loopback: str) -> None:
    with Scope() as scope, Socket(timeout=MUST_ARRIVE) as bare, Socket() as client:
        listener = scope.watch(bare, "listener")
        listener.bind((loopback, 0))
        listener.listen()
        client.connect_ex(listener.getsockname())
        accepted, _ = listener.accept()
        copy = accepted.dup()
        with pytest.raises(BlockingIOError):
            copy.recv(1)
        copy.close()
        accepted.close()
        names = [source.name for source in scope.trace.sources]
        assert names == ["listener", "accepted", "dup"]
        assert calls(scope.trace)[-3:] == [
            ("dup.recv 1", "EAGAIN"),
            ("dup.close", ""),
            ("accepted.close", ""),
        ]


def test_calls_of_other_threads_say_so() -> None:
    with Scope() as scope, unix_pair() as pair:
        near, far = map(scope.watch, pair, ("near", "far"))
        thread = threading.Thread(target=far.send, args=(b"x",), name="other")
        thread.start()
        thread.join(MUST_ARRIVE)
        near.recv(1)
        assert [(call.name, call.thread) for call in scope.trace.calls] == [
            ("send", "other"),
            ("recv", ""),
        ]


def test_nothing_is_recorded_during_a_pause_but_registrations_are_kept() -> None:
    with Scope() as scope, unix_pair() as pair, Epoll() as bare:
        near, far = map(scope.watch, pair, ("near", "far"))
        epoll = scope.watch(bare, "epoll")
        with scope.paused():
            epoll.register(near, EPOLLIN)
            far.send(b"x")
        epoll.wait(0)
        assert calls(scope.trace) == [("epoll.wait", "near IN")]
        assert scope.trace.deliveries("epoll") == [IN]


def test_a_full_scope_counts_what_it_drops() -> None:
    with Scope(capacity=2) as scope, unix_pair() as (end, _):
        near = scope.watch(end, "near")
        for _ in range(5):
            near.try_recv(1)
        assert len(scope.trace.ticks) == 2
        assert scope.trace.dropped == 3
        assert "3 more calls were not kept" in str(scope.trace)


def test_looking_takes_nothing_and_clears_nothing(loopback: str) -> None:
    with Scope() as scope, Socket() as refused, Socket() as bound:
        bound.bind((loopback, 0))  # and does not listen
        client = scope.watch(refused, "client")
        assert client.connect_ex(bound.getsockname()) == errno.EINPROGRESS
        scope.note("refused")
        look = scope.trace.ticks[-1].after["client"]
        assert look.level & (PollFlags.ERR | PollFlags.HUP) == PollFlags.ERR | PollFlags.HUP
        assert client.error() == errno.ECONNREFUSED
        assert client.error() == 0


def test_a_closed_source_is_not_what_has_its_number_now() -> None:
    with Scope() as scope, unix_pair() as (end, _):
        near = scope.watch(end, "near")
        near.close()
        with Socket() as other:  # takes the lowest number that is free
            scope.note("closed")
            assert scope.trace.ticks[-1].after["near"].level == PollFlags.NVAL
            assert scope.trace.ticks[-1].after["near"].state is None
            assert other.fileno() >= 0


def test_an_exception_takes_the_picture_along() -> None:
    with unix_pair() as (end, _), pytest.raises(BlockingIOError) as caught, Scope("why") as scope:
        scope.watch(end, "near").recv(1)
    (note,) = caught.value.__notes__
    assert note == str(scope.trace)
    assert "recv 1" in note


def test_the_trace_stays_when_the_scope_is_closed() -> None:
    with unix_pair() as (end, _), Scope() as scope:
        near = scope.watch(end, "near")
        near.send(b"x")
    assert calls(scope.trace) == [("near.send 1", "1")]
    assert scope.closed
    with pytest.raises(ValueError, match="closed"):
        scope.watch(end, "again")
    with pytest.raises(ValueError, match="closed"):
        scope.probe("LT", near, EPOLLIN)


def test_a_stand_in_outlives_its_scope(loopback: str) -> None:
    with Socket(timeout=MUST_ARRIVE) as bare, Socket() as client:
        with Scope() as scope:
            listener = scope.watch(bare, "listener")
            listener.bind((loopback, 0))
            listener.listen()
        client.connect_ex(listener.getsockname())
        accepted, _ = listener.accept()
        assert type(accepted) is Socket
        accepted.close()
        assert [call.name for call in scope.trace.calls] == ["bind", "listen"]


def test_a_scope_may_be_closed_while_a_call_goes_on() -> None:
    with unix_pair() as pair:
        with Scope() as scope:
            near, far = map(scope.watch, pair, ("near", "far"))
            near.settimeout(MUST_ARRIVE)
            received = list[bytes]()
            thread = threading.Thread(target=lambda: received.append(near.recv(1)))
            thread.start()
            must_be_waiting(thread.native_id or 0)
        far.send(b"x")
        thread.join(MUST_ARRIVE)
        assert received == [b"x"]
        assert [call.name for call in scope.trace.calls] == ["settimeout"]


def test_a_scope_keeps_nothing_alive_that_it_did_not_watch() -> None:
    with Scope() as scope, unix_pair() as (near, _):
        near.send(b"x")
        gone = weakref.ref(near)
        del near
    gc.collect()
    assert gone() is None
    assert scope.trace.ticks == ()


def test_times_are_of_the_trace() -> None:
    with Scope() as scope, unix_pair() as pair:
        began = time.monotonic_ns()
        near = scope.watch(pair[0], "near")
        near.settimeout(0.01)
        with pytest.raises(TimeoutError):
            near.recv(1)
        ended = time.monotonic_ns()
        tick = scope.trace.ticks[-1]
        assert 10_000_000 <= tick.ended_ns - tick.began_ns <= ended - began


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda scope, _: scope.watch(Poll(), "near"), ValueError, "'near' is watched already"),
        (lambda scope, near: scope.probe("LT", near, EPOLLIN), ValueError, "'LT' is a set already"),
        (lambda scope, _: scope.probe("X", 0, EPOLLIN), ValueError, "watch it first"),
        (lambda scope, _: scope.trace.deliveries("no"), KeyError, "no probe 'no'; probes: LT"),
        (lambda scope, _: scope.wait("none"), KeyError, "no probe 'none'; probes: LT"),
        (lambda scope, _: scope.rearm("LT", "x"), KeyError, "no probe 'x'; probes: LT"),
        (lambda _scope, _: Scope(capacity=0), ValueError, "at least 1 tick"),
    ],
)
def test_bad_input_is_named(wrong: Any, error: type[Exception], words: str) -> None:  # noqa: ANN401
    with Scope() as scope, unix_pair() as (end, _):
        near = scope.watch(end, "near")
        scope.probe("LT", near, EPOLLIN)
        with pytest.raises(error, match=words):
            wrong(scope, near)


def test_a_prediction_is_laid_over_the_deliveries() -> None:
    with Scope() as scope, unix_pair() as pair:
        near, far = map(scope.watch, pair, ("near", "far"))
        scope.probe("ET", near, EPOLLIN | EPOLLET)
        far.send(b"abc")
        for _ in range(3):
            scope.wait()
        trace = scope.trace
    assert trace.predict(ET="100").mistakes == []
    assert trace.predict(ET="●·●").mistakes == [Mistake("ET", 2, predicted=True)]
    assert trace.predict(ET=[False, 0, None]).mistakes == [Mistake("ET", 0, predicted=False)]
    assert "✗" in str(trace.predict(ET="101"))
    assert "✗" not in str(trace.predict(ET="100"))
    with pytest.raises(ValueError, match="2 guesses for 3 waits"):
        trace.predict(ET="10")
    with pytest.raises(KeyError, match="no probe 'LT'"):
        trace.predict(LT="10")


def test_the_calls_on_one_thing_can_be_kept_alone() -> None:
    with Scope() as scope, unix_pair() as pair:
        near, far = map(scope.watch, pair, ("near", "far"))
        far.send(b"x")
        near.recv(1)
        scope.note("done")
    trace = scope.trace
    assert [str(call) for call in trace.only("near").calls] == ["near.recv 1"]
    assert [str(call) for call in trace.only("far", "").calls] == ["far.send 1", "done"]
    assert trace.only("near").sources == trace.sources


def test_a_sampler_sees_what_happens_between_the_calls(loopback: str) -> None:
    with Scope() as scope, tcp_pair(loopback) as (bare, far):
        near = scope.watch(bare, "near")
        scope.probe("LT", near, EPOLLIN)
        with scope.sampling(interval=100e-6) as sampler:
            far.send(b"hello")  # not watched
            sampler.wait_rounds(2, MUST_ARRIVE)
            near.recv(2)
            sampler.wait_rounds(2, MUST_ARRIVE)
            far.shutdown(socket.SHUT_WR)
            sampler.wait_rounds(2, MUST_ARRIVE)
        scope.wait()
        trace = scope.trace
    seen = [tick.after["near"].unread for tick in trace.ticks if not tick.call.name]
    assert seen[0] == 5
    assert 3 in seen
    assert any(tick.after["near"].state is TcpState.CLOSE_WAIT for tick in trace.ticks[:-1])
    assert [call.name for call in trace.calls if call.name] == ["recv", "wait"]
    ended = [tick.ended_ns for tick in trace.ticks]
    assert ended == sorted(ended)
    (note,) = trace.notes
    assert note.startswith("sampled every 100 us: ")
    assert "0 of" in note
    assert note in str(trace)
    assert "Sampled every 100 us" in trace.svg(axis="time")
    assert Trace.from_json(trace.to_json()) == trace


def test_what_a_sampler_dropped_is_said(loopback: str) -> None:
    with Scope() as scope, tcp_pair(loopback) as (bare, far):
        near = scope.watch(bare, "near")
        with scope.sampling(interval=50e-6, capacity=2) as sampler:
            for _ in range(3):
                far.send(b"x")
                sampler.wait_rounds(2, MUST_ARRIVE)
            with scope.paused():
                near.recv(3)
        (note,) = scope.trace.notes
    dropped = sampler.counters.dropped
    assert dropped > 0
    assert f"{dropped} of {sampler.counters.records} records dropped" in note


def test_to_sample_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="source"), Scope() as scope, scope.sampling():
        pass
