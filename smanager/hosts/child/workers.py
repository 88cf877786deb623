"""Runs commands inside a host: worker threads, results as they come, cancelling.

A worker takes an execution, runs its method and sends what the method returns. One worker does nearly all the work.
Another one is made only when commands have waited for a moment, because each thread that wakes for a command costs
more than a short command. An `async` method is handed to the host's event loop.
"""

from __future__ import annotations

import inspect
import queue
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from time import monotonic

from smanager.hosts.child.channel import current_service, service_output
from smanager.hosts.child.event_loop import event_loop
from smanager.hosts.child.execution import Cancelled, Execution
from smanager.hosts.child.results import DONE, Piece, in_thread, shown, shown_each

MOST_WORKERS = 64  # plain commands that one host runs at a time, not counting those whose output is left unread
MOST_WAITING = 4096  # commands that may wait for a worker; further ones are refused
PATIENCE = 0.005  # seconds for which commands wait for a busy worker before another one is made
IDLE_SECONDS = 10.0  # after which an idle worker ends, unless it is the last


class Workers:
    """The threads that run plain methods, and all executions that wait or run."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Execution] = queue.SimpleQueue()
        self._executions: dict[int, Execution] = {}
        self._lock = threading.Lock()
        self._count = 0
        self._held = 0  # workers that wait for their callers to read
        self._progress = 0.0  # when an execution was last taken, or a worker made

    def put(self, execution: Execution) -> None:
        """Run a command, or refuse it if its turn would not come."""
        if reason := self._busy():
            execution.give_up(reason)
            return
        if self._waiting.empty():
            self._progress = monotonic()
        self._executions[execution.number] = execution
        self._waiting.put(execution)
        if not self._count:
            self.grow()

    def _busy(self) -> str:
        if self._waiting.qsize() >= MOST_WAITING:
            return f"busy: {MOST_WAITING} commands are waiting already; try again later"
        if self._all_taken and not self._waiting.empty():
            with self._lock:
                executions = self._executions.copy().values()
                given_up = sum(execution.cancelled and execution.thread != 0 for execution in executions)
            if given_up >= MOST_WORKERS:
                return f"busy: {given_up} commands were cancelled and have not ended; `restart` ends them"
        return ""

    @property
    def _all_taken(self) -> bool:
        return self._count - self._held >= MOST_WORKERS

    @contextmanager
    def _holding(self, execution: Execution) -> Iterator[None]:
        """While a worker waits for its caller, another one may take its place."""
        try:
            with self._lock:
                self._held += 1
                execution.held = True
            if not self._waiting.empty() and not self._all_taken:
                self.grow()
            yield
        finally:
            with self._lock:
                self._held -= execution.held
                execution.held = False

    def patience(self) -> float | None:
        """Seconds until the waiting commands have waited long enough; None if another worker could not help."""
        return None if self._waiting.empty() or self._all_taken else self._progress + PATIENCE - monotonic()

    def grow(self) -> None:
        with self._lock:
            self._count += 1
            self._progress = monotonic()
        threading.Thread(target=self._work, name="commands", daemon=True).start()

    def more(self, number: int, characters: int) -> None:
        if execution := self._executions.get(number):
            execution.grant(characters)

    def cancel(self, number: int) -> None:
        """Cancel a command: its method meets an exception at its next step; one that waits in C ends later."""
        if (execution := self._executions.get(number)) is None:
            return
        execution.cancel()
        with self._lock:
            if execution.is_handed_over:
                event_loop().call_soon_threadsafe(lambda: execution.task and execution.task.cancel())
            elif execution.thread and not execution.held:  # one that is held notices by itself
                _raise_in(execution.thread, Cancelled)

    def _work(self) -> None:
        while True:
            try:
                execution = self._waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._count > 1:
                        self._count -= 1
                        return
                continue
            self._progress = monotonic()
            try:
                self._run(execution)
            except Cancelled:  # it came at the last moment, outside the method
                self._leave(execution)
                execution.give_up("cancelled")

    def _run(self, execution: Execution) -> None:
        """Run one command in this thread; a Cancelled that arrives late is taken back before the next command."""
        try:
            with self._lock:
                execution.thread = threading.get_ident()
            if not execution.cancelled:
                self._carry_out(execution)
        except Cancelled:
            pass
        finally:
            self._leave(execution)
            if output := service_output():
                output.end_line()
            if execution.cancelled and not execution.is_handed_over:
                execution.give_up("cancelled")

    def _leave(self, execution: Execution) -> None:
        self._release(execution)
        if not execution.is_handed_over:
            self._executions.pop(execution.number, None)

    def _release(self, execution: Execution) -> None:
        """From here on nothing is raised in this thread; a Cancelled that has not been met is taken back."""
        while True:
            try:
                with self._lock:
                    execution.thread = 0
                    if execution.cancelled:
                        _raise_in(threading.get_ident(), None)
                return
            except Cancelled:
                continue

    def _carry_out(self, execution: Execution) -> None:
        current_service.set(execution.service)
        try:
            result = execution.method(*execution.arguments, **execution.options)
            if inspect.isawaitable(result) or isinstance(result, AsyncIterator):
                self._hand_over(execution, result)
                return
            if execution.completes:
                execution.send_words(result)
                return
            last = shown(result, execution.as_data)
            if not isinstance(last, Piece):
                for piece in last:
                    execution.take(piece.room, self._holding(execution))
                    execution.send(*piece)
                last = DONE
            execution.send(*last)
        except Cancelled:
            raise
        except BaseException as error:  # even one that would end a process: here it only ends the command
            execution.fail(error)

    def _hand_over(self, execution: Execution, result: Awaitable[object] | AsyncIterator[object]) -> None:
        def begin() -> None:
            execution.task = loop.create_task(_await(execution, result))
            execution.task.add_done_callback(finished)
            if execution.cancelled:
                execution.task.cancel()

        def finished(task: object) -> None:
            self._executions.pop(execution.number, None)
            if execution.cancelled:  # said only now, because the method may have taken its time to end
                execution.give_up("cancelled")

        self._release(execution)  # first: a Cancelled in the import of asyncio would leave half of it
        execution.is_handed_over = True
        loop = event_loop()
        loop.call_soon_threadsafe(begin)


async def _await(execution: Execution, result: Awaitable[object] | AsyncIterator[object]) -> None:
    try:
        value: object = await result if inspect.isawaitable(result) else result
        if execution.completes:
            execution.send_words(value)
            return
        as_data = execution.as_data
        last = shown_each(value, as_data) if isinstance(value, AsyncIterator) else shown(value, as_data)
        if not isinstance(last, Piece):
            async for piece in last if isinstance(last, AsyncIterator) else in_thread(last):
                await execution.take_in_loop(piece.room)
                execution.send(*piece)
            last = DONE
        execution.send(*last)
    except BaseException as error:  # a SystemExit that left the task would end the loop
        if not execution.cancelled:
            execution.fail(error)


def _raise_in(thread: int, exception: type[BaseException] | None) -> None:
    """Raise an exception in another thread at its next bytecode; None takes back one that has not been raised yet."""
    import ctypes

    argument = ctypes.py_object(exception) if exception else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), argument)
