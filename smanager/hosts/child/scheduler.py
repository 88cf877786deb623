"""Runs generators side by side in one thread; each yields what it waits for.

This is asyncio's idea, reduced to what following a program takes: for 200 programs, asyncio costs 7 MB, and so does
a thread for each.
"""

from __future__ import annotations

import os
import selectors
import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Set
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from math import inf
from time import monotonic
from typing import NamedTuple


class WaitFor(NamedTuple):
    """What a generator waits for: one of the descriptors to be readable, or a moment of the monotonic clock."""

    descriptors: Collection[int] = ()
    until: float = inf


Steps = Generator[WaitFor, Set[int], None]  # yields what it waits for, and is sent the descriptors that are readable


class ScheduledTask(Future[None]):
    """A generator that a scheduler runs; as a future it is done when the generator ends, and cannot be cancelled."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()
        self.waits_for = WaitFor()
        self._steps = steps
        self._context = copy_context()  # so that what it prints is logged under its service's name
        self._has_begun = False

    def step(self, readable: Set[int]) -> Callable[[], None] | None:
        """Run to the next wait and return None, or to the end and return what reports the end."""
        try:
            first, self._has_begun = not self._has_begun, True
            go_on = self._steps.__next__ if first else partial(self._steps.send, readable)
            self.waits_for = self._context.run(go_on)
        except StopIteration:
            return partial(self.set_result, None)
        except BaseException as error:
            return partial(self.set_exception, error)
        return None


class Scheduler:
    """The thread, and the tasks that run in it."""

    def __init__(self) -> None:
        """Raises OSError if the system has no descriptors left, and RuntimeError if it cannot start a thread."""
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        # poll(2) forgets a descriptor that is closed; epoll does not, if a forked process has a copy of it.
        self._selector = selectors.PollSelector()
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._woken: deque[ScheduledTask] = deque()  # a deque's methods need no lock
        self._running: dict[ScheduledTask, set[int]] = {}  # with the descriptors registered for each
        threading.Thread(target=self._run, name="programs", daemon=True).start()

    def wake(self, task: ScheduledTask) -> None:
        """Begin a task, or let it take a step before what it waits for has come; any thread may call this."""
        self._woken.append(task)
        with suppress(BlockingIOError):  # the pipe is full: the thread will wake anyway
            os.write(self._wake_writer, b"x")

    def _run(self) -> None:
        while True:
            due = self._wait_for_due()
            while self._woken:
                due.setdefault(self._woken.popleft(), set())
            for task, readable in due.items():
                if not task.done():
                    self._step(task, readable)

    def _wait_for_due(self) -> dict[ScheduledTask, set[int]]:
        """Wait until a task is due, or one is woken; the tasks that are due, with their readable descriptors."""
        first = min((task.waits_for.until for task in self._running), default=inf)
        due: dict[ScheduledTask, set[int]] = {}
        for key, _ in self._selector.select(None if first == inf else max(0.0, first - monotonic())):
            if key.fd == self._wake_reader:
                os.read(self._wake_reader, 4096)
            else:
                due.setdefault(key.data, set()).add(key.fd)
        now = monotonic()
        for task in self._running:
            if task.waits_for.until <= now:
                due.setdefault(task, set())
        return due

    def _step(self, task: ScheduledTask, readable: Set[int]) -> None:
        report_end = task.step(readable)
        registered = self._running.pop(task, set())
        wanted = set() if report_end else set(task.waits_for.descriptors)
        for descriptor in registered - wanted:
            self._selector.unregister(descriptor)
        for descriptor in wanted - registered:
            self._selector.register(descriptor, selectors.EVENT_READ, task)
        if report_end:
            report_end()
        else:
            self._running[task] = wanted
