"""The sessions of the clients that are connected, and the commands that run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from smanager.access.audit import Entry
from smanager.access.callers import Caller
from smanager.access.origin import Origin
from smanager.commands.record import Command, CommandError, Failure
from smanager.supervision.catalogue import Service
from smanager.supervision.running import Running
from smanager.system.moments import Moment


class Present(Protocol):
    """A session as other parts know it."""

    number: int
    peer: Origin
    caller: Caller | None  # None before a login
    since: Moment

    @property
    def kind(self) -> str:
        """`person`, `script` or `program`."""

    @property
    def doing(self) -> str: ...

    def tell(self, text: str) -> None:
        """Show lines to a person; other clients see nothing."""

    def farewell(self, message: str) -> None: ...


class Sessions:
    def __init__(self) -> None:
        self._present: dict[int, Present] = {}
        self._numbers = count(1)

    def add(self, session: Present) -> int:
        number = next(self._numbers)
        self._present[number] = session
        return number

    def remove(self, number: int) -> None:
        self._present.pop(number, None)

    def all(self) -> list[Present]:
        return list(self._present.values())


@dataclass(eq=False, slots=True)
class Job:
    number: int
    running: Running
    command: Command
    service: Service | None  # None for one of the manager's own commands
    caller: Caller
    entry: Entry
    since: Moment = field(default_factory=Moment)
    timer: asyncio.TimerHandle | None = None
    is_detached: bool = False

    def is_shown_to(self, caller: Caller) -> bool:
        """Whether a caller may run such a command, or has given this one."""
        if self.service:
            return caller.permissions.allow_command(self.service.name, self.command)
        is_own = self.caller is caller or (caller.user and caller.user == self.caller.user)
        return bool(is_own) or caller.permissions.allow(self.command)


class Jobs:
    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._numbers = count(1)

    def shown_to(self, caller: Caller) -> list[Job]:
        return [job for job in self._jobs.values() if job.is_shown_to(caller)]

    def refuse_second(self, service: Service, command: Command, caption: str) -> None:
        """Raise CommandError where an exclusive command already runs."""
        for job in self._jobs.values() if command.exclusive else ():
            if job.service is service and job.command.name == command.name:
                raise CommandError(f"{caption}: already running; `jobs` has details")

    def add(self, running: Running, command: Command, service: Service | None, caller: Caller, entry: Entry) -> None:
        """List a command until its method has ended, and end it at its timeout."""
        number = next(self._numbers)
        job = self._jobs[number] = Job(number, running, command, service, caller, entry)
        running.gone = lambda failure: self._remove(job, failure)
        if command.timeout:
            reason = f"took longer than {command.timeout:g} s"
            job.timer = asyncio.get_running_loop().call_later(command.timeout, running.cancel, reason)

    def cancel(self, number: int, caller: Caller) -> None:
        """End a command. Raises CommandError for a number that the caller may not know of."""
        shown = {job.number: job for job in self.shown_to(caller)}
        if number not in shown:
            raise CommandError(f"cancel: unknown job {number}; known: {', '.join(map(str, shown)) or 'none'}")
        job = shown[number]
        job.running.cancel("cancelled" if job.caller is caller else f"cancelled by {caller}")

    def end_those(self, are_over: Callable[[Job], bool], reason: str) -> None:
        for job in list(filter(are_over, self._jobs.values())):
            job.running.cancel(reason)

    def left_by(self, caller: Caller) -> None:
        """End the manager's own commands of a session that has ended: they have no other requester."""
        self.end_those(lambda job: job.caller is caller and job.service is None, "its session has ended")

    def detach(self, running: Running) -> int:
        """Let a command run while its session gives others; returns the job's number."""
        job = next(job for job in self._jobs.values() if job.running is running)
        job.is_detached = True
        return job.number

    def detached_by(self, caller: Caller) -> int:
        """How many commands of a caller, in whichever session, run detached."""
        return sum(job.is_detached and job.caller.party == caller.party for job in self._jobs.values())

    def _remove(self, job: Job, failure: Failure | None) -> None:
        job.entry.end(None if failure is None else str(failure))
        self._jobs.pop(job.number, None)
        if job.timer:
            job.timer.cancel()
