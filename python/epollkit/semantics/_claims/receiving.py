"""recv and its three kinds of return value: some bytes, none, and an error."""

import errno
from socket import AF_UNIX, MSG_TRUNC, MSG_WAITALL, SHUT_RD, SHUT_WR, SOCK_DGRAM

from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim


@claim(
    "recv returns 0 only when the peer has closed its direction",
    topic="transfer",
    verdict=Verdict.CONDITION,
    truth="on a stream, if you asked for at least one byte and did not shut down reading yourself; "
    "an empty datagram gives 0, too",
    man="recv(2), shutdown(2)",
    notebook="01",
)
def recv_returns_nothing_only_at_the_end_of_stream(lab: Lab) -> None:
    """Five ways to an empty result; only in the first has the peer ended its stream.

    0 means that there is nothing more to copy, not why. The end of stream stays: each further recv
    says it again. Python's recv(0) asks nobody; recvfrom(0) does, and takes the empty answer.
    """
    near, far = lab.tcp_pair()
    lab.shows("the peer has sent nothing", lab.error(near.recv, 9), "EAGAIN")
    far.send(b"last")
    far.shutdown(SHUT_WR)
    lab.reports(near, _RDHUP)
    lab.shows("it sent four bytes and shut down: recv", near.recv(9), b"last")
    lab.supports("after the last byte", near.recv(9), b"")
    lab.supports("and again", near.recv(9), b"")

    open_near, open_far = lab.tcp_pair("reader", "open peer")
    open_far.send(b"data")
    lab.arrived(open_near, 4)
    lab.contradicts("four bytes are there, zero asked for", open_near.recvfrom(0)[0], b"")
    open_near.recv(9)
    open_near.shutdown(SHUT_RD)
    lab.contradicts("own SHUT_RD, the peer is open", open_near.recv(9), b"")
    receiver, sender = lab.udp_pair("UDP receiver", "UDP sender")
    sender.send(b"")
    lab.readable(receiver)
    lab.contradicts("an empty datagram", receiver.recv(9), b"")


@claim(
    "A recv of zero bytes takes nothing",
    topic="transfer",
    verdict=Verdict.CONDITION,
    truth="on a stream; from a datagram socket it takes a datagram and throws its bytes away",
    man="recv(2)",
    notebook="01",
)
def a_recv_of_zero_bytes_takes_nothing(lab: Lab) -> None:
    """recvfrom(0) on a TCP and on a UDP socket, both with four bytes to read.

    A datagram is taken whole, and what does not fit the buffer is lost, be it all. Python's own
    recv(0) hides this: it returns b"" without a system call.
    """
    near, far = lab.tcp_pair()
    far.send(b"data")
    lab.arrived(near, 4)
    near.recvfrom(0)
    lab.supports("TCP: what the next recv gives", near.recv(9), b"data")
    receiver, sender = lab.udp_pair("UDP receiver", "UDP sender")
    sender.send(b"data")
    lab.readable(receiver)
    receiver.recv(0)
    lab.shows("UDP after recv(0): bytes to read", receiver.inq(), 4)
    receiver.recvfrom(0)
    lab.contradicts("UDP after recvfrom(0)", lab.error(receiver.recv, 9), "EAGAIN")


@claim(
    "recv that fails with EAGAIN means: nothing yet, try later",
    topic="transfer",
    verdict=Verdict.TRUE,
    man="recv(2)",
    notebook="01",
)
def recv_fails_with_eagain_when_there_is_nothing_yet(lab: Lab) -> None:
    """A non-blocking recv before and after a byte arrives, and once more.

    It is an answer about this moment. The connection is as it was, and no error is pending.
    """
    near, far = lab.tcp_pair()
    lab.supports("nothing has arrived", lab.error(near.recv, 9), "EAGAIN")
    lab.supports("error pending (SO_ERROR)", near.error(), 0)
    far.send(b"x")
    lab.arrived(near, 1)
    lab.supports("a byte has arrived", near.recv(9), b"x")
    lab.supports("it was read", lab.error(near.recv, 9), "EAGAIN")


@claim(
    "EAGAIN and EWOULDBLOCK are two errors",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="one number on Linux; POSIX allows two, so portable programs look for both",
    man="recv(2), errno(3)",
    notebook="01",
)
def eagain_and_ewouldblock_differ(lab: Lab) -> None:
    """The errno of a recv that has nothing to give, and of a send that has no room."""
    near, far = lab.tcp_pair()
    refused = lab.outcome(near.recv, 9)
    lab.contradicts("recv that has nothing", _errno(refused), errno.EAGAIN)
    lab.contradicts("the same as EWOULDBLOCK", _errno(refused), errno.EWOULDBLOCK)
    lab.shows("in Python", type(refused).__name__, "BlockingIOError")
    near, far = lab.unix_pair("Unix", "Unix peer")
    lab.fill(near, far)
    lab.note("send until it is refused")
    full = lab.outcome(near.send, b"x")
    lab.contradicts("send without room, as EWOULDBLOCK", _errno(full), errno.EWOULDBLOCK)


@claim(
    "A signal ends a waiting recv with EINTR, and it must be called again",
    topic="transfer",
    verdict=Verdict.CONDITION,
    truth="the system call does, if the handler was installed without SA_RESTART; Python calls it "
    "again itself unless the handler raises (PEP 475)",
    man="signal(7), recv(2)",
    notebook="01",
)
def recv_interrupted_by_a_signal_fails_with_eintr(lab: Lab) -> None:
    """A child waits in recv when a signal comes, whose handler sends the byte it waits for.

    Three calls: the C library's recv with a handler installed without SA_RESTART and with it, and
    Python's own without it.
    """
    answer = lab.child(_INTERRUPTED)
    lab.shows("the child's complaints", answer.stderr, "")
    plain, restarted, python = answer.stdout.split()
    lab.note(f"a child waits in recv(2), a signal comes: {plain}")
    lab.note(f"the same with SA_RESTART: {restarted} byte")
    lab.note(f"Python's recv: {python} byte")
    lab.supports("recv of the C library", plain, "EINTR")
    lab.contradicts("the same with SA_RESTART: bytes", restarted, "1")
    lab.contradicts("Python's recv: bytes", python, "1")


@claim(
    "A blocking recv waits until it has as many bytes as you asked for",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="it returns what there is as soon as there is something; MSG_WAITALL waits for all",
    man="recv(2)",
    notebook="01",
)
def a_blocking_recv_waits_for_all_bytes(lab: Lab) -> None:
    """A socket in blocking mode is asked for ten bytes when five are there, plain and WAITALL."""
    near, far = lab.tcp_pair()
    near.settimeout(None)
    far.send(b"12345")
    lab.arrived(near, 5)
    lab.contradicts("five bytes are there, recv(10)", near.recv(10), b"12345")
    far.send(b"12345")
    lab.arrived(near, 5)
    waiting = lab.thread(lambda: near.recv(10, MSG_WAITALL))
    lab.shows("five bytes are there, MSG_WAITALL: done", waiting.done(), expected=False)
    far.send(b"67890")
    lab.shows("five more", waiting.result(MUST_ARRIVE), b"1234567890")


@claim(
    "What one send gives, one recv gets",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="a stream has no messages in it: sends join, and a recv cuts where its buffer ends",
    man="tcp(7), recv(2)",
    notebook="01",
)
def a_stream_keeps_the_boundaries_of_messages(lab: Lab) -> None:
    """Two sends are read with one recv, and one send with two, on TCP and Unix streams."""
    for kind, (near, far) in {"TCP": lab.tcp_pair(), "Unix": lab.unix_pair("one", "other")}.items():
        far.send(b"ab")
        far.send(b"cd")
        lab.arrived(near, 4)
        lab.contradicts(f"{kind}, two sends, one recv", near.recv(9), b"abcd")
        far.send(b"efgh")
        lab.arrived(near, 4)
        lab.contradicts(
            f"{kind}, one send, two recvs", [near.recv(3), near.recv(9)], [b"efg", b"h"]
        )


@claim(
    "A datagram socket keeps the boundaries of messages",
    topic="transfer",
    verdict=Verdict.TRUE,
    man="udp(7), unix(7)",
    notebook="01",
)
def datagrams_keep_the_boundaries_of_messages(lab: Lab) -> None:
    """Three datagrams, one of them empty, are read with large buffers."""
    pairs = {"UDP": lab.udp_pair(), "Unix": lab.unix_pair("one", "other", SOCK_DGRAM)}
    for kind, (near, far) in pairs.items():
        for message in (b"ab", b"", b"cde"):
            far.send(message)
        seen = list[bytes]()
        for _ in range(3):
            lab.readable(near)
            seen.append(near.recv(9))
        lab.supports(f"{kind}: what three recvs give", seen, [b"ab", b"", b"cde"])


@claim(
    "What of a datagram does not fit the buffer, the next recv gets",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="it is thrown away; recvmsg tells with MSG_TRUNC, and MSG_TRUNC as a flag asks for the "
    "true length",
    man="recv(2), udp(7)",
    notebook="01",
)
def the_rest_of_a_datagram_can_be_read_later(lab: Lab) -> None:
    """A datagram of five bytes is read into two, in three ways."""
    near, far = lab.udp_pair()
    far.send(b"hello")
    lab.readable(near)
    lab.shows("recv(2)", near.recv(2), b"he")
    lab.contradicts("and the next", lab.error(near.recv, 9), "EAGAIN")
    far.send(b"hello")
    lab.readable(near)
    data, _, flags, _ = near.recvmsg(2)
    lab.shows("recvmsg with two bytes", data, b"he")
    lab.shows("its flags say MSG_TRUNC", bool(flags & MSG_TRUNC), expected=True)
    far.send(b"hello")
    lab.readable(near)
    lab.shows("recv(2, MSG_TRUNC) returns", near.recv_into(bytearray(2), 2, MSG_TRUNC), 5)


@claim(
    "send and recv on a socket that was never connected fail with ENOTCONN",
    topic="transfer",
    verdict=Verdict.CONDITION,
    truth="recv on TCP does, and send on a Unix socket; send fails with EPIPE on TCP, and with "
    "EDESTADDRREQ on UDP, where recv waits",
    man="send(2), recv(2)",
    notebook="01",
)
def an_unconnected_socket_fails_with_enotconn(lab: Lab) -> None:
    """Send and recv on new sockets of three kinds, and on a listener."""
    tcp, listener = lab.socket("TCP"), lab.listener()
    unix, udp = lab.socket("Unix", AF_UNIX), lab.socket("UDP", kind=SOCK_DGRAM)
    lab.supports("TCP recv", lab.error(tcp.recv, 1), "ENOTCONN")
    lab.supports("listener recv", lab.error(listener.recv, 1), "ENOTCONN")
    lab.supports("Unix send", lab.error(unix.send, b"x"), "ENOTCONN")
    lab.shows("Unix recv", lab.error(unix.recv, 1), "EINVAL")
    lab.contradicts("TCP send", lab.error(tcp.send, b"x"), "EPIPE")
    lab.contradicts("UDP send", lab.error(udp.send, b"x"), "EDESTADDRREQ")
    lab.contradicts("UDP recv", lab.error(udp.recv, 1), "EAGAIN")


_RDHUP = 0x2000


def _errno(seen: object) -> int | None:
    return seen.errno if isinstance(seen, OSError) else None


_INTERRUPTED = """
import ctypes, errno, os, signal, socket, threading

near, far = socket.socketpair()
far.setblocking(False)
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.set_wakeup_fd(far.fileno())  # the handler itself sends a byte
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(9)
main = threading.get_ident(), threading.get_native_id()
recvfrom = {"x86_64": "45 ", "aarch64": "207 "}[os.uname().machine]


def interrupt():
    while not open(f"/proc/self/task/{main[1]}/syscall").read().startswith(recvfrom):
        os.sched_yield()
    signal.pthread_kill(main[0], signal.SIGUSR1)


def c_recv():
    got = libc.recv(near.fileno(), buffer, 9, 0)
    return got if got >= 0 else errno.errorcode[ctypes.get_errno()]


def python_recv():
    return len(near.recv(9))


for recv, interrupts in (c_recv, True), (c_recv, False), (python_recv, True):
    signal.siginterrupt(signal.SIGUSR1, interrupts)
    near.setblocking(False)
    try:
        near.recv(9)  # what the last signal left
    except BlockingIOError:
        pass
    near.setblocking(True)
    thread = threading.Thread(target=interrupt)
    thread.start()
    print(recv())
    thread.join()
"""
