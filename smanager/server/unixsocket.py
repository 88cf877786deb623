"""A unix socket's file: made so that nobody can come before its permissions, and a stale one is replaced."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import socket
import stat
from contextlib import suppress
from pathlib import Path

from smanager.config.file import ConfigError
from smanager.config.listener import ListenerSettings
from smanager.system.errors import in_words
from smanager.system.lock import LockHeldError, lock

LOCK_SECONDS = 5.0
"""How long to wait for another manager that is making its socket."""


class UnixSocket:
    """A socket that is bound to its path, and not listening yet."""

    def __init__(self, settings: ListenerSettings) -> None:
        """Raises ConfigError where somebody else listens there, and OSError."""
        assert settings.unix
        self._path = settings.unix
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            descriptor = locked(self._path.with_name(f".{self._path.name}.lock"))
            try:
                require_free(self._path)
                self._bind(settings)
                self.socket.listen(1)  # or the other would take it for a stale one
            finally:
                os.close(descriptor)
        except BaseException:
            self.socket.close()
            raise
        found = self._path.lstat()
        self._identity = found.st_dev, found.st_ino

    def close(self) -> None:
        """Remove the file, unless it is another's by now."""
        with suppress(OSError):
            found = self._path.lstat()
            if (found.st_dev, found.st_ino) == self._identity:
                self._path.unlink()

    def _bind(self, settings: ListenerSettings) -> None:
        """Give the socket its path, with its owner and permissions from the first moment.

        Nothing here follows a link: whoever may write in the directory could have put one in the file's place.
        """
        owner, group = ids_of(settings)
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        partial.unlink(missing_ok=True)
        before = os.umask(0o777 & ~settings.permissions)
        try:
            self.socket.bind(str(partial))
        except OSError as error:
            if error.errno is None:  # Python's own: "AF_UNIX path too long"
                raise ConfigError(f"{self._path}: too long for a unix socket, which has some 100 characters") from None
            raise
        finally:
            os.umask(before)
        try:
            os.chown(partial, owner, group, follow_symlinks=False)
            partial.replace(self._path)
        finally:
            partial.unlink(missing_ok=True)


def ids_of(settings: ListenerSettings) -> tuple[int, int]:
    """The user and the group that the file is to belong to; -1 where nothing is said. Raises ConfigError."""
    try:
        owner = pwd.getpwnam(settings.owner).pw_uid if settings.owner else -1
        return owner, grp.getgrnam(settings.group).gr_gid if settings.group else -1
    except KeyError as error:
        raise ConfigError(f"[listeners.{settings.name}] {error.args[0]}") from None


def locked(path: Path) -> int:
    """The descriptor of a lock, so that of two that start together one sees the other. Raises ConfigError."""
    try:
        return lock(path, LOCK_SECONDS)  # nothing is served yet that would have to wait
    except LockHeldError:
        raise ConfigError(f"{path}: another process has held this lock for {LOCK_SECONDS:g} s") from None
    except OSError as error:
        remedies = {errno.EACCES: "the manager has to be able to write there", errno.ENOENT: "make the directory first"}
        remedy = remedies.get(error.errno or 0, "it should be a file of ours")
        raise ConfigError(f"{path}: {in_words(error)}; {remedy}") from None


def require_free(path: Path) -> None:
    """Raise ConfigError where the path is anything but a socket that nobody listens on any more."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(f"{path} is there already, and no socket; name another place")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        problem = client.connect_ex(str(path))
    if problem != errno.ECONNREFUSED:
        raise ConfigError(f"{path}: somebody listens there; is another SManager running?")
