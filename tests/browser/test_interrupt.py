"""JupyterLab's Interrupt button ends a call that is blocked in the kernel."""

import itertools

import pytest

from lab_support import Lab, must_sleep, notebook_of
from support import wait_until

SETUP = """\
import os
import sys
from socket import SO_SNDBUF, SOL_SOCKET

import epollkit
from epollkit.load import ClosedLoop

near, far = epollkit.socketpair()
near.setsockopt(SOL_SOCKET, SO_SNDBUF, 1)
listener = epollkit.Socket(timeout=None)
listener.bind(("127.0.0.1", 0))
listener.listen(0)
poll = epollkit.Poll()
poll.register(near, epollkit.POLLIN)
peer = epollkit.serve.echo()
sampler = epollkit.Sampler([near], interval=3600)  # whoever waits is woken by each round


def here():
    with open(MARKER, "w") as file:
        file.write(f"{os.getpid()}\\n")


def pending():
    # The queue holds one connection; the next stays in SYN_SENT.
    queued.append(epollkit.connect(listener.getsockname(), timeout=5))
    return listener.getsockname()


queued = []
try:
    raise KeyboardInterrupt
except KeyboardInterrupt:  # IPython's first traceback loads a tenth of a second of modules
    get_ipython().InteractiveTB.structured_traceback(*sys.exc_info())
"""

BLOCKED = {
    "epoll with a time-out": "here(); epollkit.Epoll().wait(60)",
    "epoll without": "here(); epollkit.Epoll().wait()",
    "poll": "here(); poll.wait(60)",
    "select": "here(); epollkit.select([near], [], [], 60)",
    "recv with a time-out": "near.settimeout(60); here(); near.recv(1)",
    "recv without": "near.settimeout(None); here(); near.recv(1)",
    "sendall": "near.settimeout(None); here(); near.sendall(bytes(10_000_000))",
    "accept": "here(); listener.accept()",
    "connect": "address = pending(); here(); epollkit.connect(address, timeout=60)",
    "connect_many": "addresses = [pending()]; here(); list(epollkit.connect_many(addresses))",
    "a load's result": """\
with ClosedLoop([epollkit.connect(peer.address)], b"x", duration=60) as load:
    here()
    load.result()""",
    "a peer's counters": "here(); peer.wait_until(lambda counters: False, 60)",
    "a sampler's rounds": "here(); sampler.wait_rounds(10**12, timeout=None)",
}

numbers = itertools.count()


@pytest.mark.parametrize("call", BLOCKED)
def test_interrupt_ends_a_blocked_call_within_a_second(lab: Lab, call: str) -> None:
    marker = lab.server.folder / f"marker-{next(numbers)}"
    setup = f"MARKER = {str(marker)!r}\n{SETUP}"
    with lab.open("interrupt.ipynb", notebook_of(setup, BLOCKED[call], "1 / 0")) as notebook:
        notebook.start()
        notebook.must_reach(1)
        wait_until(lambda: marker.exists() and marker.read_text().endswith("\n"))
        must_sleep(int(marker.read_text()))
        seconds = notebook.interrupt()
        quiet, interrupted, skipped = notebook.outputs()
        assert (quiet, skipped) == ([], [])
        assert [output["ename"] for output in interrupted] == ["KeyboardInterrupt"]
        assert notebook.execute("sampler.stop(); peer.close(); print(6 * 7)") == ("ok", "42\n")
        assert 0 < seconds < 1
