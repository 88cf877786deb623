"""Runs generators side by side in one thread, each of which yields what it waits for.

This is asyncio's idea, cut down to what following a program takes: a thread for each of 200 programs costs
7 MB, and so does asyncio.
"""

from __future__ import annotations

import os
import selectors
import threading
from collections import deque
from collections.abc import Collection, Generator, Set
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from math import inf
from time import monotonic


@dataclass(frozen=True, slots=True)
class Wait:
    """What a generator waits for: that one of the descriptors can be read, or the moment has come (monotonic)."""

    descriptors: Collection[int] = ()
    until: float = inf


Steps = Generator[Wait, Set[int], None]
"""A generator that yields what it waits for, and is sent the descriptors that can be read."""


class Coroutine(Future[None]):
    """A generator on its way; as a future it is done at its end, and cannot be cancelled."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()
        self.wait = Wait()
        self._steps = steps
        self._context = copy_context()  # what it prints is its service's
        self._error: BaseException | None = None

    def step(self, ready: Set[int] | None) -> bool:
        """Go on to what is waited for next; False at the end. `ready` is None at the beginning."""
        try:
            self.wait = self._context.run(self._steps.send, ready)  # type: ignore[arg-type]  # None begins it
        except StopIteration:
            return False
        except BaseException as error:
            self._error = error
            return False
        return True

    def conclude(self) -> None:
        """Tell those who wait for its end."""
        if self._error:
            self.set_exception(self._error)
        else:
            self.set_result(None)


class Scheduler:
    """The thread, and what runs in it."""

    def __init__(self) -> None:
        """Raises OSError where no descriptors are to be had for it, and RuntimeError where no thread is."""
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        # poll(2) keeps nothing of a descriptor that is closed; epoll does, where a fork has a copy of it.
        self._selector = selectors.PollSelector()
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._begun: deque[Coroutine] = deque()  # whose methods need no lock
        self._woken: deque[Coroutine] = deque()
        self._running: dict[Coroutine, set[int]] = {}
        """With the descriptors that the selector knows of each."""
        threading.Thread(target=self._run, name="programs", daemon=True).start()

    def begin(self, coroutine: Coroutine) -> None:
        """Run it from here on. Any thread may say so, as with `wake`."""
        self._begun.append(coroutine)
        self._wake()

    def wake(self, coroutine: Coroutine) -> None:
        """Have it look around before what it waits for has come; nothing happens where it has ended."""
        self._woken.append(coroutine)
        self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # so many bytes wait to be read that one more makes no difference
            os.write(self._wake_writer, b"x")

    def _run(self) -> None:
        while True:
            ready = self._ready()
            for coroutine in taken(self._begun):
                self._running[coroutine] = set()
                self._step(coroutine, None)
            for coroutine in taken(self._woken):
                ready.setdefault(coroutine, set())
            for coroutine, descriptors in ready.items():
                if coroutine in self._running:
                    self._step(coroutine, descriptors)

    def _ready(self) -> dict[Coroutine, set[int]]:
        """Whose time has come, each with the descriptors that can be read, once there are any."""
        first = min((coroutine.wait.until for coroutine in self._running), default=inf)
        found: dict[Coroutine, set[int]] = {}
        for key, _ in self._selector.select(None if first == inf else max(0.0, first - monotonic())):
            if key.fd == self._wake_reader:
                os.read(self._wake_reader, 4096)
            else:
                found.setdefault(key.data, set()).add(key.fd)
        now = monotonic()
        for coroutine in self._running:
            if coroutine.wait.until <= now:
                found.setdefault(coroutine, set())
        return found

    def _step(self, coroutine: Coroutine, ready: Set[int] | None) -> None:
        goes_on = coroutine.step(ready)
        known = self._running.pop(coroutine)
        wanted = set(coroutine.wait.descriptors) if goes_on else set()
        for descriptor in known - wanted:
            self._selector.unregister(descriptor)
        for descriptor in wanted - known:
            self._selector.register(descriptor, selectors.EVENT_READ, coroutine)
        if goes_on:
            self._running[coroutine] = wanted
        else:
            coroutine.conclude()


def taken(waiting: deque[Coroutine]) -> list[Coroutine]:
    return [waiting.popleft() for _ in range(len(waiting))]
