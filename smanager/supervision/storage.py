"""The state directory: holds what outlives the manager, and a lock that keeps other managers out."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from smanager.system.errors import in_words
from smanager.system.lock import LockHeldError, lock


class StorageError(Exception):
    """A state directory that cannot be used; the text says why, and what would be right."""


class UnwritableError(StorageError):
    """A state directory that cannot be made or written."""


class Storage:
    """A state directory in use; without one, nothing outlives the manager."""

    def __init__(self, directory: Path | None) -> None:
        """Make and lock the directory. Raises StorageError if another manager uses it, and UnwritableError."""
        self.directory = directory
        self._lock = _locked(directory) if directory else -1

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)


def _locked(directory: Path) -> int:
    """A descriptor that holds the directory's lock while it is open."""
    path = directory / "lock"
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
    with suppress(OSError):  # on a full disk the lock holds all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
