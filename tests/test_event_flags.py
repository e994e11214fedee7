"""EventFlags: the kernel's bits, with names."""

import pickle
import select

import pytest

import epollkit
from epoll_support import unix_pair
from epollkit import Epoll, EventFlags


@pytest.mark.parametrize("flag", list(EventFlags), ids=lambda flag: flag.name)
def test_each_flag_is_the_kernels_bit_and_a_constant_of_the_module(flag: EventFlags) -> None:
    constant = getattr(epollkit, f"EPOLL{flag.name}")
    assert type(constant) is int
    assert constant == flag
    assert getattr(select, f"EPOLL{flag.name}", constant) == constant


def test_the_bits_are_those_of_the_abi() -> None:
    assert {flag.name: flag.value for flag in EventFlags} == {
        "IN": 0x001,
        "PRI": 0x002,
        "OUT": 0x004,
        "ERR": 0x008,
        "HUP": 0x010,
        "RDHUP": 0x2000,
        "EXCLUSIVE": 1 << 28,
        "WAKEUP": 1 << 29,
        "ONESHOT": 1 << 30,
        "ET": 1 << 31,
    }


def test_every_epoll_constant_of_the_stdlib_is_there_with_the_same_value() -> None:
    names = [name for name in dir(select) if name.startswith("EPOLL")]
    assert len(names) >= 15
    for name in names:
        assert getattr(epollkit, name) == getattr(select, name)
        assert name in epollkit.__all__


def test_flags_mix_with_the_stdlibs_ints() -> None:
    mixed = select.EPOLLIN | EventFlags.OUT
    assert isinstance(mixed, EventFlags)
    assert mixed == select.EPOLLIN | select.EPOLLOUT
    assert EventFlags.IN in mixed
    assert EventFlags.HUP not in mixed


def test_flags_print_their_names() -> None:
    assert repr(EventFlags.IN) == "<EventFlags.IN: 1>"
    assert repr(EventFlags.IN | EventFlags.RDHUP) == "<EventFlags.IN|RDHUP: 8193>"
    assert [flag.name for flag in EventFlags.IN | EventFlags.ET] == ["IN", "ET"]


def test_bits_without_a_name_are_kept() -> None:
    flags = EventFlags(select.EPOLLIN | select.EPOLLRDNORM)
    assert flags == select.EPOLLIN | select.EPOLLRDNORM
    assert EventFlags.IN in flags


def test_flags_survive_pickling() -> None:
    flags = EventFlags.IN | EventFlags.ONESHOT
    assert pickle.loads(pickle.dumps(flags)) is flags  # noqa: S301


def test_an_event_has_the_same_flags_as_poll_reports() -> None:
    every = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDNORM | select.EPOLLWRNORM
    with unix_pair() as (near, far), Epoll() as epoll:
        epoll.register(near, every)
        far.send(b"x")
        (event,) = epoll.wait(0)
        ((number, mask),) = epoll.poll(0)
        assert (event.fd, event.flags) == (number, mask) == (near.fileno(), every)
        assert type(mask) is int
        assert type(event.flags) is EventFlags


def test_a_complement_can_be_used_as_a_mask() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, EventFlags.IN | EventFlags.OUT)
        epoll.modify(near, (EventFlags.IN | EventFlags.OUT) & ~EventFlags.OUT)
        assert epoll.poll(0) == []
        epoll.modify(near, ~EventFlags.EXCLUSIVE & ~EventFlags.ET)
        assert [event.is_writable for event in epoll.wait(0)] == [True]
