"""Clients that have stopped reading."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from unittest.mock import Mock

import pytest

from smanager.server import watches
from smanager.system.outbox import Outbox
from smanager.system.sockets import Sockets
from smanager.system.transport import Transport
from smanager.system.turns import Turns


@pytest.mark.parametrize("reads", [True, False])
def test_who_reads_slowly_is_not_given_up(monkeypatch: pytest.MonkeyPatch, reads: bool) -> None:
    monkeypatch.setattr(watches, "STALL_SECONDS", 0.4)

    async def converse() -> bool:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        ours.setblocking(False)
        transport = Transport(ours, Mock(), Sockets(Outbox(), Turns()))
        given_up = asyncio.Event()
        sent = 4_000_000
        transport.send(b"x" * sent)
        watch = asyncio.ensure_future(watches.watch_for_stall(transport, lambda: sent, given_up.set))
        for _ in range(60):
            if reads:
                theirs.recv(50_000)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(given_up.wait(), 0.02)
        watch.cancel()
        transport.abort()
        theirs.close()
        return given_up.is_set()

    assert asyncio.run(converse()) is not reads
