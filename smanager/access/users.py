"""The users' file: who may log in, by which password, token or certificate, and with which roles."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from smanager.commands.jsonable import jsonable
from smanager.system.atomic import replacing
from smanager.system.errors import in_words
from smanager.system.lock import LockHeldError, lock
from smanager.system.private import opened

FORMAT = 1
SIZE_LIMIT = 4 * 1024 * 1024  # bytes of the file: some ten thousand users
NAME_LIMIT = 64  # characters of a user's name
LOCK_SECONDS = 30.0  # how long a change waits for others, each of which takes milliseconds


class UsersError(Exception):
    """The users' file cannot be used; the text says why, and what would be right."""


class Token(NamedTuple):
    """A token as stored."""

    hash: str
    expires: float | None = None  # seconds of the wall clock (`time.time`); None: never
    roles: tuple[str, ...] | None = None  # which of the user's roles the token has; None: all

    def has_expired(self) -> bool:
        return self.expires is not None and self.expires <= time.time()


class User(NamedTuple):
    """A user who may log in."""

    name: str
    roles: tuple[str, ...] = ()
    password: str = ""  # the password's hash; empty if the user has no password
    token: Token | None = None
    certificates: tuple[str, ...] = ()
    """Subjects of the user's client certificates (a CN, or a SAN), besides the user's own name."""


Users = Mapping[str, User]


class UsersFile:
    """The users' file, read again whenever it has changed."""

    def __init__(self, path: Path, owner: int | None = None) -> None:
        """`owner` is the user id that the file belongs to; by default this process's."""
        self.path = path
        self._owner = os.geteuid() if owner is None else owner
        self._users: Users = {}
        self._seen: object = None

    def users(self) -> Users:
        """All users, by name; none without a file. Raises UsersError."""
        try:
            with self._opened() as (descriptor, status):
                seen = (status.st_ino, status.st_mtime_ns, status.st_size)
                if seen != self._seen:
                    self._users = _decoded(self.path, os.read(descriptor, SIZE_LIMIT))
                    self._seen = seen
        except FileNotFoundError:
            self._users, self._seen = {}, None
        return self._users

    @contextmanager
    def changed(self) -> Iterator[dict[str, User]]:
        """The users, to be changed in the `with` block; written at its end, all or nothing. Raises UsersError.

        A lock keeps other processes from changing them meanwhile.
        """
        lock_file = self.path.with_name(f"{self.path.name}.lock")
        try:
            descriptor = lock(lock_file, LOCK_SECONDS, self._owner)
            try:
                users = dict(self.users())
                yield users
                self._write(users)
            finally:
                os.close(descriptor)
        except LockHeldError:
            raise UsersError(f"{lock_file}: another process has held this lock for {LOCK_SECONDS:g} s") from None
        except OSError as error:
            raise UsersError(f"{self.path}: {in_words(error)}") from None

    @contextmanager
    def _opened(self) -> Iterator[tuple[int, os.stat_result]]:
        """The open file, if other users can neither read nor write it. Raises UsersError and FileNotFoundError."""
        try:
            descriptor = opened(self.path, owner=self._owner)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise UsersError(f"{self.path}: {in_words(error)}") from None
        try:
            status = os.fstat(descriptor)
            if status.st_mode & 0o077:
                raise UsersError(f"{self.path}: other users may read or write it; `chmod 600 {self.path}` fixes that")
            if status.st_size > SIZE_LIMIT:
                raise UsersError(f"{self.path}: has {status.st_size} bytes, and should have at most {SIZE_LIMIT}")
            yield descriptor, status
        finally:
            os.close(descriptor)

    def _write(self, users: Users) -> None:
        records = {name: jsonable(user) for name, user in users.items()}
        for record in records.values():
            del record["name"]
        with replacing(self.path, self._owner) as file:
            json.dump({"format": FORMAT, "users": records}, file, indent=1)
            file.write("\n")


def _decoded(path: Path, data: bytes) -> Users:
    try:
        content = json.loads(data)
        if content["format"] != FORMAT:
            raise ValueError
        return {name: _user(name, given) for name, given in content["users"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError, RecursionError, UsersError):
        raise UsersError(
            f"{path}: not a users' file of format {FORMAT}; `smanager user` creates and edits the file"
        ) from None


def _user(name: str, given: Mapping[str, Any]) -> User:
    token = given.get("token")
    return User(
        checked_name(name),
        tuple(map(str, given.get("roles", ()))),
        str(given.get("password", "")),
        _token(token) if token else None,
        tuple(map(str, given.get("certificates", ()))),
    )


def _token(given: Mapping[str, Any]) -> Token:
    expires, roles = given["expires"], given["roles"]
    if expires is not None:
        datetime.fromtimestamp(expires, UTC)  # raises for an impossible date
    return Token(
        str(given["hash"]),
        None if expires is None else float(expires),
        None if roles is None else tuple(map(str, roles)),
    )


def checked_name(name: str) -> str:
    """The name, if it may be a user's. Raises UsersError."""
    if not 0 < len(name) <= NAME_LIMIT or not name.isprintable() or set(name) & set(" ,;\"'\\"):
        raise UsersError(f"{name!r} is not a user name; it should be one word of at most {NAME_LIMIT} characters")
    return name
