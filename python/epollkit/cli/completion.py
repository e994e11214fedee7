"""`epollkit completion`: tab completion for the shells that shtab knows.

The scripts are files of the package, made from the parser by `_make_completions`. So a plain
install has them, shtab is needed by maintainers only, and what users get is what was tested.
"""

import argparse
import importlib.resources
import sys
from typing import Final

from epollkit.cli._output import ExitCode, Output, Subparsers, add_common_options

__all__ = ["SHELLS", "add_to", "file_name"]

SHELLS: Final = ("bash", "fish", "tcsh", "zsh")

_EPILOG = """\
to switch it on:
  bash  epollkit completion bash > ~/.local/share/bash-completion/completions/epollkit
  zsh   epollkit completion zsh > DIRECTORY/_epollkit      (a DIRECTORY of your $fpath)
  fish  epollkit completion fish > ~/.config/fish/completions/epollkit.fish
  tcsh  epollkit completion tcsh > ~/.epollkit.tcsh        (and source it in ~/.tcshrc)
"""


def add_to(subparsers: Subparsers) -> None:
    """Declare the subcommand."""
    parser = subparsers.add_parser(
        "completion",
        help="print the tab completion of a shell",
        description="Print a script that teaches a shell to complete this command.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=SHELLS, help="which shell")
    add_common_options(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace, output: Output) -> ExitCode:
    files = importlib.resources.files("epollkit.cli")
    script = (files / "completions" / file_name(arguments.shell)).read_text(encoding="utf-8")
    if output.json:
        output.object({"shell": arguments.shell, "script": script})
    elif not output.quiet:
        sys.stdout.write(script)
    return ExitCode.OK


def file_name(shell: str) -> str:
    """The name of a shell's script in `completions`."""
    return f"epollkit.{shell}"
