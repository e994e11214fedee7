"""`Watched`: a stand-in for a socket or a set that tells a scope of each call on it.

It is the thing itself to all intents: `isinstance`, `fileno()`, attributes, equality, `with`. Only
the methods that `CALLS` lists are told; what merely asks (getsockname, fileno, inq) is not.
"""

from typing import TYPE_CHECKING, Any, Final, Protocol, Self

__all__ = ["CALLS", "Recorder", "Watched", "name_of", "unwatched"]

_OF_SOCKETS: Final = """
    accept accept4 accept_many bind close connect connect_ex detach drain dup error finish
    getsockopt listen recv recv_into recvfrom recvfrom_into recvmmsg recvmsg recvmsg_into send
    sendall sendfile sendmmsg sendmsg sendto setblocking setsockopt settimeout shutdown try_accept
    try_recv try_recv_into try_send
"""
_OF_FILES: Final = "read readall readinto write"
_OF_SETS: Final = "close modify poll rearm register select unregister wait"
CALLS: Final = frozenset(f"{_OF_SOCKETS} {_OF_FILES} {_OF_SETS}".split())
"""The methods that are recorded."""


class Recorder(Protocol):
    """What a `Watched` needs of its scope."""

    def perform(
        self, watched: "Watched", name: str, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> Any:  # noqa: ANN401 - what the method returns
        """Make the call, record it, and return or raise what it did."""
        ...


class Watched:
    """A stand-in for `_target`, called `_name`."""

    __slots__ = ("__weakref__", "_name", "_recorder", "_target")
    _name: str
    _recorder: Recorder
    _target: Any

    def __init__(self, target: Any, name: str, recorder: Recorder) -> None:  # noqa: ANN401
        object.__setattr__(self, "_target", target)
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_recorder", recorder)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - it is the target's
        value = getattr(self._target, name)
        if name not in CALLS:
            return value

        def call(*arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401 - as above
            __tracebackhide__ = True
            return self._recorder.perform(self, name, arguments, keywords)

        return call

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._target, name, value)

    if not TYPE_CHECKING:  # isinstance asks for it, and checkers take it for a type

        @property
        def __class__(self) -> type:
            return type(self._target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __eq__(self, other: object) -> bool:
        return bool(self._target == unwatched(other))

    def __hash__(self) -> int:
        return hash(self._target)

    def __repr__(self) -> str:
        return f"<{self._name}: {self._target!r}>"


def unwatched(value: Any) -> Any:  # noqa: ANN401 - what it is given
    """What a `Watched` stands for, also inside a list or a tuple; anything else as it is."""
    if type(value) is Watched:
        return object.__getattribute__(value, "_target")
    if _is(list, value):
        return [unwatched(each) for each in value]
    return tuple(unwatched(each) for each in value) if _is(tuple, value) else value


def _is(kind: type, value: object) -> bool:
    return type(value) is kind


def name_of(watched: Watched) -> str:
    """What the pictures call it."""
    return str(object.__getattribute__(watched, "_name"))
