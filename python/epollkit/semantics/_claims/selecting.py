"""select: its sets, its limit, its time-outs."""

import json
from time import monotonic

from epollkit import select
from epollkit.semantics._fd_sets import FdSet, select_in_place
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

SHORT, LONG = 0.02, 60.0
"""Seconds."""


@claim(
    "select handles at most 1024 descriptors",
    topic="select",
    verdict=Verdict.CONDITION,
    truth="descriptors below FD_SETSIZE, 1024 in the C library, however few they are; the kernel "
    "itself takes longer sets; Poll and Epoll know no such limit",
    man="select(2)",
    notebook="03",
)
def select_handles_at_most_1024_descriptors(lab: Lab) -> None:
    """A child gives one socket the numbers 1023 and 1024 and asks select, poll and epoll about it.

    A set is a bit string whose length is fixed in the C library's header. One descriptor is enough
    to overrun it, which in C corrupts memory; Python, and epollkit, refuse the number.
    """
    answer = lab.child(_GREAT_NUMBERS)
    lab.shows("the child's complaints", answer.stderr, "")
    seen = json.loads(answer.stdout)
    for asked, result in seen.items():
        lab.note(f"a child, {asked}: {result}")
    lab.needs(seen, "a hard limit of more than 1024 open files")
    lab.supports("number 1023, one descriptor: ready", seen["select 1023"], 1)
    lab.supports("number 1024, one descriptor", seen["select 1024"], "ValueError")
    lab.contradicts("number 1024, select(2) with a longer set: ready", seen["longer set"], 1)
    lab.shows("number 1024, poll: ready", seen["poll"], 1)
    lab.shows("number 1024, epoll: ready", seen["epoll"], 1)
    lab.shows(
        "number 1024, epollkit", str(lab.outcome(select, [1024], [], [], 0)), _names_the_number
    )


@claim(
    "select changes its sets, which must be built anew for each call",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2)",
    notebook="03",
)
def select_changes_its_sets(lab: Lab) -> None:
    """The C library's select is called twice with one set of two sockets.

    The first is readable at the first call, the second at the second. By then it is in the set no
    more: what was not ready was taken out. Python's select returns new lists instead.
    """
    one, far = lab.tcp_pair("one", "one's peer")
    two, other = lab.tcp_pair("two", "two's peer")
    numbers = {one.fileno(): "one", two.fileno(): "two"}
    readers, nfds = FdSet(*numbers), max(numbers) + 1
    far.send(b"x")
    lab.arrived(one, 1)
    ready, _ = select_in_place(nfds, readers, 0)
    left = [numbers[each] for each in readers.among(numbers)]
    lab.note(f"the C library's select on both: {ready} ready, left in the set: {left}")
    lab.supports("one of two is readable: ready", ready, 1)
    lab.supports("left in the set", left, ["one"])
    one.recv(1)
    other.send(b"x")
    lab.arrived(two, 1)
    ready, _ = select_in_place(nfds, readers, 0)
    lab.note(f"the C library's select on what is left: {ready} ready")
    lab.supports("the other is readable, the same set: ready", ready, 0)
    lists = [one, two]
    found, _, _ = lab.call(select, lists, [], [], 0)
    lab.shows("Python's select, a new list: ready", found == [two], expected=True)
    lab.shows("what it was given still has", len(lists), 2)


@claim(
    "select changes its time-out to what is left of it",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2)",
    notebook="03",
)
def select_changes_its_timeout(lab: Lab) -> None:
    """The C library's select with 60 s, which ends at once, and with 10 ms, which run out.

    On Linux; other systems leave it as it was. A loop that passes the same structure again waits
    shorter each time.
    """
    near, far = lab.tcp_pair()
    number = near.fileno()
    _, left = select_in_place(number + 1, FdSet(number), 0.01)
    lab.note(f"the C library's select, 10 ms: {left} s left")
    lab.supports("nothing came in 10 ms: s left", left, 0.0)
    far.send(b"x")
    lab.arrived(near, 1)
    _, left = select_in_place(number + 1, FdSet(number), LONG)
    lab.note(f"the C library's select, 60 s: {left} s left")
    lab.supports("readable, 60 s given: s left", left, lambda seconds: 0 < seconds < LONG)


@claim(
    "select's first argument is the highest descriptor plus one",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2)",
    notebook="03",
)
def nfds_is_the_highest_descriptor_plus_one(lab: Lab) -> None:
    """A readable socket in the set, with nfds as its number, and one more.

    The kernel looks at the bits below nfds and at no other. Python counts itself.
    """
    near, far = lab.tcp_pair()
    far.send(b"x")
    lab.arrived(near, 1)
    number = near.fileno()
    ready, _ = select_in_place(number, FdSet(number), 0)
    lab.note(f"select(fd, ...): {ready} ready")
    lab.supports("nfds is its number: ready", ready, 0)
    ready, _ = select_in_place(number + 1, FdSet(number), 0)
    lab.note(f"select(fd + 1, ...): {ready} ready")
    lab.supports("nfds is its number plus one: ready", ready, 1)


@claim(
    "Without a time-out select waits until something is ready",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2)",
    notebook="03",
)
def select_without_a_timeout_waits(lab: Lab) -> None:
    """A thread asks select with None and sleeps; a byte wakes it."""
    near, far = lab.tcp_pair()
    waiting = lab.thread(lambda: lab.call(select, [near], [], [], None))
    lab.supports("nothing is ready: select is over", waiting.done(), expected=False)
    far.send(b"x")
    lab.supports("a byte came: readable", len(waiting.result(MUST_ARRIVE)[0]), 1)


@claim(
    "With a time-out of 0 select only looks",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2)",
    notebook="03",
)
def select_with_zero_only_looks(lab: Lab) -> None:
    """Select with 0 where nothing is ready, and where a byte is. It returns both times."""
    near, far = lab.tcp_pair()
    lab.supports("nothing is ready", len(lab.call(select, [near], [], [], 0)[0]), 0)
    far.send(b"x")
    lab.arrived(near, 1)
    lab.supports("a byte is there", len(lab.call(select, [near], [], [], 0)[0]), 1)
    lab.supports("asked again, it was not read", len(lab.call(select, [near], [], [], 0)[0]), 1)


@claim(
    "With a positive time-out select waits at most so long",
    topic="select",
    verdict=Verdict.TRUE,
    man="select(2)",
    notebook="03",
)
def select_with_a_timeout_waits_at_most_so_long(lab: Lab) -> None:
    """20 ms pass without anything, and 60 s are cut short by a byte.

    An empty answer is how select says that the time is up: it is no error.
    """
    near, far = lab.tcp_pair()
    began = monotonic()
    found, _, _ = lab.call(select, [near], [], [], SHORT)
    elapsed = monotonic() - began
    lab.supports("nothing came: ready", len(found), 0)
    lab.supports("ms that passed", round(elapsed * 1000, 1), lambda ms: ms >= SHORT * 1000)
    waiting = lab.thread(lambda: lab.call(select, [near], [], [], LONG))
    far.send(b"x")
    lab.supports("a byte came within 60 s: ready", len(waiting.result(MUST_ARRIVE)[0]), 1)
    refused = lab.outcome(select, [near], [], [], -1)
    lab.shows("a negative one, which poll takes for ever", type(refused).__name__, "ValueError")


def _names_the_number(message: str) -> bool:
    return "1024" in message and "Epoll" in message


_GREAT_NUMBERS = """
import ctypes, json, os, resource, select, socket

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
seen = {}
if hard == resource.RLIM_INFINITY or hard > 1024:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1025, hard))
    near, far = socket.socketpair()
    far.send(b"x")
    for number in (1023, 1024):
        os.dup2(near.fileno(), number)
        try:
            seen[f"select {number}"] = len(select.select([number], [], [], 0)[0])
        except ValueError:
            seen[f"select {number}"] = "ValueError"
    poll, epoll = select.poll(), select.epoll()
    poll.register(1024)
    epoll.register(1024)
    seen["poll"], seen["epoll"] = len(poll.poll(0)), len(epoll.poll(0))
    bits = (ctypes.c_uint64 * 17)()
    bits[16] = 1  # bit 1024
    at_once = (ctypes.c_long * 2)(0, 0)
    seen["longer set"] = ctypes.CDLL(None).select(1025, bits, None, None, at_once)
print(json.dumps(seen))
"""
