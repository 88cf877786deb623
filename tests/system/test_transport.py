"""The bytes of one socket, both ways, and its end."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from smanager.system.outbox import Outbox
from smanager.system.sockets import Sockets
from smanager.system.transport import HIGH_WATER, READ_SIZE, Transport
from smanager.system.turns import Turns

DEADLINE = 10.0


@dataclass
class Owner:
    """Writes down what it is told."""

    may_read: bool = True
    got: bytearray = field(default_factory=bytearray)
    told: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    on_data: Callable[[bytes], object] | None = None
    on_resume: Callable[[], object] | None = None

    def data_received(self, data: bytes) -> None:
        assert len(data) <= READ_SIZE
        self.got += data
        self.changed.set()
        if self.on_data:
            self.on_data(data)

    def eof_received(self) -> bool:
        self._note("end")
        return self.may_read

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")
        if self.on_resume:
            self.on_resume()

    def connection_lost(self) -> None:
        self._note("lost")

    def _note(self, what: str) -> None:
        self.told.append(what)
        self.changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


def converse(
    talk: Callable[[Transport, Owner, socket.socket], Coroutine[Any, Any, None]], may_read: bool = True
) -> Owner:
    """Run `talk` with a transport that reads, its owner, and the client's end, which does not block."""

    async def run() -> Owner:
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            owner = Owner(may_read)
            one = Transport(ours, owner, Sockets(Outbox(), Turns()))
            one.read(True)
            await talk(one, owner, theirs)
            one.abort()
            await owner.until(lambda: "lost" in owner.told)
            assert ours.fileno() == -1
        return owner

    return asyncio.run(run())


async def read_all(client: socket.socket, most: float = float("inf")) -> bytes:
    """What a client reads up to the end, or up to so many bytes."""
    loop, pieces, size = asyncio.get_running_loop(), [], 0
    async with asyncio.timeout(DEADLINE):
        while size < most and (data := await loop.sock_recv(client, 65536)):
            pieces.append(data)
            size += len(data)
    return b"".join(pieces)


def test_what_a_client_sends_comes_in_order_and_then_its_end() -> None:
    async def talk(one: Transport, owner: Owner, client: socket.socket) -> None:
        sent = bytes(range(256)) * 256
        await asyncio.get_running_loop().sock_sendall(client, sent)
        client.shutdown(socket.SHUT_WR)
        await owner.until(lambda: owner.told)
        assert owner.got == sent
        one.send(b"answer")
        assert client.recv(100) == b"answer"

    assert converse(talk).told == ["end", "lost"]


def test_a_client_that_may_not_read_on_is_closed_at_its_end() -> None:
    async def talk(one: Transport, owner: Owner, client: socket.socket) -> None:
        client.shutdown(socket.SHUT_WR)
        assert await read_all(client) == b""
        assert one.is_closing

    assert converse(talk, may_read=False).told == ["end", "lost"]


def test_what_has_come_already_can_be_read_at_once() -> None:
    async def talk(one: Transport, owner: Owner, client: socket.socket) -> None:
        one.read_now()  # nothing has come
        client.send(b"early")
        one.read_now()
        assert owner.got == b"early"
        one.read(False)
        client.send(b"late")
        one.read_now()
        assert owner.got == b"early"

    assert converse(talk).told == ["lost"]


def test_nothing_is_read_while_reading_is_suspended() -> None:
    async def talk(one: Transport, owner: Owner, client: socket.socket) -> None:
        one.read(False)
        client.send(b"early")
        for _ in range(5):
            await asyncio.sleep(0)
        assert not owner.got
        one.read(True)
        await owner.until(lambda: owner.got)

    converse(talk)


def test_what_the_kernel_does_not_take_waits_and_its_owner_is_told() -> None:
    async def talk(one: Transport, owner: Owner, client: socket.socket) -> None:
        sent = bytes(range(256)) * 8192
        one.send(sent[:100])
        one.send(sent[100:])
        assert HIGH_WATER < one.unsent < len(sent)
        assert owner.told == ["pause"]
        assert await read_all(client, len(sent)) == sent
        assert one.unsent == 0

    assert converse(talk).told == ["pause", "resume", "lost"]


def test_an_owner_that_goes_on_by_sending_more_loses_nothing() -> None:
    async def talk(one: Transport, owner: Owner, client: socket.socket) -> None:
        def more() -> None:
            if owner.told.count("resume") < 3:
                one.send(b"x" * 2_000_000)

        owner.on_resume = more
        one.send(b"x" * 2_000_000)
        assert len(await read_all(client, 6_000_000)) == 6_000_000

    assert converse(talk).told == [*["pause", "resume"] * 3, "lost"]


def test_a_close_sends_what_waits_first_and_reads_no_more() -> None:
    async def talk(one: Transport, owner: Owner, client: socket.socket) -> None:
        one.send(b"x" * 1_000_000)
        one.close()
        one.send(b"late")  # counts for nothing
        one.read(True)
        assert len(await read_all(client)) == 1_000_000
        await owner.until(lambda: "lost" in owner.told)

    converse(talk)


def test_an_action_follows_the_last_byte() -> None:
    async def talk(one: Transport, owner: Owner, client: socket.socket) -> None:
        acts: list[str] = []
        one.when_sent(lambda: acts.append("at once"))
        one.send(b"x" * 1_000_000)
        one.when_sent(one.shut_down)
        assert acts == ["at once"]
        assert len(await read_all(client)) == 1_000_000  # up to the end
        client.send(b"and back")
        await owner.until(lambda: owner.got == b"and back")

    converse(talk)


@pytest.mark.parametrize("unsent", [0, 1_000_000])
def test_an_abort_is_over_at_once_and_told_once(unsent: int) -> None:
    async def talk(one: Transport, owner: Owner, client: socket.socket) -> None:
        one.send(b"x" * unsent)
        acts: list[str] = []
        one.when_sent(lambda: acts.append("sent"))
        one.abort()
        one.abort()
        one.close()
        one.read(True)
        one.send(b"more")
        assert "lost" not in owner.told  # only in a later turn
        await owner.until(lambda: "lost" in owner.told)
        client.close()
        assert acts == ([] if unsent else ["sent"])

    assert converse(talk).told.count("lost") == 1


@pytest.mark.parametrize("sends", [True, False], ids=["while it is sent to", "while it is read"])
def test_a_client_that_resets_the_connection_is_lost(sends: bool) -> None:
    async def run() -> list[str]:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname())
            ours, _ = listening.accept()
        ours.setblocking(False)
        owner = Owner()
        one = Transport(ours, owner, Sockets(Outbox(), Turns()))
        if sends:
            one.send(b"x" * 20_000_000)
        else:
            one.read(True)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await owner.until(lambda: "lost" in owner.told)
        return owner.told

    assert asyncio.run(run())[-1] == "lost"


def test_an_owner_that_fails_loses_its_connection_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def talk(one: Transport, owner: Owner, client: socket.socket) -> None:
        owner.on_data = lambda data: 1 / 0
        client.send(b"boom")
        assert await read_all(client) == b""

    converse(talk)
    assert "internal error" in caplog.text
