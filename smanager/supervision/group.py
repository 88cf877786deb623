"""All keepers together: makes them, and starts and stops several at once, in their order.

Events travel one way. A keeper follows its own service and reports each change; the group then looks up in the order
which services may begin now, and says so to their keepers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import Any

from smanager.access.callers import Caller
from smanager.hosts.handle import Host, HostError
from smanager.hosts.pool import Pool
from smanager.logs.history import Happening
from smanager.logs.past import Past
from smanager.supervision.catalogue import Catalogue, Service
from smanager.supervision.keeper import Keeper
from smanager.supervision.order import Order
from smanager.supervision.reports import ServiceReport, Tell
from smanager.supervision.states import Prospect, State
from smanager.supervision.storage import StoppedServices

PROGRESS_SECONDS = 5.0  # how often a waiting requester is told how a service is

PROGRAMS = "programs"
"""The slot of all programs without a class: each has a process of its own, and so they share a host."""


@dataclass(eq=False)
class Group:
    """The keepers, by their services' names, and what they have in common."""

    catalogue: Catalogue
    pool: Pool
    stopped: StoppedServices
    past: Past
    happened: Callable[[Keeper, Happening], None]  # is told of each event of a service
    chance: Callable[[], float]  # returns a number from 0 to 1
    keepers: dict[str, Keeper] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.order = Order(self.catalogue, self.keepers)

    def is_wanted(self, service: Service) -> bool:
        return service.settings.enabled and service.name not in self.stopped

    def keep(self, service: Service) -> None:
        """Have a keeper for a service, in the slot that its settings ask for; a running service stays in its own."""
        own = str(service.file.path) if service.file.is_code else PROGRAMS
        slot = self.pool.slot(f"host {service.settings.host}" if service.settings.host else own)
        keeper = self.keepers.get(service.name)
        if keeper and keeper.service is not service:  # the service was in another file before
            self.forget(keeper)
        if service.name not in self.keepers:
            service.history.lives = self.past.lives_of(service.name)
            self.keepers[service.name] = Keeper(service, slot, self._load, self._changed, self.chance)
        elif keeper and keeper.state.down:
            keeper.slot = slot

    def forget(self, keeper: Keeper) -> None:
        """Stop keeping a service, which is gone."""
        keeper.retire()
        if self.keepers.get(keeper.name) is keeper:
            del self.keepers[keeper.name]
            self._changed(keeper, Happening("removed", "removed"))

    async def start(self, keepers: Sequence[Keeper], by: Caller, tell: Tell) -> None:
        """Start those services that no requester has stopped; return once each is up, or will not be soon."""
        cycles = self.catalogue.cycles()
        starting = []
        for keeper in self.order.start_order(keeper for keeper in keepers if keeper.name not in self.stopped):
            if keeper.name in cycles:
                tell(ServiceReport(keeper.name, keeper.state, "dependency cycle; `services` shows it"))
            else:
                starting.append(keeper)
                keeper.start(str(by))
        self.look_again()
        await asyncio.gather(*(with_progress(keeper, self._up(keeper, by), by, tell) for keeper in starting))

    async def stop(self, keepers: Sequence[Keeper], by: Caller, tell: Tell, most: float = inf) -> None:
        """Stop these services, each once those among them that come after it are down.

        Each is killed after `most` seconds, if its own time to stop is longer.
        """
        stopping = [with_progress(keeper, self.stop_one(keeper, keepers, by, most), by, tell) for keeper in keepers]
        await asyncio.gather(*stopping)

    async def stop_one(self, keeper: Keeper, among: Sequence[Keeper], by: Caller, most: float = inf) -> None:
        """Stop one of several services; returns once it is down."""
        await asyncio.gather(*(other.down.wait() for other in self.order.stopped_before(keeper, among)))
        keeper.stop(str(by))
        if keeper.stop_seconds > most:
            with suppress(TimeoutError):
                await asyncio.wait_for(keeper.down.wait(), most)
            keeper.kill(f"it may take only {most:.1f} s of the shutdown_timeout")
        await keeper.down.wait()

    def look_again(self) -> None:
        """Let each waiting service begin if the services that it waits for are up now."""
        for keeper in self.order.start_order(keeper for keeper in self.keepers.values() if keeper.is_waiting):
            lacking = self.order.lacking(keeper.service)
            reasons = {name: self.order.why_absent(name) for name in lacking}
            keeper.wait_for(reasons, min(map(self.order.prospect, lacking), default=Prospect.SOON))

    async def _up(self, keeper: Keeper, by: Caller) -> None:
        while keeper.state is State.STOPPING:  # asked for a moment ago, and now the service is wanted again
            await keeper.down.wait()
            if keeper.name not in self.stopped:
                keeper.start(str(by))
        await keeper.settled()

    def _changed(self, keeper: Keeper, happening: Happening) -> None:
        self.happened(keeper, happening)
        self.look_again()

    async def _load(self, service: Service, host: Host) -> None:
        """Take in a service's file from a new host; see `keeper.Load`."""
        file = service.file
        report = await self.catalogue.read(file, host.load, self.catalogue.configuration)
        service.fingerprint = report.fingerprint
        if report.problems and not report.services:
            self.catalogue.cannot_load(file, "; ".join(report.problems), report.fingerprint)
            raise HostError(file.problems[0])
        self.catalogue.adopt(file, report)
        for present in file.services:
            self.keep(present)
        if service not in file.services:
            asyncio.get_running_loop().call_soon(self.forget, self.keepers[service.name])
            raise HostError(next(iter(file.problems), f"{file.path} has no such service any more"))


async def with_progress(keeper: Keeper, work: Coroutine[Any, Any, None], by: Caller, tell: Tell) -> None:
    """Do some work on a service; report how the service is in the end, and meanwhile every PROGRESS_SECONDS."""
    doing = asyncio.ensure_future(work)
    while not (await asyncio.wait([doing], timeout=PROGRESS_SECONDS))[0]:
        tell(keeper.service.report_for(by.permissions.know, still=True))
    doing.result()
    tell(keeper.service.report_for(by.permissions.know))
