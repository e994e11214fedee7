"""Native echo against a C epoll loop and the Protocol servers of asyncio, uvloop and rloop.

    python tests/bench/bench_echo.py
    python tests/bench/bench_echo.py --servers c-level,epollkit-edge --rounds 31

One client (echo_client.c, a closed loop of 64 bytes) for all. Every measurement starts a fresh
server; each round measures every server once; ratios are to the level-triggered C server of the
same round. CPU is the server's user and system time over exactly the messages that it answered.

Two placements. "apart": the server alone on one CPU, the client on another; this shows the rate.
"together": both on the same CPU. On a virtual machine it costs tens of microseconds to wake another
CPU; apart they are charged to the server and hide what servers differ by, above all with 1
connection. Together nobody wakes another CPU, so this shows the CPU time.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import _harness as harness

if TYPE_CHECKING:
    from collections.abc import Callable

BASE = "c-level"
CONNECTIONS = (1, 64, 1000)
CLIENT_CPUS = {"apart": harness.CLIENT_CPU, "together": harness.SERVER_CPU}

Command = list[str | Path]


@dataclass(frozen=True)
class Load:
    """What one server did in one round."""

    rate: float  # messages per second
    cpu: float  # server CPU seconds per message


def servers(program: Path, wanted: str) -> dict[str, Command]:
    """The command of every wanted server that can run here; the base is always wanted."""
    python: Command = [sys.executable, harness.HERE / "_echo_server.py"]
    found: dict[str, Command] = {BASE: [program], "c-edge": [program, "--edge"]}
    if harness.optional_module("epollkit"):
        found |= {name: [*python, name] for name in ("epollkit-level", "epollkit-edge")}
    for name in ("asyncio", "uvloop", "rloop"):
        if harness.optional_module(name):
            found[name] = [*python, name]
    chosen = {BASE, *(wanted.split(",") if wanted else found)}
    return {name: command for name, command in found.items() if name in chosen}


@dataclass(frozen=True)
class Bench:
    """What all measurements share."""

    report: harness.Report
    commands: dict[str, Command]
    client: Path

    def compare(self, placement: str, connections: int) -> None:
        """Measures all servers in one situation."""

        def side(command: Command) -> Callable[[], Load]:
            return lambda: self.measure(command, CLIENT_CPUS[placement], connections)

        sides = {name: side(command) for name, command in self.commands.items()}
        loads = harness.interleave(sides, self.report.options.rounds)
        rates = {name: [load.rate for load in loads[name]] for name in loads}
        cpus = {name: [load.cpu for load in loads[name]] for name in loads}
        rows = []
        for name in self.commands:
            rate = harness.ratio(rates[name], rates[BASE])
            cpu = harness.ratio(cpus[name], cpus[BASE])
            rate_median = harness.Spread.of(rates[name]).median
            cpu_median = harness.Spread.of(cpus[name]).median * 1e6
            rows.append([name, f"{rate_median:,.0f}", f"{cpu_median:.2f}", str(rate), str(cpu)])
            self.record(f"{name}, {connections} connections, {placement}", loads[name], rate, cpu)
        head = [
            f"{connections}, {placement}",
            "messages/s",
            "CPU us/message",
            "rate / C",
            "CPU / C",
        ]
        self.report.table(head, rows)

    def measure(self, command: Command, client_cpu: int, connections: int) -> Load:
        """Loads a fresh server once."""
        with harness.Process(command, harness.SERVER_CPU) as server:
            arguments = [server.answer(), str(connections), str(self.report.options.seconds)]
            with harness.Process([self.client, *arguments], client_cpu) as loader:
                assert loader.answer() == "ready"
                before = server.cpu_seconds()
                messages, elapsed_ns = map(int, loader.ask("go").split())
                cpu = server.cpu_seconds() - before
        return Load(messages / elapsed_ns * 1e9, cpu / messages)

    def record(
        self, name: str, loads: list[Load], rate: harness.Spread, cpu: harness.Spread
    ) -> None:
        """Keeps the data; epollkit's are held against the targets."""
        self.report.data[name] = {"rounds": loads, "rate_ratio": rate, "cpu_ratio": cpu}
        if name.startswith("epollkit"):
            self.report.promise(f"{name}: CPU per message, of C's", cpu, 1.0)
            self.report.promise(f"{name}: messages/s, of C's", rate, 1.0, at_least=True)


def main() -> int:
    """Runs it."""
    parser = harness.parser(__doc__)
    parser.add_argument("--servers", default="", help="names, separated by commas; default: all")
    options = harness.parse(parser, harness.Plan(11, 0.5), quick=harness.Plan(2, 0.1))
    harness.raise_file_limit(4096)
    report = harness.Report("echo", options)
    with harness.compiled("echo_epoll.c", "echo_client.c") as (server, client):
        bench = Bench(report, servers(server, options.servers), client)
        for placement in CLIENT_CPUS:
            for connections in CONNECTIONS:
                bench.compare(placement, connections)
    if not report.targets:
        report.promise("epollkit: CPU per message, of C's", None, 1.0)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
