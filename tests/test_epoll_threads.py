"""One set, many threads; and a set that two processes have."""

import errno
import os
import queue
import select
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import pytest

from epoll_support import flags_of, sleeps_in_epoll, unix_pair
from epollkit import ClosedEpollError, Epoll, EventFlags, Socket
from fork_support import child, forks
from support import MUST_ARRIVE, wait_until

IN, OUT = EventFlags.IN, EventFlags.OUT
ET, ONESHOT = EventFlags.ET, EventFlags.ONESHOT
THREADS = 4


class Waiters:
    """Threads asleep in one set. `outcomes` has what each call returned, or its exception."""

    def __init__(self, epoll: Epoll, *calls: Callable[[Epoll], object]) -> None:
        self.outcomes: queue.Queue[object] = queue.Queue()
        self.threads = []
        number = epoll.fileno()
        for call in calls:
            thread = threading.Thread(target=self.run, args=(call, epoll))
            thread.start()
            task = thread.native_id or 0
            self.threads.append(thread)
            wait_until(lambda: sleeps_in_epoll(task, number))  # noqa: B023

    def run(self, call: Callable[[Epoll], object], epoll: Epoll) -> None:
        try:
            self.outcomes.put(call(epoll))
        except Exception as error:  # noqa: BLE001
            self.outcomes.put(error)

    def join(self) -> list[object]:
        for thread in self.threads:
            thread.join(MUST_ARRIVE)
            assert not thread.is_alive()
        return [self.outcomes.get_nowait() for _ in self.threads]


def polls(epoll: Epoll) -> object:
    return epoll.poll(None)


def waits(epoll: Epoll) -> object:
    return [(event.data, event.flags) for event in epoll.wait(None)]


def waits_long(epoll: Epoll) -> object:
    return epoll.wait(1e6)


@contextmanager
def eventfd() -> Generator[int]:
    number = os.eventfd(0, os.EFD_NONBLOCK)
    try:
        yield number
    finally:
        os.close(number)


# --- closing


def test_close_ends_the_wait_of_every_thread() -> None:
    with unix_pair() as (near, _):
        epoll = Epoll()
        epoll.register(near, IN)
        waiters = Waiters(epoll, polls, waits, waits_long, waits)
        epoll.close()
        for outcome in waiters.join():
            assert isinstance(outcome, ClosedEpollError)
            assert outcome.errno == errno.EBADF


def test_a_waiter_of_a_closed_set_sees_nothing_of_what_is_opened_next() -> None:
    with ExitStack() as stack:
        epoll = Epoll()
        waiters = Waiters(epoll, polls, waits, polls, waits)
        epoll.close()
        for _ in range(4):
            near, far = stack.enter_context(unix_pair())
            far.send(b"x")
            another = stack.enter_context(Epoll())
            another.register(near, IN)
            assert flags_of(another) == [IN]
        assert [type(outcome) for outcome in waiters.join()] == [ClosedEpollError] * 4


def test_a_duplicate_of_a_closed_set_goes_on_and_has_no_leftovers() -> None:
    with unix_pair() as (near, far):
        epoll = Epoll()
        epoll.register(near, IN)
        with select.epoll.fromfd(os.dup(epoll.fileno())) as duplicate:
            waiters = Waiters(epoll, *[waits] * THREADS)
            epoll.close()
            waiters.join()
            assert duplicate.poll(0) == []
            far.send(b"x")
            assert [mask for _, mask in duplicate.poll(0)] == [IN]


def test_a_thread_that_waits_on_a_duplicate_does_not_notice() -> None:
    with unix_pair() as (near, far):
        epoll = Epoll()
        epoll.register(near, IN)
        with Epoll.fromfd(os.dup(epoll.fileno())) as duplicate:
            closed = Waiters(epoll, waits)
            going_on = Waiters(duplicate, polls)
            epoll.close()
            assert isinstance(closed.join()[0], ClosedEpollError)
            far.send(b"x")
            assert going_on.join() == [[(near.fileno(), IN)]]


def test_of_many_threads_that_close_a_set_none_fails() -> None:
    epoll = Epoll()
    waiters = Waiters(epoll, waits)
    start = threading.Barrier(THREADS)
    failed: list[BaseException] = []

    def close() -> None:
        start.wait(MUST_ARRIVE)
        try:
            epoll.close()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    closers = [threading.Thread(target=close) for _ in range(THREADS)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join()
    assert failed == []
    assert isinstance(waiters.join()[0], ClosedEpollError)


def test_close_and_timeouts_may_meet() -> None:
    for _ in range(50):
        epoll = Epoll()
        outcomes: queue.Queue[object] = queue.Queue()

        def wait(epoll: Epoll = epoll, outcomes: queue.Queue[object] = outcomes) -> None:
            try:
                while epoll.poll(1e-6) == []:
                    pass
            except ClosedEpollError:
                outcomes.put("closed")

        threads = [threading.Thread(target=wait) for _ in range(2)]
        with select.epoll.fromfd(os.dup(epoll.fileno())) as duplicate:
            for thread in threads:
                thread.start()
            epoll.close()
            for thread in threads:
                thread.join()
            assert [outcomes.get_nowait() for _ in threads] == ["closed"] * 2
            assert duplicate.poll(0) == []


# --- changes while a thread waits


def test_what_another_thread_registers_ends_a_wait() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        waiters = Waiters(epoll, waits)
        epoll.register(near, OUT, data="mine")
        assert waiters.join() == [[("mine", OUT)]]


def test_what_another_thread_rearms_ends_a_wait() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, OUT | ONESHOT)
        assert flags_of(epoll) == [OUT]
        waiters = Waiters(epoll, waits)
        epoll.rearm(near)
        assert waiters.join() == [[(None, OUT)]]


def test_what_another_thread_modifies_ends_a_wait_with_the_new_data() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, IN, data="old")
        waiters = Waiters(epoll, waits)
        epoll.modify(near, OUT, data="new")
        assert waiters.join() == [[("new", OUT)]]


def test_what_another_thread_unregisters_or_closes_stays_silent() -> None:
    with (
        unix_pair() as (one, its_peer),
        unix_pair() as (two, another_peer),
        eventfd() as end,
        Epoll() as epoll,
    ):
        epoll.register(one, IN, data="one")
        epoll.register(two, IN, data="two")
        epoll.register(end, IN, data="end")
        waiters = Waiters(epoll, waits)
        epoll.unregister(one)
        its_peer.send(b"x")
        two.close()
        with suppress(BrokenPipeError):
            another_peer.send(b"x")
        os.eventfd_write(end, 1)
        assert waiters.join() == [[("end", IN)]]


def test_threads_that_register_wait_and_unregister_on_one_set_do_not_disturb_each_other() -> None:
    rounds = 100
    done: queue.Queue[object] = queue.Queue()
    with ExitStack() as stack:
        epoll = stack.enter_context(Epoll())
        pairs = [stack.enter_context(unix_pair()) for _ in range(THREADS)]

        def work(number: int, near: Socket, far: Socket) -> None:
            try:
                for turn in range(rounds):
                    mine = (number, turn)
                    epoll.register(near, IN, data=mine)
                    far.send(b"x")
                    while mine not in {event.data for event in epoll.wait(MUST_ARRIVE)}:
                        pass
                    assert near.recv(2) == b"x"
                    epoll.modify(near, OUT, data=mine)
                    epoll.unregister(near)
                done.put(rounds)
            except BaseException as error:  # noqa: BLE001
                done.put(error)

        threads = [
            threading.Thread(target=work, args=(number, *pair)) for number, pair in enumerate(pairs)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [done.get_nowait() for _ in threads] == [rounds] * THREADS
        assert repr(epoll) == f"<epollkit.Epoll fd={epoll.fileno()} registered=0>"
        assert epoll.poll(0) == []


# --- who gets an event


def takers(mask: int) -> list[object]:
    """What each of four threads in one set got first, after one arrival that nobody reads.

    The end is told to those whom the arrival did not reach.
    """
    with unix_pair() as (near, far), eventfd() as end, Epoll() as epoll:
        epoll.register(near, mask, data="arrival")
        waiters = Waiters(epoll, *[waits] * THREADS)
        far.send(b"x")
        if mask & (ET | ONESHOT):
            first = waiters.outcomes.get(timeout=MUST_ARRIVE)
            waiters.outcomes.put(first)
            epoll.register(end, IN, data="end")
            os.eventfd_write(end, 1)
        return sorted(waiters.join(), key=str)


def test_level_triggered_every_thread_gets_what_nobody_reads() -> None:
    assert takers(IN) == [[("arrival", IN)]] * THREADS


@pytest.mark.parametrize("mode", [ET, ONESHOT, ET | ONESHOT], ids=["et", "oneshot", "both"])
def test_edge_triggered_or_one_shot_one_thread_gets_an_arrival(mode: EventFlags) -> None:
    assert takers(IN | mode) == [[("arrival", IN)]] + [[("end", IN)]] * (THREADS - 1)


def test_edge_triggered_the_next_arrival_goes_to_another_thread_while_the_first_works() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN | ET)
        waiters = Waiters(epoll, waits, waits)
        far.send(b"x")
        waiters.outcomes.put(waiters.outcomes.get(timeout=MUST_ARRIVE))
        far.send(b"x")  # the first thread has not read yet: now two have the same socket
        assert waiters.join() == [[(None, IN)]] * 2


class Client:
    """A socket that only one thread may have at a time, and what it has received."""

    def __init__(self, near: Socket) -> None:
        self.near = near
        self.received = bytearray()
        self.held = threading.Lock()

    def serve(self, epoll: Epoll) -> None:
        assert self.held.acquire(blocking=False)
        self.received += self.near.recv(1)
        self.held.release()
        epoll.rearm(self.near)


def serve_until(end: int, epoll: Epoll) -> object:
    while True:
        for event in epoll.wait(MUST_ARRIVE, 1):
            if event.fd == end:
                return "end"
            event.data.serve(epoll)


def test_with_oneshot_no_two_threads_ever_have_the_same_socket() -> None:
    message = bytes(range(50))
    with ExitStack() as stack:
        epoll = stack.enter_context(Epoll())
        end = stack.enter_context(eventfd())
        pairs = [stack.enter_context(unix_pair()) for _ in range(3)]
        clients = [Client(near) for near, _ in pairs]
        epoll.register(end, IN)
        for client in clients:
            epoll.register(client.near, IN | ONESHOT, data=client)
        waiters = Waiters(epoll, *[partial(serve_until, end)] * THREADS)
        for at in range(len(message)):
            for _, far in pairs:
                far.send(message[at : at + 1])
        with suppress(AssertionError):  # a failed thread is told of by join
            wait_until(lambda: all(client.received == message for client in clients))
        os.eventfd_write(end, 1)
        assert waiters.join() == ["end"] * THREADS
        assert [bytes(client.received) for client in clients] == [message] * 3


# --- fork


@forks
def test_a_child_has_the_set_with_its_data() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN, data="mine")
        far.send(b"x")

        def run() -> None:
            assert waits(epoll) == [("mine", IN)]

        with child(run):
            pass
        assert waits(epoll) == [("mine", IN)]


@forks
def test_a_set_that_a_child_closes_stays_open_here() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN, data="mine")

        def run() -> None:
            epoll.close()
            assert epoll.closed

        with child(run):
            pass
        far.send(b"x")
        assert waits(epoll) == [("mine", IN)]


@forks
def test_the_interest_list_is_shared_with_a_child() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, OUT, data="near")

        def run() -> None:
            epoll.unregister(near)
            epoll.register(far, OUT)

        with child(run):
            pass
        assert epoll.poll(0) == [(far.fileno(), OUT)]
        with pytest.raises(FileNotFoundError):
            epoll.rearm(near)


@forks
def test_an_arrival_ends_the_wait_of_a_child() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN, data="mine")

        def run() -> None:
            assert waits(epoll) == [("mine", IN)]

        with child(run):
            far.send(b"x")


@forks
def test_a_child_may_close_a_set_in_which_a_thread_of_the_parent_waits() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, IN)
        waiters = Waiters(epoll, polls)
        with child(epoll.close):
            pass
        far.send(b"x")
        assert waiters.join() == [[(near.fileno(), IN)]]
