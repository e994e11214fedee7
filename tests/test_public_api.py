"""What `import epollkit` gives: names, where they say they live, their documentation."""

import copy
import enum
import errno
import importlib
import importlib.metadata
import inspect
import pickle
import pkgutil
import select
from collections.abc import Callable
from contextlib import closing

import pytest

import epollkit
from epoll_support import unix_pair
from epollkit import (
    ClosedEpollError,
    Connecting,
    Epoll,
    EpollkitError,
    EventFlags,
    HarnessError,
    Socket,
    WaitTimeout,
)

PUBLIC = {name: getattr(epollkit, name) for name in epollkit.__all__}
CLASSES = [thing for thing in PUBLIC.values() if inspect.isclass(thing)]
MODULES = [m.name for m in pkgutil.iter_modules(epollkit.__path__) if m.name != "__main__"]
CALLABLES = [thing for thing in PUBLIC.values() if callable(thing)]


def test_all_is_sorted_and_without_doubles() -> None:
    names = [name for name in epollkit.__all__ if name != "__version__"]
    assert len(names) == len(set(names))
    constants = [name for name in names if name.isupper()]
    classes = [name for name in names if name[0].isupper() and not name.isupper()]
    functions = [name for name in names if name[0].islower()]
    assert names == [*constants, *classes, *functions]
    for group in (constants, classes, functions):
        assert group == sorted(group)


def test_all_names_exactly_what_is_public() -> None:
    public = {
        name
        for name, value in vars(epollkit).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    named = {name for name in epollkit.__all__ if not inspect.ismodule(PUBLIC[name])}
    assert named == public | {"__version__"}


def test_star_import_gives_all() -> None:
    namespace: dict[str, object] = {}
    exec("from epollkit import *", namespace)  # noqa: S102
    assert set(epollkit.__all__) <= namespace.keys()


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported_and_is_documented(name: str) -> None:
    module = importlib.import_module(f"epollkit.{name}")
    assert module.__doc__
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public)


@pytest.mark.parametrize("thing", CLASSES, ids=lambda thing: thing.__name__)
def test_a_class_says_that_it_lives_in_the_package(thing: type) -> None:
    assert thing.__module__ == "epollkit"
    assert thing.__qualname__ == thing.__name__


@pytest.mark.parametrize("thing", CALLABLES, ids=lambda thing: thing.__name__)
def test_what_is_exported_can_be_found_by_its_name(thing: type | Callable[..., object]) -> None:
    assert getattr(epollkit, thing.__name__) is thing
    assert pickle.loads(pickle.dumps(thing)) is thing  # noqa: S301


@pytest.mark.parametrize("thing", CALLABLES, ids=lambda thing: thing.__name__)
def test_what_is_exported_is_documented(thing: type | Callable[..., object]) -> None:
    assert thing.__doc__
    assert thing.__doc__.strip()


@pytest.mark.parametrize("thing", CLASSES, ids=lambda thing: thing.__name__)
def test_every_public_attribute_of_a_class_is_documented(thing: type) -> None:
    if issubclass(thing, enum.Enum):
        return  # a member shows its class's text
    own = {name: value for name, value in vars(thing).items() if not name.startswith("_")}
    undocumented = [name for name, value in own.items() if not (value.__doc__ or "").strip()]
    assert undocumented == []


@pytest.mark.parametrize(
    "function",
    [
        thing
        for thing in CALLABLES
        if not inspect.isclass(thing) and thing.__module__ not in {"_socket", "socket"}
    ],
    ids=lambda thing: thing.__name__,
)
def test_every_function_of_ours_has_a_signature(function: Callable[..., object]) -> None:
    assert inspect.signature(function)


def test_epoll_has_every_public_attribute_of_the_stdlibs() -> None:
    assert {name for name in dir(select.epoll) if not name.startswith("_")} <= set(dir(Epoll))
    assert {"__enter__", "__exit__"} <= set(dir(Epoll))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # As the stdlib's documentation has them: 3.13.0 cannot read its own signature of register.
        ("register", ["fd", "eventmask"]),
        ("modify", ["fd", "eventmask"]),
        ("unregister", ["fd"]),
        ("poll", ["timeout", "maxevents"]),
        ("fromfd", ["fd"]),
    ],
)
def test_epoll_takes_the_stdlibs_arguments_in_the_same_order(
    method: str, expected: list[str]
) -> None:
    parameters = inspect.signature(getattr(Epoll, method)).parameters.values()
    own = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY and p.name != "self"]
    assert own == expected


def test_the_version_is_that_of_the_distribution() -> None:
    # The one place for it is Cargo.toml; the package repeats it nowhere or exactly.
    version = importlib.metadata.version("epollkit")
    assert getattr(epollkit, "__version__", version) == version


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_holds_a_descriptor_cannot_be_pickled(protocol: int) -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        epoll.register(near, EventFlags.OUT)
        events = epoll.wait(0)
        for thing in (near, epoll, events, events[0], iter(events)):
            with pytest.raises((TypeError, pickle.PicklingError)):
                pickle.dumps(thing, protocol)


def test_what_holds_a_descriptor_cannot_be_copied() -> None:
    with unix_pair() as (near, _), Epoll() as epoll:
        for thing in (near, epoll):
            for duplicate in (copy.copy, copy.deepcopy):
                with pytest.raises(TypeError):
                    duplicate(thing)


def test_a_connection_attempt_cannot_be_pickled_or_copied(loopback: str) -> None:
    with Socket() as listener:
        listener.bind((loopback, 0))
        listener.listen()
        with closing(Connecting(listener.getsockname())) as connecting:
            with pytest.raises(TypeError):
                pickle.dumps(connecting)
            with pytest.raises(TypeError):
                copy.copy(connecting)


def test_epoll_is_final() -> None:
    with pytest.raises(TypeError, match="not an acceptable base type"):
        type("Sub", (Epoll,), {})


@pytest.mark.parametrize(
    "error",
    [
        EpollkitError("message"),
        HarnessError("message"),
        ClosedEpollError(errno.EBADF, "closed"),
        WaitTimeout("a condition", {"accepted": 1}, 1.25),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_survive_pickling(error: Exception, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301
    assert type(again) is type(error)
    assert again.args == error.args
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert getattr(again, "errno", None) == getattr(error, "errno", None)


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (ClosedEpollError, (EpollkitError, OSError, ValueError)),
        (HarnessError, (EpollkitError,)),
        (WaitTimeout, (EpollkitError, TimeoutError)),
    ],
    ids=["closed", "harness", "timeout"],
)
def test_every_error_of_ours_is_an_epollkit_error_and_what_it_stands_for(
    error: type[Exception], bases: tuple[type[Exception], ...]
) -> None:
    assert error.__bases__ == bases


def test_a_wait_timeout_says_what_was_waited_for_and_what_was_seen() -> None:
    error = WaitTimeout("10 accepted", 9, 1.25)
    assert str(error) == "10 accepted: not within 1.250 s; last seen: 9"
    assert (error.waited_for, error.seen, error.elapsed) == ("10 accepted", 9, 1.25)
