"""A real JupyterLab in a real browser: the server, the page, the notebooks open in it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support import wait_until

if TYPE_CHECKING:  # the other stages have none of these
    from nbformat import NotebookNode
    from playwright.sync_api import Browser, Page

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

MUST_START = 60.0
"""Seconds for a server or a page to be there, also beside a compiler on every processor."""

LIGHT, DARK = "light", "dark"

_SETTINGS = {
    # By default what is not on the screen is not in the document, and the last cell can be
    # scrolled to the top.
    "notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
_SERVER = [
    "--no-browser",
    "--allow-root",
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port=0",
    "--LabApp.expose_app_in_browser=True",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
]
_CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # what no page asks for, too
]
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def notebook_of(*sources: str, outputs: list[list[dict[str, Any]]] | None = None) -> "NotebookNode":
    """A notebook with a code cell of each source, and what the cells have put out."""
    from nbformat import from_dict, v4  # noqa: PLC0415 - the other stages have none

    cells = [v4.new_code_cell(source) for source in sources]
    for cell, given in zip(cells, outputs or [], strict=False):
        cell.outputs = from_dict(given)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


@dataclass(frozen=True)
class Server:
    """A running JupyterLab."""

    url: str
    token: str
    folder: Path  # its notebooks, which are also the kernels' working directory


@contextmanager
def serve_lab(root: Path) -> Generator[Server]:
    """JupyterLab with nothing of this user's: settings, workspaces, trust, history."""
    folder, runtime, log = root / "notebooks", root / "runtime", root / "lab.log"
    folder.mkdir()
    for name, setting in _SETTINGS.items():
        file = root / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(setting))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")},
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTERLAB_SETTINGS_DIR": str(root / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(root / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_DATA_DIR": str(root / "data"),
        "IPYTHONDIR": str(root / "ipython"),
        "EPOLLKIT_QUICK": "1",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *_SERVER, f"--ServerApp.root_dir={folder}"],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    # The server picks the port, and says it and the token in a file.
    try:
        said = _first_json(process, runtime / f"jpserver-{process.pid}.json", log)
        yield Server(said["url"], said["token"], folder)
    finally:
        process.terminate()  # it ends its kernels
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _first_json(process: subprocess.Popen[bytes], file: Path, log: Path) -> dict[str, Any]:
    """What a starting process writes into a file."""
    deadline = time.monotonic() + MUST_START
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError, json.JSONDecodeError):  # not yet, or half of it
            return json.loads(file.read_text())
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    raise AssertionError(f"JupyterLab did not start\n{log.read_text()}")


@contextmanager
def launch_chromium() -> Generator["Browser"]:
    """Debian's Chromium, or the one that EPOLLKIT_CHROMIUM names."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - the other stages have none

    path = os.environ.get("EPOLLKIT_CHROMIUM") or shutil.which("chromium")
    assert path, "no chromium: apt-get install chromium, or set EPOLLKIT_CHROMIUM to its path"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_CHROMIUM)
        yield browser
        browser.close()


@dataclass
class Lab:
    """JupyterLab in a page, and what went wrong there."""

    server: Server
    page: "Page"
    outside: list[str] = field(default_factory=list)  # what was asked of another machine
    errors: list[str] = field(default_factory=list)  # uncaught in the page

    def call(self, name: str, *given: object) -> Any:  # noqa: ANN401 - what the function gives
        """A function of `lab_support.js`."""
        return self.page.evaluate("given => epollkit.call(...given)", [name, *given])

    @contextmanager
    def theme(self, name: str) -> Iterator[None]:
        """Everything `LIGHT` or `DARK`, then in the light again."""
        if name != LIGHT:
            self.call("setTheme", f"JupyterLab {name.title()}")
        try:
            yield
        finally:
            if name != LIGHT:
                self.call("setTheme", "JupyterLab Light")

    @contextmanager
    def open(self, name: str, notebook: "NotebookNode | None" = None) -> Generator["Notebook"]:
        """A notebook of the server's folder, perhaps written first, with a kernel of its own."""
        if notebook is not None:
            from nbformat import write  # noqa: PLC0415 - the other stages have none

            write(notebook, self.server.folder / name)
        self.call("open", name)
        try:
            yield Notebook(self, name)
        finally:
            self.page.set_viewport_size(_VIEWPORT)
            self.call("close", name)


_VIEWPORT: Any = {"width": 1440, "height": 900}


@contextmanager
def open_lab(server: Server, browser: "Browser") -> Generator[Lab]:
    """JupyterLab in a page of its own, which reaches that server and nothing else."""
    context = browser.new_context(viewport=_VIEWPORT)
    page = context.new_page()
    lab = Lab(server, page)
    own = re.escape(server.url)

    # Only what does not go to the server is stopped on its way: data: and blob: go nowhere.
    page.on("websocket", lambda socket: _note_outside(lab, server, socket.url))
    context.route(
        re.compile(rf"^(?!{own}|data:|blob:)"),
        lambda route: (lab.outside.append(route.request.url), route.abort()),
    )
    page.on("pageerror", lambda error: lab.errors.append(str(error)))
    for script in ["lab_support.js", "picture_support.js"]:
        context.add_init_script(path=Path(__file__).with_name(script))
    page.goto(f"{server.url}lab?token={server.token}&reset", timeout=MUST_START * 1000)
    page.wait_for_function("() => window.jupyterapp?.shell", timeout=MUST_START * 1000)
    lab.call("ready")
    yield lab
    context.close()


def _note_outside(lab: Lab, server: Server, url: str) -> None:
    if not url.startswith(server.url.replace("http", "ws", 1)):
        lab.outside.append(url)


@dataclass(frozen=True)
class Notebook:
    """A notebook that is open in JupyterLab."""

    lab: Lab
    name: str

    def start(self) -> None:
        """Begin to run all cells, by JupyterLab's own command."""
        self.lab.call("start", self.name)

    def must_reach(self, number: int) -> None:
        """Wait until the code cells before this one have been run."""
        self.lab.call("reached", self.name, number)

    def run(self) -> bool:
        """Run all cells; whether it came to the end: one that fails stops it."""
        self.start()
        return self.lab.call("ended", self.name)["finished"]

    def interrupt(self) -> float:
        """Press the toolbar's button; seconds until the run has ended, by the page's clock."""
        self.lab.page.locator(
            '.jp-NotebookPanel:not(.lm-mod-hidden) [data-command="notebook:interrupt-kernel"]'
        ).click()
        return self.lab.call("ended", self.name)["milliseconds"] / 1000

    def skipped(self) -> list[str]:
        """The sources of the cells that have not run."""
        return self.lab.call("skipped", self.name)

    def outputs(self) -> list[list[dict[str, Any]]]:
        """What each code cell has put out, as the notebook's format has it."""
        return self.lab.call("outputs", self.name)

    def failures(self) -> list[str]:
        """The tracebacks, but those of cells with the tag `raises-exception`."""
        return [_ESCAPES.sub("", text) for text in self.lab.call("failures", self.name)]

    def trusted(self) -> bool:
        """Whether JupyterLab takes the outputs for its user's own."""
        return self.lab.call("trusted", self.name)

    def execute(self, code: str) -> tuple[str, str]:
        """What the kernel answers, without a cell: "ok" or "error", and what was printed."""
        status, said = self.lab.call("execute", self.name, code)
        return status, said

    def stretch(self) -> None:
        """Make the window so high that it shows the whole notebook."""
        hidden = self.lab.call("hidden", self.name)
        size = self.lab.page.viewport_size
        assert size is not None
        self.lab.page.set_viewport_size({**size, "height": size["height"] + hidden})


def must_sleep(process: int) -> None:
    """Wait until a process's main thread is in the same system call whenever one looks."""
    call = Path(f"/proc/{process}/task/{process}/syscall")

    def sleeps() -> bool:
        first = call.read_text()
        return "running" not in first and all(call.read_text() == first for _ in range(300))

    wait_until(sleeps)
