"""Stream sockets that break rules of send(2) and recv(2), each in one way, and what finds it."""

import errno
import select
import socket
from collections.abc import Callable
from typing import Any


class End:
    """A socket that passes everything on. Those below break one thing each."""

    def __init__(self, inner: socket.socket) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.inner, name)


class ResetIsEnd(End):
    def recv(self, *args: int) -> bytes:
        try:
            return self.inner.recv(*args)
        except ConnectionResetError:
            return b""


class ShutdownCloses(End):
    def shutdown(self, _how: int) -> None:
        self.inner.shutdown(socket.SHUT_RDWR)


class EmptyIsEnd(End):
    def recv(self, *args: int) -> bytes:
        try:
            return self.inner.recv(*args)
        except BlockingIOError:
            return b""


class FullIsZero(End):
    def send(self, *args: Any) -> int:  # noqa: ANN401
        try:
            return self.inner.send(*args)
        except BlockingIOError:
            return 0


class CountsCalls(End):
    def send(self, data: bytes, *flags: int) -> int:
        sent = self.inner.send(data, *flags)
        return 1 if sent == 3 else sent


class SendsBackwards(End):
    def send(self, data: bytes, *flags: int) -> int:
        return self.inner.send(bytes(data)[::-1], *flags)


class ZeroRecvTakes(End):
    def recv(self, bufsize: int, *flags: int) -> bytes:
        return self.inner.recv(bufsize or 1, *flags)


class ZeroSendSends(End):
    def send(self, data: bytes, *flags: int) -> int:
        return self.inner.send(data or b"z", *flags)


class BrokenPipeIsSent(End):
    def send(self, data: bytes, *flags: int) -> int:
        try:
            return self.inner.send(data, *flags)
        except BrokenPipeError:
            return len(data)


class TimeoutIsEnd(End):
    def recv(self, *args: int) -> bytes:
        try:
            return self.inner.recv(*args)
        except TimeoutError:
            return b""


class TimeoutIsShort(End):
    def settimeout(self, timeout: float | None) -> None:
        self.inner.settimeout(timeout and int(timeout * 1000) / 1000)


class NeverWaits(End):
    """Says that the time is up when nothing is there."""

    def recv(self, bufsize: int, *flags: int) -> bytes:
        if (
            self.gettimeout()
            and self.fileno() >= 0
            and not select.select([self.inner], [], [], 0)[0]
        ):
            raise TimeoutError
        return self.inner.recv(bufsize, *flags)


class RecvIntoFillsUp(End):
    def recv_into(self, buffer: bytearray) -> int:
        received = self.inner.recv(len(buffer))
        buffer[:] = received.ljust(len(buffer), b"\0")
        return len(received)


class ClosedIsEnd(End):
    def recv(self, *args: int) -> bytes:
        return b"" if self.inner.fileno() == -1 else self.inner.recv(*args)


class TakesTooMuch(End):
    """Reads more than it is asked for, and loses it."""

    def recv(self, bufsize: int, *flags: int) -> bytes:
        return self.inner.recv(bufsize + 1 if bufsize == 2 else bufsize, *flags)[:bufsize]


class Echoes(End):
    """Gives what it has sent."""

    echo = b""

    def send(self, data: bytes, *flags: int) -> int:
        sent = self.inner.send(data, *flags)
        if bytes(data) == b"y":
            self.echo = b"y"
        return sent

    def recv(self, *args: int) -> bytes:
        echo, self.echo = self.echo, b""
        return echo or self.inner.recv(*args)


class WaitsForAll(End):
    """As with MSG_WAITALL."""

    def recv(self, bufsize: int, *flags: int) -> bytes:
        if bufsize != 1000:
            return self.inner.recv(bufsize, *flags)
        self.inner.settimeout(0.01)
        received = b""
        while len(received) < bufsize:
            received += self.inner.recv(bufsize - len(received))
        return received


class LosesTheLastByte(End):
    """At the end of the stream."""

    def recv(self, bufsize: int, *flags: int) -> bytes:
        received = self.inner.recv(bufsize, *flags)
        return received if received != b"last" else b"las"


class EndComesOnce(End):
    ended = False

    def recv(self, *args: int) -> bytes:
        received = self.inner.recv(*args)
        if not received and args[0]:
            if self.ended:
                raise ConnectionResetError(errno.ECONNRESET, "the end was told")
            self.ended = True
        return received


class LosesInBulk(End):
    def recv(self, bufsize: int, *flags: int) -> bytes:
        received = self.inner.recv(bufsize, *flags)
        return received if len(received) < 4096 else bytes(len(received))


BROKEN_ENDS = {
    ResetIsEnd: {"reset"},
    ShutdownCloses: {"half-close"},
    EmptyIsEnd: {"order", "would-block-recv"},
    FullIsZero: {"more-than-fits", "would-block-send"},
    CountsCalls: {"send-count"},
    SendsBackwards: {
        "order",
        "recv-at-most",
        "recv-what-is-there",
        "recv-into",
        "more-than-fits",
        "end-of-stream",
        "half-close",
    },
    ZeroRecvTakes: {"zero-recv"},
    ZeroSendSends: {"zero-send"},
    BrokenPipeIsSent: {"send-after-shutdown", "send-to-closed"},
    TimeoutIsEnd: {"timeout"},
    TimeoutIsShort: {"timeout"},
    NeverWaits: {"timeout", "arrival-ends-recv", "close-ends-recv"},
    RecvIntoFillsUp: {"recv-into"},
    ClosedIsEnd: {"closed"},
    TakesTooMuch: {"recv-at-most"},
    Echoes: {"own-bytes"},
    WaitsForAll: {"recv-what-is-there"},
    LosesTheLastByte: {"end-of-stream"},
    EndComesOnce: {"end-of-stream"},
    LosesInBulk: {"more-than-fits"},
}


def ends_of(kind: type[End]) -> Callable[[], Any]:
    def make() -> tuple[End, End]:
        near, far = socket.socketpair()
        return kind(near), kind(far)

    return make
