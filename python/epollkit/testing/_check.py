"""The two suites that users run on what they have made."""

from __future__ import annotations

from selectors import BaseSelector
from typing import TYPE_CHECKING

from epollkit.testing._conformance import check
from epollkit.testing._epoll_rules import EPOLL_RULES
from epollkit.testing._selector_rules import SELECTOR_RULES
from epollkit.testing._stream_rules import STREAM_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from epollkit.testing._kinds import EpollLike, SocketLike

__all__ = ["check_epoll_semantics", "check_stream_pair"]


def check_epoll_semantics(
    make_epoll: Callable[[], EpollLike | BaseSelector], *, skip: Iterable[str] = ()
) -> list[str]:
    """Check that a set, or a selector, does what the kernel and its documentation say.

    Every rule is tried, each with new sets and sockets of its own, whatever the others find. Wrap
    it in a test of your own:

        >>> from epollkit import Epoll
        >>> checked = check_epoll_semantics(Epoll)
        >>> "edge-new-arrival" in checked
        True

        >>> import selectors
        >>> checked = check_epoll_semantics(selectors.DefaultSelector, skip=["regular-file"])
        >>> "modify-data" in checked, "regular-file" in checked
        (True, False)

    Args:
        make_epoll: makes a new one at each call, with `select.epoll`'s methods (register, modify,
            unregister, poll, close; without `fileno` the rules about nesting do not apply), or a
            `selectors.BaseSelector`. They are closed at the end of the rule.
        skip: names of rules in which it is meant to differ.

    Returns:
        The names of the rules that were checked, in the order of the table: `EPOLL_RULES` or
        `SELECTOR_RULES`.

    Raises:
        ConformanceError: rules are broken; an AssertionError. The message has, of each, the rule,
            what was expected, what was seen, and where it is written; so has `violations`.
        ValueError: `skip` has a name that is none of a rule.

    References:
        epoll(7) https://man7.org/linux/man-pages/man7/epoll.7.html
    """
    __tracebackhide__ = True
    probe = make_epoll()
    probe.close()
    rules = SELECTOR_RULES if isinstance(probe, BaseSelector) else EPOLL_RULES
    return check(rules, make_epoll, skip)


def check_stream_pair(
    make_pair: Callable[[], tuple[SocketLike, SocketLike]], *, skip: Iterable[str] = ()
) -> list[str]:
    """Check that two connected stream sockets do what send(2), recv(2) and shutdown(2) say.

        >>> from epollkit import socketpair
        >>> checked = check_stream_pair(socketpair)
        >>> "half-close" in checked
        True

    Args:
        make_pair: makes two sockets, connected to each other, at each call: `Socket`,
            `socket.socket`, or a wrapper with their methods. They are closed at the end of the
            rule, and may have been closed before.
        skip: names of rules in which they are meant to differ.

    Returns:
        The names of the rules that were checked, in the order of `STREAM_RULES`.

    Raises:
        ConformanceError, ValueError: as `check_epoll_semantics`.

    References:
        send(2) https://man7.org/linux/man-pages/man2/send.2.html
        recv(2) https://man7.org/linux/man-pages/man2/recv.2.html
    """
    __tracebackhide__ = True
    return check(STREAM_RULES, make_pair, skip)
