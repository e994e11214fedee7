"""Names, numbers and byte order: what asks the kernel or the network, and what only computes."""

from typing import Final

import epollkit
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim


@claim(
    "htonl, htons, inet_pton and inet_ntop make no system call",
    topic="connect",
    verdict=Verdict.TRUE,
    man="byteorder(3), inet_pton(3), seccomp(2)",
    notebook="01",
)
def byte_order_needs_no_system_call(lab: Lab) -> None:
    """They are called by a process that any system call kills. So is gethostname, for contrast.

    They change the order of bytes, or a number into text: arithmetic. What a machine is called, and
    what a name stands for, is known to others: the kernel, files, servers.
    """
    calls = {
        "htonl": "socket.htonl(1)",
        "htons": "socket.htons(1)",
        "inet_pton": "socket.inet_pton(socket.AF_INET, '192.0.2.1')",
        "inet_ntop": "socket.inet_ntop(socket.AF_INET, bytes(4))",
    }
    *done, asked = lab.fenced(
        "import socket",
        *((call,) for call in calls.values()),
        ("socket.gethostname()",),
    )
    for name, outcome in zip(calls, done, strict=True):
        lab.supports(f"{name}, any system call forbidden", outcome, "done")
    lab.shows("gethostname, any system call forbidden", asked, "SIGSYS")


_LOOKUPS: Final = """
from ctypes import *
from socket import inet_ntoa

class hostent(Structure):
    _fields_ = [("name", c_char_p), ("aliases", c_void_p), ("family", c_int), ("length", c_int),
                ("addresses", POINTER(c_void_p))]

class addrinfo(Structure):
    _fields_ = [("numbers", c_int * 4), ("length", c_uint32), ("address", c_void_p)]

libc = CDLL(None)
libc.gethostbyname.restype = POINTER(hostent)

def getaddrinfo(name):
    found = POINTER(addrinfo)()
    libc.getaddrinfo(name, None, None, byref(found))
    return found

first = libc.gethostbyname(b"192.0.2.1")
second = libc.gethostbyname(b"192.0.2.2")
print(*(inet_ntoa(string_at(each.contents.addresses[0], 4)) for each in (first, second)))
first = getaddrinfo(b"192.0.2.1")
second = getaddrinfo(b"192.0.2.2")
print(*(inet_ntoa(string_at(each.contents.address + 4, 4)) for each in (first, second)))
"""


@claim(
    "gethostbyname is not thread-safe, getaddrinfo is",
    topic="connect",
    verdict=Verdict.TRUE,
    man="gethostbyname(3), getaddrinfo(3)",
    notebook="01",
)
def gethostbyname_is_not_thread_safe(lab: Lab) -> None:
    """Two addresses are looked up with the C library, and both results read after the second call.

    gethostbyname returns the address of memory that belongs to the library, and the next call, of
    any thread, writes over it. getaddrinfo makes a new list for each caller. Python's gethostbyname
    calls getaddrinfo, so that it is safe whatever the manual of C says.
    """
    child = lab.child(_LOOKUPS)
    old, new = (line.split() for line in child.stdout.splitlines())
    lab.note(f"a child: gethostbyname, twice, and both results: {', '.join(old)}")
    lab.note(f"a child: getaddrinfo, twice, and both results: {', '.join(new)}")
    lab.supports("gethostbyname, twice: the results", old, ["192.0.2.2", "192.0.2.2"])
    lab.supports("getaddrinfo, twice: the results", new, ["192.0.2.1", "192.0.2.2"])
    names = ("192.0.2.1", "192.0.2.2")
    python = [epollkit.gethostbyname(name) for name in names]
    lab.shows("epollkit.gethostbyname, twice", python, list(names))
