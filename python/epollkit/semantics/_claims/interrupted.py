"""A connect that takes long: interrupted by a signal, or by a time-out."""

import socket
from socket import AF_INET, SO_REUSEADDR, SO_SNDTIMEO, SOL_SOCKET, inet_aton
from struct import pack
from time import monotonic
from typing import Final

from epollkit import EPOLLIN, EPOLLOUT, EventFlags, TcpState
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

LIMIT: Final = 0.02
"""Seconds that connect may take."""

_INTERRUPTED: Final = """
import ctypes, errno, signal, sys
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
address = ctypes.create_string_buffer(bytes.fromhex({address!r}))
libc = ctypes.CDLL(None, use_errno=True)
result = libc.connect(int(sys.argv[1]), address, len(address) - 1)
print(result, errno.errorcode.get(ctypes.get_errno()))
"""
"""connect(2) itself, which a signal interrupts: Python's would go on."""


@claim(
    "A connect that a signal interrupted may be called again in the same way",
    topic="connect",
    verdict=Verdict.CONDITION,
    truth="the attempt goes on, so another call gives EALREADY or EISCONN, which are no failures: "
    "wait until the socket is writable instead",
    man="connect(2)",
    notebook="02",
)
def interrupted_connect_may_be_called_again(lab: Lab) -> None:
    """A child's connect is interrupted while no answer comes; then the parent goes on with it.

    The answer is made to come by calling from the other side: the listener is closed, and a socket
    at the same address connects to the client. (Python calls poll after EINTR, not connect.)
    """
    listener, other = lab.socket("listener"), lab.socket("other side")
    with lab.pause():
        for each in (listener, other):
            each.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        listener.bind((lab.address, 0))
        host, port = address = listener.getsockname()
        other.bind(address)
        listener.listen(0)
        lab.socket("", timeout=MUST_ARRIVE).connect(address)
        lab.queued(listener, 1)
    client = lab.socket("client", timeout=None)
    raw = pack("=H", AF_INET) + pack("!H", port) + inet_aton(host) + bytes(8)
    child = lab.child(_INTERRUPTED.format(address=raw.hex()), client)
    lab.note("a child: connect, and a signal comes: EINTR")
    lab.shows("connect, and a signal comes", child.stdout.split(), ["-1", "EINTR"])
    client.settimeout(0.0)
    lab.shows("the attempt", client.tcp_info().state, TcpState.SYN_SENT)
    lab.contradicts("connect again", lab.error(client.connect, address), "EALREADY")
    listener.close()
    epoll = lab.epoll("LT", client, mask=EPOLLIN | EPOLLOUT)
    lab.outcome(other.connect, client.getsockname())
    ready = [event.flags for event in epoll.wait(MUST_ARRIVE)]
    lab.shows("when the answer comes: epoll", ready, [EventFlags.OUT])
    lab.shows("SO_ERROR", client.error(), 0)
    lab.supports("connect again, the first time", lab.error(client.connect, address), "none")
    lab.contradicts("and the second time", lab.error(client.connect, address), "EISCONN")


@claim(
    "A blocking connect cannot be given a time-out",
    topic="connect",
    verdict=Verdict.FALSE,
    truth="SO_SNDTIMEO holds for it: EINPROGRESS when it is over, and the attempt goes on",
    man="socket(7), connect(2)",
    notebook="02",
)
def blocking_connect_has_no_timeout(lab: Lab) -> None:
    """A client in blocking mode calls a listener that does not answer, with SO_SNDTIMEO of 20 ms.

    What people do instead is a non-blocking connect and a wait for writability, as
    `epollkit.connect` does: one deadline for the name and all addresses.
    """
    full = lab.full_listener()
    client = lab.keep(socket.socket(), "client")
    client.setsockopt(SOL_SOCKET, SO_SNDTIMEO, pack("ll", 0, int(LIMIT * 1e6)))
    began = monotonic()
    lab.contradicts("connect", lab.error(client.connect, full.getsockname()), "EINPROGRESS")
    waited = monotonic() - began
    lab.shows("it waited at least 20 ms", waited >= LIMIT, True)
    lab.shows("connect again", lab.error(client.connect, full.getsockname()), "EALREADY")
