import json
import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from epollkit._doctor import Report, Row, doctor, examine

LOW = Row("net.core.somaxconn", "128", "the <queue>", "low", "sysctl net.core.somaxconn=4096")
FINE = Row("CPUs", "8", "side by side", "ok", "buy one")

SYSCTLS = {
    "fs/nr_open": "1048576",
    "fs/file-max": "9223372036854775807",
    "fs/epoll/max_user_watches": "99",
    "net/core/somaxconn": "4096",
    "net/ipv4/tcp_max_syn_backlog": "1024",
    "net/ipv4/ip_local_port_range": "32768\t60999",
    "net/ipv4/tcp_tw_reuse": "0",
    "net/ipv4/tcp_rmem": "4096\t131072\t6291456",
    "net/ipv4/tcp_wmem": "not a number",
}


def doctor_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "epollkit.cli", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_low_is_told_from_what_is_enough(tmp_path: Path) -> None:
    for name, text in SYSCTLS.items():
        file = tmp_path / "proc/sys" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    rows = {row.name: (row.value, row.verdict) for row in examine(tmp_path).rows}
    assert rows["fs.file-max"] == ("no limit", "ok")
    assert rows["net.core.somaxconn"] == ("4,096", "ok")
    assert rows["net.ipv4.ip_local_port_range"] == ("28,232 ports", "ok")
    assert rows["net.ipv4.tcp_rmem"] == ("6,291,456 bytes", "ok")
    assert rows["net.ipv4.tcp_tw_reuse"] == ("0", "low")
    assert rows["fs.epoll.max_user_watches"] == ("99", "low")
    assert rows["net.ipv4.tcp_wmem"] == ("?", "unknown")


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    unknown = {row.name for row in examine(tmp_path).rows if row.verdict == "unknown"}
    assert {"fs.nr_open", "net.core.somaxconn", "CPU governor"} <= unknown


def test_the_kernel_is_asked_for_epoll_pwait2_itself() -> None:
    kernel = doctor().rows[0]
    assert os.uname().release.startswith(kernel.value)
    assert "epoll_pwait2" in kernel.meaning


def test_a_report_is_a_table_and_says_how_to_raise_what_is_low() -> None:
    text = str(Report((FINE, LOW)))
    assert text.splitlines()[0].split() == ["ok", "CPUs", "8"]
    assert "sysctl net.core.somaxconn=4096" in text
    assert "buy one" not in text
    assert Report((FINE, LOW)).low == (LOW,)


def test_a_report_fits_a_terminal() -> None:
    assert max(map(len, str(doctor()).splitlines())) <= 80


def test_a_report_is_html_in_a_notebook() -> None:
    page = Report((FINE, LOW))._repr_html_()
    assert "the &lt;queue&gt;" in page
    assert "sysctl" in page
    assert "buy one" not in page


def test_a_report_is_json() -> None:
    found = json.loads(Report((FINE, LOW)).to_json(indent=1))
    assert found["schema"] == 1
    assert [row["verdict"] for row in found["rows"]] == ["ok", "low"]
    assert found["rows"][1].keys() == {"name", "value", "meaning", "verdict", "fix"}


def test_a_report_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Report(()).rows = (LOW,)  # type: ignore[misc]


def test_the_command_prints_the_report() -> None:
    done = doctor_command()
    assert (done.returncode, done.stderr) == (0, "")
    assert "net.core.somaxconn" in done.stdout


def test_the_check_fails_exactly_if_something_is_low() -> None:
    done = doctor_command("--check", "--json")
    low = [row for row in json.loads(done.stdout)["rows"] if row["verdict"] == "low"]
    assert done.returncode == (1 if low else 0)


def test_quiet_leaves_the_exit_code_only() -> None:
    done = doctor_command("--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
