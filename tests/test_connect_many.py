import errno
import gc
import itertools
import re
import resource
import socket
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from endpoints import (
    FAMILIES,
    Address,
    Place,
    closing_all,
    full_listener,
    must_be_waiting,
    notes,
    outcome,
    python,
    refusing,
    tcp,
)
from epollkit import ConnectMany, ConnectResult, Socket, connect_many
from support import MUST_ARRIVE, descriptors


@pytest.fixture
def raised_limit() -> Generator[None]:
    """As many descriptors as this user may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def close_all(results: list[ConnectResult]) -> None:
    for result in results:
        if result.socket is not None:
            result.socket.close()


@pytest.mark.parametrize("kind", FAMILIES)
def test_each_address_gives_one_result(kind: str, loopback: str, tmp_path: Path) -> None:
    with Place(kind, loopback, tmp_path).listener() as listener:
        address = listener.getsockname()
        results = list(connect_many([address] * 10))
        assert sorted(result.index for result in results) == list(range(10))
        for result in results:
            assert result.error is None
            assert result.address is address
            assert result.elapsed > 0
            assert result.socket is result.socket
            assert result.socket.getpeername() == address
            assert result.socket.gettimeout() == 0.0
        close_all(results)


def test_no_addresses_give_no_results() -> None:
    with connect_many([]) as many:
        assert list(many) == []
        assert list(many) == []
        assert many.pending == 0


def test_it_is_its_own_iterator() -> None:
    with connect_many(iter(())) as many:
        assert isinstance(many, ConnectMany)
        assert iter(many) is many
        with pytest.raises(StopIteration):
            next(many)


def test_good_refused_and_hanging_addresses_end_each_in_its_own_way(
    loopback: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        good = stack.enter_context(tcp(loopback).listener()).getsockname()
        bad = stack.enter_context(refusing(loopback))
        slow = stack.enter_context(full_listener(loopback))
        unix = stack.enter_context(Place("unix", loopback, tmp_path).listener()).getsockname()
        missing = str(tmp_path / "missing")
        unknown = ("fe80::1%nosuchif", 9)
        addresses = [slow, bad, good, unix, missing, unknown, slow, good]
        results = list(connect_many(addresses, timeout=0.1))
        outcomes = {
            result.index: result.error.errno if result.error else None for result in results
        }
        close_all(results)
    assert outcomes == {
        0: errno.ETIMEDOUT,
        1: errno.ECONNREFUSED,
        2: None,
        3: None,
        4: errno.ENOENT,
        5: socket.EAI_NONAME,
        6: errno.ETIMEDOUT,
        7: None,
    }
    for result in results:
        assert result.address is addresses[result.index]
        assert (result.socket is None) != (result.error is None)
        if result.index in {0, 6}:
            assert result.elapsed >= 0.1
            assert "gave up after 100ms" in notes(result.error)
            assert f"{slow[0]}:{slow[1]}" in notes(result.error)
    assert {result.index for result in results[-2:]} == {0, 6}  # as they end


def test_a_result_comes_before_later_attempts_end(loopback: str) -> None:
    with (
        full_listener(loopback) as slow,
        tcp(loopback).listener() as listener,
        connect_many([slow, listener.getsockname()]) as many,
    ):
        result = next(many)
        assert result.index == 1
        assert many.pending == 1
        result.socket.close()


def test_the_timeout_is_for_each_attempt(loopback: str) -> None:
    # One at a time: the second begins when the first has had its time.
    with full_listener(loopback) as slow:
        started = monotonic()
        results = list(connect_many([slow, slow], timeout=0.1, concurrency=1))
        assert monotonic() - started >= 0.2
    assert [result.error.errno for result in results] == [errno.ETIMEDOUT] * 2
    assert all(result.elapsed >= 0.1 for result in results)


@pytest.mark.parametrize("concurrency", [1, 3, 7])
def test_never_more_attempts_than_the_cap(concurrency: int, loopback: str) -> None:
    with full_listener(loopback) as slow:
        read = 0

        def addresses() -> Iterator[Any]:
            nonlocal read
            for _ in range(20):
                read += 1
                yield slow

        with connect_many(addresses(), timeout=0.01, concurrency=concurrency) as many:
            for done, result in enumerate(many, 1):
                assert result.error.errno == errno.ETIMEDOUT
                assert many.pending <= concurrency
                # Read ahead: those under way and those that have ended, and no more.
                assert read <= done + 2 * concurrency
            assert done == 20


def test_the_iterable_is_read_as_room_becomes_free(loopback: str) -> None:
    with tcp(loopback).listener() as listener, closing_all() as opened:
        read = 0

        def endless() -> Iterator[Any]:
            nonlocal read
            for read in itertools.count(1):  # noqa: B007
                yield listener.getsockname()

        with connect_many(endless(), concurrency=4) as many:
            assert read == 0
            for result in itertools.islice(many, 10):
                opened.append(result.socket)
            assert 10 <= read <= 20


def test_an_iterable_that_raises_raises_through(loopback: str) -> None:
    class OwnError(Exception):
        pass

    def broken() -> Iterator[Any]:
        yield listener.getsockname()
        yield listener.getsockname()
        raise OwnError

    with tcp(loopback).listener() as listener, connect_many(broken()) as many:
        results = []
        with pytest.raises(OwnError):
            results.extend(iter(many.__next__, None))
        close_all(results)


def collect(many: ConnectMany) -> tuple[list[ConnectResult], list[Exception]]:
    """All results and all exceptions, going on after each exception."""
    results: list[ConnectResult] = []
    errors: list[Exception] = []
    while True:
        try:
            results.append(next(many))
        except StopIteration:
            return results, errors
        except Exception as error:  # noqa: BLE001 - the test says which it should be
            errors.append(error)
            if len(errors) > 10:
                return results, errors


def test_addresses_read_before_the_iterable_raised_are_not_lost(loopback: str) -> None:
    def broken() -> Iterator[Any]:
        yield listener.getsockname()
        yield listener.getsockname()
        raise ZeroDivisionError

    with tcp(loopback).listener() as listener, connect_many(broken()) as many:
        results, errors = collect(many)
        close_all(results)
    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert sorted(result.index for result in results) == [0, 1]


MALFORMED: list[tuple[Any, type[Exception]]] = [
    (None, TypeError),
    (5, TypeError),
    ([], TypeError),
    ((), TypeError),
    (("127.0.0.1",), TypeError),
    (("127.0.0.1", "http"), TypeError),
    (("127.0.0.1", 70_000), OverflowError),
    (("127.0.0.1", -1), OverflowError),
    ((None, 80), TypeError),
    ("x" * 200, OSError),
]


@pytest.mark.parametrize(("address", "kind"), MALFORMED, ids=repr)
def test_a_malformed_address_raises(address: Address, kind: type[Exception]) -> None:
    with connect_many([address]) as many, pytest.raises(kind):
        next(many)


def test_a_malformed_address_takes_no_other_with_it(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        good = listener.getsockname()
        with connect_many([good, good, 5, good]) as many:
            results, errors = collect(many)
        close_all(results)
    assert [type(error) for error in errors] == [TypeError]
    # The index is the position in the iterable, the malformed one's included.
    assert sorted(result.index for result in results) == [0, 1, 3]
    assert all(result.address is good for result in results)


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"concurrency": 0}, ValueError),
        ({"concurrency": -1}, ValueError),
        ({"concurrency": 1.5}, TypeError),
        ({"timeout": -1}, ValueError),
        ({"timeout": "1"}, TypeError),
        ({"source_address": 5}, TypeError),
        ({"options": 5}, TypeError),
    ],
    ids=repr,
)
def test_malformed_settings_raise_before_anything_is_read(
    settings: dict[str, Any], kind: type[Exception]
) -> None:
    def unread() -> Iterator[Any]:
        pytest.fail("read")
        yield

    with pytest.raises(kind):
        connect_many(unread(), **settings)


@pytest.mark.parametrize("addresses", [None, 5, 1.0])
def test_what_cannot_be_iterated_is_a_type_error(addresses: object) -> None:
    with pytest.raises(TypeError):
        connect_many(addresses)


def test_closing_gives_up_what_is_under_way_and_keeps_what_was_handed_out(loopback: str) -> None:
    with full_listener(loopback) as slow, tcp(loopback).listener() as listener:
        many = connect_many([slow, slow, listener.getsockname()])
        result = next(many)
        assert many.pending == 2
        many.close()
        many.close()
        assert many.pending == 0
        assert list(many) == []
        with result.socket as client:
            assert client.getpeername() == listener.getsockname()


def test_leaving_with_closes(loopback: str) -> None:
    with full_listener(loopback) as slow, tcp(loopback).listener() as listener:
        with connect_many([slow, listener.getsockname()]) as many:
            next(many).socket.close()
        assert (many.pending, list(many)) == (0, [])


def test_results_that_were_not_fetched_are_closed_too(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        with connect_many([listener.getsockname()] * 20) as many:
            next(many).socket.close()
        assert list(many) == []  # and the leak guard looks


def test_dropping_it_closes_what_is_under_way(loopback: str) -> None:
    with full_listener(loopback) as slow, tcp(loopback).listener() as listener:
        many = connect_many([slow, listener.getsockname()])
        next(many).socket.close()
        del many  # the leak guard looks


def test_a_cycle_through_the_iterable_is_collected(loopback: str) -> None:
    def referring(address: Address) -> weakref.ref:
        def addresses() -> Iterator[Address]:
            yield address
            yield many.pending  # never reached: a reference to what reads this generator

        generator = addresses()
        many = connect_many(generator, concurrency=1)
        next(many).socket.close()
        return weakref.ref(generator)

    with tcp(loopback).listener() as listener:
        reference = referring(listener.getsockname())
        gc.collect()
        assert reference() is None


def test_repr_tells_how_many_are_under_way(loopback: str) -> None:
    with (
        full_listener(loopback) as slow,
        tcp(loopback).listener() as listener,
        connect_many([slow, listener.getsockname()]) as many,
    ):
        assert repr(many) == "<epollkit.ConnectMany pending=0>"
        next(many).socket.close()
        assert repr(many) == "<epollkit.ConnectMany pending=1>"


def test_a_results_repr_tells_the_outcome(loopback: str) -> None:
    with refusing(loopback) as bad, tcp(loopback).listener() as listener:
        results = {result.index: result for result in connect_many([bad, listener.getsockname()])}
        assert re.fullmatch(
            rf"<epollkit.ConnectResult 0 \('{re.escape(loopback)}', \d+\) "
            r"ConnectionRefusedError\(111, 'Connection refused'\) in [\d.]+ ms>",
            repr(results[0]),
        )
        assert re.search(r" fd=\d+ in [\d.]+ ms>$", repr(results[1]))
        results[1].socket.close()


@pytest.mark.slow
@pytest.mark.thread_unsafe(reason="RLIMIT_NOFILE is the process's, and 10,000 descriptors are")
@pytest.mark.usefixtures("raised_limit")
def test_five_thousand_connects_come_from_one_generator(loopback: str) -> None:
    count = 5000
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2 * count + 100:
        pytest.skip("needs 10,100 descriptors")
    with tcp(loopback).listener(4096) as listener, closing_all() as opened:
        addresses = (listener.getsockname() for _ in range(count))
        indices: Counter[int] = Counter()
        for result in connect_many(addresses, timeout=MUST_ARRIVE):
            assert result.error is None
            indices[result.index] += 1
            opened.append(result.socket)
            opened.extend(server for server, _ in listener.accept_many())
        assert indices == Counter(range(count))


def test_one_name_among_thousands_is_looked_up_once(loopback: str) -> None:
    del loopback
    with Socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        addresses = [("localhost", port), ("fe80::1%nosuchif", port)] * 10
        results = list(connect_many(addresses))
        for result in results:
            if result.index % 2:
                assert type(result.error) is socket.gaierror
            else:
                assert result.error is None
        close_all(results)
        assert len({id(result.error) for result in results if result.error}) == 10


def call_in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    must_be_waiting(thread.native_id)
    return thread, results


@pytest.mark.parametrize("ask", [lambda many: many.pending, repr], ids=["pending", "repr"])
def test_it_can_be_looked_at_while_another_thread_waits(
    ask: Callable[[ConnectMany], object], loopback: str
) -> None:
    with full_listener(loopback) as slow:
        many = connect_many([slow], timeout=0.5)
        thread, results = call_in_thread(lambda: next(many, "ended"))
        assert "1" in str(ask(many))
        assert results == []  # it did not wait for the other thread
        many.close()
        thread.join()


def test_closing_ends_another_threads_wait(loopback: str) -> None:
    with full_listener(loopback) as slow:
        many = connect_many([slow], timeout=0.5)
        thread, results = call_in_thread(lambda: next(many, "ended"))
        many.close()
        thread.join()
        assert results == ["ended"]


@pytest.mark.slow
def test_the_iterable_may_look_at_what_reads_it() -> None:
    # In a process of its own: a lock taken twice by one thread would hang it for good.
    code = """
import epollkit, faulthandler
faulthandler.dump_traceback_later(5, exit=True)
def addresses():
    for _ in range(3):
        print(many.pending)
        yield ("127.0.0.1", 1)
many = epollkit.connect_many(addresses(), concurrency=1)
for result in many:
    pass
"""
    done = python(code)
    assert (done.returncode, done.stdout.split()) == (0, ["0", "0", "0"]), done.stderr


@pytest.mark.slow
def test_the_iterable_cannot_advance_what_reads_it() -> None:
    code = """
import epollkit, faulthandler
faulthandler.dump_traceback_later(5, exit=True)
def addresses():
    yield ("127.0.0.1", 1)
    try: next(many)
    except Exception as error: print(type(error).__name__)
    else: print("fine")
many = epollkit.connect_many(addresses())
for result in many:
    pass
"""
    done = python(code)
    # As a generator that calls itself: ValueError, "generator already executing".
    assert (done.returncode, done.stdout.split()) == (0, ["ValueError"]), done.stderr


def test_two_threads_share_the_results(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        many = connect_many([listener.getsockname()] * 50, concurrency=5)
        taken: list[list[ConnectResult]] = [[], []]
        threads = [threading.Thread(target=lambda out=out: out.extend(many)) for out in taken]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        results = taken[0] + taken[1]
        assert sorted(result.index for result in results) == list(range(50))
        close_all(results)


def test_results_are_connected_when_they_come(loopback: str) -> None:
    with tcp(loopback).listener() as listener, closing_all() as opened:
        for result in connect_many([listener.getsockname()] * 5):
            opened.append(result.socket)
            assert outcome(result.socket.getpeername) == (tuple, None)
            assert result.socket.send(b"x") == 1


@pytest.mark.thread_unsafe(reason="compares the process's descriptors")
def test_at_its_end_it_holds_no_descriptor(loopback: str) -> None:
    with tcp(loopback).listener() as listener:
        before = descriptors()
        many = connect_many([listener.getsockname()])
        for result in many:
            result.socket.close()
        assert descriptors() == before
        assert next(many, "ended") == "ended"
        many.close()
        given_up = connect_many([listener.getsockname()])
        given_up.close()
        assert descriptors() == before
