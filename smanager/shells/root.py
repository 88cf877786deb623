"""The root shell: the manager's own commands, each service by its name, and the toplevel commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from smanager.access.callers import Caller
from smanager.access.roles import Permissions
from smanager.commands.record import CommandError, Status, split_words
from smanager.shells import pages
from smanager.shells.base import Enter, Leave, Outcome
from smanager.shells.operations import BUILT_INS, Operations
from smanager.shells.printer import Printer
from smanager.shells.service import ServiceShell, absences, completer, runner, service_shell
from smanager.shells.view import View
from smanager.supervision.manager import Manager


class RootShell(Operations):
    """Where a session begins."""

    view: View
    """What the caller may know of."""
    service_shells: dict[str, type[ServiceShell]]
    names_page: str
    """What `help -s` prints; made with the class, since programs ask for it again and again."""

    def child(self, service: str) -> ServiceShell:
        return self.service_shells[service](self.manager, self.results, self.abbreviations, self.caller)

    def alternatives(self, name: str) -> list[str]:
        inside = [f"{service} {name}" for service in self.view.services if name in self.view.called(service)]
        return inside or super().alternatives(name)

    def do_help(self, arg: str) -> None:
        """display help message"""
        if arg == "-s":
            self.stdout.write(self.names_page)
            return
        match split_words(arg):
            case []:
                summaries = {name: self.built_in_doc(name).partition("\n")[0] for name in self.view.built_ins}
                self.stdout.write(pages.root_help(self.view, summaries))
            case [name]:
                self.stdout.write(self.topic(self.full_name(name)))
            case [name, command] if name != "-s":
                self.child(self.found(self.full_name(name))).do_help(command)
            case _:
                raise CommandError(
                    "help: too many arguments; usage: help [-s | service [command] | command]", Status.UNUSABLE
                )

    def topic(self, name: str) -> str:
        """The page of a service or a command. Raises CommandError where there is none."""
        if service := self.view.services.get(name):
            return pages.service_help(service, self.view.commands(name))
        if name in self.view.called_toplevel:
            return pages.command_help(name, self.view.called_toplevel[name][1])
        if name in self.view.built_ins:
            return self.built_in_doc(name) + "\n"
        alternatives = ", ".join(self.alternatives(name))
        hint = f"did you mean: {alternatives}? " if alternatives else ""
        raise CommandError(f"no help on {name}; {hint}`help` lists what there is", Status.UNUSABLE)

    def found(self, service: str) -> str:
        """A service's name. Raises CommandError where there is none."""
        if service not in self.view.services:
            known = ", ".join(self.view.services) or "none"
            raise CommandError(f"no service is called {service}; there are: {known}", Status.UNUSABLE)
        return service

    def do_kill(self, arg: str) -> None:
        """kill server"""
        self.no_words("kill", arg)
        self.manager.end.set()

    def do_services(self, arg: str) -> None:
        """list the services and how they are"""
        self.no_words("services", arg)
        self.results.page(pages.services(self.view), pages.services_facts(self.view))

    async def complete_help(self, text: str, line: str, begin: int, end: int) -> list[str]:  # type: ignore[override]  # awaited
        before = line[:begin].removeprefix("?").split()[not line.lstrip().startswith("?") :]
        if not before:
            return self.completenames(text)
        if len(before) == 1 and (service := self.full_name(before[0])) in self.service_shells:
            return self.child(service).completenames(text)
        return []


class Shells:
    """The shell classes for what the catalogue holds now, shared by all sessions whose callers may do the same."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self._generation = -1
        self._roots: dict[Permissions, type[RootShell]] = {}

    def root(self, results: Printer, abbreviations: bool, caller: Caller) -> RootShell:
        """A root shell that prints to `results`; `abbreviations` for a person; `caller` says who gives the commands."""
        return self._root(caller.permissions)(self.manager, results, abbreviations, caller)

    def view(self, permissions: Permissions) -> View:
        """What these permissions show."""
        return self._root(permissions).view

    def _root(self, permissions: Permissions) -> type[RootShell]:
        generation = self.manager.catalogue.generation
        if self._generation != generation:
            self._roots, self._generation = {}, generation
        if permissions not in self._roots:
            self._roots[permissions] = root_shell(View(self.manager.catalogue, permissions, BUILT_INS))
        return self._roots[permissions]


def root_shell(view: View) -> type[RootShell]:
    """Adapt what a view shows: the root shell class with a `do_` method for each service and toplevel command."""
    shells = {name: service_shell(service, view) for name, service in view.services.items()}
    namespace: dict[str, object] = {"view": view, "service_shells": shells, "names_page": pages.summary(view)}
    namespace |= absences(view)
    for name, (service, command) in view.called_toplevel.items():
        namespace["do_" + name] = runner(service, command, name)
        namespace["complete_" + name] = completer(service, command)
    for name in shells:
        namespace["do_" + name] = _entrance(name)
        namespace["complete_" + name] = _completer_inside(name)
    listed = {name for name, (_, command) in view.toplevel.items() if not command.hidden}
    namespace["unlisted"] = frozenset(view.called_toplevel.keys() - listed)
    namespace["of_services"] = frozenset([*view.called_toplevel, *shells])
    return type("RootShell", (RootShell,), namespace)


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
