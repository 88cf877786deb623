"""Finds the services in services files, by having hosts import them, and starts and restarts what is found."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from itertools import takewhile
from typing import NamedTuple

from smanager.access.callers import Caller
from smanager.config.file import ServicesConfig
from smanager.hosts.handle import HostError
from smanager.hosts.pool import Pool
from smanager.hosts.source import FileReport, ReportError
from smanager.supervision.catalogue import Catalogue, ServicesFile, configured_programs
from smanager.supervision.group import Group
from smanager.supervision.reports import Tell, ignore_report
from smanager.supervision.states import State

ORDER_SECONDS = 2.0
"""How long a file waits for the files before it, so that of two services with one name the first file's is kept."""

log = logging.getLogger("smanager")


class Discovery(NamedTuple):
    """Has files imported by the hosts that their services will live in."""

    catalogue: Catalogue
    pool: Pool
    group: Group

    async def discover(self, file: ServicesFile) -> None:
        """Have the catalogue know the contents of a file, or why the file does not load."""
        try:
            if file.is_code:
                load = self.pool.slot(str(file.path)).load
                report = await self.catalogue.read(file, load, self.catalogue.configuration)
                await self._wait_for_earlier(file)
            else:
                report = configured_programs(self.catalogue.configuration)
            self.catalogue.adopt(file, report)
        except OSError as error:
            self.catalogue.cannot_load(file, f"no process can be started for it: {error}")
        except (HostError, ReportError) as error:
            self.catalogue.cannot_load(file, str(error))
        for problem in file.problems:
            log.warning("%s: %s", file.path, problem)

    async def start(self, files: Iterable[ServicesFile], by: Caller, tell: Tell = ignore_report) -> None:
        """Discover files, and start the services in them that should run."""
        files = list(files)
        for file in files:  # a class may have moved from one file to another
            file.adopted.clear()
        await asyncio.gather(*(self._start(file, by, tell) for file in files))
        for file, problem in self.catalogue.check_configuration():
            log.warning("%s: %s", file.path, problem)
        await self.pool.close_empty()

    async def _start(self, file: ServicesFile, by: Caller, tell: Tell) -> None:
        await self.discover(file)
        starting = []
        for service in file.services:  # if the file does not load now, the services known from before
            self.group.keep(service)
            if self.group.is_wanted(service):
                starting.append(self.group.keepers[service.name])
            elif service.state is State.STOPPED and not service.reason:
                service.reason = "by a user, earlier" if service.settings.enabled else "not enabled"
        await self.group.start(starting, by, tell)

    async def restart(self, by: Caller, tell: Tell) -> None:
        """Stop each file's services, discover the file anew, and start what should run; forget the files that are gone.

        Raises CommandError if a services directory cannot be read; nothing has changed then.
        """
        present = self.catalogue.find_files()
        keepers = list(self.group.keepers.values())

        async def restart(file: ServicesFile) -> None:
            own = [keeper for keeper in keepers if keeper.service.file is file]
            await asyncio.gather(*(self.group.stop_one(keeper, keepers, by) for keeper in own))
            if file.path in present:
                await self.start([file], by, tell)

        files = {**self.catalogue.files, **present}
        for file in files.values():
            file.adopted.clear()  # no service of the file is up before the file has been adopted again
        restarting = asyncio.gather(*map(restart, files.values()))
        self.catalogue.list_files(present)
        await restarting
        for keeper in list(self.group.keepers.values()):
            if self.catalogue.services.get(keeper.name) is not keeper.service:
                self.group.forget(keeper)

    async def try_file(self, file: ServicesFile, services: ServicesConfig) -> FileReport:
        """What is in a file, imported in a host without services; if it does not load, what it had before."""
        slot = self.pool.slot(f"try {file.path}")
        try:
            return await self.catalogue.read(file, slot.load, services)
        except (OSError, HostError, ReportError) as error:
            return FileReport(tuple(service.description for service in file.services), (str(error),))
        finally:
            await slot.close_if_empty()

    async def _wait_for_earlier(self, file: ServicesFile) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ORDER_SECONDS):
                for earlier in takewhile(lambda other: other is not file, self.catalogue.files.values()):
                    await earlier.adopted.wait()
