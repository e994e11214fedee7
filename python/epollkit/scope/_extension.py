"""What IPython calls for `%load_ext epollkit`. The magic itself is imported only then."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from epollkit.scope._magic import Shell

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: "Shell") -> None:
    """Register `%%epolltrace`. IPython calls this for `%load_ext epollkit`."""
    from epollkit.scope._magic import load  # noqa: PLC0415 - only under IPython

    load(shell)


def unload_ipython_extension(shell: "Shell") -> None:
    """Take `%%epolltrace` away. IPython calls this for `%unload_ext epollkit`."""
    from epollkit.scope._magic import unload  # noqa: PLC0415 - as above

    unload(shell)
