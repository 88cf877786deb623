"""A connection: how it begins, and how it ends."""

from __future__ import annotations

import asyncio
import socket

import pytest

from smanager.server import connection
from smanager.server.connection import Connection
from smanager.server.handshakes import Handshakes
from smanager.system.outbox import Outbox
from smanager.system.sockets import Sockets
from smanager.system.turns import Turns

DEADLINE = 10.0


class Refusing:
    """An owner that turns its client away with a word."""

    def __init__(self) -> None:
        self.lost_it = asyncio.Event()
        self.connection = Connection(self, Sockets(Outbox(), Turns()))

    def arrived(self) -> Handshakes | None:
        self.connection.send(b"*** try again later\n")
        self.connection.finish()
        return None

    def opened(self) -> None:
        pytest.fail("it was turned away")

    def mistrusted(self, reason: str) -> None: ...
    def received(self, data: bytes) -> None:
        pytest.fail("nothing that it sends counts")

    def ended(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def lost(self) -> None:
        self.lost_it.set()


def test_a_client_that_is_turned_away_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else its place would be taken for longer, and a close with unread bytes would reset the connection."""
    monkeypatch.setattr(connection, "DRAIN_SECONDS", 1000.0)

    async def talk() -> bytes:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname())
            accepted, address = listening.accept()
        accepted.setblocking(False)
        client.setblocking(False)
        with client:
            owner = Refusing()
            owner.connection.begin(accepted, address)
            await loop.sock_sendall(client, b"status\n")
            client.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(DEADLINE):
                await owner.lost_it.wait()
                answer = await loop.sock_recv(client, 1000)
                assert await loop.sock_recv(client, 1000) == b""
        return answer

    assert asyncio.run(talk()) == b"*** try again later\n"
