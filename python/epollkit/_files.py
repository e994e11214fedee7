"""`Socket.makefile` and `Socket.sendfile`: where sockets and file objects meet."""

import io
import os
import socket
from typing import Any, BinaryIO, Literal, cast

from epollkit._epollkit import Socket

__all__ = ["makefile", "send_by_reading", "send_in_the_kernel", "sendfile"]

_BLOCK = 64 * 1024
_MOST = 2**30
"""Bytes for one sendfile(2), which itself takes no more than 2 GiB."""


class NotInTheKernelError(Exception):
    """The file is none that sendfile(2) takes, and nothing was sent yet."""


def makefile(
    sock: Any,  # noqa: ANN401 - SocketIO's stub asks for the stdlib's class, its code does not
    mode: str,
    buffering: int | None,
    *text_options: str | None,
) -> io.IOBase:
    """See `Socket.makefile`; the text options are encoding, errors, newline.

    The raw file is the stdlib's own: it asks no more of a socket than ours has.
    """
    if mode.strip("rwb"):
        raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
    binary = "b" in mode
    if buffering == 0 and not binary:
        raise ValueError("unbuffered streams must be binary")
    size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
    writing = "w" in mode
    reading = "r" in mode or not writing
    raw_mode: Literal["r", "w", "rw"] = "rw" if reading and writing else "r" if reading else "w"
    raw = socket.SocketIO(sock, raw_mode)
    sock._incref_socketios()  # noqa: SLF001 - SocketIO gives it back when it is closed
    if size == 0:
        return raw
    buffer: io.BufferedRWPair | io.BufferedReader | io.BufferedWriter
    if reading and writing:
        buffer = io.BufferedRWPair(raw, raw, size)
    elif reading:
        buffer = io.BufferedReader(raw, size)
    else:
        buffer = io.BufferedWriter(raw, size)
    if binary:
        return buffer
    encoding, errors, newline = text_options
    # BufferedRWPair reads and writes, which is all that TextIOWrapper asks for, if not its stub.
    text = io.TextIOWrapper(cast("Any", buffer), io.text_encoding(encoding), errors, newline)
    vars(text)["mode"] = mode
    return text


def sendfile(sock: Socket, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
    """See `Socket.sendfile`."""
    try:
        return send_in_the_kernel(sock, file, offset, count)
    except NotInTheKernelError:
        return send_by_reading(sock, file, offset, count)


def send_in_the_kernel(
    sock: Socket, file: BinaryIO, offset: int = 0, count: int | None = None
) -> int:
    """Send with sendfile(2); `NotInTheKernelError` where that cannot be."""
    _check(sock, file, count)
    try:
        fd = file.fileno()
        size = os.fstat(fd).st_size
    except (AttributeError, io.UnsupportedOperation, OSError):
        raise NotInTheKernelError from None
    if not size:
        return 0  # As the stdlib has it: what has no size, such as a file in /proc, is empty.
    sent = 0
    try:
        while count is None or sent < count:
            wanted = _MOST if count is None else min(count - sent, _MOST)
            try:
                step = sock._sendfile(fd, offset + sent, wanted)  # noqa: SLF001 - made for here
            except OSError as error:
                if sent == 0 and _is_about_the_file(error):
                    raise NotInTheKernelError from error
                raise
            if step == 0:
                break
            sent += step
        return sent
    finally:
        if sent > 0 and hasattr(file, "seek"):
            file.seek(offset + sent)


def send_by_reading(sock: Socket, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
    """Send block by block through this process."""
    _check(sock, file, count)
    if offset:
        file.seek(offset)
    sent = 0
    try:
        while count is None or sent < count:
            wanted = _BLOCK if count is None else min(count - sent, _BLOCK)
            block = memoryview(file.read(wanted))
            if not block:
                break
            while block:
                step = sock.send(block)
                sent += step
                block = block[step:]
        return sent
    finally:
        if sent > 0 and hasattr(file, "seek"):
            file.seek(offset + sent)


def _check(sock: Socket, file: BinaryIO, count: object) -> None:
    if "b" not in getattr(file, "mode", "b"):
        raise ValueError("file should be opened in binary mode")
    if sock.type != socket.SOCK_STREAM:
        raise ValueError("only SOCK_STREAM type sockets are supported")
    if count is not None:
        if not isinstance(count, int):
            raise TypeError(f"count must be a positive integer (got {count!r})")
        if count <= 0:
            raise ValueError(f"count must be a positive integer (got {count!r})")
    if sock.gettimeout() == 0:
        raise ValueError("non-blocking sockets are not supported")


def _is_about_the_file(error: OSError) -> bool:
    """Whether reading the file is worth a try: any first error that no connection made."""
    return not isinstance(error, (TimeoutError, ConnectionError))
