"""Commands about the manager as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from smanager.access.roles import EVERYTHING_AT_ONCE
from smanager.commands.record import CommandError, Status
from smanager.service import ADMIN, command
from smanager.supervision.catalogue import ServicesFile
from smanager.supervision.commands.own import ALL, ALL_SERVICES, OwnCommands, Services
from smanager.supervision.commands.services import require_running
from smanager.supervision.keeper import Keeper
from smanager.supervision.reports import Tell
from smanager.supervision.running import Work


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
        services, and finds services files that are new or gone; a person is asked first.

        Args:
            services: names, patterns such as web*, or all
        """
        may_restart_all = self._may_restart_all
        if not may_restart_all and (not services.words or ALL in services.words):
            raise CommandError("restart: only an admin may restart all services; name some", Status.UNUSABLE)
        if not services.words:
            return Work(self._restart_all)
        files = {word: self.manager.catalogue.unloaded_file(word) for word in services.words if may_restart_all}
        unloaded = {word: file for word, file in files.items() if file}
        keepers = services.find([word for word in services.words if word not in unloaded])
        return Work(lambda tell: self._restart(keepers, list(unloaded.values()), tell))

    def question_restart(self, services: Services = ALL_SERVICES) -> str:
        if services.words or not self._may_restart_all:
            return ""
        count = len({*self.manager.wanted(), *(one for one in self.manager.keepers.values() if not one.state.down)})
        return f"restart {count} services?" if count > 1 else ""

    @property
    def _may_restart_all(self) -> bool:
        return self.caller.permissions.allow_named(EVERYTHING_AT_ONCE, ADMIN)

    async def _restart(self, keepers: Sequence[Keeper], unloaded: Sequence[ServicesFile], tell: Tell) -> None:
        """Restart services, and try files again of which nothing could be loaded."""
        await self.manager.restart(keepers, self.caller, self.discreet(tell))
        for file in unloaded:
            await self.manager.load(file, self.caller, tell)
        may_see_problems = self.caller.permissions.know_all(self.manager.keepers)
        files = dict.fromkeys([*unloaded, *(keeper.service.file for keeper in keepers)]) if may_see_problems else ()
        require_running(keepers, [f"{file.path}: {problem}" for file in files for problem in file.problems], tell)

    async def _restart_all(self, tell: Tell) -> None:
        await self.manager.restart_all(self.caller, tell)
        problems = [f"{file.path}: {problem}" for file, problem in self.manager.catalogue.problems()]
        require_running(self.manager.wanted(), problems, tell)
