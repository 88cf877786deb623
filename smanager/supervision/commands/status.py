"""Commands that show how services are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic

from smanager.logs.history import LifeRecord, LogLine
from smanager.service import VIEW, command
from smanager.supervision.commands.own import (
    ALL_SERVICES,
    FOR_LOOKING,
    Listing,
    OwnCommands,
    Selection,
    Services,
    permitted,
)
from smanager.supervision.commands.screens import Screen
from smanager.supervision.keeper import Keeper
from smanager.supervision.running import Endless
from smanager.supervision.states import State
from smanager.system.processes import usage

FOLLOW_SECONDS = 2.0  # between two looks at services that are followed


@dataclass(frozen=True, slots=True)
class ServiceList:
    """All services that the caller may know of, and the problems of services files."""

    services: dict[str, str]  # the condition of each, such as `running` or `backoff (exit status 1)`
    problems: list[str]


@dataclass(frozen=True)
class ServiceStatus:
    """How a service is. Times are seconds, memory is bytes."""

    name: str
    state: State
    reason: str
    pid: int | None
    since: float | None  # when it entered its state, in seconds since the epoch
    age: float | None  # how long ago that was
    restarts: int
    cpu: float | None
    memory: int | None
    shared: bool  # whether CPU time and memory are those of a process that several services share
    last_end: str | None


@dataclass(frozen=True)
class Explanation(ServiceStatus):
    """Why a service is as it is."""

    next_attempt: float | None  # seconds until then, in backoff
    lives: list[LifeRecord]  # the oldest first
    last_lines: list[LogLine]  # printed before the last end


class StatusCommands(OwnCommands):
    """How services are"""

    heading = FOR_LOOKING

    @command(role=VIEW)
    def cmd_services(self, services: Services = ALL_SERVICES) -> ServiceList:
        """list the services and how they are

        Args:
            services: names, patterns such as web*, or all
        """
        catalogue = self.manager.catalogue
        may_see_problems = self.caller.permissions.know_all(catalogue.services) and not services.words
        return ServiceList(
            {keeper.name: self.report(keeper).condition for keeper in services.keepers},
            [f"{file.path}: {problem}" for file, problem in catalogue.problems()] if may_see_problems else [],
        )

    @command(role=VIEW, without_journal=True, short={"follow": "f"})
    def cmd_status(
        self, services: Services = ALL_SERVICES, *, follow: bool = False
    ) -> list[ServiceStatus] | Endless | AsyncGenerator[list[ServiceStatus], None]:
        """show how services are

        For each: since when it is in its state, how often it was started again by itself, CPU time and memory of its
        process, and how its last life ended.

        Args:
            services: names, patterns such as web*, or all
            follow: show it again every two seconds, until Ctrl-C
        """
        if not follow:
            return self._statuses(services)
        return Endless(self._screens(services.words) if self.requester.abbreviates else self._again(services.words))

    def _statuses(self, services: Services) -> Listing:
        lost = self.manager.audit.lost
        remark = f"{lost} lines of the audit journal could not be written" if lost else ""
        return Listing([self._status(keeper) for keeper in services.keepers], remark)

    async def _again(self, words: Sequence[str]) -> AsyncGenerator[Listing, None]:
        """How the services of these names are by then, again and again."""
        while True:
            known = permitted(self.manager.keepers, self.caller, self.command)
            yield self._statuses(Selection(words, self.command, known, self.requester))
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _screens(self, words: Sequence[str]) -> AsyncGenerator[Screen, None]:
        async with aclosing(self._again(words)) as pages:
            async for page in pages:
                yield Screen(self.command.name, FOLLOW_SECONDS, page)

    @command(role=VIEW)
    def cmd_why(self, services: Services) -> list[Explanation]:
        """explain the state of services

        Shows the last lives of each: who asked for them, how they ended, and what that led to; then the lines printed
        before the last end, and when the next attempt is due.

        Args:
            services: names, patterns such as web*, or all
        """
        return [self._explanation(keeper) for keeper in services.keepers]

    def _status(self, keeper: Keeper) -> ServiceStatus:
        service = keeper.service
        used = usage(keeper.pid) if keeper.pid else None
        last_end = next((life.end for life in reversed(service.history.lives) if life.end), None)
        return ServiceStatus(
            name=service.name,
            state=service.state,
            reason=self.report(keeper).reason,
            pid=keeper.pid or None,
            since=service.since.when if service.since else None,
            age=service.since.age if service.since else None,
            restarts=service.history.restarts,
            cpu=used.cpu if used else None,
            memory=used.memory if used else None,
            shared=keeper.shares_process,
            last_end=last_end,
        )

    def _explanation(self, keeper: Keeper) -> Explanation:
        history = keeper.service.history
        return Explanation(
            **vars(self._status(keeper)),
            next_attempt=max(0.0, keeper.attempt_at - monotonic()) if keeper.state is State.BACKOFF else None,
            lives=list(history.lives),
            last_lines=list(filter(self.may_see_line, history.last_lines)),
        )
