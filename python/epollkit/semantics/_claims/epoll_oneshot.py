"""EPOLLONESHOT: one event, then nothing at all until the entry is armed again."""

from epollkit import EventFlags
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ERR, HUP = EventFlags.IN, EventFlags.OUT, EventFlags.ERR, EventFlags.HUP
RDHUP, ET, ONESHOT = EventFlags.RDHUP, EventFlags.ET, EventFlags.ONESHOT


@claim(
    "ONESHOT reports once, then nothing until EPOLL_CTL_MOD",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="05",
)
def oneshot_reports_once(lab: Lab) -> None:
    """Data arrives twice and is not read, for a level and an edge set; then both are armed again.

    Reporting a one-shot entry clears its mask. It stays in the set, deaf, until MOD gives it a mask
    again.
    """
    near, far = lab.tcp_pair()
    level = lab.epoll("LT|ONESHOT", near, mask=IN | ONESHOT)
    edge = lab.epoll("ET|ONESHOT", near, mask=IN | ET | ONESHOT)
    both = (("LT", level), ("ET", edge))
    far.send(b"x")
    lab.arrived(near, 1)
    for name, epoll in both:
        lab.supports(f"{name}: an arrival", lab.ready(epoll), IN)
        lab.supports(f"{name}: it was not read", lab.ready(epoll), [])
    far.send(b"x")
    lab.arrived(near, 2)
    for name, epoll in both:
        lab.supports(f"{name}: another arrival", lab.ready(epoll), [])
        epoll.rearm(near)
        lab.supports(f"{name}: after MOD", lab.ready(epoll), IN)
        lab.supports(f"{name}: and once only", lab.ready(epoll), [])


@claim(
    "A disarmed ONESHOT still reports ERR and HUP, which come unasked",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="disarmed means nothing at all, not even ERR or HUP, until MOD",
    man="epoll_ctl(2)",
    notebook="05",
)
def oneshot_reports_errors_while_disarmed(lab: Lab) -> None:
    """After its event the peer resets the connection; then the entry is armed again.

    An entry with an empty mask is woken by ERR and HUP. A disarmed one is not the same: the kernel
    skips it before it looks at what happened.
    """
    near, far = lab.tcp_pair()
    epoll = lab.epoll("ONESHOT", near, mask=IN | OUT | RDHUP | ONESHOT)
    deaf = lab.epoll("mask 0", near, mask=0)
    lab.shows("a new connection", lab.ready(epoll), OUT)
    lab.reset(far)
    lab.reports(near, ERR | HUP)
    lab.contradicts("a reset while disarmed", lab.ready(epoll), [])
    lab.shows("the same for a set with mask 0", lab.ready(deaf), ERR | HUP)
    epoll.rearm(near)
    lab.shows("after MOD", lab.ready(epoll), IN | OUT | ERR | HUP | RDHUP)


@claim(
    "What happens to a disarmed ONESHOT source is lost",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="MOD looks at the source at once: what is still true then is reported",
    man="epoll_ctl(2)",
    notebook="05",
)
def oneshot_loses_what_happens_while_disarmed(lab: Lab) -> None:
    """Data arrives after the event, once while disarmed and once when all had been read."""
    near, far = lab.tcp_pair()
    epoll = lab.epoll("ONESHOT", near, mask=IN | ONESHOT)
    far.send(b"first")
    lab.arrived(near, 5)
    lab.shows("first", lab.ready(epoll), IN)
    near.recv(5)
    far.send(b"second")
    lab.arrived(near, 6)
    lab.shows("second arrives while disarmed", lab.ready(epoll), [])
    epoll.rearm(near)
    lab.contradicts("after MOD", lab.ready(epoll), IN)
    near.recv(6)
    epoll.rearm(near)
    lab.shows("all was read, after MOD", lab.ready(epoll), [])


@claim(
    "After its event a ONESHOT source has left the set",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="it is in the set, disarmed: ADD fails with EEXIST, MOD arms it, DEL removes it",
    man="epoll_ctl(2)",
    notebook="05",
)
def oneshot_leaves_the_set(lab: Lab) -> None:
    """After the event the source is added, modified to output, and deleted."""
    near, _ = lab.tcp_pair()
    epoll = lab.epoll("ONESHOT", near, mask=OUT | ONESHOT)
    lab.shows("a new connection", lab.ready(epoll), OUT)
    lab.shows("and then", lab.ready(epoll), [])
    lab.contradicts("ADD", lab.error(epoll.register, near, OUT), "EEXIST")
    lab.contradicts("MOD", lab.error(epoll.modify, near, OUT | ONESHOT), "none")
    lab.shows("after MOD", lab.ready(epoll), OUT)
    lab.contradicts("DEL", lab.error(epoll.unregister, near), "none")
