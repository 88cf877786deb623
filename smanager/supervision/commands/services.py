"""Commands for looking after services."""

from __future__ import annotations

import asyncio
import signal as signals
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from smanager.commands.record import CommandError, Status
from smanager.config.service import signal_number
from smanager.logs.history import LifeRecord, LogLine
from smanager.service import VIEW, command
from smanager.supervision.commands.own import ALL_SERVICES, Listing, OwnCommands, Services
from smanager.supervision.group import PROGRESS_SECONDS
from smanager.supervision.keeper import Keeper
from smanager.supervision.reports import Notice, ServiceReport, Tell
from smanager.supervision.running import Work
from smanager.supervision.states import State
from smanager.system.processes import usage
from smanager.terminal.text import begins


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


class ServiceCommands(OwnCommands):
    """Looking after services"""

    @command(role=VIEW)
    def cmd_services(self, services: Services = ALL_SERVICES) -> ServiceList:
        """list the services and how they are

        Args:
            services: names, patterns such as web*, or all
        """
        catalogue = self.manager.catalogue
        may_see_problems = self.caller.permissions.know_all(catalogue.services) and not services.words
        return ServiceList(
            {keeper.name: self._report(keeper).condition for keeper in services.keepers},
            [f"{file.path}: {problem}" for file, problem in catalogue.problems()] if may_see_problems else [],
        )

    @command(role=VIEW, without_journal=True)
    def cmd_status(self, services: Services = ALL_SERVICES) -> list[ServiceStatus]:
        """show how services are

        For each: since when it is in its state, how often it was started again by itself, CPU time and memory of its
        process, and how its last life ended.

        Args:
            services: names, patterns such as web*, or all
        """
        lost = self.manager.audit.lost
        remark = f"{lost} lines of the audit journal could not be written" if lost else ""
        return Listing([self._status(keeper) for keeper in services.keepers], remark)

    @command()
    def cmd_start(self, services: Services) -> Work:
        """start services

        Starts the services that they need as well.

        Args:
            services: names, patterns such as web*, or all
        """
        keepers = services.keepers

        async def start(tell: Tell) -> None:
            await self.manager.start(keepers, self.caller, self.discreet(tell))
            require_running(keepers, [], tell)

        return Work(start)

    @command()
    def cmd_stop(self, services: Services) -> Work:
        """stop services

        Stops the services that need them first; `plan stop SERVICE` shows which. They stay stopped until they are
        started, also when the manager is restarted.

        Args:
            services: names, patterns such as web*, or all
        """
        keepers = services.keepers
        return Work(lambda tell: self.manager.stop(keepers, self.caller, self.discreet(tell)))

    @command(role=VIEW)
    def cmd_why(self, services: Services) -> list[Explanation]:
        """explain the state of services

        Shows the last lives of each: who asked for them, how they ended, and what that led to; then the lines printed
        before the last end, and when the next attempt is due.

        Args:
            services: names, patterns such as web*, or all
        """
        return [self._explanation(keeper) for keeper in services.keepers]

    @command(role=VIEW)
    def cmd_wait(
        self, services: Services, state: State, *, timeout: timedelta | None = None
    ) -> AsyncGenerator[ServiceReport, None]:
        """wait until services are in a state

        Args:
            services: names, patterns such as web*, or all
            state: the state
            timeout: fail after this time
        """
        return self._wait(services.keepers, state, None if timeout is None else timeout.total_seconds())

    @command()
    def cmd_signal(self, services: Services, signal: str) -> None:
        """send a signal to services

        The signal goes to a service's program, there to the processes that `stop_signal_to` names, or else to the
        process that the service lives in.

        Args:
            services: names, patterns such as web*, or all
            signal: its name, such as HUP
        """
        try:
            number = signal_number(signal)
        except ValueError as error:
            if not services.words:  # the only word is a service's name
                example = f"signal {signal} HUP"
                raise CommandError(f"signal: which signal? such as: {example}", Status.UNUSABLE) from None
            raise CommandError(f"signal: signal is {signal!r}, and should be {error}", Status.UNUSABLE) from None
        for keeper in services.keepers:
            if not keeper.send_signal(number):
                raise CommandError(f"signal: {keeper.name} is {keeper.service.condition} and has no process")

    def complete_signal(self, text: str, line: str, begidx: int, endidx: int) -> list[str]:
        if len(line[:begidx].split()) < 2 and not self.requester.here:  # the services come first
            return []
        names = [name.removeprefix("SIG") for name in signals.Signals.__members__]
        return [name for name in names if begins(name, text)]

    def _status(self, keeper: Keeper) -> ServiceStatus:
        service = keeper.service
        used = usage(keeper.pid) if keeper.pid else None
        last_end = next((life.end for life in reversed(service.history.lives) if life.end), None)
        return ServiceStatus(
            name=service.name,
            state=service.state,
            reason=self._report(keeper).reason,
            pid=keeper.pid or None,
            since=service.since.when if service.since else None,
            age=service.since.age if service.since else None,
            restarts=service.history.restarts,
            cpu=used.cpu if used else None,
            memory=used.memory if used else None,
            shared=len(keeper.slot.residents) > 1 and not service.is_program,
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

    async def _wait(
        self, keepers: Sequence[Keeper], state: State, seconds: float | None
    ) -> AsyncGenerator[ServiceReport, None]:
        changed = asyncio.Event()
        unfollow = self.manager.events.follow(lambda event: changed.set())
        deadline = None if seconds is None else monotonic() + seconds
        try:
            while late := [keeper for keeper in keepers if keeper.state is not state]:
                for keeper in keepers:
                    if self.manager.keepers.get(keeper.name) is not keeper:
                        raise CommandError(f"{keeper.name} no longer exists")
                left = PROGRESS_SECONDS if deadline is None else min(PROGRESS_SECONDS, deadline - monotonic())
                if left <= 0:
                    conditions = [f"{keeper.name} is {self._report(keeper).condition}" for keeper in late]
                    raise CommandError(f"not {state.value} within {seconds:g} s: {'; '.join(conditions)}")
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), left)
                if not changed.is_set() and left == PROGRESS_SECONDS:
                    for keeper in late:
                        yield self._report(keeper, still=True)
                changed.clear()
        finally:
            unfollow()

    def _report(self, keeper: Keeper, still: bool = False) -> ServiceReport:
        return keeper.service.report_for(self.caller.permissions.know, still)


def require_running(keepers: Sequence[Keeper], problems: Sequence[str], tell: Tell) -> None:
    """Report problems. Raises CommandError if there are any, or if not all services are up."""
    for problem in problems:
        tell(Notice(problem))
    if problems or not all(keeper.state.up for keeper in keepers):
        raise CommandError("not everything is running; the lines above say why")
