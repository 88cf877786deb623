"""Commands that run: listed, ended, and kept as runs where that is worth while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from smanager.access.audit import Audit, cut
from smanager.access.callers import Caller
from smanager.commands.record import Command, CommandError, Failure, Status
from smanager.config.runs import RunSettings
from smanager.hosts.job import Invocation, Job
from smanager.logs.held import masked
from smanager.logs.runs import Runs
from smanager.supervision.running import Running
from smanager.supervision.tally import OTHERS, Tally
from smanager.system.moments import Moment

SAVE_SECONDS = 1.0  # how often to look for runs that should be saved while they are under way

LONGEST_SAVE = 60.0
"""Seconds after which new output of a run is saved at the latest; at first it is as long as the run has lasted."""


class Jobs:
    """The commands that run; each begins and ends here as a run."""

    def __init__(self, runs: Runs, audit: Audit, settings: Callable[[], RunSettings]) -> None:
        """`settings` returns the present ones."""
        self._runs = runs
        self._audit = audit
        self._settings = settings
        self._jobs: dict[Running, None] = {}  # the oldest first
        self._known = RunSettings()
        self._choices: dict[tuple[str, str], bool | None] = {}  # what the known settings say, by service and command
        self._saving: asyncio.TimerHandle | None = None
        self.tally = Tally()

    def shown_to(self, caller: Caller) -> list[Running]:
        """The commands that a caller may know of, without what services follow: no person waits for that."""
        return [job for job in self._jobs if job.is_shown_to(caller) and not job.is_followed_by_service]

    def __iter__(self) -> Iterator[Running]:
        return iter(self._jobs)

    def number_of(self, job: Job) -> int:
        """The number of the job and of its run: given when it is needed, so that numbers stay short."""
        job.number = job.number or self._runs.next_id()
        return job.number

    def keeps(self, service: str, command: Command) -> bool | None:
        """Whether the runs of a command are kept; None if that depends on the run."""
        if self._runs.directory is None:
            return False
        if self._known is not (settings := self._settings()):
            self._known, self._choices = settings, {}
        key = (service, command.name)
        if key not in self._choices:
            self._choices[key] = settings.choice(".".join(filter(None, key)))
        choice = self._choices[key]
        if command.kept is False:  # what it shows may depend on who asks, whatever the patterns match
            return False
        return command.kept if choice is None else choice

    def _choice_for(self, job: Job) -> bool | None:
        return False if job.invocation.is_repeated else self.keeps(job.service, job.command)

    def refuse_second(self, invocation: Invocation) -> None:
        """Raise CommandError where an exclusive command already runs."""
        command, service, _, caption, *_ = invocation.bound
        for job in self._jobs if command.exclusive else ():
            if job.service == service and job.command.name == command.name:
                raise CommandError(f"{caption}: already running; `jobs` has details")

    def add(self, job: Running, journal: int) -> None:
        """List a command until its method has ended, and end it at its timeout; `journal` is its number there."""
        self._jobs[job] = None
        job.journal = journal
        job.choice = False if job.is_endless else self._choice_for(job)
        job.gone = lambda failure: self._remove(job, failure)
        if timeout := job.command.timeout:
            reason = f"took longer than {timeout:g} s"
            job.timer = asyncio.get_running_loop().call_later(timeout, job.cancel, reason)
        if job.choice is not False:
            job.room = self._known.output
            job.due = self._known.longer_than
            if job.invocation.kept is not None:
                self._save(job)
            if self._saving is None:
                self._save_later()

    def end(self, job: Job, failure: str | None) -> None:
        """Record that a command has ended, and keep its run if that is worth while."""
        failure = failure and masked(failure, job.secrets)
        self.conclude(job.journal, job.since, job.service, job.command, failure)
        is_kept = self._is_kept(job, failure)
        if is_kept or job.held:
            job.seconds = job.since.age
            job.failure = failure and cut(failure.removeprefix(f"{job.name}: "))
        if held := job.held:
            for piece in job.last_pieces():
                held.add(piece, len(piece))
            held.close()
        if is_kept:
            self._number(job)
            self._runs.put(job.run(), job.text(self._known.output))

    def conclude(self, journal: int, since: Moment, service: str, command: Command, failure: str | None) -> None:
        """Record the end of a command, of which nothing else is kept, in the journal and in the tally."""
        seconds = since.elapsed
        self._audit.end(journal, seconds, failure)
        self.tally.add(service, OTHERS if command.hidden else command.name, failure is not None, seconds)

    def end_at_once(self, invocation: Invocation, journal: int, since: Moment, result: object) -> None:
        """Record a command that has begun and ended in one call, with its result or the exception that it raised."""
        job = Job(invocation)
        job.journal, job.since = journal, since
        failure = str(result) if isinstance(result, Exception) else None
        if failure is None and result is not None:
            job.returned = (result,)
        job.choice = self._choice_for(job)
        if isinstance(result, CommandError) and result.status is Status.UNUSABLE:
            job.choice = False  # no method ran
        self.end(job, failure)

    def cancel(self, number: int, caller: Caller) -> None:
        """End a command. Raises CommandError for a number that the caller may not know of."""
        shown = {self.number_of(job): job for job in self.shown_to(caller)}
        if number not in shown:
            raise CommandError(f"cancel: unknown job {number}; known: {', '.join(map(str, shown)) or 'none'}")
        job = shown[number]
        job.cancel("cancelled" if job.caller is caller else f"cancelled by {caller}")

    def end_those(self, are_over: Callable[[Job], bool], reason: str) -> None:
        for job in list(filter(are_over, self._jobs)):
            job.cancel(reason)

    def left_by(self, caller: Caller) -> None:
        """End the manager's own commands of a session that has ended: they have no other requester."""
        self.end_those(lambda job: job.caller is caller and not job.service, "its session has ended")

    def detach(self, running: Running) -> int:
        """Let a command run while its session gives others; returns the job's number."""
        running.is_detached = True
        if running.choice is not False:
            self._save(running)
        return self.number_of(running)

    def detached_by(self, caller: Caller) -> int:
        """How many commands of a caller, in whichever session, run detached."""
        return sum(job.is_detached and job.caller.party == caller.party for job in self._jobs)

    def _remove(self, job: Running, failure: Failure | None) -> None:
        del self._jobs[job]
        if job.timer:
            job.timer.cancel()
        self.end(job, None if failure is None else str(failure))

    def _is_kept(self, job: Job, failure: str | None) -> bool:
        if job.choice is not None:
            return job.choice
        is_saved = job.saved >= 0  # else the settings could have changed, and the file would tell of no end
        return failure is not None or job.is_wanted or is_saved or job.since.age > self._known.longer_than

    def _number(self, job: Job) -> None:
        """Number a run that is kept, and tell the requester who wants it kept."""
        number = self.number_of(job)
        if job.invocation.kept is not None and number not in job.invocation.kept:
            job.invocation.kept.append(number)

    def _save_later(self) -> None:
        self._saving = asyncio.get_running_loop().call_later(SAVE_SECONDS, self._save_those_due)

    def _save_those_due(self) -> None:
        """Save the runs under way that will be kept, for the case that the manager is killed."""
        self._saving = None
        jobs = [job for job in self._jobs if job.choice is not False]
        for job in jobs:
            if job.since.age >= job.due:
                self._save(job)
        if jobs:
            self._save_later()

    def _save(self, job: Job) -> None:
        self._number(job)
        pieces = job.held.pieces if job.held else 0
        if pieces != job.saved:
            job.saved = pieces
            self._runs.put(job.run(), job.text(self._known.output))
        job.due = job.since.age + min(job.since.age, LONGEST_SAVE)
