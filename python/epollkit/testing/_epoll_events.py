"""What a set must report: the rules of epoll(7), one experiment each."""

from __future__ import annotations

from socket import SHUT_WR

from epollkit import (
    EPOLLET,
    EPOLLHUP,
    EPOLLIN,
    EPOLLONESHOT,
    EPOLLOUT,
    EPOLLRDHUP,
)
from epollkit.testing._buffers import (
    drain_socket,
    fill_socket,
)
from epollkit.testing._conformance import (
    Bench,
    Rule,
    need,
    see,
    writer,
)
from epollkit.testing._events import (
    flag_names,
)
from epollkit.testing._sources import (
    pair,
    pipe,
    told,
)

__all__ = ["EVENT_RULES"]

_table: list[Rule] = []
_rule = writer(_table)

EPOLL = "epoll(7)"
CTL = "epoll_ctl(2)"


# --- level-triggered


@_rule(EPOLL)
def level_repeats(bench: Bench) -> None:
    """Level-triggered, what is ready is reported again and again."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.send(b"x")
    for _again in range(3):
        see("near IN", told(epoll, near=near))


@_rule(EPOLL)
def level_ends(bench: Bench) -> None:
    """Level-triggered, nothing is reported once all has been read."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.send(b"xy")
    near.recv(1)
    see("near IN", told(epoll, near=near), "with a byte left")
    near.recv(1)
    see("nothing", told(epoll, near=near), "with none left")


@_rule(EPOLL)
def out_while_room(bench: Bench) -> None:
    """OUT is reported while the send buffer has room, and not when full."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLOUT)
    see("near OUT", told(epoll, near=near), "with an empty buffer")
    fill_socket(near)
    see("nothing", told(epoll, near=near), "with a full buffer")
    drain_socket(far)
    see("near OUT", told(epoll, near=near), "once it is read")


@_rule(CTL)
def default_mask(bench: Bench) -> None:
    """Without a mask, register watches for IN, PRI and OUT."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near)
    far.send(b"x")
    see("near IN|OUT", told(epoll, near=near))


@_rule(CTL)
def number_or_object(bench: Bench) -> None:
    """A source is a number or an object with fileno()."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near.fileno(), EPOLLOUT)
    epoll.register(far, EPOLLOUT)
    see("far OUT; near OUT", told(epoll, near=near, far=far))
    epoll.modify(near, EPOLLOUT)
    epoll.unregister(far.fileno())
    see("near OUT", told(epoll, near=near, far=far))


# --- edge-triggered


@_rule(EPOLL)
def edge_once(bench: Bench) -> None:
    """Edge-triggered, unread data is not reported again."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLET)
    far.send(b"x")
    see("near IN", told(epoll, near=near), "at the arrival")
    see("nothing", told(epoll, near=near), "while it is unread")


@_rule(EPOLL)
def edge_partial_read(bench: Bench) -> None:
    """Edge-triggered, what a short read has left is not reported."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLET)
    far.send(b"xyz")
    epoll.poll(0)
    near.recv(1)
    see("nothing", told(epoll, near=near), "after one of three bytes was read")


@_rule(EPOLL)
def edge_new_arrival(bench: Bench) -> None:
    """Edge-triggered, new data is reported while old is unread."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLET)
    for turn in ("first", "second", "third"):
        far.send(b"x")
        see("near IN", told(epoll, near=near), f"at the {turn} arrival")


@_rule(EPOLL)
def edge_merges(bench: Bench) -> None:
    """Edge-triggered, arrivals before a wait are one event."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLET)
    far.send(b"x")
    far.send(b"y")
    see("near IN", told(epoll, near=near))


@_rule(EPOLL)
def edge_at_register(bench: Bench) -> None:
    """Edge-triggered, what is ready at register is reported."""
    near, far = pair(bench)
    epoll = bench.make()
    far.send(b"x")
    epoll.register(near, EPOLLIN | EPOLLET)
    see("near IN", told(epoll, near=near))


@_rule(CTL)
def edge_modify(bench: Bench) -> None:
    """Edge-triggered, modify reports what is ready, unread data too."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLET)
    far.send(b"x")
    epoll.poll(0)
    epoll.modify(near, EPOLLIN | EPOLLET)
    see("near IN", told(epoll, near=near))


@_rule(EPOLL)
def edge_room(bench: Bench) -> None:
    """Edge-triggered, OUT is reported when a full buffer gets room."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLOUT | EPOLLET)
    epoll.poll(0)
    fill_socket(near)
    see("nothing", told(epoll, near=near), "with a full buffer")
    drain_socket(far)
    see("near OUT", told(epoll, near=near), "once it is read")


# --- one-shot


@_rule(CTL)
def oneshot_once(bench: Bench) -> None:
    """One-shot, after one event nothing is reported, new data neither."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLONESHOT)
    far.send(b"x")
    see("near IN", told(epoll, near=near), "at the arrival")
    far.send(b"y")
    see("nothing", told(epoll, near=near), "at the next")


@_rule(CTL)
def oneshot_deaf(bench: Bench) -> None:
    """A disarmed one-shot does not report a hang-up."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLONESHOT)
    far.send(b"x")
    epoll.poll(0)
    far.close()
    see("nothing", told(epoll, near=near))


@_rule(CTL)
def oneshot_rearm(bench: Bench) -> None:
    """`modify` arms a one-shot again; what is ready is reported at once."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLONESHOT)
    far.send(b"x")
    epoll.poll(0)
    for turn in ("once", "twice"):
        epoll.modify(near, EPOLLIN | EPOLLONESHOT)
        see("near IN", told(epoll, near=near), f"rearmed {turn}")
    see("nothing", told(epoll, near=near), "after that")


# --- hang-ups and errors


@_rule(CTL)
def hangup_unasked(bench: Bench) -> None:
    """HUP is reported unasked."""
    reader, writing = pipe(bench)
    epoll = bench.make()
    epoll.register(reader, 0)
    see("nothing", told(epoll, reader=reader), "before")
    writing.close()
    see("reader HUP", told(epoll, reader=reader), "once the writer is closed")


@_rule(CTL)
def error_unasked(bench: Bench) -> None:
    """ERR is reported unasked."""
    reader, writing = pipe(bench)
    epoll = bench.make()
    epoll.register(writing, 0)
    see("nothing", told(epoll, writer=writing), "before")
    reader.close()
    see("writer ERR", told(epoll, writer=writing), "once the reader is closed")


@_rule(CTL)
def hangup_of_both(bench: Bench) -> None:
    """A closed peer is IN and HUP, with RDHUP for those who ask."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLRDHUP)
    far.close()
    expected = flag_names(EPOLLIN | EPOLLHUP | EPOLLRDHUP)
    see(f"near {expected}", told(epoll, near=near))


@_rule(CTL)
def rdhup_asked(bench: Bench) -> None:
    """RDHUP is reported to those who ask for it."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN | EPOLLRDHUP)
    far.shutdown(SHUT_WR)
    see(f"near {flag_names(EPOLLIN | EPOLLRDHUP)}", told(epoll, near=near))


@_rule(CTL)
def rdhup_unasked(bench: Bench) -> None:
    """RDHUP is not reported to those who do not."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.shutdown(SHUT_WR)
    see("near IN", told(epoll, near=near))


# --- duplicates


@_rule(EPOLL)
def close_ends(bench: Bench) -> None:
    """Closing the last descriptor of a file ends its registration."""
    near, far = pair(bench)
    epoll = bench.make()
    epoll.register(near, EPOLLIN)
    far.send(b"x")
    near.close()
    see("nothing", told(epoll))


@_rule(EPOLL)
def close_one_of_two(bench: Bench) -> None:
    """Closing one of two does not: events go on under its number."""
    near, far = pair(bench)
    epoll = bench.make()
    other = bench.keep(near.dup())
    number = near.fileno()
    epoll.register(number, EPOLLIN)
    near.close()
    far.send(b"x")
    see("near IN", told(epoll, near=number))
    see("x", other.recv(1).decode())


@_rule(EPOLL)
def dup_is_another(bench: Bench) -> None:
    """A duplicate is a source of its own."""
    near, far = pair(bench)
    epoll = bench.make()
    other = bench.keep(near.dup())
    epoll.register(near, EPOLLIN)
    epoll.register(other, EPOLLIN | EPOLLOUT)
    far.send(b"x")
    see("near IN; other IN|OUT", told(epoll, near=near, other=other))


# --- sets in sets


@_rule(EPOLL)
def nested_level(bench: Bench) -> None:
    """A set is readable while it has events."""
    near, far = pair(bench)
    inner, outer = bench.make(), bench.make()
    need(inner, "fileno")
    inner.register(near, EPOLLIN)
    outer.register(inner.fileno(), EPOLLIN)
    see("nothing", told(outer, inner=inner), "before")
    far.send(b"x")
    for _again in range(2):
        see("inner IN", told(outer, inner=inner), "with an event")
    near.recv(1)
    see("nothing", told(outer, inner=inner), "without")


@_rule(EPOLL)
def nested_edge(bench: Bench) -> None:
    """Edge-triggered, a set's event is reported once."""
    near, far = pair(bench)
    inner, outer = bench.make(), bench.make()
    need(inner, "fileno")
    inner.register(near, EPOLLIN)
    outer.register(inner.fileno(), EPOLLIN | EPOLLET)
    far.send(b"x")
    see("inner IN", told(outer, inner=inner), "at the arrival")
    see("nothing", told(outer, inner=inner), "while it is unread")


EVENT_RULES: tuple[Rule, ...] = tuple(_table)
