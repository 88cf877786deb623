"""Which services somebody has stopped: they stay so until they are started, over the manager's own restart too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from smanager.supervision.storage import Storage


class Stops:
    """The names of those services, in memory and on the disk."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._names = self._written = storage.stopped()
        self._writing = asyncio.Lock()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, names: Iterable[str]) -> None:
        self._names = self._names | set(names)

    def remove(self, names: Iterable[str]) -> None:
        self._names = self._names - set(names)

    async def write(self) -> str:
        """Write down what has changed; returns the problem, if there is one."""
        async with self._writing:  # it waits for the disk, and the last one has to be written last
            if self._written != self._names:
                names = self._names
                if problem := await asyncio.to_thread(self._storage.keep_stopped, sorted(names)):
                    return problem
                self._written = names
        return ""
