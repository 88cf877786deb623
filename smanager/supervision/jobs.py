"""Commands that run: listed, ended, and kept as runs where that is worth while."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from smanager.access.audit import ARGUMENTS_LIMIT, Entry, cut, secrets_in, without_secrets
from smanager.access.callers import Caller
from smanager.access.origin import OriginKind
from smanager.commands.arguments import Arguments
from smanager.commands.record import Command, CommandError, Failure, Status
from smanager.commands.words import typed
from smanager.config.runs import RunSettings
from smanager.hosts.call import CommandRun, Sink
from smanager.logs.held import ReadPlace, cut_text, masked
from smanager.logs.runs import Run, Runs
from smanager.supervision.catalogue import Service
from smanager.supervision.running import Running
from smanager.supervision.tally import OTHERS, Tally
from smanager.system.moments import Moment

SAVE_SECONDS = 1.0  # how often to look for runs that should be saved while they are under way

LONGEST_SAVE = 60.0
"""Seconds after which new output of a run is saved at the latest; at first it is as long as the run has lasted."""


@dataclass(eq=False)
class Job:
    """A run that is under way. Each command makes one: fields with defaults of the class cost nothing then."""

    command: Command
    service: Service | None  # None for one of the manager's own commands
    arguments: Arguments
    caller: Caller
    entry: Entry
    here: str = ""  # the service in whose shell the command was given
    wanted_by: list[int] | None = None  # takes the run's number, for a requester who wants it kept
    is_repeated: bool = False  # whether the requester gives the command again and again
    running: Running = field(init=False)
    output: CommandRun = field(init=False)  # the same; of a command that ended at once, only its output is known
    since: Moment = field(default_factory=Moment)
    number: int = field(default=0, init=False)  # once it is needed
    timer: asyncio.TimerHandle | None = field(default=None, init=False)
    is_detached: bool = field(default=False, init=False)
    seconds: float | None = field(default=None, init=False)  # how long it took, once it has ended
    failure: str | None = field(default=None, init=False)  # why it failed, if it did
    choice: bool | None = field(default=None, init=False)
    """Whether the settings want the run kept; None if that depends on the run. Who looks again and again keeps none."""
    saved: int = field(default=-1, init=False)  # pieces of output when the run was last saved
    due: float = field(default=0.0, init=False)  # age at which it is saved again, in seconds

    @property
    def service_name(self) -> str:
        return self.service.name if self.service else ""

    @property
    def caption(self) -> str:
        return f"{self.service_name} {self.command.name}".lstrip()

    @property
    def is_wanted(self) -> bool:
        """Whether the requester wants the run kept."""
        return self.is_detached or self.wanted_by is not None

    @property
    def is_followed_by_service(self) -> bool:
        """Whether a service watches something for as long as it likes, as that of an open web page does."""
        return self.running.is_endless and self.caller.origin.kind is OriginKind.SERVICE

    def is_shown_to(self, caller: Caller) -> bool:
        """Whether a caller may run such a command, or has given this one."""
        if self.service:
            return caller.permissions.allow_command(self.service.name, self.command)
        is_own = self.caller is caller or (caller.user and caller.user == self.caller.user)
        return bool(is_own) or caller.permissions.allow(self.command)

    def run(self) -> Run:
        """What is known of the run so far."""
        command, caller, arguments = self.command, self.caller, without_secrets(self.command, self.arguments)
        about = command.about_services if self.service is None else None
        if about and self.here:
            arguments.setdefault(about.name, [self.here])
        withheld = ""
        if secrets_in(command, self.arguments):
            withheld = "it had a secret argument, which is not kept"
        elif len(json.dumps(arguments)) > ARGUMENTS_LIMIT:
            withheld = "its arguments were too long to be kept"
        return Run(
            id=self.number,
            service=self.service_name,
            command=command.name,
            role=command.role,
            line=cut(typed(self.caption, command.parameters, arguments)),
            arguments=None if withheld else arguments,
            withheld=withheld,
            services=tuple(arguments.get(about.name, ())) if about else None,
            user=caller.user,
            origin=str(caller.origin),
            behalf=caller.behalf,
            roles=caller.permissions.roles,
            when=self.since.when,
            seconds=self.seconds,
            failure=self.failure,
        )

    @property
    def secrets(self) -> list[str]:
        return secrets_in(self.command, self.arguments)

    def text(self, most: int) -> Callable[[], str]:
        """What makes the output's text, which may take long, of at most so many characters."""
        held = self.output.held
        pieces = held.read(ReadPlace())[0] if held else self.output.last_pieces()
        goes_on = self.seconds is None
        return partial(cut_text, pieces, self.output.sink.text, most, self.secrets, goes_on)


class Jobs:
    """The commands that run; each begins and ends here as a run."""

    def __init__(self, runs: Runs, settings: Callable[[], RunSettings]) -> None:
        """`settings` returns the present ones."""
        self._runs = runs
        self._settings = settings
        self._jobs: dict[Job, None] = {}  # the oldest first
        self._known = RunSettings()
        self._choices: dict[tuple[str, str], bool | None] = {}  # what the known settings say, by service and command
        self._saving: asyncio.TimerHandle | None = None
        self.tally = Tally()

    def shown_to(self, caller: Caller) -> list[Job]:
        """The commands that a caller may know of, without what services follow: no person waits for that."""
        return [job for job in self._jobs if job.is_shown_to(caller) and not job.is_followed_by_service]

    def __iter__(self) -> Iterator[Job]:
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
        return False if job.is_repeated else self.keeps(job.service_name, job.command)

    def refuse_second(self, service: Service, command: Command, caption: str) -> None:
        """Raise CommandError where an exclusive command already runs."""
        for job in self._jobs if command.exclusive else ():
            if job.service is service and job.command.name == command.name:
                raise CommandError(f"{caption}: already running; `jobs` has details")

    def add(self, job: Job, running: Running) -> None:
        """List a command until its method has ended, and end it at its timeout."""
        self._jobs[job] = None
        job.running = job.output = running
        job.choice = False if running.is_endless else self._choice_for(job)
        running.gone = lambda failure: self._remove(job, failure)
        if timeout := job.command.timeout:
            reason = f"took longer than {timeout:g} s"
            job.timer = asyncio.get_running_loop().call_later(timeout, running.cancel, reason)
        if job.choice is not False:
            running.room = self._known.output
            job.due = self._known.longer_than
            if job.wanted_by is not None:
                self._save(job)
            if self._saving is None:
                self._save_later()

    def end(self, job: Job, failure: str | None) -> None:
        """Record that a command has ended, and keep its run if that is worth while."""
        failure = failure and masked(failure, job.secrets)
        self.conclude(job.entry, job.service_name, job.command, failure)
        is_kept = self._is_kept(job, failure)
        if is_kept or job.output.held:
            job.seconds = job.since.age
            job.failure = failure and cut(failure.removeprefix(f"{job.caption}: "))
        if held := job.output.held:
            for piece in job.output.last_pieces():
                held.add(piece, len(piece))
            held.close()
        if is_kept:
            self._number(job)
            self._runs.put(job.run(), job.text(self._known.output))

    def conclude(self, entry: Entry, service: str, command: Command, failure: str | None) -> None:
        """Record the end of a command, of which nothing else is kept, in the journal and in the tally."""
        name = OTHERS if command.hidden else command.name
        self.tally.add(service, name, failure is not None, entry.end(failure))

    def end_at_once(self, job: Job, sink: Sink, result: object) -> None:
        """Record a command that has begun and ended in one call, with its result or the exception that it raised."""
        job.output = CommandRun(sink)
        failure = str(result) if isinstance(result, Exception) else None
        if failure is None and result is not None:
            job.output.returned = (result,)
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
        job.running.cancel("cancelled" if job.caller is caller else f"cancelled by {caller}")

    def end_those(self, are_over: Callable[[Job], bool], reason: str) -> None:
        for job in list(filter(are_over, self._jobs)):
            job.running.cancel(reason)

    def left_by(self, caller: Caller) -> None:
        """End the manager's own commands of a session that has ended: they have no other requester."""
        self.end_those(lambda job: job.caller is caller and job.service is None, "its session has ended")

    def detach(self, running: Running) -> int:
        """Let a command run while its session gives others; returns the job's number."""
        job = next(job for job in self._jobs if job.running is running)
        job.is_detached = True
        if job.choice is not False:
            self._save(job)
        return self.number_of(job)

    def detached_by(self, caller: Caller) -> int:
        """How many commands of a caller, in whichever session, run detached."""
        return sum(job.is_detached and job.caller.party == caller.party for job in self._jobs)

    def _remove(self, job: Job, failure: Failure | None) -> None:
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
        if job.wanted_by is not None and number not in job.wanted_by:
            job.wanted_by.append(number)

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
        pieces = job.output.held.pieces if job.output.held else 0
        if pieces != job.saved:
            job.saved = pieces
            self._runs.put(job.run(), job.text(self._known.output))
        job.due = job.since.age + min(job.since.age, LONGEST_SAVE)
