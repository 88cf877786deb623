"""The manager's own commands: `cmd_` methods of ordinary classes, described like a service's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from smanager.access.callers import Caller
from smanager.access.roles import pattern_in_one_spelling
from smanager.commands.arguments import Arguments
from smanager.commands.globs import Glob, is_glob
from smanager.commands.record import Command, CommandError, Status
from smanager.commands.signatures import SERVICES, Signature
from smanager.logs.history import LogLine
from smanager.service import ADMIN
from smanager.supervision.keeper import Keeper
from smanager.supervision.reports import Report, ServiceReport, Tell
from smanager.terminal.text import begins, one_spelling

if TYPE_CHECKING:
    from smanager.supervision.manager import Manager

FOR_SERVICES, FOR_LOOKING, FOR_SESSIONS = "Supervision", "Looking", "Sessions"
"""Headings of the help page."""

ALL = "all"

QUESTION_PREFIX = "question_"
"""A method `question_NAME` takes what `cmd_NAME` takes, and returns what a person is asked first."""

NAME_LIMIT = 200  # characters of a service's name or pattern
MOST_NAMES = 1000  # services that a caller may name in one command: each is looked up
PATTERNS_LIMIT = 500
"""Characters of all patterns in one command. Each is compared with each character of each service's name, which for
200 services may take 50 ms."""


class Requester(NamedTuple):
    """Who gives a command, and where."""

    caller: Caller
    run_line: Callable[[str], Awaitable[Any]]
    """Runs a line as the caller would, and returns the output: text, or data for a caller who wants data.

    Cancelling ends the line's commands, and returns their last words.
    """
    here: str = ""  # the service in whose shell the command is given
    abbreviates: bool = False  # whether the caller is a person, who may cut names short
    kept: list[int] | None = None  # takes the numbers of the requester's runs, where all of them are to be kept
    repeats: bool = False  # whether the commands are given again and again, so that none of their runs is kept


def permitted(keepers: Mapping[str, Keeper], caller: Caller, command: Command) -> dict[str, Keeper]:
    """The services on which a caller may run one of the manager's own commands."""
    allow = caller.permissions.allow_on
    return {name: keepers[name] for name in sorted(keepers) if allow(command, name)}


class Selection:
    """The services that a caller has named, looked up when the command needs them."""

    def __init__(
        self, words: Sequence[str], command: Command, permitted: Mapping[str, Keeper], requester: Requester
    ) -> None:
        """Without words, the selection is the service in whose shell the command is given, or else all."""
        if len(words) > MOST_NAMES:
            message = f"{command.name}: {len(words)} services' names; at most {MOST_NAMES}"
            raise CommandError(message, Status.UNUSABLE)
        self.permitted = permitted
        self._command = command
        self._abbreviates = requester.abbreviates
        self.words = list(map(self._in_full, words)) or list(filter(None, [requester.here]))

    @cached_property
    def keepers(self) -> list[Keeper]:
        """The services, each once. Raises CommandError for an unknown name, or if the command needs one."""
        parameter = self._command.about_services
        if not self.words and parameter and parameter.required:
            name = self._command.name
            raise CommandError(f"{name}: which service? usage: {name} SERVICE ..., or {ALL}", Status.UNUSABLE)
        return self.find(self.words or [ALL])

    def find(self, words: Iterable[str]) -> list[Keeper]:
        """The services of these names and patterns, each once. Raises CommandError for an unknown name."""
        words = dict.fromkeys(words)
        if (given := sum(len(word) for word in words if is_glob(word))) > PATTERNS_LIMIT:
            raise CommandError(f"patterns of {given} characters; at most {PATTERNS_LIMIT}", Status.UNUSABLE)
        return list({name: self.permitted[name] for word in words for name in self._names(word)}.values())

    @cached_property
    def _spelled(self) -> dict[str, str]:
        """The names by their one spelling, made once: a caller may misspell many."""
        return {one_spelling(name): name for name in self.permitted}

    def _names(self, word: str) -> Sequence[str]:
        if len(word) > NAME_LIMIT:
            raise CommandError(f"a service's name of {len(word)} characters; at most {NAME_LIMIT}", Status.UNUSABLE)
        if word == ALL:
            return list(self.permitted)
        names = [word] if word in self.permitted else []
        if is_glob(word):
            pattern = Glob(pattern_in_one_spelling(word))
            names = [name for name in self.permitted if pattern.matches(one_spelling(name))]
        if not names:
            known = ", ".join(self.permitted) or "none"
            raise CommandError(f"unknown service {word}; known: {known}", Status.UNUSABLE)
        return names

    def _in_full(self, word: str) -> str:
        """A name as it is spelled, or completed if the caller may abbreviate and only one name begins so."""
        if word in self.permitted or word == ALL:
            return word
        if name := self._spelled.get(one_spelling(word)):
            return name
        matches = [name for name in self.permitted if begins(name, word)] if self._abbreviates else []
        return matches[0] if len(matches) == 1 else word


Services = Annotated[Selection, SERVICES]
"""A parameter that names services: looked up, checked against the caller's permissions, and completed by Tab."""

ALL_SERVICES: Any = ()
"""The default of such a parameter: the service in whose shell the command is given, or else all."""


@dataclass(frozen=True, slots=True)
class OwnCommands:
    """Commands about one subject; a new object of the class serves each request."""

    heading: ClassVar[str] = ""
    """What their group is called on the help page; empty for the seed's own group."""

    manager: Manager
    requester: Requester
    command: Command

    @property
    def caller(self) -> Caller:
        return self.requester.caller

    def may_see(self, service: str) -> bool:
        """Whether the caller may run this command on a service."""
        return self.caller.permissions.allow_on(self.command, service)

    def may_see_line(self, line: LogLine) -> bool:
        """Whether the caller may run this command on all services that a line may be about.

        A line about none is the manager's own, and about logins: for those who may read the audit journal.
        """
        if not line.services:
            return self.caller.permissions.allow_named("audit", ADMIN)
        return all(map(self.may_see, line.services))

    def report(self, keeper: Keeper, still: bool = False) -> ServiceReport:
        """How a service is, as far as the caller may know."""
        return keeper.service.report_for(self.caller.permissions.know, still)

    def discreet(self, tell: Tell) -> Tell:
        """`tell`, without the services that others draw in and the caller may not know."""

        def tell_if_known(report: Report) -> None:
            if not isinstance(report, ServiceReport) or self.may_see(report.service):
                tell(report)

        return tell_if_known


class Again(NamedTuple):
    """What a method returns to have another command run in place of its own."""

    service: str  # empty for one of the manager's own commands
    command: str
    arguments: Mapping[str, Any]  # as a program sends them


class OwnCommand(NamedTuple):
    """One of the commands, and where its method is."""

    command: Command
    owner: type[OwnCommands]
    signature: Signature

    def call(self, manager: Manager, requester: Requester, arguments: Arguments) -> object:
        """Call the method with JSON values. Returns a `running.Lasting` if the command takes time."""
        return self._called(self.command.method, manager, requester, arguments)

    def question(self, manager: Manager, requester: Requester, arguments: Arguments) -> str:
        """What a person is asked before the command begins; empty for nothing. A script is asked nothing."""
        method = QUESTION_PREFIX + self.command.name
        if not requester.abbreviates or not hasattr(self.owner, method):
            return ""
        return str(self._called(method, manager, requester, arguments))

    def _called(self, method: str, manager: Manager, requester: Requester, arguments: Arguments) -> object:
        _, revived = self.signature.revive((), arguments.by_name(self.command.parameters))
        if parameter := self.command.about_services:
            keepers = permitted(manager.keepers, requester.caller, self.command)
            revived[parameter.name] = Selection(revived.get(parameter.name, ()), self.command, keepers, requester)
        return getattr(self.owner(manager, requester, self.command), method)(**revived)


class Listing(list[Any]):
    """Records, with a remark below them, and what people read where there are none."""

    def __init__(self, records: Sequence[Any], remark: str = "", empty: str = "") -> None:
        super().__init__(records)
        self.remark = remark
        self.empty = empty
