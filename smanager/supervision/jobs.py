"""The commands that run now: by which caller, since when, and how each is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from smanager.access.audit import Entry
from smanager.access.callers import Caller
from smanager.commands.record import Command, CommandError, Failure
from smanager.supervision.catalogue import Service
from smanager.supervision.running import Running


@dataclass(eq=False, slots=True)
class Job:
    """One command that runs."""

    number: int
    running: Running
    command: Command
    service: Service | None
    """None for one of the manager's own commands."""
    caller: Caller
    entry: Entry
    """In the audit journal."""
    since: float = field(default_factory=monotonic)
    """By the monotonic clock."""
    timer: asyncio.TimerHandle | None = None
    is_detached: bool = False

    def is_shown_to(self, caller: Caller) -> bool:
        """Whether a caller may run such a command, or has given this one."""
        if self.service:
            return caller.permissions.allow_command(self.service.name, self.command)
        is_own = self.caller is caller or (caller.user and caller.user == self.caller.user)
        return bool(is_own) or caller.permissions.allow(self.command)


class Jobs:
    """All commands that run, by their numbers."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._number = 0

    def shown_to(self, caller: Caller) -> list[Job]:
        """The jobs that a caller may know of."""
        return [job for job in self._jobs.values() if job.is_shown_to(caller)]

    def refuse_second(self, service: Service, command: Command, caption: str) -> None:
        """Raise CommandError where an exclusive command already runs."""
        for job in self._jobs.values() if command.exclusive else ():
            if job.service is service and job.command.name == command.name:
                raise CommandError(f"{caption}: already running; `jobs` has details")

    def add(self, running: Running, command: Command, service: Service | None, caller: Caller, entry: Entry) -> None:
        """A command has begun: list it until its method has ended, and end it at its timeout."""
        self._number += 1
        job = self._jobs[self._number] = Job(self._number, running, command, service, caller, entry)
        running.gone = lambda failure: self._remove(job, failure)
        if command.timeout:
            reason = f"took longer than {command.timeout:g} s"
            job.timer = asyncio.get_running_loop().call_later(command.timeout, running.cancel, reason)

    def cancel(self, number: int, caller: Caller) -> None:
        """End a command. Raises CommandError for a number that the caller may not know."""
        shown = {job.number: job for job in self.shown_to(caller)}
        if number not in shown:
            raise CommandError(f"cancel: unknown job {number}; known: {', '.join(map(str, shown)) or 'none'}")
        job = shown[number]
        job.running.cancel("cancelled" if job.caller is caller else f"cancelled by {caller}")

    def end_those(self, are_over: Callable[[Job], bool], reason: str) -> None:
        """End the commands that may not run any longer."""
        for job in list(self._jobs.values()):
            if are_over(job):
                job.running.cancel(reason)

    def left_by(self, caller: Caller) -> None:
        """A session has ended, and nobody waits for the manager's own commands that it gave."""
        self.end_those(lambda job: job.caller is caller and job.service is None, "its session has ended")

    def detach(self, running: Running) -> None:
        """Let a command run while its session gives others."""
        for job in self._jobs.values():
            if job.running is running:
                job.is_detached = True

    def detached_by(self, caller: Caller) -> int:
        """The number of a session's detached commands."""
        return sum(job.is_detached and job.caller is caller for job in self._jobs.values())

    def _remove(self, job: Job, failure: Failure | None) -> None:
        job.entry.end(None if failure is None else str(failure))
        self._jobs.pop(job.number, None)
        if job.timer:
            job.timer.cancel()
