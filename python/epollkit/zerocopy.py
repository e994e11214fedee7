"""MSG_ZEROCOPY: sending without the copy into the kernel, and without the trap in it.

The kernel sends from your memory itself, so that must stay as it is until the kernel says that it
is done: a completion, read from the socket's error queue. Until then `ZeroCopySender` keeps what
it has sent.

References:
    MSG_ZEROCOPY https://docs.kernel.org/networking/msg_zerocopy.html
    send(2) https://man7.org/linux/man-pages/man2/send.2.html
"""

import errno
import os
import struct
from socket import IPPROTO_IP, IPPROTO_IPV6
from time import monotonic
from typing import NamedTuple

from epollkit._epollkit import Epoll, Socket
from epollkit._flags import EventFlags

__all__ = ["Completion", "ZeroCopySender"]

_MSG_ERRQUEUE = 0x2000
_MSG_ZEROCOPY = 0x4000000
_ERROR_MESSAGES = {(IPPROTO_IP, 11), (IPPROTO_IPV6, 25)}  # IP_RECVERR, IPV6_RECVERR
_EXTENDED_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err
_ORIGIN_ZEROCOPY = 5  # SO_EE_ORIGIN_ZEROCOPY
_CODE_COPIED = 1  # SO_EE_CODE_ZEROCOPY_COPIED
_COUNTER_BITS = 0xFFFFFFFF


class Completion(NamedTuple):
    """The kernel is done with some sends, which are counted from 0."""

    first: int
    """Number of the first send."""
    last: int
    """Number of the last send, which is part of it."""
    copied: bool
    """The kernel copied after all: it had cost more than it saved."""


class ZeroCopySender:
    """Sends with MSG_ZEROCOPY, and keeps what it sent until the kernel is done with it.

    It helps where the copy is what limits you: large sends over a network card that gathers. It
    does not help on one machine: over loopback and veth the kernel copies after all, and says so
    (`copied`). Measured there (TCP, Linux 6.18, medians of 9 interleaved pairs) the throughput was
    0.58 of plain `send`'s in sends of 64 KiB and 0.52 in sends of 1 MiB over loopback, 0.62 and
    0.59 over veth; the sending thread's CPU time was 1.7 and 0.8 over loopback, 1.5 and 0.7 over
    veth. What a network card gains by it was not measured.

    `bytes` cannot change, so they are safe. Of any other buffer the sender holds the memory, so
    that it cannot be resized or freed, but its content is yours to leave alone until it is done.

    A completion makes the socket report EPOLLERR, which comes unasked: `reap` then. One sender per
    socket, and no other zero-copy sends or readers of the error queue beside it. Not for several
    threads at once.

    Args:
        sock: a connected, non-blocking TCP socket.
        threshold: what is shorter is sent with a copy, which costs less than a completion; bytes.

    Attributes:
        sends: zero-copy sends so far.
        fallbacks: sends with a copy, because the kernel had no room for another notice (ENOBUFS).

    Raises:
        OSError: SO_ZEROCOPY is refused; errno 524 on a Unix socket.
        ValueError: a socket with a time-out: the error queue is nothing to wait for.
    """

    def __init__(self, sock: Socket, *, threshold: int = 10 * 1024) -> None:
        """Turn SO_ZEROCOPY on."""
        _must_not_block(sock)
        if threshold < 1:
            raise ValueError(f"threshold must be at least 1 byte, not {threshold}")
        sock.options.so_zerocopy = True
        self.sends: int = 0
        self.fallbacks: int = 0
        self._sock = sock
        self._threshold = threshold
        self._held: dict[int, memoryview] = {}
        self._done: list[Completion] = []

    @property
    def pending(self) -> int:
        """How many sends the kernel is not done with."""
        return len(self._held)

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Send with MSG_ZEROCOPY. The kernel may take fewer bytes than you gave.

        Where the kernel cannot note one more completion (ENOBUFS: net.core.optmem_max, or
        RLIMIT_MEMLOCK), those that are there are taken, for the next `reap` to return; if that is
        not enough, this one is sent with a copy.

        Args:
            data: bytes, or any contiguous buffer that you leave alone until it is done.

        Returns:
            How many bytes the kernel took over.

        Raises:
            BlockingIOError: EAGAIN, the send buffer is full.
            OSError: as `Socket.send`.
        """
        view = memoryview(data).cast("B")
        if len(view) < self._threshold:
            return self._sock.send(view)
        try:
            sent = self._send_held(view)
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self._read_queue()
            try:
                sent = self._send_held(view)
            except OSError as again:
                if again.errno != errno.ENOBUFS:
                    raise
                self.fallbacks += 1
                return self._sock.send(view)
        return sent

    def reap(self) -> list[Completion]:
        """Take the completions that are there, and let go of what they are about. Never waits.

        Returns:
            List of `Completion`, possibly empty; one may stand for many sends. Over TCP they come
            in the order of the sends, mostly.

        Raises:
            OSError: EBADF; EPROTO, the error queue held what is not a completion, so somebody else
                uses it too (IP_RECVERR, time stamps).
        """
        self._read_queue()
        done, self._done = self._done, []
        return done

    def wait(self, timeout: float | None = None) -> list[Completion]:
        """`reap` until nothing is pending.

        The peer's acknowledgement is what completes a send. Closing the socket does not: the
        kernel goes on with the data, and only this object keeps the memory for it.

        Args:
            timeout: seconds; None for ever. When the time is up, `pending` says what is left.

        Returns:
            List of `Completion`, as `reap`.
        """
        deadline = None if timeout is None else monotonic() + timeout
        done = self.reap()
        if not self._held:
            return done
        with Epoll() as epoll:
            # By edges: a hangup or an error of the connection is always there, and would spin.
            epoll.register(self._sock, EventFlags.ET)
            while True:
                done += self.reap()
                left = None if deadline is None else deadline - monotonic()
                if not self._held or (left is not None and left <= 0):
                    return done
                epoll.poll(left)

    def _send_held(self, view: memoryview) -> int:
        sent = self._sock.send(view, _MSG_ZEROCOPY)
        # A send that takes nothing has no completion either.
        if sent:
            self._held[self.sends & _COUNTER_BITS] = view
            self.sends += 1
        return sent

    def _read_queue(self) -> None:
        _must_not_block(self._sock)
        while True:
            try:
                _, messages, _, _ = self._sock.recvmsg(0, 128, _MSG_ERRQUEUE)
            except BlockingIOError:
                return
            for level, kind, content in messages:
                self._complete(level, kind, content)

    def _complete(self, level: int, kind: int, content: bytes) -> None:
        """Let go of the sends that one message of the error queue is about."""
        if (level, kind) not in _ERROR_MESSAGES or len(content) < _EXTENDED_ERROR.size:
            raise OSError(errno.EPROTO, f"not a completion: control message {level}, {kind}")
        number, origin, _, code, _, first, last = _EXTENDED_ERROR.unpack_from(content)
        if origin != _ORIGIN_ZEROCOPY:
            text = os.strerror(number)
            raise OSError(errno.EPROTO, f"not a completion: error of origin {origin}, {text}")
        # The numbers are modulo 2**32, and a range may go over the end.
        for count in range(((last - first) & _COUNTER_BITS) + 1):
            self._held.pop((first + count) & _COUNTER_BITS, None)
        self._done.append(Completion(first, last, bool(code & _CODE_COPIED)))


def _must_not_block(sock: Socket) -> None:
    if sock.gettimeout() != 0.0:
        raise ValueError(
            "zero-copy sending needs a non-blocking socket, settimeout(0.0): completions are read "
            "from the error queue, where there is nothing to wait for"
        )
