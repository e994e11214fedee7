"""SO_REUSEADDR and SO_REUSEPORT: two options, two purposes."""

from pathlib import Path
from socket import SO_REUSEADDR, SO_REUSEPORT, SOL_SOCKET, inet_aton
from typing import Final

from epollkit import Socket, TcpState
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

CLIENTS: Final = 64
"""The odds that a fair hash sends all of them to one of two listeners are 1 in 2**63."""


@claim(
    "One setsockopt(SO_REUSEADDR | SO_REUSEPORT) sets both",
    topic="creation",
    verdict=Verdict.FALSE,
    truth="options are numbers, not bits: 2 | 15 is 15, which is SO_REUSEPORT alone",
    man="socket(7)",
    notebook="01",
)
def one_setsockopt_sets_reuseaddr_and_reuseport(lab: Lab) -> None:
    """The option numbers are combined as flags would be, and both options are read afterwards."""
    sock = lab.socket()
    sock.setsockopt(SOL_SOCKET, SO_REUSEADDR | SO_REUSEPORT, 1)
    lab.contradicts("SO_REUSEADDR afterwards", sock.getsockopt(SOL_SOCKET, SO_REUSEADDR), 0)
    lab.shows("SO_REUSEPORT afterwards", sock.getsockopt(SOL_SOCKET, SO_REUSEPORT), 1)
    numbers = [int(SO_REUSEADDR), int(SO_REUSEPORT), SO_REUSEADDR | SO_REUSEPORT]
    lab.shows("SO_REUSEADDR, SO_REUSEPORT, and both combined", numbers, [2, 15, 15])


@claim(
    "SO_REUSEADDR lets a server bind again over connections in TIME_WAIT",
    topic="creation",
    verdict=Verdict.TRUE,
    man="socket(7), tcp(7), RFC 9293",
    notebook="01",
)
def reuseaddr_binds_over_time_wait(lab: Lab) -> None:
    """A server ends its connection first, stops, and starts again: without the option, and with it.

    Who closes first keeps the pair of addresses for a minute, so that a late segment cannot fall
    into a new connection. The port is taken for as long, unless both servers set the option.
    """
    address = _in_time_wait(lab, reuse=1)
    again = lab.socket("again")
    lab.supports("bind without it", lab.error(again.bind, address), "EADDRINUSE")
    again.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    lab.supports("bind with it", lab.error(again.bind, address), "none")
    lab.supports("and listen", lab.error(again.listen, 1), "none")


@claim(
    "SO_REUSEADDR on the new server is enough to bind over TIME_WAIT",
    topic="creation",
    verdict=Verdict.FALSE,
    truth="the old server must have had it, too: each connection keeps what its listener had",
    man="socket(7)",
    notebook="01",
)
def reuseaddr_on_the_new_server_is_enough(lab: Lab) -> None:
    """The first server did not set the option, the second one does.

    The kernel asks both holders of a port: what waits in TIME_WAIT took SO_REUSEADDR over from the
    socket that was closed.
    """
    address = _in_time_wait(lab, reuse=0)
    again = lab.socket("again")
    again.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    lab.contradicts(
        "bind with it, after a server without", lab.error(again.bind, address), "EADDRINUSE"
    )


def _in_time_wait(lab: Lab, reuse: int) -> tuple[str, int]:
    """The address of a server that has ended its only connection, and itself."""
    first = lab.socket("first server")
    first.setsockopt(SOL_SOCKET, SO_REUSEADDR, reuse)
    first.bind((lab.address, 0))
    first.listen(1)
    address: tuple[str, int] = first.getsockname()
    client = lab.socket("client", timeout=MUST_ARRIVE)
    client.connect(address)
    lab.readable(first)
    server, _ = first.accept()
    server.close()
    first.close()
    client.recv(1)
    client.close()
    lab.wait_until("TIME_WAIT", lambda: _state(address) is TcpState.TIME_WAIT)
    lab.note("the server's connection is in TIME_WAIT")
    return address


def _state(address: tuple[str, int]) -> TcpState | None:
    """The state of the first socket that /proc/net/tcp lists at this local address."""
    host = int.from_bytes(inet_aton(address[0]), "little")
    wanted = f"{host:08X}:{address[1]:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        if local == wanted:
            return TcpState(int(state, 16))
    return None


@claim(
    "SO_REUSEADDR lets two servers listen on one port",
    topic="creation",
    verdict=Verdict.FALSE,
    truth="not on Linux: while a socket listens there, bind fails; SO_REUSEPORT is for that",
    man="socket(7)",
    notebook="01",
)
def reuseaddr_lets_two_servers_listen(lab: Lab) -> None:
    """Both have the option; the second binds before and after the first listens."""
    first, second, third = (lab.socket(name) for name in ("first", "second", "third"))
    for each in (first, second, third):
        each.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    first.bind((lab.address, 0))
    address = first.getsockname()
    lab.shows("nobody listens yet: bind of the second", lab.error(second.bind, address), "none")
    first.listen(1)
    lab.contradicts(
        "the first listens: listen of the second", lab.error(second.listen, 1), "EADDRINUSE"
    )
    lab.contradicts(
        "the first listens: bind of a third", lab.error(third.bind, address), "EADDRINUSE"
    )


@claim(
    "SO_REUSEPORT lets several servers listen on one port, if all of them set it",
    topic="creation",
    verdict=Verdict.TRUE,
    man="socket(7)",
    notebook="01",
)
def reuseport_lets_several_listen(lab: Lab) -> None:
    """One, then another listens on the same port; then two cases in which one of two lacks it.

    It must be set before bind, and by one user: else any user could take a share of the clients.
    """
    first = _sharing(lab, "first", (lab.address, 0))
    address = first.getsockname()
    second = lab.socket("second")
    second.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
    lab.supports("both have it: bind", lab.error(second.bind, address), "none")
    lab.supports("both have it: listen", lab.error(second.listen, 1), "none")
    third = lab.socket("third")
    lab.supports("the third without it: bind", lab.error(third.bind, address), "EADDRINUSE")
    alone = lab.listener("alone")
    third.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
    refused = lab.error(third.bind, alone.getsockname())
    lab.supports("the first without it: bind", refused, "EADDRINUSE")


@claim(
    "SO_REUSEPORT spreads connections over the listeners",
    topic="creation",
    verdict=Verdict.TRUE,
    man="socket(7)",
    notebook="01",
)
def reuseport_spreads_connections(lab: Lab) -> None:
    """64 clients call the port of two listeners, and nobody accepts.

    A hash of both addresses chooses the listener when a connection arrives. It does not look at
    whose queue is shorter, and what is queued does not move to another listener.
    """
    first = _sharing(lab, "first", (lab.address, 0))
    second = _sharing(lab, "second", first.getsockname())

    def waiting(listener: Socket) -> int:
        return listener.tcp_info().unacked or 0

    for _ in range(CLIENTS):
        lab.keep(Socket(timeout=MUST_ARRIVE)).connect(first.getsockname())
    lab.wait_until("all of them queued", lambda: waiting(first) + waiting(second) == CLIENTS)
    lab.note(f"{CLIENTS} clients connect")
    lab.supports("queued at the first", waiting(first), _a_part)
    lab.supports("queued at the second", waiting(second), _a_part)


def _a_part(count: int) -> bool:
    return 0 < count < CLIENTS


def _sharing(lab: Lab, name: str, address: tuple[str, int]) -> Socket:
    listener = lab.socket(name)
    listener.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
    listener.bind(address)
    listener.listen(CLIENTS)
    return listener
