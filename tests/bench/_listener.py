"""Where bench_connect.py connects to: `python _listener.py CONNECTIONS`.

It listens on a few ports of every loopback address and prints them. A line on stdin makes it
accept and reset all that has come, and print how many that were. Until then it sleeps: the kernel
completes the handshakes, and nobody has to be woken on another CPU for each of them, which on a
virtual machine costs more than the connect.

The backlogs together take all CONNECTIONS: a full one drops SYNs, and then the benchmark would
measure a retransmission timer of one second. A reset leaves no TIME_WAIT behind, so no round
starts with fewer ports or a fuller table than the one before.
"""

from __future__ import annotations

import math
import socket
import struct
import sys
from pathlib import Path

import _harness as harness

RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER; accepted sockets inherit it
BACKLOG = 4096


def listen() -> socket.socket:
    """A non-blocking listener on a port of the kernel's choice."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    listener.bind(("0.0.0.0", 0))  # noqa: S104 - for all of 127.0.0.0/8
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def reset_all(listener: socket.socket) -> int:
    """Empties an accept queue and says how many were in it."""
    count = 0
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return count
        connection.close()
        count += 1


def main(connections: int) -> None:
    """Serves until stdin ends."""
    longest = int(Path("/proc/sys/net/core/somaxconn").read_text())
    ports = math.ceil(connections / min(BACKLOG, longest)) + 1
    harness.raise_file_limit(ports + 100)
    listeners = [listen() for _ in range(ports)]
    print(*(listener.getsockname()[1] for listener in listeners), flush=True)
    for _ in sys.stdin:
        print(sum(map(reset_all, listeners)), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
