"""Commands of the manager's own that take time: work that is done once, and feeds that are followed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Generic, TypeVar

from smanager.commands import CommandError
from smanager.config import ConfigError
from smanager.history import Feed
from smanager.shells.results import Writer

T = TypeVar("T")

log = logging.getLogger("smanager")


class Work:
    """Something that is done once."""

    def __init__(self, work: Coroutine[object, object, None], caption: str) -> None:
        self.ended: Callable[[str | None], None] = lambda error: None
        self.caption = caption
        self._task = asyncio.ensure_future(work)
        self._task.add_done_callback(self._done)

    def cancel(self) -> None:
        """Stop waiting for it; what it has begun is not left half done, and goes on."""
        ended, self.ended = self.ended, lambda error: None
        ended(f"{self.caption}: goes on without you")

    def pause(self) -> None:
        """Its few lines need no holding back."""

    def resume(self) -> None:
        """Nothing was held back."""

    def _done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # at the program's end
            return
        error = task.exception()
        if error and not isinstance(error, CommandError | ConfigError):
            log.error("%s: a mistake in SManager", self.caption, exc_info=error)
        self.ended(None if error is None else f"{self.caption}: {error}")


class Wait(Work):
    """Something that is only waited for."""

    def cancel(self) -> None:
        self._task.remove_done_callback(self._done)
        self._task.cancel()
        self.ended(f"{self.caption}: cancelled")


class Following(Generic[T]):
    """Shows what comes, until somebody has seen enough."""

    def __init__(self, feeds: Sequence[Feed[T]], show: Callable[[T], str], stdout: Writer) -> None:
        self.ended: Callable[[str | None], None] = lambda error: None
        self._show = show
        self._stdout = stdout
        self._paused = False
        self._dropped = 0
        self._unfollow = [feed.follow(self._came) for feed in feeds]

    def cancel(self) -> None:
        for unfollow in self._unfollow:
            unfollow()
        self.ended(None)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        if self._dropped:
            self._stdout.write(f"*** {self._dropped} lines came faster than you read, and are left out\n")
            self._dropped = 0

    def _came(self, thing: T) -> None:
        if self._paused:
            self._dropped += 1
        else:
            self._stdout.write(self._show(thing))
