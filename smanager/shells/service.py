"""The shell of one service: a `do_` method for each of its commands, made from the command's record."""

from __future__ import annotations

from smanager.commands.line import split_words
from smanager.commands.record import CommandError, Status
from smanager.shells import pages
from smanager.shells.base import Shell
from smanager.shells.methods import command_methods
from smanager.shells.view import View
from smanager.supervision.catalogue import Service


class ServiceShell(Shell):
    """The commands of a service, without its name before them."""

    service: Service
    view: View

    @property
    def here(self) -> str:
        return self.service.name

    def do_help(self, arg: str) -> None:
        """Print the help dialogue for this service"""
        match split_words(arg):
            case []:
                self.results.write(pages.service_help(self.service, self.view.commands(self.here)))
            case [name]:
                self.results.write(self.command_help(self.full_name(name)))
            case _:
                raise CommandError("help: too many arguments; usage: help [command]", Status.UNUSABLE)

    def command_help(self, name: str) -> str:
        """The page of one command. Raises CommandError for an unknown one."""
        if command := self.view.called(self.here).get(name):
            return pages.command_help(f"{self.here} {name}", command)
        if hasattr(self, "do_" + name):
            return pages.own_help(name, self.view.own, self)
        alternatives = ", ".join(self.alternatives(name)) or "help"
        raise CommandError(f"{self.here} has no command {name}; nearest: {alternatives}", Status.UNUSABLE)

    def default(self, line: str) -> None:
        name, service = line.split(None, 1)[0], self.here
        message = f"{service} has no command {name}; {self.hint(name)}`{service} help` lists the commands"
        raise CommandError(message, Status.UNUSABLE)


def service_shell(service: Service, view: View, own: type[Shell]) -> type[ServiceShell]:
    """Adapt a service: the shell class whose `do_` methods run the commands that a view shows.

    `own` has the methods of the manager's own commands.
    """
    commands, called = view.commands(service.name), view.called(service.name)
    namespace: dict[str, object] = {"service": service, "view": view, "prompt": f"{service.name}>"}
    for name, command in called.items():
        namespace |= command_methods(service, command, name, f"{service.name} {name}")
    listed = {command.name for command in commands.values() if not command.hidden}
    namespace["unlisted"] = frozenset(called.keys() - listed)
    namespace["in_full"] = own.in_full | {name for name, command in called.items() if not command.abbreviated}
    namespace["forbidden"] = own.forbidden - called.keys()
    return type(f"{service.title}Shell", (ServiceShell, own), namespace)
