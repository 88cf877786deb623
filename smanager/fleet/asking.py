"""One request to several nodes: who is to answer, who has, and for whom to wait no longer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from smanager.fleet.hub import LONGEST_PAUSE
from smanager.fleet.incoming import Incoming, Value
from smanager.fleet.messages import (
    GONE_SECONDS,
    KEEP_SECONDS,
    AliveRequest,
    CallRequest,
    CancelRequest,
    PieceKind,
    ReplyPiece,
    Request,
    TakenRequest,
)
from smanager.fleet.subjects import to_all, to_node

QUIET_SECONDS = 0.3  # without a new node, after which all have answered that will; between continents, twice the way
ASKED_AT_ONCE = (
    200  # nodes by name at a look: most of those that are slow answer meanwhile, and need not be asked again
)
MOST_NODES = 200_000  # that are heard: twice the largest fleet on paper; whoever owns a hub can make up names
SIGN_SECONDS = 3.0  # in which a node that the hub knows gives a sign of life, on the slowest of links
RETRY_SECONDS = 1.0  # until a node is asked again that was lost with the hub, and is not back
LISTEN_SECONDS = 2 * KEEP_SECONDS  # without a sign of life, after which a node's last message may have been lost
LOOK_SECONDS = 0.1  # from one look at the clock to the next

SILENT, GONE = "silent", "gone"
"""What is heard of a node that has never answered, and of one that has stopped in the middle."""

Publish = Callable[[str, Request, str], Awaitable[None]]
"""Sends a request to a subject, where one node listens if it is named."""


class Heard(NamedTuple):
    """What comes of a request from one node: `item`, `progress`, `result`, `error`, or that no more will come."""

    node: str
    kind: str
    value: Any = None


class AskedNode:
    """One node's part in a request."""

    def __init__(self, now: float, asked_at: float | None) -> None:
        self.incoming = Incoming()
        self.heard_at: float | None = None
        self.asked_at = asked_at  # when it was asked last, so that it had to hear that; None before
        self.again_at = now + LISTEN_SECONDS  # when it is asked to send again what may be lost
        self.is_over = False


def _require_shape(value: Value | None) -> None:
    """Raises ValueError if a node's error is not one as JSON-RPC has it."""
    match value and value.kind, value and value.content:
        case PieceKind.ERROR, [_, str(), _]:
            pass
        case PieceKind.ERROR, _:
            raise ValueError("an error without a message")


class Asking:
    """A request that is on its way; iterate over what comes of it, as it comes."""

    def __init__(
        self,
        user: str,
        request: CallRequest,
        subject: str,
        nodes: Iterable[str],
        publish: Publish,
        clock: Callable[[], float],
    ) -> None:
        """`subject` is where many nodes hear the request, of which `nodes` are known; empty for just these nodes."""
        self.request = request
        self._user = user
        self._subject = subject
        self._publish = publish
        self._clock = clock
        self._began = self._newest = self._kept = clock()
        # Who is known to be in the fleet may be asked by name as well, but not who is thought to have a label.
        asked_at = None if subject == to_all(user) else self._began
        self._nodes = {name: AskedNode(self._began, asked_at) for name in nodes}
        self._pending = len(self._nodes)
        self._to_ask: deque[str] | None = None  # by name, once it is quiet
        # Bounded by what each node may send before the reader has taken it.
        self._heard = asyncio.Queue[tuple[Heard, AskedNode | None, Value | None] | None]()
        self._read: list[tuple[str, AskedNode, Value]] = []  # what the reader has, up to its next call
        self.is_over = False

    @property
    def answered(self) -> list[str]:
        """The nodes that have been heard."""
        return [name for name, node in self._nodes.items() if node.heard_at is not None]

    async def begin(self) -> None:
        await self._send_all(self.request)

    async def repeat(self) -> None:
        """Ask again after a lost connection, for what has not come."""
        if self._subject:
            await self._publish(self._subject, self._again(0), "")
        for name, node in list(self._nodes.items()):
            now = self._clock()
            if node.asked_at is not None:
                node.asked_at = now
            if node.heard_at is not None:  # no node could be heard, and to come back takes it about as long again
                node.heard_at = now + min(now - node.heard_at, LONGEST_PAUSE)
            node.again_at = now + LISTEN_SECONDS
            if not node.is_over and (node.heard_at is not None or not self._subject):
                await self._send(name, self._again(node.incoming.next))

    async def receive(self, name: str, piece: ReplyPiece) -> None:
        """Take a piece of a node's reply."""
        now = self._clock()
        if (node := self._of(name, now)) is None or node.is_over:
            return
        if node.heard_at is None:
            self._newest = now
        node.heard_at, node.again_at = now, now + LISTEN_SECONDS
        was_missing = node.incoming.is_missing
        try:
            value = node.incoming.receive(piece)
            _require_shape(value)
        except (ValueError, RecursionError) as error:
            await self._give_up(name, node, "error", [0, f"its answer is not right: {error}", None])
            return
        if value:
            self._heard.put_nowait((Heard(name, value.kind.value, value.content), node, value))
            if node.incoming.is_complete:
                self._over(node)
        elif node.incoming.is_missing and (piece.kind is PieceKind.ALIVE or not was_missing):
            await self._send(name, self._again(node.incoming.next))
        await self._tell_taken(name, node)

    def _of(self, name: str, now: float) -> AskedNode | None:
        """A node's part; None if the node was not asked."""
        is_open = self._subject and not self.is_over and len(self._nodes) < MOST_NODES
        if name not in self._nodes and is_open:
            self._nodes[name] = AskedNode(now, now)
            self._pending += 1
        return self._nodes.get(name)

    def no_one(self, name: str) -> None:
        """The hub says that no node of this name is connected."""
        if (node := self._nodes.get(name)) is None or node.is_over:
            return
        if node.heard_at is None:
            self._finish(name, node, SILENT)
        else:
            node.again_at = self._clock() + RETRY_SECONDS

    async def look(self) -> None:
        """Do what is due: ask by name who is known and silent, give signs of life, and give up nodes that are gone."""
        now = self._clock()
        await self._ask_by_name(now)
        if now - self._kept >= KEEP_SECONDS:
            self._kept = now
            await self._send_all(AliveRequest(self.request.id.session))
        for name, node in list(self._nodes.items()):
            if not node.is_over:
                await self._look_at(name, node, now)
        self._end_if_over()

    async def _ask_by_name(self, now: float) -> None:
        if self._to_ask is None and now - self._newest >= QUIET_SECONDS:
            self._to_ask = deque(name for name, node in self._nodes.items() if node.asked_at is None)
        left = ASKED_AT_ONCE
        while self._to_ask and left:
            node = self._nodes[name := self._to_ask.popleft()]
            if node.heard_at is None:
                node.asked_at = now
                left -= 1
                await self._send(name, self._again(0))

    async def _look_at(self, name: str, node: AskedNode, now: float) -> None:
        if node.heard_at is None:
            # As long as others begin to answer, it is the hub, or this program, that has too much to do.
            if node.asked_at is not None and now - max(node.asked_at, self._newest) >= SIGN_SECONDS:
                await self._give_up(name, node, SILENT)
        elif now - node.heard_at >= GONE_SECONDS:
            await self._give_up(name, node, GONE)
        elif now >= node.again_at:
            node.again_at = now + LISTEN_SECONDS
            await self._send(name, self._again(node.incoming.next))

    async def _give_up(self, name: str, node: AskedNode, kind: str, value: object = None) -> None:
        """Expect nothing more; a node that hears the request late, or goes on, is not to carry it out."""
        self._finish(name, node, kind, value)
        await self._send(name, CancelRequest(self.request.id))

    async def close(self) -> None:
        """End the command wherever it still runs."""
        if not self.is_over:
            await self._send_all(CancelRequest(self.request.id))
            self._end()

    async def __aiter__(self) -> AsyncIterator[Heard]:
        while heard := await self.some():
            for one in heard:
                yield one

    async def some(self) -> list[Heard]:
        """What has come since the last call, which the caller has read; nothing once all has come."""
        read, self._read = self._read, []
        for _, node, value in read:
            node.incoming.took(value)
        for name, node, _ in read:
            await self._tell_taken(name, node)
        entries = [await self._heard.get()]
        while not self._heard.empty():
            entries.append(self._heard.get_nowait())
        if entries[-1] is None:
            self._heard.put_nowait(None)  # for the next call
        heard = [entry for entry in entries if entry]
        self._read = [(one.node, node, value) for one, node, value in heard if node and value]
        return [one for one, _, _ in heard]

    async def _send(self, name: str, request: Request) -> None:
        await self._publish(to_node(self._user, name), request, name)

    async def _send_all(self, request: Request) -> None:
        """Send something to all nodes that may have the request, and have not answered."""
        if self._subject:
            await self._publish(self._subject, request, "")
            return
        for name in [name for name, node in self._nodes.items() if not node.is_over]:
            await self._send(name, request)

    def _again(self, first: int) -> CallRequest:
        return self.request._replace(age=max(self._clock() - self._began, 0.001), first=first)

    async def _tell_taken(self, name: str, node: AskedNode) -> None:
        if (following := node.incoming.to_tell()) is not None:
            await self._send(name, TakenRequest(self.request.id, following))

    def _finish(self, name: str, node: AskedNode, kind: str, value: object = None) -> None:
        self._heard.put_nowait((Heard(name, kind, value), None, None))
        self._over(node)

    def _over(self, node: AskedNode) -> None:
        node.is_over = True
        self._pending -= 1
        self._end_if_over()

    def _end_if_over(self) -> None:
        is_quiet = not self._subject or self._clock() - self._newest >= QUIET_SECONDS
        if is_quiet and not self._pending:
            self._end()

    def _end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._heard.put_nowait(None)
