"""Finds the services in services files, by having hosts import them, and starts and restarts what is found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress

from smanager.access.callers import Caller
from smanager.config.checks import SettingsError
from smanager.config.file import ConfigError, ServicesConfig
from smanager.hosts.handle import HostError
from smanager.hosts.pool import Pool
from smanager.hosts.source import FileReport, ReportError
from smanager.supervision.catalogue import Catalogue, ServicesFile, configured_programs, settings_for
from smanager.supervision.group import Group
from smanager.supervision.reports import Notice, Tell, ignore_report
from smanager.supervision.states import State

ORDER_SECONDS = 2.0
"""How long a file waits for the files before it, so that of two services with one name the first file's is kept."""

log = logging.getLogger("smanager")


class Discovery:
    """Has files imported by the hosts that their services will live in."""

    def __init__(self, catalogue: Catalogue, pool: Pool, group: Group) -> None:
        self._catalogue = catalogue
        self._pool = pool
        self._group = group

    async def discover(self, file: ServicesFile) -> None:
        """Have the catalogue know what is in a file, or why the file does not load."""
        if file.is_code:
            try:
                report = FileReport.from_data(await self._pool.slot(str(file.path)).load(file.path))
            except OSError as error:
                self._catalogue.cannot_load(file, f"no process can be started for it: {error}")
            except (HostError, ReportError) as error:
                self._catalogue.cannot_load(file, str(error))
            else:
                await self._wait_for_earlier(file)
                self._catalogue.adopt(file, report)
        else:
            self._catalogue.adopt(file, configured_programs(self._catalogue.configuration))
        for problem in file.problems:
            log.warning("%s: %s", file.path, problem)

    async def start(self, files: Iterable[ServicesFile], by: Caller, tell: Tell = ignore_report) -> None:
        """Discover what is in files, and start the services in them that should run."""
        files = list(files)
        for file in files:  # a class may have moved from one file to another
            file.adopted.clear()
        await asyncio.gather(*(self._start(file, by, tell) for file in files))
        for problem in self._catalogue.check_configuration():
            log.warning("%s", problem)
            tell(Notice(problem))
        await self._pool.close_empty()

    async def _start(self, file: ServicesFile, by: Caller, tell: Tell) -> None:
        await self.discover(file)
        for service in file.services:  # if the file does not load now, the services known from before
            self._group.keep(service)
        wanted = list(filter(self._group.is_wanted, file.services))
        for service in file.services:
            if service.state is State.STOPPED and not service.reason and service not in wanted:
                service.reason = "by a user, earlier" if service.settings.enabled else "not enabled"
        await self._group.start([self._group.keepers[service.name] for service in wanted], by, tell)

    async def restart(self, by: Caller, tell: Tell) -> None:
        """Stop each file's services, discover what is in the file now, and start what should run.

        Finds new files, and forgets the services of files that are gone. Raises CommandError if a services directory
        cannot be read; nothing has changed then.
        """
        present = self._catalogue.find_files()
        keepers = list(self._group.keepers.values())

        async def restart(file: ServicesFile) -> None:
            own = [keeper for keeper in keepers if keeper.service.file is file]
            await asyncio.gather(*(self._group.stop_one(keeper, keepers, by) for keeper in own))
            if file.path in present:
                await self.start([file], by, tell)

        files = {**self._catalogue.files, **present}
        for file in files.values():
            file.adopted.clear()  # no service of the file is up before the file has been adopted again
        restarting = asyncio.gather(*map(restart, files.values()))
        self._catalogue.list_files(present)
        await restarting
        for keeper in list(self._group.keepers.values()):
            if self._catalogue.services.get(keeper.name) is not keeper.service:
                self._group.forget(keeper)

    async def try_file(self, file: ServicesFile, wanted: ServicesConfig) -> None:
        """Import a file in a host without services. Raises ConfigError if there is any problem with the file."""
        slot = self._pool.slot(f"try {file.path}")
        try:
            refuse_problems(file, FileReport.from_data(await slot.load(file.path)), wanted)
        except (OSError, HostError, ReportError) as error:
            raise ConfigError(f"{file.path}: {error}") from None
        finally:
            await slot.close_if_empty()

    async def _wait_for_earlier(self, file: ServicesFile) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ORDER_SECONDS):
                for earlier in self._catalogue.files.values():
                    if earlier is file:
                        return
                    await earlier.adopted.wait()


def refuse_problems(file: ServicesFile, report: FileReport, wanted: ServicesConfig) -> None:
    """Raise ConfigError if a file has problems, or its services' settings have, with the wanted configuration."""
    for problem in report.problems:
        raise ConfigError(f"{file.path}: {problem}")
    for description in report.services:
        try:
            settings_for(description, wanted)
        except SettingsError as error:
            raise ConfigError(f"{file.path}: line {description.line}: {error}") from None
