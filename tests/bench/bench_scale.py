"""Many clients in one process, and how long their server takes to stop.

    python tests/bench/bench_scale.py
    python tests/bench/bench_scale.py --clients 19000    # needs 19,100 descriptors on each side

A round starts the native echo server, connects the clients with one `connect_many`, waits until
all are accepted, and closes the server with every client still connected. Both ends are in this
process, but the server's descriptors count for its thread alone. Loopback addresses differ by
client, since one pair of addresses has only some 28,000 ports.
"""

from __future__ import annotations

import sys
import time

import _harness as harness

epollkit = harness.optional_module("epollkit")

PER_ADDRESS = 20_000
"""Fewer than the ephemeral ports that one pair of addresses has."""


def run(clients: int) -> tuple[float, float]:
    """Microseconds for each connection, and milliseconds to stop."""
    with epollkit.serve.echo("0.0.0.0") as peer:  # noqa: S104 - for every 127.x.y.z
        addresses = (
            (f"127.1.0.{1 + number // PER_ADDRESS}", peer.port) for number in range(clients)
        )
        started = time.perf_counter()
        sockets = [result.socket for result in epollkit.connect_many(addresses, timeout=30)]
        connected = time.perf_counter() - started
        if None in sockets:
            raise SystemExit(f"{sockets.count(None)} of {clients} connects failed")
        peer.wait_until(lambda counters: counters.open == clients, timeout=30)
        started = time.perf_counter()
        peer.close()
        stopped = time.perf_counter() - started
    for sock in sockets:
        sock.close()
    return connected / clients * 1e6, stopped * 1e3


def main() -> int:
    """Runs it."""
    parser = harness.parser(__doc__)
    parser.add_argument("--clients", type=int, help="only so many, not 1,000 and 5,000")
    report = harness.Report("scale", harness.parse(parser, harness.Plan(11, 0), harness.Plan(3, 0)))
    if not epollkit:
        return report.finish()
    rows = []
    for clients in [report.options.clients] if report.options.clients else [1_000, 5_000]:
        epollkit.limits.raise_nofile(clients + 100)
        rounds = [run(clients) for _ in range(report.options.rounds)]
        report.data[str(clients)] = rounds
        connect, stop = (harness.Spread.of(column) for column in zip(*rounds, strict=True))
        rows.append([f"{clients:,}", str(connect), str(stop)])
        if clients == 1_000:
            report.promise("1,000 clients: milliseconds to stop", stop, 100)
    report.table(["clients", "us to connect each", "ms to stop the server"], rows)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
