"""A resolver that answers when a test says so: in a child process with namespaces of its own."""

import threading
from pathlib import Path

import pytest

from endpoints import may_unshare, python

NAMESPACES = pytest.mark.skipif(
    not may_unshare("-rmn"),
    reason="no mount and network namespaces for this user, so no resolver of its own",
)
"""For tests that use `with_slow_names`."""

_PRELUDE = """
import epollkit, errno, fcntl, os, signal, socket, struct, sys, threading, time

with socket.socket() as any_socket:  # ip link set lo up
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))
dns = socket.socket(type=socket.SOCK_DGRAM)
dns.bind(("127.0.0.1", 53))

def asked():
    "Wait for a question; (type, name's first label, what to send where as an answer)."
    question, client = dns.recvfrom(512)
    label = question[13 : 13 + question[12]].decode()
    end = question.index(0, 12) + 1
    kind = int.from_bytes(question[end : end + 2], "big")
    def answer(address):
        records = [b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\0\\0\\4" + socket.inet_aton(address)]
        if kind != 1:
            records = []
        head = question[:2] + b"\\x81\\x80\\0\\1" + struct.pack("!HHH", len(records), 0, 0)
        dns.sendto(head + question[12 : end + 4] + b"".join(records), client)
    return kind, label, answer

def in_thread(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread
"""


def with_slow_names(tmp_path: Path, code: str) -> list[str]:
    """What `code` prints where only `asked()`, in the same process, answers for names."""
    own = tmp_path / f"names-{threading.get_native_id()}"
    own.mkdir(exist_ok=True)
    (own / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:1\n")
    (own / "nsswitch.conf").write_text("hosts: files dns\n")
    (own / "hosts").write_text("127.0.0.1 localhost\n")
    mounts = "".join(
        f'mount --bind "$1/{name}" /etc/{name} && '
        for name in ("resolv.conf", "nsswitch.conf", "hosts")
    )
    before = ("unshare", "-rmn", "sh", "-c", mounts + 'shift && exec "$@"', "sh", str(own))
    done = python(_PRELUDE + code, "-W", "ignore", before=before)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()
