import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def included(groups: dict[str, list[Any]], name: str) -> set[str]:
    found: set[str] = set()
    for entry in groups[name]:
        found |= {entry} if isinstance(entry, str) else included(groups, entry["include-group"])
    return found


def test_extras_are_the_dependency_groups() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    extras = project["project"]["optional-dependencies"]
    assert extras.keys() == groups.keys()
    for name, extra in extras.items():
        requirements = set(extra)
        for own in [entry for entry in extra if entry.startswith("epollkit[")]:
            requirements.remove(own)
            for other in own.removeprefix("epollkit[").removesuffix("]").split(","):
                requirements |= set(extras[other])
        assert requirements == included(groups, name)
