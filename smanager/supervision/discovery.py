"""Learns what is in services files, from processes that import them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from smanager.config.file import ConfigError, Services
from smanager.hosts.handle import HostError
from smanager.hosts.pool import Pool
from smanager.supervision.catalogue import Catalogue, ServicesFile
from smanager.supervision.reload import refuse_problems

ORDER_SECONDS = 2.0
"""How long a file waits for those before it, so that of two services with one name the first file's is kept."""

log = logging.getLogger("smanager")


class Discovery:
    """Has files imported where their services will live, or nobody does."""

    def __init__(self, catalogue: Catalogue, pool: Pool) -> None:
        self._catalogue = catalogue
        self._pool = pool

    async def discover(self, file: ServicesFile) -> None:
        """Have the catalogue know what is in a file, or why nothing is."""
        if file.is_code:
            try:
                report = await self._pool.slot(str(file.path)).load(file.path)
            except OSError as error:
                self._catalogue.cannot_load(file, f"no process can be started for it: {error}")
            except HostError as error:
                self._catalogue.cannot_load(file, str(error))
            else:
                await self._wait_for_earlier(file)
                self._catalogue.adopt(file, report)
        else:
            self._catalogue.adopt(file, self._catalogue.programs())
        for problem in file.problems:
            log.warning("%s: %s", file.path, problem)

    async def try_file(self, file: ServicesFile, wanted: Services) -> None:
        """Import a file where nothing lives. Raises ConfigError where something is wrong with it."""
        slot = self._pool.slot(f"try {file.path}")
        try:
            refuse_problems(file.path, wanted, await slot.load(file.path))
        except (OSError, HostError) as error:
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
