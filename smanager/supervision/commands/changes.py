"""Commands that change what the manager keeps up, or say what would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from smanager.commands.record import CommandError
from smanager.service import ADMIN, VIEW, command
from smanager.supervision.commands.own import FOR_SERVICES, OwnCommands, Services
from smanager.supervision.reports import Notice, Report, Tell
from smanager.supervision.running import Work
from smanager.supervision.states import State


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """What a command would do to a service."""

    verb: str
    service: str
    state: State

    def __str__(self) -> str:
        return f"{self.verb} {self.service}, which is {self.state.value}"


class ChangeCommands(OwnCommands):
    """Changes of services"""

    heading = FOR_SERVICES

    @command(role=ADMIN)
    def cmd_reload(self, *, dry_run: bool = False) -> Work:
        """apply changed files and configuration

        Restarts only the services that have changed. Changes nothing where the configuration or a file of present
        services is wrong; a file that is new, or had no service before, holds up nothing else.

        Args:
            dry_run: only show what would be done
        """

        async def reload(tell: Tell) -> None:
            reports: list[Report] = []

            def tell_and_count(report: Report) -> None:
                reports.append(report)
                tell(report)

            if problems := await self.manager.reload(self.caller, tell_and_count, dry_run):
                raise CommandError("; ".join(problems))
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
