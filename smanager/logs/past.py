"""The past of services, which outlives the manager: their events and lives, in memory and in a file of JSON lines."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smanager.logs.history import EVENTS_KEPT, LIVES_KEPT, EventLine, Feed, LifeRecord, LogLine
from smanager.logs.manager_log import LAST_SECONDS
from smanager.system.atomic import replacing
from smanager.system.errors import in_words
from smanager.system.moments import are_seconds
from smanager.system.private import contents, opened

FILE = "history.jsonl"
FILE_LIMIT = 1024 * 1024  # bytes at which the file is replaced by what is still remembered
READ_LIMIT = 8 * FILE_LIMIT  # bytes of the file that are read: more than ten lives of each of 1000 services
SERVICES_KEPT = 1000  # services whose lives are remembered; of more, those with the last lives

UNKNOWN_END = "ended with the manager, which did not stop it"

log = logging.getLogger("smanager")


class Past:
    """Events and lives. A line is written for each event, with the life that it belongs to as it then is."""

    def __init__(self, directory: Path | None) -> None:
        """Read the file in the state directory; without a directory, remember in memory only."""
        self.events = Feed(EVENTS_KEPT)
        self._lives: dict[str, deque[LifeRecord]] = {}
        self._path = directory / FILE if directory else None
        self._size = 0  # bytes of the file; 0 if it has to be written anew
        self._limit = FILE_LIMIT
        self._waiting: list[str] = []
        self._writing: asyncio.Task[None] | None = None
        self._has_failed = False
        if self._path:
            self._read(self._path)

    def lives_of(self, service: str) -> deque[LifeRecord]:
        """A service's last lives, the oldest first; the service's keeper adds to them."""
        lives = self._lives.pop(service, None) or deque(maxlen=LIVES_KEPT)
        self._lives[service] = lives
        if len(self._lives) > SERVICES_KEPT:
            del self._lives[next(iter(self._lives))]
        return lives

    def add(self, event: EventLine, life: LifeRecord | None = None) -> None:
        """Remember an event of a service, with the life that it is in, or of the manager."""
        self.events.add(event)
        if self._path:
            self._waiting.append(_line(**_facts(event), **(_facts(life) if life else {})))
            self._write_soon(self._path)

    def write_again(self) -> None:
        """Write the file, which was deleted."""
        self._size = 0
        if self._path:
            self._write_soon(self._path)

    async def close(self) -> None:
        """Write what is not written yet. Waits at most LAST_SECONDS."""
        if self._writing:
            await asyncio.wait([self._writing], timeout=LAST_SECONDS)

    def _write_soon(self, path: Path) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(path), name="history")

    async def _write(self, path: Path) -> None:
        """Write the lines that wait, or all that is remembered, in a thread: the disk may be slow."""
        while self._waiting or not self._size:
            anew = not 0 < self._size < self._limit
            data = "".join(self._everything() if anew else self._waiting).encode()
            self._waiting = []
            if not data:
                return
            try:
                await asyncio.to_thread(_replace if anew else _append, path, data)
            except OSError as error:
                self._size = 0
                if not self._has_failed:
                    log.error("%s: cannot record what happens to services: %s", path, in_words(error))
                self._has_failed = True
                return  # the next event tries again
            self._has_failed = False
            self._size = len(data) + (0 if anew else self._size)
            self._limit = max(FILE_LIMIT, 2 * self._size) if anew else self._limit

    def _everything(self) -> Iterator[str]:
        for event in self.events.last(EVENTS_KEPT):
            yield _line(**_facts(event))
        for service, lives in self._lives.items():
            for life in lives:
                yield _line(service=service, **_facts(life))

    def _read(self, path: Path) -> None:
        try:
            data = contents(path, READ_LIMIT)
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("%s: %s; what happened to services before is not known", path, in_words(error))
            return
        for line in data.splitlines():
            self._remember(line)
        for life in [life for lives in self._lives.values() for life in lives if not life.end]:
            life.end = UNKNOWN_END
        self._size = len(data) if data.endswith(b"\n") else 0  # else a line was cut when the power failed

    def _remember(self, line: bytes) -> None:
        """Take in a line; one that is damaged counts for nothing."""
        try:
            facts = json.loads(line)
            service = facts["service"]
            life = LifeRecord(**facts.pop("life")) if "life" in facts else None
            event = EventLine(**facts) if "text" in facts else None
            _require_sound(service, event, life)
            if event:
                self.events.add(event)
            if life:
                self._take_in(service, life)
        except (ValueError, TypeError, KeyError, RecursionError):
            pass

    def _take_in(self, service: str, life: LifeRecord) -> None:
        lives = self.lives_of(service)
        if lives and lives[-1].when == life.when:
            lives[-1] = life
        elif life.when:
            lives.append(life)


def _require_sound(service: object, event: EventLine | None, life: LifeRecord | None) -> None:
    """Raise TypeError for facts of other kinds than those that are written."""
    texts, seconds = [service], []
    if event:
        texts, seconds = [*texts, event.text, event.kind, event.about], [event.when]
    if life:
        texts += [life.asked_by, life.end or "", life.decision or ""]
        seconds += [life.when, life.ready_after or 0.0, life.ended_after or 0.0]
    is_over = event and event.over
    if not (all(isinstance(text, str) for text in texts) and are_seconds(*seconds) and is_over in (None, True, False)):
        raise TypeError


def _facts(record: LogLine | LifeRecord) -> dict[str, Any]:
    """The members of a line that stand for an event or a life."""
    facts = {name: value for name, value in asdict(record).items() if value is not None}
    if isinstance(record, LogLine):
        return facts
    return {"life": facts} if record.when else {}


def _line(**facts: Any) -> str:
    return f"{json.dumps(facts)}\n"


def _append(path: Path, data: bytes) -> None:
    file = opened(path, os.O_WRONLY | os.O_APPEND)
    try:
        if os.write(file, data) < len(data):
            raise OSError("the disk is full")
    finally:
        os.close(file)


def _replace(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data.decode())
