"""The services files, the services found in them, and the names that callers use for both and for commands."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from smanager.access.roles import BUILT_IN
from smanager.commands.record import Command, CommandError
from smanager.config.checks import SettingsError, nearest
from smanager.config.env_file import read_variables
from smanager.config.file import ServicesConfig
from smanager.config.service import ServiceSettings, settings_of
from smanager.hosts.source import FileReport, ReportError, ServiceDescription, services_files, why_untrusted
from smanager.logs.history import ServiceHistory
from smanager.supervision.graph import cycles
from smanager.supervision.reports import ServiceReport
from smanager.supervision.states import State
from smanager.system.errors import in_words
from smanager.system.moments import Moment
from smanager.terminal.text import one_spelling
from smanager.terminal.wording import listed

NOT_IN_NAMES = " '\"\\;{[?*/"
"""Characters that mean something in a line of commands, in a pattern of names, or in the name of a log file."""


@dataclass(eq=False, slots=True)
class Service:
    """A service as callers know it, and its present state."""

    description: ServiceDescription
    file: ServicesFile
    given: Mapping[str, Any] = field(default_factory=dict)
    """Its settings as they were written: those of its class, overridden by the configuration's."""
    settings: ServiceSettings = field(default_factory=ServiceSettings)
    commands: dict[str, Command] = field(default_factory=dict)
    state: State = State.STOPPED
    reason: str = ""
    waits_for: Mapping[str, str] = field(default_factory=dict)
    """The services that have to be up before this one begins, each with why it is not coming."""
    fingerprint: object = None  # identifies the version of its file that its process has loaded
    contents: object = None  # identifies what was in its `env_files` when its program was last started
    since: Moment | None = None  # when the service entered its state
    history: ServiceHistory = field(default_factory=ServiceHistory)

    def configure(self, description: ServiceDescription, services: ServicesConfig) -> None:
        """Take another description, or other settings. Raises SettingsError; nothing has changed then."""
        self.settings = settings_for(description, services)
        self.given = given_settings(description, services)
        self.description = description
        self.commands = {command.name: command for command in description.commands}

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def title(self) -> str:
        return self.description.title

    @property
    def doc(self) -> str:
        return self.description.doc

    @property
    def is_program(self) -> bool:
        return self.description.is_program

    @property
    def summary(self) -> str:
        return self.doc.partition("\n")[0]

    @property
    def source(self) -> Path | None:
        """The file of its class; None for a program that only the configuration knows."""
        return self.file.path if self.file.is_code else None

    def env_file_problems(self) -> list[str]:
        """What is wrong with the files of variables that its program would read now."""
        problems = []
        for path in self.settings.program.env_files if self.settings.program else ():
            try:
                read_variables(path)
            except ValueError as error:
                problems.append(str(error))
        return problems

    def report_for(self, knows: Callable[[str], bool], still: bool = False) -> ServiceReport:
        """How the service is, for a requester who may know of the services for which `knows` is true."""
        named = [f"{name}, {why}" if why else name for name, why in self.waits_for.items() if knows(name)]
        return ServiceReport(self.name, self.state, f"waits for {listed(named)}" if named else self.reason, still)

    @property
    def condition(self) -> str:
        """The state and its reason in words, for a requester who may know of no other service."""
        return self.report_for(lambda name: False).condition


@dataclass(eq=False, slots=True)
class ServicesFile:
    """A file of services: of code, or the configuration with its programs."""

    path: Path
    is_code: bool = True
    services: list[Service] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    fingerprint: object = None
    adopted: asyncio.Event = field(default_factory=asyncio.Event)  # set once its services, or its problems, are known


def given_settings(description: ServiceDescription, services: ServicesConfig) -> dict[str, Any]:
    """A service's settings as written: those of its class, overridden by the configuration's."""
    return {**description.given, **services.settings.get(description.name, {})}


def settings_for(description: ServiceDescription, services: ServicesConfig) -> ServiceSettings:
    """A service's checked settings. Raises SettingsError."""
    return settings_of(given_settings(description, services), description.is_program)


def configured_programs(services: ServicesConfig) -> FileReport:
    """The programs that only the configuration knows, reported as a host reports the services of a file."""
    docs = {name: f"Runs {shlex.join(map(str, given['program']))}" for name, given in services.programs.items()}
    return FileReport(tuple(ServiceDescription(name, name, doc, is_program=True) for name, doc in docs.items()))


class Catalogue:
    """All services files by path, services by name, and toplevel commands by all their names."""

    def __init__(self, services: ServicesConfig, reserved: Iterable[str]) -> None:
        """List the services of a configuration; `reserved` are names that no service may have."""
        self.configuration = services
        self._reserved = frozenset(reserved)
        self.files: dict[Path, ServicesFile] = {}
        self.services: dict[str, Service] = {}
        self.called_toplevel: dict[str, tuple[Service, Command]] = {}
        self._words: frozenset[tuple[str, ...]] = frozenset()  # what callers may write: `service`, `service command`
        self.generation = 0
        """Changes whenever the services or their commands change."""

    def empty(self, services: ServicesConfig) -> Catalogue:
        """Another catalogue, for a configuration that is tried."""
        return Catalogue(services, self._reserved)

    def has_command(self, *words: str) -> bool:
        """Whether these words name a service or a command, whatever a certain caller may see."""
        return tuple(map(one_spelling, words)) in self._words or words[-1] in self._reserved

    # Files.

    def find_files(self, services: ServicesConfig | None = None) -> dict[Path, ServicesFile]:
        """The present services files; known ones stay the same objects. Raises CommandError for a bad directory."""
        services = services or self.configuration
        try:
            paths = [path for directory in services.directories for path in services_files(directory)]
        except OSError as error:
            raise CommandError(f"cannot read the services directory {error.filename}: {in_words(error)}") from None
        files = {path: self.files.get(path) or ServicesFile(path) for path in [*paths, *services.shipped]}
        if path := services.path:
            files[path] = self.files.get(path) or ServicesFile(path, is_code=False)
        return files

    def list_files(self, files: dict[Path, ServicesFile]) -> None:
        self.files = files
        self.publish()

    def unloaded_file(self, name: str) -> ServicesFile | None:
        """The file of this name, if none of its services could be loaded."""
        files = [file for path, file in self.files.items() if name in (path.name, path.stem) and not file.services]
        return files[0] if files and name not in self.services else None

    def reconfigure(self, services: ServicesConfig, files: dict[Path, ServicesFile]) -> None:
        """Take another configuration, and the files that exist with it. Raises SettingsError."""
        self.configuration, self.files = services, files
        for file in files.values():
            if not file.is_code:
                self.adopt(file, configured_programs(services))
            for service in file.services:
                service.configure(service.description, services)
        self.publish()

    def adopt(self, file: ServicesFile, report: FileReport) -> None:
        """Take in the contents of a file; a service that was known before stays the same object."""
        before = {service.name: service for service in file.services}
        file.services, file.problems, file.fingerprint = [], list(report.problems), report.fingerprint
        for description in report.services:
            service = before.pop(description.name, None) or Service(description, file)
            try:
                self._check_name(service)
                service.configure(description, self.configuration)
            except (CommandError, SettingsError) as error:
                place = f"line {description.line}:" if file.is_code else f"[services.{service.name}]"
                file.problems.append(f"{place} {error}")
            else:
                file.services.append(service)
        file.adopted.set()
        self.publish()

    def cannot_load(self, file: ServicesFile, problem: str, fingerprint: object = None) -> None:
        """Note that this version of a file does not load; its known services stay, and are tried again."""
        file.problems, file.fingerprint = [problem], fingerprint
        file.adopted.set()
        self.publish()

    def _check_name(self, service: Service) -> None:
        """Raise CommandError if a service cannot have its name."""
        name = service.name
        if not name or not name.isprintable() or not set(name).isdisjoint(NOT_IN_NAMES) or name[0] == "-":
            raise CommandError(
                f"the service's name is {name!r}; should be one word without quotes and ; {{ [ ? * /, "
                "and not begin with a dash"
            )
        if name in self._reserved or name == "all":
            raise CommandError(f"the name {name} is a command of the manager; give the class another `name`")
        known = [other for file in self.files.values() if file.adopted.is_set() for other in file.services]
        for other in [*service.file.services, *known]:
            if one_spelling(other.name) == one_spelling(name) and other is not service:
                line = f", line {other.description.line}" if other.description.line else ""
                same = "" if other.name == name else f" as {other.name}, and - and _ are one"
                where = f"{other.file.path}{line}{same}"
                raise CommandError(f"the name {name} is used in {where}; give the class another `name`")

    async def read(
        self, file: ServicesFile, load: Callable[[Path], Awaitable[Mapping[str, Any]]], services: ServicesConfig
    ) -> FileReport:
        """What a host finds in a file that can be trusted, as the program itself is: `load` has the host import it.

        Raises ReportError, and what `load` raises.
        """
        is_trusted = services.allow_writable or file.path in services.shipped
        if not is_trusted and (problem := why_untrusted(file.path)):
            raise ReportError(f"{problem}, and allow_writable accepts it")
        return FileReport.from_data(await load(file.path))

    # Problems.

    def problems(self) -> Iterator[tuple[ServicesFile, str]]:
        return ((file, problem) for file in self.files.values() for problem in file.problems)

    def check_configuration(self) -> list[tuple[ServicesFile, str]]:
        """Note what the configuration gets wrong, once all files are known; return the newly noted problems."""
        before = list(self.problems())
        configuration = self.configuration
        if configuration.path and (file := self.files.get(configuration.path)):
            for name, problem in self._missing(configuration.settings):
                self._note(file, f"[services.{name}] {problem}, and it has no program")
            for _, problem in self._missing(configuration.exit_on):
                self._note(file, f"exit_on: {problem}")
        for service in self.services.values():
            for name, problem in self._missing([*service.settings.needs, *service.settings.after]):
                self._note(service.file, f"[services.{service.name}] waits for {name}: {problem}")
        roles = {*BUILT_IN, *map(one_spelling, self.configuration.roles)}
        for service in self.services.values():
            for role in dict.fromkeys([*service.settings.roles, *chain(*service.settings.roles_as.values())]):
                if one_spelling(role) not in roles:
                    self._note(
                        service.file, f"[services.{service.name}] there is no role {role}; {nearest(role, roles)}"
                    )
        told = set()
        for name, path in self.cycles().items():
            if frozenset(path) not in told:  # once for all services on the cycle
                self._note(self.services[name].file, f"[services.{name}] dependency cycle: {' → '.join(path)}")
            told.add(frozenset(path))
        return [noted for noted in self.problems() if noted not in before]

    def check_env_files(self) -> None:
        """Note what is wrong with the files of variables that programs would read now."""
        for service in self.services.values():
            for problem in service.env_file_problems():
                self._note(service.file, f"[services.{service.name}] {problem}")

    def cycles(self) -> dict[str, list[str]]:
        """The services that come after themselves and so can never start, each with the path back to itself."""
        settings = {name: service.settings for name, service in self.services.items()}
        return cycles({name: (*given.needs, *given.after) for name, given in settings.items()})

    def _missing(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Each name that no service has, and what to say about it."""
        for name in names:
            if name not in self.services:
                hint = nearest(name, self.services) if self.services else "there are none"
                yield name, f"there is no service {name}; {hint}"

    @staticmethod
    def _note(file: ServicesFile, problem: str) -> None:
        if problem not in file.problems:
            file.problems.append(problem)

    # Names.

    def publish(self) -> None:
        """Make the files' services known to callers by their names, and then their toplevel commands."""
        services = {service.name: service for file in self.files.values() for service in file.services}
        self.services = dict(sorted(services.items()))
        self.called_toplevel = {}
        called = [
            (service, command, name)
            for service in self.services.values()
            for _, command in sorted(service.commands.items())
            for name in (command.name, *command.aliases)
        ]
        for service, command, name in sorted(called, key=lambda call: call[2] != call[1].name):  # aliases give way
            if command.toplevel:
                self._publish_toplevel(service, command, name)
        inside = ((service.name, name) for service, _, name in called)
        known = [*inside, *((name,) for name in (*self.services, *self.called_toplevel))]
        self._words = frozenset(tuple(map(one_spelling, words)) for words in known)
        self.generation += 1

    def _publish_toplevel(self, service: Service, command: Command, name: str) -> None:
        if name in self._reserved or name in map(one_spelling, self.services):
            owner = "the manager's or a service's"
        elif name in self.called_toplevel:
            owner = f"{self.called_toplevel[name][0].name}'s"
        else:
            self.called_toplevel[name] = (service, command)
            return
        what = f"{'' if name == command.name else 'the alias of '}toplevel_cmd_{command.name}"
        self._note(service.file, f"{what} of {service.name} needs its service's name: {name} is {owner}")
