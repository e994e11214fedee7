"""The standard library's names for what epollkit has, so that a program need not change.

Three ways, from the narrowest to the widest:

- One module of yours: `from epollkit import stdlib as socket`, or `from epollkit.stdlib import
  socket`. What is not defined here (constants, exceptions, `htons`, `getaddrinfo`, ...) is what the
  standard library's `socket`, `select` and `selectors` have under that name, in this order.
- A block: `with patch(): ...`.
- The process: `patch()`, before anything else is imported.

What differs from `epollkit.Socket` is only what the standard library has otherwise: a new socket's
time-out is `socket.getdefaulttimeout()`, by default None, so that calls wait.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select as _select_module
import selectors as _selectors_module
import socket as _socket_module
import threading
import warnings
from abc import ABCMeta
from typing import TYPE_CHECKING, Any

import epollkit
from epollkit import Epoll, EpollSelector, Poll, Socket, _files, select

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType, TracebackType
    from typing import BinaryIO, Self

    from _typeshed import FileDescriptorLike

__all__ = [
    "DefaultSelector",
    "EpollSelector",
    "Patch",
    "SocketType",
    "create_connection",
    "create_server",
    "epoll",
    "fromfd",
    "patch",
    "poll",
    "select",
    "socket",
    "socketpair",
]

epoll = Epoll
"""`select.epoll`."""
poll = Poll
"""`select.poll`, which is a function there and a class here: both are called without arguments."""
DefaultSelector = EpollSelector
"""`selectors.DefaultSelector`."""

_GIVE_UP: type[Exception] = vars(_socket_module)["_GiveupOnSendfile"]
_DEFAULT_TIMEOUT: Any = vars(_socket_module)["_GLOBAL_DEFAULT_TIMEOUT"]
"""What callers of `socket.create_connection` pass for "none given"; http.client does."""


class socket(Socket, metaclass=ABCMeta):  # noqa: N801 - the standard library's name
    """`socket.socket`: a `Socket` whose first time-out is `socket.getdefaulttimeout()`.

    `isinstance` takes the standard library's own sockets for one of these, so that code which asks
    `isinstance(sock, socket.socket)` still knows an `ssl.SSLSocket`.

    Args:
        family: AF_INET (the default), AF_INET6, AF_UNIX, ...; with `fileno`, asked of the kernel.
        type: SOCK_STREAM (the default), SOCK_DGRAM, ...; with SOCK_NONBLOCK the time-out is 0.0.
        proto: protocol number; 0, the default, is the family's own.
        fileno: take over this open descriptor instead; the object closes it.

    Raises:
        OSError: as `Socket`.

    References:
        socket(2) https://man7.org/linux/man-pages/man2/socket.2.html
    """

    if TYPE_CHECKING:  # the base's stub names the base where it means the class at hand

        def __new__(cls, *_arguments: object, **_keywords: object) -> Self: ...  # noqa: D102
        def __enter__(self) -> Self: ...

    def __init__(
        self,
        family: int = -1,
        type: int = -1,  # noqa: A002 - the standard library's name
        proto: int = -1,
        fileno: FileDescriptorLike | None = None,
    ) -> None:
        super().__init__(family, type, proto, fileno, timeout=_socket_module.getdefaulttimeout())

    def __repr__(self) -> str:
        own = type(self)
        closed = " [closed]" if self.closed else ""
        text = (
            f"<{own.__module__}.{own.__qualname__}{closed} fd={self.fileno()}, "
            f"family={self.family!s}, type={self.type!s}, proto={self.proto}"
        )
        for name, ask in (("laddr", self.getsockname), ("raddr", self.getpeername)):
            try:
                address = ask()
            except OSError:  # closed, or not connected
                continue
            if address:
                text += f", {name}={address}"
        return f"{text}>"

    def __del__(self) -> None:
        """The standard library's warning: it names this object, and tracemalloc finds its birth."""
        if self.closed:
            return
        try:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
        finally:
            os.close(self.detach())

    def _accept(self) -> tuple[int, Any]:
        """accept4(2): (descriptor, address). Private, but looked for: it is in `_socket.socket`."""
        accepted, address = super().accept()
        return accepted.detach(), address

    def accept(self) -> tuple[socket, Any]:
        """accept4(2): take the next connection from the queue.

        Returns:
            (socket, address). The socket is a `socket` whatever class this is, as in the standard
            library, and so is its time-out: the default one, not this socket's.

        Raises:
            BlockingIOError: EAGAIN, the queue is empty and the time-out is 0.0.
            TimeoutError: still empty after the time-out.
            OSError: as `Socket.accept`.

        References:
            accept(2) https://man7.org/linux/man-pages/man2/accept.2.html
        """
        descriptor, address = self._accept()
        accepted = socket(self.family, self.type, self.proto, fileno=descriptor)
        _settle(accepted)
        return accepted, address

    def dup(self) -> Self:
        """Another descriptor of the same open socket, as an object of the same class and time-out.

        Raises:
            OSError: EMFILE, EBADF.
        """
        twin = self.__class__(self.family, self.type, self.proto, fileno=super().dup().detach())
        twin.settimeout(self.gettimeout())
        return twin

    # Private, but what overrides `sendfile` calls one of them: ssl.SSLSocket does of its own.

    def _sendfile_use_sendfile(
        self, file: BinaryIO, offset: int = 0, count: int | None = None
    ) -> int:
        """`sendfile` by sendfile(2) alone; `socket._GiveupOnSendfile` where that cannot be."""
        try:
            return _files.send_in_the_kernel(self, file, offset, count)
        except _files.NotInTheKernelError as error:
            raise _GIVE_UP(error) from None

    def _sendfile_use_send(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
        """`sendfile` by read(2) and send(2) alone."""
        return _files.send_by_reading(self, file, offset, count)


socket.register(_socket_module.SocketType)

SocketType = socket
"""`socket.SocketType`: what `isinstance` is asked about. There it is `_socket.socket`."""


def _settle(sock: socket) -> None:
    """Make the descriptor blocking if the time-out is None: epollkit makes them O_NONBLOCK."""
    sock.settimeout(sock.gettimeout())


def _adopt(made: Socket) -> socket:
    """The same descriptor in a `socket` with the default time-out."""
    adopted = socket(made.family, made.type, made.proto, fileno=made.detach())
    _settle(adopted)
    return adopted


def fromfd(fd: int, family: int, type: int, proto: int = 0) -> socket:  # noqa: A002
    """F_DUPFD_CLOEXEC: a socket on a duplicate of a descriptor.

    Args:
        fd: an open descriptor; it stays the caller's, and blocking or not as it is.
        family: AF_*, as `socket` takes it.
        type: SOCK_*.
        proto: protocol number.

    Raises:
        OSError: EBADF, EMFILE.
    """
    descriptor = os.dup(fd)
    try:
        return socket(family, type, proto, descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def socketpair(
    family: int | None = None,
    type: int = _socket_module.SOCK_STREAM,  # noqa: A002 - the standard library's name
    proto: int = 0,
) -> tuple[socket, socket]:
    """Two sockets, connected to each other.

    Args:
        family: None for AF_UNIX.
        type: SOCK_*; with SOCK_NONBLOCK the time-outs are 0.0.
        proto: protocol number.

    Raises:
        OSError: EMFILE, EOPNOTSUPP, ...

    References:
        socketpair(2) https://man7.org/linux/man-pages/man2/socketpair.2.html
    """
    near, far = epollkit.socketpair(
        _socket_module.AF_UNIX if family is None else family, type, proto
    )
    pair = _adopt(near), _adopt(far)
    if type & _socket_module.SOCK_NONBLOCK:
        for each in pair:
            each.settimeout(0.0)
    return pair


def create_server(
    address: tuple[str, int] | tuple[Any, ...],
    *,
    family: int = _socket_module.AF_INET,
    backlog: int | None = None,
    reuse_port: bool = False,
    dualstack_ipv6: bool = False,
) -> socket:
    """A listening TCP socket with SO_REUSEADDR.

    Args:
        address: (host, port).
        family: AF_INET or AF_INET6.
        backlog: for listen(2); None for its default.
        reuse_port: SO_REUSEPORT, too.
        dualstack_ipv6: also take IPv4 connections; needs AF_INET6.

    Raises:
        OSError: EADDRINUSE, EADDRNOTAVAIL, EACCES, ...; the address is in the message.
        ValueError: dualstack_ipv6 without AF_INET6.
    """
    return _adopt(
        epollkit.create_server(
            address,
            family=family,
            backlog=backlog,
            reuse_port=reuse_port,
            dualstack_ipv6=dualstack_ipv6,
        )
    )


def create_connection(
    address: tuple[str | None, int],
    timeout: float | None = _DEFAULT_TIMEOUT,
    source_address: tuple[str | bytes | bytearray | None, int] | None = None,
    *,
    all_errors: bool = False,
) -> socket:
    """Connect to a host and a port: its addresses are tried one after the other.

    `epollkit.create_connection` lets them race, within one time-out; this is the standard
    library's, address by address.

    Args:
        address: (host, port).
        timeout: seconds for each attempt, and from then on the socket's time-out; None for ever;
            without it `socket.getdefaulttimeout()`.
        source_address: connect from here.
        all_errors: raise an ExceptionGroup of all attempts instead of the last one's error.

    Raises:
        ConnectionRefusedError: ECONNREFUSED, nobody listens there.
        TimeoutError: not connected within the time-out.
        OSError: ENETUNREACH, EHOSTUNREACH, ...
        socket.gaierror: the name is not known.
    """
    host, port = address
    errors: list[OSError] = []
    found = _socket_module.getaddrinfo(host, port, 0, _socket_module.SOCK_STREAM)
    for family, kind, proto, _, where in found:
        try:
            sock = socket(family, kind, proto)
            try:
                if timeout is not _DEFAULT_TIMEOUT:
                    sock.settimeout(timeout)
                if source_address:
                    sock.bind(source_address)
                sock.connect(where)
            except BaseException:
                sock.close()
                raise
        except OSError as error:
            errors.append(error)
        else:
            return sock
    if not errors:
        raise OSError("getaddrinfo returns an empty list")
    try:
        if all_errors:
            raise ExceptionGroup("create_connection failed", errors)
        raise errors[-1]
    finally:
        errors.clear()  # an error refers to this frame, and the frame to its errors


class Patch:
    """What `patch()` has replaced; leaving it as a context manager, or `undo()`, puts it back."""

    def __init__(self, replacements: Iterable[tuple[ModuleType | type, str, Any]]) -> None:
        self._replaced: list[tuple[ModuleType | type, str, Any, Any]] = []
        with _patching:
            for owner, name, ours in replacements:
                theirs = vars(owner)[name]
                if theirs is not ours:
                    setattr(owner, name, ours)
                    self._replaced.append((owner, name, ours, theirs))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.undo()

    def __repr__(self) -> str:
        names = [f"{owner.__name__}.{name}" for owner, name, _, _ in self._replaced]
        return f"<epollkit.stdlib.Patch of {', '.join(names) or 'nothing'}>"

    def undo(self) -> None:
        """Put back what this patch has replaced and nobody else has replaced since.

        Objects made meanwhile stay what they are. Doing it again does nothing.
        """
        with _patching:
            while self._replaced:
                owner, name, ours, theirs = self._replaced.pop()
                if vars(owner)[name] is ours:
                    setattr(owner, name, theirs)


_patching = threading.Lock()
_static_select = staticmethod(select)
"""One object, so that a second patch sees that it is in place."""
_stdlib_epoll_selector = _selectors_module.EpollSelector
"""Before any patch: programs may have it by name."""


def patch() -> Patch:
    """Put epollkit in place of the standard library's sockets and selectors in this process.

    - `socket`: `socket` and `SocketType`. `create_connection`, `create_server`, `fromfd` and
      `socketpair` stay the standard library's: they look `socket` up when they are called, so
      they give ours now, and a test that puts a mock in its place still gets the mock.
    - `select`: `epoll`, `poll` and `select`.
    - `selectors`: `EpollSelector` and `DefaultSelector`; and `PollSelector`, `SelectSelector` and
      whatever has the old `EpollSelector` by name now call ours.

    Everything that asks these modules when it needs a socket is reached, imported before or not:
    asyncio's selector loop, http.client, urllib, xmlrpc, smtplib, ftplib, imaplib, poplib,
    socketserver, logging.handlers, multiprocessing (whose pickler is told of our class).

    Not reached:

    - code that has done `from socket import socket` (or `from select import select`, as `pty`
      has) before; call this first of all;
    - classes that derive from `socket.socket` already. `ssl.SSLSocket` is one, and has to stay
      one: OpenSSL's module asks for a `_socket.socket`. So `ssl` is imported here before anything
      is replaced, and `wrap_socket` takes the descriptor over from ours, which is closed by it;
    - C code that makes or asks for `_socket.socket`, and objects that exist already;
    - other processes, but for children by fork(2).

    Calling it again replaces what has been put back or replaced since, so mostly nothing, and
    undoing that does as much. Threads that are under way get the one or the other.

    Returns:
        Patch: undoes it, also as a context manager.
    """
    with contextlib.suppress(ImportError):  # a Python without OpenSSL
        importlib.import_module("ssl")
    # Either order of the two would leave one class out, were it imported later.
    reduction = importlib.import_module("multiprocessing.reduction")
    reduction.register(socket, reduction._reduce_socket)  # noqa: SLF001 - there is no public way
    return Patch(
        [
            (_socket_module, "socket", socket),
            (_socket_module, "SocketType", SocketType),
            (_select_module, "epoll", epoll),
            (_select_module, "poll", poll),
            (_select_module, "select", select),
            (_stdlib_epoll_selector, "_selector_cls", epoll),
            (_selectors_module.PollSelector, "_selector_cls", poll),
            (_selectors_module.SelectSelector, "_select", _static_select),
            (_selectors_module, "EpollSelector", EpollSelector),
            (_selectors_module, "DefaultSelector", DefaultSelector),
        ]
    )


def __getattr__(name: str) -> Any:  # noqa: ANN401 - of whatever type it is there
    if not name.startswith("__"):
        for module in (_socket_module, _select_module, _selectors_module):
            if name in vars(module):
                return vars(module)[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
