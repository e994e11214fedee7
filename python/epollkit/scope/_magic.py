"""`%%epolltrace`: record a notebook's cell.

IPython is imported when it loads the extension, not before: epollkit does not need it.
"""

import argparse
import ast
import shlex
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from epollkit._flags import EventFlags
from epollkit.scope._look import number_of
from epollkit.scope._scope import Scope
from epollkit.scope._watched import Watched, unwatched

if TYPE_CHECKING:
    from epollkit.scope._trace import Trace

__all__ = ["Shell", "load", "unload"]


_TRIGGERS: Final = {
    "LT": EventFlags(0),
    "ET": EventFlags.ET,
    "ONESHOT": EventFlags.ONESHOT,
    "ET|ONESHOT": EventFlags.ET | EventFlags.ONESHOT,
}


class Shell(Protocol):
    """What is needed of IPython's InteractiveShell."""

    user_ns: dict[str, Any]
    compile: Any
    magics_manager: Any

    def transform_cell(self, raw_cell: str) -> str:
        """IPython's syntax as Python."""
        ...

    def register_magic_function(self, func: Any, magic_kind: str, magic_name: str) -> None:  # noqa: ANN401
        """Make it a magic."""
        ...


def load(shell: Shell) -> None:
    """Register `%%epolltrace`."""

    def epolltrace(line: str, cell: str) -> "Trace":
        __tracebackhide__ = True
        return _run(shell, line, cell)

    epolltrace.__doc__ = _parser().format_help()
    shell.register_magic_function(epolltrace, "cell", "epolltrace")


def unload(shell: Shell) -> None:
    """Take it away."""
    shell.magics_manager.magics["cell"].pop("epolltrace", None)


class _Usage(Exception):
    """What argparse has to say, where it would end the process."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:  # noqa: ANN401 - it never returns
        raise _Usage(f"%%epolltrace: {message}\n{self.format_usage()}")


def _parser() -> _Parser:
    parser = _Parser(
        prog="%%epolltrace",
        add_help=False,
        description="Record the cell. Every socket and every set that it names, or makes and "
        "gives a name, is watched under that name. The sources given here are watched "
        "by probes as well, one for each mode, which are asked after every statement.",
    )
    parser.add_argument("sources", nargs="*", help="what to probe, by its name in the notebook")
    parser.add_argument(
        "--modes",
        default="LT,ET,ONESHOT",
        type=_modes,
        help=f"probes, of {', '.join(_TRIGGERS)} (default: LT,ET,ONESHOT)",
    )
    parser.add_argument(
        "--mask", default="IN", type=_mask, help="what they ask for: IN, OUT, IN|OUT"
    )
    parser.add_argument(
        "--guess",
        metavar="NAME",
        help="a dict of the notebook to lay over the picture: by probe, what each wait will give",
    )
    parser.add_argument("--title", default="", help="the picture's title, in quotes")
    parser.add_argument("--name", default="trace", help="the variable that gets the trace")
    return parser


def _modes(text: str) -> list[str]:
    modes = text.split(",")
    for mode in modes:
        if mode not in _TRIGGERS:
            raise argparse.ArgumentTypeError(f"{mode!r} is not one of {', '.join(_TRIGGERS)}")
    return modes


def _mask(text: str) -> EventFlags:
    mask = EventFlags(0)
    for name in text.split("|"):
        if name not in EventFlags.__members__:
            raise argparse.ArgumentTypeError(
                f"{name!r} is not one of {', '.join(EventFlags.__members__)}"
            )
        mask |= EventFlags[name]
    return mask


def _run(shell: Shell, line: str, cell: str) -> "Trace":
    """Run the cell, statement by statement, and give the trace to the notebook.

    A cell that fails shows the picture up to there, and then its traceback.
    """
    __tracebackhide__ = True
    from IPython.core.error import UsageError  # noqa: PLC0415 - only under IPython

    try:
        options = _parser().parse_args(shlex.split(line))
    except _Usage as wrong:
        raise UsageError(str(wrong)) from None
    names = shell.user_ns
    for source in options.sources:
        if not _can_be_watched(names.get(source)):
            raise UsageError(
                f"%%epolltrace: {source} is not a socket, a pipe or a set of this notebook"
            )
    guess: dict[str, str] = names.get(options.guess, {})
    if type(guess) is not dict:
        raise UsageError(f"%%epolltrace: {options.guess} is not a dict of this notebook")
    with closing(Scope(options.title)) as scope:
        try:
            _perform(shell, scope, options, cell)
        except BaseException:
            _display(scope.trace)
            raise
        finally:
            names[options.name] = scope.trace
    try:
        names[options.name] = trace = scope.trace.predict(**guess)
    except (KeyError, ValueError) as wrong:
        raise UsageError(f"%%epolltrace --guess {options.guess}: {wrong.args[0]}") from None
    return trace


def _display(trace: "Trace") -> None:
    import IPython.display as shown  # noqa: PLC0415 - as above

    shown.display(trace)  # type: ignore[no-untyped-call] # IPython's


def _perform(shell: Shell, scope: Scope, options: argparse.Namespace, cell: str) -> None:
    __tracebackhide__ = True
    source = shell.transform_cell(cell)
    tree = ast.parse(source)
    used = [*options.sources, *_names_in(tree)]
    names = shell.user_ns
    with _stand_ins(scope, names, used) as adopt:
        for wanted in options.sources:
            for mode in options.modes:
                name = mode if len(options.sources) == 1 else f"{wanted} {mode}"
                scope.probe(name, names[wanted], options.mask | _TRIGGERS[mode])
        file: str = shell.compile.cache(source)
        for statement in tree.body:
            scope.results = _names_of_results(statement)
            code = compile(ast.Module([statement], []), file, "exec")
            exec(code, names)  # noqa: S102 - the notebook's own cell
            adopt()
            if options.sources:
                scope.wait()


def _names_in(tree: ast.AST) -> list[str]:
    """Every name, in the order in which the cell names them first."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(node.id for node in found))


def _names_of_results(statement: ast.stmt) -> dict[str, str]:
    """By method, the name that the cell gives to what it returns: of a pair, to the first part."""
    names = dict[str, str]()
    for node in ast.walk(statement):
        match node:
            case (
                ast.Assign([ast.Name(name)], ast.Call(ast.Attribute(attr=call)))
                | ast.Assign([ast.Tuple([ast.Name(name), *_])], ast.Call(ast.Attribute(attr=call)))
                | ast.withitem(ast.Call(ast.Attribute(attr=call)), ast.Name(name))
            ):
                names[call] = name
            case _:
                pass
    return names


@contextmanager
def _stand_ins(
    scope: Scope, names: dict[str, Any], used: Iterable[str]
) -> Generator[Callable[[], None]]:
    """While the block runs, the names stand for what tells the scope of its calls."""

    def adopt() -> None:
        for name in used:
            thing = names.get(name)
            if _can_be_watched(thing) and type(thing) is not Watched and not _is_closed(thing):
                names[name] = scope.watch(thing, scope.free_name(name))

    adopt()
    try:
        yield adopt
    finally:
        for name, thing in list(names.items()):
            names[name] = unwatched(thing)


def _can_be_watched(thing: object) -> bool:
    """Whether it is a socket, a set, or something else with a descriptor and calls on it."""
    if isinstance(thing, type):
        return False
    is_set = hasattr(thing, "register") and hasattr(thing, "unregister")
    return is_set or (hasattr(thing, "fileno") and hasattr(thing, "getsockopt"))


def _is_closed(thing: Any) -> bool:  # noqa: ANN401 - a socket or a set
    """Whether it is left over from a cell before, with a name that is used again."""
    return hasattr(thing, "fileno") and number_of(thing) == -1
