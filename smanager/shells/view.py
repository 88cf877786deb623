"""What of the catalogue a caller may know of."""

from __future__ import annotations

from collections.abc import Iterable

from smanager.access.roles import Permissions
from smanager.commands.record import Command
from smanager.supervision.catalogue import Catalogue, Service, ServicesFile


class View:
    """The services and commands that one set of permissions shows; all else is as if it did not exist."""

    def __init__(self, catalogue: Catalogue, permissions: Permissions, built_ins: Iterable[str]) -> None:
        """`built_ins` are the names of the manager's own commands."""
        self._catalogue = catalogue
        self._permissions = permissions
        self.built_ins = tuple(filter(permissions.show, built_ins))
        self._commands = {name: self._shown(service) for name, service in catalogue.services.items()}
        self._called = {name: by_all_names(commands) for name, commands in self._commands.items()}
        self.services = {name: service for name, service in catalogue.services.items() if self._is_shown(name)}
        self.called_toplevel = {
            name: (service, command)
            for name, (service, command) in catalogue.called_toplevel.items()
            if permissions.allow_command(service.name, command)
        }
        """Toplevel commands by all their names, aliases too."""
        self.toplevel = {name: found for name, found in self.called_toplevel.items() if name == found[1].name}

    def commands(self, service: str) -> dict[str, Command]:
        """Those of a service."""
        return self._commands[service]

    def called(self, service: str) -> dict[str, Command]:
        """The same by all their names, aliases too."""
        return self._called[service]

    def problems(self) -> list[tuple[ServicesFile, str]]:
        """What is wrong with services files, for who may know of all services."""
        return list(self._catalogue.problems()) if self._permissions.know_all(self._catalogue.services) else []

    def conditions(self) -> dict[str, str]:
        """How each service is."""
        return {name: service.condition_for(self._permissions.know) for name, service in self.services.items()}

    def _shown(self, service: Service) -> dict[str, Command]:
        allow = self._permissions.allow_command
        return {name: command for name, command in service.commands.items() if allow(service.name, command)}

    def _is_shown(self, service: str) -> bool:
        """Whether anything may be done with it, or asked about it."""
        return bool(self._commands[service]) or self._permissions.know(service)


def by_all_names(commands: dict[str, Command]) -> dict[str, Command]:
    return {name: command for command in commands.values() for name in (command.name, *command.aliases)}
