"""smtplib and ftplib over our sockets, and the same over the stdlib's.

`SMTP._get_socket` is what smtplib's own SMTP_SSL overrides to connect in another way. ftplib has no
such place, so `connect` and `ntransfercmd` are overridden as a whole; both are its public methods.
The servers are scripts on the same sockets.
"""

import ftplib
import io
import os
import select
import smtplib
import socket
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from socket import SO_OOBINLINE, SOL_SOCKET
from types import ModuleType
from typing import Any, Self

import pytest

import epollkit
from endpoints import full_listener, is_ready, refusing
from program_support import (
    accept,
    both_libraries,
    client_context,
    listen,
    running,
    server_context,
)
from support import MUST_ARRIVE

PAYLOAD = os.urandom(3 << 20)


class Lines:
    """A connection that is spoken over in lines, by a server."""

    def __init__(self, sock: Any) -> None:  # noqa: ANN401 - of either library
        self.sock = sock
        self._file = sock.makefile("rb")

    def say(self, *lines: str) -> None:
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> str:
        return self._file.readline().decode().rstrip("\r\n")

    def hear_the_end(self) -> None:
        assert self._file.read() == b""

    def close(self) -> None:
        self._file.close()
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def scripted(
    library: ModuleType, host: str, script: Callable[[Lines], object]
) -> Generator[tuple[str, int]]:
    """The address of a server that takes one connection and follows the script."""

    def serve() -> None:
        with Lines(accept(listener)) as lines:
            script(lines)

    with listen(library, host) as listener, running(serve):
        yield listener.getsockname()


# SMTP


def smtp_class(library: ModuleType) -> type[smtplib.SMTP]:
    class SMTP(smtplib.SMTP):
        def _get_socket(self, host: str, port: int, timeout: float) -> Any:  # noqa: ANN401
            return library.create_connection((host, port), timeout, self.source_address)

    return SMTP


def smtp_to(library: ModuleType, address: tuple[str, int]) -> smtplib.SMTP:
    return smtp_class(library)(*address, local_hostname="client.example", timeout=MUST_ARRIVE)


class Mailbox:
    """A mail server's script; keeps what it was sent."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.message: list[str] = []

    def __call__(self, lines: Lines) -> None:
        lines.say("220 server.example ESMTP")
        self.answer(lines)

    def answer(self, lines: Lines) -> None:
        while command := lines.hear():
            self.commands.append(command)
            match command.split()[0].upper():
                case "EHLO":
                    lines.say("250-server.example", "250-STARTTLS", "250 8BITMIME")
                case "STARTTLS":
                    lines.say("220 go ahead")
                    wrapped = server_context().wrap_socket(lines.sock, server_side=True)
                    with Lines(wrapped) as secret:
                        self.answer(secret)
                    return
                case "DATA":
                    lines.say("354 end with a dot")
                    while (line := lines.hear()) != ".":
                        self.message.append(line)
                    lines.say("250 taken")
                case "QUIT":
                    lines.say("221 bye")
                    return
                case _:
                    lines.say("250 as you say")


MESSAGE = ["Subject: hello", "", *(f"line {number}" for number in range(5000)), "end"]


@both_libraries
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "starttls"])
def test_mail_is_sent(library: ModuleType, loopback: str, *, tls: bool) -> None:
    mailbox = Mailbox()
    with scripted(library, loopback, mailbox) as address, smtp_to(library, address) as smtp:
        if tls:
            smtp._host = "localhost"  # noqa: SLF001 - the certificate's name, not the address
            assert smtp.starttls(context=client_context())[0] == 220
        refused = smtp.sendmail("from@client.example", ["to@server.example"], "\n".join(MESSAGE))
        assert refused == {}
    verbs = [command.split()[0].lower() for command in mailbox.commands]
    greeting = ["ehlo", "starttls", "ehlo"] if tls else ["ehlo"]
    assert verbs == [*greeting, "mail", "rcpt", "data", "quit"]
    assert mailbox.message == MESSAGE


@both_libraries
def test_a_mail_server_that_leaves_is_a_disconnected_one(
    library: ModuleType, loopback: str
) -> None:
    def leave(lines: Lines) -> None:
        lines.say("220 server.example")
        lines.hear()

    with scripted(library, loopback, leave) as address:
        smtp = smtp_to(library, address)
        with pytest.raises(smtplib.SMTPServerDisconnected, match="unexpectedly closed"):
            smtp.ehlo()
        assert smtp.sock is None  # closed


@both_libraries
def test_a_mail_server_that_refuses_is_quoted(library: ModuleType, loopback: str) -> None:
    def refuse(lines: Lines) -> None:
        lines.say("554 no service")
        lines.hear_the_end()

    with scripted(library, loopback, refuse) as address:
        with pytest.raises(smtplib.SMTPConnectError) as caught:
            smtp_to(library, address)
        assert (caught.value.smtp_code, caught.value.smtp_error) == (554, b"no service")


@both_libraries
def test_a_mail_server_that_says_nothing_is_given_up(library: ModuleType, loopback: str) -> None:
    with (
        listen(library, loopback) as listener,
        pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"),
    ):
        smtp_class(library)(*listener.getsockname(), local_hostname="client", timeout=0.02)


@both_libraries
def test_a_mail_server_that_takes_no_connection_is_a_timeout(
    library: ModuleType, loopback: str
) -> None:
    with full_listener(loopback) as address, pytest.raises(TimeoutError):
        smtp_class(library)(*address, local_hostname="client", timeout=0.02)


@both_libraries
def test_a_refused_mail_connection_says_so(library: ModuleType, loopback: str) -> None:
    with refusing(loopback) as address, pytest.raises(ConnectionRefusedError):
        smtp_to(library, address)


# FTP


def ftp_class(library: ModuleType) -> type[ftplib.FTP]:
    class FTP(ftplib.FTP):
        """Passive transfers only."""

        def connect(self, host: str, port: int, timeout: float) -> str:
            self.host, self.port, self.timeout = host, port, timeout
            self.sock = library.create_connection((host, port), timeout)
            self.af = self.sock.family
            self.file = self.sock.makefile("r", encoding=self.encoding)
            self.welcome = self.getresp()
            return self.welcome

        def ntransfercmd(self, cmd: str, rest: str | int | None = None) -> tuple[Any, int | None]:
            with ExitStack() as until_done:
                data = library.create_connection(self.makepasv(), self.timeout)
                until_done.callback(data.close)
                if rest is not None:
                    self.sendcmd(f"REST {rest}")
                size = ftplib.parse150(self.sendcmd(cmd))  # noqa: S321 - on loopback
                until_done.pop_all()
            return data, size

    return FTP


def ftp_to(library: ModuleType, address: tuple[str, int]) -> ftplib.FTP:
    ftp = ftp_class(library)()
    ftp.connect(*address, MUST_ARRIVE)
    return ftp


def passive_mode(passive: Any) -> str:  # noqa: ANN401 - of either library
    """The answer to PASV: where to connect for the transfer."""
    host, port = passive.getsockname()
    return f"227 there ({host.replace('.', ',')},{port // 256},{port % 256})"


class Files:
    """A file server's script, with passive transfers on sockets of one library."""

    def __init__(self, library: ModuleType, host: str) -> None:
        self.library, self.host = library, host
        self.stored = {"big": PAYLOAD}

    def __call__(self, lines: Lines) -> None:
        lines.say("220-hello", "220 on two lines")
        answers = {"USER": "331 and the password", "PASS": "230 welcome", "TYPE": "200 as you say"}
        while (request := lines.hear()) != "QUIT":
            if request == "PASV":
                self.transfer(lines)
            else:
                lines.say(answers[request.split()[0]])
        lines.say("221 bye")

    def transfer(self, lines: Lines) -> None:
        with listen(self.library, self.host) as passive:
            lines.say(passive_mode(passive))
            data = accept(passive)
        with data:
            start, (verb, _, argument) = 0, lines.hear().partition(" ")
            if verb == "REST":
                lines.say("350 from there")
                start, (verb, _, argument) = int(argument), lines.hear().partition(" ")
            match verb:
                case "RETR" if argument not in self.stored:
                    lines.say("550 no such file")
                    return
                case "RETR":
                    content = self.stored[argument]
                    lines.say(f"150 here it comes ({len(content)} bytes)")
                    data.sendall(content[start:])
                case "NLST":
                    lines.say("150 here they come")
                    data.sendall("".join(f"{each}\r\n" for each in sorted(self.stored)).encode())
                case "STOR":
                    lines.say("150 ready")
                    with data.makefile("rb") as file:
                        self.stored[argument] = file.read()
        lines.say("226 done")


@both_libraries
def test_a_big_file_goes_up_and_comes_down(library: ModuleType, loopback: str) -> None:
    files = Files(library, loopback)
    with scripted(library, loopback, files) as address, ftp_to(library, address) as ftp:
        assert ftp.getwelcome() == "220-hello\n220 on two lines"
        assert ftp.login("me", "secret") == "230 welcome"
        received: list[bytes] = []
        assert ftp.retrbinary("RETR big", received.append) == "226 done"
        assert b"".join(received) == PAYLOAD
        assert ftp.storbinary("STOR copy", io.BytesIO(PAYLOAD[::-1])) == "226 done"
        assert ftp.nlst() == ["big", "copy"]
    assert files.stored["copy"] == PAYLOAD[::-1]


@both_libraries
def test_a_transfer_starts_where_the_last_one_ended(library: ModuleType, loopback: str) -> None:
    files = Files(library, loopback)
    with scripted(library, loopback, files) as address, ftp_to(library, address) as ftp:
        received: list[bytes] = []
        ftp.retrbinary("RETR big", received.append, rest=1_000_000)
        assert b"".join(received) == PAYLOAD[1_000_000:]


@both_libraries
def test_a_file_that_is_not_there_is_a_permanent_error(library: ModuleType, loopback: str) -> None:
    files = Files(library, loopback)
    with scripted(library, loopback, files) as address, ftp_to(library, address) as ftp:
        with pytest.raises(ftplib.error_perm, match="550 no such file"):
            ftp.retrbinary("RETR missing", print)
        assert ftp.voidcmd("TYPE I") == "200 as you say"  # the connection goes on


@both_libraries
def test_a_file_server_that_leaves_is_an_eof_error(library: ModuleType, loopback: str) -> None:
    def leave(lines: Lines) -> None:
        lines.say("220 hello")
        lines.hear()

    with (
        scripted(library, loopback, leave) as address,
        ftp_to(library, address) as ftp,
        pytest.raises(EOFError),
    ):
        ftp.voidcmd("NOOP")


@both_libraries
def test_a_file_server_that_says_nothing_is_a_timeout(library: ModuleType, loopback: str) -> None:
    with listen(library, loopback) as listener, ftp_class(library)() as ftp:
        with pytest.raises(TimeoutError, match="timed out"):
            ftp.connect(*listener.getsockname(), 0.02)
        ftp.close()


@both_libraries
def test_a_transfer_that_stalls_is_a_timeout(library: ModuleType, loopback: str) -> None:
    def stall(lines: Lines) -> None:
        lines.say("220 hello")
        assert lines.hear() == "TYPE I"
        lines.say("200 as you say")
        assert lines.hear() == "PASV"
        with listen(library, loopback) as passive:
            lines.say(passive_mode(passive))
            with accept(passive) as data:
                assert lines.hear() == "RETR big"
                data.sendall(b"so much")
                lines.say("150 here it comes")
                lines.hear_the_end()

    with scripted(library, loopback, stall) as address, ftp_to(library, address) as ftp:
        ftp.timeout = 0.05
        received: list[bytes] = []
        with pytest.raises(TimeoutError, match="timed out"):
            ftp.retrbinary("RETR big", received.append)
        assert b"".join(received) == b"so much"
        ftp.close()


@both_libraries
def test_a_transfer_is_aborted_by_urgent_data(library: ModuleType, loopback: str) -> None:
    """`FTP.abort` sends its command with MSG_OOB."""

    def be_aborted(lines: Lines) -> None:
        lines.sock.setsockopt(SOL_SOCKET, SO_OOBINLINE, 1)
        lines.say("220 hello")
        assert is_ready(lines.sock, select.POLLPRI, MUST_ARRIVE)
        assert lines.hear() == "ABOR"
        lines.say("226 stopped")
        lines.hear_the_end()

    with scripted(library, loopback, be_aborted) as address, ftp_to(library, address) as ftp:
        assert ftp.abort() == "226 stopped"
        ftp.close()


def test_a_client_of_ours_talks_to_a_server_of_the_stdlibs(loopback: str) -> None:
    files = Files(socket, loopback)
    with scripted(socket, loopback, files) as address, ftp_to(epollkit, address) as ftp:
        received: list[bytes] = []
        ftp.retrbinary("RETR big", received.append)
        assert b"".join(received) == PAYLOAD
