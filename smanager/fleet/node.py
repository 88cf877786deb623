"""The service that takes a fleet's commands; it is loaded where there is a table `[fleet]`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from smanager import CallerError, Line, SService, __version__, command
from smanager.fleet.answers import Answers
from smanager.fleet.client import FleetClient
from smanager.fleet.hub import Hub, HubAccess, HubError
from smanager.fleet.known import row_of
from smanager.fleet.messages import GONE_SECONDS
from smanager.fleet.requests import Requests
from smanager.fleet.selection import NodeSelection, SelectionError
from smanager.fleet.subjects import SERVICE, heard_by
from smanager.fleet.user import hub_user
from smanager.service import ADMIN, VIEW, Finished

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

LOST, REFUSED = "hub lost", "user refused"  # the kinds of the events that are reported


class NodeReport(NamedTuple):
    """A box as its fleet sees it."""

    node: str
    hub: str
    state: str
    users: str
    running: int  # requests


class FleetNode(SService):
    """Takes commands of the users of a fleet, as far as their roles here allow"""

    name = "fleet"

    def start(self) -> None:
        given = self.options
        self._node: str = given["name"]
        credentials, ca = (given[key] and Path(given[key]) for key in ("credentials", "ca"))
        self._access = HubAccess(tuple(given["servers"]), credentials, ca, given["insecure"])
        try:
            self._hub = Hub(self._access, f"smanager {self._node}", f"_INBOX_{self._node}", self._welcome)
        except HubError as error:
            raise Finished(str(error), clean=False) from None
        managers = {user: self.manager.acting_as(name) for user, name in given["users"].items()}
        hub = self._hub
        self._requests = Requests(
            self._node, managers, hub.publish, lambda: hub.piece_limit, time.monotonic, self._tell_of_refused
        )
        self._since = time.time()
        self._told: str | None = None
        self._work: asyncio.Task[None] | None = None

    async def run(self) -> None:
        self._work = asyncio.create_task(self._hub.run(self._tell_of_hub))
        while not self._work.done():
            await asyncio.wait([self._work], timeout=GONE_SECONDS)
            self._requests.end_silent()
        if not self._work.cancelled():
            await self._work

    async def stop(self) -> None:
        await self._requests.end()
        if self._work:
            self._work.cancel()
            await asyncio.wait([self._work])  # which sends the rest

    @command(role=VIEW, default=True)
    async def cmd_show(self) -> NodeReport:
        """Shows to which hub this box belongs, whether it is connected, and who may do what here"""
        state = f"connected to {self._hub.server}" if self._hub.server else f"not connected: {self._hub.problem}"
        users = ", ".join(self.options["users"]) or "none"
        return NodeReport(self._node, self._access.name, state, users, self._requests.count)

    @command(role=VIEW)
    async def cmd_nodes(self) -> list[dict[str, str]]:
        """Lists the boxes of the fleet that this box's user of the hub may ask"""
        async with self._client() as client:
            nodes, _ = await client.discover()
            connected = {node.name for node in nodes}
            now = time.time()
            return [row_of(client.known[name], name in connected, now) for name in client.known.names]

    @command(role=ADMIN, short={"label": "l"})
    async def cmd_on(
        self, nodes: str, line: Line, *, label: list[str] | None = None, yes: bool = False
    ) -> AsyncIterator[str]:
        """Runs a line of commands on other boxes of the fleet, as this box's user of the hub

        Args:
            nodes: names and patterns with commas between them, or all
            line: the commands
            label: only boxes with this label, such as site=lab3
            yes: run what changes something on several boxes
        """
        try:
            selection = NodeSelection.of([nodes], label or ())
            async with self._client() as client:
                names = await client.select(selection)
                if len(names) > 1 and not yes and not await client.is_read_only(line, names):
                    raise CallerError(f"{line!r} may change something on {len(names)} boxes; say --yes if you mean it")
                shown: list[str] = []
                answers = Answers(shown.append, shown.append, client.known, time.monotonic, for_person=False)
                async with client.ask("shell.execute", {"line": line, "stream": True}, names) as asking:
                    while not answers.are_over(names) and (heard := await asking.some()):
                        for one in heard:
                            answers.take(one)
                        answers.show()
                        for text in shown:
                            yield text.removesuffix("\n")
                        shown.clear()
                if answers.failures:
                    raise CallerError(f"{answers.failures} of {len(names)} boxes have failed, or have not answered")
        except (SelectionError, HubError) as error:
            raise CallerError(str(error)) from None

    def _client(self) -> FleetClient:
        """Raises CallerError."""
        if not (file := self.options["user"]):
            raise CallerError("this box has no user of the hub; [fleet] names the file of one as user")
        try:
            return FleetClient(hub_user(file), self.state_dir)
        except HubError as error:
            raise CallerError(str(error)) from None

    async def _welcome(self, client: Client) -> None:
        from nats.micro import add_service
        from nats.micro.service import ServiceConfig

        labels = self.options["labels"]
        for subject in heard_by(self._node, labels):
            await client.subscribe(subject, cb=self._hear)
        about = {"node": self._node, "since": f"{self._since:.0f}", **{f"label.{key}": labels[key] for key in labels}}
        await add_service(client, ServiceConfig(SERVICE, __version__, metadata=about))

    async def _hear(self, message: Msg) -> None:
        await self._requests.receive(message.subject, message.data)

    def _tell_of_refused(self, user: str, text: str) -> None:
        print(text)
        self.event(REFUSED, text, about=user)

    def _tell_of_hub(self) -> None:
        """Report once that the hub is lost, or found again."""
        problem = self._hub.problem
        if problem != self._told:
            print(problem or f"connected to {self._hub.server}")
        if bool(problem) != bool(self._told):
            text = problem or f"connected to {self._hub.server}"
            self.event(LOST, text, about=self._access.name, over=not problem)
        self._told = problem
