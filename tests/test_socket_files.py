"""The descriptor and what is made of it: makefile, sendfile, dup, detach, close."""

import copy
import errno
import fcntl
import gc
import io
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
import uuid
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_INET, SO_LINGER, SO_SNDBUF, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET
from typing import Any

import pytest

from endpoints import fill, must_be_waiting, outcome, reset, tcp
from epollkit import Socket, socketpair
from support import MUST_ARRIVE, wait_until

Made = Callable[..., Any]


@pytest.fixture(params=[Socket, socket.socket], ids=["epollkit", "stdlib"])
def make(request: pytest.FixtureRequest) -> Made:
    """Whose socket: what is asserted of one is so of the other."""
    return request.param


@contextmanager
def pair(make: Made, timeout: float | None = MUST_ARRIVE) -> Generator[Any]:
    """Two connected Unix stream sockets of one library."""
    ends = [make(fileno=end.detach()) for end in socket.socketpair()]
    for end in ends:
        end.settimeout(timeout)
    with ends[0], ends[1]:
        yield ends


@contextmanager
def tcp_pair(make: Made, loopback: str, timeout: float | None = MUST_ARRIVE) -> Generator[Any]:
    with tcp(loopback).pair() as ours:
        ends = [make(fileno=end.detach()) for end in ours]
        for end in ends:
            end.settimeout(timeout)
        with ends[0], ends[1]:
            yield ends


# makefile

MODES = ["r", "w", "rw", "wr", "rb", "wb", "rwb", "br", "b", "", "brw", "rr"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("buffering", [None, -1, 0, 1, 10_000])
def test_a_file_is_what_the_stdlib_makes(mode: str, buffering: int | None) -> None:
    seen = []
    for make in (Socket, socket.socket):
        with pair(make) as (one, _):

            def described(one: Any = one) -> object:  # noqa: ANN401 - either library's socket
                with one.makefile(mode, buffering, encoding="utf-8") as file:
                    raw = file
                    while not isinstance(raw, socket.SocketIO) and hasattr(raw, "buffer"):
                        raw = raw.buffer
                    return (
                        type(file),
                        file.readable(),
                        file.writable(),
                        getattr(file, "mode", None) if "b" not in mode else None,
                        type(raw),
                    )

            try:
                seen.append(described())
            except ValueError as error:
                seen.append(str(error))
            gc.collect()  # what the stdlib had begun to make
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "arguments",
    [("x",), ("a",), ("r+",), ("rU",), (5,), (None,), ("r", "1"), ("r", 1.0), ("r", 0), ("rt",)],
    ids=ascii,
)
def test_a_wrong_file_raises_what_the_stdlib_raises(arguments: tuple[Any, ...]) -> None:
    seen = []
    for make in (Socket, socket.socket):
        with pair(make) as (one, _):
            seen.append(outcome(lambda one=one: one.makefile(*arguments)))
            gc.collect()
    assert seen[0] == seen[1]
    assert issubclass(seen[0][0], Exception)


@pytest.mark.parametrize(
    "keywords",
    [
        {"encoding": "no such"},
        {"errors": "no such"},
        {"newline": "x"},
        {"encoding": "latin-1", "errors": "replace", "newline": "\r\n"},
        {"nosuch": 1},
    ],
    ids=str,
)
def test_text_options_are_the_stdlibs(keywords: dict[str, Any]) -> None:
    seen = []
    for make in (Socket, socket.socket):
        with pair(make) as (one, other):

            def written(one: Any = one, other: Any = other) -> object:  # noqa: ANN401 - either library's
                with one.makefile("w", **keywords) as file:
                    file.write("é\n€")
                return other.recv(20)

            try:
                seen.append(written())
            except Exception as error:  # noqa: BLE001 - compared
                seen.append(type(error))
            gc.collect()
    assert seen[0] == seen[1]


def test_lines_are_read_and_written_as_text(make: Made) -> None:
    with (
        pair(make) as (one, other),
        one.makefile("rw", encoding="utf-8", newline="\n") as here,
        other.makefile("rw", encoding="utf-8", newline="\n") as there,
    ):
        here.write("Grüße\n")
        here.flush()
        assert there.readline() == "Grüße\n"
        there.write("zurück\nzwei\n")
        there.flush()
        assert here.readline() == "zurück\n"
        other.shutdown(socket.SHUT_WR)
        assert here.read() == "zwei\n"


@pytest.mark.parametrize("buffering", [None, 0])
def test_the_end_of_the_stream_is_the_end_of_the_file(buffering: int | None, make: Made) -> None:
    with pair(make) as (one, other), other.makefile("rb", buffering) as file:
        one.sendall(b"all there is")
        one.shutdown(socket.SHUT_WR)
        assert file.read() == b"all there is"
        assert file.read() == b""


def test_a_file_keeps_the_socket_open_past_its_close(make: Made) -> None:
    with pair(make) as (one, other):
        first, second = one.makefile("rb"), one.makefile("wb")
        assert one._io_refs == 2  # noqa: SLF001 - the stdlib's name, for SocketIO
        one.close()
        assert one._closed  # noqa: SLF001 - as above
        assert one.fileno() >= 0
        second.write(b"still open")
        second.close()
        assert other.recv(20) == b"still open"
        assert one.fileno() >= 0
        first.close()
        assert one.fileno() == -1
        assert one._io_refs == 0  # noqa: SLF001 - as above
        assert other.recv(1) == b""


def test_a_closed_file_leaves_the_socket_open(make: Made) -> None:
    with pair(make) as (one, other):
        file = one.makefile("rwb")
        file.close()
        file.close()
        assert not one._closed  # noqa: SLF001 - the stdlib's name
        one.send(b"x")
        assert other.recv(1) == b"x"
        one.close()
        assert one.fileno() == -1
        with pytest.raises(ValueError, match="closed file"):
            file.write(b"x")


def test_a_file_that_is_forgotten_lets_the_socket_go(make: Made) -> None:
    with pair(make) as (one, other):
        file = one.makefile("rb")
        one.close()
        del file
        gc.collect()
        assert one.fileno() == -1
        assert other.recv(1) == b""


def test_a_file_over_a_detached_socket_is_at_its_end(make: Made) -> None:
    with pair(make) as (one, _):
        file = one.makefile("rb")
        os.close(one.detach())
        assert outcome(file.read) == (OSError, errno.EBADF)
        file.close()
        assert one.fileno() == -1


@pytest.mark.parametrize("buffering", [None, 0])
def test_without_waiting_a_read_has_nothing(buffering: int | None, make: Made) -> None:
    with pair(make, 0.0) as (one, other), other.makefile("rb", buffering) as file:
        assert file.read(10) is None
        one.send(b"some")
        assert file.read(10) == b"some"
        assert file.readinto(bytearray(1)) is None


def test_without_waiting_a_write_may_take_none(make: Made) -> None:
    with pair(make, 0.0) as (one, _), one.makefile("wb", 0) as file:
        taken = file.write(bytes(1 << 22))
        assert 0 < taken < 1 << 22
        while file.write(b"x" * 1000) is not None:
            pass
        assert outcome(lambda: one.send(b"x")) == (BlockingIOError, errno.EAGAIN)


def test_a_read_that_timed_out_ends_the_file(make: Made) -> None:
    with pair(make, 0.001) as (one, other), other.makefile("rb") as file:
        assert outcome(lambda: file.read(1)) == (TimeoutError, None)
        one.send(b"late")
        with pytest.raises(OSError, match="cannot read from timed out object"):
            file.read(1)


def test_a_file_reads_what_a_thread_writes_later(make: Made) -> None:
    with pair(make, None) as (one, other), other.makefile("rb") as file:
        lines: list[bytes] = []
        reader = threading.Thread(target=lambda: lines.extend(file))
        reader.start()
        must_be_waiting(reader.native_id or 0)
        one.sendall(b"one\ntwo")
        one.sendall(b"\nthree")
        one.shutdown(socket.SHUT_WR)
        reader.join(MUST_ARRIVE)
        assert lines == [b"one\n", b"two\n", b"three"]


# sendfile


class Sent:
    """What one sendfile came to, and what the peer had of it."""

    def __init__(self, sock: Any, peer: Any, file: Any, *arguments: Any) -> None:  # noqa: ANN401 - either library's
        received = bytearray()

        def read() -> None:
            while piece := peer.recv(1 << 16):
                received.extend(piece)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            self.outcome: object = sock.sendfile(file, *arguments)
        except Exception as error:  # noqa: BLE001 - it is compared
            self.outcome = type(error), getattr(error, "errno", None)
        sock.shutdown(socket.SHUT_WR)
        reader.join(MUST_ARRIVE)
        self.received = bytes(received)
        self.position = file.tell() if hasattr(file, "tell") and not file.closed else None

    def as_tuple(self) -> tuple[object, ...]:
        return self.outcome, self.received, self.position


DATA = bytes(range(256)) * 1200  # 300 KiB, beyond one buffer


SIZE = len(DATA)


def written(directory: Path, data: bytes = DATA) -> Path:
    """A new file with these bytes."""
    path = directory / uuid.uuid4().hex[:8]
    path.write_bytes(data)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.mark.parametrize("timeout", [None, MUST_ARRIVE])
@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((), slice(0, SIZE)),
        ((1000,), slice(1000, SIZE)),
        ((SIZE - 1,), slice(SIZE - 1, SIZE)),
        ((SIZE,), slice(0)),
        ((SIZE + 5,), slice(0)),
        ((0, 7), slice(0, 7)),
        ((5, 200_000), slice(5, 200_005)),
        ((100, SIZE * 2), slice(100, SIZE)),
        ((0, 2**40), slice(0, SIZE)),
    ],
    ids=str,
)
def test_a_file_is_sent_from_offset_to_count(
    arguments: tuple[int, ...],
    part: slice,
    timeout: float | None,
    make: Made,
    path: Path,
) -> None:
    with pair(make, timeout) as (one, other), path.open("rb") as file:
        sent = Sent(one, other, file, *arguments)
        expected = DATA[part]
        assert (sent.outcome, sent.received) == (len(expected), expected)
        assert sent.position == part.stop


@pytest.mark.parametrize("offset", [0, 10, 100])
@pytest.mark.parametrize("count", [None, 1, 50, 10_000])
def test_what_is_no_regular_file_is_read(offset: int, count: int | None) -> None:
    seen = []
    for make in (Socket, socket.socket):
        with pair(make) as (one, other):
            file = io.BytesIO(DATA[:10_000])
            seen.append(Sent(one, other, file, offset, count).as_tuple())
    assert seen[0] == seen[1]
    end = 10_000 if count is None else min(offset + count, 10_000)
    assert seen[0] == (end - offset, DATA[offset:end], end)


def test_a_file_that_cannot_seek_is_read(make: Made) -> None:
    class Stream:
        closed = False

        def __init__(self) -> None:
            self.blocks = [b"one", b"two", b""]

        def read(self, _size: int) -> bytes:
            return self.blocks.pop(0)

    with pair(make) as (one, other):
        sent = Sent(one, other, Stream())
        assert (sent.outcome, sent.received) == (6, b"onetwo")


def test_a_descriptor_without_seek_is_enough(make: Made, path: Path) -> None:
    with path.open("rb") as file, pair(make) as (one, other):

        class Number:
            closed = False

            def fileno(self) -> int:
                return file.fileno()

        sent = Sent(one, other, Number(), 0, 1000)
        assert (sent.outcome, sent.received) == (1000, DATA[:1000])


def test_a_pipe_has_no_size_and_so_is_empty(make: Made) -> None:
    read, write = os.pipe()
    os.write(write, b"in the pipe")
    os.close(write)
    with pair(make) as (one, other), os.fdopen(read, "rb", 0) as file:
        assert one.sendfile(file) == 0
        other.settimeout(0.0)
        assert outcome(lambda: other.recv(1)) == (BlockingIOError, errno.EAGAIN)


def test_an_empty_file_is_sent(make: Made, tmp_path: Path) -> None:
    with pair(make) as (one, _), written(tmp_path, b"").open("rb") as file:
        assert one.sendfile(file) == 0
        assert file.tell() == 0


def test_a_file_that_grows_is_sent_as_long_as_it_is_then(loopback: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    with tcp_pair(Socket, loopback) as (one, other), path.open("rb") as file:
        fill(one)
        one.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096)
        sent: list[int] = []
        sender = threading.Thread(target=lambda: sent.append(one.sendfile(file)))
        sender.start()
        must_be_waiting(sender.native_id or 0)
        with path.open("ab") as longer:
            longer.write(b"and more")
        received = bytearray()
        while not received.endswith(b"and more"):
            received += other.recv(1 << 16)
        sender.join(MUST_ARRIVE)
        assert sent == [SIZE + 8]
        assert received.endswith(DATA + b"and more")


def test_a_file_that_shrinks_ends_there(loopback: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    with tcp_pair(Socket, loopback) as (one, other), path.open("rb") as file:
        before = fill(one)
        sent: list[int] = []
        sender = threading.Thread(target=lambda: sent.append(one.sendfile(file, 0, SIZE)))
        sender.start()
        must_be_waiting(sender.native_id or 0)
        os.truncate(path, 1000)
        received = 0
        while received < before + 1000:
            received += len(other.recv(1 << 16))
        sender.join(MUST_ARRIVE)
        assert sent == [1000]
        assert file.tell() == 1000


WRONG: dict[str, tuple[Any, ...]] = {
    "count 0": (0, 0),
    "count -1": (0, -1),
    "count 1.0": (0, 1.0),
    "count a str": (0, "1"),
    "offset a str": ("1",),
    "offset negative": (-1,),
    "too much": (0, 1, 2),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_sendfile_raises_what_the_stdlib_raises(name: str, path: Path) -> None:
    seen = []
    for make in (Socket, socket.socket):
        with pair(make) as (one, other), path.open("rb") as file:
            seen.append(Sent(one, other, file, *WRONG[name]).as_tuple())
    assert seen[0] == seen[1]
    assert isinstance(seen[0][0], tuple)


def test_a_text_file_is_refused(make: Made, path: Path) -> None:
    with (
        pair(make) as (one, _),
        path.open(encoding="latin-1") as file,
        pytest.raises(ValueError, match="binary mode"),
    ):
        one.sendfile(file)


def test_datagrams_take_no_files(make: Made, path: Path) -> None:
    with make(AF_INET, SOCK_DGRAM) as sock, path.open("rb") as file:
        sock.settimeout(MUST_ARRIVE)
        with pytest.raises(ValueError, match="SOCK_STREAM"):
            sock.sendfile(file)


def test_a_socket_that_never_waits_sends_no_file(make: Made, path: Path) -> None:
    with pair(make, 0.0) as (one, _), path.open("rb") as file, io.BytesIO(b"x") as memory:
        for each in (file, memory):
            with pytest.raises(ValueError, match="non-blocking"):
                one.sendfile(each)


def test_what_is_no_file_raises_what_the_stdlib_raises() -> None:
    seen = []
    for make in (Socket, socket.socket):
        with pair(make) as (one, _):
            seen += [
                outcome(lambda one=one, file=file: one.sendfile(file))
                for file in (None, 5, b"bytes", object())
            ]
            one.close()
            with io.BytesIO(b"x") as memory:
                seen.append(outcome(lambda one=one, memory=memory: one.sendfile(memory)))
    assert seen[:5] == seen[5:]
    assert seen[4] == (OSError, errno.EBADF)


def test_the_position_after_a_timeout_is_what_was_sent(make: Made, loopback: str) -> None:
    with tcp_pair(make, loopback, 0.05) as (one, other), io.BytesIO(bytes(1 << 24)) as out:
        one.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096)
        assert outcome(lambda: one.sendfile(out)) == (TimeoutError, None)
        position = out.tell()
        one.shutdown(socket.SHUT_WR)
        received = 0
        while piece := other.recv(1 << 16):
            received += len(piece)
        assert position == received > 0


@pytest.mark.parametrize("kind", ["regular", "in memory"])
def test_a_peer_that_goes_away_is_an_error(
    kind: str,
    make: Made,
    loopback: str,
    tmp_path: Path,
) -> None:
    path = written(tmp_path, bytes(1 << 24))
    with tcp_pair(make, loopback) as (one, other):
        file = path.open("rb") if kind == "regular" else io.BytesIO(bytes(1 << 24))
        with file:
            raised: list[tuple[type, int | None]] = []
            sender = threading.Thread(
                target=lambda: raised.append(outcome(lambda: one.sendfile(file)))
            )
            sender.start()
            must_be_waiting(sender.native_id or 0)
            reset(other)
            sender.join(MUST_ARRIVE)
            assert raised[0] in {
                (ConnectionResetError, errno.ECONNRESET),
                (BrokenPipeError, errno.EPIPE),
            }
            assert 0 < file.tell() < 1 << 24


# Inheritance, duplicates


def inherited(sock: Any) -> bool:  # noqa: ANN401 - either library's socket
    """Whether a program that is started now has the descriptor."""
    command = [sys.executable, "-I", "-S", "-c", f"import os; os.fstat({sock.fileno()})"]
    done = subprocess.run(command, capture_output=True, close_fds=False, check=False, text=True)
    assert not done.stderr or "Errno 9" in done.stderr
    return done.returncode == 0


@pytest.mark.thread_unsafe(reason="a child may have another thread's descriptors")
def test_a_descriptor_is_inherited_if_it_is_said_so(make: Made) -> None:
    with make() as sock:
        assert not sock.get_inheritable()
        assert not inherited(sock)
        sock.set_inheritable(True)
        assert sock.get_inheritable()
        assert inherited(sock)
        with sock.dup() as again:
            assert not again.get_inheritable()
        sock.set_inheritable(False)
        assert not sock.get_inheritable()


def test_inheritance_of_a_closed_socket_is_ebadf(make: Made) -> None:
    with make() as sock:
        sock.close()
        assert outcome(sock.get_inheritable) == (OSError, errno.EBADF)
        assert outcome(lambda: sock.set_inheritable(True)) == (OSError, errno.EBADF)
        assert outcome(sock.dup) == (OSError, errno.EBADF)


def is_nonblocking(sock: Any) -> bool:  # noqa: ANN401 - either library's socket
    return bool(fcntl.fcntl(sock.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK)


@pytest.mark.parametrize("timeout", [None, 0.0, 1.5])
def test_a_duplicate_has_the_timeout_and_shares_the_mode(timeout: float | None, make: Made) -> None:
    with make() as sock:
        sock.settimeout(timeout)
        with sock.dup() as again:
            assert (again.gettimeout(), is_nonblocking(again)) == (timeout, timeout is not None)
            assert (again.family, again.type, again.proto) == (sock.family, sock.type, sock.proto)
            assert again.fileno() != sock.fileno()
            again.settimeout(None if timeout is not None else 0.0)
            assert sock.gettimeout() == timeout
            assert is_nonblocking(sock) == (timeout is None)  # the open socket's, not the object's


def test_a_duplicate_keeps_the_connection_open(make: Made) -> None:
    with pair(make) as (one, other):
        with one.dup() as again:
            one.close()
            again.send(b"still here")
            assert other.recv(20) == b"still here"
        assert other.recv(1) == b""


@pytest.mark.parametrize("timeout", [None, 0.0, 1.5])
def test_a_descriptor_moves_to_the_stdlib_and_back(timeout: float | None) -> None:
    one, other = socketpair()
    with one, other:
        one.settimeout(timeout)
        number = one.fileno()
        theirs = socket.socket(fileno=one.detach())
        assert (one.fileno(), one.closed, theirs.fileno()) == (-1, True, number)
        assert one.detach() == -1
        back = Socket(fileno=theirs.detach())
        with back:
            assert (back.fileno(), back.gettimeout()) == (number, 0.0)
            back.send(b"moved")
            assert other.recv(10) == b"moved"
            again = back.to_stdlib()
            with Socket.from_stdlib(again) as last:
                assert last.gettimeout() == 0.0
                assert again.fileno() == back.fileno() == -1


def test_accept_gives_a_bare_descriptor(loopback: str) -> None:
    with tcp(loopback).listener() as listener, Socket(timeout=MUST_ARRIVE) as client:
        client.connect(listener.getsockname())
        listener.settimeout(MUST_ARRIVE)
        number, address = listener._accept()  # noqa: SLF001 - the stdlib's name
        assert address == client.getsockname()
        assert not os.get_inheritable(number)
        with Socket(fileno=number) as server:
            client.send(b"x")
            server.settimeout(MUST_ARRIVE)
            assert server.recv(1) == b"x"


# The object


@pytest.mark.parametrize("save", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_socket_cannot_be_copied(save: Callable[[object], object], make: Made) -> None:
    with make() as sock, pytest.raises(TypeError, match="cannot pickle"):
        save(sock)


def test_a_socket_can_be_referred_to_weakly(make: Made) -> None:
    sock = make()
    gone: list[object] = []
    reference = weakref.ref(sock, gone.append)
    assert reference() is sock
    sock.close()
    del sock
    gc.collect()
    assert reference() is None
    assert len(gone) == 1


def test_a_subclass_has_its_own_init(make: Made) -> None:
    class Named(make):  # type: ignore[misc, valid-type]
        def __init__(self, name: str, *, kind: int = SOCK_STREAM) -> None:
            super().__init__(AF_INET, kind)
            self.name = name

    with Named("mine", kind=SOCK_DGRAM) as sock:
        assert (sock.name, sock.type, sock.family) == ("mine", SOCK_DGRAM, AF_INET)
        with sock.makefile("rb") as file:
            assert file.raw.fileno() == sock.fileno()


def test_before_its_init_a_socket_is_closed() -> None:
    sock = Socket.__new__(Socket)
    assert (sock.fileno(), sock.closed, sock.detach()) == (-1, True, -1)
    assert outcome(lambda: sock.recvmmsg(1, 1)) == (OSError, errno.EBADF)
    assert outcome(lambda: sock.sendto(b"x", ("127.0.0.1", 1)))[0] is OSError
    sock.close()


def test_closing_again_does_nothing(make: Made) -> None:
    with make() as sock:
        sock.close()
        sock.close()
        assert sock.detach() == -1


def test_a_close_that_lingers_lets_other_threads_run(loopback: str) -> None:
    with tcp_pair(Socket, loopback) as (one, other):
        fill(one)
        one.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, int(MUST_ARRIVE)))
        closing = threading.Thread(target=one.close)
        closing.start()

        def is_closing() -> bool:
            call = Path(f"/proc/self/task/{closing.native_id}/syscall").read_text()
            return call.split()[0] in {"3", "57"}  # x86-64's and ARM's number of close

        wait_until(is_closing)  # with the GIL held, this thread would see it only when it is over
        while other.recv(1 << 16):
            pass
        closing.join(MUST_ARRIVE)
        assert not closing.is_alive()
        assert one.fileno() == -1
