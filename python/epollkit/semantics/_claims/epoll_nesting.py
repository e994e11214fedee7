"""Epoll sets in epoll sets."""

from epollkit import Epoll, EventFlags, Poll, PollFlags, select
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ET = EventFlags.IN, EventFlags.OUT, EventFlags.ET
DEEPEST = 5


@claim(
    "An inner set is readable while it has events",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7)",
    notebook="03",
)
def an_inner_set_is_readable_while_it_has_events(lab: Lab) -> None:
    """An outer set watches an inner one, which watches a socket. A byte arrives, and is read.

    A set's own poll operation asks the sources on its ready list whether they still are.
    """
    near, far = lab.unix_pair()
    inner = lab.epoll("inner", near)
    outer = lab.epoll("outer")
    outer.register(inner, IN | OUT)
    lab.supports("nothing arrived", lab.ready(outer), [])
    far.send(b"x")
    lab.supports("an arrival, outer set", lab.ready(outer), IN)
    lab.supports("an arrival, inner set", lab.ready(inner), IN)
    lab.supports("it was not read, outer set", lab.ready(outer), IN)
    near.recv(1)
    lab.supports("it was read, outer set", lab.ready(outer), [])


@claim(
    "An outer set with ET fires when something happens in the inner one",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7)",
    notebook="03",
)
def an_outer_edge_fires_at_arrivals_in_the_inner_set(lab: Lab) -> None:
    """The inner set is watched edge-triggered. Bytes arrive, and none is read."""
    near, far = lab.unix_pair()
    inner = lab.epoll("inner LT", near)
    outer = lab.epoll("outer ET")
    outer.register(inner, IN | ET)
    far.send(b"x")
    lab.supports("an arrival", lab.ready(outer), IN)
    lab.supports("nothing was read", lab.ready(outer), [])
    far.send(b"y")
    lab.supports("another arrival", lab.ready(outer), IN)
    lab.shows("the inner set all the while", lab.ready(inner), IN)


@claim(
    "Waiting on the outer set takes the event away from the inner one",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="each set has a ready list of its own: an edge that the outer one told of is still to be "
    "taken from the inner one, and only that ends it",
    man="epoll(7)",
    notebook="03",
)
def an_outer_wait_takes_the_inner_event(lab: Lab) -> None:
    """An inner set with ET, in an outer one with LT. One byte arrives, and is never read.

    The outer set goes on saying IN until somebody waits on the inner one; after that the inner set
    has no event any more, though the byte is still there.
    """
    near, far = lab.unix_pair()
    inner = lab.epoll("inner ET", near, mask=IN | ET)
    outer = lab.epoll("outer LT")
    outer.register(inner, IN)
    far.send(b"x")
    lab.shows("an arrival, outer set", lab.ready(outer), IN)
    lab.shows("outer set once more", lab.ready(outer), IN)
    lab.contradicts("inner set", lab.ready(inner), IN)
    lab.shows("inner set once more", lab.ready(inner), [])
    lab.shows("outer set, after that", lab.ready(outer), [])
    lab.shows("bytes unread", near.inq(), 1)


@claim(
    "select and poll can watch an epoll set",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7)",
    notebook="03",
)
def select_and_poll_can_watch_a_set(lab: Lab) -> None:
    """A set is given to select and to poll, before and after an arrival.

    A set's descriptor is a descriptor like others, so any event loop can have it as one source.
    """
    near, far = lab.unix_pair()
    epoll = lab.epoll("epoll", near)
    poll = lab.keep(Poll(), "poll")
    poll.register(epoll, PollFlags.IN)

    def both() -> list[int]:
        return [len(lab.call(select, [epoll], [], [], 0)[0]), len(poll.poll(0))]

    lab.supports("nothing arrived: select, poll", both(), [0, 0])
    far.send(b"x")
    lab.supports("an arrival: select, poll", both(), [1, 1])


@claim(
    "Sets in a circle are ELOOP",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="03",
)
def sets_in_a_circle_are_eloop(lab: Lab) -> None:
    """Two sets are put into each other, then three into a circle."""
    first, second, third = (lab.epoll(name) for name in ("first", "second", "third"))
    first.register(second, IN)
    lab.supports("a circle of two", lab.error(second.register, first, IN), "ELOOP")
    second.register(third, IN)
    lab.supports("a circle of three", lab.error(third.register, first, IN), "ELOOP")


@claim(
    "Sets can be nested as deep as one likes",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="five deep; one more is ELOOP, though there is no loop",
    man="epoll_ctl(2)",
    notebook="03",
)
def sets_nest_without_limit(lab: Lab) -> None:
    """Each set is put into the next until the kernel refuses; then a byte arrives in the innermost.

    An arrival calls one set after the other, and the kernel's stack is short. (Nothing is recorded,
    since a recording has the sets in a set of its own.)
    """
    sets: list[Epoll] = [lab.epoll("")]
    error = "none"
    while error == "none" and len(sets) < 4 * DEEPEST:
        sets.append(lab.epoll(""))
        error = lab.error(sets[-1].register, sets[-2], IN)
    lab.contradicts("the set that is refused", len(sets), DEEPEST + 1)
    lab.contradicts("with", error, "ELOOP")
    near, far = lab.unix_pair()
    sets[0].register(near, IN)
    far.send(b"x")
    lab.shows("an arrival in the first, seen in the fifth", lab.ready(sets[-2]), IN)
