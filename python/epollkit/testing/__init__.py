"""A vocabulary for tests of sockets and readiness, and conformance suites for wrappers of them.

It works with epollkit's sockets and sets and with the standard library's, with any test runner or
with none. What does not hold is an `AssertionError`, what does not come in time a `WaitTimeout`.

    >>> from epollkit import EPOLLIN, Epoll, socketpair
    >>> from epollkit.testing import assert_would_block, expect_events
    >>> near, far = socketpair()
    >>> with near, far, Epoll() as epoll:
    ...     epoll.register(near, EPOLLIN)
    ...     assert_would_block(near.recv, 10)
    ...     _ = far.send(b"x")
    ...     _ = expect_events(epoll, {near: EPOLLIN})
"""

from epollkit.testing._buffers import Drained, drain_socket, fill_socket, recv_exactly
from epollkit.testing._check import check_epoll_semantics, check_stream_pair
from epollkit.testing._conformance import ConformanceError, Rule, Violation
from epollkit.testing._epoll_rules import EPOLL_RULES
from epollkit.testing._events import assert_would_block, expect_events, expect_no_events
from epollkit.testing._kinds import EpollLike, SocketLike
from epollkit.testing._selector_rules import SELECTOR_RULES
from epollkit.testing._stream_rules import STREAM_RULES

__all__ = [
    "EPOLL_RULES",
    "SELECTOR_RULES",
    "STREAM_RULES",
    "ConformanceError",
    "Drained",
    "EpollLike",
    "Rule",
    "SocketLike",
    "Violation",
    "assert_would_block",
    "check_epoll_semantics",
    "check_stream_pair",
    "drain_socket",
    "expect_events",
    "expect_no_events",
    "fill_socket",
    "recv_exactly",
]
