"""The clients that several tests use, on plain sockets: programs, people, telnet clients, scripts."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Server, as_text, read_until, run_program


class Program:
    """A connection that carries requests."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def send(self, request: object) -> None:
        self._connection.sendall(json.dumps(request).encode() + b"\n")

    def answer(self) -> Any:
        return json.loads(self._lines.readline())

    def call(self, line: str, method: str = "shell.execute") -> Any:
        self.send({"jsonrpc": "2.0", "id": 7, "method": method, "params": {"line": line}})
        answer = self.answer()
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
        return answer.get("result", answer.get("error"))


def request(method: str, params: object = None, identity: object = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, **({} if params is None else {"params": params})}


def responses(server: Server, *requests: object) -> list[Any]:
    """All that comes back on one connection, in its order."""
    with server.connect() as connection:
        for request in requests:
            connection.sendall(json.dumps(request).encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)
        return [json.loads(line) for line in connection.makefile("rb").read().splitlines()]


SEPARATOR = "-" * 50 + "\n"


class Person:
    """Somebody on a raw connection, who reads what a terminal would show."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.greeting = self._read_to_prompt(">")

    def type(self, line: str, prompt: str = ">") -> str:
        """Type a line; what is shown up to the next prompt."""
        self._connection.sendall(line.encode() + b"\n")
        return self._read_to_prompt(prompt)

    def _read_to_prompt(self, prompt: str) -> str:
        shown = ""
        while shown != prompt and not shown.endswith("\n" + prompt):
            shown += self._connection.recv(65536).decode("utf-8", "replace")
        assert "\n" not in shown.replace("\r\n", "")
        return shown.replace("\r\n", "\n").removesuffix(prompt)


ACCEPT_OFFER = b"\xff\xfd\x01\xff\xfd\x03"
"""DO ECHO, DO SGA: what a telnet client answers."""


@contextlib.contextmanager
def telnet(server: Server) -> Iterator[socket.socket]:
    """A telnet session at its first prompt."""
    with server.connect() as connection:
        connection.sendall(ACCEPT_OFFER)
        read_until(connection, b"\r\n>")
        yield connection


@contextlib.contextmanager
def line_mode(server: Server) -> Iterator[socket.socket]:
    """A person's session on a raw connection, at its first prompt."""
    with server.connect() as connection:
        read_until(connection, b"\r\n>")
        yield connection


def at_a_terminal(connection: socket.socket) -> None:
    """Be a person with a telnet client in character mode."""
    connection.sendall(b"\xff\xfd\x01\xff\xfd\x03")
    read_until(connection, b"\r\n>")


def reset(connection: socket.socket) -> None:
    """Hang up so that the server sees it at once: a script that only closes may still want to read."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def needs(program: str, package: str) -> None:
    """Skip a test whose client is missing; in CI, where each is installed, fail it."""
    if shutil.which(program) is None:
        missing = f"there is no {program} here; it is in Debian's package {package}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)


def smanager(*arguments: str | Path, stdin: str = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    done = run_program(ROOT / "smanager.py", *map(str, arguments), given=stdin.encode(), directory=cwd)
    return as_text(done)
