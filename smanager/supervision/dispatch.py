"""The one way from a command to its method, for every face: permission, audit journal, method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from smanager.access.audit import NO_COMMAND, NOT_ALLOWED, described, without_secrets
from smanager.access.callers import Caller
from smanager.access.roles import EVERYONE
from smanager.commands.arguments import Arguments, accept
from smanager.commands.record import Command, CommandError, Status
from smanager.hosts.call import Call
from smanager.hosts.job import Invocation, Sink
from smanager.service import VIEW
from smanager.supervision.commands.own import Again, OwnCommand, Requester
from smanager.supervision.commands.registry import OWN_COMMANDS
from smanager.supervision.manager import Manager
from smanager.supervision.running import OwnCall, Running, lasts
from smanager.system.moments import Moment


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Runs commands: the services' in their hosts, and the manager's own."""

    manager: Manager

    def call(self, invocation: Invocation) -> Call:
        """Run a service's command. Raises CommandError if the caller may not run it, or the service cannot now."""
        manager, caption, caller = self.manager, invocation.caption, invocation.caller
        if not caller.permissions.allow_command(invocation.service, invocation.command):
            self._refuse(caller, caption)
        if (keeper := manager.keepers.get(invocation.service)) is None:
            raise CommandError(f"{caption}: {invocation.service} is gone")
        journal = manager.audit.begin(caller, caption, invocation.described)
        try:
            manager.jobs.refuse_second(invocation)
            call = keeper.call(invocation)
        except CommandError as error:
            manager.jobs.end_at_once(invocation, journal, Moment(), error)
            raise
        manager.jobs.add(call, journal)
        return call

    def run(self, own: OwnCommand, arguments: Arguments, requester: Requester, sink: Sink) -> Running | None:
        """Run one of the manager's own commands; None if it has ended. Raises CommandError if it fails at once."""
        command, caller, manager = own.command, requester.caller, self.manager
        name = f"{requester.here} {command.name}" if requester.here else command.name
        if not caller.permissions.show(command):
            self._refuse(caller, name)
        facts = described(name, without_secrets(command, arguments))
        changes = command.role not in (VIEW, EVERYONE)
        since, journal = Moment(), 0
        if command.journaled:
            journal = manager.audit.begin(caller, name, facts, may_be_lost=command.without_journal, at_once=changes)
        try:
            result = own.call(manager, requester, arguments)
        except Exception as error:
            manager.jobs.end_at_once(own_invocation(command, arguments, requester, sink), journal, since, error)
            raise
        if lasts(result):
            running = OwnCall(result, own_invocation(command, arguments, requester, sink))
            running.since = since
            manager.jobs.add(running, journal)
            return running
        if requester.kept is not None or manager.jobs.keeps("", command):
            manager.jobs.end_at_once(own_invocation(command, arguments, requester, sink), journal, since, result)
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
            return self.run(own, accept(own.command, again.command, again.arguments), requester, sink)
        caption = f"{again.service} {again.command}"
        service = self.manager.catalogue.services.get(again.service)
        command = service.commands.get(again.command) if service else None
        if service is None or command is None:
            self._refuse(requester.caller, caption)
        arguments = accept(command, caption, again.arguments)
        facts = described(caption, without_secrets(command, arguments))
        kept, repeats = requester.kept, requester.repeats
        return self.call(
            Invocation(command, service.name, arguments, caption, requester.caller, facts, sink, "", kept, repeats)
        )

    def unknown(self, caller: Caller, name: str, words: Sequence[str]) -> None:
        """Journal a command that does not exist for the caller: its name as given, and its words."""
        exists = self.manager.catalogue.has_command(*words)
        self.manager.audit.refused(caller, name, NOT_ALLOWED if exists else NO_COMMAND)

    def _refuse(self, caller: Caller, name: str) -> NoReturn:
        """Refuse a command that is gone, or that the caller may no longer run, since the caller's shell was made."""
        self.manager.audit.refused(caller, name, NOT_ALLOWED)
        raise CommandError(f"unknown command: {name}", Status.UNUSABLE)


def own_invocation(command: Command, arguments: Arguments, requester: Requester, sink: Sink) -> Invocation:
    """How one of the manager's own commands was given: for those of which something is kept, or which take time."""
    here, kept, repeats = requester.here, requester.kept, requester.repeats
    return Invocation(command, "", arguments, command.name, requester.caller, "", sink, here, kept, repeats)
