"""Commands that show a page again and again, in place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any, NamedTuple

from smanager.commands.record import CommandError, Status
from smanager.service import VIEW, Line, Secret, command
from smanager.supervision.commands.own import ALL_SERVICES, FOR_LOOKING, OwnCommands, Services
from smanager.supervision.keeper import Keeper
from smanager.supervision.running import Endless
from smanager.supervision.states import State
from smanager.system.processes import Usage, usage

SAMPLE_SECONDS = 0.5  # of which `top` knows the CPU time when it first shows it

SHORTEST_INTERVAL = 0.1
"""Seconds between two runs of `watch`; more often is more than a person sees, and would keep a core busy."""


class Screen(NamedTuple):
    """The output of one run of a command that is run again and again."""

    command: str
    interval: float  # seconds
    output: Any


@dataclass(frozen=True, slots=True)
class ServiceLoad:
    """What a service uses."""

    name: str
    state: State
    pid: int | None
    cpu: float | None  # percent of one processor
    memory: int | None  # bytes
    shared: bool  # whether that is for a process that several services share


def used_by(keepers: Sequence[Keeper]) -> dict[int, Usage]:
    """What the services' processes have used so far."""
    return {pid: used for pid in {keeper.pid for keeper in keepers} if pid and (used := usage(pid))}


def load(keeper: Keeper, before: Mapping[int, Usage], used: Mapping[int, Usage], seconds: float) -> ServiceLoad:
    """What a service has used in some seconds; a process that has begun meanwhile counts from its start."""
    now = used.get(keeper.pid)
    cpu = None if now is None else now.cpu - (before[keeper.pid].cpu if keeper.pid in before else 0.0)
    return ServiceLoad(
        keeper.name,
        keeper.state,
        keeper.pid or None,
        None if cpu is None else round(100 * cpu / seconds, 1),
        now.memory if now else None,
        keeper.shares_process,
    )


def busiest_first(load: ServiceLoad) -> tuple[float, int, str]:
    return -(load.cpu or 0.0), -(load.memory or 0), load.name


class ScreenCommands(OwnCommands):
    """Pages that are drawn again and again"""

    heading = FOR_LOOKING

    @command(role=VIEW, short={"interval": "n"}, kept=False, read_only=False)
    def cmd_watch(self, command: Secret[Line], *, interval: timedelta = timedelta(seconds=2)) -> Endless:
        """run a command again and again

        Shows the output in place until a key or Ctrl-C.

        Args:
            command: the command line
            interval: time between two runs
        """
        seconds = self._seconds(interval)
        if command.split()[:1] == [self.command.name]:
            raise CommandError("watch: cannot watch itself", Status.UNUSABLE)
        return Endless(self._watch(command, seconds))

    @command(role=VIEW, short={"interval": "n"}, kept=False)
    def cmd_top(
        self, services: Services = ALL_SERVICES, *, interval: timedelta = timedelta(seconds=2)
    ) -> Endless | AsyncGenerator[list[ServiceLoad], None]:
        """show what services use, the busiest first

        Shows CPU time in percent of one processor, and memory. A person sees it in place, until a key or Ctrl-C; a
        script gets one table.

        Args:
            services: names, patterns such as web*, or all
            interval: time between two pages
        """
        keepers = services.keepers
        if not self.requester.abbreviates:
            return self._loads(keepers, SAMPLE_SECONDS, once=True)
        return Endless(self._top(keepers, self._seconds(interval)))

    async def _top(self, keepers: Sequence[Keeper], seconds: float) -> AsyncGenerator[Screen, None]:
        async with aclosing(self._loads(keepers, seconds)) as pages:
            async for loads in pages:
                yield Screen(self.command.name, seconds, loads)

    async def _loads(
        self, keepers: Sequence[Keeper], seconds: float, once: bool = False
    ) -> AsyncGenerator[list[ServiceLoad], None]:
        """What services use between two looks, again and again or once; the first time after a moment."""
        before, began = used_by(keepers), monotonic()
        await asyncio.sleep(SAMPLE_SECONDS)
        while True:
            used, now = used_by(keepers), monotonic()
            yield sorted((load(keeper, before, used, now - began) for keeper in keepers), key=busiest_first)
            if once:
                return
            before, began = used, now
            await asyncio.sleep(seconds)

    def _seconds(self, interval: timedelta) -> float:
        seconds = interval.total_seconds()
        if seconds <= 0:
            message = f"{self.command.name}: interval is {seconds:g} s, and should be above 0"
            raise CommandError(message, Status.UNUSABLE)
        return max(seconds, SHORTEST_INTERVAL)

    async def _watch(self, line: str, seconds: float) -> AsyncGenerator[Screen, None]:
        task = asyncio.current_task()
        while not (task and task.cancelling()):
            yield Screen(line, seconds, await self.requester.run_line(line))
            await asyncio.sleep(seconds)
