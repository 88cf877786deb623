"""The state directory: holds what outlives the manager, and a lock that keeps other managers out."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from smanager.system.atomic import replacing
from smanager.system.errors import in_words
from smanager.system.lock import LockHeldError, is_at, lock
from smanager.system.private import contents, make_directory

LOCK_FILE = "lock"
LOOK_SECONDS = 3.0
"""How often to look whether the directory was deleted: for so long, another manager may take its place."""

HOLDER_LIMIT = 5000  # bytes of the lock file, which holds a process id and a path: at most 4096 bytes (PATH_MAX)

STOPPED_FILE = "stopped.json"
FORMAT = 1
SIZE_LIMIT = 1024 * 1024  # bytes of the file: some ten thousand services

log = logging.getLogger("smanager")


class StorageError(Exception):
    """A state directory that cannot be used; the text says why, and what would be right."""


class UnwritableError(StorageError):
    """A state directory that cannot be made or written."""


class RunningError(StorageError):
    """A manager of the same configuration runs already."""


class Storage:
    """A state directory in use, and the lock of the configuration; without a directory, nothing outlives the manager.

    The lock of the configuration is in its place, which is the state directory unless another one is named.
    """

    def __init__(self, directory: Path | None, place: Path | None = None) -> None:
        """Make and lock the place and the directory; a place that cannot be made beside a directory locks nothing.

        Raises RunningError if a manager has the place, StorageError if one of another configuration has the directory,
        and UnwritableError.
        """
        self.directory = directory
        self._place = place
        self._locks: dict[Path, int] = {}
        for one in dict.fromkeys(filter(None, (place, directory))):
            try:
                self._locks[one] = self._locked(one)
            except UnwritableError:
                if one == directory:
                    raise

    def is_gone(self) -> bool:
        """Whether a directory, or the lock in it, was deleted. Raises OSError."""
        return any(map(self._is_gone, self._locks))

    def make_again(self) -> None:
        """Make and lock again what was deleted. Raises StorageError as a new one does."""
        for one, held in self._locks.items():
            if self._is_gone(one):
                self._locks[one] = self._locked(one)
                os.close(held)

    def close(self) -> None:
        for descriptor in self._locks.values():
            os.close(descriptor)

    def _is_gone(self, one: Path) -> bool:
        return not is_at(one / LOCK_FILE, self._locks[one])

    def _locked(self, one: Path) -> int:
        """A descriptor that holds a directory's lock while it is open; the file tells who has it, and the state."""
        path = one / LOCK_FILE
        try:
            make_directory(one, may_be_link=True)
            descriptor = lock(path)
        except LockHeldError:
            holder = None
            with suppress(OSError):
                holder = Holder.of(one)
            process = f"process {holder.process}" if holder else "unknown"
            if one == self._place:
                raise RunningError(process) from None
            raise StorageError(
                f"the state directory {one} is in use by another manager, {process}; "
                "stop that one, or name another directory with --state-dir DIR"
            ) from None
        except OSError as error:
            raise UnwritableError(
                f"the state directory {one} cannot be used: {in_words(error)}; name another with --state-dir DIR"
            ) from None
        with suppress(OSError):  # on a full disk the lock holds all the same
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n{self.directory or ''}\n".encode(errors="surrogateescape"), 0)
        return descriptor


class Holder(NamedTuple):
    """Who has, or has had, the lock of a directory."""

    process: str
    state: Path  # the state directory

    @staticmethod
    def of(directory: Path) -> Holder | None:
        """What the lock file says; None if there is none, or it says nothing. Raises OSError if it cannot be read."""
        with suppress(FileNotFoundError, NotADirectoryError):
            written = contents(directory / LOCK_FILE, HOLDER_LIMIT, directory.stat().st_uid)
            process, _, state = os.fsdecode(written).rstrip("\n").partition("\n")
            return Holder(process, Path(state) if state else directory) if process else None
        return None


def carry_over(old: Path, new: Path) -> bool:
    """Move what is in a state directory to a new one, unless there is something or a manager uses the old one.

    Returns whether there was anything to move.
    """
    if not old.is_dir() or any(entry.name != LOCK_FILE for entry in new.iterdir()):
        return False
    try:
        held = lock(old / LOCK_FILE)
    except LockHeldError:
        return False
    try:
        for entry in [*old.iterdir()]:
            if entry.name != LOCK_FILE:
                entry.rename(new / entry.name)
        shutil.rmtree(old)
    finally:
        os.close(held)
    return True


class StoppedServices:
    """The services that requesters stopped: they stay down until a requester starts them, whatever the manager does."""

    def __init__(self, directory: Path | None) -> None:
        """Read the file in the state directory; without a directory, keep the names in memory only."""
        self._file = StoppedFile(directory / STOPPED_FILE) if directory else None
        self._names: set[str] = self._file.read() if self._file else set()
        self._written = self._names
        self._writing = asyncio.Lock()

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, names: Iterable[str]) -> None:
        self._names = self._names.union(names)

    def remove(self, names: Iterable[str]) -> None:
        self._names = self._names.difference(names)

    async def write_again(self) -> str:
        """Write the file, which was deleted; return the problem, if there is one."""
        self._written = set()
        return await self.write()

    async def write(self) -> str:
        """Write what has changed to the file; return the problem, if there is one."""
        async with self._writing:  # this waits for the disk, and the last change has to be written last
            names = self._names
            if self._file and names != self._written:
                if problem := await asyncio.to_thread(self._file.write, names):
                    return problem
                self._written = names
        return ""


class StoppedFile:
    """The file, and the last good version of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last = path.with_suffix(".last")

    def read(self) -> set[str]:
        """The names in the file, or in its last good version; a damaged file is renamed."""
        for path in (self.path, self._last):
            try:
                names = _names_in(path)
            except FileNotFoundError:
                break
            except (OSError, ValueError) as error:
                aside = path.with_name(f"{path.name}.bad")
                log.warning("%s: %s; renamed to %s", path, error, aside.name)
                with suppress(OSError):
                    path.replace(aside)
            else:
                if path is self._last:
                    self.write(names)  # or the next start would find nothing
                return names
        return set()

    def write(self, names: Iterable[str]) -> str:
        """Replace the file: all or nothing, even if the power fails. Return the problem, if there is one."""
        try:
            with replacing(self.path, last=self._last) as file:
                json.dump({"format": FORMAT, "stopped": sorted(names)}, file)
        except OSError as error:
            log.error("%s: cannot record which services are stopped: %s", self.path, in_words(error))
            return f"{self.path}: {in_words(error)}"
        return ""


def _names_in(path: Path) -> set[str]:
    """The names in a file. Raises OSError, and ValueError if the file is damaged."""
    try:
        content = json.loads(contents(path, SIZE_LIMIT))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    names = content.get("stopped") if isinstance(content, dict) and content.get("format") == FORMAT else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'should be {{"format": {FORMAT}, "stopped": [...]}}')
    return set(names)
