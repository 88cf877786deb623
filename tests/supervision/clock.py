"""An event loop whose time jumps to the next timer instead of passing: hours of supervision take milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class JumpingLoop(asyncio.BaseEventLoop):
    """Has callbacks and timers only: no files, no sockets, and what asks for a thread is done at once."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[object]:
        """What BaseEventLoop calls to wait."""
        assert timeout is not None, "everything waits, and nothing will ever happen"
        self._now += timeout
        return []

    def _process_events(self, events: list[object]) -> None:
        assert not events

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]  # typeshed: a coroutine in the older Pythons' stubs
        future: asyncio.Future[T] = self.create_future()
        future.set_result(func(*args))
        return future


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from 0.0 seconds on. An error that nothing awaits is an error here."""
    loop = JumpingLoop()
    errors: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: errors.append(context))
    try:
        result = loop.run_until_complete(work)
    finally:
        loop.close()
    assert not errors, errors
    return result
