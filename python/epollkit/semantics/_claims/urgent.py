"""Out-of-band data: TCP's urgent byte, and where it shows."""

from errno import EOPNOTSUPP, errorcode
from fcntl import ioctl
from socket import AF_UNIX, MSG_OOB, MSG_PEEK, SO_OOBINLINE, SOL_SOCKET
from sys import byteorder

from epollkit import EPOLLET, EPOLLIN, EPOLLPRI, EventFlags, PollFlags, Socket
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

IN, PRI = EventFlags.IN, EventFlags.PRI
SIOCATMARK = 0x8905
"""What sockatmark(3) asks."""


@claim(
    "Out-of-band data makes a socket readable",
    topic="poll",
    verdict=Verdict.CONDITION,
    truth="a Unix socket, or one with SO_OOBINLINE; else on TCP it is PRI without IN, and select's "
    "third set without its first",
    man="tcp(7), poll(2), select(2)",
    notebook="03",
)
def out_of_band_data_makes_readable(lab: Lab) -> None:
    """One urgent byte and nothing else, asked of poll and select.

    On TCP the byte lies beside the stream, where recv without MSG_OOB does not get it.
    """
    near, far = lab.tcp_pair("TCP", "TCP sender")
    poll = lab.poll("poll TCP", near, mask=PollFlags.IN | PollFlags.PRI)
    far.send(b"!", MSG_OOB)
    lab.reports(near, PRI)
    lab.contradicts("TCP, poll", lab.polled(poll), PollFlags.PRI)
    lab.contradicts("TCP, select", lab.selected(near), ["writable", "exceptional"])
    near, far = lab.tcp_pair("inline", "inline sender")
    near.setsockopt(SOL_SOCKET, SO_OOBINLINE, 1)
    poll = lab.poll("poll inline", near, mask=PollFlags.IN | PollFlags.PRI)
    far.send(b"!", MSG_OOB)
    lab.reports(near, PRI)
    lab.supports("TCP with SO_OOBINLINE, poll", lab.polled(poll), PollFlags.IN | PollFlags.PRI)
    near, far = lab.unix_pair("Unix", "Unix sender")
    _needs_unix_oob(lab, far)
    poll = lab.poll("poll Unix", near, mask=PollFlags.IN | PollFlags.PRI)
    lab.supports("Unix, poll", lab.polled(poll), PollFlags.IN | PollFlags.PRI)
    lab.supports("Unix, select", lab.selected(near), ["readable", "writable", "exceptional"])


@claim(
    "PRI stays until the urgent byte is read with MSG_OOB, or passed by",
    topic="poll",
    verdict=Verdict.TRUE,
    man="tcp(7), poll(2)",
    notebook="03",
)
def pri_stays_until_the_urgent_byte_is_gone(lab: Lab) -> None:
    """An urgent byte between two others: once it is read, once the stream is read past it."""
    near, far = lab.tcp_pair("reads it", "sender")
    poll = lab.poll("poll", near, mask=PollFlags.PRI)
    _send_around(lab, near, far)
    lab.supports("it has come", lab.polled(poll), PollFlags.PRI)
    lab.supports("a is read, up to the mark", near.recv(9), b"a")
    lab.supports("and then", lab.polled(poll), PollFlags.PRI)
    lab.supports("MSG_OOB", near.recv(9, MSG_OOB), b"!")
    lab.supports("and then", lab.polled(poll), [])
    near, far = lab.tcp_pair("passes by", "its sender")
    poll = lab.poll("poll 2", near, mask=PollFlags.PRI)
    _send_around(lab, near, far)
    lab.supports("two recvs go past another one", [near.recv(9), near.recv(9)], [b"a", b"b"])
    lab.supports("and then", lab.polled(poll), [])
    lab.supports("MSG_OOB", lab.error(near.recv, 9, MSG_OOB), "EINVAL")


@claim(
    "An urgent byte is read in its place in the stream",
    topic="transfer",
    verdict=Verdict.CONDITION,
    truth="with SO_OOBINLINE; without it recv leaves it out, and only recv with MSG_OOB gets it",
    man="tcp(7), recv(2), socket(7)",
    notebook="01",
)
def an_urgent_byte_is_read_in_its_place(lab: Lab) -> None:
    """a, urgent !, b are sent, and read with and without SO_OOBINLINE."""
    near, far = lab.tcp_pair("inline", "sender")
    near.setsockopt(SOL_SOCKET, SO_OOBINLINE, 1)
    _send_around(lab, near, far)
    lab.supports("SO_OOBINLINE: two recvs", [near.recv(9), near.recv(9)], [b"a", b"!b"])
    lab.shows("SO_OOBINLINE: MSG_OOB", lab.error(near.recv, 9, MSG_OOB), "EINVAL")
    near, far = lab.tcp_pair("beside", "its sender")
    _send_around(lab, near, far)
    lab.contradicts("without: MSG_OOB", near.recv(9, MSG_OOB), b"!")
    lab.contradicts("without: two recvs", [near.recv(9), near.recv(9)], [b"a", b"b"])


@claim(
    "recv stops at the urgent mark, and SIOCATMARK tells that it is there",
    topic="transfer",
    verdict=Verdict.TRUE,
    man="tcp(7), sockatmark(3)",
    notebook="01",
)
def recv_stops_at_the_mark(lab: Lab) -> None:
    """a, urgent !, b: large recvs, and SIOCATMARK (sockatmark(3)) before and after each.

    A program that is told to drop what came before the mark reads until SIOCATMARK says 1.
    """
    near, far = lab.tcp_pair("reader", "sender")
    _send_around(lab, near, far)
    lab.supports("at the mark", lab.call(sockatmark, near), 0)
    lab.supports("recv(9)", near.recv(9), b"a")
    lab.supports("at the mark", lab.call(sockatmark, near), 1)
    lab.supports("recv(9)", near.recv(9), b"b")
    lab.supports("at the mark", lab.call(sockatmark, near), 0)


@claim(
    "All bytes of a send with MSG_OOB are urgent",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="only the last one is; the others are ordinary",
    man="tcp(7), send(2)",
    notebook="01",
)
def all_bytes_of_an_urgent_send_are_urgent(lab: Lab) -> None:
    """Three bytes with one send. TCP has one urgent pointer, which points behind one byte."""
    near, far = lab.tcp_pair("reader", "sender")
    far.send(b"ab!", MSG_OOB)
    lab.reports(near, PRI)
    lab.arrived(near, 2)
    lab.contradicts("recv(9)", near.recv(9), b"ab")
    lab.contradicts("recv(9, MSG_OOB)", near.recv(9, MSG_OOB), b"!")


@claim(
    "Urgent bytes queue up until they are read",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="there is one at a time: a second makes the first an ordinary byte of the stream, and it "
    "is lost if the reader stands right before it",
    man="tcp(7)",
    notebook="01",
)
def urgent_bytes_queue_up(lab: Lab) -> None:
    """Two urgent bytes before anything is read, with other bytes around them, and without.

    The urgent pointer moves on. Where the first was, recv reads it as data, unless it is the very
    next byte: the kernel took that one out of the stream when it came.
    """
    near, far = lab.tcp_pair("reader", "sender")
    edges = lab.edges(near)
    for data, flags in ((b"a", 0), (b"1", MSG_OOB), (b"b", 0), (b"2", MSG_OOB), (b"c", 0)):
        far.send(data, flags)
        lab.wait_until("an arrival", lambda: edges.wait(0))
    lab.contradicts("a 1 b 2 c, 1 and 2 urgent: MSG_OOB", near.recv(9, MSG_OOB), b"2")
    lab.contradicts("MSG_OOB again", lab.error(near.recv, 9, MSG_OOB), "EINVAL")
    lab.contradicts("recv", near.recv(9), b"a1b")
    lab.contradicts("and", near.recv(9), b"c")
    near, far = lab.tcp_pair("second reader", "second sender")
    for data in (b"1", b"2"):
        far.send(data, MSG_OOB)
        lab.reports(near, PRI)
    lab.wait_until("the second", lambda: near.recv(9, MSG_OOB) == b"2")
    lab.contradicts("1 2, both urgent, 2 was read: recv", lab.error(near.recv, 9), "EAGAIN")


@claim(
    "recv without MSG_OOB does not touch the urgent byte",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="a recv that comes to it and finds nothing behind it fails with EAGAIN, and the byte is "
    "lost",
    man="tcp(7), recv(2)",
    notebook="01",
)
def recv_does_not_touch_the_urgent_byte(lab: Lab) -> None:
    """An urgent byte alone; MSG_PEEK shows that it is there, before and after a recv.

    recv steps over it in search of data. So a loop that reads until EAGAIN must read with MSG_OOB
    first when PRI is reported.
    """
    near, far = lab.tcp_pair("reader", "sender")
    far.send(b"!", MSG_OOB)
    lab.reports(near, PRI)
    lab.shows("it is there: MSG_OOB, not taken", near.recv(9, MSG_OOB | MSG_PEEK), b"!")
    lab.shows("recv", lab.error(near.recv, 9), "EAGAIN")
    lab.contradicts("MSG_OOB", lab.error(near.recv, 9, MSG_OOB), "EINVAL")


@claim(
    "Every kind of stream socket has out-of-band data, and no datagram socket",
    topic="transfer",
    verdict=Verdict.TRUE,
    man="tcp(7), unix(7), udp(7)",
    notebook="01",
)
def streams_have_out_of_band_data(lab: Lab) -> None:
    """Try send with MSG_OOB on TCP, Unix and UDP. Unix sockets have it since Linux 5.15."""
    _, far = lab.unix_pair("Unix", "Unix sender")
    _needs_unix_oob(lab, far)
    near, far = lab.tcp_pair("TCP", "TCP sender")
    lab.supports("TCP", lab.error(far.send, b"!", MSG_OOB), "none")
    near, far = lab.unix_pair("Unix reader", "Unix writer")
    lab.supports("Unix", lab.error(far.send, b"!", MSG_OOB), "none")
    lab.supports("Unix, read", near.recv(9, MSG_OOB), b"!")
    _, far = lab.udp_pair("UDP", "UDP sender")
    lab.supports("UDP", lab.error(far.send, b"!", MSG_OOB), errorcode[EOPNOTSUPP])


@claim(
    "epoll reports an urgent byte as PRI, if asked, by level and by edge",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2), tcp(7)",
    notebook="04",
)
def epoll_reports_an_urgent_byte_as_pri(lab: Lab) -> None:
    """Two sets ask for PRI, LT and ET, and one for IN.

    An urgent byte comes, is left, is read, and another one comes.
    """
    near, far = lab.tcp_pair("reader", "sender")
    level = lab.epoll("LT", near, mask=EPOLLPRI)
    edge = lab.epoll("ET", near, mask=EPOLLPRI | EPOLLET)
    not_asked = lab.epoll("IN", near, mask=EPOLLIN)
    far.send(b"!", MSG_OOB)
    lab.reports(near, PRI)
    lab.supports("it has come: LT", lab.ready(level), PRI)
    lab.supports("ET", lab.ready(edge), PRI)
    lab.supports("asked for IN", lab.ready(not_asked), [])
    lab.supports("it was not read: LT", lab.ready(level), PRI)
    lab.supports("ET", lab.ready(edge), [])
    near.recv(1, MSG_OOB)
    lab.supports("it was read: LT", lab.ready(level), [])
    far.send(b"?", MSG_OOB)
    lab.reports(near, PRI)
    lab.supports("another one: ET", lab.ready(edge), PRI)


@claim(
    "With ET, IN is reported only when bytes for recv have arrived",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="an urgent byte is an arrival, too: if older bytes are unread, it fires IN, and recv has "
    "no more than before",
    man="epoll(7), tcp(7)",
    notebook="04",
)
def an_urgent_byte_fires_no_edge_for_in(lab: Lab) -> None:
    """A byte is unread and was reported; then an urgent one comes. The set asks for IN alone."""
    near, far = lab.tcp_pair("reader", "sender")
    edge = lab.epoll("ET", near, mask=EPOLLIN | EPOLLET)
    far.send(b"d")
    lab.arrived(near, 1)
    lab.shows("a byte has come", lab.ready(edge), IN)
    lab.shows("and then", lab.ready(edge), [])
    far.send(b"!", MSG_OOB)
    lab.reports(near, PRI)
    lab.contradicts("an urgent byte has come", lab.ready(edge), IN)
    lab.shows("bytes for recv", near.inq(), 1)


def _send_around(lab: Lab, near: Socket, far: Socket) -> None:
    """Send an urgent byte between two ordinary ones, and wait until they have come.

    SIOCINQ counts as far as the mark.
    """
    sent = [far.send(b"a"), far.send(b"!", MSG_OOB), far.send(b"b")]
    lab.wait_until("all of them", lambda: near.tcp_info().bytes_received == sum(sent))


def sockatmark(near: Socket) -> int:
    """Whether the mark is next, 1 or 0."""
    return int.from_bytes(ioctl(near, SIOCATMARK, bytes(4)), byteorder)


def _needs_unix_oob(lab: Lab, far: Socket) -> None:
    """Linux has out-of-band data on Unix sockets only if it is configured (CONFIG_AF_UNIX_OOB)."""
    lab.needs(far.family != AF_UNIX or lab.error(far.send, b"!", MSG_OOB) == "none", "Unix MSG_OOB")
