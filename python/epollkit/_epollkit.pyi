"""
The native half of epollkit.
"""

from _typeshed import FileDescriptorLike, ReadableBuffer, SupportsGetItem, WriteableBuffer
from collections.abc import Callable, Iterable, Iterator, Mapping
from epollkit._flags import EventFlags, PollFlags
from epollkit._tcp_state import TcpState
from epollkit.options import SocketOptions
from socket import AddressFamily, SocketKind, socket
from typing import Any, Final, SupportsFloat, SupportsIndex, final
from typing_extensions import disjoint_base

__all__ = ["__version__", "ClosedLoop", "ConnectMany", "ConnectResult", "Connecting", "Counters", "Drained", "Epoll", "Event", "EventIterator", "Events", "LoopResult", "Peer", "Poll", "Sample", "Sampler", "SamplerCounters", "Socket", "TcpInfo", "connect", "connect_many", "create_connection", "fromfd", "getaddrinfo", "gethostbyname", "getnameinfo", "host_to_resolve", "select", "serve", "socketpair"]

__version__: Final[str]

@final
class ClosedLoop:
    """
    A closed-loop run over connected stream sockets, on a native thread without the GIL.

    Made, it runs. On each socket: send the message, read as many bytes back, look at the clock,
    again. The sockets are the run's until it is over, and stay open. A closed loop follows the
    server: while that stalls, nothing is sent, so a stall shows once per connection and not in the
    percentiles that an open loop would show (coordinated omission).

    Args:
        sockets: connected stream sockets, each once.
        message: what to send; the reply must be the same bytes.
        duration: seconds after which no message is started.
        messages: so many, over all sockets. Without either limit, until `stop()`.

    Raises:
        ValueError: no sockets, an empty message, a limit below 1.
        OSError: EBADF (a closed socket), EEXIST (one given twice), EMFILE.
    """
    def __enter__(self, /) -> ClosedLoop: ...
    def __exit__(self, /, *_exception: "object") -> "None": ...
    def __new__(cls, /, sockets: SupportsGetItem[int, Socket], message: ReadableBuffer, *, duration: float | None = None, messages: SupportsIndex | None = None) -> ClosedLoop: ...
    def __repr__(self, /) -> str: ...
    @property
    def done(self, /) -> bool:
        """
        Whether the run is over.
        """
    @property
    def progress(self, /) -> int:
        """
        Messages completed so far.
        """
    def result(self, /, timeout: float | None = None) -> LoopResult:
        """
        Wait for the end of the run.

        Args:
            timeout: seconds; None for ever.

        Returns:
            LoopResult, the same at every call.

        Raises:
            WaitTimeout: not over within the time; the run goes on.
            HarnessError: the native thread broke.
        """
    def stop(self, /) -> None:
        """
        Start no more messages, give those under way a quarter of a second, and wait for the end.
        """

@final
class ConnectMany:
    """
    The iterator that `connect_many` returns.

    Closing it, or leaving it as a context manager, gives up the attempts under way, also while
    another thread waits for a result; sockets that it has handed out stay yours. Threads may
    share it: each result goes to one of them.
    """
    def __enter__(self, /) -> ConnectMany: ...
    def __exit__(self, /, *_exception: "object") -> "None": ...
    def __iter__(self, /) -> ConnectMany: ...
    def __next__(self, /) -> ConnectResult: ...
    def __reduce__(self, /) -> "str | tuple[object, ...]": ...
    def __repr__(self, /) -> str: ...
    def close(self, /) -> None:
        """
        Give up the attempts under way and close their sockets; the iterator is at its end.
        """
    @property
    def pending(self, /) -> int:
        """
        How many attempts are under way, those included whose name is being looked up.
        """

@final
class ConnectResult:
    """
    How one attempt of `connect_many` ended: `socket` or `error`, never both.
    """
    def __repr__(self, /) -> str: ...
    @property
    def address(self, /) -> Any:
        """
        The address as it was given.
        """
    @property
    def elapsed(self, /) -> float:
        """
        Seconds from the start of the attempt, a name's look-up included, to its end.
        """
    @property
    def error(self, /) -> OSError | None:
        """
        The OSError with errno, or None.
        """
    @property
    def index(self, /) -> int:
        """
        The address's position in the iterable, from 0.
        """
    @property
    def socket(self, /) -> Socket | None:
        """
        The connected socket, time-out 0.0, or None. It is yours to close.
        """

@final
class Connecting:
    """
    A connection attempt under way: connect(2) on a non-blocking socket, as a state machine.

    Made, it has called connect(2). Watch `fileno()` for EPOLLOUT with any selector, then call
    `finish()`: writable does not mean connected, and `finish` tells the two apart.

    Args:
        address: (host, port) or a Unix name, as for `Socket.connect`; of a host name's addresses
            the first is taken. To look a name up takes as long as the resolver does; Ctrl-C ends
            it.
        source_address: connect from here; port 0 is chosen at connect time.
        options: (level, optname, int | bytes) triples, set before connect(2).

    Raises:
        OSError: what the kernel knows at once: ENETUNREACH, EADDRNOTAVAIL, EMFILE, for Unix
            sockets also ECONNREFUSED, ENOENT, EAGAIN (backlog full); what the options gave.
        socket.gaierror: the name is not known.

    References:
        connect(2) https://man7.org/linux/man-pages/man2/connect.2.html
    """
    def __enter__(self, /) -> Connecting: ...
    def __exit__(self, /, *_exception: "object") -> "None": ...
    def __new__(cls, /, address: tuple[Any, ...] | str | ReadableBuffer, *, source_address: tuple[Any, ...] | str | ReadableBuffer | None = None, options: Iterable[tuple[int, int, int | ReadableBuffer]] = ...) -> Connecting: ...
    def __repr__(self, /) -> str: ...
    @property
    def address(self, /) -> Any:
        """
        The address as it was given.
        """
    def close(self, /) -> None:
        """
        Give the attempt up and close its socket. Does nothing when there is none any more.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether there is no attempt any more: finished, failed or closed.
        """
    def fileno(self, /) -> int:
        """
        The descriptor to watch for EPOLLOUT; -1 once finished or closed.
        """
    def finish(self, /) -> Socket:
        """
        Ask for the outcome. Does not wait.

        Returns:
            The connected socket, once; from then on this object is closed.

        Raises:
            BlockingIOError: EINPROGRESS, not decided yet.
            OSError: why the attempt failed: ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT,
                ECONNRESET, ...; its socket is closed. EBADF when there is no attempt any more.
        """

@final
class Counters:
    """
    What a peer has counted so far. Read in one go; later numbers need a new one.
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self, /) -> str: ...
    @property
    def accept_emfile(self, /) -> int:
        """
        Times that accept4(2) found no descriptor (EMFILE, ENFILE) or no memory.
        """
    @property
    def accept_errors(self, /) -> int:
        """
        Other survivable errors of accept4(2): ECONNABORTED, EPERM, ...
        """
    @property
    def accept_paused(self, /) -> bool:
        """
        The listener is disarmed: the limit is reached, or descriptors have run out.
        """
    @property
    def accepted(self, /) -> int:
        """
        Connections accepted.
        """
    @property
    def bytes_received(self, /) -> int:
        """
        Bytes that recv(2) gave.
        """
    @property
    def bytes_sent(self, /) -> int:
        """
        Bytes that send(2) took.
        """
    @property
    def closed(self, /) -> int:
        """
        Connections closed, by whichever side.
        """
    @property
    def connection_errors(self, /) -> int:
        """
        Connections that an error ended: ECONNRESET, EPIPE, ...
        """
    @property
    def open(self, /) -> int:
        """
        Connections open.
        """
    @property
    def short_sends(self, /) -> int:
        """
        Times that send(2) took less than it was offered, so that the rest waited for EPOLLOUT.
        """
    @property
    def turns(self, /) -> int:
        """
        Turns of the event loop.
        """

@final
class Drained:
    """
    What `Socket.drain` read. Unpacks to `data, eof`.
    """
    def __iter__(self, /) -> Iterator[Any]: ...
    def __repr__(self, /) -> str: ...
    @property
    def data(self, /) -> bytes:
        """
        What was there to be read.
        """
    @property
    def eof(self, /) -> bool:
        """
        The peer has shut down its side: no more will come.
        """
    @property
    def error(self, /) -> OSError | None:
        """
        The error that came after the data, or None.
        """
    @property
    def limited(self, /) -> bool:
        """
        The limit was reached: there may be more to read now.
        """

@final
class Epoll:
    """
    An epoll set: register descriptors, wait for what becomes ready.

    A superset of `select.epoll`. Level-triggered by default; add EPOLLET, EPOLLONESHOT or
    EPOLLEXCLUSIVE to the mask for the other modes. Any thread may register, wait and close.

    Args:
        sizehint: -1 or positive; the kernel ignores it.
        flags: EPOLL_CLOEXEC, which is always on, or 0.

    Raises:
        ValueError: a sizehint of 0 or below -1.
        OSError: EINVAL (an unknown flag), EMFILE, ENFILE, ENOMEM.

    References:
        epoll(7) https://man7.org/linux/man-pages/man7/epoll.7.html
    """
    def __enter__(self, /) -> Epoll: ...
    def __exit__(self, /, *_exception: "object") -> "None": ...
    def __new__(cls, /, sizehint: SupportsIndex = ..., flags: SupportsIndex = 0) -> Epoll: ...
    def __repr__(self, /) -> str: ...
    def close(self, /) -> None:
        """
        Close the set. Threads that wait on it get ClosedEpollError at once. Closing again does
        nothing.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether the set has been closed.
        """
    def fileno(self, /) -> int:
        """
        The set's own descriptor; readable while it has events, so sets can be nested.

        Raises:
            ClosedEpollError: the set is closed.
        """
    @staticmethod
    def fromfd(fd: SupportsIndex) -> Epoll:
        """
        Take over an open epoll descriptor; the object closes it.

        Args:
            fd: the descriptor's number.

        Raises:
            OSError: EBADF.
        """
    def modify(self, /, fd: FileDescriptorLike, eventmask: int, *, data: Any = ...) -> None:
        """
        epoll_ctl(EPOLL_CTL_MOD): change what is watched for. Re-arms a one-shot, and reports at
        once what is ready already, with EPOLLET too.

        Args:
            fd: as for `register`.
            eventmask: the new mask, all of it.
            data: the new data; left out, the data stay.

        Raises:
            FileNotFoundError: ENOENT, not registered.
            OSError: EBADF, EINVAL (EPOLLEXCLUSIVE cannot be modified).
        """
    def poll(self, /, timeout: float | None = None, maxevents: SupportsIndex = ...) -> "list[tuple[int, int]]":
        """
        Wait for events, as `select.epoll.poll`.

        Args:
            timeout: seconds, to the nanosecond; None or negative for ever.
            maxevents: at most so many; -1 for 1023.

        Returns:
            List of (fd, mask), empty when the time is up; order unspecified. As the kernel
            reports them: `wait` also leaves out what is stale.

        Raises:
            ClosedEpollError: the set is closed, before or during the wait.
            ValueError: maxevents of 0 or below -1.

        References:
            epoll_pwait2(2) https://man7.org/linux/man-pages/man2/epoll_pwait2.2.html
        """
    def rearm(self, /, fd: FileDescriptorLike) -> None:
        """
        `modify` with the mask that it has: arms a one-shot again.

        Args:
            fd: as for `register`.

        Raises:
            FileNotFoundError: ENOENT, not registered here.
            OSError: as `modify`.
        """
    def register(self, /, fd: FileDescriptorLike, eventmask: int = ..., *, data: Any | None = None) -> None:
        """
        epoll_ctl(EPOLL_CTL_ADD): watch a source.

        The kernel holds the open file weakly: closing its last descriptor ends the registration,
        closing one of several does not, and events then go on under a number that is closed.

        Args:
            fd: an int, or an object with `fileno()`.
            eventmask: EPOLL* bits; EPOLLIN | EPOLLPRI | EPOLLOUT by default. EPOLLERR and EPOLLHUP
                are reported unasked.
            data: any object; comes back as `Event.data`.

        Raises:
            FileExistsError: EEXIST, registered already.
            PermissionError: EPERM, a file that cannot be waited for (a regular file).
            OSError: EBADF; EINVAL (the set itself, EPOLLEXCLUSIVE with EPOLLONESHOT); ELOOP;
                ENOSPC (/proc/sys/fs/epoll/max_user_watches).
            TypeError, ValueError: no descriptor, or a negative one.

        References:
            epoll_ctl(2) https://man7.org/linux/man-pages/man2/epoll_ctl.2.html
        """
    def unregister(self, /, fd: FileDescriptorLike) -> None:
        """
        epoll_ctl(EPOLL_CTL_DEL): stop watching. Events of this registration that a wait has
        delivered already are left out from here on.

        Args:
            fd: as for `register`.

        Raises:
            FileNotFoundError: ENOENT, not registered.
            OSError: EBADF, the number is closed.
        """
    def wait(self, /, timeout: float | None = None, maxevents: SupportsIndex = ...) -> Events:
        """
        Wait for events that carry their data.

        Args:
            timeout: seconds, to the nanosecond; None or negative for ever.
            maxevents: at most so many; -1 for 1023.

        Returns:
            Events, empty when the time is up; order unspecified. An event becomes an object when
            it is touched. One whose registration is gone by then, or whose source is closed, is
            left out.

        Raises:
            ClosedEpollError: the set is closed, before or during the wait.
            ValueError: maxevents of 0 or below -1.
        """

@final
class Event:
    """
    One readiness event.
    """
    def __reduce__(self, /) -> "str | tuple[object, ...]": ...
    def __repr__(self, /) -> str: ...
    @property
    def data(self, /) -> Any:
        """
        What was attached with `register(..., data=...)`.
        """
    @property
    def fd(self, /) -> int:
        """
        The number that was registered.
        """
    @property
    def flags(self, /) -> EventFlags:
        """
        All that is ready, as `EventFlags`; more than was asked for, since ERR and HUP come unasked.
        """
    @property
    def is_error(self, /) -> bool:
        """
        EPOLLERR: an error is pending; `Socket.error()` tells which.
        """
    @property
    def is_hangup(self, /) -> bool:
        """
        EPOLLHUP: both directions are shut down.
        """
    @property
    def is_priority(self, /) -> bool:
        """
        EPOLLPRI: out-of-band data.
        """
    @property
    def is_read_closed(self, /) -> bool:
        """
        EPOLLRDHUP (if it was asked for) or EPOLLHUP: the peer will send no more.
        """
    @property
    def is_readable(self, /) -> bool:
        """
        EPOLLIN: data, end of stream, a connection to accept, or an error.
        """
    @property
    def is_writable(self, /) -> bool:
        """
        EPOLLOUT: room in the send buffer, a finished connect, or an error.
        """

@final
class EventIterator:
    """
    Iterates over the live events of an `Events`.
    """
    def __iter__(self, /) -> EventIterator: ...
    def __next__(self, /) -> Event: ...
    def __reduce__(self, /) -> "str | tuple[object, ...]": ...

@final
class Events:
    """
    What one `Epoll.wait` delivered.

    Sized, iterable, indexable. An event becomes a Python object when it is touched; one whose
    registration has been removed, or whose source has been closed, since the wait is left out.
    """
    def __getitem__(self, index: SupportsIndex, /) -> Event: ...
    def __iter__(self, /) -> EventIterator: ...
    def __len__(self, /) -> int: ...
    def __reduce__(self, /) -> "str | tuple[object, ...]": ...
    def __repr__(self, /) -> str: ...
    @property
    def delivered(self, /) -> int:
        """
        How many events epoll_wait(2) delivered, stale ones included.
        """
    @property
    def stale(self, /) -> int:
        """
        How many of them are stale by now: unregistered, replaced or closed.
        """

@final
class LoopResult:
    """
    What a closed-loop run has seen. Times are seconds, from a message's first send(2) to the last
    byte of its reply, kept to three significant digits.
    """
    def __repr__(self, /) -> str: ...
    @property
    def elapsed(self, /) -> float:
        """
        Seconds from the first message's start to the last reply.
        """
    @property
    def eof(self, /) -> int:
        """
        Connections that the peer ended in the middle of a message.
        """
    @property
    def errors(self, /) -> dict[int, int]:
        """
        Connections that an error ended, by errno.
        """
    @property
    def max(self, /) -> float:
        """
        The slowest.
        """
    @property
    def mean(self, /) -> float:
        """
        The mean.
        """
    @property
    def messages(self, /) -> int:
        """
        Messages sent and read back.
        """
    @property
    def mismatched(self, /) -> int:
        """
        Replies that were not the message.
        """
    @property
    def p50(self, /) -> float:
        """
        The median latency.
        """
    @property
    def p99(self, /) -> float:
        """
        99 of 100 were not slower.
        """
    @property
    def p999(self, /) -> float:
        """
        999 of 1,000 were not slower.
        """
    def quantile(self, /, fraction: SupportsFloat | SupportsIndex) -> float:
        """
        The latency that a fraction of all messages did not exceed.

        Args:
            fraction: 0.0 to 1.0.

        Raises:
            ValueError: a fraction outside that.
        """
    @property
    def rate(self, /) -> float:
        """
        Messages per second; 0.0 for an empty run.
        """
    @property
    def unfinished(self, /) -> int:
        """
        Messages that were still under way at the end.
        """

@final
class Peer:
    """
    A native peer: an event loop on a thread of its own, without the GIL.

    A context manager; leaving it closes the peer and its connections and raises what had gone
    wrong in its thread.
    """
    def __enter__(self, /) -> Peer: ...
    def __exit__(self, /, *_exception: "object") -> "None": ...
    def __reduce__(self, /) -> "str | tuple[object, ...]": ...
    def __repr__(self, /) -> str: ...
    @property
    def address(self, /) -> Any:
        """
        Where it listens, ready for `connect`: (host, port), (host, port, flowinfo, scope_id), or a
        Unix name.
        """
    def close(self, /) -> None:
        """
        Stop the loop, close its connections and join its thread. Closing again does nothing new.

        Raises:
            HarnessError: the thread had panicked or its loop had failed; carries the reason.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether its loop has ended.
        """
    @property
    def counters(self, /) -> Counters:
        """
        Its counters, as of the last turn of its loop.
        """
    @property
    def host(self, /) -> str | None:
        """
        The IP address, or None for a Unix socket.
        """
    @property
    def port(self, /) -> int | None:
        """
        The port, or None for a Unix socket.
        """
    def url(self, /, scheme: str = "tcp") -> str:
        """
        `scheme://host:port`, or `scheme+unix:path` for a Unix socket.
        """
    def wait_until(self, /, predicate: Callable[[Counters], object], timeout: float | None = ...) -> Counters:
        """
        Wait until the counters say what you want to see. Asked after each turn of the loop: no
        sleeping, no missed state.

        Args:
            predicate: called with `Counters`; true ends the wait.
            timeout: seconds; None for ever.

        Returns:
            The Counters that satisfied it.

        Raises:
            WaitTimeout: not within the time, or the peer has ended; has the last counters seen.
        """

@final
class Poll:
    """
    A set of descriptors to ask poll(2) about.

    A superset of `select.poll()`. The set lives in this process and holds numbers, not files: the
    kernel looks at each of them at each wait, so a wait costs as much as there are entries. `Epoll`
    costs as much as there are events. A number that is closed is no error but an event, POLLNVAL.

    `poll` counts its time-out in milliseconds, as poll(2) and the stdlib do; `wait` in seconds, as
    everything else here. Any thread may change the set while another waits; the wait goes on with
    the set as it was, and the next one sees the change.

    References:
        poll(2) https://man7.org/linux/man-pages/man2/poll.2.html
    """
    def __new__(cls, /) -> Poll: ...
    def __reduce__(self, /) -> "str | tuple[object, ...]": ...
    def __repr__(self, /) -> str: ...
    def modify(self, /, fd: FileDescriptorLike, eventmask: int) -> None:
        """
        Change what a source is asked about.

        Args:
            fd: as for `register`.
            eventmask: the new mask, all of it.

        Raises:
            FileNotFoundError: ENOENT, not in the set.
            TypeError, ValueError, OverflowError: as `register`.
        """
    def poll(self, /, timeout: float | None = None) -> "list[tuple[int, int]]":
        """
        Wait for events, as the stdlib's `poll`.

        Args:
            timeout: milliseconds, fractions included, to the nanosecond; None or negative for ever.

        Returns:
            List of (fd, mask) in the order of registration, empty when the time is up.

        Raises:
            RuntimeError: another thread, or the code that this wait has interrupted, waits on this
                object.
            OSError: EINVAL, more entries than RLIMIT_NOFILE; ENOMEM.
            OverflowError: more than 2**31 - 1 milliseconds.
            ValueError: a time-out that is not a number.

        References:
            ppoll(2) https://man7.org/linux/man-pages/man2/ppoll.2.html
        """
    def register(self, /, fd: FileDescriptorLike, eventmask: int = ...) -> None:
        """
        Put a source into the set. If it is there already, only its mask changes.

        Args:
            fd: an int, or an object with `fileno()`. The number need not be open.
            eventmask: POLL* bits; POLLIN | POLLPRI | POLLOUT by default. POLLERR, POLLHUP and
                POLLNVAL are reported unasked.

        Raises:
            TypeError, ValueError: no descriptor, or a negative one; a negative mask.
            OverflowError: a mask of more than 16 bits.
        """
    def unregister(self, /, fd: FileDescriptorLike) -> None:
        """
        Take a source out of the set.

        Args:
            fd: as for `register`.

        Raises:
            KeyError: not in the set.
            TypeError, ValueError: no descriptor, or a negative one.
        """
    def wait(self, /, timeout: float | None = None) -> list[tuple[int, PollFlags]]:
        """
        Wait for events whose masks print their names.

        Args:
            timeout: seconds, to the nanosecond; None or negative for ever.

        Returns:
            List of (fd, PollFlags) in the order of registration, empty when the time is up.

        Raises:
            RuntimeError, OSError, ValueError: as `poll`.
            OverflowError: more than 292 years.
        """

@final
class Sample:
    """
    One record of a `Sampler`: a source was first seen, was seen changed, or is gone.

    Its parts were asked one after the other, so what happened in between can show in one and not yet
    in the other; the next look has it.

    Args:
        t_ns: nanoseconds of `time.monotonic_ns()`.
        name: of the source.
        flags: POLL* bits.
        inq: bytes, or None.
        outq: bytes, or None.
        state: a `TcpState`, or None.
        closed: the source was closed.
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, t_ns: SupportsIndex, name: str, flags: SupportsIndex, inq: SupportsIndex | None = None, outq: SupportsIndex | None = None, state: SupportsIndex | None = None, closed: bool = False) -> Sample: ...
    def __reduce__(self, /) -> "tuple[type[Sample], tuple[object, ...]]": ...
    def __repr__(self, /) -> str: ...
    @property
    def closed(self, /) -> bool:
        """
        The source was closed, or its number is another file's. The last record of it, without a
        reading.
        """
    @property
    def flags(self, /) -> PollFlags:
        """
        The level by poll(2): IN, OUT, RDHUP, PRI, ERR and HUP, where they hold.
        """
    @property
    def inq(self, /) -> int | None:
        """
        SIOCINQ: bytes in the receive queue. None where there is no such count: a listener, an eventfd.
        A datagram socket has the size of the next datagram.
        """
    @property
    def name(self, /) -> str:
        """
        The source's name.
        """
    @property
    def outq(self, /) -> int | None:
        """
        SIOCOUTQ: bytes that were sent and not acknowledged, a FIN counted as one. None where there is
        no such count: a listener, a pipe. On a Unix socket, the memory that the peer has not read.
        """
    @property
    def state(self, /) -> TcpState | None:
        """
        The connection's state; None where there is none.
        """
    @property
    def t_ns(self, /) -> int:
        """
        When the look was over: nanoseconds of `time.monotonic_ns()`. What is told had happened by
        then, and not yet at the look before.
        """

@final
class Sampler:
    """
    A native thread that looks at a running program's descriptors and records what changes, without
    the GIL.

    Made, it runs: when the call returns, each source has been looked at once, and what changes from
    then on is seen if it lasts until the next look. A context manager; leaving it stops the thread
    and keeps the records.

    It is a spectator. Between two looks it holds no descriptor: what the program closes is closed
    then. It takes no data, no error and no event, and changes no option. One trace is left, and it
    is poll(2)'s own: asked about a TCP socket that has no room to send, the kernel will wake the
    socket's waiters when there is room again, as it does after EAGAIN. So an edge-triggered
    EPOLLOUT can come that would not have come, if nothing but the sampler had looked meanwhile.

    A look at a TCP socket is three system calls and a share of a fourth, and takes 1 to 2 us; a round
    takes as long as its sources together. The thread waits for a processor like any other. A round
    that is late is not made up for: `counters` has the missed ones, and the records that the full ring
    dropped.

    Args:
        sources: a mapping of names to sources, or an iterable of sources, which are named "fd 7".
            1 to 256, each number once. A source is an int, or an object with `fileno()`. A `Socket`
            is known by itself. Of others the number is kept, and what file it was (fstat(2), device
            and inode), so that a number in new hands is not taken for the old source; but eventfds,
            epoll sets, timerfds and signalfds have one inode in common, and cannot be told from each
            other.
        interval: seconds between two looks; at least 1e-06, by default 5e-05.
        capacity: how many records are kept, the newest; 1 to 16,777,216. One takes 32 bytes.

    Raises:
        TypeError: not sources, or a name that is not a str.
        ValueError: no source or too many, one given twice, an interval or capacity out of range, a
            negative number.
        OSError: EBADF, a source that is closed; EMFILE, ENOMEM, EAGAIN (no thread).

    References:
        poll(2) https://man7.org/linux/man-pages/man2/poll.2.html
        tcp(7) https://man7.org/linux/man-pages/man7/tcp.7.html
        unix(7) https://man7.org/linux/man-pages/man7/unix.7.html
    """
    def __enter__(self, /) -> Sampler: ...
    def __exit__(self, /, *_exception: "object") -> "None": ...
    def __new__(cls, /, sources: Mapping[str, FileDescriptorLike] | Iterable[FileDescriptorLike], *, interval: float = ..., capacity: SupportsIndex = 65536) -> Sampler: ...
    def __reduce__(self, /) -> "str | tuple[object, ...]": ...
    def __repr__(self, /) -> str: ...
    @property
    def capacity(self, /) -> int:
        """
        How many records are kept.
        """
    def close(self, /) -> None:
        """
        `stop()`, and let the records go. Closing again does nothing new.

        Raises:
            HarnessError: as `stop`.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether its thread has ended.
        """
    @property
    def counters(self, /) -> SamplerCounters:
        """
        What it has counted, as of its last round.
        """
    @property
    def interval(self, /) -> float:
        """
        Seconds between two looks, as asked for.
        """
    @property
    def names(self, /) -> tuple[str, ...]:
        """
        The sources' names, in the order in which they were given.
        """
    def samples(self, /) -> list[Sample]:
        """
        The records, at any time. The copy is made without the GIL and keeps the thread waiting, so a
        large one costs rounds, which are counted as missed.

        Returns:
            List of Sample, oldest first: one for each source when it was first seen, one for each
            look that saw it changed, one when it was closed. Empty after `close()`, and in a child of
            the process that made the sampler.
        """
    def stop(self, /) -> None:
        """
        End the thread and wait for its end. The records stay. Stopping again does nothing new.

        Raises:
            HarnessError: the thread had panicked or could not go on; carries the reason.
        """
    def wait_rounds(self, /, rounds: SupportsIndex = 1, timeout: float | None = ...) -> SamplerCounters:
        """
        Wait until it has looked at all sources again. What happened before the call is in the
        records then.

        Args:
            rounds: so many rounds, all begun after the call; at least 1.
            timeout: seconds; None for ever.

        Returns:
            SamplerCounters, after those rounds.

        Raises:
            WaitTimeout: not within the time, or the sampler was stopped; has the last counters.
            ValueError: rounds below 1.
        """

@final
class SamplerCounters:
    """
    What a `Sampler` has counted so far. Read in one go; later numbers need a new one.
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self, /) -> str: ...
    @property
    def dropped(self, /) -> int:
        """
        Records lost, the oldest first: the ring was full.
        """
    @property
    def largest_gap_ns(self, /) -> int:
        """
        The longest time between the beginnings of two rounds.
        """
    @property
    def missed(self, /) -> int:
        """
        Rounds that should have been and were not: the thread was late, or a round took longer than
        the interval.
        """
    @property
    def records(self, /) -> int:
        """
        Records written.
        """
    @property
    def rounds(self, /) -> int:
        """
        Looks at all sources.
        """

@disjoint_base
class Socket:
    """
    A Linux socket, non-blocking unless told otherwise.

    socket(2) with SOCK_NONBLOCK | SOCK_CLOEXEC in one call. A superset of `socket.socket`: the same
    methods, arguments, results and exceptions. One thing differs: the default time-out is 0.0, so
    that a call that would have to wait raises BlockingIOError, and its `try_` twin returns None.
    (`epollkit.stdlib.socket` has the stdlib's default.) With a time-out, calls wait in poll(2);
    with None the descriptor is in blocking mode and the kernel waits in the call itself. Either
    way the GIL is released only to wait, and Ctrl-C ends it.

    Args:
        family: AF_INET (the default), AF_INET6, AF_UNIX, ...; with `fileno`, asked of the kernel.
        type: SOCK_STREAM (the default), SOCK_DGRAM, ...; SOCK_CLOEXEC is always on, and
            SOCK_NONBLOCK means a time-out of 0.0.
        proto: protocol number; 0, the default, is the family's own.
        fileno: take over this open descriptor instead; the object closes it. With a time-out it is
            put into non-blocking mode; with None its mode, which others may share, is left as it is.
        timeout: seconds that a call may wait; 0.0 never, None for ever.

    Raises:
        OSError: EAFNOSUPPORT, EPROTONOSUPPORT, EINVAL (unknown type), EMFILE, ENFILE; with
            `fileno` EBADF or ENOTSOCK.
        ValueError: a negative time-out.

    References:
        socket(2) https://man7.org/linux/man-pages/man2/socket.2.html
    """
    def __enter__(self, /) -> Socket: ...
    def __exit__(self, /, *_exception: "object") -> "None": ...
    def __init__(self, /, family: SupportsIndex = ..., type: SupportsIndex = ..., proto: SupportsIndex = ..., fileno: FileDescriptorLike | None = None, *, timeout: float | None = ...) -> None: ...
    def __new__(cls, /, *_arguments: "object", **_keywords: "object") -> Socket:
        """
        The arguments are `__init__`'s, so that a subclass may have others.
        """
    def __repr__(self, /) -> str: ...
    def _accept(self, /) -> "tuple[int, Any]":
        """
        The stdlib's name for `accept` with a bare descriptor, close-on-exec and non-blocking.

        Returns:
            (descriptor, address); the descriptor is yours to close.
        """
    @property
    def _closed(self, /) -> bool:
        """
        The stdlib's name for: `close` or `detach` was called.
        """
    def _decref_socketios(self, /) -> None:
        """
        The stdlib's name for: one file object of `makefile` less; for `socket.SocketIO`.
        """
    def _incref_socketios(self, /) -> None:
        """
        One file object of `makefile` more.
        """
    @property
    def _io_refs(self, /) -> int:
        """
        The stdlib's name for the number of `makefile`'s files that are open; for `socket.SocketIO`.
        """
    def _sendfile(self, /, fd: FileDescriptorLike, offset: SupportsIndex, count: SupportsIndex) -> int:
        """
        sendfile(2) of the descriptor `fd`, waiting as the time-out has it until something is sent,
        then on for as long as it goes without waiting. For `sendfile`.

        Returns:
            How many of the `count` bytes were sent; 0 at the end of the file.

        Raises:
            OSError, TimeoutError: as `sendfile`, when nothing was sent before it.
        """
    def accept(self, /) -> "tuple[Socket, Any]":
        """
        accept4(2): take the next connection from the queue.

        Returns:
            (socket, address): the new socket is non-blocking and close-on-exec.

        Raises:
            BlockingIOError: EAGAIN, the queue is empty.
            TimeoutError: still empty after the time-out.
            OSError: EMFILE or ENFILE (the connection stays queued), ECONNABORTED, EINVAL (not
                listening).

        References:
            accept(2) https://man7.org/linux/man-pages/man2/accept.2.html
        """
    def accept4(self, /, flags: SupportsIndex = 0) -> "tuple[Socket, Any]":
        """
        accept4(2) with flags of your own.

        Args:
            flags: SOCK_NONBLOCK and SOCK_CLOEXEC are always on, so they change nothing.

        Returns:
            (socket, address), as `accept`.

        Raises:
            ValueError: another flag.
            OSError: as `accept`.
        """
    def accept_many(self, /, limit: SupportsIndex = 1024) -> "list[tuple[Socket, Any]]":
        """
        Accept until the queue is empty: what an edge-triggered listener needs. Never waits.

        Args:
            limit: at most so many.

        Returns:
            List of (socket, address), possibly empty. After an error it holds what came before
            it; the error comes again at the next call.

        Raises:
            OSError: as `accept`, when nothing was accepted before it.
            ValueError: a negative limit.
        """
    def bind(self, /, address: tuple[Any, ...] | str | ReadableBuffer) -> None:
        """
        bind(2): give the socket a local address.

        Args:
            address: (host, port), (host, port, flowinfo, scope_id), or a Unix path; bytes that
                begin with NUL are an abstract name. Port 0 lets the kernel choose.

        Raises:
            OSError: EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL (bound already).
            TypeError: an address of another shape.
            OverflowError: a port outside 0-65535.

        References:
            bind(2) https://man7.org/linux/man-pages/man2/bind.2.html
        """
    def close(self, /) -> None:
        """
        close(2). Further calls raise OSError (EBADF); closing again does nothing.

        A thread that waits on this socket keeps it open until its wait ends, as poll(2) does, and so
        do the file objects of `makefile` until they are closed.

        Raises:
            OSError: what close(2) says (EIO, ...); the descriptor is gone all the same.
        """
    @property
    def closed(self, /) -> bool:
        """
        Whether the object has been closed or detached. Not before the file objects of `makefile` are
        closed, too.
        """
    def connect(self, /, address: tuple[Any, ...] | str | ReadableBuffer) -> None:
        """
        connect(2).

        Args:
            address: as for `bind`. A host name is looked up first: within the time-out, which is
                for name and connection together; without one, and for a time-out of 0.0, for as
                long as the resolver takes. Ctrl-C ends it.

        Raises:
            BlockingIOError: EINPROGRESS, under way. Wait until the socket is writable, then read
                `error()`; `Connecting` does it for you. On a Unix socket EAGAIN: the backlog is
                full.
            ConnectionRefusedError: nobody listens there.
            TimeoutError: not connected within the time-out; ETIMEDOUT, with a note, where the name
                was not looked up within it.
            socket.gaierror: the name is not known.
            OSError: ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL (no port left), EISCONN, ...

        References:
            connect(2) https://man7.org/linux/man-pages/man2/connect.2.html
        """
    def connect_ex(self, /, address: tuple[Any, ...] | str | ReadableBuffer) -> int:
        """
        connect(2), with the errno as the result.

        Returns:
            0 or the errno: EINPROGRESS while under way; EAGAIN when the time-out is up, as in the
            stdlib.

        Raises:
            TypeError, OverflowError, socket.gaierror: for the address, as `connect`.
        """
    def detach(self, /) -> int:
        """
        Give the open descriptor away; the object is closed from here on.

        Returns:
            The descriptor, which is now yours to close; -1 if it was closed before.
        """
    def drain(self, /, limit: SupportsIndex = ...) -> Drained:
        """
        Read until there is no more: the edge-triggered read loop in one call. Never waits.

        Args:
            limit: stop after so many bytes.

        Returns:
            Drained(data, eof): `eof` says that the peer has shut down its side. An error behind
            some data does not lose them: it is in `error`. `limited` says that there may be more.

        Raises:
            OSError: ECONNRESET, ENOTCONN, ... when there was no data before it.
            ValueError: a limit below 1.
        """
    def dup(self, /) -> Socket:
        """
        Another descriptor of the same open socket (F_DUPFD_CLOEXEC).

        Closing one leaves the connection open; `shutdown` on either ends it for both.

        Raises:
            OSError: EMFILE, EBADF.
        """
    def error(self, /) -> int:
        """
        SO_ERROR: the pending error. Reading it clears it.

        Returns:
            The errno, or 0.
        """
    @property
    def family(self, /) -> AddressFamily:
        """
        AF_*.
        """
    def fileno(self, /) -> int:
        """
        The descriptor's number; -1 once closed.
        """
    @staticmethod
    def from_stdlib(sock: socket) -> Socket:
        """
        Take over the descriptor of a `socket.socket`, which is detached by it.

        Args:
            sock: an open `socket.socket`.

        Returns:
            A `Socket` with the same time-out.
        """
    def get_inheritable(self, /) -> bool:
        """
        fcntl(F_GETFD): whether programs started by this one get the descriptor.

        Raises:
            OSError: EBADF.
        """
    def getblocking(self, /) -> bool:
        """
        Whether calls may wait: the time-out is not 0.0.
        """
    def getpeername(self, /) -> Any:
        """
        getpeername(2): the address at the other end.

        Raises:
            OSError: ENOTCONN.
        """
    def getsockname(self, /) -> Any:
        """
        getsockname(2): the local address.

        Raises:
            OSError: EBADF.
        """
    def getsockopt(self, /, level: SupportsIndex, optname: SupportsIndex, buflen: SupportsIndex = 0) -> "Any":
        """
        getsockopt(2).

        Args:
            level: SOL_SOCKET, IPPROTO_TCP, ...
            optname: SO_*, TCP_*, ...
            buflen: 0, the default, for an int; else at most so many bytes, at most 1024.

        Returns:
            int, or bytes where `buflen` is given.

        Raises:
            OSError: ENOPROTOOPT, EINVAL; a buflen out of range.
        """
    def gettimeout(self, /) -> float | None:
        """
        Seconds that a call may wait; None for ever, 0.0 never.
        """
    def inq(self, /) -> int:
        """
        SIOCINQ: bytes in the receive queue.

        Raises:
            OSError: EINVAL on a listener.

        References:
            tcp(7), unix(7)
        """
    def listen(self, /, backlog: SupportsIndex = 128) -> None:
        """
        listen(2): start queueing connections.

        Args:
            backlog: how many may wait to be accepted; the kernel caps it at net.core.somaxconn
                (4096 by default since Linux 5.4) and admits one more than it says.

        Raises:
            OSError: EADDRINUSE, EOPNOTSUPP.

        References:
            listen(2) https://man7.org/linux/man-pages/man2/listen.2.html
        """
    def makefile(self, /, mode: str = "r", buffering: SupportsIndex | None = None, *, encoding: str | None = None, errors: str | None = None, newline: str | None = None) -> "Any":
        """
        A file object over the socket, as `socket.socket.makefile`.

        It works as the time-out has it: with 0.0, reads return None where there is nothing. Closing
        it leaves the socket open; the socket stays open while a file object is.

        Args:
            mode: of "r", "w" and "b"; text without "b".
            buffering: bytes of buffer; 0 (binary only) for none, None for io.DEFAULT_BUFFER_SIZE.
            encoding, errors, newline: for text, as `io.TextIOWrapper`.

        Returns:
            socket.SocketIO without a buffer, else io.BufferedReader, io.BufferedWriter,
            io.BufferedRWPair, or io.TextIOWrapper.

        Raises:
            ValueError: another mode; text without a buffer.
        """
    @property
    def options(self, /) -> SocketOptions:
        """
        The options by the kernel's names in lower case, with their types and units.

        `sock.options.tcp_nodelay = True`, `sock.options.so_linger = 0.0`; `print(sock.options)`
        lists those that this socket has. `setsockopt` and `getsockopt` are faster.

        Returns:
            SocketOptions. See `epollkit.options`.
        """
    def outq(self, /) -> int:
        """
        SIOCOUTQ: bytes that were sent but not acknowledged, and bytes not sent yet.

        Raises:
            OSError: EINVAL on a listener.
        """
    @property
    def proto(self, /) -> int:
        """
        Protocol number.
        """
    def recv(self, /, bufsize: SupportsIndex, flags: SupportsIndex = 0) -> bytes:
        """
        recv(2).

        Args:
            bufsize: at most so many bytes.
            flags: MSG_*.

        Returns:
            bytes, 1 to `bufsize` of them; b"" at end of stream (or for an empty datagram).

        Raises:
            BlockingIOError: EAGAIN, nothing there.
            TimeoutError: nothing within the time-out.
            ConnectionResetError: the peer has reset the connection.
            OSError: ENOTCONN, EBADF, ...
            ValueError: a negative size.
            MemoryError: a size that there is no memory for.

        References:
            recv(2) https://man7.org/linux/man-pages/man2/recv.2.html
        """
    def recv_into(self, /, buffer: WriteableBuffer, nbytes: SupportsIndex = 0, flags: SupportsIndex = 0) -> int:
        """
        recv(2) into a buffer of yours.

        Args:
            buffer: writable and contiguous.
            nbytes: at most so many; 0 for the buffer's length.
            flags: MSG_*.

        Returns:
            How many bytes arrived; 0 at end of stream.

        Raises:
            TypeError: a read-only buffer.
            ValueError: a negative size, or one beyond the buffer.
            OSError: as `recv`.
        """
    def recvfrom(self, /, bufsize: SupportsIndex, flags: SupportsIndex = 0) -> "tuple[bytes, Any]":
        """
        recvfrom(2): bytes, and who sent them.

        Args:
            bufsize: at most so many bytes; what a datagram has beyond them is lost (MSG_TRUNC in
                `recvmsg`'s flags says so).
            flags: MSG_*.

        Returns:
            (data, address): the address is None on a connected stream socket and for a datagram
            from an unnamed Unix socket.

        Raises:
            OSError, ValueError, MemoryError: as `recv`.

        References:
            recvfrom(2) https://man7.org/linux/man-pages/man2/recv.2.html
        """
    def recvfrom_into(self, /, buffer: WriteableBuffer, nbytes: SupportsIndex = 0, flags: SupportsIndex = 0) -> "tuple[int, Any]":
        """
        recvfrom(2) into a buffer of yours.

        Args:
            buffer: writable and contiguous.
            nbytes: at most so many; 0 for the buffer's length.
            flags: MSG_*.

        Returns:
            (how many bytes arrived, address), as `recvfrom`.

        Raises:
            TypeError, ValueError, OSError: as `recv_into`.
        """
    def recvmmsg(self, /, count: SupportsIndex, bufsize: SupportsIndex, ancbufsize: SupportsIndex = 0, flags: SupportsIndex = 0) -> "list[tuple[bytes, list[tuple[int, int, bytes]], int, Any]]":
        """
        recvmmsg(2): many datagrams in one system call.

        Args:
            count: at most so many messages; the kernel takes 1,024 at a time.
            bufsize: room for each, in bytes.
            ancbufsize: room for each one's control messages, in bytes.
            flags: MSG_*.

        Returns:
            List of what `recvmsg` returns: (data, ancdata, msg_flags, address), at least one.

        Raises:
            BlockingIOError: EAGAIN, nothing there. TimeoutError: nothing within the time-out. (It
            waits for the first message only, as with MSG_WAITFORONE.)
            ValueError: a negative size, or a count below 1. MemoryError: no room for so many.
            OSError: as `recv`.

        References:
            recvmmsg(2) https://man7.org/linux/man-pages/man2/recvmmsg.2.html
        """
    def recvmsg(self, /, bufsize: SupportsIndex, ancbufsize: SupportsIndex = 0, flags: SupportsIndex = 0) -> "tuple[bytes, list[tuple[int, int, bytes]], int, Any]":
        """
        recvmsg(2): bytes, control messages, flags, and who sent them.

        Args:
            bufsize: at most so many bytes of data.
            ancbufsize: room for control messages, in bytes; `socket.CMSG_SPACE` says how much one
                takes.
            flags: MSG_*. MSG_CMSG_CLOEXEC makes descriptors that arrive close-on-exec.

        Returns:
            (data, ancdata, msg_flags, address): `ancdata` is a list of (level, type, data); in
            `msg_flags` MSG_TRUNC and MSG_CTRUNC say that there was more than fitted.

        Raises:
            ValueError: a negative size. OSError, MemoryError: as `recv`.
            RuntimeWarning: a control message was cut short; what there is of it is in the list.

        References:
            recvmsg(2) https://man7.org/linux/man-pages/man2/recvmsg.2.html
            cmsg(3) https://man7.org/linux/man-pages/man3/cmsg.3.html
        """
    def recvmsg_into(self, /, buffers: Iterable[WriteableBuffer], ancbufsize: SupportsIndex = 0, flags: SupportsIndex = 0) -> "tuple[int, list[tuple[int, int, bytes]], int, Any]":
        """
        recvmsg(2) into buffers of yours, one after the other.

        Args:
            buffers: an iterable of writable, contiguous buffers.
            ancbufsize, flags: as `recvmsg`.

        Returns:
            (how many bytes arrived, ancdata, msg_flags, address), as `recvmsg`.

        Raises:
            TypeError: a read-only buffer. OSError: EMSGSIZE for more than 1,024 buffers, and as
            `recv`.
        """
    def send(self, /, data: ReadableBuffer, flags: SupportsIndex = 0) -> int:
        """
        send(2). May take fewer bytes than you gave: look at the result. (Without a time-out a stream
        socket takes all of them, unless a signal or an error comes between.)

        Args:
            data: bytes or any contiguous buffer.
            flags: MSG_*; MSG_NOSIGNAL is always on.

        Returns:
            How many bytes the kernel took over. That is not to say that the peer has them: `outq`
            tells.

        Raises:
            BlockingIOError: EAGAIN, the send buffer is full.
            TimeoutError: full for as long as the time-out.
            BrokenPipeError: EPIPE, the connection's sending side is gone.
            ConnectionResetError: the peer has reset the connection.

        References:
            send(2) https://man7.org/linux/man-pages/man2/send.2.html
        """
    def sendall(self, /, data: ReadableBuffer, flags: SupportsIndex = 0) -> None:
        """
        Send all of the data, waiting as often as needed; the time-out is for the whole.

        Args:
            data: bytes or any contiguous buffer.
            flags: MSG_*; MSG_NOSIGNAL is always on.

        Raises:
            BlockingIOError: EAGAIN when the time-out is 0.0. `characters_written` says how many
                bytes had been sent; so does a note on any other error.
            TimeoutError: the time-out is up.
            OSError: as `send`.
        """
    def sendfile(self, /, file: Any, offset: SupportsIndex = 0, count: Any | None = None) -> "int":
        """
        Send a file: sendfile(2) for a regular one, which never copies it to this process, else by
        reading it.

        Args:
            file: a file object opened in binary mode.
            offset: where to start; bytes.
            count: at most so many bytes; None for all.

        Returns:
            How many bytes were sent. The file's position is behind them, also after an error.

        Raises:
            ValueError: text mode; a count below 1; a socket that is no stream or has time-out 0.0.
            TypeError: a count that is no int.
            OSError: as `send`. TimeoutError: no progress within the time-out.

        References:
            sendfile(2) https://man7.org/linux/man-pages/man2/sendfile.2.html
        """
    def sendmmsg(self, /, messages: Iterable[ReadableBuffer | tuple[ReadableBuffer, tuple[Any, ...] | str | ReadableBuffer | None] | tuple[ReadableBuffer, tuple[Any, ...] | str | ReadableBuffer | None, Iterable[tuple[int, int, ReadableBuffer]]]], flags: SupportsIndex = 0) -> int:
        """
        sendmmsg(2): send many datagrams with as few system calls as that takes.

        On UDP, neighbours of one size and address also go through the kernel's stack together
        (UDP_SEGMENT); they arrive as they would have alone.

        Args:
            messages: an iterable; each message is (data, address), (data, address, ancdata) as for
                `sendmsg`, or only data where the socket is connected. Read whole before the first is
                sent.
            flags: MSG_*.

        Returns:
            How many messages were sent, from the first on. Fewer than you gave: the queue was full
            (without a time-out it waits for room) or the next one failed; sent again, that one gives its error. (Not if it was an earlier
            one's, as ECONNREFUSED is: the kernel has then forgotten it.)

        Raises:
            BlockingIOError, TimeoutError, OSError: as `sendto`, for the first message.
            TypeError, OverflowError: for the arguments, before anything is sent.

        References:
            sendmmsg(2) https://man7.org/linux/man-pages/man2/sendmmsg.2.html
        """
    def sendmsg(self, /, buffers: Iterable[ReadableBuffer], ancdata: Iterable[tuple[int, int, ReadableBuffer]] | None = None, flags: SupportsIndex = 0, address: tuple[Any, ...] | str | ReadableBuffer | None = None) -> int:
        """
        sendmsg(2): send buffers as one message, with control messages beside it.

        Args:
            buffers: an iterable of bytes-like objects, sent one after the other.
            ancdata: an iterable of (level, type, data) control messages, such as
                (SOL_SOCKET, SCM_RIGHTS, array("i", [fd])) on a Unix socket.
            flags: MSG_*.
            address: where to, unless the socket is connected.

        Returns:
            How many bytes were sent; on a stream socket with a time-out perhaps not all.

        Raises:
            OSError: EINVAL (a control message that the kernel does not take), EMSGSIZE (more than
                1,024 buffers), EBADF (a descriptor in SCM_RIGHTS), and as `send` and `sendto`.
            TypeError: for the arguments.

        References:
            sendmsg(2) https://man7.org/linux/man-pages/man2/send.2.html
            cmsg(3) https://man7.org/linux/man-pages/man3/cmsg.3.html
        """
    def sendmsg_afalg(self, /, msg: Iterable[ReadableBuffer] | None = None, *, op: SupportsIndex, iv: ReadableBuffer | None = None, assoclen: SupportsIndex | None = None, flags: SupportsIndex = 0) -> int:
        """
        sendmsg(2) on an AF_ALG socket, with the control messages that its ciphers need.

        Args:
            msg: an iterable of bytes-like objects.
            op: ALG_OP_ENCRYPT, ALG_OP_DECRYPT, ...
            iv: the initialisation vector.
            assoclen: bytes of associated data (AEAD).
            flags: MSG_*.

        Returns:
            How many bytes were sent.

        Raises:
            OSError: as `sendmsg`. TypeError: a negative length.
        """
    def sendto(self, /, data: ReadableBuffer, flags_or_address: int | tuple[Any, ...] | str | ReadableBuffer, address: tuple[Any, ...] | str | ReadableBuffer = ...) -> int:
        """
        sendto(2): send a datagram to an address.

        Called as sendto(data, address) or sendto(data, flags, address), as the stdlib's.

        Args:
            data: bytes or any contiguous buffer.
            flags_or_address: MSG_* when there is a third argument, else the address.
            address: as for `bind`; a host name is resolved at every call.

        Returns:
            How many bytes were sent: all of a datagram, or it would be an error; on a stream as
            `send`.

        Raises:
            BlockingIOError: EAGAIN. TimeoutError: no room within the time-out.
            OSError: EMSGSIZE (too long for one datagram), ECONNREFUSED (an earlier one was refused),
                EDESTADDRREQ, EISCONN, ENETUNREACH, EACCES (broadcast), ...
            TypeError, OverflowError: for the address, as `bind`.

        References:
            sendto(2) https://man7.org/linux/man-pages/man2/send.2.html
        """
    def set_inheritable(self, /, inheritable: bool) -> None:
        """
        fcntl(F_SETFD): let programs started by this one have the descriptor, or not (the default).

        Raises:
            OSError: EBADF.

        References:
            PEP 446 https://peps.python.org/pep-0446/
        """
    def setblocking(self, /, flag: Any) -> None:
        """
        settimeout(None) for a true flag, settimeout(0.0) for a false one.
        """
    def setsockopt(self, /, level: SupportsIndex, optname: SupportsIndex, value: int | ReadableBuffer | None, optlen: int | None = None) -> None:
        """
        setsockopt(2).

        Args:
            level: SOL_SOCKET, IPPROTO_TCP, ...
            optname: SO_*, TCP_*, ...
            value: int, a buffer, or None with `optlen` (a NULL pointer).
            optlen: only with None.

        Raises:
            OSError: ENOPROTOOPT, EINVAL, EPERM, ...
            TypeError: a value of another type; `optlen` without None, or None without it.
        """
    def settimeout(self, /, timeout: float | None) -> None:
        """
        Set the seconds that a call may wait.

        Args:
            timeout: seconds; None for ever, 0.0 never.

        Raises:
            ValueError: a negative number.
            OSError: EBADF.
        """
    def shutdown(self, /, how: SupportsIndex) -> None:
        """
        shutdown(2): end one direction, or both, for every descriptor of this socket.

        Args:
            how: SHUT_RD, SHUT_WR or SHUT_RDWR.

        Raises:
            OSError: ENOTCONN, EINVAL.

        References:
            shutdown(2) https://man7.org/linux/man-pages/man2/shutdown.2.html
        """
    def tcp_info(self, /) -> TcpInfo:
        """
        TCP_INFO: what the kernel knows about the connection, at this moment.

        Returns:
            TcpInfo. What this kernel does not know yet is None.

        Raises:
            OSError: EOPNOTSUPP or ENOPROTOOPT, not a TCP socket; EBADF.

        References:
            tcp(7) https://man7.org/linux/man-pages/man7/tcp.7.html
        """
    @property
    def timeout(self, /) -> float | None:
        """
        As `gettimeout()`.
        """
    def to_stdlib(self, /) -> socket:
        """
        Give the descriptor to a new `socket.socket` with the same time-out; this object is closed.

        Raises:
            OSError: EBADF, this object was closed before.
        """
    def try_accept(self, /) -> "tuple[Socket, Any] | None":
        """
        `accept`, with None where it would have to wait. Never waits, whatever the time-out.
        """
    def try_recv(self, /, bufsize: SupportsIndex, flags: SupportsIndex = 0) -> bytes | None:
        """
        `recv`, with None where it would have to wait. Never waits, whatever the time-out.
        """
    def try_recv_into(self, /, buffer: WriteableBuffer, nbytes: SupportsIndex = 0, flags: SupportsIndex = 0) -> int | None:
        """
        `recv_into`, with None where it would have to wait. Never waits, whatever the time-out.
        """
    def try_send(self, /, data: ReadableBuffer, flags: SupportsIndex = 0) -> int | None:
        """
        `send`, with None where it would have to wait. Never waits, whatever the time-out.
        """
    @property
    def type(self, /) -> SocketKind:
        """
        SOCK_*.
        """

@final
class TcpInfo:
    """
    What the kernel knows about a TCP connection: struct tcp_info, its names without `tcpi_`.

    The structure grew over the years. What lies beyond what the kernel filled in is None; `size`
    says how far that was. The bit fields in the first eight bytes were zero before there were any.
    A field is taken out of the record when it is asked for, so a record costs little more than
    the system call: `tcp_info()` took 0.63 of the time of the stdlib's getsockopt and
    struct.unpack_from (0.96 us, 1.53 us; medians of 9 interleaved runs).

    Args:
        data: the bytes of getsockopt(TCP_INFO), of `socket.socket` or of another machine of the
            same byte order.

    Raises:
        ValueError: no bytes at all.

    References:
        tcp(7) https://man7.org/linux/man-pages/man7/tcp.7.html
    """
    def __bytes__(self, /) -> bytes: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, data: ReadableBuffer) -> TcpInfo: ...
    def __reduce__(self, /) -> "tuple[type[TcpInfo], tuple[bytes]]": ...
    def __repr__(self, /) -> str:
        """
        The size, the state, and what is neither zero nor unknown.
        """
    def _asdict(self, /) -> "dict[str, Any]":
        """
        All fields by name, in the kernel's order, `size` first.
        """
    def _repr_html_(self, /) -> str: ...
    @property
    def accecn_word(self, /) -> int | None:
        """
        Accurate ECN's state: four bytes as they are. Linux 6.18 has accecn_fail_mode and
        accecn_opt_seen there, 16 bits each; 7.0 made other fields of them, and the size
        does not tell.
        """
    @property
    def advmss(self, /) -> int | None:
        """
        Largest segment that we told the peer to send. Bytes.
        """
    @property
    def ato(self, /) -> int | None:
        """
        Time-out of a delayed acknowledgement. Microseconds.
        """
    @property
    def backoff(self, /) -> int | None:
        """
        By how many bits the retransmission time-out is shifted now.
        """
    @property
    def busy_time(self, /) -> int | None:
        """
        With data to send or unacknowledged. Microseconds.
        """
    @property
    def bytes_acked(self, /) -> int | None:
        """
        Sent and acknowledged. Bytes; the SYN counts as one.
        """
    @property
    def bytes_received(self, /) -> int | None:
        """
        Received in order. Bytes; the FIN counts as one.
        """
    @property
    def bytes_retrans(self, /) -> int | None:
        """
        Data retransmitted. Bytes.
        """
    @property
    def bytes_sent(self, /) -> int | None:
        """
        Data sent, retransmissions included. Bytes.
        """
    @property
    def ca_state(self, /) -> int | None:
        """
        Congestion control: 0 open, 1 disorder, 2 window reduced, 3 recovery, 4 loss.
        """
    @property
    def data_segs_in(self, /) -> int | None:
        """
        Segments with data received.
        """
    @property
    def data_segs_out(self, /) -> int | None:
        """
        Segments with data sent, retransmissions included.
        """
    @property
    def delivered(self, /) -> int | None:
        """
        Data packets delivered, retransmissions included.
        """
    @property
    def delivered_ce(self, /) -> int | None:
        """
        Of those, with a congestion mark (ECN CE).
        """
    @property
    def delivered_ce_bytes(self, /) -> int | None:
        """
        Delivered with CE. Bytes, modulo 2**32.
        """
    @property
    def delivered_e0_bytes(self, /) -> int | None:
        """
        Delivered with ECT(0). Bytes, modulo 2**32.
        """
    @property
    def delivered_e1_bytes(self, /) -> int | None:
        """
        Delivered with ECT(1), as Accurate ECN counts. Bytes, modulo 2**32.
        """
    @property
    def delivery_rate(self, /) -> int | None:
        """
        Latest delivery rate. Bytes per second.
        """
    @property
    def delivery_rate_app_limited(self, /) -> bool | None:
        """
        The delivery rate is limited by the application, not by the network.
        """
    @property
    def dsack_dups(self, /) -> int | None:
        """
        Duplicates that the peer reported (DSACK). Packets.
        """
    @property
    def fackets(self, /) -> int | None:
        """
        Forward acknowledgements. Packets; always 0 since Linux 4.15.
        """
    @property
    def fastopen_client_fail(self, /) -> int | None:
        """
        Why TCP Fast Open failed at the client: 0 unknown, 1 no cookie, 2 data not
        acknowledged, 3 SYN retransmitted.
        """
    @property
    def last_ack_recv(self, /) -> int | None:
        """
        Since an acknowledgement was received last. Milliseconds.
        """
    @property
    def last_ack_sent(self, /) -> int | None:
        """
        Always 0: the kernel does not remember it.
        """
    @property
    def last_data_recv(self, /) -> int | None:
        """
        Since data was received last. Milliseconds.
        """
    @property
    def last_data_sent(self, /) -> int | None:
        """
        Since data was sent last. Milliseconds.
        """
    @property
    def lost(self, /) -> int | None:
        """
        Taken for lost. Packets.
        """
    @property
    def max_pacing_rate(self, /) -> int | None:
        """
        Ceiling of the pacing rate (SO_MAX_PACING_RATE). Bytes per second; 2**64 - 1 for
        none.
        """
    @property
    def min_rtt(self, /) -> int | None:
        """
        Least round-trip time of the last five minutes. Microseconds; 2**32 - 1 for none
        yet.
        """
    @property
    def notsent_bytes(self, /) -> int | None:
        """
        In the send queue and never sent. Bytes.
        """
    @property
    def options(self, /) -> int | None:
        """
        Negotiated: 1 timestamps, 2 SACK, 4 window scaling, 8 ECN, 16 ECN seen, 32 data in
        the SYN acknowledged, 64 microsecond timestamps, 128 accepted by TCP Fast Open.
        """
    @property
    def pacing_rate(self, /) -> int | None:
        """
        Rate that sending is paced at. Bytes per second.
        """
    @property
    def pmtu(self, /) -> int | None:
        """
        Path MTU. Bytes.
        """
    @property
    def probes(self, /) -> int | None:
        """
        Unanswered probes of a closed window, or keep-alive probes.
        """
    @property
    def rcv_mss(self, /) -> int | None:
        """
        Estimate of the largest segment that the peer sends. Bytes.
        """
    @property
    def rcv_ooopack(self, /) -> int | None:
        """
        Received out of order. Packets.
        """
    @property
    def rcv_rtt(self, /) -> int | None:
        """
        Round-trip time as the receiver sees it. Microseconds.
        """
    @property
    def rcv_space(self, /) -> int | None:
        """
        What the application reads in a round trip; grows the receive buffer. Bytes.
        """
    @property
    def rcv_ssthresh(self, /) -> int | None:
        """
        Ceiling of the window that we advertise. Bytes.
        """
    @property
    def rcv_wnd(self, /) -> int | None:
        """
        Our advertised window, after scaling. Bytes.
        """
    @property
    def rcv_wscale(self, /) -> int | None:
        """
        Our window scale.
        """
    @property
    def received_ce(self, /) -> int | None:
        """
        Segments received with a congestion mark (ECN CE).
        """
    @property
    def received_ce_bytes(self, /) -> int | None:
        """
        Received with CE. Bytes, modulo 2**32.
        """
    @property
    def received_e0_bytes(self, /) -> int | None:
        """
        Received with ECT(0). Bytes, modulo 2**32.
        """
    @property
    def received_e1_bytes(self, /) -> int | None:
        """
        Received with ECT(1). Bytes, modulo 2**32.
        """
    @property
    def rehash(self, /) -> int | None:
        """
        How often another path hash was tried.
        """
    @property
    def reord_seen(self, /) -> int | None:
        """
        How often reordering was seen.
        """
    @property
    def reordering(self, /) -> int | None:
        """
        How far packets may be out of order before one counts as lost. Packets.
        """
    @property
    def retrans(self, /) -> int | None:
        """
        Retransmitted and not acknowledged yet. Packets.
        """
    @property
    def retransmits(self, /) -> int | None:
        """
        Time-outs in a row without an acknowledgement.
        """
    @property
    def rto(self, /) -> int | None:
        """
        Retransmission time-out. Microseconds.
        """
    @property
    def rtt(self, /) -> int | None:
        """
        Round-trip time, smoothed. Microseconds.
        """
    @property
    def rttvar(self, /) -> int | None:
        """
        Mean deviation of the round-trip time. Microseconds.
        """
    @property
    def rwnd_limited(self, /) -> int | None:
        """
        Of those, held up by the peer's window. Microseconds.
        """
    @property
    def sacked(self, /) -> int | None:
        """
        Acknowledged out of order (SACK). Packets. On a listener: the backlog.
        """
    @property
    def segs_in(self, /) -> int | None:
        """
        Segments received.
        """
    @property
    def segs_out(self, /) -> int | None:
        """
        Segments sent, retransmissions and pure acknowledgements included.
        """
    @property
    def size(self, /) -> int:
        """
        How many bytes the kernel filled in, which tells the structure's version: 104 up to Linux
        3.14, 232 from 5.5, 248 from 6.7, 280 from 6.18.
        """
    @property
    def snd_cwnd(self, /) -> int | None:
        """
        Congestion window. Packets.
        """
    @property
    def snd_mss(self, /) -> int | None:
        """
        Largest segment to send. Bytes.
        """
    @property
    def snd_ssthresh(self, /) -> int | None:
        """
        Slow start ends here. Packets; 2147483647 for nowhere yet.
        """
    @property
    def snd_wnd(self, /) -> int | None:
        """
        The peer's advertised window, after scaling. Bytes.
        """
    @property
    def snd_wscale(self, /) -> int | None:
        """
        Window scale of the peer, applied to what it advertises.
        """
    @property
    def sndbuf_limited(self, /) -> int | None:
        """
        Of those, held up by the send buffer. Microseconds.
        """
    @property
    def state(self, /) -> TcpState:
        """
        State of the connection; a plain int where `TcpState` does not have it.
        """
    @property
    def total_retrans(self, /) -> int | None:
        """
        Retransmissions of the connection's whole life. Packets.
        """
    @property
    def total_rto(self, /) -> int | None:
        """
        Retransmission time-outs, of the SYN too.
        """
    @property
    def total_rto_recoveries(self, /) -> int | None:
        """
        Recoveries from a time-out, one under way included.
        """
    @property
    def total_rto_time(self, /) -> int | None:
        """
        Time in those recoveries. Milliseconds.
        """
    @property
    def unacked(self, /) -> int | None:
        """
        Sent and not acknowledged. Packets. On a listener: connections that wait to be
        accepted.
        """

def connect(address: tuple[Any, ...] | str | ReadableBuffer, timeout: float | None = None, *, source_address: tuple[Any, ...] | str | ReadableBuffer | None = None, options: Iterable[tuple[int, int, int | ReadableBuffer]] = ...) -> Socket:
    """
    Connect to an address or a host, within one deadline.

    Resolves the name, then tries its addresses with RFC 8305's "happy eyeballs": families
    alternate, a new attempt starts every 250 ms or as soon as one fails, the first that connects
    wins. Ctrl-C ends it at once.

    Args:
        address: (host, port), (host, port, flowinfo, scope_id), or a Unix name.
        timeout: seconds for all of it, the name included; None for as long as the kernel tries.
        source_address: connect from here; port 0 is chosen at connect time.
        options: (level, optname, int | bytes) triples, set before connect(2).

    Returns:
        A connected socket with time-out 0.0.

    Raises:
        ConnectionRefusedError: ECONNREFUSED, nobody listens there.
        TimeoutError: ETIMEDOUT, the deadline has passed, or the kernel gave up.
        OSError: ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL (no port left), EMFILE, ...; the address
            is in a note (PEP 678), and of several attempts each has a note.
        socket.gaierror: the name is not known.
        ValueError: a negative time-out.

    References:
        RFC 8305 https://www.rfc-editor.org/rfc/rfc8305
    """

def connect_many(addresses: Iterable[tuple[Any, ...] | str | ReadableBuffer], *, timeout: float | None = None, concurrency: SupportsIndex = 1024, source_address: tuple[Any, ...] | str | ReadableBuffer | None = None, options: Iterable[tuple[int, int, int | ReadableBuffer]] = ...) -> ConnectMany:
    """
    Connect to many addresses in one native loop.

    Args:
        addresses: any iterable; it is read as room becomes free, so it may be long.
        timeout: seconds for each attempt, its name included; None for as long as the resolver takes
            and the kernel tries (about 2 minutes).
        concurrency: at most so many attempts at the same time.
        source_address: connect from here; port 0 is chosen at connect time.
        options: (level, optname, int | bytes) triples, set before connect(2).

    Returns:
        An iterator of `ConnectResult`, one for each address, in the order in which they end. A
        failed attempt is a result, never an exception; a malformed address is an exception. Of a
        host's addresses the first is taken; each name is looked up once, beside the attempts that
        are under way.

    Raises:
        ValueError: a negative time-out, a concurrency below 1.
    """

def create_connection(address: tuple[str | bytes | bytearray | None, int | str | bytes | None], timeout: float | None = ..., source_address: tuple[str | bytes | bytearray | None, int | str | bytes | None] | None = None, *, all_errors: bool = False) -> Socket:
    """
    `socket.create_connection`, within one deadline: connect to a host and a port.

    Where the stdlib's tries one address after the other, each with the whole time-out, this one
    lets them race as `connect` does: a new attempt every 250 ms or as soon as one fails, the name's
    look-up and all attempts within one time-out. Ctrl-C ends it.

    Args:
        address: (host, port), as for `getaddrinfo`: the host may be None, the port a service's
            name.
        timeout: seconds for all of it, the name included, and then the socket's time-out;
            `socket.getdefaulttimeout()` unless it is given. None waits for as long as the resolver
            and the kernel do. With 0.0 there is only what can be had at once.
        source_address: (host, port) to connect from; "" is any address, port 0 is chosen at connect
            time. Attempts that race from one port other than 0 get EADDRINUSE, but for one of each
            family.
        all_errors: raise all errors, not only the last.

    Returns:
        A connected socket with that time-out.

    Raises:
        OSError: the last attempt's: ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL, ...; its address is
            in a note, and each earlier error, too.
        TimeoutError: ETIMEDOUT, the time-out has passed, or the kernel gave up.
        ExceptionGroup: with `all_errors`, of all of these.
        socket.gaierror: the name is not known.
        OverflowError: a port outside 0-65535.
        ValueError: a negative time-out, an address that is no pair.

    References:
        RFC 8305 https://www.rfc-editor.org/rfc/rfc8305
    """

def fromfd(fd: FileDescriptorLike, family: SupportsIndex, type: SupportsIndex, proto: SupportsIndex = 0, *, timeout: float | None = ...) -> Socket:
    """
    dup(2): a socket of its own for an open descriptor, which stays open and the caller's.

    Both descriptors are of one open file (open(2)): with a time-out the given one is O_NONBLOCK
    afterwards, too; with None the mode is left as it is.
    The new one is close-on-exec.

    Args:
        fd: a descriptor, or an object with `fileno()`.
        family: AF_*.
        type: SOCK_*.
        proto: protocol number.
        timeout: seconds that a call may wait; 0.0 never, None for ever.

    Returns:
        The socket.

    Raises:
        OSError: EBADF (not open), ENOTSOCK, EMFILE.
        ValueError: a negative descriptor or time-out.

    References:
        dup(2) https://man7.org/linux/man-pages/man2/dup.2.html
    """

def getaddrinfo(host: str | bytes | bytearray | None, port: int | str | bytes | None, family: SupportsIndex = 0, type: SupportsIndex = 0, proto: SupportsIndex = 0, flags: SupportsIndex = 0, *, timeout: float | None = None) -> list[tuple[AddressFamily, SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]]]:
    """
    getaddrinfo(3): the addresses of a host and a service, with a time-out.

    `socket.getaddrinfo`, except that a host may be a bytearray, and that a NUL in a name is an error
    instead of the name's end. A number is answered at once. With a time-out a name is looked up in
    a thread, which is left behind when the time is up, and Ctrl-C ends the wait; without one it is
    the plain call, as in the stdlib, which nothing can interrupt and which costs no thread.

    Args:
        host: a name (str is IDNA-encoded), a number such as "127.0.0.1" or "fe80::1%eth0", or None
            for this host.
        port: a number, a service's name such as "http", or None for 0.
        family: AF_INET, AF_INET6, or 0 for both.
        type: SOCK_STREAM, SOCK_DGRAM, ..., or 0 for each.
        proto: IPPROTO_TCP, ..., or 0 for each.
        flags: AI_* bits.
        timeout: seconds; None for as long as the resolver takes, 0.0 for what needs no resolver.

    Returns:
        List of (family, type, proto, canonname, sockaddr) in the order of RFC 6724. canonname is
        "" but for the first with AI_CANONNAME; sockaddr is (host, port), or (host, port, flowinfo,
        scope_id) for AF_INET6.

    Raises:
        socket.gaierror: the resolver's EAI_* code: EAI_NONAME, EAI_AGAIN, EAI_SERVICE, ...
        TimeoutError: ETIMEDOUT; host and time-out are in a note.
        UnicodeError: a host that IDNA has no form for.
        OSError: a port of another type; EAGAIN, no room for a thread.
        TypeError: a host of another type, a NUL in it or in the port.
        ValueError: a negative time-out.

    References:
        getaddrinfo(3) https://man7.org/linux/man-pages/man3/getaddrinfo.3.html
    """

def gethostbyname(host: str | bytes | bytearray, *, timeout: float | None = None) -> str:
    """
    The first IPv4 address of a host, with a time-out: `socket.gethostbyname`.

    Args:
        host: a name (str is IDNA-encoded) or a number; "" is 0.0.0.0, "<broadcast>" is
            255.255.255.255.
        timeout: seconds; None for as long as the resolver takes, 0.0 for what needs no resolver.

    Returns:
        Such as "127.0.0.1".

    Raises:
        socket.gaierror: the resolver's EAI_* code.
        TimeoutError: ETIMEDOUT; host and time-out are in a note.
        UnicodeError: a host that IDNA has no form for.
        TypeError: a host of another type, or a NUL in it.
        ValueError: a negative time-out.

    References:
        gethostbyname(3) https://man7.org/linux/man-pages/man3/gethostbyname.3.html
    """

def getnameinfo(sockaddr: tuple[str, int] | tuple[str, int, int] | tuple[str, int, int, int], flags: SupportsIndex, *, timeout: float | None = None) -> tuple[str, str]:
    """
    getnameinfo(3): the names of an address and of its port, with a time-out.

    `socket.getnameinfo`; with a time-out Ctrl-C ends the wait.

    Args:
        sockaddr: (host, port), (host, port, flowinfo) or (host, port, flowinfo, scope_id); the host
            is a number.
        flags: NI_* bits.
        timeout: seconds; None for as long as the resolver takes, 0.0 for what needs no resolver
            (NI_NUMERICHOST | NI_NUMERICSERV).

    Returns:
        (host, service).

    Raises:
        socket.gaierror: the resolver's EAI_* code; EAI_NONAME for a host that is no number.
        TimeoutError: ETIMEDOUT; address and time-out are in a note.
        OSError: an IPv4 address with more than a port.
        TypeError: an address of another shape.
        OverflowError: a flowinfo above 1048575, a port that is no C int.
        ValueError: a negative time-out, a NUL in the host.

    References:
        getnameinfo(3) https://man7.org/linux/man-pages/man3/getnameinfo.3.html
    """

def host_to_resolve(address: tuple[Any, ...] | str | ReadableBuffer) -> tuple[str, int] | None:
    """
    What `epollkit.aio` has to resolve on its loop before it can connect.

    Returns:
        (host, port), or None for an address that needs no resolver.

    Raises:
        TypeError, OverflowError: for the address, as `connect`.
    """

def select(rlist: Iterable[Any], wlist: Iterable[Any], xlist: Iterable[Any], timeout: float | None = None) -> tuple[list[Any], list[Any], list[Any]]:
    """
    Wait with select(2) until some of these are ready.

    As `select.select`. The arguments stay as they are. select(2) cannot name a descriptor of 1024
    or above; `Poll` and `Epoll` can.

    Args:
        rlist: wait until readable. An iterable of ints, or of objects with `fileno()`.
        wlist: wait until writable.
        xlist: wait for out-of-band data.
        timeout: seconds, to the nanosecond; None for ever, 0 for a look.

    Returns:
        Three new lists: those objects of each argument that are ready, in its order; all empty when
        the time is up.

    Raises:
        ValueError: a descriptor that is negative, or not below FD_SETSIZE (1024); a negative
            time-out.
        TypeError: not an iterable, or in it neither an int nor an object with `fileno()`.
        OSError: EBADF, a number that is not open. Linux overlooks it if no number as great has ever
            been open in this process (select(2), BUGS); `Poll` reports POLLNVAL.

    References:
        select(2) https://man7.org/linux/man-pages/man2/select.2.html
    """

def serve(service: "str", address: tuple[Any, ...] | str | ReadableBuffer, *, trigger: "str" = "edge", max_connections: SupportsIndex | None = None, backlog: SupportsIndex = 4096) -> Peer:
    """
    Start a native peer. `epollkit.serve.echo` and its siblings call this.

    Args:
        service: "echo", "discard" or "chargen".
        address: (host, port) or a Unix name.
        trigger: "edge" or "level".
        max_connections: at most so many at a time; None for as many as there are descriptors.
        backlog: for listen(2).

    Raises:
        OSError: EADDRINUSE, EADDRNOTAVAIL, EACCES, EMFILE, ...; the address is in a note.
        ValueError: an unknown service or trigger, a max_connections below 1.
    """

def socketpair(family: SupportsIndex | None = None, type: SupportsIndex = ..., proto: SupportsIndex = 0, *, timeout: float | None = ...) -> tuple[Socket, Socket]:
    """
    socketpair(2) with SOCK_NONBLOCK | SOCK_CLOEXEC: two connected sockets.

    Args:
        family: AF_UNIX, also for None; Linux has pairs of no other family that is in use.
        type: SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET; SOCK_NONBLOCK and SOCK_CLOEXEC are always
            on.
        proto: 0.
        timeout: seconds that a call on either may wait; 0.0 never, None for ever.

    Returns:
        (socket, socket), each the other's peer.

    Raises:
        OSError: EOPNOTSUPP (another family), EAFNOSUPPORT, EPROTONOSUPPORT, EINVAL (unknown type),
            EMFILE, ENFILE.
        ValueError: a negative time-out.

    References:
        socketpair(2) https://man7.org/linux/man-pages/man2/socketpair.2.html
    """
