"""The interest list: what can be in it, what cannot, and what is said about it."""

import errno
import itertools
import os
import select
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from epoll_support import flags_of, unix_pair
from epollkit import ClosedEpollError, Epoll, EventFlags, Socket

IN, OUT = EventFlags.IN, EventFlags.OUT


class Wrapper:
    """Any object with a `fileno()`."""

    def __init__(self, number: object) -> None:
        self.number = number

    def fileno(self) -> object:
        return self.number


def test_a_second_registration_is_eexist() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, OUT, data="first")
        with pytest.raises(FileExistsError) as raised:
            epoll.register(near, OUT, data="second")
        assert raised.value.errno == errno.EEXIST
        assert [event.data for event in epoll.wait(0)] == ["first"]


@pytest.mark.parametrize("call", [Epoll.unregister, Epoll.rearm, lambda e, s: e.modify(s, IN)])
def test_an_unknown_source_is_enoent(call: Callable[[Epoll, Socket], None]) -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        with pytest.raises(FileNotFoundError) as raised:
            call(epoll, near)
        assert raised.value.errno == errno.ENOENT


def test_a_number_beyond_every_open_file_is_ebadf() -> None:
    number = (1 << 31) - 1
    with Epoll() as epoll:
        for call in (epoll.register, epoll.unregister, lambda fd: epoll.modify(fd, IN)):
            with pytest.raises(OSError, match="Bad file descriptor") as raised:
                call(number)
            assert raised.value.errno == errno.EBADF


def test_a_regular_file_or_directory_is_eperm(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        with tempfile.TemporaryFile(dir=tmp_path) as file, Epoll() as epoll:
            for source in (file, directory):
                with pytest.raises(PermissionError) as raised:
                    epoll.register(source)
                assert raised.value.errno == errno.EPERM
    finally:
        os.close(directory)


def test_a_set_in_itself_is_einval() -> None:
    with Epoll() as epoll:
        with pytest.raises(OSError, match="Invalid argument") as raised:
            epoll.register(epoll, IN)
        assert raised.value.errno == errno.EINVAL


def test_two_sets_in_each_other_are_a_loop() -> None:
    with Epoll() as one, Epoll() as other:
        one.register(other, IN)
        with pytest.raises(OSError, match="symbolic links") as raised:
            other.register(one, IN)
        assert raised.value.errno == errno.ELOOP


def test_sets_can_be_nested_five_deep_and_no_deeper() -> None:
    sets = [Epoll() for _ in range(6)]
    for inner, outer in itertools.pairwise(sets[:5]):
        outer.register(inner, IN)
    with pytest.raises(OSError, match="symbolic links") as raised:
        sets[5].register(sets[4], IN)
    assert raised.value.errno == errno.ELOOP
    with unix_pair() as (near, far):
        sets[0].register(near, IN)
        far.send(b"x")
        assert flags_of(sets[4]) == [IN]
    for epoll in sets:
        epoll.close()


def test_an_int_a_socket_of_either_library_and_any_object_with_fileno_can_be_registered() -> None:
    near, far = socket.socketpair()
    third, fourth = map(Socket.from_stdlib, socket.socketpair())
    with near, far, third, fourth, Epoll() as epoll:
        sources = (near.fileno(), far, third, Wrapper(fourth.fileno()))
        for source in sources:
            epoll.register(source, OUT, data=type(source).__name__)
        numbers = {near.fileno(), far.fileno(), third.fileno(), fourth.fileno()}
        assert {fd for fd, _ in epoll.poll(0)} == numbers
        names = {event.data for event in epoll.wait(0)}
        assert names == {"int", "socket", "Socket", "Wrapper"}
        for source in sources:
            epoll.modify(source, OUT | IN)
            epoll.rearm(source)
            epoll.unregister(source)
        assert epoll.poll(0) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda epoll, fd: epoll.register(fd, IN),
        lambda epoll, fd: epoll.modify(fd, IN),
        lambda epoll, fd: epoll.unregister(fd),
    ],
    ids=["register", "modify", "unregister"],
)
@pytest.mark.parametrize(
    "source",
    [
        pytest.param(object(), id="object"),
        pytest.param(None, id="none"),
        pytest.param("3", id="str"),
        pytest.param(3.0, id="float"),
        pytest.param(-1, id="negative"),
        pytest.param(-(1 << 40), id="very-negative"),
        pytest.param(1 << 31, id="beyond-int"),
        pytest.param(1 << 70, id="huge"),
        pytest.param(Wrapper(None), id="fileno-none"),
        pytest.param(Wrapper("3"), id="fileno-str"),
        pytest.param(Wrapper(-1), id="fileno-negative"),
        pytest.param(Wrapper(1 << 70), id="fileno-huge"),
    ],
)
def test_what_is_no_descriptor_is_refused_as_by_the_stdlib(
    source: object, call: Callable[[object, object], None]
) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)) as ours, Epoll() as epoll:
        call(epoll, source)
    with pytest.raises(ours.type) as theirs, select.epoll() as epoll:
        call(epoll, source)
    assert ours.type is theirs.type
    if ours.type is not OverflowError:
        assert str(ours.value) == str(theirs.value)


def test_an_error_in_fileno_is_not_hidden() -> None:
    class Broken:
        def fileno(self) -> int:
            raise LookupError("lost")

    class Unreadable:
        @property
        def fileno(self) -> object:
            raise LookupError("lost")

    with Epoll() as epoll:
        for source in (Broken(), Unreadable()):
            with pytest.raises(LookupError, match="lost"):
                epoll.register(source)


def test_a_closed_socket_is_a_value_error_as_in_the_stdlib() -> None:
    ours, theirs = Socket(), socket.socket()
    ours.close()
    theirs.close()
    with Epoll() as epoll, select.epoll() as stdlib:
        for source in (ours, theirs):
            for call in (epoll.register, epoll.unregister, epoll.rearm, stdlib.register):
                with pytest.raises(ValueError, match=r"negative integer \(-1\)"):
                    call(source)


@pytest.mark.parametrize("mask", ["1", 1.0, None])
def test_a_mask_that_is_no_int_is_a_type_error(mask: object) -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        with pytest.raises(TypeError):
            epoll.register(near, mask)
        epoll.register(near, IN)
        with pytest.raises(TypeError):
            epoll.modify(near, mask)


def test_a_mask_is_taken_modulo_two_to_the_32_as_by_the_stdlib() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, OUT | (1 << 40))
        epoll.register(far, OUT - (1 << 32))
        assert flags_of(epoll) == [OUT, OUT]


def test_a_mask_may_be_any_object_with_index() -> None:
    class Mask:
        def __index__(self) -> int:
            return select.EPOLLOUT

    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, Mask())
        assert flags_of(epoll) == [OUT]


def test_the_default_mask_is_in_pri_out() -> None:
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near)
        far.send(b"x")
        assert flags_of(epoll) == [IN | OUT]


def test_the_stdlibs_keywords_are_accepted() -> None:
    with unix_pair() as (near, _), Epoll(sizehint=5, flags=select.EPOLL_CLOEXEC) as epoll:
        epoll.register(fd=near, eventmask=IN)
        epoll.modify(fd=near, eventmask=OUT)
        assert epoll.poll(timeout=0, maxevents=1) == [(near.fileno(), OUT)]
        epoll.unregister(fd=near)


def test_data_are_none_unless_given_and_modify_keeps_or_replaces_them() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:

        def data() -> list[object]:
            return [event.data for event in epoll.wait(0)]

        epoll.register(near, OUT)
        assert data() == [None]
        given = object()
        epoll.modify(near, OUT, data=given)
        assert data() == [given]
        epoll.modify(near, OUT)
        assert data() == [given]
        epoll.modify(near, OUT, data=None)
        assert data() == [None]


def test_a_refused_modify_changes_nothing() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, OUT, data="kept")
        with pytest.raises(OSError, match="Invalid argument"):
            epoll.modify(near, OUT | EventFlags.EXCLUSIVE, data="lost")
        epoll.rearm(near)
        assert [(event.data, event.flags) for event in epoll.wait(0)] == [("kept", OUT)]


def test_data_are_a_keyword_only() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        with pytest.raises(TypeError):
            epoll.register(near, OUT, "data")
        epoll.register(near, OUT)
        with pytest.raises(TypeError):
            epoll.modify(near, OUT, "data")


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda epoll: epoll.register(0), id="register"),
        pytest.param(lambda epoll: epoll.modify(0, IN), id="modify"),
        pytest.param(lambda epoll: epoll.unregister(0), id="unregister"),
        pytest.param(lambda epoll: epoll.rearm(0), id="rearm"),
        pytest.param(lambda epoll: epoll.poll(0), id="poll"),
        pytest.param(lambda epoll: epoll.poll(None), id="poll-for-ever"),
        pytest.param(lambda epoll: epoll.wait(0), id="wait"),
        pytest.param(lambda epoll: epoll.wait(None), id="wait-for-ever"),
        pytest.param(lambda epoll: epoll.fileno(), id="fileno"),
        pytest.param(lambda epoll: epoll.__enter__(), id="enter"),
    ],
)
def test_a_closed_set_answers_ebadf_and_value_error(call: Callable[[Epoll], object]) -> None:
    epoll = Epoll()
    epoll.close()
    with pytest.raises(ClosedEpollError, match="closed epoll") as raised:
        call(epoll)
    assert isinstance(raised.value, OSError)
    assert isinstance(raised.value, ValueError)
    assert raised.value.errno == errno.EBADF


def test_close_may_be_repeated_and_is_told() -> None:
    epoll = Epoll()
    assert not epoll.closed
    with epoll as entered:
        assert entered is epoll
    assert epoll.closed
    epoll.close()
    assert repr(epoll) == "<epollkit.Epoll closed>"


def test_a_set_is_not_inherited_across_exec() -> None:
    with Epoll() as epoll:
        assert not os.get_inheritable(epoll.fileno())


@pytest.mark.parametrize("sizehint", [0, -2])
def test_the_sizehint_is_positive_or_minus_one(sizehint: int) -> None:
    with pytest.raises(ValueError, match="sizehint"):
        Epoll(sizehint)


def test_an_unknown_flag_of_a_set_is_refused() -> None:
    with pytest.raises(OSError, match="Invalid argument") as raised:
        Epoll(flags=1)
    assert raised.value.errno == errno.EINVAL


@pytest.mark.thread_unsafe(reason="counts on the number of a closed set staying free")
def test_fromfd_takes_a_descriptor_over_with_what_is_registered_in_it() -> None:
    with unix_pair() as (near, _), Epoll() as first:
        first.register(near, OUT)
        second = Epoll.fromfd(os.dup(first.fileno()))
        number = second.fileno()
        assert second.poll(0) == [(near.fileno(), OUT)]
        second.modify(near, OUT, data="second's own")
        assert [event.data for event in second.wait(0)] == ["second's own"]
        second.unregister(near)
        assert first.poll(0) == []
        second.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
