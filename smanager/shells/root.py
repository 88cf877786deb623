"""The root shell: the manager's own commands, each service by its name, and the toplevel commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from smanager.commands import CommandError, Status, split_words
from smanager.manager import Manager
from smanager.shells import pages
from smanager.shells.base import Enter, Leave, Outcome
from smanager.shells.operations import Operations
from smanager.shells.results import Printer
from smanager.shells.service import ServiceShell, completer, runner, service_shell

BUILT_INS = (
    *("help", "kill", "restart"),
    *(
        "exit",
        "quit",
        "services",
        "status",
        "start",
        "stop",
        "why",
        "logs",
        "events",
        "wait",
        "signal",
        "plan",
        "reload",
        "jobs",
        "cancel",
        "watch",
    ),
)
"""The manager's own commands in the order of the help page: the seed's three first."""


class RootShell(Operations):
    """Where a session begins."""

    service_shells: dict[str, type[ServiceShell]]
    names_page: str
    """What `help -s` prints; made with the class, since programs ask for it again and again."""

    def child(self, service: str) -> ServiceShell:
        return self.service_shells[service](self.manager, self.results, self.abbreviations, self.caller)

    def alternatives(self, name: str) -> list[str]:
        services = self.manager.catalogue.services.values()
        inside = [f"{service.name} {name}" for service in services if name in service.commands]
        return inside or super().alternatives(name)

    def do_help(self, arg: str) -> None:
        """display help message"""
        if arg == "-s":
            self.stdout.write(self.names_page)
            return
        catalogue = self.manager.catalogue
        match split_words(arg):
            case []:
                summaries = {name: self.built_in_doc(name).partition("\n")[0] for name in BUILT_INS}
                self.stdout.write(pages.root_help(catalogue, summaries))
            case [name]:
                self.stdout.write(self.topic(self.full_name(name)))
            case [name, command] if name != "-s":
                self.child(catalogue.find(self.full_name(name)).name).do_help(command)
            case _:
                raise CommandError(
                    "help: too many arguments; usage: help [-s | service [command] | command]", Status.UNUSABLE
                )

    def topic(self, name: str) -> str:
        """The page of a service or a command. Raises CommandError where there is none."""
        catalogue = self.manager.catalogue
        if service := catalogue.services.get(name):
            return pages.service_help(service)
        if name in catalogue.toplevel:
            return pages.command_help(name, catalogue.toplevel[name][1])
        if name in BUILT_INS:
            return self.built_in_doc(name) + "\n"
        alternatives = ", ".join(self.alternatives(name))
        hint = f"did you mean: {alternatives}? " if alternatives else ""
        raise CommandError(f"no help on {name}; {hint}`help` lists what there is", Status.UNUSABLE)

    def do_kill(self, arg: str) -> None:
        """kill server"""
        self.no_words("kill", arg)
        self.manager.end.set()

    def do_services(self, arg: str) -> None:
        """list the services and how they are"""
        self.no_words("services", arg)
        catalogue = self.manager.catalogue
        self.results.page(pages.services(catalogue), pages.services_facts(catalogue))

    async def complete_help(self, text: str, line: str, begin: int, end: int) -> list[str]:  # type: ignore[override]  # awaited
        before = line[:begin].removeprefix("?").split()[not line.lstrip().startswith("?") :]
        if not before:
            return self.completenames(text)
        if len(before) == 1 and (service := self.full_name(before[0])) in self.service_shells:
            return self.child(service).completenames(text)
        return []


class Shells:
    """The shell classes for what the catalogue holds now, shared by all sessions."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self._generation = -1
        self._root: type[RootShell] = RootShell

    def root(self, results: Printer, abbreviations: bool, caller: str) -> RootShell:
        """A root shell that prints to `results`; `abbreviations` for a person; `caller` says who gives the commands."""
        generation = self.manager.catalogue.generation
        if self._generation != generation:
            self._root, self._generation = root_shell(self.manager), generation
        return self._root(self.manager, results, abbreviations, caller)


def root_shell(manager: Manager) -> type[RootShell]:
    """Adapt the catalogue: the root shell class with a `do_` method for each service and toplevel command."""
    catalogue = manager.catalogue
    shells = {name: service_shell(service) for name, service in catalogue.services.items()}
    namespace: dict[str, object] = {"service_shells": shells, "names_page": pages.summary(catalogue, BUILT_INS)}
    for name, (service, command) in catalogue.toplevel.items():
        namespace["do_" + name] = runner(service, command, name)
        namespace["complete_" + name] = completer(service, command)
    for name in shells:
        namespace["do_" + name] = _entrance(name)
        namespace["complete_" + name] = _completer_inside(name)
    hidden = frozenset(name for name, (_, command) in catalogue.toplevel.items() if command.hidden)
    return type("RootShell", (RootShell,), {**namespace, "unlisted": hidden})


def _entrance(service: str) -> Callable[[RootShell, str], Outcome]:
    """A `do_` method for a service's name: alone it enters the service, before a command it runs that."""

    def enter_or_run(shell: RootShell, arg: str) -> Outcome:
        if not arg:
            return Enter(service)
        outcome = shell.child(service).onecmd(arg)
        return None if isinstance(outcome, Leave) else outcome  # nobody had entered it

    return enter_or_run


def _completer_inside(service: str) -> Callable[[RootShell, str, str, int, int], Awaitable[list[str]]]:
    """A `complete_` method that completes what follows a service's name as the service's own shell does."""

    async def complete(shell: RootShell, text: str, line: str, begin: int, end: int) -> list[str]:
        rest = line.lstrip().split(None, 1)[1:] or [""]
        _, words = await shell.child(service).completions(rest[0])
        return words

    return complete
