"""What is run, what is not, and where epollkit is known to differ: all of it data.

To add a module, add a row. A difference that no longer shows fails the run, so this file cannot
promise less than the truth.
"""

import sys
from dataclasses import dataclass

RESOURCES = ("cpu", "walltime")
"""Of `test.support`'s: what takes time, and nothing that leaves this machine."""

TEST_LIMIT = 60.0
"""Seconds for one test; the slowest takes about 10 on a busy machine."""


@dataclass(frozen=True)
class Row:
    """A module of CPython's test suite."""

    module: str
    resources: tuple[str, ...] = RESOURCES


# The slowest first, so that they do not run on alone at the end.
ROWS = (
    Row("test.test_socket"),
    Row("test.test_asyncio.test_events"),
    Row("test.test_asyncio.test_ssl"),
    Row("test.test_ssl"),
    Row("test.test_asyncio.test_subprocess"),
    Row("test.test_selectors"),
    Row("test.test_asyncio.test_sendfile"),
    Row("test.test_asyncio.test_sock_lowlevel"),
    Row("test.test_ftplib"),
    Row("test.test_asyncio.test_base_events"),
    Row("test.test_asyncio.test_taskgroups"),
    Row("test.test_asyncio.test_sslproto"),
    Row("test.test_asyncio.test_streams"),
    Row("test.test_asyncio.test_locks"),
    Row("test.test_xmlrpc"),
    Row("test.test_urllib2_localnet"),
    Row("test.test_asyncio.test_selector_events"),
    Row("test.test_select"),
    Row("test.test_smtplib"),
    Row("test.test_asyncio.test_unix_events"),
    Row("test.test_asyncio.test_waitfor"),
    Row("test.test_poll"),
    Row("test.test_asyncio.test_queues"),
    Row("test.test_httplib"),
    Row("test.test_asyncio.test_server"),
    # All of it says that it needs the network; it stays on 127.0.0.1.
    Row("test.test_socketserver", (*RESOURCES, "network")),
    Row("test.test_asyncio.test_buffered_proto"),
    Row("test.test_asyncio.test_context"),
    Row("test.test_asyncio.test_futures2"),
    Row("test.test_asyncio.test_threads"),
    Row("test.test_asyncio.test_timeouts"),
    Row("test.test_epoll"),
)

_TASKS = (
    "about tasks and futures: of the loop they need what every other row has, and take a minute"
)
_WINDOWS = "skips itself: Windows"
_NO_SOCKETS = "makes no socket and no selector, counted: there is nothing to replace"

MODULES_LEFT_OUT = {
    "test.test_asyncio.test_eager_task_factory": _TASKS,
    "test.test_asyncio.test_free_threading": _TASKS,
    "test.test_asyncio.test_futures": _TASKS,
    "test.test_asyncio.test_graph": _TASKS,
    "test.test_asyncio.test_pep492": _NO_SOCKETS,
    "test.test_asyncio.test_proactor_events": "the proactor loop: Windows",
    "test.test_asyncio.test_protocols": _NO_SOCKETS,
    "test.test_asyncio.test_runners": _NO_SOCKETS,
    "test.test_asyncio.test_staggered": _TASKS,
    "test.test_asyncio.test_tasks": _TASKS,
    "test.test_asyncio.test_tools": _NO_SOCKETS,
    "test.test_asyncio.test_transports": _NO_SOCKETS,
    "test.test_asyncio.test_windows_events": _WINDOWS,
    "test.test_asyncio.test_windows_utils": _WINDOWS,
}
"""Modules of the package test_asyncio that are no rows. Every one is a row or is here."""

TESTS_LEFT_OUT = {
    "test.test_socket.ThreadedVSOCKSocketStreamTest.*": (
        "waits for ever in accept(2), with the stdlib, where /dev/vsock is there and its loopback "
        "is not"
    ),
}
"""Patterns of tests that are run on neither side: what hangs in the baseline, and nothing else."""


@dataclass(frozen=True)
class Difference:
    """Tests that pass with the standard library and do not with epollkit, and why that is right."""

    pattern: str
    reason: str
    since: tuple[int, int] = (3, 11)
    until: tuple[int, int] = (3, 99)

    def here(self) -> bool:
        """Whether it concerns this interpreter."""
        return self.since <= sys.version_info[:2] <= self.until


DIFFERENCES = (
    Difference(
        "test.test_select.SelectTestCase.test_disallow_instantiation",
        "wants that nobody can call type(select.poll()); that is Poll, which is made by calling it",
    ),
    Difference(
        "test.test_socket.GeneralModuleTests.testSendtoErrors",
        "wants the words (1 given) in the TypeError of sendto with too few arguments; ours "
        "names the one that is missing",
    ),
    Difference(
        "test.test_socket.GeneralModuleTests.test_SocketType_is_socketobject",
        "wants socket.SocketType to be the C class _socket.socket; it is ours, so that isinstance "
        "tells the truth",
    ),
)
