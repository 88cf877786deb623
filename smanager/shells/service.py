"""The shell of one service: a `do_` method for each of its commands, made from the command's record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from smanager.access.audit import WRONG_ARGUMENTS
from smanager.commands.arguments import Binding
from smanager.commands.record import Command, CommandError, Status, split_words
from smanager.shells import completion, pages
from smanager.shells.base import Absent, Outcome, Shell
from smanager.shells.operations import BUILT_INS, Operations
from smanager.shells.view import View
from smanager.supervision.catalogue import Service


class ServiceShell(Operations):
    """The commands of a service, without its name before them."""

    service: Service
    commands: Mapping[str, Command]
    """Those that the caller may run."""
    called: Mapping[str, Command]
    """The same by all their names."""

    @property
    def here(self) -> list[str]:
        return [self.service.name]

    def do_help(self, arg: str) -> None:
        """Print the help dialogue for this service"""
        match split_words(arg):
            case []:
                self.stdout.write(pages.service_help(self.service, self.commands))
            case [name]:
                self.stdout.write(self.command_help(self.full_name(name)))
            case _:
                raise CommandError("help: too many arguments; usage: help [command]", Status.UNUSABLE)

    def command_help(self, name: str) -> str:
        """The page of one command. Raises CommandError where it is unknown."""
        if command := self.called.get(name):
            return pages.command_help(f"{self.service.name} {name}", command)
        if hasattr(self, "do_" + name):
            return self.built_in_doc(name) + "\n"
        alternatives = ", ".join(self.alternatives(name)) or "help"
        raise CommandError(f"{self.service.name} has no command {name}; nearest: {alternatives}", Status.UNUSABLE)

    def default(self, line: str) -> None:
        name, service = line.split(None, 1)[0], self.service.name
        alternatives = ", ".join(self.alternatives(name))
        hint = f"did you mean: {alternatives}? " if alternatives else ""
        message = f"{service} has no command {name}; {hint}`{service} help` lists what there is"
        raise CommandError(message, Status.UNUSABLE)


def service_shell(service: Service, view: View) -> type[ServiceShell]:
    """Adapt a service: the shell class whose `do_` methods run those of its commands that a view shows."""
    commands, called = view.commands(service.name), view.called(service.name)
    namespace: dict[str, object] = {"service": service, "commands": commands, "called": called}
    namespace |= {"prompt": f"{service.name}>", **absences(view)}
    for name, command in called.items():
        namespace["do_" + name] = runner(service, command, f"{service.name} {name}")
        namespace["complete_" + name] = completer(service, command)
    listed = {command.name for command in commands.values() if not command.hidden}
    namespace["unlisted"] = frozenset(called.keys() - listed)
    namespace["of_services"] = frozenset(called)
    return type(f"{service.title}Shell", (ServiceShell,), namespace)


def absences(view: View) -> dict[str, object]:
    """What stands in a shell class for the manager's own commands that a view does not show."""
    return {f"do_{name}": Absent() for name in BUILT_INS if name not in view.built_ins}


def runner(service: Service, command: Command, caption: str) -> Callable[[Shell, str], Outcome]:
    """A `do_` method that runs a service's command; `caption` is what the command is called in messages."""

    binding = Binding(command)

    def run(shell: Shell, arg: str) -> Outcome:
        try:
            arguments = binding.bind(caption, split_words(arg))
        except CommandError:
            shell.manager.audit.refused(shell.caller, caption, WRONG_ARGUMENTS)
            raise
        results = shell.results
        caller = shell.caller
        return shell.manager.call(service, command, arguments, caption, caller, results, results.as_data)

    run.__doc__ = command.doc
    return run


def completer(service: Service, command: Command) -> Callable[[Shell, str, str, int, int], Awaitable[list[str]]]:
    """A `complete_` method for the words of a command's arguments."""

    async def complete(shell: Shell, text: str, line: str, begin: int, end: int) -> list[str]:
        return await completion.arguments(shell.manager, service, command, text, line, begin)

    return complete
