"""Every notebook, run in JupyterLab: no cell fails, its pictures are there and can be read."""

import json
from collections.abc import Generator
from pathlib import Path

import pytest

from lab_support import DARK, LIGHT, NOTEBOOKS, Lab, Notebook
from picture_support import hard_to_read, pictures_in, shoot, texts_in


@pytest.fixture(
    scope="module", params=sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem
)
def ran(request: pytest.FixtureRequest, lab: Lab) -> Generator[Notebook]:
    """A notebook after all its cells were run."""
    with lab.open(request.param.name) as notebook:
        notebook.run()
        notebook.stretch()
        yield notebook


def declared(notebook: Notebook) -> int:
    """How many pictures the notebook's metadata promises."""
    written = json.loads((notebook.lab.server.folder / notebook.name).read_text())
    return written["metadata"].get("epollkit", {}).get("pictures", 0)


def test_no_cell_fails(ran: Notebook) -> None:
    assert ran.failures() == []
    assert ran.skipped() == []


def test_all_pictures_are_seen(ran: Notebook) -> None:
    pictures = pictures_in(ran)
    assert [picture for picture in pictures if not picture.seen] == []
    assert len(pictures) >= declared(ran)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_pictures_can_be_read(lab: Lab, ran: Notebook, shots: Path, theme: str) -> None:
    with lab.theme(theme):
        shoot(ran, shots, f"{Path(ran.name).stem}-{theme}")
        for picture in pictures_in(ran):
            assert hard_to_read(texts_in(ran, picture)) == []


def test_the_kernel_still_answers(ran: Notebook) -> None:
    assert ran.execute("print(6 * 7)") == ("ok", "42\n")
