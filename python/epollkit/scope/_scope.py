"""`Scope`: the readiness oscilloscope.

An oscilloscope's trigger modes are level, edge and single shot: LT, ET and ONESHOT. A scope watches
sources and records, for each call on them, what was called and what came of it, what the
sources looked like before and after, what arrived, and what each probe was told.

What is sampled and how. `level` is poll(2), which keeps no state. The queues are SIOCINQ and
SIOCOUTQ, the state is TCP_INFO. Arrivals and room are edges of two edge-triggered sets of the
scope's own: on Linux new bytes fire an edge even while old ones are unread, so that the level alone
would explain nothing. Nothing of this takes data or clears an error. One trace it leaves, and it is
poll(2)'s own: asked about a TCP socket that is full, the kernel fires an edge of EPOLLOUT when
there is room again, which it does not do for one that nobody asked about and that never saw EAGAIN.
"""

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, Self, TypeVar, cast

from epollkit._epollkit import Epoll, Sampler
from epollkit._flags import EventFlags
from epollkit.scope._describe import (
    describe,
    describe_arguments,
    describe_events,
    describe_result,
)
from epollkit.scope._look import kind_of, look_at, number_of
from epollkit.scope._registrations import Registrations, events_of
from epollkit.scope._sampling import in_words, ticks_of
from epollkit.scope._trace import Call, Look, Mark, Source, Tick, Trace
from epollkit.scope._watched import Watched, name_of, unwatched

__all__ = ["Scope"]

T = TypeVar("T")


class Scope:
    """Records an experiment with sockets and sets; a context manager.

        >>> from epollkit import EPOLLET, EPOLLIN, Scope, socketpair
        >>> with Scope() as scope:
        ...     near, far = map(scope.watch, socketpair(), ("near", "far"))
        ...     scope.probe("LT", near, EPOLLIN)
        ...     scope.probe("ET", near, EPOLLIN | EPOLLET)
        ...     _ = far.send(b"hello")
        ...     scope.wait()
        ...     _ = near.recv(2)
        ...     scope.wait()
        ...     near.close(), far.close()
        (None, None)
        >>> scope.trace.deliveries("LT"), scope.trace.deliveries("ET")
        ([<EventFlags.IN: 1>, <EventFlags.IN: 1>], [<EventFlags.IN: 1>, <EventFlags: 0>])

    Args:
        title: what the picture is called.
        capacity: ticks that are kept; later ones are counted in `Trace.dropped`.

    What is watched belongs to the experiment: leaving the scope closes its own sets only, and what
    was recorded stays. An exception that leaves it takes the picture along as a note, so that the
    report of a failed test shows what happened. Calls from several threads are recorded in the
    order in which they end.
    """

    __module__ = "epollkit"

    def __init__(self, title: str = "", *, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise ValueError(f"capacity: at least 1 tick, not {capacity}")
        self._title = title
        self._capacity = capacity
        self._lock = threading.RLock()
        self._names = set[str]()
        self._things: dict[str, Any] = {}
        self._sources: dict[str, Source] = {}
        self._registrations = Registrations(self._name_of)
        self._own: dict[str, Epoll] = {}
        self._edges = {EventFlags.IN: Epoll(), EventFlags.OUT: Epoll()}
        self._pending: dict[EventFlags, set[str]] = {flag: set() for flag in self._edges}
        """Edges that were taken and belong to the next tick."""
        self._ticks: list[Tick] = []
        self._dropped = 0
        self._sampled: list[Tick] = []
        self._notes: list[str] = []
        self._paused = 0
        self.results: Mapping[str, str] = {}
        """What the next calls make is watched under these names, by call: accept, dup, finish."""
        self._began = time.monotonic_ns()
        self._thread = threading.get_ident()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if error is not None and self._ticks:
            error.add_note(f"{self.trace}")  # tracebacks and pytest's reports show it
        self.close()

    def close(self) -> None:
        """Close the scope's own sets. The trace stays."""
        for epoll in (*self._own.values(), *self._edges.values()):
            epoll.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._edges[EventFlags.IN].closed

    # What is watched.

    def watch(self, thing: T, name: str = "") -> T:
        """Record the calls on it, and look at it around every call.

        Args:
            thing: a socket (epollkit's or the standard library's), an `Epoll`, `Poll`, selector or
                `select.epoll`, another object with fileno(), or a descriptor's number.
            name: what the pictures call it; by default its kind and a number.

        Returns:
            A stand-in to use in its place, which behaves as the thing. For a number the number
            itself: it is looked at, but calls on it are not seen.

        Raises:
            ValueError: the name is taken, or the scope is closed.
        """
        self._must_be_open()
        target = unwatched(thing)
        with self._lock:
            if type(thing) is Watched and self._name_of(target) is not None:
                return thing
            kind = kind_of(target)
            name = name or self.free_name(kind)
            if name in self._names:
                raise ValueError(f"{name!r} is watched already; give another name")
            self._names.add(name)
            if kind == "poll":  # it has calls and no descriptor
                return cast("T", Watched(target, name, self))
            self._things[name] = target
            self._sources[name] = Source(name, kind)
            number = number_of(target)
            for flag, edges in self._edges.items():
                with suppress(OSError, ValueError):  # a regular file; a closed one
                    edges.register(number, flag | EventFlags.ET, data=name)
            self._take_edges()  # what it is now is not news
            for pending in self._pending.values():
                pending.discard(name)
        if isinstance(target, int):
            return thing
        return cast("T", Watched(target, name, self))

    def probe(self, name: str, source: Any, mask: int) -> None:  # noqa: ANN401 - has a fileno()
        """Watch a source with a set of the scope's own, which `wait` asks.

        Args:
            name: what the pictures call it: "LT", "ET".
            source: what `watch` returned.
            mask: EPOLL* bits.

        Raises:
            ValueError: the name is taken, the source is not watched, or the scope is closed.
            OSError: as `Epoll.register`.
        """
        self._must_be_open()
        with self._lock:
            if name in self._registrations or name in self._own:
                raise ValueError(f"{name!r} is a set already; give another name")
            target = unwatched(source)
            if self._name_of(target) is None:
                raise ValueError(f"{source!r} is not watched: watch it first")
            epoll = Epoll()
            try:
                epoll.register(target, mask)
            except BaseException:
                epoll.close()
                raise
            self._own[name] = epoll
            self._registrations.register(name, target, mask)

    # What is recorded.

    def wait(self, *names: str) -> None:
        """Ask the scope's own sets, all of them or these, what is ready: one tick.

        Raises:
            KeyError: no probe is called so.
        """
        asked = self._asked(names)

        def ask() -> dict[str, Mark]:
            marks = dict[str, Mark]()
            for name, epoll in asked.items():
                marks |= self._registrations.told(name, epoll.wait(0))
            return marks

        self._record(Call("", "wait", " ".join(names)), ask, lambda marks: ("", marks))

    def rearm(self, *names: str) -> None:
        """EPOLL_CTL_MOD with the same mask on the scope's own sets, all of them or these.

        Raises:
            KeyError: no probe is called so.
            OSError: EBADF, the source is closed.
        """
        asked = self._asked(names)

        def arm() -> dict[str, Mark]:
            marks = dict[str, Mark]()
            for name, epoll in asked.items():
                for number in self._registrations.numbers(name):
                    epoll.rearm(number)
                marks |= self._registrations.rearmed(name)
            return marks

        self._record(Call("", "rearm", " ".join(names)), arm, lambda marks: ("", marks))

    def call(self, function: Callable[..., T], *arguments: Any, **keywords: Any) -> T:  # noqa: ANN401
        """Record what is not a method: `scope.call(select, [near], [], [], 0)`.

        Returns:
            What it returns; what it raises is recorded and raised.
        """
        name = getattr(function, "__name__", repr(function))
        bare = tuple(map(unwatched, arguments))
        return self._record(
            Call("", name, describe_arguments(name, bare, keywords, self._name_of)),
            partial(function, *bare, **keywords),
            lambda result: (describe_result(name, result, self._name_of), {}),
        )

    def note(self, text: str) -> None:
        """A tick without a call: something else that happened, in words."""
        self._record(Call("", text), lambda: None, lambda _result: ("", {}))

    @contextmanager
    def paused(self) -> Generator[None]:
        """Record nothing while the block runs: for loops of many calls."""
        with self._lock:
            self._paused += 1
        try:
            yield
        finally:
            with self._lock:
                self._paused -= 1

    @contextmanager
    def sampling(self, interval: float = 50e-6, capacity: int = 65_536) -> Generator[Sampler]:
        """While the block runs, a native thread looks at all that is watched, without the GIL.

        So the trace also has what happens between the calls: in a blocking call, in other threads,
        through native peers. What is watched later is not looked at.

        Args:
            interval: seconds between two looks.
            capacity: changes that are kept, the newest.

        Yields:
            The `Sampler`. What it missed and dropped stands in `Trace.notes`.

        Raises:
            ValueError, OSError: as `Sampler`; ValueError, too, if nothing is watched.
        """
        with self._lock:
            things = {name: each for name, each in self._things.items() if number_of(each) != -1}
        sampler = Sampler(things, interval=interval, capacity=capacity)
        try:
            yield sampler
        finally:
            sampler.stop()
            with self._lock:
                self._sampled.extend(ticks_of(sampler.samples(), self._began))
                self._notes.append(in_words(sampler.counters, interval))
            sampler.close()

    @property
    def trace(self) -> Trace:
        """What was recorded so far."""
        with self._lock:
            probed = {probe.source for probe in self._registrations.probes}
            seen = probed.union(*(tick.after for tick in (*self._ticks, *self._sampled)))
            sources = self._sources.values()
            return Trace(
                tuple(each for each in sources if each.name in seen or not self._ticks),
                self._registrations.probes,
                tuple(sorted((*self._ticks, *self._sampled), key=lambda tick: tick.ended_ns)),
                self._title,
                self._dropped,
                tuple(self._notes),
            )

    # How.

    def _must_be_open(self) -> None:
        if self.closed:
            raise ValueError("the scope is closed")

    def _asked(self, names: tuple[str, ...]) -> dict[str, Epoll]:
        for name in names:
            if name not in self._own:
                raise KeyError(f"no probe {name!r}; probes: {', '.join(self._own) or 'none'}")
        return {name: self._own[name] for name in names or self._own}

    def perform(
        self, watched: Watched, name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:  # noqa: ANN401 - what the method returns
        """Make a call on a stand-in and record it. The stand-ins call this."""
        __tracebackhide__ = True
        target, subject = unwatched(watched), name_of(watched)
        bare = tuple(map(unwatched, arguments))

        def read(result: Any) -> tuple[str, dict[str, Mark]]:  # noqa: ANN401 - as above
            if not hasattr(target, "register"):
                return describe_result(name, result, self._name_of), {}
            with self._lock:
                if name in ("wait", "poll", "select"):
                    text = describe_events(events_of(result), self._name_of)
                    return text, self._registrations.told(subject, result)
                return "", self._registrations.after(subject, name, bare, keywords)

        result = self._record(
            Call(subject, name, describe_arguments(name, bare, keywords, self._name_of)),
            partial(getattr(target, name), *bare, **keywords),
            read,
        )
        return self._watched_result(name, result)

    def _record(
        self,
        call: Call,
        function: Callable[[], T],
        read: Callable[[T], tuple[str, dict[str, Mark]]],
    ) -> T:
        """Make the call between two looks, and keep a tick of it."""
        __tracebackhide__ = True
        if self._paused or self.closed:
            result = function()
            read(result)  # registrations are remembered even so
            return result
        with self._lock:
            before = look_at(self._things)
        began = time.monotonic_ns()
        try:
            result = function()
        except BaseException as raised:
            number = raised.errno if isinstance(raised, OSError) else None
            self._keep(replace(call, result=describe(raised), errno=number), began, before, {})
            raise
        text, marks = read(result)
        self._keep(replace(call, result=text), began, before, marks)
        return result

    def _keep(
        self, call: Call, began: int, before: dict[str, Look], marks: dict[str, Mark]
    ) -> None:
        ended = time.monotonic_ns()
        if threading.get_ident() != self._thread:
            call = replace(call, thread=threading.current_thread().name)
        with self._lock:
            if self.closed:  # while the call went on
                return
            if len(self._ticks) == self._capacity:
                self._dropped += 1
                return
            self._take_edges()
            arrivals, room = (frozenset(self._pending[flag]) for flag in self._edges)
            for pending in self._pending.values():
                pending.clear()
            tick = Tick(
                began - self._began,
                ended - self._began,
                call,
                before,
                look_at(self._things),
                arrivals,
                room,
                marks,
            )
            self._ticks.append(tick)

    def _take_edges(self) -> None:
        for flag, edges in self._edges.items():
            names = {event.data for event in edges.wait(0) if flag & event.flags}
            # A closed source stays in the set while a duplicate of it is open.
            self._pending[flag] |= {each for each in names if number_of(self._things[each]) != -1}

    def _watched_result(self, call: str, result: Any) -> Any:  # noqa: ANN401 - what a call gave
        """Sockets that a call has made are watched, too, as long as the scope records."""
        if result is None or self.closed or len(self._ticks) == self._capacity:
            return result
        if call in ("accept", "accept4", "try_accept"):
            made, address = result
            return self.watch(made, self.free_name(self.results.get(call, "accepted"))), address
        if call == "accept_many":
            return [self._watched_result("accept", each) for each in result]
        if call in ("dup", "finish"):
            return self.watch(result, self.free_name(self.results.get(call, call)))
        return result

    def _name_of(self, thing: Any) -> str | None:  # noqa: ANN401 - anything
        """The name under which it, or what has its number, is watched."""
        for name, other in self._things.items():
            if other is thing:
                return name
        if isinstance(thing, bool) or not (isinstance(thing, int) or hasattr(thing, "fileno")):
            return None
        number = number_of(thing)
        found = (name for name, other in self._things.items() if number_of(other) == number != -1)
        return next(found, None)

    def free_name(self, stem: str) -> str:
        """The stem, with a number behind it if that is taken."""
        number = 1
        while (name := stem if number == 1 else f"{stem} {number}") in self._names:
            number += 1
        return name
