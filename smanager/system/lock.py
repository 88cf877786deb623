"""Lock files: of several processes, one at a time may do something."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

RETRY_SECONDS = 0.05  # how often a process that waits for a lock tries again


class LockHeldError(Exception):
    """Another process holds the lock."""


def lock(path: Path, wait: float = 0.0, owner: int = -1) -> int:
    """Lock a file, which is made if it is missing; return the descriptor that holds the lock while it is open.

    Blocks for at most `wait` seconds. The file belongs to the user id `owner`, or by default to its creator, and is
    never reached through a symbolic link. Raises LockHeldError, and OSError if the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait
    try:
        os.fchown(descriptor, owner, -1)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LockHeldError(f"{path}: another process holds this lock") from None
                time.sleep(RETRY_SECONDS)
    except BaseException:
        os.close(descriptor)
        raise
