"""Commands of the manager's own that take time: work that is done once, and feeds that are followed."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from smanager.commands.record import CommandError, Failure, Status
from smanager.config.file import ConfigError
from smanager.config.service import signal_name
from smanager.logs.history import Feed
from smanager.shells.printer import Writer
from smanager.supervision.group import PROGRESS_SECONDS
from smanager.supervision.keeper import Keeper
from smanager.supervision.manager import Manager
from smanager.supervision.states import State

T = TypeVar("T")

log = logging.getLogger("smanager")


class Work:
    """Something that is done once."""

    def __init__(self, work: Coroutine[object, object, None], caption: str) -> None:
        self.ended: Callable[[Failure | None], object] = lambda failure: None
        self.gone: Callable[[Failure | None], object] = lambda failure: None
        self.caption = caption
        self._task = asyncio.ensure_future(work)
        self._task.add_done_callback(self._done)

    def cancel(self, reason: str = "cancelled") -> None:
        """Stop waiting for it; what it has begun is not left half done, and goes on."""
        ended, self.ended = self.ended, lambda failure: None
        ended(Failure("goes on without you"))

    def pause(self) -> None:
        """Its few lines need no holding back."""

    def resume(self) -> None:
        """Nothing was held back."""

    def _done(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # by who waited, or at the program's end
            self.gone(Failure("cancelled"))
            return
        error = task.exception()
        failure = None if error is None else Failure(str(error))
        self.gone(failure)
        if error and not isinstance(error, CommandError | ConfigError):
            log.error("%s: a mistake in SManager", self.caption, exc_info=error)
        self.ended(failure)


class Wait(Work):
    """Something that is only waited for."""

    def cancel(self, reason: str = "cancelled") -> None:
        self._task.cancel()  # of which nothing more is told than this
        ended, self.ended = self.ended, lambda failure: None
        ended(Failure(reason))


class Following(Generic[T]):
    """Shows what comes, until somebody has seen enough."""

    def __init__(self, caption: str, feeds: Sequence[Feed[T]], show: Callable[[T], object], stdout: Writer) -> None:
        self.ended: Callable[[Failure | None], object] = lambda failure: None
        self.gone: Callable[[Failure | None], object] = lambda failure: None
        self.caption = caption
        self._show = show
        self._stdout = stdout
        self._paused = False
        self._dropped = 0
        self._unfollow = [feed.follow(self._came) for feed in feeds]

    def cancel(self, reason: str = "") -> None:
        for unfollow in self._unfollow:
            unfollow()
        self.gone(None)
        ended, self.ended = self.ended, lambda failure: None
        ended(Failure(reason) if reason else None)

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
            self._show(thing)


async def until(
    manager: Manager, keepers: Sequence[Keeper], state: State, timeout: float | None, tell: Callable[[str], object]
) -> None:
    """Return when all are in the state; `tell` hears of those that are not yet, every few seconds.

    Raises CommandError where that takes more than `timeout` seconds.
    """
    changed = asyncio.Event()
    unfollow = manager.events.follow(lambda event: changed.set())
    try:
        async with asyncio.timeout(timeout):
            while any(keeper.state is not state for keeper in keepers):
                for keeper in keepers:
                    if manager.keepers.get(keeper.name) is not keeper:
                        raise CommandError(f"{keeper.name} is there no more")
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), PROGRESS_SECONDS)
                if not changed.is_set():
                    tell("; ".join(f"{keeper.name}: still {keeper.service.condition}" for keeper in keepers))
                changed.clear()
    except TimeoutError:
        others = [f"{keeper.name} is {keeper.service.condition}" for keeper in keepers if keeper.state is not state]
        raise CommandError(f"not {state.value} within {timeout:g} s: {'; '.join(others)}") from None
    finally:
        unfollow()


def send_signal(keepers: Sequence[Keeper], name: str) -> None:
    """Send each the signal of this name. Raises CommandError where there is none, or nothing to send it to."""
    try:
        number = signal.Signals[signal_name(name)]
    except ValueError:
        raise CommandError(
            f"signal: {name!r} is no signal; `signal SERVICE HUP` would send SIGHUP", Status.UNUSABLE
        ) from None
    for keeper in keepers:
        if not keeper.send_signal(number):
            raise CommandError(f"signal: {keeper.name} is {keeper.service.condition} and has no process")
