"""What the users of the hub ask a node, and how their commands run here: each under the roles that this box gives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from smanager.fleet.messages import (
    GONE_SECONDS,
    AliveRequest,
    CallRequest,
    CancelRequest,
    MessageError,
    PieceKind,
    TakenRequest,
    decode_request,
)
from smanager.fleet.refused import RefusedUsers
from smanager.fleet.replies import OutgoingReply, RecentReplies, RequestKey
from smanager.fleet.subjects import ReplyPlace, user_of
from smanager.service import ManagerClient, ManagerError

WAY_SECONDS = 3.0
"""That a request may be on its way, on the slowest of links. None waits longer, to reach a node in its next life: a
NATS server keeps no message for a connection that has ended, and a requester whose own connection fails drops what that
still holds (`hub._drop`) before it asks again. The exception is what a server of a cluster holds when it freezes.
"""
MOST_RUNNING = 64  # requests at a time; the manager answers 256 of one service, and `fleet` itself asks, too
MOST_OF_USER = 16  # of them: more than a person follows, and a program that ends none of its own leaves room for others
QUICK_SECONDS = 0.1  # for an answer that needs no sign of life before: most are there sooner
CANCELLED, FAILED = -32800, -32000  # error codes, as in JSON-RPC

Publish = Callable[[str, bytes], Awaitable[None]]


class RunningRequest:
    """A request that is carried out."""

    def __init__(self, reply: OutgoingReply, now: float) -> None:
        self.reply = reply
        self.heard_at = now  # when its session last gave a sign of life
        self.task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Once, since the end has to be told."""
        if self.task and not self.task.cancelling():
            self.task.cancel()


class Requests:
    """The requests to one node."""

    def __init__(
        self,
        node: str,
        managers: Mapping[str, ManagerClient],
        publish: Publish,
        piece_limit: Callable[[], int],
        clock: Callable[[], float],
        tell: Callable[[str, str], object],
    ) -> None:
        """`managers` are the manager as each user of the hub may use it here; `clock` is monotonic.

        `tell` is called with a user who has no role here, and with what the box should know of that.
        """
        self._node = node
        self._managers = managers
        self._publish = publish
        self._piece_limit = piece_limit
        self._clock = clock
        self._running: dict[RequestKey, RunningRequest] = {}
        self._recent = {user: RecentReplies(clock()) for user in managers}  # lest one pushes out those of others
        self._refused = RefusedUsers(clock)
        self._tell = tell

    @property
    def count(self) -> int:
        """How many run."""
        return len(self._running)

    async def receive(self, subject: str, data: bytes) -> None:
        """Take a message from the hub; what is not a request is ignored."""
        user = user_of(subject)
        try:
            request = decode_request(data)
        except MessageError:
            return
        if user not in self._managers:
            if isinstance(request, CallRequest):
                await self._turn_away(user, request)
            return
        match request:
            case CallRequest():
                await self._call(user, request)
            case CancelRequest(id):
                self._cancel(RequestKey(user, id))
            case TakenRequest(id, following):
                self._taken(RequestKey(user, id), following)
            case AliveRequest(session):
                await self._heard(user, session)

    def end_silent(self) -> None:
        """End what runs for sessions that are gone."""
        now = self._clock()
        for running in list(self._running.values()):
            if running.heard_at < now - GONE_SECONDS:
                running.cancel()

    async def end(self) -> None:
        """End all requests, and tell their users."""
        running = list(self._running.values())
        for one in running:
            one.cancel()
        if tasks := [one.task for one in running if one.task]:
            await asyncio.wait(tasks)

    async def _call(self, user: str, request: CallRequest) -> None:
        key, now = RequestKey(user, request.id), self._clock()
        if running := self._running.get(key):
            running.heard_at = now
            await running.reply.again(request.first)
        elif reply := self._recent[user].get(key):
            await reply.again(request.first)
        else:
            await self._begin(key, request, now)

    async def _turn_away(self, user: str, request: CallRequest) -> None:
        """Refuse a user without a role. Nothing of that is remembered: whoever owns the hub could invent such users."""
        if report := self._refused.report_on(user, request.method):
            self._tell(user, report)
        refusal = f"{user} has no role here; roles in [fleet] of {self._node} give users roles"
        await self._reply_to(RequestKey(user, request.id)).add(PieceKind.ERROR, [FAILED, refusal, None])

    async def _begin(self, key: RequestKey, request: CallRequest, now: float) -> None:
        reply = self._reply_to(key)
        if refusal := self._refusal(key.user, request, now):
            await reply.add(PieceKind.ERROR, [FAILED, refusal, None])
            self._recent[key.user].add(reply, now)
            return
        running = self._running[key] = RunningRequest(reply, now)
        running.task = asyncio.create_task(self._carry_out(running, request, self._managers[key.user]))

    def _refusal(self, user: str, request: CallRequest, now: float) -> str:
        """Why a request is not carried out; empty if it is."""
        if request.age and now - request.age - WAY_SECONDS <= self._recent[user].since:
            return "whether the command has run is not known: the fleet's service has been started, or was busy, since"
        if sum(key.user == user for key in self._running) >= MOST_OF_USER:
            return f"{MOST_OF_USER} requests of {user} run here already; wait for the end of some"
        if len(self._running) >= MOST_RUNNING:
            return f"{MOST_RUNNING} requests run here already; wait for the end of some"
        return ""

    async def _carry_out(self, running: RunningRequest, request: CallRequest, manager: ManagerClient) -> None:
        reply = running.reply
        signs = asyncio.get_running_loop().call_later(QUICK_SECONDS, self._show, running)
        try:
            problem = await _forward(reply, request, manager)
            if not reply.is_complete:
                await reply.add(PieceKind.ERROR, problem)
        finally:
            signs.cancel()
            del self._running[reply.key]
            self._recent[reply.key.user].add(reply, self._clock())

    def _show(self, running: RunningRequest) -> None:
        self._signs = asyncio.ensure_future(running.reply.show())

    def _cancel(self, key: RequestKey) -> None:
        if running := self._running.get(key):
            # A moment later, or a task that has just been made would end before its first step, without a report.
            asyncio.get_running_loop().call_soon(running.cancel)

    def _taken(self, key: RequestKey, following: int) -> None:
        if running := self._running.get(key):
            running.heard_at = self._clock()
            running.reply.taken(following)
        elif reply := self._recent[key.user].get(key):
            reply.taken(following)

    async def _heard(self, user: str, session: str) -> None:
        now = self._clock()
        for key, running in list(self._running.items()):
            if key.user == user and key.id.session == session:
                running.heard_at = now
                await running.reply.show()

    def _reply_to(self, key: RequestKey) -> OutgoingReply:
        subject = ReplyPlace(key.user, key.id.session, self._node).subject
        return OutgoingReply(key, partial(self._publish, subject), self._piece_limit)


async def _forward(reply: OutgoingReply, request: CallRequest, manager: ManagerClient) -> list[Any]:
    """Put what the manager answers into the reply; return the error for a reply without an end."""
    try:
        async with aclosing(manager.follow_async(request.method, request.params)) as answer:
            async for kind, value in answer:
                await reply.add(PieceKind(kind), value)
    except ManagerError as error:
        return [error.code, str(error), error.data]
    except (TypeError, ValueError) as error:
        return [FAILED, f"{request.method}: {error}", None]
    except asyncio.CancelledError:  # by the user, or because the user's session or this service is gone
        return [CANCELLED, f"{request.method}: cancelled", None]
    return [FAILED, f"{request.method}: the fleet's service here was stopped", None]
