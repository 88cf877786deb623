"""The audit journal: who did what, from where, when, and how it went, one JSON object to a line of a file of its own.

A command is written down before it runs, and once more when it has ended. What is written is ASCII without control
characters, so that nothing in it can pass for another line.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import socket
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from smanager.commands.record import Command, CommandError
from smanager.system.errors import in_words

if TYPE_CHECKING:
    from smanager.access.callers import Caller
    from smanager.commands.arguments import Arguments

FILE = "audit.jsonl"

FILE_LIMIT = 20 * 1024 * 1024
"""Bytes after which the file is put aside."""

FILES_KEPT = 10
"""Files that were put aside."""

TEXT_LIMIT = 1000
"""Characters of one argument or outcome; more is cut, and its length told."""

MOST_ARGUMENTS = 100

DEEPEST = 5
"""How deep lists and tables in arguments are written down."""

ARGUMENTS_LIMIT = 8000
"""Characters of all arguments of a command as JSON."""

SECRET = "(secret)"
"""In the place of an argument that is annotated as one."""

UNWRITTEN = frozenset({"exit", "quit", "help", "whoami", "status"})
"""What may be run where nothing can be written though it is required: to leave, and to see that."""

SYSLOG_SOCKET = "/dev/log"

SYSLOG_HEADER = b"<86>smanager: "
"""RFC 3164, section 4.1: facility 10 (authorization, private) × 8 + severity 6 (informational); the tag."""

NO_COMMAND, NOT_ALLOWED, WRONG_ARGUMENTS = "no such command", "not allowed", "wrong arguments"
"""Why a command is refused. Who gives it is told no difference between the first two."""

log = logging.getLogger("smanager")

_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


class Need(Enum):
    """How much it matters that it is written."""

    OFF = "off"
    ON = "on"
    """What cannot be written is counted, and `status` says so."""
    REQUIRED = "required"
    """What cannot be written is not run."""


class Entry:
    """A command that is under way."""

    __slots__ = ("_audit", "_began", "_number", "_over")

    def __init__(self, audit: Audit, number: int) -> None:
        self._audit = audit
        self._number = number
        self._began = monotonic()
        self._over = False

    def end(self, error: str | None) -> None:
        """It has ended; `error` says what went wrong, if anything did."""
        if self._number and not self._over:
            self._over = True
            seconds = round(monotonic() - self._began, 6)
            self._audit.write_soon(
                "end", id=self._number, seconds=seconds, outcome="done" if error is None else cut(error)
            )


class Audit:
    """Writes the journal."""

    def __init__(self, path: Path | None, need: Need = Need.OFF, syslog: bool = False) -> None:
        """Without a path, nothing is written. Raises OSError where it has to be written, and cannot."""
        self._path = path if need is not Need.OFF else None
        self._need = need
        self._file = -1
        self._size = 0
        self._number = 0
        self._unwritten = Entry(self, 0)
        """For every command where nothing is written."""
        self._lines: list[str] = []
        self._second, self._clock, self._looked = 0, "", 0
        self._syslog = Syslog() if syslog and self._path else None
        self.lost = 0
        """Lines that could not be written."""
        self._untold = 0  # of those, what the journal itself does not tell yet
        if need is Need.REQUIRED and path:
            self._open(path)

    def login(self, caller: Caller) -> None:
        """Somebody has shown who it is."""
        self.write("login", **_who(caller), proof=caller.proof)

    def failure(self, origin: str, user: str, proof: str) -> None:
        """Somebody has tried to."""
        self.write("login failed", user=cut(user), **{"from": origin}, proof=proof)

    def refused(self, caller: Caller, name: str, reason: str) -> None:
        """A caller wanted a command that there is none of for it, or gave it the wrong arguments."""
        self.write("refused", **_who(caller), name=cut(name), reason=reason)

    def kicked(self, caller: Caller, by: Caller) -> None:
        """Somebody's session is ended by somebody else."""
        self.write("kicked", **_who(caller), by=str(by))

    def begin(self, caller: Caller, name: str, arguments: object) -> Entry:
        """A command is to run. Raises CommandError where that has to be written, and cannot."""
        if self._path is None:
            return self._unwritten
        self._number += 1
        entry = Entry(self, self._number)
        written = self.write("command", id=self._number, **_who(caller), name=name, arguments=bounded(arguments))
        if not written and self._need is Need.REQUIRED and name not in UNWRITTEN:
            raise CommandError(f"{name}: the audit journal cannot be written, and without it nothing is run")
        return entry

    def write(self, event: str, **facts: Any) -> bool:
        """Write a line; whether that could be done. Where nothing is to be written, it could."""
        self._add(event, facts)
        return self._flush()

    def write_soon(self, event: str, **facts: Any) -> None:
        """Write a line with the next one, or at the end of this turn of the event loop: one write for both."""
        self._add(event, facts)
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _add(self, event: str, facts: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._clock = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        when = f"{self._clock}.{int((now - second) * 1000):03}Z"
        self._lines.append(_encode({"when": when, "event": event, **facts}) + "\n")

    def _flush(self) -> bool:
        if not self._lines or self._path is None:
            return True
        if self._untold:
            self._add("lost", {"lines": self._untold})
        lines, self._lines = self._lines, []
        try:
            self._put(self._path, "".join(lines).encode())
        except OSError as error:
            if not self.lost:
                log.error("%s: the audit journal cannot be written: %s", self._path, in_words(error))
            lost = len(lines) - bool(self._untold)
            self.lost += lost
            self._untold += lost
            return False
        self._untold = 0
        if self._syslog:
            self._syslog.write(lines)
        return True

    def close(self) -> None:
        self._flush()
        self._shut()
        if self._syslog:
            self._syslog.close()

    def _shut(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _put(self, path: Path, line: bytes) -> None:
        if self._file < 0 or self._is_elsewhere(path):
            self._shut()
            self._open(path)
        elif self._size + len(line) > FILE_LIMIT:
            self._put_aside(path)
        done = os.write(self._file, line)
        self._size += done
        if done < len(line):  # the disk is full: what stands there is no line, and the next one should be
            with suppress(OSError):
                os.ftruncate(self._file, self._size - done)
                self._size -= done
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _is_elsewhere(self, path: Path) -> bool:
        """Whether somebody else has put the file aside, as logrotate does; looked at once a second."""
        if self._looked == self._second:
            return False
        self._looked = self._second
        try:
            found = path.lstat()
        except FileNotFoundError:
            return True
        ours = os.fstat(self._file)
        return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)

    def _open(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
            os.close(file)
            raise OSError(errno.EPERM, "it should be a file that nobody else may read or write")
        self._file, self._size = file, found.st_size

    def _put_aside(self, path: Path) -> None:
        self._shut()
        for number in range(FILES_KEPT, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
            with suppress(FileNotFoundError):
                newer.replace(older)
        self._open(path)


class Syslog:
    """Gives lines to the system's log as well. It never waits for that one: the stdlib's handler and module would."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._failed = False

    def write(self, lines: Sequence[str]) -> None:
        try:
            for line in lines:
                self._socket.sendto(SYSLOG_HEADER + line.rstrip().encode(), SYSLOG_SOCKET)
            self._failed = False
        except OSError as error:  # it is away, or busy: the journal itself has the lines
            if not self._failed:
                log.warning("%s: audit lines do not get there: %s", SYSLOG_SOCKET, in_words(error))
            self._failed = True

    def close(self) -> None:
        self._socket.close()


def told(command: Command, arguments: Arguments) -> dict[str, Any]:
    """A command's arguments by name, as they are written; what is annotated as a Secret is not."""
    positions = list(arguments.positions)
    found: dict[str, Any] = {}
    for parameter in command.parameters:
        if not parameter.option and positions:
            found[parameter.name] = positions if parameter.rest else positions.pop(0)
        elif parameter.name in arguments.options:
            found[parameter.name] = arguments.options[parameter.name]
        if parameter.rest:
            positions = []
        if parameter.secret and parameter.name in found:
            found[parameter.name] = SECRET
    return found


def _who(caller: Caller) -> dict[str, str]:
    found = {"user": caller.user, "from": caller.origin}
    return {**found, "for": caller.behalf} if caller.behalf else found


def bounded(arguments: object) -> Any:
    """Arguments as they are written: nobody's command is to push all the others out of the journal."""
    if not arguments:
        return arguments
    found = cut(arguments)
    encoded = _encode(found)
    return found if len(encoded) <= ARGUMENTS_LIMIT else f"{encoded[: ARGUMENTS_LIMIT // 2]}… (cut)"


def cut(value: object, depth: int = 0) -> Any:
    """A value with what is too long or too deep in it cut."""
    if isinstance(value, str):
        return value if len(value) <= TEXT_LIMIT else f"{value[:TEXT_LIMIT]}… ({len(value)} characters)"
    if isinstance(value, list | tuple | Mapping) and depth == DEEPEST:
        return "…"
    if isinstance(value, list | tuple):
        return [cut(item, depth + 1) for item in value[:MOST_ARGUMENTS]]
    if isinstance(value, Mapping):
        return {str(cut(key)): cut(item, depth + 1) for key, item in list(value.items())[:MOST_ARGUMENTS]}
    return value
