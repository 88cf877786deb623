"""A tmux window with a client in it: a test types keys as a person does, and checks what the screen shows."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import SECONDS, Server, wait_for
from tests.live.clients import needs

SEPARATOR = "-" * 50
BANNER = ["*" * 50, "Service Manager", "*" * 50, "Available Services:", "-patience", "-systemstatus", SEPARATOR]

DEBIAN_PACKAGES = {
    "busybox": "busybox",
    "nc.openbsd": "netcat-openbsd",
    "nc.traditional": "netcat-traditional",
    "ncat": "ncat",
    "plink": "putty-tools",
    "socat": "socat",
    "telnet": "inetutils-telnet",
    "tmux": "tmux",
}

RUN = ["sh", "-c", r'"$@"; printf "\nexit status %d\n" $?; exec cat', "sh"]
"""Runs a client in a window that stays open after the client's end."""


class Window:
    """A terminal window with a client in it; when the client has ended, its exit status follows what it showed."""

    COLUMNS, ROWS = 80, 50

    def __init__(self, command: list[str], socket: Path) -> None:
        """Run `command`; `socket` is where the window's own tmux is to listen."""
        self._socket = socket
        self._tmux("new-session", "-d", "-x", str(self.COLUMNS), "-y", str(self.ROWS), *RUN, *command)

    def _tmux(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-u", "-S", str(self._socket), "-f", "/dev/null", *arguments],
            capture_output=True,
            check=True,
            encoding="utf-8",
            timeout=SECONDS,
        ).stdout

    def type(self, text: str) -> None:
        """Type characters as they are, control characters among them."""
        self._tmux("send-keys", "-l", "--", text)

    def press(self, *keys: str) -> None:
        """Press keys by their names in tmux."""
        self._tmux("send-keys", *keys)

    def enter(self, line: str) -> None:
        """Type a line, and press Enter."""
        self.type(f"{line}\r")

    def resize(self, columns: int) -> None:
        """Change the width, and wait until the client has been told."""
        self._tmux("resize-window", "-x", str(columns))
        path = self._tmux("display-message", "-p", "#{pane_tty}").strip()
        terminal = os.open(path, os.O_RDONLY | os.O_NOCTTY)
        try:
            wait_for(lambda: os.get_terminal_size(terminal).columns == columns, "the window's new width")
        finally:
            os.close(terminal)

    def rows(self) -> list[str]:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p").rstrip("\n").split("\n")

    def shows(self, *rows: str) -> None:
        """Wait until these are the last rows on the screen."""
        deadline = time.monotonic() + SECONDS
        while (screen := self.rows())[-len(rows) :] != list(rows):
            if time.monotonic() > deadline:
                pytest.fail("\n".join(["the screen should end in", *rows, "and is", *screen]))
            time.sleep(0.01)

    def ended(self) -> bool:
        """Whether the client has ended."""
        return any(row.startswith("exit status ") for row in self.rows())

    def close(self) -> None:
        """End the client and its terminal."""
        with suppress(subprocess.CalledProcessError):  # gone already: it ends when nothing runs in the window
            self._tmux("kill-server")


@contextmanager
def opened(client: str, server: Server) -> Iterator[Window]:
    """A window with the client in it, which shows the banner and a prompt."""
    command = shlex.split(client.format(host=server.host, port=server.port))
    for program in ("tmux", *command):
        if program in DEBIAN_PACKAGES:
            needs(program, DEBIAN_PACKAGES[program])
    with tempfile.TemporaryDirectory() as directory:  # not pytest's, whose paths are too long for a socket
        window = Window(command, Path(directory, "tmux"))
        try:
            window.shows(*BANNER, ">")
            yield window
        finally:
            window.close()
