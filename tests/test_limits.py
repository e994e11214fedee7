import resource
import subprocess
import sys

import pytest

from epollkit import limits


def run(program: str) -> str:
    """A program in a process of its own, since a limit that was lowered stays low."""
    prelude = "import resource\nfrom epollkit import limits\nNOFILE = resource.RLIMIT_NOFILE\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + program], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


UNPRIVILEGED = """
import os
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
"""


def test_the_limit_is_what_getrlimit_says() -> None:
    assert limits.file_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limits.file_limit()._fields == ("soft", "hard")


def test_without_a_number_the_soft_limit_becomes_the_hard_one() -> None:
    program = """
resource.setrlimit(NOFILE, (100, 200))
print(tuple(limits.raise_nofile()), resource.getrlimit(NOFILE))
"""
    assert run(program) == "(200, 200) (200, 200)"


def test_below_the_hard_limit_only_the_soft_one_moves() -> None:
    program = """
resource.setrlimit(NOFILE, (100, 200))
print(tuple(limits.raise_nofile(150)), resource.getrlimit(NOFILE))
"""
    assert run(program) == "(150, 200) (150, 200)"


@pytest.mark.parametrize("wanted", [0, 50, 100])
def test_the_limit_is_never_lowered(wanted: int) -> None:
    program = f"""
resource.setrlimit(NOFILE, (100, 200))
print(tuple(limits.raise_nofile({wanted})))
"""
    assert run(program) == "(100, 200)"


def test_above_the_hard_limit_the_error_names_the_ways_to_lift_it() -> None:
    program = f"""
{UNPRIVILEGED}
resource.setrlimit(NOFILE, (100, 200))
try:
    limits.raise_nofile(300)
except PermissionError as error:
    print(error.errno, error.strerror)
print(resource.getrlimit(NOFILE))
"""
    said, left = run(program).splitlines()
    assert said.startswith("1 cannot open 300 files: the hard limit is 200.")
    assert "ulimit -n 300" in said
    assert "LimitNOFILE=300" in said
    assert "/etc/security/limits.conf" in said
    assert left == "(100, 200)"


def test_above_what_the_kernel_allows_anyone_it_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"fs\.nr_open"):
        limits.raise_nofile(1 << 40)


def test_a_negative_number_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        limits.raise_nofile(-1)
