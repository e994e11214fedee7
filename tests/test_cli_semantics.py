import json
import os
import subprocess
import sys

import pytest

from epollkit import semantics

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "epollkit.cli", "semantics"]
CLAIM = "edge_is_silent_while_unread"
BOUND = 20.0


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
    )


def test_one_claim_is_decided() -> None:
    done = command("--only", CLAIM)
    assert done.returncode == 0, done.stderr
    assert "false" in done.stdout
    assert semantics.CLAIMS[CLAIM].man[0] in done.stdout
    assert "1 claims on Linux" in done.stdout
    assert done.stderr == ""


@pytest.mark.slow
def test_all_claims_are_decided_in_seconds() -> None:
    done = command("--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == 1
    assert found["kernel"] == os.uname().release
    assert {each["name"] for each in found["claims"]} == semantics.CLAIMS.keys()
    assert all(each["as_expected"] or each["problem"] for each in found["claims"])
    assert sum(found["counts"].values()) == len(semantics.CLAIMS)


def test_a_topic_is_decided_as_json() -> None:
    found = json.loads(command("--only", CLAIM, "--json").stdout)
    (claim,) = found["claims"]
    assert claim["verdict"] == claim["verdict_on_linux_6_18"] == "false"
    assert {each["bearing"] for each in claim["findings"]} == {"against", "aside"}


def test_quiet_says_it_with_the_exit_code() -> None:
    done = command("--only", CLAIM, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_one_is_explained_call_by_call() -> None:
    done = command("explain", CLAIM, COLUMNS="200")
    assert done.returncode == 0, done.stderr
    for words in (semantics.CLAIMS[CLAIM].truth, "against", "three more arrived", "●", "man7.org"):
        assert words in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 200


def test_it_is_explained_in_ascii_and_in_eighty_columns() -> None:
    done = command("explain", CLAIM, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_an_explanation_as_json_has_the_trace() -> None:
    found = json.loads(command("explain", CLAIM, "--json").stdout)
    assert found["name"] == CLAIM
    assert found["trace"]["ticks"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "epol"], "no topic and no claim 'epol'"),
        (["explain", "edge_is_silent"], f"maybe you meant {CLAIM}?"),
        (["explain"], "of which claim?"),
    ],
)
def test_what_does_not_exist_is_named(arguments: list[str], words: str) -> None:
    done = command(*arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
