"""Simulated boxes of a fleet, many in one process: `boxes.py FIRST COUNT SERVER…` until its input ends.

Each has a connection of its own and answers as the service `fleet` does, but with a manager whose answers are ready.
On the same connection it answers plain requests of NATS, with the same bytes.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script's path has only its own directory

from smanager.fleet.hub import Hub, HubAccess
from smanager.fleet.requests import Requests
from smanager.fleet.subjects import heard_by
from smanager.service import ManagerClient

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

USER = "bench"
PLAIN = "plain.all"
AT_ONCE = 100  # connections that are being made, since TCP's queue of new ones is short

SERVICE = {
    "state": "running",
    "reason": "",
    "pid": 4711,
    "since": 1764350000.123,
    "age": 86400.5,
    "restarts": 0,
    "log": 10,
}
STATUS = [{"name": f"service{number}", **SERVICE} for number in range(5)]
"""What `status` answers on a box with five services."""
PAYLOAD = json.dumps(STATUS, separators=(",", ":")).encode()


class ReadyManager(ManagerClient):
    """Answers at once."""

    async def follow_async(
        self, method: str, params: Mapping[str, object] | Sequence[object] = ()
    ) -> AsyncGenerator[tuple[str, Any], None]:
        yield "result", STATUS


class SimulatedBox:
    """The fleet's service on one box, without the rest of the box."""

    def __init__(self, name: str, server: str) -> None:
        self._name = name
        self.hub = Hub(HubAccess((server,)), name, f"_INBOX_{name}", self._welcome)
        self._requests = Requests(
            name, {USER: ReadyManager()}, self.hub.publish, lambda: self.hub.piece_limit, time.monotonic, print
        )

    async def _welcome(self, client: Client) -> None:
        for subject in heard_by(self._name, {"site": "lab"}):
            await client.subscribe(subject, cb=self._hear)

        async def answer(message: Msg) -> None:
            await client.publish(message.reply, PAYLOAD)

        await client.subscribe(PLAIN, cb=answer)

    async def _hear(self, message: Msg) -> None:
        await self._requests.receive(message.subject, message.data)


def name_of(number: int) -> str:
    return f"box{number}"


async def simulate(first: int, count: int, servers: Sequence[str]) -> None:
    slots = asyncio.Semaphore(AT_ONCE)

    async def connected(number: int) -> asyncio.Task[None]:
        async with slots:
            box = SimulatedBox(name_of(number), servers[number % len(servers)])
            running = asyncio.create_task(box.hub.run())
            await box.hub.connected(60.0)
            return running

    running = await asyncio.gather(*map(connected, range(first, first + count)))
    gc.freeze()  # no box of its own has so many objects to look through for garbage
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in running:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(simulate(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
