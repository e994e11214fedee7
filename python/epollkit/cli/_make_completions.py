"""Makes the files of `epollkit completion` from the parser, with shtab.

For maintainers: `python -m epollkit.cli._make_completions python/epollkit/cli/completions` in a
checkout makes them anew. A test fails when they are behind the parser.
"""

import sys
from pathlib import Path

import shtab

from epollkit.cli import make_parser
from epollkit.cli.completion import SHELLS, file_name

__all__ = ["generate"]


def generate(shell: str) -> str:
    """Make a shell's script.

    Args:
        shell: one of `SHELLS`.

    Returns:
        The script.
    """
    lines = shtab.complete(make_parser(), shell).splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _main(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    for shell in SHELLS:
        (directory / file_name(shell)).write_text(generate(shell), encoding="utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
