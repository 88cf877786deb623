"""Services as callers: what they ask the manager is answered as a program's requests are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smanager.access.callers import Caller
from smanager.access.identities import Identities
from smanager.access.origin import Origin, OriginKind
from smanager.hosts.inquiries import Inquiry, InquiryWork
from smanager.server.rpc.errors import FAILED, NOT_LOGGED_IN, RequestError
from smanager.server.rpc.methods import Methods, RunningMethod
from smanager.server.rpc.requests import encode
from smanager.server.rpc.visitors import UserAnswer, Visitors, VisitorSession
from smanager.shells.root import Shells

DEEPEST = 8  # commands that may wait for one another; more are taken for a cycle, each round of which takes a worker


class ServiceAnswers:
    """Answers the inquiries of all services."""

    def __init__(self, shells: Shells, identities: Identities) -> None:
        self._shells = shells
        self._visitors = Visitors(shells.manager, identities)

    def begin(self, inquiry: Inquiry) -> InquiryWork | None:
        try:
            if inquiry.is_login:
                return self._visitors.log_in(inquiry)
            visitor = self._visitors.of(inquiry) if inquiry.visitor else None
            caller = self._caller(inquiry, visitor)
        except RequestError as error:
            inquiry.refuse(error.code, str(error))
            return None
        answer = _Answering(inquiry, Methods(self._shells, caller), visitor.answers if visitor else set())
        answer.begin()
        return answer

    def _caller(self, inquiry: Inquiry, visitor: VisitorSession | None) -> Caller:
        """Whose permissions count. Raises RequestError for a service without any, and for a cycle of calls."""
        name, outer = inquiry.service, inquiry.within.caller if inquiry.within else None
        depth = outer.depth + 1 if outer else 0
        if depth > DEEPEST:
            raise RequestError(FAILED, f"{inquiry.method}: {DEEPEST} commands wait for one another; is there a cycle?")
        if visitor and visitor.caller:
            return visitor.caller._replace(depth=depth) if depth else visitor.caller
        if inquiry.for_caller:
            assert outer is not None  # or else the inquiry would have been refused
            origin = Origin(OriginKind.SERVICE, service=name, behalf=str(outer.origin))
            return outer._replace(origin=origin, depth=depth)
        permissions = self._shells.manager.roles.permissions(self._roles(inquiry))
        origin = Origin(OriginKind.SERVICE, service=name, acting_as=inquiry.acting_as)
        return Caller(origin, permissions=permissions, depth=depth)

    def _roles(self, inquiry: Inquiry) -> Sequence[str]:
        """The roles of a service that does not act for a caller. Raises RequestError if it has none."""
        name, part = inquiry.service, inquiry.acting_as
        if service := self._shells.manager.catalogue.services.get(name):
            settings = service.settings
            if roles := settings.roles_as.get(part) if part else settings.roles:
                return roles
        what, example = "nothing", 'roles = ["view"]'
        if part:
            what, example = f"nothing as {part}", f'roles_as = {{ {part} = ["view"] }}'
        message = f"{name} may ask for {what}; give it roles, such as {example} in [services.{name}]"
        raise RequestError(FAILED, f"{inquiry.method}: {message}")


class _Answering:
    """One inquiry that is being answered."""

    def __init__(self, inquiry: Inquiry, methods: Methods, alike: set[UserAnswer]) -> None:
        """`alike` are the answers under way for the same user."""
        self._inquiry = inquiry
        self._methods = methods
        self._alike = alike
        self._running: RunningMethod | None = None
        self.pause = methods.pause
        self.resume = methods.resume

    def begin(self) -> None:
        self._alike.add(self)
        self._running = self._methods.begin(self._inquiry.method, self._inquiry.params, self._notify, self._done)

    def cancel(self) -> None:
        self._alike.discard(self)
        self._methods.resume()  # or its end would be held back
        if self._running:
            self._running.cancel()

    def end(self, message: str) -> None:
        self._inquiry.refuse(NOT_LOGGED_IN, message)
        self.cancel()

    def _notify(self, name: str, params: dict[str, Any]) -> None:
        if name == "$/item":
            self._inquiry.item(encode(params["value"]))
        elif name == "$/progress":
            self._inquiry.progress(**params)

    def _done(self, result: object) -> None:
        self._alike.discard(self)
        inquiry = self._inquiry
        if isinstance(result, RequestError):
            inquiry.refuse(result.code, str(result), result.data)
            return
        try:
            encoded = encode(result)
        except (ValueError, RecursionError) as error:
            inquiry.refuse(FAILED, f"{inquiry.method}: its result cannot be sent as JSON: {error}")
        else:
            inquiry.answer(encoded)
