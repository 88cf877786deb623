"""The one event loop of a host, in a thread of its own; the first `async` method makes it and imports asyncio."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Awaitable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from smanager.hosts.child.channel import current_service
from smanager.hosts.child.errors import in_one_line

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

_making = threading.Lock()


def event_loop() -> asyncio.AbstractEventLoop:
    """The host's event loop, made if it does not exist yet."""
    with _making:
        return existing_event_loop()


@functools.cache
def existing_event_loop() -> asyncio.AbstractEventLoop:
    """The event loop, for callers that know that `event_loop` has made it: they need not wait for the lock."""
    import asyncio

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="event loop", daemon=True).start()
    return loop


def run_in_loop(awaitable: Awaitable[T]) -> Future[T]:
    """Await something in the event loop."""
    import asyncio

    return asyncio.run_coroutine_threadsafe(_contained(awaitable), event_loop())


def settle(result: object) -> object:
    """What a method returned; if the method is `async`, wait here while the event loop awaits it."""

    async def value(awaitable: Awaitable[object]) -> object:
        current_service.set(service)
        return await awaitable

    service = current_service.get()
    return run_in_loop(value(result)).result() if inspect.isawaitable(result) else result


async def _contained(awaitable: Awaitable[T]) -> T:
    """Await something, and turn an exception that would end the event loop into one that does not."""
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(in_one_line(error)) from error
