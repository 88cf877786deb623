"""Asks the nodes of a fleet, for programs that run in an event loop; `smanager.fleet.fleet` is for all others."""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smanager.fleet.asking import LOOK_SECONDS, QUIET_SECONDS, Asking
from smanager.fleet.hub import CONNECT_SECONDS, Hub, HubError
from smanager.fleet.known import KnownNodes, NodeAbout, own_directory
from smanager.fleet.messages import (
    HEADER_SPACE,
    CallRequest,
    MessageError,
    Request,
    RequestId,
    decode_piece,
    encode_request,
)
from smanager.fleet.replies import REMEMBERED_SECONDS
from smanager.fleet.selection import NodeSelection, SelectionError
from smanager.fleet.subjects import DISCOVERY, ReplyPlace, inbox_of, is_name
from smanager.fleet.user import HubUser
from smanager.fleet.wishes import changes_nothing

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

DISCOVERY_SECONDS = 1.5  # at most for all nodes to tell of themselves
SOME = 5  # nodes that are asked what their commands do: one alone could be wrong
LABEL = "label."  # begins what a node's metadata says of a label


class FleetClient:
    """A user's connection to a hub; use it in an `async with` statement."""

    def __init__(self, user: HubUser, directory: Path | None = None) -> None:
        """What is known of nodes is kept in `directory`. Raises HubError if the hub must not be used."""
        self.user = user
        self.known = KnownNodes((directory or own_directory()) / f"fleet-{user.name}@{user.access.name}.json")
        self._hub = Hub(user.access, f"smanager user {user.name}", inbox_of(user.name), self._welcome)
        self._inbox = f"{inbox_of(user.name)}.{secrets.token_hex(8)}"
        self._session = secrets.token_hex(8)
        self._last_number = 0
        self._askings: dict[int, Asking] = {}
        self._pongs: asyncio.Queue[NodeAbout] | None = None  # while nodes are asked who they are
        self._discovering = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> FleetClient:
        """Raises HubError if there is no connection soon."""
        self._tasks = [asyncio.create_task(self._hub.run(self._reconnected)), asyncio.create_task(self._look())]
        try:
            await self._hub.connected(2 * CONNECT_SECONDS)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.known.save()

    @property
    def problem(self) -> str:
        """What is wrong with the hub, or what it has refused; empty if nothing is."""
        return self._hub.problem

    @asynccontextmanager
    async def ask(
        self, method: str, params: list[Any] | dict[str, Any], nodes: Iterable[str], subject: str = ""
    ) -> AsyncIterator[Asking]:
        """Ask these nodes, or those that listen to a subject, of which `nodes` are known; ends the rest when left.

        Raises TypeError or ValueError if parameters are not JSON, and HubError if they are too long for the hub.
        """
        self._last_number += 1
        number = self._last_number
        request = CallRequest(RequestId(self._session, number), method, params)
        size, most = len(encode_request(request)) + HEADER_SPACE, self._hub.piece_limit
        if 0 < most < size:
            raise HubError(f"{method}: the request has {size} bytes, and the hub takes at most {most}")
        asking = self._askings[number] = Asking(self.user.name, request, subject, nodes, self._send, time.monotonic)
        try:
            await asking.begin()
            yield asking
        finally:
            await asking.close()
            self.known.heard(asking.answered, time.time())
            del self._askings[number]

    async def discover(self) -> tuple[list[NodeAbout], list[str]]:
        """The nodes that tell of themselves now, and names that more than one box bears."""
        async with self._discovering:
            return await self._discover()

    async def _discover(self) -> tuple[list[NodeAbout], list[str]]:
        found: dict[str, NodeAbout] = {}
        doubled: set[str] = set()
        missing = set(self.known.names)
        self._pongs = asyncio.Queue()
        deadline = time.monotonic() + DISCOVERY_SECONDS
        await self._hub.publish(DISCOVERY, b"", f"{self._inbox}.about")
        while (left := deadline - time.monotonic()) > 0:
            try:
                quiet = left if not found else 2 * QUIET_SECONDS if missing else QUIET_SECONDS
                node = await asyncio.wait_for(self._pongs.get(), min(left, quiet))
            except TimeoutError:
                break
            if node.name in found:
                doubled.add(node.name)
            found[node.name] = node
            missing.discard(node.name)
        self._pongs = None
        for node in found.values():
            self.known.learn(node)
        return [found[name] for name in sorted(found)], sorted(doubled)

    async def select(self, selection: NodeSelection) -> list[str]:
        """The nodes that are meant, also those that are known and not connected. Raises SelectionError."""
        _, doubled = await self.discover()
        names = selection.among(self.known[name] for name in self.known.names)
        if shared := sorted({*doubled} & {*names}):
            raise SelectionError(f"two boxes are called {shared[0]}; give each a name and credentials of its own")
        return names

    async def is_read_only(self, line: str, names: list[str]) -> bool:
        """Whether a line changes nothing, as some of the nodes describe their commands."""
        for start in range(0, len(names), SOME):
            said = []
            async with self.ask("rpc.discover", [], names[start : start + SOME]) as asking:
                async for heard in asking:
                    match heard.kind, heard.value:
                        case "result", {"methods": [*methods]} if all(map(_has_name, methods)):
                            said.append(changes_nothing(line, methods))
                        case "result", _:
                            said.append(False)
            if said:
                return all(said)
        return True  # no node answers, so none can change

    async def _welcome(self, client: Client) -> None:
        # Without limits: what nodes send is bounded by their windows, and a message dropped here would be sent again.
        for subject, hear in (
            (ReplyPlace(self.user.name, self._session, "*").subject, self._hear),
            (f"{self._inbox}.about", self._hear_about),
            (f"{self._inbox}.absent.*.*", self._hear_of_absent),
        ):
            await client.subscribe(subject, cb=hear, pending_msgs_limit=0, pending_bytes_limit=0)

    def _reconnected(self) -> None:
        if self._hub.server:
            self._repeating = [asyncio.ensure_future(asking.repeat()) for asking in self._askings.values()]

    async def _hear(self, message: Msg) -> None:
        with suppress(MessageError):
            number, piece = decode_piece(message.data)
            if asking := self._askings.get(number):
                await asking.receive(ReplyPlace.of(message.subject).node, piece)

    async def _hear_about(self, message: Msg) -> None:
        if self._pongs and (node := about(message.data)):
            self._pongs.put_nowait(node)

    async def _hear_of_absent(self, message: Msg) -> None:
        """The hub itself answers, with a header only, where no node listens."""
        _, number, name = message.subject.rsplit(".", 2)
        is_absent = (message.headers or {}).get("Status") == "503" and number.isdecimal()
        if is_absent and (asking := self._askings.get(int(number))):
            asking.no_one(name)

    async def _send(self, subject: str, request: Request, node: str = "") -> None:
        reply = ""
        if node and isinstance(request, CallRequest):
            reply = f"{self._inbox}.absent.{request.id.number}.{node}"
        await self._hub.publish(subject, encode_request(request), reply)

    async def _look(self) -> None:
        connected_at = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = time.monotonic()
            connected_at = now if self._hub.server else connected_at
            # Without the hub, all nodes would seem gone; but then, what they remember is not theirs for ever.
            if connected_at == now or now - connected_at > REMEMBERED_SECONDS:
                for asking in list(self._askings.values()):
                    await asking.look()


def _has_name(method: object) -> bool:
    return isinstance(method, dict) and isinstance(method.get("name"), str)


def about(data: bytes) -> NodeAbout | None:
    """What a node's answer to a question of NATS' tools tells; None if it is not one of ours."""
    try:
        fields = json.loads(data)
        facts: Mapping[str, str] = fields["metadata"]
        labels = {key.removeprefix(LABEL): str(facts[key]) for key in facts if key.startswith(LABEL)}
        node = NodeAbout(facts["node"], labels, str(fields["version"]), float(facts["since"]), time.time())
    except (ArithmeticError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    is_right = all(map(is_name, (node.name, *labels, *labels.values()))) and math.isfinite(node.since)
    return node if is_right else None
