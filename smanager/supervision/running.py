"""Commands that run: what they all have in common, and how the manager's own run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, NamedTuple, TypeGuard

from smanager.commands.record import CommandError, Failure
from smanager.config.file import ConfigError
from smanager.hosts.call import Call
from smanager.hosts.job import INTERNAL_ERROR, Invocation, Job
from smanager.supervision.reports import Report, Tell

REPORTS_LIMIT = 10_000  # reports kept for a requester who does not read; older ones are dropped

log = logging.getLogger("smanager")


class Work:
    """Something that is never left half done: it continues where its requester no longer waits."""

    def __init__(self, do: Callable[[Tell], Coroutine[Any, Any, None]]) -> None:
        """Begin; `do` is handed the function by which it reports to the requester."""
        self._reports: asyncio.Queue[Report | None] = asyncio.Queue(REPORTS_LIMIT)
        self.task = asyncio.ensure_future(do(self._put))
        self.task.add_done_callback(lambda _: self._put(None))

    def _put(self, report: Report | None) -> None:
        if self._reports.full():
            self._reports.get_nowait()
        self._reports.put_nowait(report)

    async def __aiter__(self) -> AsyncGenerator[Report, None]:
        """The reports as they come. Raises what the work has raised."""
        while report := await self._reports.get():
            yield report
        self.task.result()


class Endless(NamedTuple):
    """A stream that goes on until its requester has seen enough: being cancelled is its normal end."""

    items: AsyncGenerator[Any, None]

    def __aiter__(self) -> AsyncGenerator[Any, None]:
        return self.items


Lasting = Work | Endless | AsyncGenerator[Any, None]
"""What a method of the manager's own commands returns if the command takes time."""


def lasts(result: object) -> TypeGuard[Lasting]:
    return isinstance(result, AsyncIterable)


class OwnCall(Job):
    """One of the manager's own commands while it runs."""

    def __init__(self, result: Lasting, invocation: Invocation) -> None:
        """Pass on the items that `result` yields."""
        super().__init__(invocation)
        self.is_endless = isinstance(result, Endless)
        self._result = result
        self._reason = ""
        self._is_read = asyncio.Event()
        self._is_read.set()
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(self._done)

    def cancel(self, reason: str = "") -> None:
        self._reason = self._reason or reason
        self._task.cancel()

    def pause(self) -> None:
        self._is_read.clear()

    def resume(self) -> None:
        self._is_read.set()

    async def _run(self) -> None:
        items = self._result if isinstance(self._result, AsyncGenerator) else self._result.__aiter__()
        async with aclosing(items):
            async for item in items:
                self.sink.item(item)
                if self.room:
                    text = self.sink.text(item)
                    self.hold(text, len(text))
                await self._is_read.wait()

    def _done(self, task: asyncio.Task[None]) -> None:
        if isinstance(self._result, Work) and not self._result.task.done():
            self._result.task.add_done_callback(lambda work: self.gone(self._failure(work)))
            self.tell_caller(Failure("continues in the background"))
        else:
            failure = self._failure(task)
            self.gone(failure)
            self.tell_caller(failure)

    def _failure(self, task: asyncio.Future[None]) -> Failure | None:
        if task.cancelled():
            return None if self.is_endless and not self._reason else Failure(self._reason or "cancelled")
        error = task.exception()
        if error is None:
            return None
        if isinstance(error, CommandError | ConfigError):
            return Failure(str(error))
        log.error("internal error in the command %s", self.caption, exc_info=error)
        return Failure(INTERNAL_ERROR)


Running = Call | OwnCall  # a command that runs, a service's or one of the manager's own
