"""Closed descriptors: whose events go on, and whose come too late."""

import os
import select

from epollkit import EventFlags, Socket
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ONESHOT = EventFlags.IN, EventFlags.OUT, EventFlags.ONESHOT


@claim(
    "Closing an fd removes it from every epoll",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="only closing the last descriptor of the open file does: with a duplicate the events go "
    "on, under the number that is closed",
    man="epoll(7), close(2)",
    notebook="03",
)
def closing_a_descriptor_removes_it_from_every_set(lab: Lab) -> None:
    """A watched socket is closed while a duplicate of it lives; then the duplicate is closed, too.

    The entry belongs to the open file, not to the descriptor, and goes when the file does.
    """
    near, far = lab.unix_pair("duplicate", "peer")
    watched = lab.duplicate(near, "watched")
    number = watched.fileno()
    epoll = lab.epoll("epoll", watched)
    watched.close()
    far.send(b"x")
    seen = [(fd == number, EventFlags(mask)) for fd, mask in epoll.poll(0)]
    lab.contradicts("watched is closed: event under its number", seen, [(True, IN)])
    lab.shows("what is open under that number", lab.error(os.fstat, number), "EBADF")
    near.recv(1)
    far.send(b"y")
    lab.contradicts("a byte later", len(epoll.poll(0)), 1)
    near.close()
    lab.shows("the duplicate is closed, too: events", len(epoll.poll(0)), 0)


@claim(
    "What a set reports can be removed by its number",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="once the number is closed MOD and DEL fail with EBADF; a duplicate brought back to that "
    "very number makes them work again",
    man="epoll(7), epoll_ctl(2)",
    notebook="03",
)
def a_stale_entry_can_be_deleted_by_number(lab: Lab) -> None:
    """A watched socket is closed while a duplicate lives; its number is given to MOD and to DEL.

    epoll_ctl looks the number up among the open descriptors first. So unregister before closing.
    """
    near, far = lab.unix_pair("duplicate", "peer")
    watched = lab.duplicate(near, "watched")
    number = watched.fileno()
    epoll = lab.epoll("epoll", watched)
    watched.close()
    far.send(b"x")
    lab.shows("events under the closed number", len(epoll.poll(0)), 1)
    lab.contradicts("DEL by that number", lab.error(epoll.unregister, number), "EBADF")
    lab.contradicts("MOD by that number", lab.error(epoll.modify, number, 0), "EBADF")
    lab.contradicts("DEL by the duplicate's", lab.error(epoll.unregister, near), "ENOENT")
    lab.shows("events after all that", len(epoll.poll(0)), 1)
    os.dup2(near.fileno(), number, inheritable=False)
    lab.keep(Socket(fileno=number))
    lab.shows(
        "DEL when the number is a duplicate again", lab.error(epoll.unregister, number), "none"
    )
    lab.shows("events", len(epoll.poll(0)), 0)


@claim(
    "A descriptor's number is in a set at most once",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="the key is the number together with the open file: a reused number stands beside what "
    "the old file left behind, and one wait reports it twice",
    man="epoll(7)",
    notebook="03",
)
def a_number_is_in_a_set_only_once(lab: Lab) -> None:
    """A watched socket is closed while a duplicate lives, and another socket gets its number.

    Whoever goes by the number cannot tell the two apart: a dead connection's events look like the
    new one's. epollkit gives every registration a token of its own.
    """
    near, _ = lab.unix_pair("duplicate", "peer")
    other, _ = lab.unix_pair("other", "other peer")
    watched = lab.duplicate(near, "watched")
    number = watched.fileno()
    epoll = lab.epoll()
    epoll.register(watched, OUT, data="old")
    watched.close()
    os.dup2(other.fileno(), number, inheritable=False)
    heir = lab.keep(Socket(fileno=number), "heir of the number")
    lab.contradicts("ADD of the same number", lab.error(epoll.register, heir, OUT), "none")
    seen = [fd == number for fd, _ in epoll.poll(0)]
    lab.contradicts("events under the number", len(seen), 2)
    lab.shows("all of them", all(seen), True)
    lab.shows("what epollkit's wait hands out: events", len(epoll.wait(0)), 1)


@claim(
    "ONESHOT ends the events of a closed number after one",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7), epoll_ctl(2)",
    notebook="03",
)
def oneshot_ends_the_events_of_a_closed_number(lab: Lab) -> None:
    """A socket that is watched one-shot is closed while a duplicate lives."""
    near, far = lab.unix_pair("duplicate", "peer")
    watched = lab.duplicate(near, "watched")
    epoll = lab.epoll("ONESHOT", watched, mask=IN | ONESHOT)
    watched.close()
    far.send(b"x")
    lab.supports("watched is closed: events of an arrival", len(epoll.poll(0)), 1)
    far.send(b"y")
    lab.supports("events of another", len(epoll.poll(0)), 0)


@claim(
    "The events of one wait may name a socket that was closed by the handler of an earlier one",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7)",
    notebook="03",
)
def a_batch_may_name_a_closed_socket(lab: Lab) -> None:
    """Two sockets are ready. While the first event is handled the other socket is closed.

    What wait returned is a copy. The standard library hands the second event out all the same;
    epollkit's events look again when they are touched, and leave it out.
    """
    first, _ = lab.unix_pair("first", "first peer")
    near, _ = lab.unix_pair("", "second peer")
    second = lab.duplicate(near, "second")
    near.close()
    plain = lab.keep(select.epoll(), "standard library's")
    ours = lab.epoll("epollkit's", first, second, mask=OUT)
    for source in (first, second):
        plain.register(source.fileno(), OUT)
    batch, events = plain.poll(0), ours.wait(0)
    number = second.fileno()
    second.close()
    late = [EventFlags(mask) for fd, mask in batch if fd == number]
    lab.supports("event of the closed second socket, standard library", late, [OUT])
    lab.supports("what is open under its number", lab.error(os.fstat, number), "EBADF")
    lab.shows("epollkit: events that were delivered", events.delivered, 2)
    lab.shows("epollkit: events that it hands out", len(events), 1)


@claim(
    "The events of one wait may name a number that belongs to another socket by now",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7)",
    notebook="03",
)
def a_batch_may_name_the_next_owner_of_a_number(lab: Lab) -> None:
    """Between the wait and the handler a socket is closed, and a new one gets its number.

    A new descriptor gets the lowest free number, so this is what happens when a handler closes one
    client and accepts the next. Reading is harmless; closing "the client that hung up" is not.
    """
    near, far = lab.unix_pair("", "old peer")
    old = lab.duplicate(near, "old")
    near.close()
    other, _ = lab.unix_pair("new", "new peer")
    number = old.fileno()
    plain = lab.keep(select.epoll(), "standard library's")
    plain.register(number, IN)
    ours = lab.epoll("epollkit's", old)
    far.send(b"x")
    batch, events = plain.poll(0), ours.wait(0)
    old.close()
    os.dup2(other.fileno(), number, inheritable=False)
    heir = lab.keep(Socket(fileno=number), "new under the old number")
    heir.settimeout(0.0)
    late = [EventFlags(mask) for fd, mask in batch if fd == number]
    lab.supports("the event under that number", late, [IN])
    lab.supports("what a read of the number gives", lab.error(heir.recv, 1), "EAGAIN")
    lab.shows("epollkit: events that it hands out", len(events), 0)
