"""What there is to call: the services files, the services found in them, and which name is whose."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smanager.commands.record import Command, CommandError
from smanager.config.checks import SettingsError, nearest
from smanager.config.file import Services
from smanager.config.service import Settings, settings_of
from smanager.hosts.source import services_files
from smanager.logs.history import History, listed
from smanager.supervision.graph import circles
from smanager.supervision.states import State
from smanager.system.errors import in_words


@dataclass(eq=False, slots=True)
class Service:
    """A service as callers know it, and how it is."""

    name: str
    file: ServicesFile
    title: str = ""
    doc: str = ""
    line: int = 0
    commands: dict[str, Command] = field(default_factory=dict)
    is_program: bool = False
    class_given: dict[str, Any] = field(default_factory=dict)
    """Its settings as its class has written them."""
    given: dict[str, Any] = field(default_factory=dict)
    """The same with those of the configuration, which have the last word."""
    settings: Settings = field(default_factory=Settings)
    state: State = State.STOPPED
    reason: str = ""
    waits_for: Sequence[str] = ()
    """Services that have to be up before it begins, and are not."""
    fingerprint: object = None
    """What told its file from others when its process loaded it."""
    since: float = 0.0
    """When it came into its state, by the monotonic clock."""
    history: History = field(default_factory=History)

    @property
    def summary(self) -> str:
        return self.doc.partition("\n")[0]

    @property
    def condition(self) -> str:
        """How it is, in words that anybody may be told who may know of it."""
        return self.condition_for(lambda name: False)

    @property
    def source(self) -> Path | None:
        """The file that its class is in; None for a program that only the configuration knows."""
        return self.file.path if self.file.is_code else None

    def enter(self, state: State, reason: str, now: float) -> None:
        """Be in `state` from here on."""
        self.state, self.reason, self.since = state, reason, now
        self.waits_for = ()

    def wait_for(self, names: Sequence[str]) -> None:
        """Begin once these are up."""
        self.waits_for = names
        self.reason = "waits for others" if names else ""

    def reason_for(self, knows: Callable[[str], bool]) -> str:
        """Why it is in its state, for somebody who may know the services of such names only."""
        named = list(filter(knows, self.waits_for))
        return f"waits for {listed(named)}" if named else self.reason

    def condition_for(self, knows: Callable[[str], bool]) -> str:
        reason = self.reason_for(knows)
        return f"{self.state.value} ({reason})" if reason else self.state.value


@dataclass(eq=False, slots=True)
class ServicesFile:
    """A file of services: of code, or the configuration with its programs."""

    path: Path
    is_code: bool = True
    services: list[Service] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    fingerprint: object = None
    """The same of what was loaded last."""
    adopted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once what is in it is known."""


class Catalogue:
    """All services files by path, services by name, and toplevel commands by all their names."""

    def __init__(self, services: Services, reserved: Iterable[str]) -> None:
        """List what the configuration says; the names in `reserved` are the manager's own commands."""
        self.configuration = services
        self._reserved = frozenset(reserved)
        self.files: dict[Path, ServicesFile] = {}
        self.services: dict[str, Service] = {}
        self.called_toplevel: dict[str, tuple[Service, Command]] = {}
        self._words: frozenset[tuple[str, ...]] = frozenset()  # by which services and their commands are called
        self.generation = 0
        """Changes whenever the services or their commands have changed."""

    def has_command(self, *words: str) -> bool:
        """Whether a service or a command is called so, be it one for a certain caller or not."""
        return words in self._words or words[-1] in self._reserved

    def reconfigure(self, services: Services, files: dict[Path, ServicesFile]) -> None:
        """Take another configuration and the files that there are with it. Raises SettingsError."""
        self.configuration = services
        self.files = files
        for file in files.values():
            if file.is_code:
                for service in file.services:
                    self.configure(service, service.class_given, service.is_program)
            else:
                self.adopt(file, self.programs())
        self.publish()

    def find_files(self, services: Services | None = None) -> dict[Path, ServicesFile]:
        """Look which services files there are now, or with another configuration; what is known of them stays.

        Raises CommandError where a directory cannot be read.
        """
        services = services or self.configuration
        try:
            paths = [path for directory in services.directories for path in services_files(directory)]
        except OSError as error:
            raise CommandError(f"cannot read the services directory {error.filename}: {in_words(error)}") from None
        files = {path: self.files.get(path) or ServicesFile(path) for path in paths}
        if path := services.path:
            files[path] = self.files.get(path) or ServicesFile(path, is_code=False)
        return files

    def list_files(self, files: dict[Path, ServicesFile]) -> None:
        self.files = files
        self.publish()

    def unloaded_file(self, name: str) -> ServicesFile | None:
        """The file of that name, where nothing in it could be loaded."""
        for path, file in self.files.items():
            if name in (path.name, path.stem) and name not in self.services and not file.services:
                return file
        return None

    def programs(self) -> dict[str, Any]:
        """The programs of the configuration, as a host would report the services of a file."""
        report: dict[str, Any] = {"services": [], "problems": []}
        for name, given in self.configuration.programs.items():
            doc = str(given.get("description", "Runs " + shlex.join(map(str, given["program"]))))
            described = {"name": name, "title": name, "doc": doc, "line": 0, "commands": [], "given": {}}
            report["services"].append({**described, "is_program": True})
        return report

    def check_configuration(self) -> list[str]:
        """Note what is configured and cannot be, once all files are known; returns what was not noted before."""
        before = [problem for _, problem in self.problems()]
        file = self.files.get(self.configuration.path) if self.configuration.path else None
        for name in self.configuration.settings if file else ():
            if file and name not in self.services:
                self._note(file, f"[services.{name}] {self._missing(name)}, and it has no program")
        for name in self.configuration.exit_on if file else ():
            if file and name not in self.services:
                self._note(file, f"exit_on: {self._missing(name)}")
        for service in self.services.values():
            for name in (*service.settings.needs, *service.settings.after):
                if name not in self.services:
                    self._note(service.file, f"[services.{service.name}] waits for {name}: {self._missing(name)}")
        for name, circle in self.circles().items():
            self._note(self.services[name].file, f"[services.{name}] needs a circle: {' → '.join(circle)}")
        return [problem for _, problem in self.problems() if problem not in before]

    def _missing(self, name: str) -> str:
        return f"there is no service {name}; {nearest(name, self.services) if self.services else 'there are none'}"

    def circles(self) -> dict[str, list[str]]:
        """The services that come after themselves, and so can never be started, with the way around."""
        settings = {name: service.settings for name, service in self.services.items()}
        return circles({name: (*given.needs, *given.after) for name, given in settings.items()})

    @staticmethod
    def _note(file: ServicesFile, problem: str) -> None:
        if problem not in file.problems:
            file.problems.append(problem)

    def problems(self) -> Iterator[tuple[ServicesFile, str]]:
        """What is wrong with the services files, in their order."""
        for file in self.files.values():
            for problem in file.problems:
                yield file, problem

    def adopt(self, file: ServicesFile, report: dict[str, Any]) -> None:
        """Take in what a host has found in a file, or the configuration says of its programs.

        A service that was known before goes on as the same object, whatever has changed of it.
        """
        try:
            self._take_in(file, report)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self.cannot_load(file, f"its process describes it as no services file can be: {error!r}")
        else:
            file.adopted.set()
            self.publish()

    def _take_in(self, file: ServicesFile, report: dict[str, Any]) -> None:
        before = {service.name: service for service in file.services}
        file.services, file.problems = [], [str(problem) for problem in report["problems"]]
        file.fingerprint = report.get("fingerprint")
        for data in report["services"]:
            service = before.pop(data["name"], None) or Service(data["name"], file)
            try:
                self._check_name(service, int(data["line"]))
                self._describe(service, data)
            except (CommandError, SettingsError) as error:
                file.problems.append(f"line {data['line']}: {error}" if file.is_code else f"{service.name}: {error}")
            else:
                file.services.append(service)

    def cannot_load(self, file: ServicesFile, problem: str, fingerprint: object = None) -> None:
        """The file, as it is now, is of no use; the services known of it stay, and are tried again."""
        file.problems = [problem]
        file.fingerprint = fingerprint
        file.adopted.set()
        self.publish()

    def _describe(self, service: Service, data: dict[str, Any]) -> None:
        self.configure(service, data["given"], data["is_program"])
        service.title, service.doc, service.line = data["title"], data["doc"], data["line"]
        commands = [Command.from_data(command) for command in data["commands"]]
        service.commands = {command.name: command for command in commands}

    def configure(self, service: Service, class_given: dict[str, Any], is_program: bool) -> None:
        """Give a service the settings of its class and of the configuration. Raises SettingsError."""
        given = {**class_given, **self.configuration.settings.get(service.name, {})}
        service.settings = settings_of(given, is_program)
        service.class_given, service.given, service.is_program = class_given, given, is_program

    def _check_name(self, service: Service, line: int) -> None:
        """Raise CommandError where a service cannot have its name."""
        name = service.name
        if not name or not name.isprintable() or not set(name).isdisjoint(" '\"\\;{[?*/") or name[0] == "-":
            raise CommandError(
                f"{name!r} is no name for a service: it should be one word without quotes and ; {{ [ ? * /, "
                "and not begin with a dash"
            )
        if name in self._reserved or name == "all":
            raise CommandError(f"the name {name} is a command of the manager; give the class another `name`")
        known = [other for file in self.files.values() if file.adopted.is_set() for other in file.services]
        for other in [*service.file.services, *known]:
            if other.name == name and other is not service:
                place = f"{other.file.path}, line {other.line}" if other.line else str(other.file.path)
                raise CommandError(f"the name {name} is used in {place}; give the class another `name`")

    def publish(self) -> None:
        """Make what the files hold now known to callers: services by name, then their toplevel commands."""
        found = [service for file in self.files.values() for service in file.services]
        self.services = {service.name: service for service in sorted(found, key=lambda service: service.name)}
        self.called_toplevel = {}
        toplevel = [
            (service, command)
            for service in self.services.values()
            for command in sorted(service.commands.values(), key=lambda command: command.name)
            if command.toplevel
        ]
        for service, command in toplevel:
            self._publish_toplevel(service, command, command.name)
        for service, command in toplevel:
            for alias in command.aliases:
                self._publish_toplevel(service, command, alias)
        inside = (
            (service.name, name)
            for service in self.services.values()
            for command in service.commands.values()
            for name in (command.name, *command.aliases)
        )
        self._words = frozenset([*inside, *((name,) for name in (*self.services, *self.called_toplevel))])
        self.generation += 1

    def _publish_toplevel(self, service: Service, command: Command, name: str) -> None:
        if name in self._reserved or name in self.services:
            owner = "the manager's or a service's"
        elif name in self.called_toplevel:
            owner = self.called_toplevel[name][0].name + "'s"
        else:
            self.called_toplevel[name] = (service, command)
            return
        what = f"toplevel_cmd_{command.name}" if name == command.name else f"the alias of toplevel_cmd_{command.name}"
        self._note(service.file, f"{what} of {service.name} needs its service's name: {name} is {owner}")
