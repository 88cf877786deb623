"""Commands about past runs of commands, and those under way: what they printed, and how they ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from smanager.commands.record import Command, CommandError, Status
from smanager.hosts.job import Job
from smanager.logs.held import ReadPlace, masked, settled, text_of_pieces
from smanager.logs.runs import Run
from smanager.service import VIEW, command
from smanager.supervision.commands.logs import MOST_LINES, SHOWN_LINES
from smanager.supervision.commands.own import FOR_LOOKING, Again, Listing, OwnCommands
from smanager.supervision.commands.since import moment
from smanager.supervision.running import Endless
from smanager.system.errors import in_words
from smanager.terminal.text import begins, one_spelling

LOST = "lost: the manager was killed meanwhile"

OFFERED = 50  # of the last runs, whose numbers Tab offers


@dataclass(frozen=True, slots=True)
class RunFacts:
    id: int
    command: str  # with its arguments, as a caller types it
    user: str | None
    from_: str
    for_: str | None  # the person for whom the user claims to act
    since: float  # when it began, in seconds since the epoch
    seconds: float | None  # how long it took, or has taken so far; None if that is not known
    state: str  # `done`, `failed`, `running` or `lost`
    failure: str | None  # why it failed


@dataclass(frozen=True, slots=True)
class RunOutput:
    """What a run has printed so far, or a part of that."""

    output: str
    error: str | None = None  # the line that ends the output of a run that did not succeed


def facts_of(run: Run) -> RunFacts:
    if run.is_lost:
        state = "lost"
    elif run.seconds is None:
        state = "running"
    else:
        state = "done" if run.failure is None else "failed"
    behalf = run.behalf or None
    return RunFacts(run.id, run.line, run.user or None, run.origin, behalf, run.when, run.seconds, state, run.failure)


def error_of(run: Run) -> str | None:
    """The error that the caller of a run read at its end, if there was one."""
    if run.is_lost:
        return f"{run.caption}: {LOST}, and its last output is not known"
    return None if run.failure is None else f"{run.caption}: {run.failure}"


class RunCommands(OwnCommands):
    """Past runs of commands"""

    heading = FOR_LOOKING

    @command(role=VIEW, short={"count": "n"}, kept=False)
    def cmd_runs(
        self, command: str | None = None, *, failed: bool = False, since: str | None = None, count: int | None = None
    ) -> list[RunFacts]:
        """list what commands have done

        Lists the last runs that are kept, with those under way: your own, and those of commands that you may run.

        Args:
            command: a service, or SERVICE.COMMAND, or a command of the manager's own
            failed: only those that failed, or were lost with the manager
            since: a time span such as 10m, or a moment such as 13:45 or 2026-11-25T13:45
            count: the number of runs, at most 1000; without it 20, or with since all
        """
        start = 0.0 if since is None else moment(self.command.name, since)
        most = MOST_LINES if since is not None else SHOWN_LINES
        wanted = [
            facts
            for run in self._named(command or self.requester.here)
            if run.last_seen >= start or (run.seconds is None and not run.is_lost)
            if (facts := facts_of(run)).state in ("failed", "lost") or not failed
        ]
        lost = self.manager.runs.lost
        remark = f"{lost} runs could not be kept; the manager's log says why" if lost else ""
        count = most if count is None else min(count, MOST_LINES)
        return Listing(wanted[-count:] if count > 0 else [], remark, "no runs")

    @command(role=VIEW, short={"follow": "f"}, kept=False)
    def cmd_output(self, run: int, *, follow: bool = False) -> Endless | AsyncGenerator[RunOutput, None]:
        """show what a run printed

        Shows what its caller read, or would have read as a script.

        Args:
            run: its number; `runs` and `jobs` list them
            follow: of a run under way, go on with the output to come
        """
        if (job := self._jobs().get(run)) is None:
            return self._past(self._run(run))
        return Endless(self._follow(job)) if follow else self._so_far(job)

    @command(role=VIEW, kept=False, read_only=False)
    def cmd_rerun(self, run: int) -> Any:
        """run a command again

        Runs it for you, with your permissions, and with the same arguments.

        Args:
            run: the number of an earlier run; `runs` lists them
        """
        before = self._run(run)
        if before.arguments is None:
            raise CommandError(f"rerun: run {run} cannot be run again: {before.withheld}; give the command anew")
        return Again(before.service, before.command, before.arguments)

    def question_rerun(self, run: int) -> str:
        before = self._run(run)
        return f"run `{before.line}` again, for all services?" if before.services == () else ""

    def complete_runs(self, text: str, line: str, begidx: int, endidx: int) -> list[str]:
        runs = self._runs()
        return [name for name in {*(run.service for run in runs), *(run.name for run in runs)} if begins(name, text)]

    def complete_output(self, text: str, line: str, begidx: int, endidx: int) -> list[str]:
        return [str(run.id) for run in self._runs()[-OFFERED:] if str(run.id).startswith(text)]

    complete_rerun = complete_output

    def _jobs(self) -> dict[int, Job]:
        """The runs under way that the caller may know of, by number."""
        jobs = {job.number: job for job in self.manager.jobs if job.number and job.choice is not False}
        return {number: job for number, job in jobs.items() if is_shown(job.run(), self)}

    def _runs(self) -> list[Run]:
        """All runs that the caller may know of, the oldest first."""
        runs = {run.id: run for run in self.manager.runs.all() if is_shown(run, self)}
        runs |= {number: job.run() for number, job in self._jobs().items()}
        return [runs[number] for number in sorted(runs)]

    def _run(self, number: int) -> Run:
        """Raises CommandError for a number that the caller may not know of."""
        for run in self._runs():
            if run.id == number:
                return run
        raise CommandError(f"{self.command.name}: unknown run {number}; `runs` lists those that are kept")

    def _named(self, name: str) -> list[Run]:
        """The runs of a service, or of a command; all without a name. Raises CommandError for an unknown name."""
        runs, spelled = self._runs(), one_spelling(name)
        found = [run for run in runs if not name or spelled in map(one_spelling, (run.service, run.name))]
        if not found and name:
            known = [*filter(self._knows, self.manager.catalogue.services), *self.manager.roles.own_names(())]
            if spelled.partition(".")[0] not in map(one_spelling, known):
                right = "a service, SERVICE.COMMAND, or a command of the manager's own"
                raise CommandError(f"runs: command is {name!r:.60}, and should be {right}", Status.UNUSABLE)
        return found

    def _knows(self, service: str) -> bool:
        allow, commands = self.caller.permissions.allow_command, self.manager.catalogue.services[service].commands
        return self.caller.permissions.know(service) or any(allow(service, one) for one in commands.values())

    async def _past(self, run: Run) -> AsyncGenerator[RunOutput, None]:
        try:
            text = await self.manager.runs.output(run.id)
        except OSError as error:
            raise CommandError(f"output: the output of run {run.id} cannot be read: {in_words(error)}") from None
        yield RunOutput(text, error_of(run))

    async def _so_far(self, job: Job) -> AsyncGenerator[RunOutput, None]:
        yield RunOutput(await asyncio.to_thread(job.text(self.manager.catalogue.configuration.runs.output)))

    async def _follow(self, job: Job) -> AsyncGenerator[RunOutput, None]:
        held, changed, place, rest = job.output(), asyncio.Event(), ReadPlace(), ""
        held.followers.append(changed.set)
        try:
            while is_shown(job.run(), self):  # asked each time: the caller's permissions may have changed
                changed.clear()
                pieces, place = held.read(place)
                if pieces:
                    rest += await asyncio.to_thread(text_of_pieces, pieces, job.sink.text)
                    end = settled(rest, job.secrets)
                    shown, rest = rest[:end], rest[end:]
                    if shown:
                        yield RunOutput(masked(shown, job.secrets))
                elif held.is_over:
                    yield RunOutput(masked(rest, job.secrets), error_of(job.run()))
                    return
                else:
                    await changed.wait()
        finally:
            held.followers.remove(changed.set)


def is_shown(run: Run, asked: OwnCommands) -> bool:
    """Whether a caller has given a command, with no more roles than now, or could give it."""
    caller, manager = asked.caller, asked.manager
    allow = caller.permissions
    if caller.user and caller.user == run.user and {*run.roles} <= {*allow.roles}:
        return True
    command = Command(run.command, "", role=run.role)
    if run.service:
        service = manager.catalogue.services.get(run.service)
        present = service.commands.get(run.command) if service else None
        return allow.allow_command(run.service, present or command)
    if run.services is None:
        return allow.allow(command)
    is_exact = run.services and all(name in manager.keepers for name in run.services)
    others = () if is_exact else manager.keepers  # patterns, all, or a service that is gone, whose name still counts
    return all(allow.allow_on(command, name) for name in (*run.services, *others))
