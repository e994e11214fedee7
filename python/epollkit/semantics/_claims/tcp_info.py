"""TCP_INFO: what the kernel tells of a connection."""

from socket import IPPROTO_TCP, TCP_INFO

from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

LINUX_2_6 = 104
"""Its length then."""
ENOUGH = 1024


@claim(
    "TCP_INFO is a structure of a fixed size",
    topic="transfer",
    verdict=Verdict.FALSE,
    truth="it grows with the kernel, and getsockopt returns as much of it as fits: parse by the "
    "length that came back",
    man="tcp(7), getsockopt(2)",
    notebook="01",
)
def tcp_info_has_a_fixed_size(lab: Lab) -> None:
    """It is read with a buffer of 8 bytes, of 104 bytes (as in Linux 2.6), and of 1,024.

    Fields are only ever added at the end, so a program that knows fewer gets those that it knows.
    """
    near, _ = lab.tcp_pair()

    def length(size: int) -> int:
        return len(near.getsockopt(IPPROTO_TCP, TCP_INFO, size))

    lab.contradicts("a buffer of 8", length(8), 8)
    lab.contradicts("a buffer of 104", length(LINUX_2_6), LINUX_2_6)
    lab.contradicts("a buffer of 1,024", length(ENOUGH), lambda size: LINUX_2_6 < size < ENOUGH)
