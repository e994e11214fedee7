"""Writing with epoll: send first, arm OUT only for the rest, disarm when empty."""

from socket import SO_SNDBUF, SOL_SOCKET

from epollkit import Epoll, EventFlags, Socket
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT = EventFlags.IN, EventFlags.OUT
MESSAGE = bytes(4096)
MESSAGES = 256
"""256 of 4 KiB are a megabyte."""


@claim(
    "Best practice for writing: send first, arm OUT only for the rest, disarm when empty",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll(7), send(2)",
    notebook="06",
)
def send_first_then_arm_out(lab: Lab) -> None:
    """The steps for one message that does not fit, and then the calls for a megabyte, three ways.

    The peer reads when the sender can go on no more. Asking before each send costs a wait for each
    message, and arming and disarming for each two calls of epoll_ctl more. Nearly every send
    succeeds at once, so most of the asking is for nothing.
    """
    near, far = lab.tcp_pair("sender", "reader")
    near.setsockopt(SOL_SOCKET, SO_SNDBUF, 16384)
    epoll = lab.epoll("LT", near)
    filled = lab.fill(near, far)
    lab.note("sender fills the buffer")
    lab.shows("full: send", lab.error(near.send, b"the rest"), "EAGAIN")
    epoll.modify(near, IN | OUT)
    lab.shows("OUT armed, still full", lab.ready(epoll), [])
    lab.empty(far, filled)
    lab.reports(near, OUT)
    lab.note("reader reads all")
    lab.shows("the peer has read", lab.ready(epoll), OUT)
    lab.shows("send of the rest", near.send(b"the rest"), 8)
    epoll.modify(near, IN)
    lab.shows("disarmed", lab.ready(epoll), [])

    send_first, always_armed, arm_each = (
        writer(lab).run() for writer in (_SendFirst, _AlwaysArmed, _ArmEach)
    )
    few = (MESSAGES, MESSAGES * 3 // 2)
    lab.supports("calls per megabyte, send first", send_first, lambda n: few[0] <= n < few[1])
    lab.supports("OUT always armed", always_armed, lambda n: n >= 2 * MESSAGES)
    lab.supports("OUT armed for each message", arm_each, lambda n: n >= 4 * MESSAGES)


class _Writer:
    """Writes a megabyte in messages to a peer that reads whenever the writer is stuck."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.near, self.far = lab.tcp_pair("", "")
        self.near.setsockopt(SOL_SOCKET, SO_SNDBUF, 65536)
        self.epoll = lab.epoll("", self.near)
        self.unread = 0
        self.calls = 0

    def run(self) -> int:
        """Write all of it; how many system calls that took."""
        for _ in range(MESSAGES):
            self.write(MESSAGE)
        return self.calls

    def write(self, message: bytes) -> None:
        raise NotImplementedError

    def send(self, data: bytes) -> bytes:
        """One call; what it has left of the data."""
        self.calls += 1
        sent = self.near.try_send(data) or 0
        self.unread += sent
        return data[sent:]

    def arm(self, mask: int) -> None:
        """Change the mask with epoll_ctl(2)."""
        self.calls += 1
        self.epoll.modify(self.near, mask)

    def wait_for_room(self) -> None:
        """epoll_wait(2); when there is no room the peer reads all, and it returns then."""
        self.calls += 1
        if not self.epoll.wait(0):
            self.lab.empty(self.far, self.unread)
            self.unread = 0
            self.epoll.wait(MUST_ARRIVE)


class _SendFirst(_Writer):
    """The good way."""

    def write(self, message: bytes) -> None:
        """Send; only what is left waits for OUT."""
        left = self.send(message)
        if left:
            self.arm(IN | OUT)
            while left:
                self.wait_for_room()
                left = self.send(left)
            self.arm(IN)


class _AlwaysArmed(_Writer):
    """OUT is in the mask from the start. Between two messages it would also spin."""

    def __init__(self, lab: Lab) -> None:
        super().__init__(lab)
        self.arm(IN | OUT)

    def write(self, message: bytes) -> None:
        """Wait for OUT, and send."""
        while message:
            self.wait_for_room()
            message = self.send(message)


class _ArmEach(_Writer):
    """OUT is armed for each message and disarmed after it."""

    def write(self, message: bytes) -> None:
        """Arm, wait, send, disarm."""
        self.arm(IN | OUT)
        while message:
            self.wait_for_room()
            message = self.send(message)
        self.arm(IN)


@claim(
    "One must wait for EPOLLOUT before sending",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="send tells by itself: it takes what it can, or fails with EAGAIN. A wait is for "
    "afterwards",
    man="send(2), epoll(7)",
    notebook="06",
)
def sending_needs_an_out_event_first(lab: Lab) -> None:
    """A non-blocking connection is written to without any set until it is full, then once more."""
    near, far = lab.tcp_pair("sender", "reader")
    near.setsockopt(SOL_SOCKET, SO_SNDBUF, 16384)
    lab.contradicts("send without asking", near.send(b"hello"), 5)
    lab.arrived(far, 5)
    lab.shows("the peer has it", far.recv(5), b"hello")
    lab.fill(near, far)
    lab.note("sender fills the buffer")
    lab.contradicts("send when full", lab.error(near.send, b"x"), "EAGAIN")


@claim(
    "After EPOLLOUT a send takes all that it is given",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="OUT means that there is some room: send returns how much it took, and the rest must be "
    "kept",
    man="send(2), epoll(7)",
    notebook="06",
)
def out_means_that_everything_fits(lab: Lab) -> None:
    """A socket that reports OUT is given 4 MiB, over TCP and over a Unix socket."""
    size = 1 << 22
    message = bytes(size)
    for kind, (near, _) in {
        "TCP": lab.tcp_pair("TCP", "TCP peer"),
        "Unix": lab.unix_pair("Unix", "Unix peer"),
    }.items():
        near.setsockopt(SOL_SOCKET, SO_SNDBUF, 65536)
        epoll = lab.epoll(f"of {kind}", near, mask=OUT)
        lab.shows(f"{kind}: before", lab.ready(epoll), OUT)
        sent = near.send(message)
        lab.contradicts(f"{kind}: of 4,194,304 bytes", sent, lambda sent: 0 < sent < size)


@claim(
    "While EPOLLOUT is not reported a send would fail",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="OUT is reported when a good part of the buffer is free (TCP: a third; Unix: three "
    "quarters); a send goes on until nothing is",
    man="send(2), unix(7)",
    notebook="06",
)
def sending_fails_while_out_is_not_reported(lab: Lab) -> None:
    """A Unix socket and a TCP socket are written to until OUT is gone; then until EAGAIN.

    The threshold keeps a writer from being woken for every few bytes. It is one more reason to send
    first and ask afterwards.
    """
    for kind, (near, far) in {
        "Unix": lab.unix_pair("Unix", "Unix peer"),
        "TCP": lab.tcp_pair("TCP", "TCP peer"),
    }.items():
        near.setsockopt(SOL_SOCKET, SO_SNDBUF, 32768)
        epoll = lab.epoll(f"of {kind}", near, mask=OUT)
        sent = _send_while_out(lab, epoll, near)
        lab.shows(f"{kind}: bytes until OUT was gone", sent, lambda sent: sent > 0)
        lab.contradicts(f"{kind}: a send nevertheless", near.send(MESSAGE), len(MESSAGE))
        more = lab.fill(near, far)
        lab.note(f"{kind} sends until EAGAIN")
        lab.contradicts(f"{kind}: bytes that fitted after it", more, lambda more: more > 0)


def _send_while_out(lab: Lab, epoll: Epoll, near: Socket) -> int:
    """Send as long as the set reports OUT; how many bytes."""
    sent = 0
    while True:
        with lab.pause():
            while epoll.wait(0):
                sent += near.send(MESSAGE)
        lab.note("sends while there is OUT")
        if not epoll.wait(0):  # else an acknowledgement has come meanwhile
            return sent
