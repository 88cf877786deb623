"""A unix socket's file: never open to anyone before its permissions are set; a stale file is replaced."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import nullcontext, suppress
from pathlib import Path

from smanager.config.file import ConfigError, refuse
from smanager.config.listener import ListenerSettings
from smanager.system.accounts import group_id, user_id
from smanager.system.errors import in_words
from smanager.system.lock import LockHeldError, lock
from smanager.system.socket_paths import shortened

LOCK_SECONDS = 5.0  # how long another manager may hold the lock


class UnixSocket:
    """A bound unix socket; removes its file at the end."""

    def __init__(self, settings: ListenerSettings) -> None:
        """Bind the socket. Raises ConfigError if another process listens at the path, and OSError."""
        assert settings.unix
        self._path = settings.unix
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            descriptor = locked(self._path.with_name(f".{self._path.name}.lock"))
            try:
                require_free(self._path)
                self._bind(settings)
                self.socket.listen(1)  # or the next manager would take it for a stale one
            finally:
                os.close(descriptor)
        except BaseException:
            self.socket.close()
            raise
        self._status = self._path.lstat()

    def close(self) -> None:
        """Remove the file, unless another process has replaced it."""
        with suppress(OSError):
            if self.is_there():
                self._path.unlink()

    def is_there(self) -> bool:
        """Whether the file is there, and leads to this socket."""
        try:
            return os.path.samestat(self._path.lstat(), self._status)
        except OSError:
            return False

    def open_to(self, permissions: int, owner: int, group: int) -> None:
        """Give the file other permissions, and another owner and group, or the default ones (-1). Raises OSError."""
        owner, group = (os.geteuid() if owner < 0 else owner), (os.getegid() if group < 0 else group)
        self._path.chmod(permissions & 0o600)  # to nobody in between who has never been meant
        os.chown(self._path, owner, group, follow_symlinks=False)
        self._path.chmod(permissions)

    def _bind(self, settings: ListenerSettings) -> None:
        """Bind the socket to its path; the file has its owner and permissions from the first moment.

        No symbolic link is followed: a user who may write in the directory could have put one in the file's place.
        """
        owner, group = ids_of(settings)
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        partial.unlink(missing_ok=True)
        before = os.umask(0o777 & ~settings.permissions)
        try:
            with shortened(partial) if settings.is_own else nullcontext(str(partial)) as address:
                self.socket.bind(address)
        except OSError as error:
            if error.errno is None:  # Python's own: "AF_UNIX path too long"
                raise ConfigError(f"{self._path}: too long for a unix socket; the limit is some 100 bytes") from None
            raise
        finally:
            os.umask(before)
        try:
            os.chown(partial, owner, group, follow_symlinks=False)
            partial.replace(self._path)
        finally:
            partial.unlink(missing_ok=True)


def ids_of(settings: ListenerSettings) -> tuple[int, int]:
    """The user id and group id for the file; -1 keeps the default. Raises ConfigError, with all that is wrong."""
    ids, problems = [], []
    for name, given, id_of in (("owner", settings.owner, user_id), ("group", settings.group, group_id)):
        try:
            ids.append(id_of(given) if given else -1)
        except LookupError as error:
            problems.append(f"[listeners.{settings.name}] {name}: {error}")
    refuse(problems)
    owner, group = ids
    return owner, group


def locked(path: Path) -> int:
    """The descriptor of a lock that serializes managers that start at the same time. Raises ConfigError."""
    try:
        return lock(path, LOCK_SECONDS)  # nothing is served yet that would have to wait
    except LockHeldError:
        raise ConfigError(f"{path}: another process has held this lock for {LOCK_SECONDS:g} s") from None
    except OSError as error:
        remedies = {errno.EACCES: "the manager must be able to write there", errno.ENOENT: "create the directory first"}
        remedy = remedies.get(error.errno or 0, "it should be a regular file of the manager's user")
        raise ConfigError(f"{path}: {in_words(error)}; {remedy}") from None


def require_free(path: Path) -> None:
    """Raise ConfigError if the path exists, unless it is a stale socket, on which no process listens."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"{path} exists and is not a socket; choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        with shortened(path) as address:
            problem = client.connect_ex(address)
    if problem != errno.ECONNREFUSED:
        raise ConfigError(f"{path}: a process listens there already; is another SManager running?")
