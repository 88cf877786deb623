"""Services as callers: what they ask the manager is answered as a program's requests are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smanager.access.callers import Caller
from smanager.access.origin import Origin, OriginKind
from smanager.hosts.inquiries import Inquiry, InquiryWork
from smanager.server.rpc.errors import FAILED, RequestError
from smanager.server.rpc.methods import Done, Methods, RunningMethod
from smanager.server.rpc.protocol import Notify
from smanager.server.rpc.requests import encode
from smanager.shells.root import Shells

DEEPEST = 8  # commands that may wait for one another; more are taken for a cycle, each round of which takes a worker


class ServiceAnswers:
    """Answers the inquiries of all services."""

    def __init__(self, shells: Shells) -> None:
        self._shells = shells

    def begin(self, inquiry: Inquiry) -> InquiryWork | None:
        try:
            caller = self._caller(inquiry)
        except RequestError as error:
            inquiry.refuse(error.code, str(error))
            return None
        answer = _Answering(Methods(self._shells, caller))
        answer.running = answer.methods.begin(inquiry.method, inquiry.params, _notifier(inquiry), _finisher(inquiry))
        return answer

    def _caller(self, inquiry: Inquiry) -> Caller:
        """Whose permissions count. Raises RequestError for a service without any, and for a cycle of calls."""
        name, outer = inquiry.service, inquiry.within.caller if inquiry.within else None
        depth = outer.depth + 1 if outer else 0
        if depth > DEEPEST:
            raise RequestError(FAILED, f"{inquiry.method}: {DEEPEST} commands wait for one another; is there a cycle?")
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

    def __init__(self, methods: Methods) -> None:
        self.methods = methods
        self.running: RunningMethod | None = None
        self.pause = methods.pause
        self.resume = methods.resume

    def cancel(self) -> None:
        self.methods.resume()  # or its end would be held back
        if self.running:
            self.running.cancel()


def _notifier(inquiry: Inquiry) -> Notify:
    def notify(name: str, params: dict[str, Any]) -> None:
        if name == "$/item":
            inquiry.item(encode(params["value"]))
        else:
            inquiry.progress(**params)

    return notify


def _finisher(inquiry: Inquiry) -> Done:
    def done(result: object) -> None:
        if isinstance(result, RequestError):
            inquiry.refuse(result.code, str(result), result.data)
            return
        try:
            encoded = encode(result)
        except (ValueError, RecursionError) as error:
            inquiry.refuse(FAILED, f"{inquiry.method}: its result cannot be sent as JSON: {error}")
        else:
            inquiry.answer(encoded)

    return done
