"""The commands that run now: from whom, since when, and how each is ended; and what their records ask for meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic

from smanager.access.callers import Caller
from smanager.catalogue import Service
from smanager.commands import Command, CommandError
from smanager.hosts.remotecall import Call


@dataclass(eq=False, slots=True)
class Job:
    """One command that runs."""

    number: int
    service: Service
    command: Command
    caption: str
    caller: Caller
    call: Call
    since: float
    """Of the monotonic clock."""
    timer: asyncio.TimerHandle | None = None


class Jobs:
    """All of them, by their numbers."""

    def __init__(self) -> None:
        self._running: dict[int, Job] = {}
        self._number = 0

    def shown_to(self, caller: Caller) -> list[Job]:
        """Those whose commands a caller may run."""
        allow = caller.permissions.allow_command
        return [job for job in self._running.values() if allow(job.service.name, job.command)]

    def refuse(self, service: Service, command: Command, caption: str) -> None:
        """Raise CommandError where the command runs already, and may not twice."""
        for job in self._running.values() if command.exclusive else ():
            if job.command.name == command.name and job.service is service:
                raise CommandError(f"{caption}: it runs already, for {job.caller}; `jobs` says more")

    def add(self, service: Service, command: Command, caption: str, caller: Caller, call: Call) -> Job:
        """A command has begun; it is listed until its method has ended, and ended where it takes too long."""
        self._number += 1
        job = Job(self._number, service, command, caption, caller, call, monotonic())
        self._running[job.number] = job
        if command.timeout:
            reason = f"it took longer than {command.timeout:g} s"
            job.timer = asyncio.get_running_loop().call_later(command.timeout, call.cancel, reason)
        call.gone = lambda: self._remove(job)
        return job

    def cancel(self, number: int, caller: Caller) -> None:
        """End a command. Raises CommandError where none that the caller may run has this number."""
        shown = {job.number: job for job in self.shown_to(caller)}
        if number not in shown:
            raise CommandError(f"cancel: there is no job {number}; there are: {', '.join(map(str, shown)) or 'none'}")
        shown[number].call.cancel("cancelled by somebody else")

    def _remove(self, job: Job) -> None:
        self._running.pop(job.number, None)
        if job.timer:
            job.timer.cancel()
