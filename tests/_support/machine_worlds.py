"""Two worlds, the standard library's and ours: the same operations on sockets and sets by name.

A world lives for one script. The two live one after the other, not at the same time, each from the
same lowest free descriptor: so the kernel gives both the same numbers, also where it gives one out
again, and outcomes are compared as they are, numbers and order of events included.

What makes a script come out the same each time it is run:

- The thread stays on one processor, where loopback is one queue, and after each operation a
  datagram is sent through it: what was sent before has arrived (`Ground.settle`).
- Buffers have a fixed size. Left alone, TCP's grow with the measured round trip, and how much of a
  large send is taken differs from run to run.
- A script takes milliseconds. What TCP does late (a delayed acknowledgement after 40 ms, a window
  probe after 200 ms) does not happen within it, unless the machine stops for as long.
- Ports and autobound Unix names are the kernel's choice: they are compared by the order in which
  they are first seen.
"""

import fcntl
import os
import select
import socket
import struct
import tempfile
import termios
import zlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from typing import Any, ClassVar, Self, TypeAlias

import epollkit
from support import MUST_ARRIVE

Operation: TypeAlias = tuple[Any, ...]
"""A verb, which is a method of `World`, and its arguments."""

End: TypeAlias = Any
"""A socket of either world."""

Set: TypeAlias = Any
"""An epoll set of either world."""

KINDS = {
    "tcp": (socket.AF_INET, socket.SOCK_STREAM),
    "udp": (socket.AF_INET, socket.SOCK_DGRAM),
    "unix": (socket.AF_UNIX, socket.SOCK_STREAM),
    "datagrams": (socket.AF_UNIX, socket.SOCK_DGRAM),
    "packets": (socket.AF_UNIX, socket.SOCK_SEQPACKET),
}
SETS = ("X", "Y")
EVERYTHING = (
    select.POLLIN | select.POLLPRI | select.POLLOUT | select.POLLRDHUP | select.POLLRDNORM
    | select.POLLRDBAND | select.POLLWRNORM | select.POLLWRBAND
)  # fmt: skip
BUFFER = 1 << 14
AUTOBOUND = 6
"""The length of an abstract name that the kernel chose; unix(7)."""
RESET_AT_CLOSE = struct.pack("ii", 1, 0)
MOST_SENDS = 64
PATIENCE = 0.001
PATTERN = bytes(number * 7 % 251 for number in range(1 << 18)) * 2
"""What is sent: each operation's bytes begin at another place, so that lost ones show."""

SEND_NOTHING = {
    *("bind", "bind_like", "listen", "inq", "outq", "addresses", "describe", "timeout", "blocking"),
    *("misuse", "set", "share", "close_set", "register", "modify", "unregister", "rearm"),
    *("poll", "wait"),
}
"""Operations after which nothing can be under way."""

MISUSES: dict[str, Callable[[End, Set], object]] = {
    "receive text": lambda end, _: end.recv("1"),
    "receive less than nothing": lambda end, _: end.recv(-1),
    "receive too much": lambda end, _: end.recv_into(bytearray(4), 5),
    "receive less than nothing into": lambda end, _: end.recv_into(bytearray(4), -1),
    "receive into bytes": lambda end, _: end.recv_into(b"1234"),
    "receive into nothing": lambda end, _: end.recv_into(bytearray()),
    "send text": lambda end, _: end.send("text"),
    "send a number": lambda end, _: end.sendall(1),
    "shut down by text": lambda end, _: end.shutdown("both"),
    "bind to a number": lambda end, _: end.bind(5),
    "connect to None": lambda end, _: end.connect(None),
    "connect to a tuple of one": lambda end, _: end.connect(("127.0.0.1",)),
    "listen by text": lambda end, _: end.listen("1"),
    "set an option to None": lambda end, _: end.setsockopt(1, 2, None),
    "ask for an option of 2000 bytes": lambda end, _: end.getsockopt(1, 2, 2000),
    "ask for an option of -1 bytes": lambda end, _: end.getsockopt(1, 2, -1),
    "time-out of text": lambda end, _: end.settimeout("1"),
    "time-out below zero": lambda end, _: end.settimeout(-1),
    "time-out that is not a number": lambda end, _: end.settimeout(float("nan")),
    "register text": lambda _, epoll: epoll.register("1"),
    "register a fraction": lambda _, epoll: epoll.register(1.5),
    "register -1": lambda _, epoll: epoll.register(-1),
    "register a number too large": lambda _, epoll: epoll.register(1 << 31),
    "register for text": lambda end, epoll: epoll.register(end, "1"),
    "modify to nothing": lambda end, epoll: epoll.modify(end),
    "modify to a fraction": lambda end, epoll: epoll.modify(end, 1.0),
    "unregister None": lambda _, epoll: epoll.unregister(None),
    "poll for text": lambda _, epoll: epoll.poll("1"),
    "poll for a fraction of events": lambda _, epoll: epoll.poll(0, 1.0),
}
"""Calls that are wrong whatever the state is."""


class Ground:
    """What both worlds stand on: a loopback address, a file, and one processor."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            allowed = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {max(allowed)})
            stack.callback(os.sched_setaffinity, 0, allowed)
            self.refusing = self._bound(stack, socket.SOCK_STREAM).getsockname()
            self._probe = self._bound(stack, socket.SOCK_DGRAM)
            self._probe.settimeout(MUST_ARRIVE)
            self._probe.connect(self._probe.getsockname())
            with self._bound(stack, socket.SOCK_STREAM) as listener:
                listener.listen()
                self._near = stack.enter_context(socket.create_connection(listener.getsockname()))
                self._far = stack.enter_context(listener.accept()[0])
            self.file = stack.enter_context(tempfile.TemporaryFile())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _bound(self, stack: ExitStack, kind: int) -> socket.socket:
        sock = stack.enter_context(socket.socket(socket.AF_INET, kind))
        sock.bind((self.host, 0))
        return sock

    def disturb(self, size: int) -> None:
        """Move on in the thread's page that TCP copies into, by so many bytes."""
        self._near.sendall(bytes(size))
        self._far.recv(size, socket.MSG_WAITALL)

    def settle(self) -> None:
        """What was sent on loopback has arrived, its answer, and the answer to that."""
        for _ in range(3):
            self._probe.send(b"")
            self._probe.recv(1)


class AbsentError(Exception):
    """An operation names what its script has not opened."""


class World:
    """One library's sockets, by name, and its two epoll sets."""

    library: ClassVar[str]

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.ends: dict[str, End] = {}
        self.sets: dict[str, Set] = {}
        self.numbers: dict[str, int] = {}
        self.given_away: set[int] = set()
        self.chosen: dict[int | bytes, str] = {}
        self.offset = 0
        self.names = 0
        self.far = False
        # What `wait` is meant to leave out, by each set's numbers: source and mask. Where a number
        # means more than one registration the kernel does not say which an event is of.
        self.registered: dict[str, dict[int, tuple[End | int, int]]] = {}
        self.ambiguous: set[str] = set()
        for name in SETS:
            self.set(name)

    # --- running ------------------------------------------------------------------------------

    def run(self, operation: Operation) -> object:
        """Do it, and say how it went: the result, or the exception's class and errno."""
        try:
            return self.call(operation)
        except AbsentError:
            return "absent"
        except OSError as error:
            if isinstance(error, ValueError):  # ClosedEpollError is both; the stdlib's is this
                return "ValueError"
            return type(error).__name__, error.errno
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
            return type(error).__name__
        finally:
            if self.far and operation[0] not in SEND_NOTHING:
                self.ground.settle()

    def call(self, operation: Operation) -> object:
        verb, *arguments = operation
        return getattr(self, verb)(*arguments)

    def levels(self) -> object:
        """What the kernel says of everything open: readiness, bytes unread, what is closed."""
        poller = select.poll()
        unread: list[object] = []
        for name, end in self.ends.items():
            number = end.fileno()
            if number >= 0:
                poller.register(number, EVERYTHING)
                unread.append((name, number, queued(number, termios.FIONREAD)))
            else:
                unread.append((name, "closed"))
        for epoll in self.sets.values():
            if not epoll.closed:
                poller.register(epoll.fileno(), EVERYTHING)
        return poller.poll(0), unread

    def close_all(self) -> None:
        """Close everything, connections by a reset: no port stays in TIME_WAIT."""
        for end in self.ends.values():
            if end.fileno() >= 0:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
            end.close()
        for epoll in self.sets.values():
            epoll.close()

    # --- names --------------------------------------------------------------------------------

    def end(self, name: str) -> End:
        if name not in self.ends:
            raise AbsentError
        return self.ends[name]

    def put(self, name: str, end: End) -> int:
        """Name a socket. The one that had the name is closed afterwards."""
        before = self.ends.pop(name, None)
        self.ends[name] = end
        self.numbers[name] = end.fileno()
        if before is not None:
            before.close()
        return end.fileno()

    def source(self, name: str, by: str) -> End | int:
        """What to register: a socket, a set, a number that one has or had, or something else."""
        if name == "file":
            return self.ground.file if by == "object" else self.ground.file.fileno()
        if name == "nothing":
            return 1000
        if name in SETS:
            return self.sets[name] if by == "object" else self.numbers[name]
        end = self.end(name)
        return end if by == "object" else self.numbers[name]

    def address_for(self, kind: str) -> object:
        if KINDS[kind][0] == socket.AF_INET:
            return (self.ground.host, 0)
        self.names += 1
        return b"\0epollkit-%d-%s-%d" % (os.getpid(), self.ground.host.encode(), self.names)

    def address_of(self, name: str) -> object:
        """A socket's address to connect or bind to; of no socket one where nobody listens."""
        return self.ends[name].getsockname() if name in self.ends else self.ground.refusing

    def shown(self, address: object) -> object:
        """An address with what the kernel chose, a port or a name, by the order of its coming."""
        if isinstance(address, bytes) and len(address) == AUTOBOUND:
            return self.chosen.setdefault(address, f"name {len(self.chosen)}")
        if not isinstance(address, tuple):
            return address
        host, port = address
        return host, self.chosen.setdefault(port, f"port {len(self.chosen)}") if port else 0

    # --- what the libraries have each their own way for ---------------------------------------

    def opened(self, family: int, kind: int) -> End:
        raise NotImplementedError

    def adopted(self, number: int) -> End:
        raise NotImplementedError

    def new_set(self) -> Set:
        raise NotImplementedError

    def set_of(self, number: int) -> Set:
        raise NotImplementedError

    def accepted(self, listener: End) -> tuple[End, object]:
        raise NotImplementedError

    # --- opening ------------------------------------------------------------------------------

    def new(self, kind: str) -> End:
        self.far |= KINDS[kind][0] == socket.AF_INET
        return self.small(self.opened(*KINDS[kind]))

    def small(self, end: End) -> End:
        """With buffers that one large send more than fills."""
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        return end

    def pair(self, kind: str, near: str, far: str) -> object:
        """Two that are connected with each other."""
        family, type_ = KINDS[kind]
        if family == socket.AF_UNIX:
            made = socket.socketpair(family, type_)
            one, other = (self.small(self.adopted(sock.detach())) for sock in made)
        elif kind == "udp":
            one, other = self.new(kind), self.new(kind)
            for end in (one, other):
                end.bind((self.ground.host, 0))
            one.connect(other.getsockname())
            other.connect(one.getsockname())
        else:
            one = self.new(kind)
            listener = self.new(kind)
            listener.bind((self.ground.host, 0))
            listener.listen(1)
            with suppress(BlockingIOError):
                one.connect(listener.getsockname())
            self.ground.settle()
            other, _ = self.accepted(listener)
            listener.close()
        return self.put(near, one), self.put(far, other)

    def socket(self, kind: str, name: str) -> object:
        return self.put(name, self.new(kind))

    def listener(self, kind: str, name: str, backlog: int) -> object:
        end = self.new(kind)
        self.put(name, end)
        end.bind(self.address_for(kind))
        end.listen(backlog)
        return self.shown(end.getsockname())

    def bind(self, name: str, kind: str) -> object:
        return self.end(name).bind(self.address_for(kind))

    def bind_like(self, name: str, other: str) -> object:
        return self.end(name).bind(self.address_of(other))

    def listen(self, name: str, backlog: int) -> object:
        return self.end(name).listen(backlog)

    def connect(self, name: str, to: str) -> object:
        return self.end(name).connect(self.address_of(to))

    def connect_ex(self, name: str, to: str) -> object:
        return self.end(name).connect_ex(self.address_of(to))

    def accept(self, name: str, into: str) -> object:
        end, address = self.accepted(self.end(name))
        return self.put(into, end), self.shown(address)

    def try_accept(self, name: str, into: str) -> object:
        raise NotImplementedError

    def accept_many(self, name: str, into: str, limit: int) -> object:
        """All of them; the first gets the name, the others are closed."""
        ends = self.all_accepted(self.end(name), limit)
        for end in ends[1:]:
            end.close()
        return len(ends), [self.put(into, end) for end in ends[:1]]

    def all_accepted(self, listener: End, limit: int) -> list[End]:
        raise NotImplementedError

    def dup(self, name: str, into: str) -> object:
        return self.put(into, self.end(name).dup())

    def readopt(self, name: str) -> object:
        """Take the number out of the object and give it to a new one."""
        end = self.end(name)
        number = end.detach()
        if number >= 0:
            self.given_away.add(id(end))
            self.keep(end)
            self.ends[name] = self.adopted(number)
        return number

    def change_hands(self, name: str) -> object:
        """As `readopt`, by the calls that our library has for it."""
        raise NotImplementedError

    def keep(self, end: End) -> None:
        """Hold an object to the end, so that its id stays its own."""
        self.ends[f"given away {len(self.given_away)}"] = end

    # --- closing ------------------------------------------------------------------------------

    def close(self, name: str) -> object:
        return self.end(name).close()

    def reset(self, name: str) -> object:
        end = self.end(name)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        return end.close()

    def detach(self, name: str) -> object:
        end = self.end(name)
        number = end.detach()
        if number >= 0:
            os.close(number)
            self.given_away.add(id(end))
            self.keep(end)
        return number

    def shutdown(self, name: str, how: int) -> object:
        return self.end(name).shutdown(how)

    # --- sending ------------------------------------------------------------------------------

    def payload(self, size: int) -> bytes:
        self.offset = (self.offset + 1009) % (1 << 18)
        return PATTERN[self.offset : self.offset + size]

    def send(self, name: str, size: int, flags: int) -> object:
        return self.end(name).send(self.payload(size), flags)

    def try_send(self, name: str, size: int, flags: int) -> object:
        raise NotImplementedError

    def sendall(self, name: str, size: int) -> object:
        return self.end(name).sendall(self.payload(size))

    def fill(self, name: str, size: int) -> object:
        """Send until it is not all taken; what each send took."""
        end, sent = self.end(name), []
        with suppress(BlockingIOError):
            while len(sent) < MOST_SENDS and (not sent or sent[-1] == size):
                sent.append(end.send(self.payload(size)))
        return sent

    # --- receiving ----------------------------------------------------------------------------

    def recv(self, name: str, size: int, flags: int) -> object:
        return received(self.end(name).recv(size, flags), size, flags)

    def try_recv(self, name: str, size: int, flags: int) -> object:
        raise NotImplementedError

    def recv_into(self, name: str, size: int, most: int, flags: int) -> object:
        room = bytearray(size)
        return self.end(name).recv_into(room, most, flags), digest(room)

    def try_recv_into(self, name: str, size: int, most: int, flags: int) -> object:
        raise NotImplementedError

    def drain(self, name: str, limit: int) -> object:
        raise NotImplementedError

    # --- asking and setting -------------------------------------------------------------------

    def option(self, name: str, option: tuple[int, int], length: int) -> object:
        return self.end(name).getsockopt(*option, length)

    def set_option(self, name: str, option: tuple[int, int], value: int | bytes) -> object:
        return self.end(name).setsockopt(*option, value)

    def error(self, name: str) -> object:
        raise NotImplementedError

    def inq(self, name: str) -> object:
        raise NotImplementedError

    def outq(self, name: str) -> object:
        raise NotImplementedError

    def addresses(self, name: str) -> object:
        end = self.end(name)
        return self.shown(end.getsockname()), self.shown(end.getpeername())

    def describe(self, name: str) -> object:
        end = self.end(name)
        return end.fileno(), int(end.family), int(end.type), end.proto, end.gettimeout()

    def timeout(self, name: str, seconds: float | None) -> object:
        """Set a time-out, and 0 again: in the stdlib's world any other might wait."""
        end = self.end(name)
        end.settimeout(seconds)
        told = end.gettimeout(), end.getblocking(), end.timeout
        end.settimeout(0)
        return told

    def blocking(self, name: str, flag: object) -> object:
        end = self.end(name)
        end.setblocking(flag)
        told = end.gettimeout(), end.getblocking()
        end.setblocking(False)
        return told

    def patiently(self, operation: Operation) -> object:
        """With a time-out of a millisecond, if it cannot be done at once.

        The stdlib waits before it tries (but to connect): an error that is there already, as that
        of accept on what does not listen, comes after the time-out. Ours tries first.
        """
        end = self.end(operation[1])
        if operation[0] != "connect":
            with suppress(BlockingIOError):
                return self.call(operation)
        end.settimeout(PATIENCE)
        try:
            return self.call(operation)
        finally:
            end.settimeout(0)

    def misuse(self, name: str, epoll: str, what: str) -> object:
        """On an open set: else there are two errors, and ours sees the argument first."""
        if self.sets[epoll].closed:
            raise AbsentError
        return MISUSES[what](self.end(name), self.sets[epoll])

    # --- sets ---------------------------------------------------------------------------------

    def put_set(self, name: str, epoll: Set) -> object:
        before = self.sets.pop(name, None)
        self.sets[name] = epoll
        self.numbers[name] = epoll.fileno()
        self.registered[name] = {}
        self.ambiguous.discard(name)
        if before is not None:
            before.close()
        return epoll.fileno()

    def set(self, name: str) -> object:
        return self.put_set(name, self.new_set())

    def share(self, name: str, into: str) -> object:
        """A second object of the same set."""
        if name == into:
            return None
        number = self.put_set(into, self.set_of(os.dup(self.sets[name].fileno())))
        self.ambiguous |= {name, into}
        return number

    def close_set(self, name: str) -> object:
        self.registered[name] = {}
        return self.sets[name].close(), self.sets[name].closed

    def register(self, epoll: str, name: str, mask: int, by: str) -> object:
        source = self.source(name, by)
        self.sets[epoll].register(source, mask)
        if self.remember(epoll, source, mask):
            self.ambiguous.add(epoll)
        return None

    def modify(self, epoll: str, name: str, mask: int, by: str) -> object:
        source = self.source(name, by)
        self.sets[epoll].modify(source, mask)
        if not self.remember(epoll, source, mask):
            self.ambiguous.add(epoll)
        return None

    def remember(self, epoll: str, source: End | int, mask: int) -> bool:
        """Whether the number was registered before."""
        number = number_of(source)
        known = number in self.registered[epoll]
        self.registered[epoll][number] = source, mask
        return known

    def unregister(self, epoll: str, name: str, by: str) -> object:
        source = self.source(name, by)
        try:
            self.sets[epoll].unregister(source)
        except OSError:
            # The kernel may have it still, by a number that is closed.
            if self.registered[epoll].pop(number_of(source), None) is not None:
                self.ambiguous.add(epoll)
            raise
        self.registered[epoll].pop(number_of(source), None)
        return None

    def rearm(self, epoll: str, name: str, by: str) -> object:
        raise NotImplementedError

    def poll(self, epoll: str, maxevents: int) -> object:
        return self.sets[epoll].poll(0, maxevents)

    def wait(self, epoll: str, maxevents: int) -> object:
        events = self.live(epoll, maxevents)
        return "not compared" if epoll in self.ambiguous else events

    def live(self, epoll: str, maxevents: int) -> list[tuple[int, int]]:
        raise NotImplementedError


class Theirs(World):
    """The standard library's world. What it lacks is made of what it has."""

    library = "the standard library"

    def opened(self, family: int, kind: int) -> End:
        return socket.socket(family, kind | socket.SOCK_NONBLOCK)

    def adopted(self, number: int) -> End:
        end = socket.socket(fileno=number)
        end.setblocking(False)
        return end

    def new_set(self) -> Set:
        return select.epoll()

    def set_of(self, number: int) -> Set:
        return select.epoll.fromfd(number)

    def accepted(self, listener: End) -> tuple[End, object]:
        end, address = listener.accept()
        end.setblocking(False)
        return end, address

    def try_accept(self, name: str, into: str) -> object:
        return none_instead_of_waiting(lambda: self.accept(name, into))

    def all_accepted(self, listener: End, limit: int) -> list[End]:
        ends: list[End] = []
        while len(ends) < limit:
            try:
                ends.append(self.accepted(listener)[0])
            except BlockingIOError:
                break
            except OSError:
                if not ends:
                    raise
                break
        return ends

    def change_hands(self, name: str) -> object:
        end = self.end(name)
        end.getsockname()  # EBADF if it is closed
        number = self.readopt(name)
        self.ends[name].detach()
        self.ends[name] = socket.socket(end.family, end.type, end.proto, number)
        self.ends[name].setblocking(False)
        return number

    def try_send(self, name: str, size: int, flags: int) -> object:
        return none_instead_of_waiting(lambda: self.send(name, size, flags))

    def try_recv(self, name: str, size: int, flags: int) -> object:
        return none_instead_of_waiting(lambda: self.recv(name, size, flags))

    def try_recv_into(self, name: str, size: int, most: int, flags: int) -> object:
        room = bytearray(size)
        end = self.end(name)
        return none_instead_of_waiting(lambda: end.recv_into(room, most, flags)), digest(room)

    def drain(self, name: str, limit: int) -> object:
        end, data = self.end(name), b""
        if limit < 1:
            raise ValueError
        while len(data) < limit:
            try:
                piece = end.recv(min(4096, limit - len(data)))
            except BlockingIOError:
                return digest(data), False, False, None
            except OSError as error:
                if not data:
                    raise
                return digest(data), False, False, error.errno
            if not piece:
                return digest(data), True, False, None
            data += piece
        return digest(data), False, True, None

    def error(self, name: str) -> object:
        return self.end(name).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def inq(self, name: str) -> object:
        return ioctl(self.end(name), termios.FIONREAD)

    def outq(self, name: str) -> object:
        return ioctl(self.end(name), termios.TIOCOUTQ)

    def rearm(self, epoll: str, name: str, by: str) -> object:
        source = self.source(name, by)
        self.sets[epoll].fileno()  # ValueError if it is closed
        number = number_of(source)
        if number < 0:
            raise ValueError
        if number not in self.registered[epoll]:
            raise FileNotFoundError(2, "not registered")
        return self.sets[epoll].modify(number, self.registered[epoll][number][1])

    def live(self, epoll: str, maxevents: int) -> list[tuple[int, int]]:
        """The events without those of what is registered no more, or says that it is closed."""
        events = self.sets[epoll].poll(0, maxevents)
        return [event for event in events if self.is_live(epoll, event[0])]

    def is_live(self, epoll: str, number: int) -> bool:
        if number not in self.registered[epoll]:
            return False
        source, _ = self.registered[epoll][number]
        if isinstance(source, int) or id(source) in self.given_away:
            return True
        return not source.closed if isinstance(source, select.epoll) else source.fileno() >= 0


class Ours(World):
    """epollkit's world."""

    library = "epollkit"

    def opened(self, family: int, kind: int) -> End:
        return epollkit.Socket(family, kind)

    def adopted(self, number: int) -> End:
        return epollkit.Socket(fileno=number)

    def new_set(self) -> Set:
        return epollkit.Epoll()

    def set_of(self, number: int) -> Set:
        return epollkit.Epoll.fromfd(number)

    def accepted(self, listener: End) -> tuple[End, object]:
        return listener.accept()

    def try_accept(self, name: str, into: str) -> object:
        accepted = self.end(name).try_accept()
        if accepted is None:
            return None
        return self.put(into, accepted[0]), self.shown(accepted[1])

    def all_accepted(self, listener: End, limit: int) -> list[End]:
        return [end for end, _ in listener.accept_many(limit)]

    def change_hands(self, name: str) -> object:
        end = self.end(name)
        theirs = end.to_stdlib()
        self.given_away.add(id(end))
        self.keep(end)
        self.ends[name] = epollkit.Socket.from_stdlib(theirs)
        return self.ends[name].fileno()

    def try_send(self, name: str, size: int, flags: int) -> object:
        return self.end(name).try_send(self.payload(size), flags)

    def try_recv(self, name: str, size: int, flags: int) -> object:
        data = self.end(name).try_recv(size, flags)
        return None if data is None else received(data, size, flags)

    def try_recv_into(self, name: str, size: int, most: int, flags: int) -> object:
        room = bytearray(size)
        return self.end(name).try_recv_into(room, most, flags), digest(room)

    def drain(self, name: str, limit: int) -> object:
        drained = self.end(name).drain(limit)
        error = drained.error and drained.error.errno
        return digest(drained.data), drained.eof, drained.limited, error

    def error(self, name: str) -> object:
        return self.end(name).error()

    def inq(self, name: str) -> object:
        return self.end(name).inq()

    def outq(self, name: str) -> object:
        return self.end(name).outq()

    def rearm(self, epoll: str, name: str, by: str) -> object:
        return self.sets[epoll].rearm(self.source(name, by))

    def live(self, epoll: str, maxevents: int) -> list[tuple[int, int]]:
        return [(event.fd, int(event.flags)) for event in self.sets[epoll].wait(0, maxevents)]


def none_instead_of_waiting(call: Callable[[], object]) -> object:
    try:
        return call()
    except BlockingIOError:
        return None


def number_of(source: End | int) -> int:
    return source if isinstance(source, int) else source.fileno()


def ioctl(end: End, request: int) -> int:
    end.getsockname()  # EBADF if it is closed, where the ioctl would be given -1
    return struct.unpack("i", fcntl.ioctl(end.fileno(), request, bytes(4)))[0]


def queued(number: int, request: int) -> int | None:
    """Bytes in a queue; None of a listener, which has none."""
    try:
        return struct.unpack("i", fcntl.ioctl(number, request, bytes(4)))[0]
    except OSError:
        return None


def received(data: bytes, size: int, flags: int) -> object:
    """What `recv` gave. With MSG_TRUNC only how much: of a datagram the kernel says how long it
    was, and the stdlib makes bytes that long out of what else is in memory, where ours end with
    what was received; of a TCP socket nothing is copied, and no library can know."""
    return min(len(data), size) if flags & socket.MSG_TRUNC else digest(data)


def digest(data: Iterable[int]) -> object:
    """Short data as they are, long ones by length and checksum."""
    data = bytes(data)
    return data if len(data) <= 32 else (len(data), zlib.crc32(data))
