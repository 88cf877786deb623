"""Carries out commands inside a host: worker threads, the event loop, results as they come, cancelling.

A worker takes a call, runs its method and sends what it returns. One worker does nearly all the work; a
further one is made only when calls have been waiting for a moment, since each thread that wakes for a
call costs more than a short command. What is `async` is handed to the host's one event loop, which is
made, and asyncio imported, by the first such method.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import queue
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from smanager.hosts import frames
from smanager.hosts.child.channel import Channel, current_service, end_line
from smanager.hosts.child.errors import in_one_line, print_traceback
from smanager.hosts.child.results import DONE, Piece, in_thread, shown, shown_each
from smanager.hosts.frames import WINDOW, Kind

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

MOST_WORKERS = 64
"""Plain commands that one host runs at a time, not counting those whose callers leave their output unread."""

MOST_WAITING = 4096
"""Calls that may wait for a worker; a further one is refused."""

PATIENCE = 0.005
"""Seconds for which calls wait for a busy worker before another one is made."""

MOST_COMPLETIONS = 1000
"""Words that a completer may offer; nobody reads as many."""

PROGRESS_SECONDS = 0.1
"""Between two reports of a command's progress."""

IDLE_SECONDS = 10.0
"""After which a worker that had nothing to do ends, but for the last."""


NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class Cancelled(BaseException):
    """Raised inside a plain method whose caller does not want it any more."""


class Call:
    """A command under way: its method, and how much of its output may still be sent."""

    def __init__(
        self,
        number: int,
        service: str,
        method: Callable[..., object],
        arguments: Sequence[Any],
        options: Mapping[str, Any] = NO_OPTIONS,
        as_data: bool = False,
        completes: bool = False,
    ) -> None:
        """`as_data` where its caller wants the value that it returns; `completes` where words for Tab are wanted."""
        self.number = number
        self.service = service
        self.method = method
        self.arguments = arguments
        self.options = options
        self.as_data = as_data
        self.completes = completes
        self.cancelled = False
        self.held = False
        """Whether it waits for its caller to read."""
        self.thread = 0
        self.is_handed_over = False
        """Whether it is the event loop's."""
        self.task: asyncio.Task[None] | None = None
        """There."""
        self._late: str | None = None
        self._room = WINDOW
        self._told = 0.0
        self._changed = threading.Condition()
        self._wake: Callable[[], object] | None = None  # of the event loop's task, where that waits for room

    def due(self, kind: Kind, text: str) -> Iterator[tuple[Kind, str]]:
        """What is to be sent now: progress only from time to time, for more often nobody could see it, and the last."""
        if kind is Kind.PROGRESS and monotonic() < self._told + PROGRESS_SECONDS:
            self._late = text
            return
        if kind is Kind.PROGRESS:
            self._late, self._told = None, monotonic()
        else:
            yield from self.late()
        yield kind, text

    def late(self) -> Iterator[tuple[Kind, str]]:
        """The progress that was not sent."""
        late, self._late = self._late, None
        if late is not None:
            yield Kind.PROGRESS, late

    def grant(self, characters: int) -> None:
        """The manager has passed on this much: as much again may be sent."""
        self._room += characters
        self._notify()

    def cancel(self) -> None:
        self.cancelled = True
        self._notify()

    def take(self, characters: int, waiting: AbstractContextManager[object]) -> None:
        """Wait within `waiting` until there is room to send. Raises Cancelled where nobody wants it any more."""
        if self._room <= 0 and not self.cancelled:
            with waiting, self._changed:
                while self._room <= 0 and not self.cancelled:
                    self._changed.wait()
        self._room -= characters
        if self.cancelled:
            raise Cancelled

    async def take_later(self, characters: int) -> None:
        """The same in the event loop, where nobody else may be kept waiting; cancelling comes from the task."""
        import asyncio

        changed = asyncio.Event()
        self._wake = functools.partial(asyncio.get_running_loop().call_soon_threadsafe, changed.set)
        while self._room <= 0:
            await changed.wait()
            changed.clear()
        self._wake = None
        self._room -= characters
        if self.cancelled:
            raise asyncio.CancelledError

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify()
        if wake := self._wake:
            wake()


class Workers:
    """The threads that run plain methods, and the calls that are under way."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._calls: dict[int, Call] = {}
        self._lock = threading.Lock()
        self._count = 0
        self._held = 0  # of them those that wait for their callers to read
        self._progress = 0.0  # when a call was last taken, or a worker made

    def put(self, call: Call) -> None:
        """Have a call carried out, or refuse it where its turn would not come."""
        if reason := self._busy():
            self._channel.send(frames.encode_text(Kind.ERROR, call.number, reason))
            return
        if self._waiting.empty():
            self._progress = monotonic()
        self._calls[call.number] = call
        self._waiting.put(call)
        if not self._count:
            self.grow()

    def _busy(self) -> str:
        if self._waiting.qsize() >= MOST_WAITING:
            return f"busy: {MOST_WAITING} commands are waiting already; try again later"
        if self._all_taken and not self._waiting.empty():
            with self._lock:
                given_up = sum(call.cancelled and call.thread != 0 for call in self._calls.copy().values())
            if given_up >= MOST_WORKERS:
                return f"busy: {given_up} commands were cancelled and have not ended; `restart` ends them"
        return ""

    @property
    def _all_taken(self) -> bool:
        return self._count - self._held >= MOST_WORKERS

    @contextmanager
    def _holding(self, call: Call) -> Iterator[None]:
        """A worker waits for its caller, and another one may take its place."""
        try:
            with self._lock:
                self._held += 1
                call.held = True
            if not self._waiting.empty() and not self._all_taken:
                self.grow()
            yield
        finally:
            with self._lock:
                self._held -= call.held
                call.held = False

    def patience(self) -> float | None:
        """Seconds until the calls that wait have waited long enough; None where no other worker could help."""
        if self._waiting.empty() or self._all_taken:
            return None
        return self._progress + PATIENCE - monotonic()

    def grow(self) -> None:
        """Make another worker."""
        with self._lock:
            self._count += 1
            self._progress = monotonic()
        threading.Thread(target=self._work, name="commands", daemon=True).start()

    def more(self, number: int, characters: int) -> None:
        if call := self._calls.get(number):
            call.grant(characters)

    def cancel(self, number: int) -> None:
        """End a call: the method meets an exception at its next step; one that waits in C ends it later."""
        call = self._calls.get(number)
        if call is None:
            return
        call.cancel()
        with self._lock:
            if call.is_handed_over:
                _event_loop().call_soon_threadsafe(lambda: call.task and call.task.cancel())
            elif call.thread and not call.held:  # one that is held looks for itself
                _raise_in(call.thread, Cancelled)

    def _work(self) -> None:
        while True:
            try:
                call = self._waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._count > 1:
                        self._count -= 1
                        return
                continue
            self._progress = monotonic()
            try:
                self._run(call)
            except Cancelled:  # it came between the two
                self._leave(call)
                self._tell_end(call)

    def _run(self, call: Call) -> None:
        """Run one call in this thread; a Cancelled that arrives late is taken back before the next call."""
        try:
            with self._lock:
                call.thread = threading.get_ident()
            if not call.cancelled:
                self._carry_out(call)
        except Cancelled:
            pass
        finally:
            self._leave(call)
            end_line()
            if call.cancelled and not call.is_handed_over:
                self._tell_end(call)

    def _leave(self, call: Call) -> None:
        while True:
            try:
                with self._lock:
                    call.thread = 0
                    if call.cancelled:
                        _raise_in(threading.get_ident(), None)
                    if not call.is_handed_over:
                        self._calls.pop(call.number, None)
                return
            except Cancelled:
                continue

    def _carry_out(self, call: Call) -> None:
        current_service.set(call.service)
        try:
            result = call.method(*call.arguments, **call.options)
            if inspect.isawaitable(result) or isinstance(result, AsyncIterator):
                self._hand_over(call, result)
                return
            if call.completes:
                self._send_words(call, result)
                return
            last = shown(result, call.as_data)
            if not isinstance(last, Piece):
                for kind, piece in last:
                    call.take(0 if kind is Kind.PROGRESS else len(piece), self._holding(call))
                    self._send_all(call, call.due(kind, piece))
                last = DONE
            self._send_all(call, [*call.late(), last])
        except Cancelled:
            raise
        except BaseException as error:  # also what would end a process: here it ends the command
            self._send_error(call, error)

    def _hand_over(self, call: Call, result: Awaitable[object] | AsyncIterator[object]) -> None:
        def begin() -> None:
            call.task = loop.create_task(self._await(call, result))
            call.task.add_done_callback(finished)
            if call.cancelled:
                call.task.cancel()

        def finished(task: asyncio.Task[None]) -> None:
            self._calls.pop(call.number, None)
            if call.cancelled:  # only now: it may have taken its time over that
                self._tell_end(call)

        loop = event_loop()
        with self._lock:
            call.is_handed_over = True
        loop.call_soon_threadsafe(begin)

    async def _await(self, call: Call, result: Awaitable[object] | AsyncIterator[object]) -> None:
        current_service.set(call.service)
        try:
            value: object = await result if inspect.isawaitable(result) else result
            if call.completes:
                self._send_words(call, value)
                return
            as_data = call.as_data
            last = shown_each(value, as_data) if isinstance(value, AsyncIterator) else shown(value, as_data)
            if not isinstance(last, Piece):
                async for kind, piece in last if isinstance(last, AsyncIterator) else in_thread(last):
                    await call.take_later(0 if kind is Kind.PROGRESS else len(piece))
                    self._send_all(call, call.due(kind, piece))
                last = DONE
            self._send_all(call, [*call.late(), last])
        except BaseException as error:  # nothing may leave a task that would end the loop: SystemExit does
            if not call.cancelled:
                self._send_error(call, error)

    def _send_all(self, call: Call, pieces: Iterable[tuple[Kind, str]]) -> None:
        for kind, text in pieces:
            self._channel.send(frames.encode_text(kind, call.number, text))

    def _tell_end(self, call: Call) -> None:
        """A call that was cancelled has ended; what it has sent before is no matter any more."""
        self._channel.send(frames.encode_text(Kind.ERROR, call.number, "cancelled"))

    def _send_words(self, call: Call, result: object) -> None:
        words = result if isinstance(result, Iterable) else []
        found = [str(word) for word in itertools.islice(words, MOST_COMPLETIONS)]
        self._channel.send(frames.encode_data(Kind.COMPLETIONS, call.number, found))

    def _send_error(self, call: Call, error: BaseException) -> None:
        print(f"{getattr(call.method, '__name__', 'a command')} failed:")
        print_traceback(error)
        self._channel.send(frames.encode_text(Kind.ERROR, call.number, in_one_line(error)))


def settle(result: object) -> object:
    """What a method returned, awaited in the host's event loop where it is `async`."""

    async def value(awaitable: Awaitable[object]) -> object:
        current_service.set(service)
        return await awaitable

    service = current_service.get()
    return run_in_loop(value(result)).result() if inspect.isawaitable(result) else result


def run_in_loop(awaitable: Awaitable[T]) -> Future[T]:
    """Await something in the host's event loop."""
    import asyncio

    return asyncio.run_coroutine_threadsafe(_contained(awaitable), event_loop())


async def _contained(awaitable: Awaitable[T]) -> T:
    """Await it, and let nothing through that would end the event loop."""
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(in_one_line(error)) from error


def event_loop() -> asyncio.AbstractEventLoop:
    """The host's one event loop, made by who needs it first."""
    with _making_event_loop:
        return _event_loop()


_making_event_loop = threading.Lock()


@functools.cache
def _event_loop() -> asyncio.AbstractEventLoop:
    import asyncio

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="event loop", daemon=True).start()
    return loop


def _raise_in(thread: int, exception: type[BaseException] | None) -> None:
    """Raise an exception in another thread at its next bytecode; None takes back one that is still to come."""
    import ctypes

    argument = ctypes.py_object(exception) if exception else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), argument)
