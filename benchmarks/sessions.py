"""Many idle sessions of people."""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING

from benchmarks.servers import BenchmarkError

if TYPE_CHECKING:
    from types import TracebackType

    from benchmarks.servers import Address

BANNER = b"Service Manager"
IAC = b"\xff"
SILENCE = b""  # `nc` in a terminal ignores the offer and gets a session in line mode
TELNET = bytes.fromhex("fffd01 fffd03")  # IAC DO ECHO, IAC DO SUPPRESS-GO-AHEAD: gets a session with a line editor

PER_SECOND = 5000  # connections to open: a higher rate overruns the accept queue, and a lost SYN costs 1 s
BANNER_DEADLINE = 15.0  # seconds from the last connection until all have received the banner
SETTLED = 0.5  # seconds of silence from the server: prompts follow their banners at once


class IdleSessions:
    """Connections that wait for their banner, give `answer` to a telnet offer, and send nothing more."""

    def __init__(self, address: Address, answer: bytes) -> None:
        self._address = address
        self._answer = answer
        self._poller = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._ungreeted: dict[int, bytes] = {}

    def open(self, count: int) -> None:
        """Open `count` more connections; return when each has received its banner and the server is silent.

        Raises BenchmarkError if the server closes a connection, or sends no banner within BANNER_DEADLINE.
        """
        begin = time.monotonic()
        for number in range(count):
            self._open_one()
            while (early := begin + number / PER_SECOND - time.monotonic()) > 0:
                self._receive(early)
        deadline = time.monotonic() + BANNER_DEADLINE
        while self._receive(SETTLED) or self._ungreeted:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"{len(self._ungreeted)} of {count} idle sessions received no banner")

    def _open_one(self) -> None:
        connection = socket.create_connection(self._address, BANNER_DEADLINE)
        self._sockets[connection.fileno()] = connection
        self._ungreeted[connection.fileno()] = b""
        self._poller.register(connection, select.EPOLLIN)

    def _receive(self, patience: float) -> bool:
        """Receive what comes within `patience` seconds; return whether anything did."""
        ready = self._poller.poll(patience)
        for descriptor, _ in ready:
            connection = self._sockets[descriptor]
            chunk = connection.recv(65536)
            if not chunk:
                raise BenchmarkError(f"the server closed an idle session, with {len(self._sockets)} open")
            if descriptor not in self._ungreeted:
                continue
            before = self._ungreeted[descriptor]
            if not before and chunk.startswith(IAC):
                connection.send(self._answer)
            self._ungreeted[descriptor] = before + chunk
            if BANNER in before + chunk:
                del self._ungreeted[descriptor]
        return bool(ready)

    def __enter__(self) -> IdleSessions:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._sockets.values():
            connection.close()
        self._poller.close()
