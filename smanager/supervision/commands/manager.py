"""Commands about the manager as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, NamedTuple

from smanager.access.roles import EVERYTHING_AT_ONCE
from smanager.commands.record import CommandError, Status
from smanager.service import ADMIN, VIEW, Line, Secret, command
from smanager.supervision.catalogue import ServicesFile
from smanager.supervision.commands.own import ALL, ALL_SERVICES, OwnCommands, Services
from smanager.supervision.commands.services import require_running
from smanager.supervision.keeper import Keeper
from smanager.supervision.reports import Notice, Report, Tell
from smanager.supervision.running import Endless, Work
from smanager.supervision.states import State

SHORTEST_INTERVAL = 0.1
"""Seconds between two runs of `watch`; more often is more than a person sees, and would keep a core busy."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """What a command would do to a service."""

    verb: str
    service: str
    state: State

    def __str__(self) -> str:
        return f"{self.verb} {self.service}, which is {self.state.value}"


class Screen(NamedTuple):
    """The output of one run of a command that is run again and again."""

    command: str
    interval: float  # seconds
    output: Any


class ManagerCommands(OwnCommands):
    """The manager as a whole"""

    @command(role=ADMIN, abbreviated=False, root_only=True)
    def cmd_kill(self) -> None:
        """kill server"""
        self.manager.end.set()

    @command()
    def cmd_restart(self, services: Services = ALL_SERVICES) -> Work:
        """restart services

        Restarts the named services with those that need them or share their processes. Without names, restarts all
        services, and finds services files that are new or gone.

        Args:
            services: names, patterns such as web*, or all
        """
        may_restart_all = self.caller.permissions.allow_named(EVERYTHING_AT_ONCE, ADMIN)
        if not may_restart_all and (not services.words or ALL in services.words):
            raise CommandError("restart: only an admin may restart all services; name some", Status.UNUSABLE)
        if not services.words:
            return Work(self._restart_all)
        files = {word: self.manager.catalogue.unloaded_file(word) for word in services.words if may_restart_all}
        unloaded = {word: file for word, file in files.items() if file}
        keepers = services.find([word for word in services.words if word not in unloaded])
        return Work(lambda tell: self._restart(keepers, list(unloaded.values()), tell))

    async def _restart(self, keepers: Sequence[Keeper], unloaded: Sequence[ServicesFile], tell: Tell) -> None:
        """Restart services, and try files again of which nothing could be loaded."""
        await self.manager.restart(keepers, self.caller, self.discreet(tell))
        for file in unloaded:
            await self.manager.load(file, self.caller, tell)
        may_see_problems = self.caller.permissions.know_all(self.manager.keepers)
        files = dict.fromkeys([*unloaded, *(keeper.service.file for keeper in keepers)]) if may_see_problems else ()
        require_running(keepers, [f"{file.path.name}: {problem}" for file in files for problem in file.problems], tell)

    async def _restart_all(self, tell: Tell) -> None:
        await self.manager.restart_all(self.caller, tell)
        problems = [f"{file.path.name}: {problem}" for file, problem in self.manager.catalogue.problems()]
        require_running(self.manager.wanted(), problems, tell)

    @command(role=ADMIN)
    def cmd_reload(self, *, dry_run: bool = False) -> Work:
        """apply changed files and configuration

        Restarts only the services that have changed. Changes nothing where a file or the configuration is wrong.

        Args:
            dry_run: only show what would be done
        """

        async def reload(tell: Tell) -> None:
            reports: list[Report] = []

            def tell_and_count(report: Report) -> None:
                reports.append(report)
                tell(report)

            await self.manager.reload(self.caller, tell_and_count, dry_run)
            if not reports:
                tell(Notice("nothing has changed"))

        return Work(reload)

    @command(role=VIEW)
    def cmd_plan(self, verb: Literal["stop", "restart"], services: Services) -> list[PlannedStep]:
        """show what stop or restart would do

        Args:
            verb: the command
            services: names, patterns such as web*, or all
        """
        order = self.manager.order
        keepers = order.sharing(services.keepers) if verb == "restart" else services.keepers
        affected = [keeper for keeper in order.stopped_with(keepers) if keeper.name in services.permitted]
        return [PlannedStep(verb, keeper.name, keeper.state) for keeper in affected]

    @command(role=VIEW, short={"interval": "n"})
    def cmd_watch(self, command: Secret[Line], *, interval: timedelta = timedelta(seconds=2)) -> Endless:
        """run a command again and again

        Shows the output in place until Ctrl-C.

        Args:
            command: the command line
            interval: time between two runs
        """
        seconds = interval.total_seconds()
        if seconds <= 0:
            raise CommandError(f"watch: interval is {seconds:g} s, and should be above 0", Status.UNUSABLE)
        if command.split()[:1] == [self.command.name]:
            raise CommandError("watch: cannot watch itself", Status.UNUSABLE)
        return Endless(self._watch(command, max(seconds, SHORTEST_INTERVAL)))

    async def _watch(self, line: str, seconds: float) -> AsyncGenerator[Screen, None]:
        task = asyncio.current_task()
        while not (task and task.cancelling()):
            yield Screen(line, seconds, await self.requester.run_line(line))
            await asyncio.sleep(seconds)
