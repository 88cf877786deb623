"""The state directory: holds what outlives the manager, and a lock that keeps other managers out."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

LOCK = "lock"


class StorageError(Exception):
    """A state directory that cannot be used; the text says why, and what would be right."""


class UnwritableError(StorageError):
    """A state directory that cannot be made or written."""


class Storage:
    """A state directory in use; without one, nothing outlives the manager."""

    def __init__(self, directory: Path | None) -> None:
        """Lock the directory, and make it if it is missing.

        Raises StorageError if another manager uses the directory, and UnwritableError.
        """
        self.directory = directory
        self._lock = -1
        if directory is not None:
            self._lock = _locked(directory)

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)


def _locked(directory: Path) -> int:
    """A descriptor that holds the directory's lock for as long as it is open."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UnwritableError(
            f"the state directory {directory} cannot be used: {(error.strerror or str(error)).lower()}; "
            "name another with --state-dir DIR"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StorageError(
            f"the state directory {directory} is in use by another manager, process {holder}; "
            "stop that one, or name another directory with --state-dir DIR"
        ) from None
    with suppress(OSError):  # on a full disk the lock holds all the same
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
