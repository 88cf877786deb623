"""What a caller may know of the catalogue and of the manager's own commands."""

from __future__ import annotations

from collections.abc import Mapping

from smanager.access.roles import Permissions
from smanager.commands.record import Command
from smanager.supervision.catalogue import Catalogue, Service, ServicesFile
from smanager.supervision.commands.own import OwnCommand
from smanager.supervision.dispatch import Plan
from smanager.terminal.text import one_spelling

Called = tuple[Service, Command]


class View:
    """The services and commands that one set of permissions shows; everything else does not exist for the caller."""

    def __init__(self, catalogue: Catalogue, permissions: Permissions, own: Mapping[str, OwnCommand]) -> None:
        self._catalogue = catalogue
        self._permissions = permissions
        self.own = {name: one for name, one in own.items() if permissions.show(one.command)}
        """The manager's own commands."""
        self.forbidden = frozenset(own.keys() - self.own.keys())
        self.commands = {
            service.name: {
                name: command
                for name, command in service.commands.items()
                if permissions.allow_command(service.name, command)
            }
            for service in catalogue.services.values()
        }
        """Each service's commands by name."""
        self.called = {
            service: {name: command for command in commands.values() for name in (command.name, *command.aliases)}
            for service, commands in self.commands.items()
        }
        """Each service's commands by name and alias."""
        self.services = {
            name: service
            for name, service in catalogue.services.items()
            if self.commands[name] or permissions.know(name)
        }
        """Those on which the caller may run anything, or about which the caller may ask."""
        self._spelled = {one_spelling(name): service for name, service in self.services.items()}
        self.called_toplevel = {
            name: (service, command)
            for name, (service, command) in catalogue.called_toplevel.items()
            if permissions.allow_command(service.name, command)
        }
        """Toplevel commands by their names and aliases."""
        self.plans: dict[tuple[str, str], Plan] = {}
        """What programs' requests mean, by method and params; a view lasts as long as that holds."""
        self.toplevel = {name: pair for name, pair in self.called_toplevel.items() if name == pair[1].name}

    def service(self, name: str) -> Service | None:
        """The service of this name, in which dashes may stand for underscores or the other way."""
        return self._spelled.get(one_spelling(name))

    def method(self, name: str) -> Called | None:
        """The command that programs call by this name: `SERVICE.COMMAND`, or a toplevel command's own name."""
        service_name, _, command_name = name.rpartition(".")
        spelled = one_spelling(command_name)
        if service := self.service(service_name):
            command = self.called[service.name].get(spelled)
            return (service, command) if command else None
        return None if service_name else self.called_toplevel.get(spelled)

    def problems(self) -> list[tuple[ServicesFile, str]]:
        """The problems of services files, for a caller who may know all services."""
        return list(self._catalogue.problems()) if self._permissions.know_all(self._catalogue.services) else []
