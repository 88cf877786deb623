"""What is counted and measured, as data: for the service `metrics`, and for any other that wants the numbers."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smanager import __version__
from smanager.service import VIEW, command
from smanager.supervision.commands.own import ALL_SERVICES, FOR_LOOKING, OwnCommands, Services
from smanager.supervision.keeper import Keeper
from smanager.supervision.states import State
from smanager.supervision.tally import BUCKETS, Durations

if TYPE_CHECKING:
    from smanager.metrics.metric import Metric


@dataclass(frozen=True, slots=True)
class DurationFigures:
    """How often something took how long. Times are seconds."""

    count: int
    seconds: float  # all together
    buckets: dict[str, int]  # by a time, how many took that long or less


@dataclass(frozen=True, slots=True)
class CommandFigures:
    command: str
    done: int
    failed: int
    took: DurationFigures


@dataclass(frozen=True, slots=True)
class ManagerFigures:
    """Of the manager, since its start."""

    version: str
    pid: int
    since: float  # when it began, in seconds since the epoch
    sessions: dict[str, int]  # by kind
    refused: dict[str, int]  # commands, by the reason
    audit_lines_lost: int
    loop_lag: DurationFigures  # how late timers are; measured while there are questions
    commands: list[CommandFigures]


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """Of a service."""

    service: str
    state: State
    pid: int | None
    since: float | None  # when its present life began, in seconds since the epoch
    restarts: int  # by the supervisor, since the service is known
    shared: bool  # whether other services live in its process
    log_lines_lost: int
    commands: list[CommandFigures]
    metrics: list[Metric]  # what the service tells by `self.metric`


class FigureCommands(OwnCommands):
    """Numbers"""

    heading = FOR_LOOKING

    @command(role=VIEW, journaled=False, kept=False)
    def cmd_figures(self, services: Services = ALL_SERVICES) -> AsyncGenerator[ManagerFigures | ServiceFigures, None]:
        """show what is counted and measured, for programs

        First of the manager, then of each service: sessions, commands and how long they took, lines lost, restarts, and
        what the services themselves tell by `self.metric`.

        Args:
            services: names, patterns such as web*, or all
        """
        return self._figures(services.keepers)

    async def _figures(self, keepers: Sequence[Keeper]) -> AsyncGenerator[ManagerFigures | ServiceFigures, None]:
        metrics = await _metrics(keepers)
        yield self._of_manager()
        for keeper in keepers:
            await self.manager.turns.come(self.caller.party)  # so that many services keep nobody waiting
            yield self._of_service(keeper, metrics.get(keeper.name, []))

    def _of_manager(self) -> ManagerFigures:
        manager = self.manager
        return ManagerFigures(
            version=__version__,
            pid=os.getpid(),
            since=manager.since.when,
            sessions=Counter(session.kind for session in manager.sessions.all()),
            refused=manager.audit.refusals,
            audit_lines_lost=manager.audit.lost,
            loop_lag=_durations(manager.lag.durations()),
            commands=list(self._commands("")),
        )

    def _of_service(self, keeper: Keeper, metrics: list[Metric]) -> ServiceFigures:
        return ServiceFigures(
            service=keeper.name,
            state=keeper.state,
            pid=keeper.pid or None,
            since=keeper.life.when if keeper.state.alive else None,
            restarts=keeper.service.history.all_restarts,
            shared=keeper.shares_process,
            log_lines_lost=self.manager.lost_lines[keeper.name],
            commands=list(self._commands(keeper.name)),
            metrics=metrics,
        )

    def _commands(self, service: str) -> Iterator[CommandFigures]:
        for name, tally in self.manager.jobs.tally.of(service).items():
            yield CommandFigures(name, tally.done, tally.failed, _durations(tally))


def _durations(durations: Durations) -> DurationFigures:
    """The classes added up, since each bucket counts what the ones before it count."""
    buckets, count = {}, 0
    for bound, number in zip(BUCKETS, durations.counts, strict=False):
        count += number
        buckets[str(bound)] = count
    return DurationFigures(sum(durations.counts), round(durations.seconds, 6), buckets)


async def _metrics(keepers: Sequence[Keeper]) -> dict[str, list[Metric]]:
    """What services tell by `self.metric`; nothing of those whose hosts do not answer in time."""
    hosts = list({keeper.host: None for keeper in keepers if keeper.host and keeper.host.has_metrics})
    if not hosts:
        return {}
    from smanager.metrics.told import those_right  # here, because few services have metrics

    told = dict(zip(hosts, await asyncio.gather(*(host.metrics() for host in hosts)), strict=True))
    return {keeper.name: those_right(told[keeper.host].get(keeper.name)) for keeper in keepers if keeper.host in told}
