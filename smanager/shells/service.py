"""The shell of one service: a `do_` method for each of its commands, made from the command's record."""

from __future__ import annotations

from smanager.commands.line import split_words
from smanager.commands.record import CommandError, Status
from smanager.shells import pages
from smanager.shells.base import Shell
from smanager.shells.methods import adapted
from smanager.shells.view import View
from smanager.supervision.catalogue import Service


class ServiceShell(Shell):
    """The commands of a service, without its name before them."""

    service: Service
    view: View

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

    def unknown(self, name: str) -> str:
        return f"{self.here} has no command {name}; {self.hint(name)}`{self.here} help` lists the commands"


def service_shell(service: Service, view: View, own: type[Shell]) -> type[ServiceShell]:
    """Adapt a service: the shell class whose `do_` methods run the commands that a view shows.

    `own` has the methods of the manager's own commands.
    """
    called = {name: (service, command) for name, command in view.called(service.name).items()}
    attributes = adapted(own, called, f"{service.name} ")
    attributes |= {"service": service, "here": service.name, "view": view, "prompt": f"{service.name}>"}
    return type(f"{service.title}Shell", (ServiceShell, own), attributes)
