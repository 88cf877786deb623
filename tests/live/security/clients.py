"""Clients that several of these tests use, and what they need."""

from __future__ import annotations

import os
import shutil
import socket

import pytest


class Telnet:
    """A telnet client that leaves echo to the server."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        connection.sendall(b"\xff\xfd\x01\xff\xfd\x03")

    def type(self, text: str) -> None:
        self._connection.sendall(text.encode())

    def expect(self, end: str) -> str:
        """What is shown up to and with `end`."""
        while end.encode() not in self._received:
            piece = self._connection.recv(65536)
            assert piece, f"the server closed before {end!r}; it sent {self._received!r}"
            self._received += piece
        shown, _, self._received = self._received.partition(end.encode())
        return shown.decode(errors="replace") + end

    def log_in(self, user: str, password: str) -> None:
        self.expect("login: ")
        self.type(f"{user}\r")
        assert self.expect("password: ").count(user) == 1
        self.type(f"{password}\r")

    def is_closed(self) -> bool:
        return not self._connection.recv(65536)


def needs(program: str) -> pytest.MarkDecorator:
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    return pytest.mark.skipif(not found and not os.environ.get("CI"), reason=f"needs {program}")
