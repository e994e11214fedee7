"""ERR, HUP and RDHUP: what they mean, and which of them come unasked."""

import os
from socket import AF_UNIX, SHUT_WR, SOCK_DGRAM

from epollkit import EventFlags
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, ET = EventFlags.IN, EventFlags.OUT, EventFlags.ET
ERR, HUP, RDHUP = EventFlags.ERR, EventFlags.HUP, EventFlags.RDHUP
ALL = IN | OUT | RDHUP


@claim(
    "HUP and ERR come unasked",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="03",
)
def hup_and_err_come_unasked(lab: Lab) -> None:
    """A connection is reset; sets with an empty mask, with IN and with everything watch it.

    The kernel adds EPOLLERR and EPOLLHUP to every mask that epoll_ctl is given.
    """
    near, far = lab.tcp_pair()
    nothing = lab.epoll("mask 0", near, mask=0)
    only_in = lab.epoll("IN", near, mask=IN)
    everything = lab.epoll("IN|OUT|RDHUP", near, mask=ALL)
    lab.shows("a new connection, mask 0", lab.ready(nothing), [])
    lab.reset(far)
    lab.reports(near, ERR | HUP)
    lab.supports("a reset, mask 0", lab.ready(nothing), ERR | HUP)
    lab.supports("a reset, IN", lab.ready(only_in), IN | ERR | HUP)
    lab.supports("a reset, IN|OUT|RDHUP", lab.ready(everything), ALL | ERR | HUP)


@claim(
    "RDHUP must be asked for",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="03",
)
def rdhup_must_be_asked_for(lab: Lab) -> None:
    """The peer shuts down its writing side; sets with and without RDHUP watch."""
    near, far = lab.tcp_pair()
    masks = {"IN|OUT|RDHUP": ALL, "IN|OUT": IN | OUT, "IN": IN, "RDHUP": RDHUP}
    sets = {name: lab.epoll(name, near, mask=mask) for name, mask in masks.items()}
    nothing = lab.epoll("mask 0", near, mask=0)
    far.shutdown(SHUT_WR)
    lab.reports(near, RDHUP)
    for name, epoll in sets.items():
        lab.supports(f"asked for {name}", lab.ready(epoll), masks[name])
    lab.supports("asked for nothing", lab.ready(nothing), [])


@claim(
    "EPOLLHUP is reported when the peer closes",
    topic="epoll",
    verdict=Verdict.CONDITION,
    truth="on Unix stream sockets and pipes; TCP reports RDHUP, and HUP when both directions are "
    "shut down",
    man="epoll_ctl(2), poll(2), unix(7)",
    notebook="03",
)
def hup_means_that_the_peer_has_closed(lab: Lab) -> None:
    """The peer of a Unix socket, of a pipe and of a TCP connection closes.

    TCP cannot know whether the peer closed or only shut down its writing side: both send a FIN.
    """
    near, far = lab.unix_pair("Unix", "Unix peer")
    unix = lab.epoll("of Unix", near, mask=ALL)
    far.close()
    lab.supports("Unix, the peer has closed", lab.ready(unix), IN | OUT | HUP | RDHUP)
    reader, writer = lab.pipe()
    pipe = lab.epoll("of the pipe")
    pipe.register(reader, ALL)
    writer.close()
    lab.supports("a pipe, its writer has closed", lab.ready(pipe), HUP)
    near, far = lab.tcp_pair("TCP", "TCP peer")
    tcp = lab.epoll("of TCP", near, mask=ALL)
    far.close()
    lab.reports(near, RDHUP)
    lab.contradicts("TCP, the peer has closed", lab.ready(tcp), IN | OUT | RDHUP)
    near.shutdown(SHUT_WR)
    lab.shows("TCP, and the own direction is shut down", lab.ready(tcp), IN | OUT | HUP | RDHUP)


@claim(
    "After shutting down one's own writing side a socket hangs up",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="it reports OUT, since a send would not block but fail; HUP needs both directions",
    man="shutdown(2), poll(2)",
    notebook="03",
)
def ones_own_half_close_is_a_hang_up(lab: Lab) -> None:
    """One end shuts down its writing side, then the other does; one set watches each end."""
    near, far = lab.tcp_pair("first", "second")
    first, second = lab.epoll("of first", near, mask=ALL), lab.epoll("of second", far, mask=ALL)
    near.shutdown(SHUT_WR)
    lab.reports(far, RDHUP)
    lab.contradicts("the end that shut down", lab.ready(first), OUT)
    lab.shows("its peer", lab.ready(second), ALL)
    far.shutdown(SHUT_WR)
    lab.reports(near, HUP)
    lab.shows("both have", lab.ready(first), ALL | HUP)


@claim(
    "An error is reported as EPOLLERR alone",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="a socket with an error is readable and writable too, since no call would block; "
    "a refused connect has all five flags",
    man="epoll_ctl(2), connect(2)",
    notebook="03",
)
def an_error_event_comes_alone(lab: Lab) -> None:
    """A connect is refused, a connection reset, and the reader of a pipe goes away.

    Handlers that look at IN first must be ready for a recv that raises.
    """
    closed = lab.socket("bound, does not listen")
    closed.bind((lab.address, 0))
    client = lab.socket("client")
    lab.shows("connect", lab.error(client.connect, closed.getsockname()), "EINPROGRESS")
    lab.reports(client, ERR)
    refused = lab.epoll("of the client", client, mask=ALL)
    lab.contradicts("a refused connect", lab.ready(refused), ALL | ERR | HUP)
    near, far = lab.tcp_pair()
    reset = lab.epoll("of near", near, mask=ALL)
    lab.reset(far)
    lab.reports(near, ERR)
    lab.contradicts("a reset", lab.ready(reset), ALL | ERR | HUP)
    reader, writer = lab.pipe()
    pipe = lab.epoll("of the pipe")
    pipe.register(writer, ALL)
    reader.close()
    lab.contradicts("a pipe without a reader", lab.ready(pipe), OUT | ERR)


@claim(
    "EPOLLERR lasts until the socket is closed",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="it lasts until the error is read, by SO_ERROR or by a call that fails with it; HUP "
    "stays",
    man="socket(7), epoll_ctl(2)",
    notebook="03",
)
def err_lasts_until_the_socket_closes(lab: Lab) -> None:
    """After a reset the set is asked, SO_ERROR is read, and the set is asked again."""
    near, far = lab.tcp_pair()
    epoll = lab.epoll("mask 0", near, mask=0)
    lab.reset(far)
    lab.reports(near, ERR)
    lab.shows("a reset", lab.ready(epoll), ERR | HUP)
    lab.shows("SO_ERROR", os.strerror(near.error()), "Connection reset by peer")
    lab.contradicts("after SO_ERROR was read", lab.ready(epoll), HUP)
    lab.shows("SO_ERROR once more", near.error(), 0)


@claim(
    "A source that is watched with mask 0 reports nothing",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="HUP and ERR come in spite of it, level-triggered at every wait: a loop that pauses a "
    "socket with mask 0 spins once the peer is gone. After DEL there is nothing; with ET one event",
    man="epoll_ctl(2)",
    notebook="03",
)
def an_empty_mask_pauses_a_source(lab: Lab) -> None:
    """A server pauses a client with mask 0, and the client goes away; how often does it wake?"""
    near, far = lab.tcp_pair()
    level = lab.epoll("mask 0", near, mask=0)
    edge = lab.epoll("mask ET", near, mask=ET)
    far.send(b"x")
    lab.arrived(near, 1)
    lab.shows("an arrival, mask 0", lab.ready(level), [])
    lab.reset(far)
    lab.reports(near, ERR)
    lab.contradicts("a reset, mask 0", lab.ready(level), ERR | HUP)
    with lab.pause():
        waits = [len(level.wait(60)) for _ in range(100)]
    lab.note("100 waits")
    lab.contradicts("events of 100 waits with a time-out of 60 s", sum(waits), 100)
    lab.shows("a reset, ET", lab.ready(edge), ERR | HUP)
    lab.shows("and once only", lab.ready(edge), [])


@claim(
    "A socket that was never connected has nothing to report",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="TCP and Unix streams report OUT|HUP, UDP reports OUT; only a listener without clients "
    "is silent",
    man="epoll_ctl(2), poll(2)",
    notebook="03",
)
def an_unconnected_socket_is_silent(lab: Lab) -> None:
    """New sockets of each kind are registered before anything is done with them.

    A program that registers first and connects afterwards gets a hang-up that means nothing.
    """
    new = {
        "TCP": (lab.socket("TCP"), OUT | HUP),
        "Unix": (lab.socket("Unix", AF_UNIX), OUT | HUP),
        "UDP": (lab.socket("UDP", kind=SOCK_DGRAM), OUT),
    }
    for name, (source, expected) in new.items():
        lab.contradicts(
            f"new, {name}", lab.ready(lab.epoll(f"of {name}", source, mask=ALL)), expected
        )
    listener = lab.epoll("of listener", lab.listener(), mask=ALL)
    lab.shows("a listener without clients", lab.ready(listener), [])
