"""Replaces a file whole: readers, and a machine that loses power, see the old contents or the new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


@contextmanager
def replacing(path: Path, owner: int = -1, last: Path | None = None, mode: int = 0o600) -> Iterator[TextIO]:
    """Open a new file for the body to write; it takes the place of `path` once it is safely on the disk.

    The new file belongs to the user id `owner`, or by default to this process's user; `mode` says who may read it. With
    `last`, the old file is kept there. If the body or a system call fails, the old file stays. The caller holds a lock:
    two processes must not replace one file at a time. Raises OSError.
    """
    partial = path.with_name(f".{path.name}.new")
    partial.unlink(missing_ok=True)  # left behind by a process that was killed
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchown(descriptor, owner, -1)
            os.fchmod(descriptor, mode)  # whatever the umask
            yield file
            file.flush()
            os.fsync(descriptor)
        if last:
            last.unlink(missing_ok=True)
            with suppress(OSError):  # there may be no old file yet, and some file systems have no links
                os.link(path, last, follow_symlinks=False)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # so that the new name outlives a power failure
    finally:
        os.close(directory)
