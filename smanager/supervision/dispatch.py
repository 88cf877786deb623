"""The one way from a command to its method, for every face: permission, audit journal, method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from smanager.access.audit import NO_COMMAND, NOT_ALLOWED, described, without_secrets
from smanager.access.callers import Caller
from smanager.access.roles import EVERYONE
from smanager.commands.arguments import Arguments, accept
from smanager.commands.record import Command, CommandError, Status
from smanager.hosts.call import Call
from smanager.hosts.frames import to_json
from smanager.hosts.job import BoundCommand, Invocation, Sink
from smanager.service import VIEW
from smanager.supervision.commands.own import Again, OwnCommand, Requester
from smanager.supervision.commands.registry import OWN_COMMANDS
from smanager.supervision.manager import Manager
from smanager.supervision.running import OwnCall, Running, lasts
from smanager.system.moments import Moment

Plan = Callable[[Requester, Sink], Running | None]
"""What a program's request means, once that has been found out. Whether the caller may do that is asked each time."""


def bound_own(command: Command, arguments: Arguments, here: str = "") -> BoundCommand:
    """One of the manager's own commands, as given in the shell of the service `here`, if in one's."""
    facts = described(f"{here} {command.name}".lstrip(), without_secrets(command, arguments))
    return BoundCommand(command, "", arguments, command.name, facts)


def bound_to_service(service: str, command: Command, arguments: Arguments, caption: str) -> BoundCommand:
    """A service's command; `caption` is what messages call it."""
    encoded = to_json([service, command.method, *arguments])[1:-1]
    facts = described(caption, without_secrets(command, arguments))
    return BoundCommand(command, service, arguments, caption, facts, encoded)


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Runs commands: the services' in their hosts, and the manager's own."""

    manager: Manager

    def call(self, bound: BoundCommand, requester: Requester, sink: Sink) -> Call:
        """Run a service's command. Raises CommandError if the caller may not run it, or the service cannot now."""
        manager, caption, caller = self.manager, bound.caption, requester.caller
        if not caller.permissions.allow_command(bound.service, bound.command):
            self._refuse(caller, caption)
        if (keeper := manager.keepers.get(bound.service)) is None:
            raise CommandError(f"{caption}: {bound.service} is gone")
        invocation = Invocation(bound, caller, sink, "", requester.kept, requester.repeats)
        journal = manager.audit.begin(caller, caption, bound.described)
        try:
            manager.jobs.refuse_second(invocation)
            call = keeper.call(invocation)
        except CommandError as error:
            manager.jobs.end_at_once(invocation, journal, Moment(), error)
            raise
        manager.jobs.add(call, journal)
        return call

    def run(self, own: OwnCommand, bound: BoundCommand, requester: Requester, sink: Sink) -> Running | None:
        """Run one of the manager's own commands; None if it has ended. Raises CommandError if it fails at once."""
        command, caller, manager = own.command, requester.caller, self.manager
        name = f"{requester.here} {command.name}" if requester.here else command.name
        if not caller.permissions.show(command):
            self._refuse(caller, name)
        changes = command.role not in (VIEW, EVERYONE)
        since, journal = Moment(), 0
        if command.journaled:
            journal = manager.audit.begin(
                caller, name, bound.described, may_be_lost=command.without_journal, at_once=changes
            )
        try:
            result = own.call(manager, requester, bound.arguments)
        except Exception as error:
            manager.jobs.end_at_once(own_invocation(bound, requester, sink), journal, since, error)
            raise
        if lasts(result):
            running = OwnCall(result, own_invocation(bound, requester, sink))
            running.since = since
            manager.jobs.add(running, journal)
            return running
        if requester.kept is not None or manager.jobs.keeps("", command):
            manager.jobs.end_at_once(own_invocation(bound, requester, sink), journal, since, result)
        else:
            manager.jobs.conclude(journal, since, "", command, None)
        if isinstance(result, Again):
            return self._again(result, requester, sink)
        if result is not None:
            sink.value(result)
        return None

    def _again(self, again: Again, requester: Requester, sink: Sink) -> Running | None:
        """Run a command that ran before. Raises CommandError if the caller may not, or the command is gone."""
        if not again.service:
            own = OWN_COMMANDS.get(again.command)
            if own is None:
                self._refuse(requester.caller, again.command)
            arguments = accept(own.command, again.command, again.arguments)
            return self.run(own, bound_own(own.command, arguments, requester.here), requester, sink)
        caption = f"{again.service} {again.command}"
        service = self.manager.catalogue.services.get(again.service)
        command = service.commands.get(again.command) if service else None
        if service is None or command is None:
            self._refuse(requester.caller, caption)
        arguments = accept(command, caption, again.arguments)
        return self.call(bound_to_service(service.name, command, arguments, caption), requester, sink)

    def unknown(self, caller: Caller, name: str, words: Sequence[str]) -> None:
        """Journal a command that does not exist for the caller: its name as given, and its words."""
        exists = self.manager.catalogue.has_command(*words)
        self.manager.audit.refused(caller, name, NOT_ALLOWED if exists else NO_COMMAND)

    def _refuse(self, caller: Caller, name: str) -> NoReturn:
        """Refuse a command that is gone, or that the caller may no longer run, since the caller's shell was made."""
        self.manager.audit.refused(caller, name, NOT_ALLOWED)
        raise CommandError(f"unknown command: {name}", Status.UNUSABLE)


def own_invocation(bound: BoundCommand, requester: Requester, sink: Sink) -> Invocation:
    """How one of the manager's own commands was given: for those of which something is kept, or which take time."""
    return Invocation(bound, requester.caller, sink, requester.here, requester.kept, requester.repeats)
