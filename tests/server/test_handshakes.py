from __future__ import annotations

import asyncio
import ssl

import pytest

from smanager.server import handshakes
from smanager.server.handshakes import Handshakes


class Newcomer:
    def __init__(self) -> None:
        self.begun = self.aborted = False

    def secure(self, context: ssl.SSLContext) -> None:
        self.begun = True

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> tuple[Handshakes, list[Newcomer]]:
    monkeypatch.setattr(handshakes, "MOST_HANDSHAKES", 2)
    monkeypatch.setattr(handshakes, "FAIR_SECONDS", 3600.0)
    return Handshakes(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)), [Newcomer() for _ in range(4)]


def test_the_latest_that_waits_goes_on_when_a_place_is_free(crowd: tuple[Handshakes, list[Newcomer]]) -> None:
    async def run() -> None:
        entrance, clients = crowd
        for client in clients:
            entrance.enter(client)
        assert [client.begun for client in clients] == [True, True, False, False]
        entrance.leave(clients[0])
        assert [client.begun for client in clients] == [True, True, False, True]
        entrance.leave(clients[2])  # it has hung up
        entrance.leave(clients[1])
        assert not clients[2].begun

    asyncio.run(run())


def test_the_oldest_gives_way_to_those_that_wait_once_it_has_had_its_time(
    crowd: tuple[Handshakes, list[Newcomer]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshakes, "FAIR_SECONDS", 0.01)

    async def run() -> None:
        entrance, clients = crowd
        for client in clients[:3]:
            entrance.enter(client)
        async with asyncio.timeout(20):
            while not clients[2].begun:
                await asyncio.sleep(0.001)
        assert [client.aborted for client in clients] == [True, False, False, False]

    asyncio.run(run())
