"""Commands about the clients that are connected, and the commands that they run."""

from __future__ import annotations

from dataclasses import dataclass

from smanager.access.callers import Caller
from smanager.access.roles import EVERYONE
from smanager.commands.record import CommandError
from smanager.service import ADMIN, VIEW, Line, command
from smanager.supervision.commands.own import FOR_SESSIONS, Listing, OwnCommands
from smanager.supervision.sessions import Present

MESSAGE_LIMIT = 1000  # characters of a broadcast

COUNTED = ("program", "visitor")
"""Kinds of sessions that do several things at a time, of which only the number is told."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    id: int
    command: str
    from_: str
    since: float  # when it began, in seconds since the epoch
    age: float  # seconds


@dataclass(frozen=True, slots=True)
class Identity:
    user: str | None
    from_: str
    proof: str | None
    for_: str | None  # the person for whom the user claims to act
    roles: list[str]


@dataclass(frozen=True, slots=True)
class SessionFacts:
    id: int
    user: str | None
    from_: str
    since: float  # when it began, in seconds since the epoch
    age: float  # seconds
    kind: str
    doing: str | None


class JobCommands(OwnCommands):
    """Commands that run"""

    heading = FOR_SESSIONS

    @command(role=VIEW, kept=False)
    def cmd_jobs(self) -> list[JobFacts]:
        """list the commands that run

        For each: its number, for `cancel` and `output`, who gave it, and for how long it has been running. What
        services follow, such as the states that an open web page shows, is not listed.
        """
        jobs = self.manager.jobs
        listed = [
            JobFacts(jobs.number_of(job), job.caption, str(job.caller), job.since.when, job.since.age)
            for job in jobs.shown_to(self.caller)
        ]
        return Listing(listed, empty="no commands run")

    @command()
    def cmd_cancel(self, job: int) -> None:
        """end a command that runs

        Args:
            job: its number; `jobs` lists them
        """
        self.manager.jobs.cancel(job, self.caller)


class SessionCommands(OwnCommands):
    """Sessions"""

    heading = FOR_SESSIONS

    @command(read_only=True)
    def cmd_who(self) -> list[SessionFacts]:
        """list the sessions

        For each: its number, for `kick`, its user, where it comes from, how long it has lasted, and what it runs.
        """
        shown = {job.caption for job in self.manager.jobs.shown_to(self.caller)}
        return [facts(session, shown) for session in self.manager.sessions.all()]

    @command(role=EVERYONE, without_journal=True, read_only=True)
    def cmd_whoami(self) -> Identity:
        """show your user and roles"""
        caller, roles = self.caller, list(self.caller.permissions.roles)
        return Identity(caller.user or None, str(caller.origin), caller.proof or None, caller.behalf or None, roles)

    @command(role=ADMIN, abbreviated=False)
    def cmd_kick(self, session: int) -> None:
        """end a session

        Args:
            session: its number; `who` lists them
        """
        present = {other.number: other for other in self.manager.sessions.all()}
        if session not in present:
            raise CommandError(f"kick: unknown session {session}; known: {', '.join(map(str, present)) or 'none'}")
        kicked = present[session]
        self.manager.audit.kicked(kicked.caller or Caller(kicked.peer), self.caller)
        kicked.farewell(f"your session was ended by {self.caller.user or self.caller.origin}")

    @command()
    def cmd_broadcast(self, text: Line) -> None:
        """show people a message

        Every person at a prompt sees the message above the line being typed.

        Args:
            text: the message
        """
        is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
        message = " ".join((text[1:-1] if is_quoted else text)[:MESSAGE_LIMIT].split())
        for session in self.manager.sessions.all():
            if session.caller:
                session.tell(f"[{self.caller.user or self.caller.origin}] {message}\n")


def facts(session: Present, shown: set[str]) -> SessionFacts:
    """A session, for a caller who may know of commands with the captions in `shown`."""
    caller, doing = session.caller, session.doing
    is_known = session.kind in COUNTED or doing in shown
    return SessionFacts(
        id=session.number,
        user=(f"{caller.user} (claims to act for {caller.behalf})" if caller.behalf else caller.user or None)
        if caller
        else None,
        from_=str(session.peer),
        since=session.since.when,
        age=session.since.age,
        kind=session.kind if caller else "not logged in",
        doing=(doing if is_known or not doing else "a command") or None,
    )
