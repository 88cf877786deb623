"""What a life has started: marked as it is spawned, and ended with the life."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Set
from contextlib import contextmanager
from math import inf
from time import monotonic, sleep
from types import CodeType
from typing import NamedTuple

from smanager.hosts.child.channel import current_service
from smanager.hosts.child.scheduler import WaitFor
from smanager.system import lineage
from smanager.system.lineage import Look, Process

LOOK_SHARE = 0.2  # the share of its time that the scheduler may spend on looks when many programs end together

SPAWNS = {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.system"}
"""The audit events before a process is forked."""

SPAWN_SECONDS = 1.0  # for a spawn to fork, after its audit event; that of os.system shows only when its command ends
SPAWN_POLL = 0.0005  # seconds between two looks whether it has

_marks: dict[str, int] = {}  # by service, of the present or last life


class _Spawn(NamedTuple):
    """A spawn by a service, which forks a little after its audit event."""

    mark: int
    thread: int
    frame: int  # the id of the frame that spawns; to hold the frame itself would keep its pipes open
    code: CodeType
    instruction: int | None  # at which the frame spawns; None if only its end tells that it has forked
    deadline: float

    def may_fork(self) -> bool:
        """Whether the fork may be still to come."""
        # No other event tells, and a lock cannot span the fork.
        frame = sys._current_frames().get(self.thread)
        while frame and (id(frame), frame.f_code) != (self.frame, self.code):
            frame = frame.f_back
        return frame is not None and self.instruction in (None, frame.f_lasti) and monotonic() < self.deadline


class _Marking:
    """Which mark the process bears: the limit that is the mark belongs to all its threads, so they take turns."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._holder = 0  # the thread that spawns a program
        self._last: _Spawn | None = None
        os.register_at_fork(after_in_child=self._forget)  # the threads whose turn it was do not exist there

    @contextmanager
    def marked(self, mark: int) -> Iterator[None]:
        """Let what this thread spawns meanwhile bear a life's mark."""
        with self._turn:
            self._wait(mark)
            self._holder = threading.get_ident()
            lineage.bear(mark)
            try:
                yield
            finally:
                lineage.bear(lineage.own())
                self._holder = 0

    def about_to_spawn(self, event: str, arguments: object) -> None:
        """Have what a service spawns by itself bear its life's mark: the audit hook."""
        thread = threading.get_ident()
        if event not in SPAWNS or thread == self._holder:
            return
        if self._last and self._last.thread == thread:
            self._last = None  # it has forked
        mark = _marks.get(current_service.get() or "", lineage.own())
        frame = sys._getframe(1)
        instruction = None if event == "subprocess.Popen" else frame.f_lasti
        with self._turn:
            self._wait(mark)
            lineage.bear(mark)
            self._last = _Spawn(mark, thread, id(frame), frame.f_code, instruction, monotonic() + SPAWN_SECONDS)

    def _wait(self, mark: int) -> None:
        """Wait until the last spawn with another mark has forked."""
        if (last := self._last) and last.mark != mark:
            while self._last is last and last.may_fork():
                sleep(SPAWN_POLL)

    def _forget(self) -> None:
        self._turn = threading.Lock()
        self._holder = 0
        self._last = None


_marking = _Marking()
marked = _marking.marked


def mark_what_services_start() -> None:
    """Have the processes that services start by themselves bear the mark of their service's life, from now on."""
    sys.addaudithook(_marking.about_to_spawn)


def begins(service: str, mark: int) -> None:
    """A service's life begins, with this mark."""
    _marks[service] = mark


class _Looks:
    """Looks that all programs which end at about the same time share."""

    def __init__(self) -> None:
        self.next = -inf  # when the next may begin, by the monotonic clock
        self._begun = -inf
        self._look = Look([])

    def since(self, moment: float) -> Look:
        """A look that was begun after this moment."""
        if self._begun <= moment:
            self._begun = monotonic()
            self._look = lineage.look()
            now = monotonic()
            self.next = now + (now - self._begun) / LOOK_SHARE
        return self._look


_looks = _Looks()


def end_life(
    mark: int, group: int, number: int, deadline: float, found: Callable[[list[Process]], object]
) -> Generator[WaitFor, Set[int], None]:
    """End all that is left of a program's life; only the scheduler may run this.

    `group` is the program's; `number` and `deadline` are those of `lineage.end_all`. `found` is given what each look
    finds, at last nothing.
    """
    since = monotonic()

    def find() -> list[Process]:
        try:
            left = _looks.since(since).descendants(mark) if lineage.HAS_PROC else lineage.group(group)
        except OSError:  # no descriptors are left
            left = lineage.group(group)
        found(left)
        return left

    yield WaitFor(until=_looks.next)
    for pause in lineage.end_all(find, number, deadline):
        since = monotonic()
        yield WaitFor(until=max(since + pause, _looks.next))
