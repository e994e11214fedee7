"""The same operations on `select.epoll` and `socket.socket` and on ours: the same trace."""

import os
import select
import socket
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import epollkit
from epoll_support import stream_pair, unix_pair
from epollkit import EventFlags
from support import MUST_ARRIVE

Operation = tuple[Any, ...]
Steps = st.SearchStrategy[Operation]
Set = select.epoll | epollkit.Epoll
End = socket.socket | epollkit.Socket

NAMES = ("a", "b", "c", "d")  # two pairs: a-b and c-d
SLOTS = st.sampled_from(["a", "a", "a", "b", "b", "c", "d", "a'"])  # a' is a duplicate of a
MODES = [0, EventFlags.ET, EventFlags.ONESHOT, EventFlags.ET | EventFlags.ONESHOT]
BITS = [*EventFlags, select.EPOLLRDNORM, 1 << 20, 1 << 40]
MASKS = st.one_of(
    st.sampled_from([int(EventFlags.IN | EventFlags.OUT | mode) for mode in MODES]),
    st.sets(st.sampled_from(BITS), max_size=4).map(lambda bits: sum(int(bit) for bit in bits)),
    st.sampled_from([-1, 0, -(1 << 31), (1 << 64) + 1]),
)
BY = st.sampled_from(["object", "number"])
SHUTDOWN = st.tuples(st.just("shutdown"), SLOTS, st.sampled_from([0, 1, 2, 3]))


def operations(maxevents: list[int], *kind_specific: Steps) -> st.SearchStrategy[list[Operation]]:
    """Most are registered and some duplicated to begin with; else what is rare is never seen."""
    register = st.tuples(st.just("register"), SLOTS, MASKS, BY)
    dup = st.tuples(st.just("dup"), SLOTS)
    wait = st.tuples(st.sampled_from(["poll", "wait"]), st.sampled_from(maxevents))
    any_of_them = st.one_of(
        register,
        st.tuples(st.just("modify"), SLOTS, MASKS, BY),
        st.tuples(st.just("unregister"), SLOTS, BY),
        st.tuples(st.just("send"), SLOTS, st.integers(0, 3)),
        st.tuples(st.just("recv"), SLOTS, st.integers(1, 4)),
        st.tuples(st.just("close"), SLOTS),
        dup,
        wait,
        *kind_specific,
    )
    prepared = st.lists(register, max_size=4), st.lists(dup, max_size=2)
    mixed = st.lists(st.tuples(any_of_them, wait), min_size=5, max_size=15).map(flat)
    return st.tuples(*prepared, mixed).map(flat)


def flat(parts: Iterable[Iterable[Operation]]) -> list[Operation]:
    return [operation for part in parts for operation in part]


class World:
    """One library's epoll set and sockets, by name. Each operation appends to the trace."""

    def __init__(self, stack: ExitStack, epoll: Set, pairs: Iterable[tuple[End, End]]) -> None:
        self.stack = stack
        self.epoll = stack.enter_context(epoll)
        self.sockets: dict[str, End] = {}
        self.numbers: dict[str, int] = {}
        self.registered: dict[int, End | int] = {}
        self.trace: list[tuple[Operation, object]] = []
        for name, end in zip(NAMES, (end for pair in pairs for end in pair), strict=True):
            self.add(name, end)

    def add(self, name: str, end: End) -> None:
        self.sockets[name] = self.stack.enter_context(end)
        self.numbers[name] = end.fileno()

    def run(self, operation: Operation) -> None:
        verb, *arguments = operation
        if verb in {"poll", "wait"} or arguments[0] in self.sockets:
            self.trace.append((operation, self.attempt(getattr(self, verb), *arguments)))

    def attempt(self, call: Callable[..., object], *arguments: object) -> object:
        try:
            return call(*arguments)
        except ValueError:
            return ValueError
        except OSError as error:
            return type(error), error.errno

    def source(self, name: str, by: str) -> End | int:
        return self.sockets[name] if by == "object" else self.numbers[name]

    def register(self, name: str, mask: int, by: str) -> None:
        self.epoll.register(self.source(name, by), mask)
        self.registered[self.numbers[name]] = self.source(name, by)

    def modify(self, name: str, mask: int, by: str) -> None:
        self.epoll.modify(self.source(name, by), mask)

    def unregister(self, name: str, by: str) -> None:
        try:
            self.epoll.unregister(self.source(name, by))
        except ValueError:
            raise
        except OSError:
            self.registered.pop(self.numbers[name], None)
            raise
        del self.registered[self.numbers[name]]

    def send(self, name: str, size: int) -> object:
        return self.sockets[name].send(b"xyz"[:size])

    def recv(self, name: str, size: int) -> object:
        return self.sockets[name].recv(size)

    def shutdown(self, name: str, how: int) -> None:
        self.sockets[name].shutdown(how)

    def close(self, name: str) -> None:
        self.sockets[name].close()

    def dup(self, name: str) -> None:
        # Not after a close, whose number it would get: numbers would no longer be names.
        if f"{name}'" not in self.sockets and not any(s.fileno() == -1 for s in self.ends()):
            self.add(f"{name}'", self.sockets[name].dup())

    def ends(self) -> Iterable[End]:
        return self.sockets.values()

    def named(self, events: Iterable[tuple[int, int]]) -> list[tuple[str, int]]:
        names = {number: name for name, number in self.numbers.items()}
        return [(names[number], int(mask)) for number, mask in events]

    def poll(self, maxevents: int) -> object:
        return self.named(self.epoll.poll(0, maxevents))

    def wait(self, maxevents: int) -> object:
        raise NotImplementedError


class Theirs(World):
    def wait(self, maxevents: int) -> object:
        """As ours is meant to be: without what is registered no more or says that it is closed."""
        events = self.epoll.poll(0, maxevents)
        return self.named(event for event in events if self.is_live(event[0]))

    def is_live(self, number: int) -> bool:
        source = self.registered.get(number)
        return source is not None and (isinstance(source, int) or source.fileno() != -1)


class Ours(World):
    def wait(self, maxevents: int) -> object:
        events = self.epoll.wait(0, maxevents)
        return self.named((event.fd, event.flags) for event in events)


def their_pair(kind: str, host: str) -> tuple[socket.socket, socket.socket]:
    if kind == "unix":
        near, far = socket.socketpair()
    else:
        with socket.create_server((host, 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            far = listener.accept()[0]
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    near.setblocking(False)
    far.setblocking(False)
    return near, far


def both(stack: ExitStack, kind: str, host: str) -> tuple[World, World]:
    theirs = Theirs(stack, select.epoll(), [their_pair(kind, host) for _ in range(2)])
    pairs = [stack.enter_context(stream_pair(kind, host)) for _ in range(2)]
    return theirs, Ours(stack, epollkit.Epoll(), pairs)


quick = settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # an address is good for many
)
numbers_stay_free = pytest.mark.thread_unsafe(reason="counts on closed numbers staying free")


@pytest.mark.slow
@numbers_stay_free
@quick
@given(steps=operations([-1, 1, 2], SHUTDOWN))
def test_unix_streams_give_the_same_trace(steps: list[Operation]) -> None:
    with ExitStack() as stack:
        theirs, ours = both(stack, "unix", "")
        for operation in steps:
            theirs.run(operation)
            ours.run(operation)
        assert ours.trace == theirs.trace


@contextmanager
def flush(host: str) -> Generator[Callable[[], None]]:
    """A call after which all that was sent on loopback has arrived, with what it was answered.

    Loopback is one queue for each processor. On one processor a datagram that has come through
    says that all before it have; their answers are behind it, so a second one has to follow.
    """
    allowed = os.sched_getaffinity(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(MUST_ARRIVE)
        probe.bind((host, 0))
        probe.connect(probe.getsockname())

        def flush() -> None:
            for _ in range(3):
                probe.send(b"")
                probe.recv(1)

        os.sched_setaffinity(0, {min(allowed)})
        try:
            yield flush
        finally:
            os.sched_setaffinity(0, allowed)


@pytest.mark.slow
@numbers_stay_free
@settings(quick, phases=[Phase.generate])  # each example leaves a port in TIME_WAIT
@given(steps=operations([-1]))  # a FIN may be acknowledged late, and that is an edge: no shutdown
def test_tcp_streams_give_the_same_trace(steps: list[Operation], loopback: str) -> None:
    with ExitStack() as stack:
        arrived = stack.enter_context(flush(loopback))
        worlds = both(stack, "tcp", loopback)
        arrived()
        for operation in steps:
            for world in worlds:
                world.run(operation)
                arrived()
        theirs, ours = ([in_any_order(step) for step in world.trace] for world in worlds)
        assert ours == theirs


def in_any_order(step: tuple[Operation, object]) -> object:
    operation, outcome = step
    return operation, sorted(outcome) if isinstance(outcome, list) else outcome


def test_to_receive_no_bytes_is_to_get_none_at_once() -> None:
    theirs, peer = their_pair("unix", "")
    with theirs, peer, unix_pair() as (ours, _):
        assert theirs.recv(0) == b""
        assert ours.recv(0) == b""
