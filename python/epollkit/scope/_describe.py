"""Arguments, results and values in the few words that fit a picture or a line of evidence."""

import enum
import errno
import functools
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from epollkit._flags import EventFlags, PollFlags

__all__ = ["describe", "describe_arguments", "describe_events", "describe_result"]

NameOf = Callable[[Any], str | None]
"""The name of a source; None for anything else."""


@functools.singledispatch
def describe(value: object) -> str:
    """A value by its names: flags, errnos, enums; collections without brackets."""
    return repr(value)


@describe.register
def _os_error(value: OSError) -> str:
    return errno.errorcode.get(value.errno or 0, type(value).__name__)


@describe.register
def _exception(value: BaseException) -> str:
    return type(value).__name__


@describe.register(enum.IntFlag)
@describe.register(enum.Flag)
def _flags(value: enum.Flag) -> str:
    names = [member.name or "" for member in type(value) if member in value]
    if isinstance(value, EventFlags):  # poll(2) has more, with the same numbers
        names += [each.name or "" for each in _OF_POLL_ONLY if each.value & value.value]
    return "|".join(names) or "nothing"


_OF_POLL_ONLY: Final = [each for each in PollFlags if each.name not in EventFlags.__members__]


@describe.register
def _enum_member(value: enum.IntEnum) -> str:
    return value.name


@describe.register
def _truth(value: bool) -> str:  # noqa: FBT001 - dispatched on its type
    return "yes" if value else "no"


@describe.register
def _number(value: int) -> str:
    return f"{value:,}"


@describe.register
def _text(value: str) -> str:
    return value


@describe.register
def _nothing(_value: None) -> str:
    return "nothing"


@describe.register(list)
@describe.register(tuple)
@describe.register(set)
@describe.register(frozenset)
def _collection(values: Iterable[object]) -> str:
    return ", ".join(map(describe, values)) or "nothing"


@describe.register(dict)
def _mapping(items: dict[object, object]) -> str:
    return ", ".join(f"{key} {describe(item)}" for key, item in items.items())


def describe_arguments(
    call: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any], name_of: NameOf
) -> str:
    """The arguments of a call: data by its size, sources by their names, options by theirs."""
    if call in ("getsockopt", "setsockopt") and len(arguments) > 1:
        level, option, *values = arguments
        return " ".join([_option_name(level, option), *(_word(each, name_of) for each in values)])
    if call in ("wait", "poll", "select") and arguments[:1] in ((), (0,)):
        return ""
    words = [_word(each, name_of) for each in arguments]
    if call in ("bind", "connect", "connect_ex"):
        names = [each for each in arguments if _is(each, bytes)]
        words[:1] = [os.fsdecode(each).replace("\0", "@") for each in names] or words[
            :1
        ]  # as ss(8)
    if call == "shutdown" and arguments:
        words = [_HOW.get(arguments[0], words[0])]
    if call in ("register", "modify") and len(arguments) > 1:
        words[1] = describe(EventFlags(arguments[1]))
    words += [f"{key}={_word(each, name_of)}" for key, each in keywords.items() if key != "data"]
    return " ".join(words)


_HOW: Final = {socket.SHUT_RD: "SHUT_RD", socket.SHUT_WR: "SHUT_WR", socket.SHUT_RDWR: "SHUT_RDWR"}


def describe_events(events: Iterable[tuple[int, EventFlags]], name_of: NameOf) -> str:
    """What a wait reported: the sources by their names, and their flags."""
    return describe([f"{name_of(number) or number} {describe(flags)}" for number, flags in events])


def describe_result(call: str, result: Any, name_of: NameOf) -> str:  # noqa: ANN401 - what it gave
    """What a call returned: data by its size, sources by their names, None as nothing to say.

    The None of a `try_` method says what the kernel said: EAGAIN.
    """
    if result is None:
        return "EAGAIN" if call.startswith("try_") else ""
    if call in ("connect_ex", "error"):
        return errno.errorcode.get(result, str(result))
    if call == "select" and _is(result, tuple):
        return " ".join(_word(each, name_of) for each in result)
    if call in ("accept", "accept4", "accept_many", "try_accept"):
        made = result if call == "accept_many" else [result]
        return " ".join(_word(came, name_of) for _, came in made)  # a socket has no name yet
    if hasattr(result, "eof"):  # Drained
        return f"{len(result.data)} eof" if result.eof else str(len(result.data))
    return _word(result, name_of)


def _word(value: Any, name_of: NameOf) -> str:  # noqa: ANN401 - any argument
    if _is(value, bytes, bytearray):
        return str(len(value))
    if _is(value, tuple) and [*map(type, value[:2])] == [str, int]:
        return f"{value[0]}:{value[1]}"
    if _is(value, tuple) and value and _is(value[0], bytes):
        return str(len(value[0]))  # recvfrom, recvmsg
    if _is(value, list, tuple):
        return f"[{' '.join(_word(each, name_of) for each in value)}]"
    if hasattr(value, "fileno"):
        return name_of(value) or f"fd {value.fileno()}"
    return str(value) if type(value) is int else describe(value)


def _is(value: object, *kinds: type) -> bool:
    return isinstance(value, kinds)


def _option_name(level: int, option: int) -> str:
    """The constant's name: SO_REUSEADDR, TCP_NODELAY."""
    for stem in _STEMS.get(level, ()):
        for name, value in vars(socket).items():
            if name.startswith(stem) and value == option and not name.startswith("SO_VM_"):
                return name
    return f"{level}/{option}"


_STEMS: Final = {
    socket.SOL_SOCKET: ("SO_",),
    socket.IPPROTO_TCP: ("TCP_",),
    socket.IPPROTO_IP: ("IP_",),
    socket.IPPROTO_IPV6: ("IPV6_",),
    socket.IPPROTO_UDP: ("UDP_",),
}
