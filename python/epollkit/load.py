"""Native load: request and reply over many connections, measured without the GIL."""

from epollkit._epollkit import ClosedLoop, LoopResult

__all__ = ["ClosedLoop", "LoopResult"]
