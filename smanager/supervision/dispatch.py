"""The one way from a command to its method, for every face: permission, audit journal, method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smanager.access.audit import NO_COMMAND, NOT_ALLOWED, described, without_secrets
from smanager.access.callers import Caller
from smanager.access.roles import EVERYONE
from smanager.commands.arguments import Arguments
from smanager.commands.record import Command, CommandError, Status
from smanager.hosts.call import Call, Invocation, Sink
from smanager.service import VIEW
from smanager.supervision.catalogue import Service
from smanager.supervision.commands.own import OwnCommand, Requester
from smanager.supervision.manager import Manager
from smanager.supervision.running import OwnCall, lasts


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Runs commands: the services' in their hosts, and the manager's own."""

    manager: Manager

    def call(self, service: Service, command: Command, invocation: Invocation, caller: Caller) -> Call:
        """Run a service's command. Raises CommandError if the caller may not run it, or the service cannot now."""
        manager, caption = self.manager, invocation.caption
        if not caller.permissions.allow_command(service.name, command):
            self._refuse(caller, caption)
        if (keeper := manager.keepers.get(service.name)) is None:
            raise CommandError(f"{caption}: {service.name} is gone")
        entry = manager.audit.begin(caller, caption, invocation.described)
        try:
            manager.jobs.refuse_second(service, command, caption)
            call = keeper.call(command, invocation)
        except CommandError as error:
            entry.end(str(error))
            raise
        manager.jobs.add(call, command, service, caller, entry)
        return call

    def run(self, own: OwnCommand, arguments: Arguments, requester: Requester, sink: Sink) -> OwnCall | None:
        """Run one of the manager's own commands; None if it has ended. Raises CommandError if it fails at once."""
        command, caller, manager = own.command, requester.caller, self.manager
        name = f"{requester.here} {command.name}" if requester.here else command.name
        if not caller.permissions.show(command):
            self._refuse(caller, name)
        facts = described(name, without_secrets(command, arguments))
        changes = command.role not in (VIEW, EVERYONE)
        entry = manager.audit.begin(caller, name, facts, may_be_lost=command.without_journal, at_once=changes)
        try:
            result = own.call(manager, requester, arguments)
        except Exception as error:
            entry.end(str(error))
            raise
        if lasts(result):
            running = OwnCall(result, command.name, sink)
            manager.jobs.add(running, command, None, caller, entry)
            return running
        entry.end(None)
        if result is not None:
            sink.value(result)
        return None

    def unknown(self, caller: Caller, name: str, words: Sequence[str]) -> None:
        """Journal a command that does not exist for the caller: its name as given, and its words."""
        exists = self.manager.catalogue.has_command(*words)
        self.manager.audit.refused(caller, name, NOT_ALLOWED if exists else NO_COMMAND)

    def _refuse(self, caller: Caller, name: str) -> None:
        """Refuse a command to a caller who has lost a permission since the caller's shell was made."""
        self.manager.audit.refused(caller, name, NOT_ALLOWED)
        raise CommandError(f"unknown command: {name}", Status.UNUSABLE)
