"""The manager's own files and directories, in whose place others may have put a link, a pipe or a file of theirs."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

NOT_A_LINK = "it is a symbolic link, and should not be one"
NOT_A_FILE = "it is not a regular file, and should be one"


def opened(path: Path, flags: int = os.O_RDONLY, owner: int | None = None) -> int:
    """Open a regular file of the user id `owner`, by default this process's; it may be of root, too.

    No link is followed and no pipe waited for. A new file has mode 0600, whatever the umask. Raises OSError.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reasons = {errno.ELOOP: NOT_A_LINK, errno.ENXIO: NOT_A_FILE}  # ENXIO: a pipe that nobody reads, or a socket
        raise OSError(error.errno, reasons.get(error.errno or 0, error.strerror), str(path)) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, NOT_A_FILE, str(path))
        require_owner(path, status, owner)
        if flags & os.O_CREAT and status.st_mode & 0o600 != 0o600:  # an odd umask has taken that from a new file
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode) | 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def contents(path: Path, most: int, owner: int | None = None) -> bytes:
    """What is in a file, opened as `opened` does. Raises OSError, also if there are more than `most` bytes."""
    with os.fdopen(opened(path, owner=owner), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes, and should have at most that many", str(path))
    return data


def make_directory(path: Path, may_be_link: bool = False) -> None:
    """Make a directory, if it is missing, and those above it; new ones have mode 0700.

    It has to belong to this process's user or to root, and so has a link to it. Raises OSError.
    """
    for directory in reversed([one for one in (path, *path.parents) if not one.exists()]):
        with suppress(FileExistsError):  # another process has just made it
            directory.mkdir(mode=0o700)
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        if not may_be_link:
            raise OSError(errno.ELOOP, NOT_A_LINK, str(path))
        require_owner(path, status)
        status = path.stat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    require_owner(path, status)


def require_owner(path: Path, status: os.stat_result, owner: int | None = None) -> None:
    """Raise OSError if a file belongs neither to the user id `owner`, by default this process's, nor to root."""
    right = os.geteuid() if owner is None else owner
    if status.st_uid not in (0, right):
        raise OSError(errno.EPERM, f"it belongs to user id {status.st_uid}, and should belong to {right}", str(path))
