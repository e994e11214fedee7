"""The rules that a set with `select.epoll`'s methods must keep."""

from epollkit.testing._conformance import Rule
from epollkit.testing._epoll_calls import CALL_RULES
from epollkit.testing._epoll_events import EVENT_RULES

__all__ = ["EPOLL_RULES"]

EPOLL_RULES: tuple[Rule, ...] = EVENT_RULES + CALL_RULES
