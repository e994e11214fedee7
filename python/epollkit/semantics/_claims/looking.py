"""What a look leaves behind."""

from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET
from struct import unpack
from typing import Final

from epollkit import EPOLLET, EPOLLIN, EPOLLOUT, EventFlags, Poll, Socket
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

OUT = EventFlags.OUT
SO_MEMINFO: Final = 55
LIMIT, IN_USE = 3, 5
"""Places in SO_MEMINFO: the send buffer's limit, and how much of it is in use."""


@claim(
    "To ask poll about a socket changes nothing",
    topic="poll",
    verdict=Verdict.FALSE,
    truth="asked about a TCP socket that is full, the kernel notes that somebody wants room, and "
    "an edge of OUT follows when there is some",
    man="poll(2), epoll(7)",
    notebook="06",
)
def asking_poll_changes_nothing(lab: Lab) -> None:
    """Two connections are filled without one refused send. poll is asked about one; all is read.

    An edge of OUT is for who was refused, or has asked in vain (SOCK_NOSPACE). select and epoll
    ask in the same way. So does a recording: this experiment is not in it.
    """
    silent, asked = _Full(lab), _Full(lab)
    poll = Poll()
    poll.register(asked.sender, EPOLLIN)
    lab.shows("poll, asked for IN", poll.wait(0), [])
    lab.shows("nobody has asked: OUT when all is read", silent.edge_when_read(), [])
    lab.contradicts("poll was asked: OUT when all is read", asked.edge_when_read(), OUT)
    lab.note("two sockets are filled, one is asked about, both are read: an edge of OUT for it")


class _Full:
    """A sender without room that was never refused, and an edge-triggered set that asks for OUT."""

    def __init__(self, lab: Lab) -> None:
        listener = lab.keep(Socket(timeout=MUST_ARRIVE))
        listener.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
        listener.bind((lab.address, 0))
        listener.listen()
        self.lab = lab
        self.sender = lab.keep(Socket(timeout=MUST_ARRIVE))
        self.sender.setsockopt(SOL_SOCKET, SO_SNDBUF, 50_000)
        self.sender.connect(listener.getsockname())
        self.sender.settimeout(0.0)
        self.receiver = lab.keep(listener.accept()[0])
        self.epoll = lab.epoll("", self.sender, mask=EPOLLOUT | EPOLLET)
        lab.shows("OUT while it is empty", lab.ready(self.epoll), OUT)
        self.sent = 0
        # What is acknowledged makes room again; when it does not any more, it is full.
        while not all(self._has_no_room() for _ in range(100)):
            self.sent += self.sender.send(bytes(500))

    def _has_no_room(self) -> bool:
        """As poll(2) finds it (sk_stream_is_writeable), without asking it."""
        memory = unpack("9I", self.sender.getsockopt(SOL_SOCKET, SO_MEMINFO, 36))
        return bool(memory[LIMIT] - memory[IN_USE] < memory[IN_USE] >> 1)

    def edge_when_read(self) -> EventFlags | list[EventFlags]:
        """What the set reports when the receiver has read all, and all is acknowledged."""
        self.lab.empty(self.receiver, self.sent)
        self.lab.wait_until("all acknowledged", lambda: self.sender.outq() == 0)
        return self.lab.ready(self.epoll)
