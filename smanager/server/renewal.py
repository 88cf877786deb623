"""What a reload means for listeners, and for callers who have lost a right."""

from __future__ import annotations

from smanager.access import origin
from smanager.access.callers import Caller
from smanager.access.identities import Identities
from smanager.access.users import UsersError
from smanager.config.file import ServicesConfig
from smanager.server.listeners import Listeners
from smanager.supervision.manager import Manager
from smanager.supervision.reload import Elsewhere
from smanager.supervision.reports import Notice, Tell
from smanager.supervision.sessions import Present
from smanager.system import systemd


async def look_elsewhere(
    manager: Manager, listeners: Listeners, identities: Identities, wanted: ServicesConfig
) -> Elsewhere:
    """Prepare what changes in listeners and users with the wanted configuration."""
    changes = await listeners.prepare(wanted.listeners)
    problems = list(changes.problems)
    try:
        identities.file.users()
    except UsersError as error:
        problems.append(str(error))

    async def apply(by: Caller, tell: Tell) -> None:
        for session, reason in (await listeners.apply(changes, tell)).items():
            if session.caller is not by:  # who closes the door behind themselves may see how it went
                end(session, reason, "its listener has changed", tell)
        systemd.notify(f"STATUS=listening on {listeners.addresses}")
        for one in manager.sessions.all():
            if one.caller and not identities.still_holds(one.caller):
                end(one, "your user has changed: log in again", "the user has changed", tell)
        manager.jobs.end_those(lambda job: not identities.still_holds(job.caller), "its user has changed")
        manager.jobs.end_those(lambda job: not job.is_shown_to(job.caller), "it is not allowed any more")

    def end(session: Present, farewell: str, reason: str, tell: Tell) -> None:
        if session.caller:
            tell(Notice(f"end the session of {session.caller}: {reason}"))
            manager.audit.kicked(session.caller, Caller(origin.RELOAD))
        session.farewell(farewell)

    return Elsewhere([*changes.reports()], problems, apply, changes.drop)
