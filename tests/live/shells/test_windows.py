"""What people see in small windows, and in colours."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Server, is_in, read_until
from tests.live.clients import ACCEPT_OFFER

CONFIGURATION = """
[services.a-service-of-length]
program = ["sh", "-c", "echo 'one line of a service that is far too long for this window'; exec sleep 3600"]
[services.gone]
program = ["sh", "-c", "exit 3"]
give_up_after = 1
"""


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    server = shared(CONFIGURATION)
    is_in(server, "gone", "failed")
    is_in(server, "a-service-of-length", "running")
    return server


class Window:
    """A telnet session in a window of some width, on a terminal of some type."""

    def __init__(self, connection: socket.socket, columns: int, terminal: bytes) -> None:
        self._connection = connection
        size = b"\xff\xfb\x1f\xff\xfa\x1f\0" + bytes([columns]) + b"\0\x18\xff\xf0"
        kind = b"\xff\xfb\x18\xff\xfa\x18\0" + terminal + b"\xff\xf0"
        connection.sendall(ACCEPT_OFFER + size + kind)
        self.greeting = self.shown()

    def type(self, line: str) -> str:
        self._connection.sendall(line.encode() + b"\r")
        return self.shown().partition("\n")[2]

    def shown(self) -> str:
        text = read_until(self._connection, b"\n>").decode(errors="replace")
        return re.sub(r"\x1b\[\?2004h|\r", "", text).removesuffix("\n>")


@pytest.fixture
def window(server: Server) -> Iterator[Callable[..., Window]]:
    connections: list[socket.socket] = []

    def open_one(columns: int, terminal: str = "vt100") -> Window:
        connections.append(server.connect())
        return Window(connections[-1], columns, terminal.encode())

    yield open_one
    for connection in connections:
        connection.close()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", text)


@pytest.mark.parametrize("columns", [40, 50, 80])
@pytest.mark.parametrize(
    "command",
    ["help", "help status", "help reload", "status", "why all", "events", "nonsense", "logs --nonsense", "who"],
)
def test_nothing_is_wider_than_the_window(window: Callable[..., Window], columns: int, command: str) -> None:
    session = window(columns)
    session.type("hostname")  # which has the width by now
    shown = session.type(command)
    assert shown
    assert all(len(line) <= columns for line in plain(shown).split("\n")), shown
    assert plain(shown).split("\n")[-1] == "-" * min(columns, 50)


def test_what_services_printed_stays_as_it_is(window: Callable[..., Window]) -> None:
    assert "one line of a service that is far too long for this window" in window(40).type("logs")


@pytest.mark.parametrize("columns", [40, 80])
def test_the_name_the_state_and_the_process_are_never_cut(window: Callable[..., Window], columns: int) -> None:
    session = window(columns)
    session.type("hostname")
    rows = session.type("status").split("\n")
    assert re.match(r"a-service-of-length  running  \d+ ", rows[1])
    assert re.match(r"gone                 failed   - ", rows[2])
    assert all(map(rows[0].startswith, ["NAME                 STATE    PID"]))


def test_states_are_coloured_where_the_terminal_has_colours(window: Callable[..., Window], server: Server) -> None:
    session = window(80, "xterm")
    rows = session.type("status")
    assert re.search(r"length  \x1b\[32mrunning\x1b\[39m  \d", rows)
    assert re.search(r"gone                 \x1b\[31mfailed\x1b\[39m   -", rows)
    assert "gone is \x1b[31mfailed\x1b[39m (exit" in session.type("why gone")
    assert "\x1b" not in window(80).type("status")
    assert "\x1b" not in server.ask("status")


def test_an_error_is_red_to_its_end(window: Callable[..., Window]) -> None:
    session = window(40, "xterm")
    session.type("hostname")
    assert "\x1b[31m*** unknown command: nonsense; `help`\n    lists the commands\x1b[39m\n" in session.type("nonsense")
