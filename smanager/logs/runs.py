"""Past runs of commands, which outlive the manager: a file for each, with a line of facts above the output."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from smanager.logs.manager_log import LAST_SECONDS
from smanager.system.atomic import replacing
from smanager.system.errors import in_words
from smanager.system.moments import are_seconds
from smanager.system.private import contents, make_directory, opened
from smanager.terminal.text import as_bytes

DIRECTORY = "runs"
FACTS_LIMIT = 256 * 1024  # bytes of a file's first line: arguments and outcome have bounds of their own
TEXT_LIMIT = 32 * 1024 * 1024  # bytes of a file: no setting allows more
WAITING_LIMIT = 256  # runs that wait to be written; more come only from callers whose commands fail again and again

_NAME = re.compile(r"(\d{1,15})\.txt")

log = logging.getLogger("smanager")


class Run(NamedTuple):
    """One run of a command."""

    id: int
    service: str  # empty for one of the manager's own commands
    command: str
    role: str  # that the command asked for
    line: str  # the command with its arguments, as a caller types it
    arguments: dict[str, Any] | None  # as a program sends them; None if they are not kept
    withheld: str  # why they are not kept, as a sentence about the run
    services: tuple[str, ...] | None  # that one of the manager's own commands is about; empty for all of them
    user: str
    origin: str
    behalf: str
    roles: tuple[str, ...]  # the caller's
    when: float  # seconds since the epoch
    seconds: float | None = None  # how long it took; None while it runs
    failure: str | None = None  # why it failed; None if it did not, or runs
    is_lost: bool = False  # whether an earlier manager was killed while it ran

    @property
    def last_seen(self) -> float:
        """When it ended, in seconds since the epoch; of one that is lost, when it began."""
        return self.when + (self.seconds or 0.0)

    @property
    def name(self) -> str:
        """The command's name for programs and roles, such as `backup.full`."""
        return f"{self.service}.{self.command}" if self.service else self.command

    @property
    def caption(self) -> str:
        """The command's name for people, such as `backup full`."""
        return f"{self.service} {self.command}".lstrip()


class Limits(NamedTuple):
    """How much is kept in all; what is beyond goes, the oldest first."""

    runs: int
    size: int  # bytes


class Waiting(NamedTuple):
    """A run that is to be written."""

    run: Run
    text: Callable[[], str]  # makes the output's text, which may take long


class Runs:
    """The runs that are kept. Files are written and read in threads; what is known of the runs is in memory."""

    def __init__(self, directory: Path | None, limits: Callable[[], Limits]) -> None:
        """Without a state directory, no run is kept. `limits` returns the present ones."""
        self.directory = directory and directory / DIRECTORY
        self.lost = 0
        """Runs that could not be written."""
        self._limits = limits
        self._kept: dict[int, Run] = {}
        self._sizes: dict[int, int] = {}  # bytes of each file
        self._last = 0  # the highest number that was ever given
        self._waiting: dict[int, Waiting] = {}
        self._writing: asyncio.Task[None] | None = None
        self._has_failed = False

    async def begin(self) -> None:
        """Find the runs of earlier managers; to be awaited before the first run of this one."""
        if self.directory and self.directory.is_dir():
            try:
                self._kept, self._sizes = await asyncio.to_thread(_read, self.directory)
            except OSError as error:
                log.warning("%s: %s; what commands have done before is not known", self.directory, in_words(error))
            self._last = max(self._sizes, default=0)

    def next_id(self) -> int:
        """A number that no run has had."""
        self._last += 1
        return self._last

    def all(self) -> list[Run]:
        """The oldest first; those under way as they were when they were last written."""
        return [self._kept[number] for number in sorted(self._kept)]

    def get(self, number: int) -> Run | None:
        return self._kept.get(number)

    def put(self, run: Run, text: Callable[[], str]) -> None:
        """Keep a run, or what is known of it by now; `text` is called in a thread."""
        if self.directory is None:
            return
        if len(self._waiting) >= WAITING_LIMIT and run.id not in self._kept:
            self._fail(1, f"{WAITING_LIMIT} runs wait to be written")
            return
        self._kept[run.id] = run
        self._waiting[run.id] = Waiting(run, text)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(self.directory), name="runs")

    async def output(self, number: int) -> str:
        """The output of a run that is kept. Raises OSError if it cannot be read."""
        if waiting := self._waiting.get(number):
            return await asyncio.to_thread(waiting.text)
        assert self.directory  # or else no run is kept
        return await asyncio.to_thread(_output, _path(self.directory, number))

    async def close(self) -> None:
        """Write what is not written yet. Waits at most LAST_SECONDS."""
        if self._writing:
            await asyncio.wait([self._writing], timeout=LAST_SECONDS)

    async def _write(self, directory: Path) -> None:
        while self._waiting:
            waiting = list(self._waiting.values())
            sizes, problem = await asyncio.to_thread(_write_all, directory, waiting)
            self._sizes |= sizes
            for one in waiting:
                if self._waiting.get(one.run.id) is one:
                    del self._waiting[one.run.id]
                    if one.run.id not in self._sizes:
                        self._kept.pop(one.run.id, None)
            if problem:
                self._fail(len(waiting) - len(sizes), problem)
            else:
                self._has_failed = False
            await asyncio.to_thread(_remove, directory, self._surplus())

    def _surplus(self) -> list[int]:
        """Forget the oldest runs beyond the limits, but none that is under way; returns their numbers."""
        most, size = self._limits()
        used, surplus = sum(self._sizes.values()), []
        ends = {number: self._kept[number].last_seen if number in self._kept else 0.0 for number in self._sizes}
        for number in sorted(ends, key=ends.__getitem__):
            if len(self._sizes) <= most and used <= size:
                break
            if (run := self._kept.get(number)) and run.seconds is None and not run.is_lost:
                continue
            used -= self._sizes.pop(number)
            self._kept.pop(number, None)
            surplus.append(number)
        return surplus

    def _fail(self, count: int, problem: str) -> None:
        self.lost += count
        if not self._has_failed:
            log.error("%s: cannot keep what commands have done: %s", self.directory, problem)
        self._has_failed = True


def _path(directory: Path, number: int) -> Path:
    return directory / f"{number}.txt"


def _write_all(directory: Path, waiting: Iterable[Waiting]) -> tuple[dict[int, int], str]:
    """Write files; returns their sizes, and the problem with the others, if there is one."""
    sizes, problem = {}, ""
    for run, text in waiting:
        try:
            make_directory(directory)
            data = json.dumps(run._asdict()).encode() + b"\n" + as_bytes(text())
            with replacing(_path(directory, run.id)) as file:
                file.buffer.write(data)
            sizes[run.id] = len(data)
        except OSError as error:
            problem = in_words(error)
        except Exception:
            log.exception("internal error while the output of a command was kept")
            problem = "internal error"
    return sizes, problem


def _remove(directory: Path, numbers: Iterable[int]) -> None:
    for number in numbers:
        with suppress(OSError):
            _path(directory, number).unlink()


def _read(directory: Path) -> tuple[dict[int, Run], dict[int, int]]:
    """The runs in a directory, and the sizes of all files; one that is damaged counts for its size only."""
    runs, sizes = {}, {}
    for path in directory.iterdir():
        if found := _NAME.fullmatch(path.name):
            with suppress(OSError, ValueError, TypeError, RecursionError):
                number = int(found[1])
                sizes[number] = path.lstat().st_size
                with os.fdopen(opened(path), "rb") as file:
                    facts = json.loads(file.readline(FACTS_LIMIT))
                runs[number] = _run_of(number, facts)
    return runs, sizes


def _run_of(number: int, facts: Any) -> Run:
    """A run from the facts in its file. Raises TypeError or ValueError if they are something else."""
    run = Run(**facts)
    services = None if run.services is None else tuple(run.services)
    run = run._replace(id=number, services=services, roles=tuple(run.roles), is_lost=run.seconds is None)
    texts = (run.service, run.command, run.role, run.line, run.withheld, run.user, run.origin, run.behalf)
    if not all(isinstance(text, str) for text in (*texts, run.failure or "", *run.roles, *(services or ()))):
        raise TypeError
    if not isinstance(run.arguments, dict | None):
        raise TypeError
    if not are_seconds(run.when, run.seconds or 0):
        raise ValueError
    return run


def _output(path: Path) -> str:
    return contents(path, TEXT_LIMIT).partition(b"\n")[2].decode("utf-8", "surrogateescape")
