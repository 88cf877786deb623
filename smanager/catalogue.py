"""What there is to call: the services files, the services found in them, and which name is whose."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smanager.commands import Command, CommandError, Status
from smanager.hosts.handle import Host
from smanager.states import Event, State, next_state

log = logging.getLogger("smanager")


@dataclass(eq=False, slots=True)
class Service:
    """A service as callers know it."""

    name: str
    title: str
    doc: str
    commands: dict[str, Command]
    file: ServicesFile
    line: int
    state: State = State.STOPPED
    reason: str = ""

    @property
    def summary(self) -> str:
        return self.doc.partition("\n")[0]

    @property
    def condition(self) -> str:
        return f"{self.state.value} ({self.reason})" if self.reason else self.state.value

    def take(self, event: Event, reason: str = "") -> None:
        """Go to the state that follows `event`, and remember why."""
        self.state = next_state(self.state, event)
        self.reason = reason
        log.debug("%s: %s", self.name, self.condition)


@dataclass(eq=False, slots=True)
class ServicesFile:
    """A file of services, the host that runs it, and the task that keeps the host up."""

    path: Path
    services: list[Service] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    host: Host | None = None
    keeper: asyncio.Task[None] | None = None
    unwanted: asyncio.Event = field(default_factory=asyncio.Event)
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def caption(self) -> str:
        """How the whole file is called in the log: by its services, or its own name where there are none."""
        return "+".join(service.name for service in self.services) or self.path.name

    def take(self, event: Event, reason: str = "") -> None:
        for service in self.services:
            service.take(event, reason)

    def check_ready(self) -> None:
        if all(service.state is not State.STARTING for service in self.services):
            self.ready.set()

    def begin(self) -> None:
        """Another host is made for it."""
        for service in self.services:
            service.take(Event.START)

    def is_unusable(self, problems: Iterable[str]) -> None:
        self.services, self.problems = [], list(problems)


class Catalogue:
    """All services files by path, services by name, and toplevel commands by name."""

    def __init__(self, directories: Sequence[Path], reserved: Iterable[str]) -> None:
        """List what is in `directories`; the names in `reserved` are the manager's own commands."""
        self._directories = directories
        self._reserved = frozenset(reserved)
        self.files: dict[Path, ServicesFile] = {}
        self.services: dict[str, Service] = {}
        self.toplevel: dict[str, tuple[Service, Command]] = {}
        self.generation = 0
        """Changes whenever the services or their commands have changed."""

    def find_files(self) -> dict[Path, ServicesFile]:
        """Look which services files there are now; what is known of them stays.

        Raises CommandError where a directory cannot be read.
        """
        try:
            paths = [path for directory in self._directories for path in services_files(directory)]
        except OSError as error:
            raise CommandError(f"cannot read the services directory {error.filename}: {error.strerror}") from None
        return {path: self.files.get(path) or ServicesFile(path) for path in paths}

    def list_files(self, files: dict[Path, ServicesFile]) -> None:
        self.files = files
        self.publish()

    def find_file(self, name: str) -> ServicesFile:
        """The file of the service of that name, or of that name itself. Raises CommandError where there is none."""
        for path, file in self.files.items():
            if name in (path.name, path.stem) and name not in self.services:
                return file
        return self.find(name).file

    def find(self, name: str) -> Service:
        """The service of that name. Raises CommandError where there is none."""
        try:
            return self.services[name]
        except KeyError:
            known = ", ".join(self.services) or "none"
            raise CommandError(f"no service is called {name}; there are: {known}", Status.UNUSABLE) from None

    def problems(self) -> Iterator[tuple[ServicesFile, str]]:
        """What is wrong with the services files, in their order."""
        for file in self.files.values():
            for problem in file.problems:
                yield file, problem

    def adopt(self, file: ServicesFile, report: dict[str, Any]) -> None:
        """Take in what a host has found in its file; every service of it is `starting` then, or still."""
        before = {service.name: service.state for service in file.services}
        file.services, file.problems = [], [str(problem) for problem in report["problems"]]
        for data in report["services"]:
            commands = [Command.from_data(command) for command in data.pop("commands")]
            service = Service(**data, commands={command.name: command for command in commands}, file=file)
            if problem := self._name_problem(service):
                file.problems.append(f"line {service.line}: {problem}")
            else:
                service.state = before.get(service.name, State.STOPPED)
                if service.state is not State.STARTING:
                    service.take(Event.START)
                file.services.append(service)

    def _name_problem(self, service: Service) -> str:
        name = service.name
        if not name or not name.isprintable() or not set(name).isdisjoint(" '\"\\;{?"):
            return f"{name!r} is no name for a service: it has to be one word without quotes, ; {{ and ?"
        if name in self._reserved:
            return f"the name {name} is a command of the manager; give the class another `name`"
        loaded = [other for file in self.files.values() if file.loaded.is_set() for other in file.services]
        for other in [*service.file.services, *loaded]:
            if other.name == name:
                return f"the name {name} is used in {other.file.path}, line {other.line}; give the class another `name`"
        return ""

    def publish(self) -> None:
        """Make what the files hold now known to callers: services by name, then their toplevel commands."""
        found = [service for file in self.files.values() for service in file.services]
        self.services = {service.name: service for service in sorted(found, key=lambda service: service.name)}
        self.toplevel = {}
        for service in self.services.values():
            for command in sorted(service.commands.values(), key=lambda command: command.name):
                if command.toplevel:
                    self._publish_toplevel(service, command)
        self.generation += 1

    def _publish_toplevel(self, service: Service, command: Command) -> None:
        if command.name in self._reserved or command.name in self.services:
            owner = "the manager's or a service's"
        elif command.name in self.toplevel:
            owner = self.toplevel[command.name][0].name + "'s"
        else:
            self.toplevel[command.name] = (service, command)
            return
        problem = f"toplevel_cmd_{command.name} of {service.name} needs its service's name: {command.name} is {owner}"
        if problem not in service.file.problems:
            service.file.problems.append(problem)


def services_files(directory: Path) -> list[Path]:
    """The files and packages of a services directory that may hold services, by name."""
    return sorted(
        path
        for path in directory.iterdir()
        if not path.name.startswith(("_", "."))
        and (path.suffix == ".py" or (os.access(path, os.X_OK) and (path / "__init__.py").is_file()))
    )
