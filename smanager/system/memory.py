"""What a shipped service remembers from one of its lives to the next: a file in its own directory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from smanager.system.atomic import replacing
from smanager.system.errors import in_words
from smanager.system.private import contents, make_directory

FORMAT = 1
SIZE_LIMIT = 16 * 1024 * 1024  # bytes: as much as a service's settings hold, with what is told of each of them


REST, LONGEST_REST = 10.0, 1.0
"""From one write to the next: so many times as long as the write took, but no more than these seconds. A thousand
schedules may be due each second, and a write of theirs takes 20 ms.
"""


class Memory:
    """The file; without a directory, nothing is remembered."""

    def __init__(self, directory: Path | None, subject: str) -> None:
        """`subject` names what is remembered: the file, too."""
        self._subject = subject
        self._path = directory / f"{subject}.json" if directory else None
        self._problem = ""  # of the last attempt to write

    def read(self) -> Mapping[str, Any]:
        """What was written; nothing if there is no file. A damaged one is told, and replaced later."""
        if not self._path:
            return {}
        try:
            content = json.loads(contents(self._path, SIZE_LIMIT))
            if not isinstance(content, dict) or content.get("format") != FORMAT:
                raise ValueError(f'should be {{"format": {FORMAT}, ...}}')
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            print(f"{self._path}: what is remembered of the {self._subject} cannot be read: {error}")
            return {}
        return content

    def write(self, content: Mapping[str, Any]) -> str:
        """Replace the file: all or nothing, even if the power fails. Return the problem, if there is one.

        A problem that lasts is printed once.
        """
        if not self._path:
            return "the manager has no state directory"
        problem = ""
        try:
            make_directory(self._path.parent)
            with replacing(self._path) as file:
                json.dump({"format": FORMAT, **content}, file)
        except OSError as error:
            problem = f"{self._path} cannot be written: {in_words(error)}"
        if problem and problem != self._problem:
            print(problem)
        self._problem = problem
        return problem


class Saving:
    """Saves what has changed: at once, or after a rest together with what changes meanwhile."""

    def __init__(self, save: Callable[[], object]) -> None:
        self._save = save
        self._task: asyncio.Task[None] | None = None
        self._next_at = 0.0

    def soon(self) -> asyncio.Task[None]:
        """Save all as it is now, or later; the task has ended when that is done."""
        if self._task is None:
            self._task = asyncio.create_task(self._save_in_time())
        return self._task

    async def done(self) -> None:
        """Save, and wait for that."""
        await asyncio.shield(self.soon())

    def end(self) -> None:
        """Save for the last time."""
        if self._task:
            self._task.cancel()
        self._save()

    async def _save_in_time(self) -> None:
        await asyncio.sleep(self._next_at - monotonic())
        self._task = None
        began = monotonic()
        self._save()
        self._next_at = monotonic() + min(REST * (monotonic() - began), LONGEST_REST)
