"""Users who have logged in through a service that `logs_in` lets do so: each is a session like those of connections."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Protocol

from smanager.access.callers import Caller
from smanager.access.identities import Identities
from smanager.access.origin import Origin, OriginKind
from smanager.access.users import UsersError
from smanager.hosts.inquiries import Inquiry
from smanager.server.rpc.errors import FAILED, INVALID_PARAMS, NOT_LOGGED_IN, RequestError
from smanager.server.rpc.requests import encode
from smanager.supervision.manager import Manager
from smanager.system.moments import Moment

PROOFS: Mapping[str, Mapping[str, type]] = {
    "password": {"user": str, "password": str},
    "token": {"token": str},
    "certificate": {"certificate": list},
}
"""What a login has besides the client's address."""

LOOK_SECONDS = 5.0  # between two looks for users who have changed, so that streams that ask nothing more end, too

log = logging.getLogger("smanager")


class UserAnswer(Protocol):
    """An answer under way."""

    def end(self, message: str) -> None:
        """Refuse it because its caller is logged out."""


class VisitorSession:
    """One login; it lasts as long as the service's question by which it began."""

    kind = "visitor"

    def __init__(self, inquiry: Inquiry, peer: Origin, leave: Callable[[VisitorSession, bool], object]) -> None:
        """`leave` is called when the login is over, with whether detached commands end, too."""
        self.inquiry = inquiry
        self.peer = peer
        self.caller: Caller | None = None
        self.since = Moment()
        self.number = 0
        self.answers: set[UserAnswer] = set()
        self.is_over = False
        self.expiry: asyncio.TimerHandle | None = None
        self._leave = leave

    @property
    def doing(self) -> str:
        count = len(self.answers)
        return f"{count} request{'s' * (count > 1)}" if count else ""

    def tell(self, text: str) -> None:
        """Show nothing: what a user sees is the service's business."""

    def farewell(self, message: str) -> None:
        """End the login, and all that runs for the user, and tell the service why."""
        self._end(message, everything=True)

    def cancel(self) -> None:
        """The service has logged the user out, or has ended: detached commands go on."""
        self._end("logged out", everything=False)

    def _end(self, message: str, everything: bool) -> None:
        if not self.is_over:
            self.is_over = True
            self.inquiry.refuse(NOT_LOGGED_IN, message)
            if self.expiry:
                self.expiry.cancel()
            for answer in list(self.answers):
                answer.end(message)
            self._leave(self, everything)

    def pause(self) -> None:
        """Do nothing, as `resume`: the stream has one item."""

    resume = pause


class Visitors:
    """The users who have logged in through services."""

    def __init__(self, manager: Manager, identities: Identities) -> None:
        self._manager = manager
        self._identities = identities
        self._sessions: dict[tuple[str, int], VisitorSession] = {}
        self._checks: set[asyncio.Task[None]] = set()
        self._looking: asyncio.TimerHandle | None = None

    def of(self, inquiry: Inquiry) -> VisitorSession:
        """The login of the user for whom a service asks. Raises RequestError if it is over."""
        session = self._sessions.get((inquiry.service, inquiry.visitor))
        if session:
            self._end_if_changed(session)
        if session is None or session.is_over:
            raise RequestError(NOT_LOGGED_IN, f"{inquiry.method}: the user is not logged in any more")
        return session

    def _end_if_changed(self, session: VisitorSession) -> None:
        if session.caller and not self._identities.still_holds(session.caller):
            session.farewell("your user has changed: log in again")

    def _look(self) -> None:
        """End the logins of users who have changed, again and again while there are logins."""
        with suppress(UsersError):  # what the log says once for each request need not be said every few seconds
            self._identities.file.users()
            for session in list(self._sessions.values()):
                self._end_if_changed(session)
        self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look) if self._sessions else None

    def log_in(self, inquiry: Inquiry) -> VisitorSession:
        """Begin a login. Raises RequestError where it is wrong, or not for this service."""
        name, params = inquiry.service, inquiry.params
        proof = next((proof for proof, fields in PROOFS.items() if is_proof(params, fields)), None)
        if proof is None:
            raise RequestError(INVALID_PARAMS, "log in: it should have a host, and a user and a password, or a token")
        service = self._manager.catalogue.services.get(name)
        if service is None or proof not in service.settings.logs_in:
            message = f'{name} may not log users in by {proof}; logs_in = ["{proof}"] in [services.{name}] lets it'
            raise RequestError(FAILED, message)
        session = VisitorSession(inquiry, Origin(OriginKind.SERVICE, params["host"], service=name), self._left)
        # A try counts whether or not the service awaits its outcome, so nothing cancels the task.
        task = asyncio.create_task(self._check(session, proof))
        self._checks.add(task)
        task.add_done_callback(partial(self._checked, session))
        return session

    def _checked(self, session: VisitorSession, task: asyncio.Task[None]) -> None:
        """Answer a login whose check has failed, or it would keep its place for ever."""
        self._checks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("internal error in a login", exc_info=error)
            if not session.is_over:
                session.is_over = True
                session.inquiry.refuse(FAILED, "log in: an internal error; the manager's log has more")

    async def _check(self, session: VisitorSession, proof: str) -> None:
        caller = await self._caller(session, proof, session.inquiry.params)
        if session.is_over:
            return
        if caller is None:
            session.is_over = True
            session.inquiry.refuse(NOT_LOGGED_IN, "the login is not valid")
            return
        session.caller = caller
        session.number = self._manager.sessions.add(session)
        self._sessions[session.inquiry.service, session.inquiry.number] = session
        if self._looking is None:
            self._look()
        if (seconds := caller.expires_in()) is not None:
            session.expiry = asyncio.get_running_loop().call_later(seconds, session.farewell, "your token has expired")
        session.inquiry.item(encode({"user": caller.user, "roles": caller.permissions.roles}))

    async def _caller(self, session: VisitorSession, proof: str, params: Mapping[str, object]) -> Caller | None:
        identities, peer, service = self._identities, session.peer, f"service {session.inquiry.service}"
        if proof == "password":
            name, password = str(params["user"]), str(params["password"])
            return await identities.by_password(name, password, peer, service, (), lambda: not session.is_over)
        if proof == "token":
            return await identities.by_token(str(params["token"]), peer, ())
        names = [name for name in params["certificate"] if isinstance(name, str)]  # type: ignore[attr-defined]
        if (caller := identities.named(names, peer, (), "certificate")) is None and names:
            identities.unknown(peer, names[0])
        return caller

    def _left(self, session: VisitorSession, everything: bool) -> None:
        if caller := session.caller:
            del self._sessions[session.inquiry.service, session.inquiry.number]
            self._manager.sessions.remove(session.number)
            if everything:
                self._manager.jobs.end_those(lambda job: job.caller is caller, "its session was ended")
            else:
                self._manager.jobs.left_by(caller)


def is_proof(params: object, fields: Mapping[str, type]) -> bool:
    """Whether a login has just these fields, and the address of a client."""
    if not isinstance(params, Mapping) or params.keys() != {"host", *fields}:
        return False
    return is_address(params["host"]) and all(isinstance(params[name], kind) for name, kind in fields.items())


def is_address(host: object) -> bool:
    try:
        return isinstance(host, str) and bool(ipaddress.ip_address(host))
    except ValueError:
        return False
