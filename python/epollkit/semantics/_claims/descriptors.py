"""Descriptors, and the open sockets behind them: dup, exec, close and shutdown."""

import fcntl
import subprocess
import sys
from socket import SHUT_WR
from typing import Final

from epollkit import EPOLLIN, EPOLLOUT, EPOLLRDHUP, EventFlags, Socket
from epollkit.semantics._lab import MUST_END, Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT, RDHUP = EventFlags.IN, EventFlags.OUT, EventFlags.RDHUP
ALL: Final = EPOLLIN | EPOLLOUT | EPOLLRDHUP


def _dup(lab: Lab, source: Socket, name: str = "dup") -> Socket:
    """Another descriptor, as dup(2) makes it: Python's own ways add FD_CLOEXEC."""
    number = fcntl.fcntl(source, fcntl.F_DUPFD, 0)
    return lab.keep(Socket(fileno=number, timeout=None), name)


@claim(
    "O_NONBLOCK belongs to the open file description, which dup and fork share",
    topic="descriptors",
    verdict=Verdict.TRUE,
    man="fcntl(2), open(2), fork(2)",
    notebook="01",
)
def nonblocking_mode_is_shared(lab: Lab) -> None:
    """The mode is changed through a duplicate, then by a child that inherited the socket.

    A descriptor is only a number for an open file, and the mode is the file's. So a program that is
    given a socket (a terminal, a pipe) and changes its mode changes it for everybody.
    """
    near, far = lab.unix_pair()
    other = _dup(lab, near)
    lab.supports("a duplicate of a non-blocking socket", lab.flags(other), ["O_NONBLOCK"])
    other.settimeout(None)
    lab.supports(
        "the duplicate is put into blocking mode: the first", "O_NONBLOCK" in lab.flags(near), False
    )
    lab.child("import os, sys; os.set_blocking(int(sys.argv[1]), False)", near)
    lab.note("a child sets O_NONBLOCK")
    lab.supports("a child goes back: the first", "O_NONBLOCK" in lab.flags(near), True)
    lab.supports("a child goes back: the duplicate", lab.flags(other), ["O_NONBLOCK"])
    lab.shows("the far end, another open file", lab.flags(far), ["O_NONBLOCK", "FD_CLOEXEC"])


@claim(
    "FD_CLOEXEC belongs to the descriptor",
    topic="descriptors",
    verdict=Verdict.TRUE,
    man="fcntl(2)",
    notebook="01",
)
def cloexec_belongs_to_the_descriptor(lab: Lab) -> None:
    """A socket with FD_CLOEXEC is duplicated, and the flag is changed on the duplicate.

    The flag is kept in the process's table beside the number, so each has its own, and dup(2)
    starts without it.
    """
    near, _ = lab.unix_pair()
    other = _dup(lab, near)
    lab.supports("dup does not copy it: the first", lab.flags(near), ["O_NONBLOCK", "FD_CLOEXEC"])
    lab.supports("dup does not copy it: the duplicate", lab.flags(other), ["O_NONBLOCK"])
    lab.call(fcntl.fcntl, other, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    lab.call(fcntl.fcntl, near, fcntl.F_SETFD, 0)
    lab.supports("both changed: the first", lab.flags(near), ["O_NONBLOCK"])
    lab.supports("both changed: the duplicate", lab.flags(other), ["O_NONBLOCK", "FD_CLOEXEC"])
    lab.shows("Socket.dup sets it", lab.flags(lab.keep(near.dup())), ["O_NONBLOCK", "FD_CLOEXEC"])


@claim(
    "A program that is started gets all open sockets",
    topic="descriptors",
    verdict=Verdict.CONDITION,
    truth="those without FD_CLOEXEC; Python and epollkit set it on all they make (PEP 446)",
    man="execve(2), fcntl(2)",
    notebook="01",
)
def exec_keeps_open_sockets(lab: Lab) -> None:
    """A program looks whether two descriptors are open, of which one has FD_CLOEXEC.

    exec closes what has the flag and nothing else. Python's subprocess also closes all but 0 to 2,
    unless told not to, as here.
    """
    closing, kept = lab.unix_pair("with FD_CLOEXEC", "without")
    kept.set_inheritable(True)
    code = """
import os, sys
for number in map(int, sys.argv[1:]):
    try:
        os.fstat(number)
        print("open")
    except OSError:
        print("closed")
"""
    numbers = [str(each.fileno()) for each in (kept, closing)]
    seen = subprocess.run(  # noqa: S603 - this interpreter, and our own code
        [sys.executable, "-c", code, *numbers],
        close_fds=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=MUST_END,
        check=True,
    ).stdout.split()
    lab.note(f"a program finds one {seen[0]}, the other {seen[1]}")
    lab.supports("without FD_CLOEXEC", seen[0], "open")
    lab.contradicts("with FD_CLOEXEC", seen[1], "closed")


@claim(
    "close on a dup'ed socket closes the connection",
    topic="descriptors",
    verdict=Verdict.FALSE,
    truth="only closing the last descriptor does; shutdown ends it at once, through any of them",
    man="close(2), dup(2)",
    notebook="01",
)
def close_of_a_duplicate_closes_the_connection(lab: Lab) -> None:
    """One of two descriptors is closed, a child that inherited the other ends, then it is closed.

    The kernel counts who refers to an open file, and ends the connection when nobody is left.
    """
    near, far = lab.tcp_pair()
    other = _dup(lab, near)
    epoll = lab.epoll("LT far", far, mask=ALL)
    near.close()
    lab.child("", other)
    lab.note("a child that inherited the duplicate has ended")
    other.send(b"open")
    lab.arrived(far, 4)
    lab.contradicts(
        "one is closed, a child with the other ended: the peer", lab.ready(epoll), IN | OUT
    )
    lab.contradicts("what the other sends is received", far.recv(9), b"open")
    other.close()
    lab.readable(far)
    lab.shows("the last one is closed: the peer", lab.ready(epoll), IN | OUT | RDHUP)
    lab.shows("and recv", far.recv(9), b"")


@claim(
    "shutdown acts on the connection, whatever other descriptors there are",
    topic="descriptors",
    verdict=Verdict.TRUE,
    man="shutdown(2)",
    notebook="01",
)
def shutdown_acts_on_all_descriptors(lab: Lab) -> None:
    """One direction is shut down through one of two descriptors, which both stay open."""
    near, far = lab.tcp_pair()
    other = _dup(lab, near)
    near.shutdown(SHUT_WR)
    lab.readable(far)
    lab.supports("the peer: epoll", lab.ready(lab.epoll("LT far", far, mask=ALL)), IN | OUT | RDHUP)
    lab.supports("the peer: recv", far.recv(1), b"")
    lab.supports("send through the other", lab.error(other.send, b"more"), "EPIPE")
    far.send(b"back")
    lab.arrived(other, 4)
    lab.shows("the other direction still works", other.recv(4), b"back")


@claim(
    "Each duplicate of a socket receives all data",
    topic="descriptors",
    verdict=Verdict.FALSE,
    truth="there is one receive queue: what one of them, or a child, has read is gone for all",
    man="dup(2), fork(2)",
    notebook="01",
)
def each_duplicate_receives_all(lab: Lab) -> None:
    """Twelve bytes arrive; a duplicate, a child and the first descriptor read four each."""
    near, far = lab.tcp_pair()
    other = _dup(lab, near)
    far.send(b"one two six.")
    lab.arrived(near, 12)
    lab.shows("the duplicate reads", other.recv(4), b"one ")
    child = lab.child("import os, sys; print(os.read(int(sys.argv[1]), 4).decode(), end='')", near)
    lab.note(f"a child reads {len(child.stdout)}")
    lab.contradicts("then a child reads", child.stdout, "two ")
    lab.contradicts("then the first reads", near.recv(12), b"six.")


@claim(
    "When a child exits, the connections that it inherited end",
    topic="descriptors",
    verdict=Verdict.CONDITION,
    truth="those that the parent has closed; so a server that forks must close what it hands over",
    man="exit(3), fork(2), close(2)",
    notebook="01",
)
def exit_ends_inherited_connections(lab: Lab) -> None:
    """A child inherits two connections; the parent closes one of them, and the child exits.

    Exit closes the child's descriptors. Where the parent still has one the peer sees no end, and
    waits for one.
    """
    handed, handed_far = lab.tcp_pair("handed over", "its peer")
    kept, kept_far = lab.tcp_pair("kept", "peer of the kept")
    code = "import os, sys; number = int(sys.argv[1]); os.set_blocking(number, True); "
    code += "os.read(number, 1); os.write(number, b'child')"
    child = lab.thread(lambda: lab.child(code, handed, kept))
    lab.note("a child has inherited both")
    handed.close()
    handed_far.send(b"?")
    lab.shows("the child's exit code", child.result(MUST_END).returncode, 0)
    lab.note("the child has answered and ended")
    lab.arrived(handed_far, 5)
    lab.shows("the parent closed it, the child lived: recv", handed_far.recv(5), b"child")
    lab.readable(handed_far)
    lab.supports("closed by the parent: recv after the exit", handed_far.recv(1), b"")
    lab.contradicts("kept by the parent: recv after it", lab.error(kept_far.recv, 1), "EAGAIN")
    kept.send(b"parent")
    lab.arrived(kept_far, 6)
    lab.contradicts("and then", kept_far.recv(6), b"parent")
