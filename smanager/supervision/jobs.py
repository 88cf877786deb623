"""The commands that run now: from whom, since when, and how each is ended; and what their records ask for meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol

from smanager.access.audit import Entry
from smanager.access.callers import Caller
from smanager.commands.record import Command, CommandError, Failure
from smanager.hosts.call import Call
from smanager.supervision.catalogue import Service


class Running(Protocol):
    """What a job is: a command in a host, or one of the manager's own."""

    caption: str
    gone: Callable[[Failure | None], object]

    def cancel(self, reason: str) -> None: ...


@dataclass(eq=False, slots=True)
class Job:
    """One command that runs."""

    number: int
    caption: str
    caller: Caller
    running: Running
    entry: Entry
    """In the audit journal."""
    service: Service | None = None
    command: Command | None = None
    """None for the manager's own."""
    since: float = field(default_factory=monotonic)
    """Of the monotonic clock."""
    timer: asyncio.TimerHandle | None = None
    is_detached: bool = False

    def is_shown_to(self, caller: Caller) -> bool:
        """Whether a caller may run such a command, on whatever it may be, or has given this one."""
        if self.service and self.command:
            return caller.permissions.allow_command(self.service.name, self.command)
        is_own = self.caller is caller or (caller.user and caller.user == self.caller.user)
        return bool(is_own) or caller.permissions.allow(self.caption)


class Jobs:
    """All of them, by their numbers."""

    def __init__(self) -> None:
        self._running: dict[int, Job] = {}
        self._number = 0

    def shown_to(self, caller: Caller) -> list[Job]:
        """Those that a caller may know of."""
        return [job for job in self._running.values() if job.is_shown_to(caller)]

    def refuse(self, service: Service, command: Command, caption: str) -> None:
        """Raise CommandError where the command runs already, and may not twice."""
        for job in self._running.values() if command.exclusive else ():
            if job.service is service and job.command and job.command.name == command.name:
                raise CommandError(f"{caption}: it runs already; `jobs` says more")

    def add(self, service: Service, command: Command, caption: str, caller: Caller, call: Call, entry: Entry) -> Job:
        """A command has begun; it is listed until its method has ended, and ended where it takes too long."""
        job = self._list(Job(self._next(), caption, caller, call, entry, service, command))
        if command.timeout:
            reason = f"it took longer than {command.timeout:g} s"
            job.timer = asyncio.get_running_loop().call_later(command.timeout, call.cancel, reason)
        return job

    def track(self, running: Running, caller: Caller, entry: Entry) -> None:
        """One of the manager's own has begun."""
        self._list(Job(self._next(), running.caption, caller, running, entry))

    def cancel(self, number: int, caller: Caller) -> None:
        """End a command. Raises CommandError where none that the caller may know of has this number."""
        shown = {job.number: job for job in self.shown_to(caller)}
        if number not in shown:
            raise CommandError(f"cancel: there is no job {number}; there are: {', '.join(map(str, shown)) or 'none'}")
        job = shown[number]
        job.running.cancel("cancelled" if job.caller is caller else f"cancelled by {caller}")

    def end_those(self, are_over: Callable[[Job], bool], reason: str) -> None:
        """End commands that may not run any more."""
        for job in list(self._running.values()):
            if are_over(job):
                job.running.cancel(reason)

    def left_by(self, caller: Caller) -> None:
        """A session is gone: nobody is there for whom the manager's own commands would wait."""
        self.end_those(lambda job: job.caller is caller and job.command is None, "its session is gone")

    def detach(self, running: Running) -> None:
        """A command goes on while others of its session run."""
        for job in self._running.values():
            if job.running is running:
                job.is_detached = True

    def detached_by(self, caller: Caller) -> int:
        """How many do, of a session's."""
        return sum(job.is_detached and job.caller is caller for job in self._running.values())

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _list(self, job: Job) -> Job:
        self._running[job.number] = job
        job.running.gone = lambda failure: self._remove(job, failure)
        return job

    def _remove(self, job: Job, failure: Failure | None) -> None:
        job.entry.end(None if failure is None else str(failure))
        self._running.pop(job.number, None)
        if job.timer:
            job.timer.cancel()
