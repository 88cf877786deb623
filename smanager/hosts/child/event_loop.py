"""The one event loop of a host, in a thread of its own; the first `async` method makes it and imports asyncio."""

from __future__ import annotations

import inspect
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from smanager.hosts.child.errors import in_one_line

if TYPE_CHECKING:
    import asyncio

_loops: list[asyncio.AbstractEventLoop] = []  # empty until the first use
_making = threading.Lock()
_given: deque[Callable[[asyncio.AbstractEventLoop], object]] = deque()  # a deque's methods need no lock
_is_waking = threading.Event()  # set while the loop is about to look at what it was given


def event_loop() -> asyncio.AbstractEventLoop:
    """The host's event loop, made if it does not exist yet."""
    with _making:
        if not _loops:
            import asyncio

            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="event loop", daemon=True).start()
            _loops.append(loop)
        return _loops[0]


def give_to_loop(deed: Callable[[asyncio.AbstractEventLoop], object]) -> None:
    """Have the event loop do something; all that is given before the loop wakes takes one wake-up."""
    loop = event_loop()
    _given.append(deed)
    if not _is_waking.is_set():
        _is_waking.set()
        loop.call_soon_threadsafe(_do_what_was_given, loop)


def _do_what_was_given(loop: asyncio.AbstractEventLoop) -> None:
    _is_waking.clear()  # first: what is given from now on wakes the loop again
    for _ in range(len(_given)):
        _given.popleft()(loop)


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
