"""The state directory: its lock, and which services somebody has stopped."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from smanager.system.atomic import replacing
from smanager.system.errors import in_words
from smanager.system.lock import LockHeldError, lock

STOPPED = "stopped.json"
LOCK = "lock"
FORMAT = 1

log = logging.getLogger("smanager")


class StorageError(Exception):
    """A state directory that cannot be used; the text says why, and what would be right."""


class UnwritableError(StorageError):
    """There is no such directory to be had."""


class Storage:
    """What outlives the manager. Without a directory, nothing does."""

    def __init__(self, directory: Path | None) -> None:
        """Take the directory, which is made where it is missing.

        Raises StorageError where another manager has it, or it cannot be written.
        """
        self.directory = directory
        self._lock = -1
        if directory is not None:
            self._lock = _locked(directory)

    def stopped(self) -> set[str]:
        """The services that somebody has stopped, and that so stay down."""
        if self.directory is None:
            return set()
        path = self.directory / STOPPED
        last = path.with_suffix(".last")
        if not path.exists():
            return set()
        try:
            return _names_in(path)
        except (OSError, StorageError) as error:
            self._set_aside(path, error)
        try:
            found = _names_in(last)
        except (OSError, StorageError) as error:
            if last.exists():
                self._set_aside(last, error)
            return set()
        self.keep_stopped(found)  # or the next start would find nothing
        return found

    @staticmethod
    def _set_aside(path: Path, error: Exception) -> None:
        aside = path.with_suffix(path.suffix + ".bad")
        log.warning("%s: %s; it is set aside as %s", path, error, aside.name)
        with suppress(OSError):
            path.replace(aside)

    def keep_stopped(self, names: Iterable[str]) -> str:
        """Remember which services are stopped: all or nothing, also where the power fails.

        Returns what is wrong where that cannot be.
        """
        if self.directory is None:
            return ""
        path = self.directory / STOPPED
        try:
            with replacing(path, last=path.with_suffix(".last")) as file:
                json.dump({"format": FORMAT, "stopped": sorted(names)}, file)
        except OSError as error:
            log.error("%s: what is stopped cannot be kept: %s", path, in_words(error))
            return f"{path}: {in_words(error)}"
        return ""

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)


def _names_in(path: Path) -> set[str]:
    """The services that a file says are stopped. Raises OSError, and StorageError where it is no such file."""
    try:
        found = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{type(error).__name__}: {error}") from None
    names = found.get("stopped") if isinstance(found, dict) and found.get("format") == FORMAT else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StorageError(f'it is not {{"format": {FORMAT}, "stopped": [...]}}')
    return set(names)


def _locked(directory: Path) -> int:
    """A descriptor that holds the directory's lock for as long as it is open."""
    path = directory / LOCK
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = lock(path)
    except LockHeldError:
        holder = path.read_text(errors="replace").strip() or "unknown"
        raise StorageError(
            f"the state directory {directory} is in use by another manager, process {holder}; "
            "stop that one, or name another directory with --state-dir DIR"
        ) from None
    except OSError as error:
        raise UnwritableError(
            f"the state directory {directory} cannot be used: {in_words(error)}; name another with --state-dir DIR"
        ) from None
    with suppress(OSError):  # on a full disk the lock counts all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
