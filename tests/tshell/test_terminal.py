"""Interactive sessions: the client on a terminal, with the test as its server, byte by byte, or with a real server."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Iterator

import pexpect
import pytest

from tests.conftest import SECONDS, Server, wait_for
from tests.tshell.conftest import CLIENT, Stub, open_session

IAC, SB, SE, WILL, WONT, DO, DONT = b"\xff", b"\xfa", b"\xf0", b"\xfb", b"\xfc", b"\xfd", b"\xfe"


OPENING = IAC + WILL + b"\x1f" + IAC + WILL + b"\x18" + IAC + DO + b"\x01" + IAC + DO + b"\x03"


OFFER = IAC + WILL + b"\x01" + IAC + WILL + b"\x03" + IAC + DO + b"\x1f" + IAC + DO + b"\x18"


SEND_TERMINAL = IAC + SB + b"\x18\x01" + IAC + SE


SIZE = os.terminal_size((101, 33))


def window(columns: int, lines: int) -> bytes:
    """The subnegotiation that reports a window's size, of numbers below 255."""
    return IAC + SB + b"\x1f" + struct.pack("!HH", columns, lines) + IAC + SE


class Session:
    """The client on a terminal of its own, and the server's end of its connection, played by the test."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()  # both stay open: the terminal's state outlives the client
        self._descriptors = [self._master, self._slave]
        self.resize(*SIZE)
        self.cooked = self.terminal_state()
        self.screen = b""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(SECONDS)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # for the test that fills it
            port = listener.getsockname()[1]
            # A session leader's first terminal becomes its controlling one, which brings it SIGWINCH and SIGHUP.
            opens_terminal = 'exec "$@" <>"$0" >&0 2>&1'
            self.process = subprocess.Popen(
                ["sh", "-c", opens_terminal, os.ttyname(self._slave), *CLIENT, "-p", str(port)],
                start_new_session=True,
                env=os.environ | {"TERM": "vt220"},
            )
            self.server, _ = listener.accept()
        self.server.settimeout(SECONDS)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def terminal_state(self) -> list[object]:
        return list(termios.tcgetattr(self._slave))

    def receives(self, expected: bytes) -> None:
        """Wait until the server has received exactly these bytes."""
        received = b""
        while len(received) < len(expected):
            data = self.server.recv(len(expected) - len(received))
            assert data, f"the client closed after {received!r}"
            received += data
        assert received == expected

    def shows(self, expected: bytes) -> None:
        """Wait until these bytes reach the terminal."""
        deadline = time.monotonic() + SECONDS
        while expected not in self.screen:
            readable, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
            assert readable, f"{expected!r} did not come after {self.screen!r}"
            self.screen += os.read(self._master, 65536)
        self.screen = self.screen.partition(expected)[2]

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def begin(self) -> None:
        """Complete the negotiation: from here on the terminal is raw."""
        self.receives(OPENING)
        self.server.sendall(OFFER + SEND_TERMINAL + b"banner\r\n>")
        self.receives(window(*SIZE) + IAC + SB + b"\x18\x00vt220" + IAC + SE)
        self.shows(b"banner\r\n>")

    def ends(self, status: int) -> None:
        """Wait until the client ends with this status; check that it restored the terminal."""
        assert self.process.wait(SECONDS) == status
        assert self.terminal_state() == self.cooked

    def type_all_that_is_taken(self) -> int:
        """Type until no key is accepted for a moment; return the number of bytes typed."""
        typed = 0
        while select.select([], [self._master], [], 0.3)[1]:
            typed += os.write(self._master, b"k" * 1024)
            assert typed < 16_000_000, "the client keeps more than the kernel and its limit can hold"
        return typed

    def hang_up(self) -> None:
        """Take the terminal away, as closing its window does."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()

    def close(self) -> None:
        self.process.kill()
        self.process.wait(SECONDS)
        self.server.close()
        self.hang_up()


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session()
    yield session
    session.close()


def test_keys_go_to_the_server_as_typed_and_its_output_to_the_terminal(session: Session) -> None:
    session.begin()
    assert session.terminal_state() != session.cooked
    session.type("é\t\x03\x04\x1a\x1b[A".encode() + b"\xff\r")
    session.receives("é\t\x03\x04\x1a\x1b[A".encode() + b"\xff\xff\r\0")
    session.server.sendall(b"\xff\xff\r\nand \xff\xf1on")
    session.shows(b"\xff\r\nand on")


def test_a_resize_is_sent_at_once(session: Session) -> None:
    session.begin()
    session.resize(255, 40)
    session.receives(IAC + SB + b"\x1f\x00\xff\xff\x00\x28" + IAC + SE)


def test_keys_typed_before_the_negotiation_are_not_lost(session: Session) -> None:
    session.type(b"early\r")
    session.receives(OPENING)
    session.server.sendall(OFFER)
    data = b""
    while b"early" not in data:  # the window's size may come before or after it
        data += session.server.recv(100)


@pytest.mark.parametrize("last", [b">", b"bye\r\n"])
def test_the_terminal_is_restored_when_the_server_closes(session: Session, last: bytes) -> None:
    session.begin()
    session.server.sendall(last)
    session.shows(last)
    session.server.close()
    session.ends(0)


def test_ctrl_right_bracket_leaves_and_the_cursor_is_on_a_fresh_line(session: Session) -> None:
    session.begin()
    session.type(b"\x1d")
    session.shows(b"\r\n")
    session.ends(0)


def test_leaving_takes_back_the_paste_marks_that_the_server_set(session: Session) -> None:
    session.begin()
    session.server.sendall(b"\x1b[?20")
    session.shows(b"\x1b[?20")  # so that the rest arrives separately
    session.server.sendall(b"04h>")
    session.shows(b"04h>")
    session.type(b"\x1d")
    session.shows(b"\x1b[?2004l\r\n")
    session.ends(0)


def test_output_continues_while_the_server_does_not_read_and_keys_wait(session: Session) -> None:
    session.begin()
    typed = session.type_all_that_is_taken()
    session.server.sendall(b"still here")
    session.shows(b"still here")
    session.receives(b"k" * typed)
    session.type(b"\r")
    session.receives(b"\r\0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_is_restored_when_a_signal_ends_the_client(session: Session, number: signal.Signals) -> None:
    session.begin()
    session.process.send_signal(number)
    session.ends(128 + number)


def test_the_client_ends_with_its_terminal(session: Session) -> None:
    session.begin()
    session.hang_up()
    assert session.process.wait(SECONDS) == 128 + signal.SIGHUP
    assert session.server.recv(1) == b""


def test_the_terminal_is_restored_when_the_connection_is_lost(session: Session) -> None:
    session.begin()
    # Closing with unread bytes, or with no time to linger, resets the connection.
    session.server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    session.server.close()
    session.shows(b"\r\ntshell: lost SManager at 127.0.0.1:")
    session.ends(3)


def test_the_terminal_is_restored_when_the_server_talks_nonsense(session: Session) -> None:
    session.begin()
    session.server.sendall(IAC + SB + b"x" * 1000)
    session.shows(b"more than 256 bytes")
    session.ends(3)


def test_a_commands_output_has_its_control_characters_escaped_on_a_terminal(stub: Stub) -> None:
    master, slave = os.openpty()
    command = [*CLIENT, "-p", str(stub.port), "bytes"]
    done = subprocess.run(command, stdout=slave, timeout=SECONDS, check=False)
    assert done.returncode == 0
    assert os.read(master, 4096) == b"caf\\udce9 \\x1b[31m\r\n"
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("environment", "is_red"),
    [({"TERM": "xterm-256color"}, True), ({"TERM": "vt220"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_errors_are_red_on_a_terminal_with_colours(server: Server, environment: dict[str, str], is_red: bool) -> None:
    child = open_session("-p", str(server.port), **environment)
    child.expect_exact("-" * 50 + "\r\n>")
    child.send("systemstatus fail\r")
    error = "*** systemstatus fail: ValueError: no"
    child.expect_exact(f"fail\r\n\x1b[31m{error}\x1b[39m\r\n" if is_red else f"fail\r\n{error}\r\n")
    child.close(force=True)


def test_an_interactive_session_edits_on_the_server(server: Server) -> None:
    child = open_session("-p", str(server.port))
    child.expect_exact("-systemstatus\r\n" + "-" * 50 + "\r\n>")
    child.send("sys\tup\t\r")
    child.expect_exact("load average: 0.28, 0.39, 0.46\r\n" + "-" * 50 + "\r\n>")
    child.send("\x1b[A\x15quit\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_dumb_terminal_edits_its_own_lines(server: Server) -> None:
    child = open_session("-p", str(server.port), TERM="dumb")
    child.expect_exact("-systemstatus\r\n" + "-" * 50 + "\r\n>")
    wait_for(child.getecho, "the terminal to echo")
    child.sendline("hostname")
    child.expect_exact("hostname\r\nmycomputerhostname\r")
    child.sendline("quit")
    child.expect(pexpect.EOF)
