"""Runs commands inside a host: worker threads, results as they come, cancelling.

A worker takes an execution, runs its method and sends what the method returns. One worker does nearly all the work.
Another one is made only when commands have waited for a moment, because each thread that wakes for a command costs
more than a short command. An `async` method is handed to the host's event loop.

Each caller has a share of the workers. What is beyond a caller's share waits for the caller's own commands to end,
while those of others go on.
"""

from __future__ import annotations

import inspect
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from time import monotonic

from smanager.hosts.child.channel import current_service, service_output
from smanager.hosts.child.event_loop import event_loop
from smanager.hosts.child.execution import Cancelled, Execution
from smanager.hosts.child.questions import current_caller
from smanager.hosts.child.results import DONE, Piece, in_thread, shown, shown_each
from smanager.hosts.child.shares import Shares
from smanager.service import CommandCaller

MOST_WORKERS = 64  # plain commands that one host runs at a time, not counting those whose output is left unread
MOST_HELD = 512  # commands whose output is left unread, and that do not count for that; each takes a thread
MOST_WAITING = 4096  # commands that may wait for their callers' others; further ones are refused
PATIENCE = 0.005  # seconds for which commands wait for a busy worker before another one is made
IDLE_SECONDS = 10.0  # after which an idle worker ends, unless it is the last


class Workers:
    """The threads that run plain methods, and all executions that wait or run."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Execution] = queue.SimpleQueue()
        self._executions: dict[int, Execution] = {}
        self._running = Shares(MOST_WORKERS)
        self._unread = Shares(MOST_HELD)
        self._later = Shares(MOST_WAITING)
        self._placed: dict[str, set[Execution]] = {}  # what runs, or waits for no more than a worker
        self._beyond: dict[str, deque[Execution]] = {}  # what is beyond the callers' shares; who is next comes first
        self._lock = threading.Lock()
        self._count = 0
        self._held = 0  # workers that wait for their callers to read
        self._progress = 0.0  # when an execution was last taken, or a worker made

    def put(self, execution: Execution) -> None:
        """Run a command, or refuse it if its turn would not come."""
        caller = execution.caller
        with self._lock:
            has_place = self._running.may_take(caller) and caller not in self._beyond
            reason = "" if has_place else self._busy(caller)
            if not reason:
                self._executions[execution.number] = execution
                if has_place:
                    self._begin(execution)
                else:
                    self._later.take(caller)
                    self._beyond.setdefault(caller, deque()).append(execution)
        if reason:
            execution.give_up(reason)
        elif not self._count:
            self.grow()

    def _busy(self, caller: str) -> str:
        """Why a caller's command cannot wait for the caller's others; the lock is held."""
        if not self._later.may_take(caller):
            waiting = len(self._beyond.get(caller, ()))
            return f"busy: {f'{waiting} of your' if waiting else 'too many'} commands wait already; try again later"
        mine = self._placed.get(caller, ())
        if mine and all(execution.cancelled and execution.thread for execution in mine):
            return f"busy: {len(mine)} of your commands were cancelled and have not ended; `restart` ends them"
        return ""

    def _begin(self, execution: Execution) -> None:
        """Hand a command to the workers; the lock is held."""
        self._take_place(execution)
        if self._waiting.empty():
            self._progress = monotonic()
        self._waiting.put(execution)

    def _take_place(self, execution: Execution) -> None:
        self._running.take(execution.caller)
        self._placed.setdefault(execution.caller, set()).add(execution)

    def _give_place(self, execution: Execution) -> None:
        """A command may no longer take one of its caller's places: let others begin, one of each caller in turn."""
        mine = self._placed.get(execution.caller, set())
        if execution not in mine:
            return
        mine.remove(execution)
        if not mine:
            del self._placed[execution.caller]
        self._running.give_back(execution.caller)
        for caller in [caller for caller in self._beyond if self._running.may_take(caller)]:
            if self._running.may_take(caller):
                waiting = self._beyond.pop(caller)
                self._later.give_back(caller)
                self._begin(waiting.popleft())
                if waiting:
                    self._beyond[caller] = waiting  # behind the others

    @property
    def _all_taken(self) -> bool:
        return self._count - self._held >= MOST_WORKERS

    @contextmanager
    def _holding(self, execution: Execution) -> Iterator[None]:
        """While a worker waits for its caller, another one may take its place."""
        try:
            with self._lock:
                if self._unread.may_take(execution.caller):
                    self._unread.take(execution.caller)
                    self._held += 1
                    execution.held = True
                    self._give_place(execution)
            if not self._waiting.empty() and not self._all_taken:
                self.grow()
            yield
        finally:
            with self._lock:
                if execution.held:
                    self._unread.give_back(execution.caller)
                    self._held -= 1
                    execution.held = False
                    self._take_place(execution)  # even beyond the share

    def patience(self) -> float | None:
        """Seconds until the waiting commands have waited long enough; None if another worker could not help."""
        return None if self._waiting.empty() or self._all_taken else self._progress + PATIENCE - monotonic()

    def grow(self) -> None:
        with self._lock:
            self._count += 1
            self._progress = monotonic()
        try:
            threading.Thread(target=self._work, name="commands", daemon=True).start()
        except RuntimeError:  # the system has no threads left; those that there are go on
            with self._lock:
                self._count -= 1

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
        with self._lock:
            self._give_place(execution)
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
        current_caller.set(CommandCaller(execution.caller, execution.number))
        try:
            result = execution.method(*execution.arguments, **execution.options)
            if inspect.isawaitable(result) or isinstance(result, AsyncIterator):
                self._hand_over(execution, result)
                return
            if execution.completes:
                execution.send_words(result)
                return
            last = shown(result, execution.as_data, execution.columns)
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
        if isinstance(value, AsyncIterator):
            last: Piece | Iterator[Piece] | AsyncIterator[Piece] = shown_each(value, execution.as_data)
        else:
            last = shown(value, execution.as_data, execution.columns)
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
