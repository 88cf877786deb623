"""The one way from a command to its method, for every face: permission, audit journal, method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from smanager.access.audit import NO_COMMAND, NOT_ALLOWED, Entry, described, without_secrets
from smanager.access.callers import Caller
from smanager.access.roles import EVERYONE
from smanager.commands.arguments import Arguments, accept
from smanager.commands.record import Command, CommandError, Status
from smanager.hosts.call import Call, Invocation, Sink
from smanager.service import VIEW
from smanager.supervision.catalogue import Service
from smanager.supervision.commands.own import Again, OwnCommand, Requester
from smanager.supervision.commands.registry import OWN_COMMANDS
from smanager.supervision.jobs import Job
from smanager.supervision.manager import Manager
from smanager.supervision.running import OwnCall, Running, lasts


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Runs commands: the services' in their hosts, and the manager's own."""

    manager: Manager

    def call(self, service: Service, command: Command, invocation: Invocation, requester: Requester) -> Call:
        """Run a service's command. Raises CommandError if the caller may not run it, or the service cannot now."""
        manager, caption, caller = self.manager, invocation.caption, requester.caller
        if not caller.permissions.allow_command(service.name, command):
            self._refuse(caller, caption)
        if (keeper := manager.keepers.get(service.name)) is None:
            raise CommandError(f"{caption}: {service.name} is gone")
        entry = manager.audit.begin(caller, caption, invocation.described)
        job = Job(
            command,
            service,
            invocation.arguments,
            caller,
            entry,
            wanted_by=requester.kept,
            is_repeated=requester.repeats,
        )
        try:
            manager.jobs.refuse_second(service, command, caption)
            call = keeper.call(command, invocation)
        except CommandError as error:
            manager.jobs.end_at_once(job, invocation.sink, error)
            raise
        manager.jobs.add(job, call)
        return call

    def run(self, own: OwnCommand, arguments: Arguments, requester: Requester, sink: Sink) -> Running | None:
        """Run one of the manager's own commands; None if it has ended. Raises CommandError if it fails at once."""
        command, caller, manager = own.command, requester.caller, self.manager
        name = f"{requester.here} {command.name}" if requester.here else command.name
        if not caller.permissions.show(command):
            self._refuse(caller, name)
        facts = described(name, without_secrets(command, arguments))
        changes = command.role not in (VIEW, EVERYONE)
        entry = Entry(manager.audit)
        if command.journaled:
            entry = manager.audit.begin(caller, name, facts, may_be_lost=command.without_journal, at_once=changes)
        try:
            result = own.call(manager, requester, arguments)
        except Exception as error:
            manager.jobs.end_at_once(self._job(command, arguments, requester, entry), sink, error)
            raise
        if lasts(result):
            running = OwnCall(result, command.name, sink)
            manager.jobs.add(self._job(command, arguments, requester, entry), running)
            return running
        if requester.kept is not None or manager.jobs.keeps("", command):
            manager.jobs.end_at_once(self._job(command, arguments, requester, entry), sink, result)
        else:
            manager.jobs.conclude(entry, "", command, None)
        if isinstance(result, Again):
            return self._again(result, requester, sink)
        if result is not None:
            sink.value(result)
        return None

    def _job(self, command: Command, arguments: Arguments, requester: Requester, entry: Entry) -> Job:
        caller, here, kept, repeats = requester.caller, requester.here, requester.kept, requester.repeats
        return Job(command, None, arguments, caller, entry, here, kept, repeats)

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
        invocation = Invocation(arguments, caption, requester.caller, facts, sink)
        return self.call(service, command, invocation, requester)

    def unknown(self, caller: Caller, name: str, words: Sequence[str]) -> None:
        """Journal a command that does not exist for the caller: its name as given, and its words."""
        exists = self.manager.catalogue.has_command(*words)
        self.manager.audit.refused(caller, name, NOT_ALLOWED if exists else NO_COMMAND)

    def _refuse(self, caller: Caller, name: str) -> NoReturn:
        """Refuse a command that is gone, or that the caller may no longer run, since the caller's shell was made."""
        self.manager.audit.refused(caller, name, NOT_ALLOWED)
        raise CommandError(f"unknown command: {name}", Status.UNUSABLE)
