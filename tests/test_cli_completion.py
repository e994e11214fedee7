import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHELLS = ("bash", "fish", "tcsh", "zsh")


def completion(*arguments: str) -> str:
    command = [sys.executable, "-m", "epollkit.cli", "completion", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_knows_the_commands(shell: str) -> None:
    script = completion(shell)
    for command in ("demo", "doctor", "serve", "completion"):
        assert command in script


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_what_the_parser_gives(shell: str) -> None:
    from epollkit.cli._make_completions import generate  # noqa: PLC0415 - needs shtab, which users need not have

    assert completion(shell) == generate(shell), (
        "make them anew: python -m epollkit.cli._make_completions python/epollkit/cli/completions"
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_a_plain_install_prints_it_without_shtab(shell: str) -> None:
    program = f"""
import sys
sys.modules["shtab"] = None
from epollkit.cli import main
sys.exit(main(["completion", "{shell}"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == completion(shell)


def test_json_carries_the_script() -> None:
    found = json.loads(completion("bash", "--json"))
    assert (found["schema"], found["shell"]) == (1, "bash")
    assert found["script"] == completion("bash")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("d", {"demo", "doctor"}),
        ("demo --cl", {"--clients"}),
        ("serve e", {"echo"}),
    ],
    ids=["command", "option", "choice"],
)
def test_bash_completes(typed: str, expected: set[str], tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    script = tmp_path / "epollkit.bash"
    script.write_text(completion("bash"))
    words = ["epollkit", *typed.split()]
    program = f"""
source {script}
COMP_WORDS=({" ".join(words)}) COMP_CWORD={len(words) - 1}
_shtab_epollkit
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run([bash, "-c", program], capture_output=True, text=True, check=True)
    assert {word.strip() for word in done.stdout.splitlines()} == expected
