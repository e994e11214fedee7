"""getaddrinfo, gethostbyname, getnameinfo: the stdlib's answers, and a wait that can be ended."""

import errno
import inspect
import socket
from collections.abc import Callable
from pathlib import Path
from socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    AI_CANONNAME,
    AI_NUMERICHOST,
    AI_NUMERICSERV,
    AI_PASSIVE,
    IPPROTO_TCP,
    IPPROTO_UDP,
    NI_DGRAM,
    NI_NAMEREQD,
    NI_NUMERICHOST,
    NI_NUMERICSERV,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
)

import pytest

import epollkit
from endpoints import notes
from slow_names import NAMESPACES, with_slow_names
from support import MUST_ARRIVE

NUMERIC = NI_NUMERICHOST | NI_NUMERICSERV


def answer(call: Callable[..., object], *arguments: object) -> object:
    """The result, or the exception's class and arguments."""
    try:
        return call(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return type(error), error.args


# The stdlib's answers


@pytest.mark.parametrize(
    "arguments",
    [
        ("127.0.0.1", 80),
        ("127.1", 80),
        ("0x7f.1", 80),
        ("::1", 80),
        ("::FFFF:1.2.3.4", 80),
        ("::1.2.3.4", 80),
        ("::1:0", 80),
        ("1:0:0:2:0:0:0:3", 80),
        ("fe80::1%lo", 80),
        ("fe80::1%1", 80, AF_INET6, SOCK_DGRAM),
        ("ff02::1de:c0:face:8D", 1234, AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
        ("localhost", 80),
        ("localhost", 80, AF_INET),
        ("localhost", 80, AF_INET, SOCK_STREAM, IPPROTO_TCP),
        ("localhost", None, 0, SOCK_STREAM, 0, AI_CANONNAME),
        ("127.0.0.1", None, 0, SOCK_STREAM, 0, AI_CANONNAME),
        (b"localhost", 80),
        (None, 80),
        (None, 0, 0, SOCK_STREAM, 0, AI_PASSIVE),
        (None, 80, AF_INET, SOCK_RAW),
        (None, None),
        ("127.0.0.1", None),
        ("127.0.0.1", "80"),
        ("127.0.0.1", b"80"),
        ("127.0.0.1", "http"),
        ("127.0.0.1", b"domain", 0, SOCK_DGRAM),
        ("127.0.0.1", "no-such-service"),
        ("127.0.0.1", "http", 0, 0, 0, AI_NUMERICSERV),
        ("127.0.0.1", ""),
        ("127.0.0.1", -1),
        ("127.0.0.1", 65536 + 80),
        ("127.0.0.1", 2**31),
        ("", 80),
        ("localhost", 80, 0, 0, 0, AI_NUMERICHOST),
        ("::1", 80, AF_INET),
        ("127.0.0.1", 80, AF_INET6),
        ("localhost", 80, AF_UNIX),
        ("localhost", 80, 12345),
        ("localhost", 80, 0, 12345),
        ("localhost", 80, 0, SOCK_STREAM, IPPROTO_UDP),
        ("localhost", 80, 0, 0, 0, -1),
        ("fe80::1%no-such-interface", 80, 0, 0, 0, AI_NUMERICHOST),
        ("\uff11\uff12\uff17.0.0.1", 80),
        ("a..b", 80),
        ("x" * 70, 80),
        ("\ud800", 80),
        ("localhost", "\ud800"),
        ("localhost", 1.5),
        ("localhost", [80]),
    ],
    ids=ascii,
)
def test_the_answer_is_the_stdlibs(arguments: tuple[object, ...]) -> None:
    theirs = answer(socket.getaddrinfo, *arguments)
    assert answer(epollkit.getaddrinfo, *arguments) == theirs
    if isinstance(theirs, list):
        assert theirs


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ((5, 80), TypeError),
        (("localhost", 2**70), (OverflowError, socket.gaierror)),  # since 3.12 the latter
        (("localhost", 80, 2**40), OverflowError),
        (("localhost", 80, "inet"), TypeError),
        (("localhost",), TypeError),
    ],
    ids=repr,
)
def test_a_wrong_argument_is_the_stdlibs_exception(
    arguments: tuple[object, ...], kind: type[Exception] | tuple[type[Exception], ...]
) -> None:
    with pytest.raises(kind):
        socket.getaddrinfo(*arguments)
    with pytest.raises(kind):
        epollkit.getaddrinfo(*arguments)


def test_families_and_types_are_members_of_the_stdlibs_enums() -> None:
    found = epollkit.getaddrinfo("127.0.0.1", 80, type=SOCK_STREAM)
    assert found == [(AF_INET, SOCK_STREAM, IPPROTO_TCP, "", ("127.0.0.1", 80))]
    assert (found[0][0], found[0][1]) == (socket.AF_INET, socket.SOCK_STREAM)
    assert type(found[0][0]) is socket.AddressFamily
    assert type(found[0][1]) is socket.SocketKind


def test_the_parameters_have_the_stdlibs_names() -> None:
    ours, theirs = (
        list(inspect.signature(module.getaddrinfo).parameters) for module in (epollkit, socket)
    )
    assert ours == [*theirs, "timeout"]


def test_a_host_may_be_a_bytearray() -> None:
    assert epollkit.getaddrinfo(bytearray(b"::1"), 7, type=SOCK_STREAM)[0][4][:2] == ("::1", 7)


def test_a_port_may_be_an_int_of_any_class() -> None:
    assert epollkit.getaddrinfo("::1", socket.SocketKind(1))[0][4][1] == 1


@pytest.mark.parametrize("where", [("localhost\0.example", 80), ("localhost", "80\0")], ids=repr)
def test_a_nul_does_not_end_a_name(where: tuple[str, object]) -> None:
    with pytest.raises(TypeError, match="null character"):
        epollkit.getaddrinfo(*where)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "localhost",
        b"localhost",
        bytearray(b"127.0.0.9"),
        "",
        "<broadcast>",
        "255.255.255.255",
        "::1",
        "\uff11\uff12\uff17.0.0.1",
        "a..b",
        "x" * 70,
        "a\0b",
        b"a\0b",
        5,
        None,
        ["localhost"],
    ],
    ids=ascii,
)
def test_gethostbyname_is_the_stdlibs(host: object) -> None:
    assert answer(epollkit.gethostbyname, host) == answer(socket.gethostbyname, host)


@pytest.mark.parametrize(
    "arguments",
    [
        (("127.0.0.1", 80), 0),
        (("127.0.0.1", 80), NI_NUMERICHOST),
        (("127.0.0.1", 53), NI_NUMERICHOST | NI_DGRAM),
        (("127.0.0.1", 80), NUMERIC),
        (("::1", 80), NUMERIC),
        (("::1", 80, 5), NUMERIC),
        (("fe80::1", 80, 0, 1), NUMERIC),
        (("fe80::1%lo", 80, 0, 1), NUMERIC),
        (("127.0.0.1", 80, 0), NUMERIC),
        (("127.0.0.1", -1), NUMERIC),
        (("127.0.0.1", 80), NI_NUMERICSERV | NI_NAMEREQD),
        (("127.0.0.1", 80), -1),
        (("localhost", 80), NUMERIC),
        (("", 80), NUMERIC),
        (("::1", 80, 0xFFFFFFFF), NUMERIC),
        (("::1", 80, -10), NUMERIC),
        (("::1",), NUMERIC),
        (("::1", 80, 0, 0, 0), NUMERIC),
        ((1, 80), NUMERIC),
        (("::1", "80"), NUMERIC),
        (("::1\0", 80), NUMERIC),
        (["::1", 80], NUMERIC),
        ("::1", NUMERIC),
    ],
    ids=repr,
)
def test_getnameinfo_is_the_stdlibs(arguments: tuple[object, ...]) -> None:
    assert answer(epollkit.getnameinfo, *arguments) == answer(socket.getnameinfo, *arguments)


@pytest.mark.parametrize(
    ("sockaddr", "flags"), [(("::1", 2**40), NUMERIC), (("::1", 80), 2**40)], ids=repr
)
def test_getnameinfo_refuses_what_is_no_c_int(sockaddr: tuple[str, int], flags: int) -> None:
    with pytest.raises(OverflowError):
        epollkit.getnameinfo(sockaddr, flags)


# Time-outs


def ask_getaddrinfo(host: str, timeout: float | None) -> object:
    return epollkit.getaddrinfo(host, 80, timeout=timeout)


def ask_gethostbyname(host: str, timeout: float | None) -> object:
    return epollkit.gethostbyname(host, timeout=timeout)


def ask_getnameinfo(host: str, timeout: float | None) -> object:
    flags = NUMERIC if host == "127.0.0.1" else NI_NUMERICSERV
    return epollkit.getnameinfo(("127.0.0.1", 80), flags, timeout=timeout)


ASKS = pytest.mark.parametrize(
    "ask",
    [ask_getaddrinfo, ask_gethostbyname, ask_getnameinfo],
    ids=lambda ask: ask.__name__.removeprefix("ask_"),
)


@ASKS
def test_a_number_takes_no_time(ask: Callable[[str, float | None], object]) -> None:
    assert ask("127.0.0.1", 0.0) == ask("127.0.0.1", None)


@ASKS
def test_a_name_takes_some(ask: Callable[[str, float | None], object]) -> None:
    with pytest.raises(TimeoutError) as caught:
        ask("localhost", 0.0)
    assert caught.value.errno == errno.ETIMEDOUT
    assert "gave up after 0ns" in notes(caught.value)


@ASKS
def test_a_name_within_the_timeout_is_found(ask: Callable[[str, float | None], object]) -> None:
    assert ask("localhost", MUST_ARRIVE) == ask("localhost", None)


@ASKS
@pytest.mark.parametrize("timeout", [-1, -1e-9, float("nan")])
def test_a_negative_timeout_is_a_value_error(
    ask: Callable[[str, float | None], object], timeout: float
) -> None:
    with pytest.raises(ValueError, match=r"(?i)timeout|NaN"):
        ask("127.0.0.1", timeout)


def test_the_resolvers_error_names_the_host() -> None:
    with pytest.raises(socket.gaierror) as caught:
        epollkit.getaddrinfo("localhost", 80, AF_UNIX)
    assert 'getaddrinfo "localhost"' in notes(caught.value)


# A resolver that does not answer

CALLS = """
listener = epollkit.create_server(("127.0.0.1", 0))
slow = ("slow.example", listener.getsockname()[1])

def plain(timeout):
    with epollkit.Socket(timeout=timeout) as sock: sock.connect(slow)
def many(timeout):
    (result,) = epollkit.connect_many([slow], timeout=timeout)
    raise result.error
CALLS = {
    "getaddrinfo": lambda timeout: epollkit.getaddrinfo(*slow, timeout=timeout),
    "gethostbyname": lambda timeout: epollkit.gethostbyname(slow[0], timeout=timeout),
    "connect": lambda timeout: epollkit.connect(slow, timeout),
    "create_connection": lambda timeout: epollkit.create_connection(slow, timeout),
    "Socket.connect": plain,
    "connect_many": many,
}
"""


@NAMESPACES
@pytest.mark.slow
def test_a_timeout_ends_every_wait_for_a_name(tmp_path: Path) -> None:
    code = """
for name, call in CALLS.items():
    started = time.monotonic()
    try: call(0.2)
    except TimeoutError as error:
        print(name, error.errno == errno.ETIMEDOUT, time.monotonic() - started >= 0.2,
              *error.__notes__)
with epollkit.Socket(timeout=0.2) as sock: print(sock.connect_ex(slow) == errno.EAGAIN)
"""
    found = with_slow_names(tmp_path, CALLS + code)
    note = 'True True getaddrinfo "slow.example" (gave up after 200ms)'
    assert found == [
        *(
            f"{name} {note}"
            for name in (
                "getaddrinfo",
                "gethostbyname",
                "connect",
                "create_connection",
                "Socket.connect",
                "connect_many",
            )
        ),
        "True",
    ]


@NAMESPACES
@pytest.mark.slow
def test_control_c_ends_every_wait_for_a_name(tmp_path: Path) -> None:
    code = """
CALLS |= {
    "getnameinfo": lambda timeout: epollkit.getnameinfo(
        (f"192.0.2.{number}", 80), 0, timeout=timeout
    ),
    "Connecting": lambda timeout: epollkit.Connecting(slow),
    "serve": lambda timeout: epollkit.serve.echo(slow[0]),
    "bind": lambda timeout: epollkit.Socket().bind(slow),
}
def interrupt(label):
    while asked()[1] != label: pass  # what is left of the look-up before
    os.kill(os.getpid(), signal.SIGINT)
number = 0
for name, call in CALLS.items():
    plain = name in {"getaddrinfo", "gethostbyname", "getnameinfo"}  # without a time-out
    for timeout in (20, 21) if plain else (None, 20):
        number += 1
        slow = (f"slow{number}.example", slow[1])
        in_thread(interrupt, str(number) if name == "getnameinfo" else f"slow{number}")
        try: call(timeout)
        except KeyboardInterrupt: print(name)
"""
    found = with_slow_names(tmp_path, CALLS + code)
    names = ["getaddrinfo", "gethostbyname", "connect", "create_connection", "Socket.connect"]
    names += ["connect_many", "getnameinfo", "Connecting", "serve", "bind"]
    assert found == [name for name in names for _ in range(2)]


@NAMESPACES
@pytest.mark.slow
def test_a_nonblocking_socket_waits_for_a_name_and_not_for_the_connection(tmp_path: Path) -> None:
    code = """
def answer_all():
    while True: asked()[2]("127.0.0.1")
in_thread(answer_all)
with epollkit.Socket() as sock:
    print(sock.connect_ex(slow) in {0, errno.EINPROGRESS})
    print(sock.getpeername() == listener.getsockname())
"""
    assert with_slow_names(tmp_path, CALLS + code) == ["True", "True"]


@NAMESPACES
@pytest.mark.slow
def test_other_threads_run_while_a_name_is_looked_up(tmp_path: Path) -> None:
    # The thread that answers is Python, in this process.
    code = """
def answer_all():
    while True: asked()[2]("127.0.0.9")
in_thread(answer_all)
print(epollkit.gethostbyname("late.example"))
print(epollkit.getaddrinfo("late.example", 80, type=socket.SOCK_STREAM, timeout=10))
print(epollkit.getaddrinfo("late.example", 80, 0, 1, 0, socket.AI_CANONNAME)[0][3])
"""
    assert with_slow_names(tmp_path, code) == [
        "127.0.0.9",
        "[(<AddressFamily.AF_INET: 2>, <SocketKind.SOCK_STREAM: 1>, 6, '', ('127.0.0.9', 80))]",
        "late.example",
    ]


@NAMESPACES
@pytest.mark.slow
def test_connect_many_goes_on_while_a_name_is_looked_up(tmp_path: Path) -> None:
    code = """
answers, kinds = [], []
def keep_all():
    while True:
        kind, _, answer = asked()
        kinds.append(kind)
        answers.append(answer)
        if len(answers) > 2: answer("127.0.0.1")
in_thread(keep_all)
quick = listener.getsockname()
many = epollkit.connect_many([slow, quick, slow, quick, slow], timeout=10)
print(sorted(next(many).index for _ in range(2)), many.pending)
while len(answers) < 2: pass
for answer in answers: answer("127.0.0.1")
rest = sorted((result.index, result.error) for result in many)
print(rest, kinds.count(1))
"""
    assert with_slow_names(tmp_path, CALLS + code) == [
        "[1, 3] 3",
        "[(0, None), (2, None), (4, None)] 1",
    ]


@NAMESPACES
@pytest.mark.slow
def test_a_results_time_includes_its_name(tmp_path: Path) -> None:
    code = """
def answer_late():
    questions = [asked()[2], asked()[2]]
    late = time.monotonic() + 0.2
    while time.monotonic() < late: os.sched_yield()
    for answer in questions: answer("127.0.0.1")
in_thread(answer_late)
(result,) = epollkit.connect_many([slow], timeout=10)
print(result.error, result.elapsed >= 0.2)
"""
    assert with_slow_names(tmp_path, CALLS + code) == ["None True"]


@NAMESPACES
@pytest.mark.slow
def test_closing_connect_many_ends_a_wait_for_a_name(tmp_path: Path) -> None:
    code = """
many = epollkit.connect_many([slow])
def close():
    asked()
    many.close()
thread = in_thread(close)
print(next(many, "ended"))
thread.join()
"""
    assert with_slow_names(tmp_path, CALLS + code) == ["ended"]


@NAMESPACES
@pytest.mark.slow
def test_thousands_of_slow_names_are_a_few_threads(tmp_path: Path) -> None:
    code = """
names = [(f"slow{number}.example", 80) for number in range(200)]
many = epollkit.connect_many(names, timeout=0.2)
first = next(many)
print(type(first.error).__name__, many.pending <= 64)
print(len(os.listdir("/proc/self/task")) <= 1 + 64)
many.close()
"""
    assert with_slow_names(tmp_path, code) == ["TimeoutError True", "True"]
