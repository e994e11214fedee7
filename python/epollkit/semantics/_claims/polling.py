"""poll: its list, what it costs, and the flags that it reports unasked."""

import json
import os
from functools import partial
from socket import SHUT_WR
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING

from epollkit import EPOLLIN, Epoll, EventFlags, Poll, PollFlags
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

if TYPE_CHECKING:
    from collections.abc import Callable

IN, OUT, ERR, HUP = PollFlags.IN, PollFlags.OUT, PollFlags.ERR, PollFlags.HUP
NVAL, RDHUP, RDNORM, WRNORM = PollFlags.NVAL, PollFlags.RDHUP, PollFlags.RDNORM, PollFlags.WRNORM
NOT_OPEN = 1 << 30
"""A descriptor's number that no process has."""
FEW, MANY = 2, 200
ROUNDS = 51
MORE = 2
"""Times as long: above is a growing cost, below is none."""


@claim(
    "poll has no limit, for it takes a list",
    topic="poll",
    verdict=Verdict.CONDITION,
    truth="numbers may be any, and the list longer than select's 1024, but not than RLIMIT_NOFILE",
    man="poll(2), getrlimit(2)",
    notebook="03",
)
def poll_has_no_limit(lab: Lab) -> None:
    """A child may have 64 open files, and asks about 64 and about 65 that are not open.

    Nothing is open, and yet all are answered: the kernel goes through the list as it is. The number
    of entries is all that is limited.
    """
    answer = lab.child(_ENTRIES)
    lab.shows("the child's complaints", answer.stderr, "")
    seen = json.loads(answer.stdout)
    for entries, result in seen.items():
        lab.note(f"a child polls {entries}: {result}")
    lab.supports(
        "a limit of 64, 64 entries, numbers from 5000: answers", seen["64 entries, limit 64"], 64
    )
    lab.contradicts("a limit of 64, 65 entries", seen["65 entries, limit 64"], "EINVAL")
    many = seen["2000 entries, limit 2000"]
    lab.needs(many, "a hard limit of 2000 open files or more")
    lab.supports("a limit of 2000, 2000 entries: answers", many, 2000)


@claim(
    "poll's cost grows with every descriptor that is watched, epoll's does not",
    topic="poll",
    verdict=Verdict.TRUE,
    man="poll(2), epoll(7)",
    notebook="03",
)
def polls_cost_grows_with_every_descriptor(lab: Lab) -> None:
    """2 and 200 idle sockets, asked in turn, 51 rounds: how many times as long the 200 take.

    poll gets the whole list with each call and looks at each entry. epoll has its list in the
    kernel, and sockets put themselves on a second one when something happens.
    """
    near, _far = lab.tcp_pair("", "")
    copies = [lab.keep(near.dup()) for _ in range(MANY)]
    asked: dict[str, Callable[[], object]] = {}
    for size in (FEW, MANY):
        poll, epoll = Poll(), lab.keep(Epoll())
        for copy in copies[:size]:
            poll.register(copy, IN)
            epoll.register(copy, EPOLLIN)
        asked[f"poll {size}"] = partial(poll.poll, 0)
        asked[f"epoll {size}"] = partial(epoll.poll, 0)
    taken = {name: list[int]() for name in asked}
    for _ in range(ROUNDS):
        for name, ask in asked.items():
            began = perf_counter_ns()
            ask()
            taken[name].append(perf_counter_ns() - began)
    cost = {name: median(times) for name, times in taken.items()}
    polls = round(cost[f"poll {MANY}"] / cost[f"poll {FEW}"], 1)
    epolls = round(cost[f"epoll {MANY}"] / cost[f"epoll {FEW}"], 1)
    lab.note(f"poll and epoll, {FEW} and {MANY} idle sockets, in turn, {ROUNDS} times")
    lab.supports(f"poll, {MANY} against {FEW}: times as long", polls, lambda ratio: ratio > MORE)
    lab.supports(f"epoll, {MANY} against {FEW}", epolls, lambda ratio: ratio < MORE)


@claim(
    "poll needs its list rebuilt for each call, as select needs its sets",
    topic="poll",
    verdict=Verdict.FALSE,
    truth="what it reports is in a field beside what was asked, so the list stays as it is",
    man="poll(2)",
    notebook="03",
)
def poll_needs_its_list_rebuilt(lab: Lab) -> None:
    """One `Poll`, three calls: nothing to read, then a byte at one, then a byte at the other."""
    one, far = lab.tcp_pair("one", "one's peer")
    two, other = lab.tcp_pair("two", "two's peer")
    poll = lab.poll("poll", one, two, mask=IN)
    lab.shows("nothing to read", len(poll.wait(0)), 0)
    far.send(b"x")
    lab.arrived(one, 1)
    lab.shows("a byte at one", [fd == one.fileno() for fd, _ in poll.wait(0)], [True])
    one.recv(1)
    other.send(b"x")
    lab.arrived(two, 1)
    lab.contradicts(
        "read, and a byte at the other, which is reported",
        [fd == two.fileno() for fd, _ in poll.wait(0)],
        [True],
    )


@claim(
    "A number that is not open makes poll fail with EBADF",
    topic="poll",
    verdict=Verdict.FALSE,
    truth="it is an event, POLLNVAL, and the call succeeds; select fails",
    man="poll(2)",
    notebook="03",
)
def poll_fails_with_a_number_that_is_not_open(lab: Lab) -> None:
    """A number that nobody has, asked for nothing, beside a socket that is writable."""
    near, _far = lab.tcp_pair()
    poll = lab.poll("poll", near, mask=OUT)
    poll.register(NOT_OPEN, 0)
    seen = dict(poll.wait(MUST_ARRIVE))
    lab.contradicts("the number", seen.get(NOT_OPEN), NVAL)
    lab.contradicts("the socket beside it", seen.get(near.fileno()), OUT)


@claim(
    "POLLERR, POLLHUP and POLLNVAL are output only: they come unasked",
    topic="poll",
    verdict=Verdict.TRUE,
    man="poll(2)",
    notebook="03",
)
def poll_reports_errors_and_hang_ups_unasked(lab: Lab) -> None:
    """Sources with an empty mask: a TCP socket, a Unix socket, and a number that is not open.

    Asking for these flags changes nothing. So an empty mask does not switch an entry off: it must
    be taken out, or in C its number be made negative.
    """
    near, far = lab.tcp_pair("TCP", "TCP peer")
    nothing, all_three = lab.poll("asks for nothing", near, mask=0), lab.poll("asks for all three")
    all_three.register(near, ERR | HUP | NVAL)
    lab.supports("idle, asked for all three", lab.polled(all_three), [])
    lab.reset(far)
    lab.reports(near, EventFlags.ERR)
    lab.supports("reset, asked for nothing", lab.polled(nothing), ERR | HUP)
    lab.supports("reset, asked for all three", lab.polled(all_three), ERR | HUP)
    near, far = lab.unix_pair("Unix", "Unix peer")
    unix = lab.poll("of the Unix socket", near, mask=0)
    far.close()
    lab.supports("Unix, the peer has closed", lab.polled(unix), HUP)
    number = lab.poll("of the number", mask=0)
    number.register(NOT_OPEN, 0)
    lab.supports("a number that is not open", lab.polled(number), NVAL)


@claim(
    "POLLRDHUP must be asked for",
    topic="poll",
    verdict=Verdict.TRUE,
    man="poll(2)",
    notebook="03",
)
def poll_reports_rdhup_only_when_asked(lab: Lab) -> None:
    """The peer has shut down its writing: asked for nothing, for IN, for RDHUP, and for both."""
    near, far = lab.tcp_pair()
    masks = {"nothing": 0, "IN": IN, "RDHUP": RDHUP, "both": IN | RDHUP}
    polls = {name: lab.poll(f"asks for {name}", near, mask=mask) for name, mask in masks.items()}
    far.shutdown(SHUT_WR)
    lab.reports(near, EventFlags.RDHUP)
    for name, poll in polls.items():
        lab.supports(f"asked for {name}", lab.polled(poll), PollFlags(masks[name]) or [])


@claim(
    "poll tells you when there is something to read in a regular file",
    topic="poll",
    verdict=Verdict.FALSE,
    truth="a file on disk is always readable and writable, at its end, too; epoll refuses it",
    man="poll(2), epoll_ctl(2)",
    notebook="03",
)
def poll_waits_for_regular_files(lab: Lab) -> None:
    """An empty file, opened for reading alone: poll and select call it ready both ways."""
    path = lab.temporary() / "empty"
    path.touch()
    with path.open("rb") as file:
        poll = lab.poll("poll", file)
        lab.contradicts("poll", lab.polled(poll), IN | OUT | RDNORM | WRNORM)
        lab.contradicts("select", lab.selected(file), ["readable", "writable"])
        lab.shows("what there is to read", os.read(file.fileno(), 9), b"")
        lab.shows("epoll", lab.error(lab.epoll().register, file), "EPERM")


_ENTRIES = """
import errno, json, resource, select

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def ask(limit, entries):
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    poll = select.poll()
    for number in range(5000, 5000 + entries):
        poll.register(number, 0)
    try:
        return len(poll.poll(0))
    except OSError as error:
        return errno.errorcode[error.errno]


enough = hard == resource.RLIM_INFINITY or hard >= 2000
seen = {
    "64 entries, limit 64": ask(64, 64),
    "65 entries, limit 64": ask(64, 65),
    "2000 entries, limit 2000": enough and ask(2000, 2000),
}
print(json.dumps(seen))
"""
