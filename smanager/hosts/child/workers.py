"""Runs commands inside a host: results as they come, cancelling.

A thread of the crew takes an execution, runs its method and sends what the method returns. An `async` method is handed
to the host's event loop.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import TYPE_CHECKING

from smanager.hosts.child.channel import Channel, current_service, service_output
from smanager.hosts.child.crew import Crew
from smanager.hosts.child.event_loop import give_to_loop
from smanager.hosts.child.execution import Cancelled, Execution
from smanager.hosts.child.places import Places
from smanager.hosts.child.questions import current_caller
from smanager.hosts.child.results import DONE, Piece, in_thread, shown, shown_each
from smanager.service import CommandCaller

if TYPE_CHECKING:
    import asyncio


class Workers:
    """All executions that wait or run, and the threads for those of plain methods."""

    def __init__(self, channel: Channel, receive: Callable[[], bool], serve: Callable[[], object]) -> None:
        """`receive` and `serve` are the crew's."""
        self._executions: dict[int, Execution] = {}
        self._places = Places()
        self._crew = Crew(channel, receive, self._run, serve)
        self._lock = self._crew.lock

    def work(self) -> None:
        """A thread's part; the first thread that does this reads."""
        self._crew.work()

    def relieve(self) -> None:
        """Called in a thread that begins to wait for the manager: it may be the one that reads."""
        self._crew.relieve()

    def put(self, execution: Execution) -> None:
        """Run a command, or refuse it if its turn would not come."""
        with self._lock:
            if not (reason := self._places.refusal(execution.caller)):
                self._executions[execution.number] = execution
                if self._places.enter(execution):
                    self._crew.begin(execution)
        if reason:
            execution.give_up(reason)
        elif self._crew.is_new:
            self._crew.grow()

    def _begin(self, executions: Iterable[Execution]) -> None:
        for execution in executions:
            self._crew.begin(execution)

    @contextmanager
    def _holding(self, execution: Execution) -> Iterator[None]:
        """While a worker waits for its caller, another one may take its place."""
        self._crew.relieve()
        try:
            with self._lock:
                self._begin(self._places.hold(execution))
                self._crew.held += execution.held
            self._crew.replace()
            yield
        finally:
            with self._lock:
                self._crew.held -= execution.held
                self._places.resume(execution)

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
                give_to_loop(lambda _: execution.task and execution.task.cancel())
            elif execution.thread and not execution.held:  # one that is held notices by itself
                _raise_in(execution.thread, Cancelled)

    def _run(self, execution: Execution) -> None:
        try:
            Context().run(self._run_here, execution)  # what it sets there is not the next one's, nor the reader's
        except Cancelled:  # it came at the last moment, outside the method
            self._leave(execution)
            execution.give_up("cancelled")

    def _run_here(self, execution: Execution) -> None:
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
            self._begin(self._places.leave(execution))
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
            if type(result) is not str and (inspect.isawaitable(result) or isinstance(result, AsyncIterator)):
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
        def begin(loop: asyncio.AbstractEventLoop) -> None:
            execution.task = loop.create_task(_await(execution, result), context=context)
            execution.task.add_done_callback(finished)
            if execution.cancelled:
                execution.task.cancel()

        def finished(task: object) -> None:
            self._executions.pop(execution.number, None)
            if inspect.iscoroutine(result):
                result.close()  # one that was cancelled before it began would be warned of
            if execution.cancelled:  # said only now, because the method may have taken its time to end
                execution.give_up("cancelled")

        execution.channel.end_fork()  # else it would read its parent's frames, and run commands that wait there
        self._release(execution)  # first: a Cancelled in the import of asyncio would leave half of it
        execution.is_handed_over = True
        context = copy_context()
        give_to_loop(begin)


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
