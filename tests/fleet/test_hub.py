"""Where a hub may be, and when the way to it is not safe."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from smanager.fleet import hub as hub_module
from smanager.fleet.hub import FIRST_PAUSE, LONGEST_PAUSE, Hub, HubAccess, is_on_this_machine, server_of, why_unsafe
from tests.conftest import SECONDS

KEY, CA = Path("/etc/box.nk"), Path("/etc/ca.pem")


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("tls://hub", "tls://hub:4222"),
        ("tls://hub.example:1", "tls://hub.example:1"),
        ("TLS://Hub/", "tls://hub:4222"),
        ("nats://127.0.0.1:65535", "nats://127.0.0.1:65535"),
        ("nats://[::1]", "nats://[::1]:4222"),
        ("tls://ä.example", "tls://ä.example:4222"),
    ],
)
def test_an_address_gets_its_port(text: str, server: str) -> None:
    assert server_of(text) == server


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "hub",
            "hub:4222",
            "tls://",
            "tls://:4222",
            "http://hub",
            "tls://hub:0",
            "tls://hub:65536",
            "tls://hub:x",
        ),
        *(
            "tls://hub/x",
            "tls://hub?x",
            "tls://hub#x",
            "tls://a b",
            "tls://a,b",
            "tls://*",
            "tls://hub\0",
            "tls://[::1",
        ),
        *("tls://me@hub", "tls://me:secret@hub", "tls://:secret@hub", None, 5, True, ["tls://hub"]),
    ],
)
def test_an_address_that_is_none_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match=r'^an address such as "tls://hub\.example:4222"'):
        server_of(text)


@pytest.mark.parametrize(
    ("server", "is_here"),
    [
        ("nats://127.0.0.1:4222", True),
        ("nats://127.9.9.9:4222", True),
        ("nats://[::1]:4222", True),
        ("nats://localhost:4222", True),
        ("nats://localhost.example:4222", False),
        ("nats://10.0.0.1:4222", False),
        ("nats://0.0.0.0:4222", False),
        ("nats://hub:4222", False),
    ],
)
def test_only_loopback_is_this_machine(server: str, is_here: bool) -> None:
    assert is_on_this_machine(server) is is_here


@pytest.mark.parametrize(
    ("access", "problem"),
    [
        (HubAccess(("nats://127.0.0.1:1", "nats://localhost:2")), ""),
        (HubAccess(("tls://hub:1",), KEY), ""),
        (HubAccess(("nats://hub:1",), KEY, CA), ""),  # a CA asks for TLS
        (HubAccess(("nats://hub:1",), insecure=True), ""),
        (HubAccess(("nats://hub:1",), KEY), "an eavesdropper could read all commands; use tls:// in servers"),
        (
            HubAccess(("tls://hub:1", "nats://hub:1"), KEY),
            "an eavesdropper could read all commands; use tls:// in servers",
        ),
        (
            HubAccess(("nats://127.0.0.1:1", "nats://hub:1")),
            "an eavesdropper could read all commands; use tls:// in servers",
        ),
        (HubAccess(("tls://hub:1",)), "anyone could pass for any user; name credentials"),
    ],
)
def test_a_hub_on_another_machine_needs_tls_and_logins(access: HubAccess, problem: str) -> None:
    assert why_unsafe(access) == problem


class LostHub(Hub):
    """A hub with servers that cannot be reached; it notes which it has tried."""

    def __init__(self, *servers: str) -> None:
        async def welcome(_: object) -> None:
            pass

        super().__init__(HubAccess(servers), "box", "_INBOX_box", welcome)
        self.tried: list[str] = []

    async def _serve(self, server: str, _: Callable[[], object]) -> bool:
        self.tried.append(server)
        return False


def test_a_lost_hub_is_tried_more_and_more_seldom_and_by_chance_not_all_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("nats")
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 20:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    hub = LostHub("nats://127.0.0.1:1", "nats://127.0.0.1:2")
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(hub.run())
    assert len(hub.tried) == 2 * len(pauses)
    assert len(set(hub.tried)) == 2
    for number, pause in enumerate(pauses):
        longest = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
        assert longest / 2 <= pause <= longest
    assert len({pause / LONGEST_PAUSE for pause in pauses[10:]}) == 10


LEFT = 10  # messages that a server which has frozen does not read


class FreezingServer:
    """A NATS server of which one client is let in, and is then read no further until the end."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 4096
        )  # so that the client's system holds the rest
        self.port: int = self._listener.getsockname()[1]

    def let_in(self) -> socket.socket:
        self._listener.settimeout(SECONDS)
        connection, _ = self._listener.accept()
        self._listener.close()
        connection.settimeout(SECONDS)
        connection.sendall(b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576}\r\n')
        heard = b""
        while b"PING\r\n" not in heard:
            heard += connection.recv(4096)
        connection.sendall(b"PONG\r\n")
        return connection


def rest_of(connection: socket.socket) -> tuple[int, bool]:
    """How many messages still come on a connection, and whether it was reset then."""
    with connection:
        data = b""
        try:
            while more := connection.recv(65536):
                data += more
        except ConnectionResetError:
            return data.count(b"PUB "), True
        return data.count(b"PUB "), False


def test_what_a_frozen_server_has_not_taken_does_not_reach_it_later(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nats")
    monkeypatch.setattr(hub_module, "LOOK_SECONDS", 0.1)

    async def run() -> tuple[int, bool]:
        server, lost = FreezingServer(), asyncio.Event()

        async def welcome(_: object) -> None:
            pass

        def changed() -> None:
            if hub.problem:
                lost.set()

        hub = Hub(HubAccess((f"nats://127.0.0.1:{server.port}",)), "box", "_INBOX_box", welcome)
        running = asyncio.create_task(hub.run(changed))
        connection = await asyncio.to_thread(server.let_in)
        await hub.connected(SECONDS)
        for _ in range(LEFT):
            await hub.publish("smanager.alice.all", b"x" * 100_000)
        await asyncio.wait_for(lost.wait(), SECONDS)
        running.cancel()
        return await asyncio.to_thread(rest_of, connection)

    messages, was_reset = asyncio.run(run())
    assert was_reset
    assert messages < LEFT
