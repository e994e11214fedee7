"""What a `selectors.BaseSelector` must do: level-triggered, by the standard library's names."""

from __future__ import annotations

import os
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey

from epollkit.testing._buffers import fill_socket
from epollkit.testing._conformance import (
    MUST_HAPPEN,
    Bench,
    Rule,
    see,
    see_raised,
    see_waits_at_least,
    start,
    writer,
)
from epollkit.testing._sources import pair

__all__ = ["SELECTOR_RULES"]

_table: list[Rule] = []
_rule = writer(_table)

DOCS = "https://docs.python.org/3/library/selectors.html"
BOTH = EVENT_READ | EVENT_WRITE
_NAMES = {0: "nothing", EVENT_READ: "read", EVENT_WRITE: "write", BOTH: "read+write"}


def told(selector: BaseSelector, timeout: float | None = 0, **names: object) -> str:
    """What one select reports, as text: "near read; far write", or "nothing"."""
    known = {id(source): name for name, source in names.items()}
    parts = [
        f"{known.get(id(key.fileobj), repr(key.fileobj))} {_NAMES.get(events, events)}"
        for key, events in selector.select(timeout)
    ]
    return "; ".join(sorted(parts)) or "nothing"


@_rule(DOCS)
def read_repeats(bench: Bench) -> None:
    """What is readable is reported until it has been read."""
    near, far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_READ)
    see("nothing", told(selector, near=near), "before")
    far.send(b"xy")
    for _again in range(2):
        see("near read", told(selector, near=near), "while it is unread")
    near.recv(1)
    see("near read", told(selector, near=near), "with a byte left")
    near.recv(1)
    see("nothing", told(selector, near=near), "with none left")


@_rule(DOCS)
def write_while_room(bench: Bench) -> None:
    """A socket is writable while it has room."""
    near, _far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_WRITE)
    see("near write", told(selector, near=near), "with an empty buffer")
    fill_socket(near)
    see("nothing", told(selector, near=near), "with a full buffer")


@_rule(DOCS)
def both(bench: Bench) -> None:
    """Both events of one source come as one mask."""
    near, far = pair(bench)
    selector = bench.make()
    selector.register(near, BOTH)
    far.send(b"x")
    see("near read+write", told(selector, near=near))


@_rule(DOCS)
def only_what_is_asked(bench: Bench) -> None:
    """Only what was registered for is reported."""
    near, far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_READ)
    selector.register(far, EVENT_WRITE)
    far.send(b"x")
    near.send(b"y")
    see("far write; near read", told(selector, near=near, far=far))


@_rule(DOCS)
def end_is_readable(bench: Bench) -> None:
    """A peer that has closed makes its socket readable."""
    near, far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_READ)
    far.close()
    see("near read", told(selector, near=near))


@_rule(DOCS)
def hangup_wakes_writers(bench: Bench) -> None:
    """A broken pipe is reported to who waits to write."""
    near, far = pair(bench)
    selector = bench.make()
    fill_socket(near)
    selector.register(near, EVENT_WRITE)
    see("nothing", told(selector, near=near), "before")
    far.close()
    see("near write", told(selector, near=near), "once the peer is closed")


@_rule(DOCS)
def key(bench: Bench) -> None:
    """`register` returns the key: file object, number, events, data."""
    near, far = pair(bench)
    selector = bench.make()
    data = object()
    key = selector.register(near, EVENT_READ, data)
    see(SelectorKey(near, near.fileno(), EVENT_READ, data), key)
    far.send(b"x")
    see([(key, EVENT_READ)], selector.select(0))


@_rule(DOCS)
def numbers(bench: Bench) -> None:
    """A source may be a number, and be named by its object later."""
    near, _far = pair(bench)
    selector = bench.make()
    key = selector.register(near.fileno(), EVENT_WRITE)
    see(near.fileno(), key.fileobj)
    see(key, selector.get_key(near))
    see(key, selector.unregister(near))


@_rule(DOCS)
def register_twice(bench: Bench) -> None:
    """Registering twice is a KeyError, and changes nothing."""
    near, far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_READ)
    see_raised(KeyError, selector.register, near, EVENT_WRITE)
    far.send(b"x")
    see("near read", told(selector, near=near))


@_rule(DOCS)
def bad_events(bench: Bench) -> None:
    """No event, or an unknown one, is a ValueError."""
    near, _far = pair(bench)
    selector = bench.make()
    for events in (0, 1 << 10):
        see_raised(ValueError, selector.register, near, events)
    see(0, len(selector.get_map()), "registered after that")


@_rule(DOCS)
def bad_source(bench: Bench) -> None:
    """What has no descriptor, or a negative one, is a ValueError."""
    selector = bench.make()
    for source in (object(), "name", -1):
        see_raised(ValueError, selector.register, source, EVENT_READ)


@_rule(DOCS)
def modify_events(bench: Bench) -> None:
    """`modify` changes the events, and returns the new key."""
    near, far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_READ)
    far.send(b"x")
    key = selector.modify(near, EVENT_WRITE)
    see(SelectorKey(near, near.fileno(), EVENT_WRITE, None), key)
    see("near write", told(selector, near=near))
    see(key, selector.get_key(near))


@_rule(DOCS)
def modify_data(bench: Bench) -> None:
    """`modify` changes the data."""
    near, _far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_WRITE, "old")
    selector.modify(near, EVENT_WRITE, "new")
    see(["new"], [key.data for key, _ in selector.select(0)])


@_rule(DOCS)
def modify_unknown(bench: Bench) -> None:
    """`modify` of what is not registered is a KeyError."""
    near, _far = pair(bench)
    see_raised(KeyError, bench.make().modify, near, EVENT_READ)


@_rule(DOCS)
def unregister_ends(bench: Bench) -> None:
    """`unregister` returns the key, and nothing is reported after it."""
    near, far = pair(bench)
    selector = bench.make()
    key = selector.register(near, EVENT_READ)
    far.send(b"x")
    see(key, selector.unregister(near))
    see("nothing", told(selector, near=near))
    see(0, len(selector.get_map()), "registered")


@_rule(DOCS)
def unregister_unknown(bench: Bench) -> None:
    """`unregister` of what is not registered is a KeyError."""
    near, _far = pair(bench)
    see_raised(KeyError, bench.make().unregister, near)


@_rule(DOCS)
def unregister_closed(bench: Bench) -> None:
    """What has been closed can be unregistered."""
    near, _far = pair(bench)
    selector = bench.make()
    key = selector.register(near, EVENT_READ)
    near.close()
    see(key, selector.unregister(near))


@_rule(DOCS)
def live_map(bench: Bench) -> None:
    """get_map shows what is registered, at every moment."""
    near, far = pair(bench)
    selector = bench.make()
    shown = selector.get_map()
    keys = {selector.register(one, EVENT_READ).fd for one in (near, far)}
    see(keys, set(shown))
    see(near, shown[near].fileobj)
    selector.unregister(far)
    see({near.fileno()}, set(shown))
    see_raised(KeyError, shown.__getitem__, far)


@_rule(DOCS)
def timeout_zero(bench: Bench) -> None:
    """A time-out of 0, or below it, is a look."""
    near, _far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_READ)
    for timeout in (0, -1):
        looking = start(partial(told, selector, timeout, near=near))
        see("nothing", looking.outcome())


@_rule(DOCS)
def timeout_at_least(bench: Bench) -> None:
    """A wait for nothing does not end before its time."""
    near, _far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_READ)
    see_waits_at_least(0.0015, lambda seconds: see("nothing", told(selector, seconds, near=near)))


@_rule(DOCS)
def timeout_none(bench: Bench) -> None:
    """Without a time-out a wait ends with an event and not before."""
    near, far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_READ)
    waiting = start(lambda: told(selector, None, near=near))
    far.send(b"x")
    see("near read", waiting.outcome())


@_rule(DOCS)
def arrival_ends_wait(bench: Bench) -> None:
    """An arrival ends a wait before its time-out."""
    near, far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_READ)
    waiting = start(lambda: told(selector, MUST_HAPPEN, near=near))
    far.send(b"x")
    see("near read", waiting.outcome())


@_rule(DOCS)
def regular_file(bench: Bench) -> None:
    """A regular file is reported as ready, or refused with EPERM."""
    number = os.memfd_create("epollkit.testing")
    bench.then(os.close, number)
    selector = bench.make()
    try:
        selector.register(number, EVENT_READ)
    except PermissionError:
        see(0, len(selector.get_map()), "registered after that")
    else:
        see(1, len(selector.select(0)), "ready")


@_rule(DOCS)
def closed(bench: Bench) -> None:
    """A closed selector has no map and no keys; closing again does nothing."""
    near, _far = pair(bench)
    selector = bench.make()
    selector.register(near, EVENT_READ)
    selector.close()
    selector.close()
    see(None, selector.get_map())
    see_raised(RuntimeError, selector.get_key, near)


@_rule(DOCS)
def with_closes(bench: Bench) -> None:
    """A selector closes itself at the end of a with statement."""
    selector = bench.make()
    with selector as entered:
        see(True, entered is selector, "the selector itself")
    see(None, selector.get_map())


SELECTOR_RULES: tuple[Rule, ...] = tuple(_table)
