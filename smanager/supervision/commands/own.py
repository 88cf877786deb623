"""The manager's own commands: `cmd_` methods of ordinary classes, described like a service's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from smanager.access.callers import Caller
from smanager.commands.arguments import Arguments
from smanager.commands.record import PREFIX, Command, command_methods
from smanager.commands.signatures import SERVICES, Signature, describe, signature_of
from smanager.supervision.reports import Report, ServiceReport, Tell
from smanager.supervision.selection import Selection, permitted

if TYPE_CHECKING:
    from smanager.supervision.manager import Manager

Services = Annotated[Selection, SERVICES]
"""A parameter that names services: looked up, checked against the caller's permissions, and completed by Tab."""

ALL_SERVICES: Any = ()
"""The default of such a parameter: the service in whose shell the command is given, or else all."""


@dataclass(frozen=True, slots=True)
class Requester:
    """Who gives a command, and where."""

    caller: Caller
    run_line: Callable[[str], Awaitable[Any]]
    """Runs a line as the caller would, and returns the output: text, or data for a caller who wants data.

    Cancelling ends the line's commands, and returns their last words.
    """
    here: str = ""
    """The service in whose shell the command is given."""
    abbreviates: bool = False
    """Whether the caller is a person, who may cut names short."""


@dataclass(frozen=True, slots=True)
class OwnCommands:
    """Commands about one subject; a new object of the class serves each request."""

    manager: Manager
    requester: Requester
    command: Command
    """The record of the command that runs."""

    @property
    def caller(self) -> Caller:
        return self.requester.caller

    def may_see(self, service: str) -> bool:
        """Whether the caller may run this command on a service."""
        return self.caller.permissions.allow_on(self.command, service)

    def discreet(self, tell: Tell) -> Tell:
        """`tell`, without the services that others draw in and the caller may not know."""

        def tell_if_known(report: Report) -> None:
            if not isinstance(report, ServiceReport) or self.may_see(report.service):
                tell(report)

        return tell_if_known


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """One of the commands, and where its method is."""

    command: Command
    owner: type[OwnCommands]
    signature: Signature

    def call(self, manager: Manager, requester: Requester, arguments: Arguments) -> object:
        """Call the method with JSON values. Returns as `running.Lasting` where the command takes time."""
        values = arguments.by_name(self.command.parameters)
        _, revived = self.signature.revive((), values)
        if parameter := self.command.about_services:
            keepers = permitted(manager.keepers, requester.caller, self.command)
            words = revived.get(parameter.name, ())
            revived[parameter.name] = Selection(words, self.command, keepers, requester.here, requester.abbreviates)
        return getattr(self.owner(manager, requester, self.command), self.command.method)(**revived)


def own_commands(owners: Iterable[type[OwnCommands]]) -> dict[str, OwnCommand]:
    """The commands of these classes by name, in the order of their definition."""
    return {
        method.removeprefix(PREFIX): OwnCommand(describe(owner, method), owner, signature_of(owner, method))
        for owner in owners
        for method in command_methods(owner)
    }


class Listing(list[Any]):
    """Records, with a remark that people read below them."""

    def __init__(self, records: Sequence[Any], remark: str = "") -> None:
        super().__init__(records)
        self.remark = remark
