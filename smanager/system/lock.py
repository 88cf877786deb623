"""Lock files: of several processes, one at a time may do something."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from smanager.system.private import opened

RETRY_SECONDS = 0.05  # how often a process that waits for a lock tries again


class LockHeldError(Exception):
    """Another process holds the lock."""


def lock(path: Path, wait: float = 0.0, owner: int | None = None) -> int:
    """Lock a file, which is made if it is missing; return the descriptor that holds the lock while it is open.

    Blocks for at most `wait` seconds. The file belongs to the user id `owner`, by default this process's, and is
    opened as `opened` does. Raises LockHeldError, and OSError if the file cannot be opened.
    """
    deadline = time.monotonic() + wait
    while True:
        descriptor = opened(path, os.O_RDWR | os.O_CREAT, owner)
        try:
            if owner is not None:
                os.fchown(descriptor, owner, -1)
            _wait_for_lock(descriptor, path, deadline)
            if is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the file was deleted meanwhile, and another one is what others lock


def is_at(path: Path, descriptor: int) -> bool:
    """Whether a path still leads to an open file. Raises OSError."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _wait_for_lock(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockHeldError(f"{path}: another process holds this lock") from None
            time.sleep(RETRY_SECONDS)
