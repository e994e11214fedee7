"""Epoll sets and the processes, and descriptors, that share them."""

import os
import select

from epollkit import Epoll, EventFlags
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ONESHOT = EventFlags.IN, EventFlags.OUT, EventFlags.ONESHOT


@claim(
    "An epoll set survives fork, and watches the same open files",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7), fork(2)",
    notebook="03",
)
def a_set_survives_fork(lab: Lab) -> None:
    """A child inherits a set, and not the socket that is in it. It waits, and reports.

    The child's descriptor is of the same set: what it reports is the number that the socket has in
    the process that registered it, where it is open.
    """
    near, far = lab.unix_pair()
    epoll = lab.epoll("epoll", near)
    far.send(b"x")
    child = lab.child(
        "import select, sys\nprint(*select.epoll.fromfd(int(sys.argv[1])).poll(5))",
        epoll,
    )
    lab.note("a child waits on it")
    here = str((near.fileno(), int(IN)))
    lab.supports("the child's wait reports what the parent's would", child.stdout.strip(), here)
    lab.supports("the parent's wait", lab.ready(epoll), IN)


@claim(
    "After fork each process has its own interest list",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="the list is in the set, which they share: what the child adds or deletes is added or "
    "deleted for the parent",
    man="epoll(7), fork(2)",
    notebook="03",
)
def a_child_has_its_own_interest_list(lab: Lab) -> None:
    """A child inherits a set and both ends of a pair. It deletes one end, adds the other, and ends.

    This is how a child that tidies up "its copy" of the parent's event loop breaks the parent's.
    What it added goes on after its end, since the parent has that open file, too.
    """
    near, far = lab.unix_pair("watched", "other")
    epoll = lab.epoll("epoll", near, mask=OUT)
    lab.shows("before", [fd == near.fileno() for fd, _ in epoll.poll(0)], [True])
    lab.child(
        "import select, sys\n"
        "number, watched, other = map(int, sys.argv[1:])\n"
        "epoll = select.epoll.fromfd(number)\n"
        "epoll.unregister(watched)\n"
        "epoll.register(other, select.EPOLLOUT)",
        epoll,
        near,
        far,
    )
    lab.note("a child deletes watched, adds other, and ends")
    gone = lab.error(epoll.modify, near, OUT)
    lab.contradicts("the parent's MOD of what the child deleted", gone, "ENOENT")
    names = {near.fileno(): "watched", far.fileno(): "other"}
    seen = [names[fd] for fd, _ in epoll.poll(0)]
    lab.contradicts("the parent's wait reports", seen, ["other"])


@claim(
    "A socket that a child inherited leaves the parent's set when the parent closes it",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="the child has the open file as well: its events go on, under a number that is closed in "
    "the parent, until the child closes it or ends",
    man="epoll(7), fork(2)",
    notebook="03",
)
def closing_removes_what_a_child_inherited(lab: Lab) -> None:
    """A child that knows nothing of epoll holds a socket that the parent watches and closes.

    It is the trap of every duplicate, and here nobody sees a dup. SOCK_CLOEXEC, which Python and
    epollkit set on every descriptor, avoids it for children that run another program.
    """
    near, far = lab.unix_pair("", "peer")
    watched = lab.duplicate(near, "inherited")
    near.close()
    epoll = lab.epoll("epoll", watched)
    with lab.holder(watched):
        lab.note("a child inherits it")
        watched.close()
        far.send(b"x")
        lab.contradicts("closed in the parent, open in the child: events", len(epoll.poll(0)), 1)
    with lab.pause():
        lab.wait_until("the set empty", lambda: not epoll.poll(0))
    lab.note("the child ends")
    lab.shows("the child has ended: events", len(epoll.poll(0)), 0)


@claim(
    "A duplicate of a set's descriptor is a copy of the set",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="it is another descriptor of the same set: one interest list, one ready list",
    man="epoll(7), dup(2)",
    notebook="03",
)
def a_duplicate_of_a_set_is_a_copy(lab: Lab) -> None:
    """A one-shot event is taken, and armed again, through a duplicate of the set's descriptor."""
    near, far = lab.unix_pair()
    epoll = lab.epoll("epoll", near, mask=IN | ONESHOT)
    duplicate = lab.keep(Epoll.fromfd(os.dup(epoll.fileno())), "duplicate")
    far.send(b"x")
    lab.shows("taken through the duplicate", len(duplicate.poll(0)), 1)
    lab.contradicts("then through the original: events", len(epoll.poll(0)), 0)
    duplicate.modify(near, IN | ONESHOT)
    lab.contradicts("armed through the duplicate, the original", len(epoll.poll(0)), 1)


@claim(
    "An epoll set is inherited by a program that a child runs",
    topic="epoll",
    verdict=Verdict.CONDITION,
    truth="unless it has FD_CLOEXEC, which Python's epoll and epollkit's always set",
    man="epoll_create(2), execve(2)",
    notebook="03",
)
def a_set_is_inherited_by_exec(lab: Lab) -> None:
    """A child runs a program and is asked whether the number of the set is open there.

    The first set is as it was made; for the second the flag was taken away.
    """
    asks = (
        "import os, sys\n"
        "try: print(os.readlink('/proc/self/fd/' + sys.argv[1]))\n"
        "except OSError: print('closed')"
    )
    plain = lab.keep(select.epoll())
    closed = lab.child(f"import sys; sys.argv.append('{plain.fileno()}')\n{asks}")
    lab.contradicts("as it was made", closed.stdout.strip(), "closed")
    kept = lab.child(asks, plain)
    lab.supports("without FD_CLOEXEC", kept.stdout.strip(), "anon_inode:[eventpoll]")
