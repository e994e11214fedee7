"""What can be in an epoll set, and what epoll_create and epoll_ctl refuse."""

import ctypes
import os

from epollkit import Epoll, EventFlags, select
from epollkit.semantics._lab import Lab
from epollkit.semantics._registry import Verdict, claim

IN, OUT = EventFlags.IN, EventFlags.OUT


def _epoll_create(size: int) -> int:
    """epoll_create(2), which Python does not call: it has only epoll_create1.

    Raises:
        OSError: EINVAL.
    """
    number: int = ctypes.CDLL(None, use_errno=True).epoll_create(size)
    if number < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return number


@claim(
    "The size given to epoll_create is ignored, but must be positive",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_create(2)",
    notebook="03",
)
def epoll_create_ignores_a_positive_size(lab: Lab) -> None:
    """Sets of size 0, -1 and 1 are asked for, and the last one is given four sources.

    Before Linux 2.6.8 the size was a hint for a hash table. The table is a tree now; what is left
    is the check.
    """
    lab.supports("size 0", lab.error(_epoll_create, 0), "EINVAL")
    lab.supports("size -1", lab.error(_epoll_create, -1), "EINVAL")
    epoll = lab.keep(Epoll.fromfd(_epoll_create(1)), "size 1")
    for source in (*lab.unix_pair("first", "second"), *lab.unix_pair("third", "fourth")):
        epoll.register(source, OUT)
    lab.supports("size 1 and four sources: events", len(epoll.wait(0)), 4)
    lab.shows("Epoll(0), refused before any call", lab.error(Epoll, 0), "ValueError")


@claim(
    "epoll_create1 has flags in place of a size, and EPOLL_CLOEXEC is the only one",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_create(2)",
    notebook="03",
)
def epoll_create1_has_one_flag(lab: Lab) -> None:
    """A set of each call is asked whether a program started by exec would inherit it.

    EPOLL_CLOEXEC is O_CLOEXEC; there is no EPOLL_NONBLOCK, since a wait has a time-out of its own.
    """
    plain = _epoll_create(1)
    lab.keep(Epoll.fromfd(plain))
    lab.supports("epoll_create: inherited by exec", os.get_inheritable(plain), True)
    ours = lab.epoll()
    inherited = os.get_inheritable(ours.fileno())
    lab.supports("epoll_create1(EPOLL_CLOEXEC): inherited", inherited, False)
    others = [1 << bit for bit in range(31) if lab.error(_flags_only, 1 << bit) != "EINVAL"]
    lab.supports("flags that are not EINVAL", list(map(hex, others)), [hex(os.O_CLOEXEC)])


def _flags_only(flags: int) -> None:
    Epoll(flags=flags).close()


@claim(
    "Adding a source that is in the set fails with EEXIST",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="03",
)
def adding_twice_is_eexist(lab: Lab) -> None:
    """The same socket is registered twice, then unregistered and registered again."""
    near, _ = lab.unix_pair()
    epoll = lab.epoll("epoll", near, mask=OUT)
    lab.supports("the same socket once more", lab.error(epoll.register, near, IN), "EEXIST")
    lab.shows("the first registration goes on", lab.ready(epoll), OUT)
    epoll.unregister(near)
    lab.supports("after it was unregistered", lab.error(epoll.register, near, OUT), "none")


@claim(
    "An open file can be in a set only once",
    topic="epoll",
    verdict=Verdict.FALSE,
    truth="the key is the descriptor's number together with the open file: a duplicate can be "
    "added beside it, with a mask of its own",
    man="epoll(7)",
    notebook="03",
)
def an_open_file_is_in_a_set_only_once(lab: Lab) -> None:
    """A socket is watched for input, its duplicate for output, in one set.

    epoll(7) calls it a useful technique for filtering events. Both must be unregistered before they
    are closed.
    """
    near, far = lab.unix_pair()
    duplicate = lab.duplicate(near)
    epoll = lab.epoll()
    epoll.register(near, IN, data="socket")
    lab.contradicts("its duplicate", lab.error(_register, epoll, duplicate), "none")
    far.send(b"x")
    seen = {event.data: event.flags for event in epoll.wait(0)}
    lab.contradicts("one arrival, two events", seen, {"socket": IN, "duplicate": OUT})


def _register(epoll: Epoll, source: object) -> None:
    epoll.register(source, OUT, data="duplicate")  # type: ignore[arg-type]


@claim(
    "Modifying or deleting what is not in the set fails with ENOENT",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="03",
)
def an_unknown_source_is_enoent(lab: Lab) -> None:
    """A socket that was never registered, and one that was unregistered."""
    near, far = lab.unix_pair("never", "once")
    epoll = lab.epoll("epoll", far)
    epoll.unregister(far)
    lab.supports("MOD, never registered", lab.error(epoll.modify, near, IN), "ENOENT")
    lab.supports("DEL, never registered", lab.error(epoll.unregister, near), "ENOENT")
    lab.supports("DEL, unregistered before", lab.error(epoll.unregister, far), "ENOENT")


@claim(
    "A number that is not open fails with EBADF",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="03",
)
def a_closed_number_is_ebadf(lab: Lab) -> None:
    """All three operations with a number that was closed, and one on a set that was closed.

    The number is looked up before the set is searched: EBADF comes before ENOENT.
    """
    near, _ = lab.unix_pair()
    closed = lab.duplicate(near, "closed")
    number = closed.fileno()
    closed.close()
    epoll = lab.epoll()
    lab.supports("ADD", lab.error(epoll.register, number, IN), "EBADF")
    lab.supports("MOD", lab.error(epoll.modify, number, IN), "EBADF")
    lab.supports("DEL", lab.error(epoll.unregister, number), "EBADF")


@claim(
    "Regular files and directories cannot be watched: EPERM",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="03",
)
def files_on_disk_are_eperm(lab: Lab) -> None:
    """A file, a directory, a pipe and an eventfd are registered; select is asked about the file.

    Reading a file may take long, but it never has to wait for somebody else: the kernel gives it no
    wait queue, so there is nothing to hang an entry on. select and poll call it always ready.
    """
    directory = lab.temporary()
    epoll = lab.epoll()
    with (directory / "file").open("w+b", buffering=0) as file:
        lab.supports("a regular file", lab.error(epoll.register, file, IN), "EPERM")
        lab.shows("the same file in select: readable", select([file], [], [], 0)[0], [file])
    for name, number in {
        "a directory": os.open(directory, os.O_RDONLY),
        "an eventfd": os.eventfd(0),
    }.items():
        error = lab.error(epoll.register, number, IN)
        os.close(number)
        if name == "a directory":
            lab.supports(name, error, "EPERM")
        else:
            lab.shows(name, error, "none")


@claim(
    "A set cannot watch itself: EINVAL",
    topic="epoll",
    verdict=Verdict.TRUE,
    man="epoll_ctl(2)",
    notebook="03",
)
def a_set_in_itself_is_einval(lab: Lab) -> None:
    """A set is registered in itself, and a duplicate of its descriptor too."""
    epoll = lab.epoll()
    lab.supports("itself", lab.error(epoll.register, epoll, IN), "EINVAL")
    with Epoll.fromfd(os.dup(epoll.fileno())) as duplicate:
        lab.supports("its duplicate", lab.error(epoll.register, duplicate, IN), "EINVAL")
