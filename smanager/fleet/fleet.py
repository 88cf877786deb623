"""The nodes of a fleet, for programs: `Fleet("alice.toml").on("kiosk*").call("status")`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from typing import Any, TypeVar

from smanager.fleet.asking import Asking, Heard
from smanager.fleet.client import FleetClient
from smanager.fleet.hub import HubError
from smanager.fleet.known import NodeAbout
from smanager.fleet.selection import NodeSelection, SelectionError
from smanager.fleet.subjects import to_all
from smanager.fleet.user import hub_user

__all__ = ["Fleet", "FleetError", "Heard", "HubError", "Nodes", "SelectionError"]

T = TypeVar("T")


class FleetError(Exception):
    """Some nodes have not answered, or not as asked; `results` has what others have answered, `problems` why not."""

    def __init__(self, problems: Mapping[str, str], results: Mapping[str, Any]) -> None:
        some = [f"{node}: {problem}" for node, problem in list(problems.items())[:3]]
        super().__init__("; ".join(some) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else ""))
        self.problems = problems
        self.results = results


class Fleet:
    """A user's way to the nodes of a fleet; use it in a `with` statement.

    Calls may come from any thread. All methods raise HubError if the hub cannot be reached at first; a connection that
    is lost later is made again, and what is missing of answers asked for again.
    """

    def __init__(self, hub: str) -> None:
        """`hub` is a file that `smanager fleet add-user` has made, or the name of one in `~/.config/smanager`."""
        self._user = hub_user(hub)
        self._loop = asyncio.new_event_loop()
        self._client: FleetClient | None = None

    def __enter__(self) -> Fleet:
        threading.Thread(target=self._loop.run_forever, name="fleet", daemon=True).start()
        try:
            self._client = self.wait(self._connected())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.wait(self.client.__aexit__())
        self._end()

    @property
    def client(self) -> FleetClient:
        """The connection, for coroutines that `wait` runs."""
        assert self._client, "a Fleet is used in a `with` statement"
        return self._client

    def nodes(self) -> list[NodeAbout]:
        """The nodes that are connected now."""
        return self.wait(self.client.discover())[0]

    def on(self, *patterns: str, **labels: str) -> Nodes:
        """Nodes by names and patterns, and by labels; all without any."""
        return Nodes(self, NodeSelection.of(patterns, [f"{key}={value}" for key, value in labels.items()]))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine beside the connection; an interrupt cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _connected(self) -> FleetClient:
        return await FleetClient(self._user).__aenter__()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)


class Nodes:
    """Some nodes of a fleet."""

    def __init__(self, fleet: Fleet, selection: NodeSelection) -> None:
        self._fleet = fleet
        self._selection = selection

    @property
    def names(self) -> list[str]:
        """The nodes that are meant now, also those that are known and do not answer. Raises SelectionError."""
        return self._fleet.wait(self._fleet.client.select(self._selection))

    def call(self, method: str, *arguments: object, **options: object) -> dict[str, Any]:
        """Call a method on each node; return the results by node. Raises FleetError unless all have one."""
        results: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for heard in self.stream(method, *arguments, **options):
            if heard.kind == "result":
                results[heard.node] = heard.value
            elif heard.kind not in ("item", "progress"):
                problems[heard.node] = heard.value[1] if heard.kind == "error" else heard.kind
        if problems:
            raise FleetError(problems, results)
        return results

    def stream(self, method: str, *arguments: object, **options: object) -> Iterator[Heard]:
        """Call a method on each node; iterate over all that comes of it. Leaving the iteration ends the command."""
        if arguments and options:
            raise TypeError("pass parameters all by position or all by name")
        params = options or list(arguments)
        subject = to_all(self._fleet.client.user.name) if self._selection.is_all else ""
        names = self._fleet.client.known.names if subject else self.names
        yield from heard_of(self._fleet, method, params, names, subject)


def heard_of(
    fleet: Fleet, method: str, params: list[Any] | dict[str, Any], nodes: Iterable[str], subject: str = ""
) -> Iterator[Heard]:
    """All that comes of a request."""
    with asked(fleet, method, params, nodes, subject) as asking:
        while heard := fleet.wait(asking.some()):
            yield from heard


@contextmanager
def asked(
    fleet: Fleet, method: str, params: list[Any] | dict[str, Any], nodes: Iterable[str], subject: str = ""
) -> Iterator[Asking]:
    """A request that is on its way, until the end of the block."""
    stack = AsyncExitStack()
    asking = fleet.wait(stack.enter_async_context(fleet.client.ask(method, params, nodes, subject)))
    try:
        yield asking
    finally:
        fleet.wait(stack.aclose())
