"""Five boxes of a fleet, and what tests do to them: ask, count, freeze, cut off."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from smanager.fleet.asking import Asking, Heard
from smanager.fleet.client import FleetClient
from smanager.fleet.user import hub_user
from tests.conftest import SECONDS, Server, configure, wait_for
from tests.live.fleet.hubs import FleetHub, running_hub

BOX = '''
import asyncio, time
from pathlib import Path

from smanager import SService, command

HERE = Path("..") if Path.cwd().name == "services" else Path()


def note(what):
    with open(HERE / "notes", "a") as file:
        file.write(what + "\\n")


class Box(SService):
    """Notes what has run, so that tests can count"""

    def cmd_work(self, mark):
        note(f"work {mark}")
        return f"worked {mark}"

    async def cmd_wait(self, mark):
        """Waits for a file of this name to be made"""
        note(f"begin {mark}")
        try:
            while not (HERE / mark).exists():
                await asyncio.sleep(0.02)
            return f"waited {mark}"
        finally:
            note(f"end {mark}")

    @command(role="view")
    def cmd_lines(self, count: int):
        for number in range(count):
            yield number

    @command(role="view")
    def cmd_long(self, size: int):
        yield "short"
        return "x" * size

    @command(role="view")
    def cmd_flood(self):
        while True:
            yield "x" * 1000
'''

NAMES = ("box1", "box2", "box3", "box4", "far")
"""`far` reaches the hub by a relay."""


class Box:
    """A box of the fleet: a manager."""

    def __init__(self, name: str, server: Server) -> None:
        self.name = name
        self.server = server

    def host(self, service: str = "fleet") -> int:
        """The process id of a service's host, once that runs."""
        return int(self._running(service)["pid"])

    def _running(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def runs() -> bool:
            [report] = json.loads(self.server.ask(f"status {service} --json\n"))
            found.update(report)
            return bool(report["state"] == "running" and report["pid"])

        wait_for(runs, lambda: f"{service} of {self.name} to run; it is {found}")
        return found

    def is_connected(self) -> bool:
        return "connected to" in self.server.ask("fleet show\n").replace("not connected", "")

    def count(self, note: str) -> int:
        """How often something was noted there."""
        file = self.server.directory / "notes"
        return file.read_text().splitlines().count(note) if file.exists() else 0

    def make(self, mark: str) -> None:
        """End `wait` for this mark."""
        (self.server.directory / mark).touch()

    def journal(self) -> str:
        return (self.server.directory / "state" / "audit.jsonl").read_text()


class Relay:
    """Passes connections on to a port, and swallows what is said on them when it is told to."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._is_swallowing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        self._is_swallowing = True

    def heal(self) -> None:
        """Pass on again; the connections of before are reset."""
        self._is_swallowing = False
        pairs, self._pairs = self._pairs, []
        for side in (side for pair in pairs for side in pair):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.heal()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._to))
                except OSError:  # the hub is killed
                    near.close()
                    continue
                self._pairs.append((near, far))
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._is_swallowing:
                    target.sendall(data)
        for side in (source, target):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


class Boxes:
    """The fleet, with its hub."""

    def __init__(self, hub: FleetHub, directory: Path) -> None:
        """`alice` operates all boxes, `bob` looks, and `carol` has no role."""
        self.hub = hub
        self.directory = directory
        self.relay = Relay(hub.port)
        for user, role in (("alice", "operate"), ("bob", "view")):
            hub.do("add-user", user, "--roles", role)
        self.boxes = {name: self._start(name) for name in NAMES}
        hub.do("add-user", "carol")  # of whom the boxes are not told
        wait_for(lambda: all(box.is_connected() for box in self.boxes.values()), "the connections of all boxes")

    def _start(self, name: str) -> Box:
        self.hub.do("add-node", name, "-l", f"site={'here' if name.startswith('box') else 'there'}")
        directory = self.directory / f"box-{name}"
        directory.mkdir()
        shutil.move(self.hub.directory / name, directory / name)
        settings = (directory / name / "fleet.toml").read_text()
        if name == "far":
            settings = settings.replace(str(self.hub.port), str(self.relay.port))
        options = configure(directory, settings, {"box": BOX})
        return Box(name, Server(*options, directory=directory))

    def __getitem__(self, name: str) -> Box:
        return self.boxes[name]

    def counts(self, note: str) -> list[int]:
        """How often something was noted on each box."""
        return [box.count(note) for box in self.boxes.values()]

    def wait_for_notes(self, note: str, counts: tuple[int, ...] = (1,) * len(NAMES)) -> None:
        wait_for(lambda: self.counts(note) == list(counts), lambda: f"{note} {counts} times: {self.counts(note)}")

    async def begun(self, asking: Asking, mark: str) -> None:
        """Wait until all boxes have begun with `wait`, and said so."""
        await asyncio.to_thread(self.wait_for_notes, f"begin {mark}")
        await asyncio.to_thread(wait_for, lambda: len(asking.answered) == len(NAMES), "signs of life")

    @contextlib.asynccontextmanager
    async def user(self, name: str = "alice") -> AsyncIterator[FleetClient]:
        """A user's connection."""
        user = hub_user(str(self.hub.directory / f"{name}.toml"))
        async with FleetClient(user, self.directory / "known") as client:
            yield client

    def close(self) -> None:
        for box in self.boxes.values():
            box.server.stop()
        self.relay.close()


@contextlib.contextmanager
def five_boxes(directory: Path) -> Iterator[Boxes]:
    with running_hub(directory) as hub:
        boxes = Boxes(hub, directory)
        try:
            yield boxes
        finally:
            boxes.close()


async def all_of(asking: Asking) -> dict[str, list[Heard]]:
    """All that comes of a request, by node."""
    answers: dict[str, list[Heard]] = {}
    async with asyncio.timeout(SECONDS):
        async for heard in asking:
            answers.setdefault(heard.node, []).append(heard)
    return answers


def ends(answers: dict[str, list[Heard]]) -> dict[str, tuple[str, Any]]:
    """How each node's answer has ended."""
    return {name: (heard[-1].kind, heard[-1].value) for name, heard in sorted(answers.items())}


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine, which may wait in threads."""
    asyncio.run(asyncio.wait_for(work(), 3 * SECONDS))
