"""bind: who needs it, when the kernel chooses instead, and what the wildcard addresses take."""

from pathlib import Path
from socket import AF_INET6, IP_BIND_ADDRESS_NO_PORT, IPPROTO_IP, IPPROTO_IPV6, IPV6_V6ONLY
from typing import Final

from epollkit import Socket, has_dualstack_ipv6
from epollkit.semantics._lab import MUST_ARRIVE, Lab
from epollkit.semantics._registry import Verdict, claim

ANY: Final = "0.0.0.0"  # noqa: S104 - to bind it is what some claims are about
FOREIGN: Final = "192.0.2.1"
"""An address that no machine has (RFC 5737)."""


def _chosen(port: int) -> bool:
    return port > 0


@claim(
    "A client may bind, too",
    topic="creation",
    verdict=Verdict.TRUE,
    man="bind(2), ip(7)",
    notebook="01",
)
def client_may_bind(lab: Lab) -> None:
    """A client takes an address and a port before it connects, and the server asks who came.

    Without bind the kernel chooses both at connect; with it the choice is the client's.
    """
    listener = lab.listener()
    client = lab.socket("client", timeout=MUST_ARRIVE)
    client.bind((lab.address, 0))
    chosen = client.getsockname()
    client.connect(listener.getsockname())
    lab.readable(listener)
    server, peer = listener.accept()
    lab.keep(server, "server")
    lab.supports("the server's peer has the address that the client bound", peer == chosen, True)
    lab.supports("its host", peer[0], lab.address)


@claim(
    "Binding port 0 lets the kernel choose a port, at bind",
    topic="creation",
    verdict=Verdict.CONDITION,
    truth="with IP_BIND_ADDRESS_NO_PORT it chooses at connect, when it knows the whole connection",
    man="ip(7)",
    notebook="01",
)
def port_zero_is_chosen_at_bind(lab: Lab) -> None:
    """The name is asked for after each step, with and without IP_BIND_ADDRESS_NO_PORT.

    A port chosen at connect need only make the pair of addresses unique, so that more connections
    than there are ports can be made from one address.
    """
    listener = lab.listener()
    port = listener.getsockname()[1]
    lab.supports("port after bind", port, _chosen)
    client = lab.socket("client", timeout=MUST_ARRIVE)
    client.setsockopt(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    client.bind((lab.address, 0))
    lab.contradicts(
        "with IP_BIND_ADDRESS_NO_PORT, after bind", client.getsockname(), (lab.address, 0)
    )
    client.connect(listener.getsockname())
    lab.shows("and after connect", client.getsockname()[1], _chosen)


@claim(
    "Without bind the kernel chooses the port at connect or at listen",
    topic="creation",
    verdict=Verdict.TRUE,
    man="ip(7)",
    notebook="01",
)
def unbound_port_is_chosen_at_connect_or_listen(lab: Lab) -> None:
    """The name of a socket that was not bound: at first, after connect, after listen.

    connect takes the address that the route to the peer starts from; listen takes all of them.
    """
    listener = lab.listener()
    client = lab.socket("client", timeout=MUST_ARRIVE)
    lab.supports("at first", client.getsockname(), (ANY, 0))
    client.connect(listener.getsockname())
    host, port = client.getsockname()
    lab.supports("port after connect", port, _chosen)
    lab.shows("host after connect", host, "127.0.0.1")
    unbound = lab.socket("unbound listener")
    unbound.listen(1)
    host, port = unbound.getsockname()
    lab.supports("port after listen", port, _chosen)
    lab.supports("host after listen", host, ANY)


@claim(
    "INADDR_ANY (0.0.0.0) accepts on every local address",
    topic="creation",
    verdict=Verdict.TRUE,
    man="ip(7)",
    notebook="01",
)
def any_address_accepts_on_every_local_address(lab: Lab) -> None:
    """One listener on 0.0.0.0 is reached at three addresses.

    The accepted socket has the address that its client asked for, not 0.0.0.0.
    """
    listener = lab.socket("listener")
    listener.bind((ANY, 0))
    listener.listen(8)
    port = listener.getsockname()[1]
    lab.shows("the listener's own host", listener.getsockname()[0], ANY)
    for host in ("127.0.0.1", "127.1.2.3", lab.address):
        lab.socket(f"client of {host}", timeout=MUST_ARRIVE).connect((host, port))
        lab.readable(listener)
        server, _ = listener.accept()
        lab.keep(server, f"server at {host}")
        lab.supports("accepted at", server.getsockname(), (host, port))


@claim(
    "A listener on :: takes IPv4 connections, too",
    topic="creation",
    verdict=Verdict.CONDITION,
    truth="unless IPV6_V6ONLY is set; whether it is at first is up to net.ipv6.bindv6only",
    man="ipv6(7)",
    notebook="01",
)
def ipv6_any_takes_ipv4_connections(lab: Lab) -> None:
    """Two listeners on ::, with and without IPV6_V6ONLY, are called by IPv4.

    To a socket of both kinds an IPv4 peer has an address in ::ffff:0:0/96.
    """
    lab.needs(has_dualstack_ipv6(), "IPv6")
    fresh = lab.socket("fresh", AF_INET6).getsockopt(IPPROTO_IPV6, IPV6_V6ONLY)
    setting = int(Path("/proc/sys/net/ipv6/bindv6only").read_text())
    lab.shows("IPV6_V6ONLY of a new socket", fresh, setting)
    both = _on_every_ipv6_address(lab, "both", v6only=False)
    caller = lab.socket("caller of both", timeout=MUST_ARRIVE)
    caller.connect((lab.address, both.getsockname()[1]))
    lab.readable(both)
    server, peer = both.accept()
    lab.keep(server, "server")
    lab.supports("without IPV6_V6ONLY: the peer", peer[0], "::ffff:127.0.0.1")
    only = _on_every_ipv6_address(lab, "only IPv6", v6only=True)
    caller = lab.socket("caller of only IPv6", timeout=MUST_ARRIVE)
    refused = lab.error(caller.connect, (lab.address, only.getsockname()[1]))
    lab.contradicts("with IPV6_V6ONLY: connect", refused, "ECONNREFUSED")
    late = lab.error(only.setsockopt, IPPROTO_IPV6, IPV6_V6ONLY, 0)
    lab.shows("to change it after bind", late, "EINVAL")


def _on_every_ipv6_address(lab: Lab, name: str, *, v6only: bool) -> Socket:
    listener = lab.socket(name, AF_INET6)
    listener.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, v6only)
    listener.bind(("::", 0))
    listener.listen(1)
    return listener


@claim(
    "bind says by its errno what is wrong with the address",
    topic="creation",
    verdict=Verdict.TRUE,
    man="bind(2)",
    notebook="01",
)
def bind_says_what_is_wrong(lab: Lab) -> None:
    """An address that is taken, one that this machine does not have, and a second bind."""
    listener = lab.listener()
    other = lab.socket("other")
    lab.supports(
        "a port that is taken", lab.error(other.bind, listener.getsockname()), "EADDRINUSE"
    )
    foreign = lab.error(other.bind, (FOREIGN, 0))
    lab.supports("an address of another machine", foreign, "EADDRNOTAVAIL")
    lab.shows("after both a free one", lab.error(other.bind, (lab.address, 0)), "none")
    lab.supports("bound already", lab.error(other.bind, (lab.address, 0)), "EINVAL")
