"""Files that settings name, which may be links, and belong to others."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from smanager.system.private import NOT_A_FILE, require_owner


def content(path: str, most: int, check: Callable[[os.stat_result], object] = lambda status: None) -> bytes:
    """What is in a regular file; no pipe is waited for. `check` is given its status first, and may raise.

    Raises OSError, also if there are more than `most` bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, NOT_A_FILE, path)
        check(status)
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes, and should have at most that many", path)
    return data


def secret(path: str, most: int) -> bytes:
    """What is in such a file that only its owner, this process's user or root, may read. Raises OSError."""

    def check(status: os.stat_result) -> None:
        require_owner(Path(path), status)
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise OSError(errno.EPERM, "others may read it; `chmod 600` fixes that", path)

    return content(path, most, check)
