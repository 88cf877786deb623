"""Sockets that are bound, and the clients that connect to them."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from itertools import pairwise
from typing import Any

import pytest

from smanager.server import acceptor
from smanager.server.acceptor import ACCEPTS_A_TURN, Acceptor, bound
from smanager.system.outbox import Outbox
from smanager.system.sockets import Sockets
from smanager.system.turns import Turns

DEADLINE = 10.0


class Taken(list[socket.socket]):
    """The connections accepted so far."""

    def __call__(self, connection: socket.socket, address: object) -> None:
        self.append(connection)

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(DEADLINE):
            while len(self) < count:
                await asyncio.sleep(0.001)


class Short(socket.socket):
    """A socket for whose connections the system has no room at first."""

    refusals = 1
    error = errno.EMFILE

    def accept(self) -> tuple[socket.socket, Any]:
        if self.refusals:
            self.refusals -= 1
            raise OSError(self.error, os.strerror(self.error))
        return super().accept()


def test_options_of_connections_come_from_the_socket_that_listens() -> None:
    async def run() -> None:
        [listening] = await bound("127.0.0.1", 0)
        taken = Taken()
        one = Acceptor(listening, taken)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(listening.getsockname())
        one.begin(Sockets(Outbox(), Turns()))
        with socket.create_connection(listening.getsockname()):
            await taken.reach(1)
            [connection] = taken
            with connection:
                assert not connection.getblocking()
                for level, option in [
                    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
                    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                    (socket.SOL_SOCKET, socket.SO_OOBINLINE),
                ]:
                    assert connection.getsockopt(level, option)
        one.close()
        one.close()

    asyncio.run(run())


def test_a_crowd_is_accepted_in_more_turns_than_one() -> None:
    async def run() -> None:
        [listening] = await bound("127.0.0.1", 0)
        taken = Taken()
        one = Acceptor(listening, taken)
        one.begin(Sockets(Outbox(), Turns()))
        clients = [socket.create_connection(listening.getsockname()) for _ in range(3 * ACCEPTS_A_TURN)]
        sizes = {0}
        async with asyncio.timeout(DEADLINE):
            while len(taken) < len(clients):
                await asyncio.sleep(0)
                sizes.add(len(taken))
        steps = sorted(sizes)
        assert max(later - earlier for earlier, later in pairwise(steps)) <= ACCEPTS_A_TURN
        for each in [*clients, *taken]:
            each.close()
        one.close()

    asyncio.run(run())


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENOBUFS, errno.ECONNABORTED])
def test_a_connection_waits_while_the_system_has_no_room_for_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: int
) -> None:
    monkeypatch.setattr(acceptor, "RETRY_SECONDS", 0.01)

    async def run() -> None:
        listening = Short(socket.AF_INET, socket.SOCK_STREAM)
        listening.error = error
        listening.bind(("127.0.0.1", 0))
        taken = Taken()
        one = Acceptor(listening, taken)
        one.begin(Sockets(Outbox(), Turns()))
        with socket.create_connection(listening.getsockname()):
            await taken.reach(1)
        taken[0].close()
        one.close()

    asyncio.run(run())
    assert ("cannot accept a connection" in caplog.text) is (error != errno.ECONNABORTED)


def test_a_closed_one_does_not_come_back(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(acceptor, "RETRY_SECONDS", 0.01)

    async def run() -> None:
        listening = Short(socket.AF_INET, socket.SOCK_STREAM)
        listening.bind(("127.0.0.1", 0))
        one = Acceptor(listening, Taken())
        one.begin(Sockets(Outbox(), Turns()))
        with socket.create_connection(listening.getsockname()):
            async with asyncio.timeout(DEADLINE):
                while listening.refusals:
                    await asyncio.sleep(0.001)
            one.close()
            await asyncio.sleep(0.03)  # beyond the retry

    asyncio.run(run())
    assert "Exception in callback" not in caplog.text


def test_all_addresses_of_a_name_are_bound() -> None:
    async def run() -> None:
        sockets = await bound("localhost", 0)
        assert {one.getsockname()[0] for one in sockets} <= {"127.0.0.1", "::1"}
        for one in sockets:
            one.close()
        for one in await bound("", 0):
            assert one.getsockname()[0] in ("0.0.0.0", "::")
            one.close()

    asyncio.run(run())


@pytest.mark.parametrize("fails", ["::1", "127.0.0.1", "both"])
def test_an_address_that_the_machine_lacks_matters_only_where_no_other_is_bound(
    monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Where IPv6 is switched off, `localhost` may still be `::1` too."""
    real = acceptor.bound_to

    def lacking(family: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
        if fails in ("both", address[0]):
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        return real(socket.AF_INET, 0, ("127.0.0.1", 0))

    monkeypatch.setattr(acceptor, "bound_to", lacking)

    async def found(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET6, 1, 6, "", ("::1", 0, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]

    async def run() -> int:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
        sockets = await bound("localhost", 0)
        for one in sockets:
            one.close()
        return len(sockets)

    if fails == "both":
        with pytest.raises(OSError, match="assign") as raised:
            asyncio.run(run())
        assert raised.value.errno == errno.EADDRNOTAVAIL
    else:
        assert asyncio.run(run()) == 1


def test_a_taken_port_is_an_error_and_leaves_nothing_open() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            with pytest.raises(OSError, match="in use") as raised:
                await bound("127.0.0.1", other.getsockname()[1])
            assert raised.value.errno == errno.EADDRINUSE

    asyncio.run(run())
