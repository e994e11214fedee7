"""The send buffer: how large it is, when it counts as writable, what lies in it."""

from pathlib import Path
from socket import IPPROTO_TCP, SO_SNDBUF, SOL_SOCKET, TCP_NOTSENT_LOWAT
from struct import unpack

from epollkit import PollFlags, Socket
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

OUT = PollFlags.OUT
SO_MEMINFO = 55
"""The memory of a socket: nine numbers, of which [2] is bytes on their way, [3] the send buffer's
size, [5] TCP's send queue."""
ON_THEIR_WAY, SIZE, QUEUED = 2, 3, 5
MARK = 16384


@claim(
    "SO_SNDBUF is what you set it to",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="the kernel doubles it for its own book-keeping, raises it to a least size, and cuts it "
    "at net.core.wmem_max",
    man="socket(7)",
    notebook="06",
)
def so_sndbuf_is_what_you_set(lab: Lab) -> None:
    """SO_SNDBUF is set to three values and read."""
    near, _far = lab.tcp_pair()
    limit = int(Path("/proc/sys/net/core/wmem_max").read_text())
    near.setsockopt(SOL_SOCKET, SO_SNDBUF, 10_000)
    lab.contradicts("set to 10,000", _sndbuf(near), 20_000)
    near.setsockopt(SOL_SOCKET, SO_SNDBUF, 1)
    lab.contradicts("set to 1", _sndbuf(near), lambda size: size > 1)
    near.setsockopt(SOL_SOCKET, SO_SNDBUF, 1 << 30)
    lab.contradicts(f"set to 1 GiB, net.core.wmem_max {limit:,}", _sndbuf(near), 2 * limit)


@claim(
    "Writable means that a third of the send buffer is free",
    topic="transfer",
    verdict=Verdict.CONDITION,
    truth="on TCP; a Unix socket needs three quarters, a pipe a page; what UDP sends is gone at "
    "once, so that it is nearly always writable",
    man="socket(7), pipe(7)",
    notebook="06",
)
def writable_means_a_third_is_free(lab: Lab) -> None:
    """Full buffers are read a little at a time until OUT is reported.

    Looked at is how much was in use just before, and then; the kernel counts memory, overhead
    included (SO_MEMINFO). If a byte were enough, each packet that leaves would wake the writer.
    """
    near, far = lab.tcp_pair("TCP", "TCP reader")
    near.setsockopt(SOL_SOCKET, SO_SNDBUF, 200_000)
    without, with_it = _in_use_around_out(lab, near, far, QUEUED)
    lab.supports("TCP, in use without OUT", without, lambda share: share > 2 / 3)
    lab.supports("TCP, in use with OUT", with_it, lambda share: share <= 2 / 3)
    near, far = lab.unix_pair("Unix", "Unix reader")
    without, with_it = _in_use_around_out(lab, near, far, ON_THEIR_WAY)
    lab.contradicts("Unix, in use without OUT", without, lambda share: share > 1 / 4)
    lab.contradicts("Unix, in use with OUT", with_it, lambda share: share <= 1 / 4)
    reader, writer = lab.pipe()
    poll = lab.poll("poll of the pipe", writer, mask=OUT)
    with lab.pause():
        while writer.write(bytes(4096)):
            pass
    reader.read(4095)
    lab.contradicts("pipe, full but for 4,095 bytes", lab.polled(poll), [])
    reader.read(1)
    lab.contradicts("pipe, full but for 4,096 bytes", lab.polled(poll), OUT)


@claim(
    "SIOCOUTQ counts what the peer has not read",
    topic="transfer",
    verdict=Verdict.CONDITION,
    truth="on a Unix socket; on TCP it counts what the peer's kernel has not acknowledged",
    man="tcp(7), unix(7)",
    notebook="06",
)
def siocoutq_counts_what_is_unread(lab: Lab) -> None:
    """Five bytes that the peer does not read.

    On TCP they are off the sender's queue, for the peer's kernel has them. A Unix socket lends its
    own memory until they are read.
    """
    near, far = lab.tcp_pair("TCP", "TCP peer")
    near.send(b"hello")
    lab.arrived(far, 5)
    lab.wait_until("the acknowledgement", lambda: near.outq() == 0)
    lab.contradicts("TCP, five bytes unread: outq", near.outq(), 0)
    lab.shows("the peer's inq", far.inq(), 5)
    near, far = lab.unix_pair("Unix", "Unix peer")
    near.send(b"hello")
    lab.supports("Unix, five bytes unread: outq", near.outq(), lambda size: size > 0)
    far.recv(9)
    lab.supports("Unix, read: outq", near.outq(), 0)


@claim(
    "TCP_NOTSENT_LOWAT keeps the send buffer nearly empty of bytes that were not sent yet",
    topic="transfer",
    verdict=Verdict.TRUE,
    man="tcp(7)",
    notebook="06",
)
def notsent_lowat_keeps_the_queue_short(lab: Lab) -> None:
    """Two connections are filled, one with the mark at 16 KiB. The peers read nothing.

    Bytes in the buffer can't be taken back or overtaken. With the mark send and OUT stop when that
    many wait to go out, however large the buffer is.
    """
    plain, far = lab.tcp_pair("plain", "plain's peer")
    marked, other = lab.tcp_pair("marked", "marked's peer")
    marked.setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, MARK)
    lab.fill(plain, far)
    lab.fill(marked, other)
    lab.note("send until EAGAIN, on both")
    waiting, without = _not_sent(marked), _not_sent(plain)
    lab.supports("bytes not sent, with the mark", waiting, lambda size: size < without)
    lab.supports("without it", without, lambda size: size > 4 * waiting)


def _sndbuf(source: Socket) -> int:
    size: int = source.getsockopt(SOL_SOCKET, SO_SNDBUF)
    return size


def _not_sent(source: Socket) -> int:
    return source.tcp_info().notsent_bytes or 0


def _in_use_around_out(lab: Lab, near: Socket, far: Socket, which: int) -> tuple[float, float]:
    """The share of the send buffer in use when OUT was last missing, and when it was back."""
    poll = lab.poll(f"poll for OUT {which}", near, mask=OUT)
    with lab.pause():
        lab.fill(near, far)
        without = 1.0

        def writable() -> bool:
            nonlocal without
            before = _in_use(near, which)  # it only falls, so that it was at least so much
            if poll.poll(0):
                return True
            without = before
            return False

        writable()
        lab.read_until(far, writable)
        return round(without, 3), round(_in_use(near, which), 3)


def _in_use(source: Socket, which: int) -> float:
    memory = unpack("9I", source.getsockopt(SOL_SOCKET, SO_MEMINFO, 36))
    share: float = memory[which] / memory[SIZE]
    return share
