"""The audit journal: who did what, from where, when, and with what outcome; one JSON object to a line of its own file.

A command is written before it runs, and again when it has ended. Lines are ASCII without control characters, so that no
value in them can pass for another line.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

from smanager.access.callers import Caller
from smanager.access.origin import Origin
from smanager.commands.arguments import Arguments
from smanager.commands.record import Command, CommandError
from smanager.logs.held import SECRET
from smanager.system.errors import in_words
from smanager.system.outbox import Outbox, Stage
from smanager.system.private import opened

FILE = "audit.jsonl"
FILE_LIMIT = 20 * 1024 * 1024  # bytes at which the file is rotated
FILES_KEPT = 10  # rotated files
TEXT_LIMIT = 1000  # characters of one argument or outcome; a longer text is cut, and its length added
MOST_ARGUMENTS = 100
DEEPEST = 5  # how deep lists and tables in arguments are written
ARGUMENTS_LIMIT = 8000  # characters of a command's arguments as JSON
CHECK_SECONDS = 1.0  # how often to check whether another program has moved the file
SYSLOG_SOCKET = "/dev/log"
SYSLOG_HEADER = b"<86>smanager: "
"""RFC 3164, section 4.1: facility 10 (authorization, private) × 8 + severity 6 (informational); the tag."""

NO_COMMAND, NOT_ALLOWED, WRONG_ARGUMENTS = "no such command", "not allowed", "wrong arguments"
"""Why a command is refused. The caller cannot tell the first two apart."""

log = logging.getLogger("smanager")

_json = json.JSONEncoder(separators=(",", ":"), default=str).encode
"""A value as JSON. Lines are put together from such texts by hand: encoding a dictionary takes three times as long."""

_text: Callable[[str], str] = json.encoder.encode_basestring_ascii
"""A text as JSON, in a third of the time."""


class Need(Enum):
    """How much the journal matters."""

    OFF = "off"
    ON = "on"  # lines that cannot be written are counted, and `status` shows the count
    REQUIRED = "required"  # a command that cannot be written does not run


class Audit:
    """Writes the journal."""

    def __init__(self, outbox: Outbox, path: Path | None, need: Need = Need.OFF, syslog: bool = False) -> None:
        """Without a path, nothing is written. Raises OSError if the journal is required and cannot be written."""
        self._outbox = outbox
        self._path = path if need is not Need.OFF else None
        self._need = need
        self._file = -1
        self._size = 0
        self._number = 0
        self._lines: list[str] = []
        self._moment, self._when = 0, ""  # the time of the last line: milliseconds since the epoch, and as text
        self._looked = 0.0  # when the file's place was checked, in seconds
        self._syslog = Syslog() if syslog and self._path else None
        self.lost = 0  # lines that could not be written
        self.refusals = dict.fromkeys((NO_COMMAND, NOT_ALLOWED, WRONG_ARGUMENTS), 0)  # how many, by reason
        self._untold = 0  # lost lines that the journal does not report yet
        if need is Need.REQUIRED and path:
            self._open(path)

    @property
    def files(self) -> list[Path]:
        """The journal's file and the rotated ones, the newest first; none where nothing is written."""
        path = self._path
        return [path, *(path.with_name(f"{path.name}.{one}") for one in range(1, FILES_KEPT + 1))] if path else []

    def login(self, caller: Caller) -> None:
        """A user has logged in."""
        self._write("login", f'{_who(caller)},"proof":{_text(caller.proof)}')

    def failure(self, origin: Origin, user: str, proof: str) -> None:
        """A login has failed."""
        facts = f'"user":{_text(cut(user))},"from":{_text(str(origin))},"proof":{_text(proof)}'
        self._write("login failed", facts)

    def refused(self, caller: Caller, name: str, reason: str) -> None:
        """A command is refused, for one of the reasons above."""
        self.refusals[reason] += 1
        self._add("refused", f'{_who(caller)},"name":{_text(cut(name))},"reason":{_text(reason)}')

    def kicked(self, caller: Caller, by: Caller) -> None:
        """A caller has ended another caller's session."""
        self._write("kicked", f'{_who(caller)},"by":{_text(str(by))}')

    def started(self, by: Caller) -> None:
        """The manager has started."""
        self._write("manager started", f'"by":{_text(str(by))}')

    def stopped(self) -> None:
        """The manager is about to end."""
        self._write("manager stopped")

    def begin(self, caller: Caller, name: str, facts: str, may_be_lost: bool = False, at_once: bool = False) -> int:
        """Record a command before it runs: at the end of this turn, before what the command sends, or `at_once`.

        `facts` are those of `described`. Returns the number for `end`; 0 if nothing is written.

        Raises CommandError if the journal is required and cannot be written, unless the line `may_be_lost`.
        """
        if self._path is None:
            return 0
        self._number += 1
        self._add("command", f'"id":{self._number},{_who(caller)},{facts}')
        if self._need is not Need.REQUIRED and not at_once:
            return self._number
        if not self._flush() and self._need is Need.REQUIRED and not may_be_lost:
            raise CommandError(f"{name}: the audit journal cannot be written, and commands do not run without it")
        return self._number

    def end(self, number: int, seconds: float, error: str | None) -> None:
        """Record a command's end; `error` says why it failed, if it did. The journal has no command of number 0."""
        if not number:
            return
        outcome = '"done"' if error is None else _text(cut(error))
        self._add("end", f'"id":{number},"seconds":{seconds:.6f},"outcome":{outcome}')

    def _write(self, event: str, facts: str = "") -> None:
        """Write a line at once."""
        self._add(event, facts)
        self._flush()

    def _add(self, event: str, facts: str) -> None:
        """Write a line, whose facts are the members of a JSON object, with all others of this turn."""
        if self._path is None:
            return
        if not self._lines:
            self._outbox.at_end(Stage.JOURNAL, self._flush)
        moment = int(time.time() * 1000)
        if moment != self._moment:  # a manager may write dozens of lines in a millisecond
            seconds, milliseconds = divmod(moment, 1000)
            clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
            self._moment, self._when = moment, f"{clock}.{milliseconds:03}Z"
        self._lines.append(f'{{"when":"{self._when}","event":"{event}"{facts and ","}{facts}}}\n')

    def _flush(self) -> bool:
        if not self._lines or self._path is None:
            return True
        if self._untold:
            self._add("lost", f'"lines":{self._untold}')
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
            self._rotate(path)
        done = os.write(self._file, line)
        self._size += done
        if done < len(line):  # the disk is full: remove the part of a line, or the next line would be part of it
            with suppress(OSError):
                os.ftruncate(self._file, self._size - done)
                self._size -= done
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _is_elsewhere(self, path: Path) -> bool:
        """Whether another program, such as logrotate, has moved the file."""
        if (now := monotonic()) - self._looked < CHECK_SECONDS:
            return False
        self._looked = now
        try:
            return not os.path.samestat(path.lstat(), os.fstat(self._file))
        except FileNotFoundError:
            return True

    def _open(self, path: Path) -> None:
        file = opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        status = os.fstat(file)
        if status.st_mode & 0o077:
            os.close(file)
            raise OSError(errno.EPERM, "it should be a file that only its owner may read and write")
        self._file, self._size = file, status.st_size

    def _rotate(self, path: Path) -> None:
        self._shut()
        for newer, older in reversed([*pairwise(self.files)]):
            with suppress(FileNotFoundError):
                newer.replace(older)
        self._open(path)


class Syslog:
    """Copies lines to the system's log without ever blocking, unlike the stdlib's handler and module."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._failed = False

    def write(self, lines: Sequence[str]) -> None:
        try:
            for line in lines:
                self._socket.sendto(SYSLOG_HEADER + line.rstrip().encode(), SYSLOG_SOCKET)
            self._failed = False
        except OSError as error:  # the log is away or busy; the journal itself has the lines
            if not self._failed:
                log.warning("%s: cannot send audit lines: %s", SYSLOG_SOCKET, in_words(error))
            self._failed = True

    def close(self) -> None:
        self._socket.close()


def described(name: str, arguments: object) -> str:
    """A command as the journal has it; `arguments` are those of `without_secrets`."""
    return f'"name":{_text(name)},"arguments":{bounded(arguments)}'


def without_secrets(command: Command, arguments: Arguments) -> dict[str, Any]:
    """A command's arguments by name, with those annotated as a Secret left out."""
    if not command.parameters:
        return {}
    values = arguments.by_name(command.parameters)
    secrets = {parameter.name: SECRET for parameter in command.parameters if parameter.secret}
    return {name: secrets.get(name, value) for name, value in values.items()}


def secrets_in(command: Command, arguments: Arguments) -> list[str]:
    """The texts of a command's arguments that are annotated as a Secret, as they are and as JSON has them."""
    if not command.has_secrets:
        return []
    values = arguments.by_name(command.parameters)
    return [text for one in command.parameters if one.secret for text in _texts(values.get(one.name))]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = [*value.values()]
    if isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool) and value != "":
        text = str(value)
        yield from {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def _who(caller: Caller) -> str:
    facts = f'"user":{_text(caller.user)},"from":{_text(str(caller.origin))}'
    return f'{facts},"claims_for":{_text(caller.behalf)}' if caller.behalf else facts


def bounded(arguments: object) -> str:
    """Arguments as JSON, cut to size, so that no single command pushes all others out of the journal."""
    if arguments == {}:
        return "{}"
    encoded = _json(cut(arguments))
    return encoded if len(encoded) <= ARGUMENTS_LIMIT else _json(f"{encoded[: ARGUMENTS_LIMIT // 2]}… (cut)")


def cut(value: object, depth: int = 0) -> Any:
    """A value, cut where it is too long or too deep."""
    if isinstance(value, str):
        return value if len(value) <= TEXT_LIMIT else f"{value[:TEXT_LIMIT]}… ({len(value)} characters)"
    if isinstance(value, list | tuple | Mapping) and depth == DEEPEST:
        return "…"
    if isinstance(value, list | tuple):
        return [cut(item, depth + 1) for item in value[:MOST_ARGUMENTS]]
    if isinstance(value, Mapping):
        return {str(cut(key)): cut(item, depth + 1) for key, item in list(value.items())[:MOST_ARGUMENTS]}
    return value
