"""The root shell, the shells of services, and how they are made from what a caller may see."""

from __future__ import annotations

from smanager.access.roles import Permissions
from smanager.commands.line import split_words
from smanager.commands.record import CommandError, Status
from smanager.commands.words import HELP
from smanager.shells import pages
from smanager.shells.base import Enter, Leave, Outcome, Shell
from smanager.shells.completion import behind_command
from smanager.shells.methods import ServicePlan, adapted, own_methods
from smanager.shells.printer import Printer
from smanager.shells.view import View
from smanager.supervision.catalogue import Service
from smanager.supervision.commands.own import Requester
from smanager.supervision.commands.registry import OWN_COMMANDS
from smanager.supervision.dispatch import Dispatcher
from smanager.supervision.manager import Manager


class ServiceShell(Shell):
    """The commands of a service, without its name before them."""

    service: Service
    view: View

    def do_help(self, arg: str) -> None:
        """Print the help dialogue for this service"""
        match split_words(arg):
            case []:
                self.results.prose(
                    pages.service_help(self.service, self.view.commands[self.here], self.results.columns)
                )
            case [name]:
                self.results.prose(self.command_help(self.full_name(name)))
            case _:
                raise CommandError("help: too many arguments; usage: help [command]", Status.UNUSABLE)

    def command_help(self, name: str) -> str:
        """The page of one command. Raises CommandError for an unknown one."""
        if command := self.view.called[self.here].get(name):
            return pages.command_help(f"{self.here} {name}", command, self.results.columns)
        if hasattr(self, "do_" + name):
            return pages.own_help(name, self.view.own, self, self.results.columns)
        alternatives = ", ".join(self.alternatives(name)) or "help"
        raise CommandError(f"{self.here} has no command {name}; nearest: {alternatives}", Status.UNUSABLE)

    def unknown(self, name: str) -> str:
        view = self.view
        if name in (*view.services, *view.called_toplevel, *view.own):
            return f"{self.here} has no command {name}, but the top level has; inside {self.here}, `exit` first"
        return f"{self.here} has no command {name}; {self.hint(name)}`{self.here} help` lists the commands"


class RootShell(Shell):
    """Where a session begins."""

    view: View  # what the caller may know of
    service_shells: dict[str, type[ServiceShell]]
    names_page: str  # what `help -s` prints; made with the class, since programs ask for it again and again

    def child(self, service: str) -> ServiceShell:
        """The shell of a service, for the same requester."""
        requester = self.requester._replace(here=service)
        return self.service_shells[service](self.dispatcher, self.results, requester)

    def alternatives(self, name: str) -> list[str]:
        inside = [f"{service} {name}" for service in self.view.services if name in self.view.called[service]]
        return inside or super().alternatives(name)

    def do_help(self, arg: str) -> None:
        """display help message"""
        if arg == "-s":
            self.results.write(self.names_page)
            return
        match split_words(arg):
            case []:
                self.results.prose(pages.root_help(self.view, self))
            case [name]:
                self.results.prose(self.topic(self.full_name(name)))
            case [name, command] if name != "-s":
                if (service := self.full_name(name)) not in self.view.services:
                    known = ", ".join(self.view.services) or "none"
                    raise CommandError(f"unknown service {service}; known: {known}", Status.UNUSABLE)
                self.child(service).do_help(command)
            case _:
                usage = "help [-s | service [command] | command]"
                raise CommandError(f"help: too many arguments; usage: {usage}", Status.UNUSABLE)

    def topic(self, name: str) -> str:
        """The page of a service or a command. Raises CommandError for an unknown one."""
        if service := self.view.services.get(name):
            return pages.service_help(service, self.view.commands[name], self.results.columns)
        if name in self.view.called_toplevel:
            return pages.command_help(name, self.view.called_toplevel[name][1], self.results.columns)
        if hasattr(self, "do_" + name):
            return pages.own_help(name, self.view.own, self, self.results.columns)
        raise CommandError(f"no help on {name}; {self.hint(name)}`help` lists the commands", Status.UNUSABLE)

    async def complete_help(self, text: str, line: str, begin: int, end: int) -> list[str]:  # type: ignore[override]  # awaited
        before = split_words(line[:begin].removeprefix("?"))[not line.lstrip().startswith("?") :]
        if not before:
            return self.completenames(text)
        if len(before) == 1 and (service := self.full_name(before[0])) in self.service_shells:
            return self.child(service).completenames(text)
        return []


class Shells:
    """The shell classes for the catalogue's present content, shared by all sessions with the same permissions."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.dispatcher = Dispatcher(manager)
        self.turns = manager.turns
        self._generation = -1
        self._roots: dict[Permissions, type[RootShell]] = {}

    def root(self, results: Printer, requester: Requester) -> RootShell:
        """A root shell that prints to `results`."""
        return self._root(requester.caller.permissions)(self.dispatcher, results, requester)

    def view(self, permissions: Permissions) -> View:
        """What these permissions show."""
        return self._root(permissions).view

    def _root(self, permissions: Permissions) -> type[RootShell]:
        generation = self.manager.catalogue.generation
        if self._generation != generation:
            self._roots, self._generation = {}, generation
        if permissions not in self._roots:
            self._roots[permissions] = root_shell(View(self.manager.catalogue, permissions, OWN_COMMANDS))
        return self._roots[permissions]


def own_shell(base: type[Shell], view: View, root_only: bool) -> type[Shell]:
    """A shell class with the manager's own commands that a view shows: those for the root only, or all others."""
    attributes: dict[str, object] = {
        "in_full": frozenset(name for name, own in view.own.items() if not own.command.abbreviated),
        "forbidden": view.forbidden,
    }
    for own in view.own.values():
        if own.command.root_only is root_only:
            attributes |= own_methods(own)
    return type("OwnShell", (base,), attributes)


def root_shell(view: View) -> type[RootShell]:
    """Adapt what a view shows: the root shell class with a `do_` method for each service and toplevel command."""
    own = own_shell(Shell, view, root_only=False)
    shells = {name: service_shell(service, view, own) for name, service in view.services.items()}
    attributes = adapted(own, view.called_toplevel)
    attributes |= {"plans": {}, "view": view, "service_shells": shells, "names_page": pages.summary(view)}
    for name in shells:
        default = next((command.name for command in view.commands[name].values() if command.default), "")
        attributes |= entrance_methods(name, default)
    return type("RootShell", (RootShell, own_shell(own, view, root_only=True)), attributes)


def service_shell(service: Service, view: View, own: type[Shell]) -> type[ServiceShell]:
    """Adapt a service: the shell class below `own` whose `do_` methods run the commands that a view shows."""
    called = {name: (service, command) for name, command in view.called[service.name].items()}
    attributes = adapted(own, called, f"{service.name} ")
    attributes |= {"plans": {}, "service": service, "view": view, "prompt": f"{service.name}>"}
    return type(f"{service.title}Shell", (ServiceShell, own), attributes)


def entrance_methods(service: str, default: str) -> dict[str, object]:
    """The `do_` and the `complete_` method of a service's name, which leads to the service's commands.

    The name alone runs the `default` command, or without one enters the service.
    """

    def enter_or_run(shell: RootShell, arg: str) -> Outcome:
        arg = arg or default
        if not arg:
            return Enter(service)
        child = shell.child(service)
        outcome = child.onecmd("help" if arg in HELP else arg)
        if isinstance(child.plan, ServicePlan):  # any other plan means something else at the root
            shell.plan = child.plan
        return None if isinstance(outcome, Leave) else outcome  # the service was not entered

    async def complete(shell: RootShell, text: str, line: str, begin: int, end: int) -> list[str]:
        _, words = await shell.child(service).completions(behind_command(line))
        return words

    return {f"do_{service}": enter_or_run, f"complete_{service}": complete}
