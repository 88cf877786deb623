"""The one event loop of a host, in a thread of its own; the first `async` method makes it and imports asyncio."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from smanager.hosts.child.errors import in_one_line

if TYPE_CHECKING:
    import asyncio

_loops: list[asyncio.AbstractEventLoop] = []  # empty until the first use
_making = threading.Lock()


def event_loop() -> asyncio.AbstractEventLoop:
    """The host's event loop, made if it does not exist yet."""
    with _making:
        if not _loops:
            import asyncio

            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="event loop", daemon=True).start()
            _loops.append(loop)
        return _loops[0]


def run_in_loop(awaitable: Awaitable[Any]) -> Future[Any]:
    """Await something in the event loop, in the caller's context."""
    import asyncio

    return asyncio.run_coroutine_threadsafe(_contained(awaitable), event_loop())


def settle(result: object) -> object:
    """What a method returned; if the method is `async`, wait here while the event loop awaits it."""
    return run_in_loop(result).result() if inspect.isawaitable(result) else result


async def _contained(awaitable: Awaitable[Any]) -> Any:
    """Await something, and turn an exception that would end the event loop into one that does not."""
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(in_one_line(error)) from error
