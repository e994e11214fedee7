import os
from collections.abc import Generator
from pathlib import Path
from shutil import copytree
from typing import TYPE_CHECKING

import pytest

from lab_support import NOTEBOOKS, Lab, Server, launch_chromium, open_lab, serve_lab

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.hookimpl(tryfirst=True)  # before the markers select
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # The first test waits for the server and the browser, too.
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A JupyterLab server with a copy of our notebooks."""
    with serve_lab(tmp_path_factory.mktemp("lab")) as running:
        copytree(NOTEBOOKS, running.folder, dirs_exist_ok=True)
        yield running


@pytest.fixture(scope="session")
def browser() -> "Generator[Browser]":
    """Chromium, one for all."""
    with launch_chromium() as launched:
        yield launched


@pytest.fixture(scope="session")
def lab(server: Server, browser: "Browser") -> Generator[Lab]:
    """JupyterLab in the browser, one for all; each test opens its own notebooks in it."""
    with open_lab(server, browser) as opened:
        yield opened


@pytest.fixture(autouse=True)
def quiet(lab: Lab) -> Generator[None]:
    """Nothing in the page may fail, or ask anything of another machine."""
    yield
    outside, errors = lab.outside.copy(), lab.errors.copy()
    lab.outside.clear()
    lab.errors.clear()
    assert not outside, "requests left the machine"
    assert not errors, "JupyterLab's page reported errors"


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: EPOLLKIT_SHOTS keeps them."""
    kept = os.environ.get("EPOLLKIT_SHOTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
