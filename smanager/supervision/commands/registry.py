"""All commands of the manager's own. A new one is a method of one of these classes."""

from __future__ import annotations

from smanager.commands.record import PREFIX, command_methods
from smanager.commands.signatures import command_with, signature_of
from smanager.supervision.commands.changes import ChangeCommands
from smanager.supervision.commands.figures import FigureCommands
from smanager.supervision.commands.journal import JournalCommands
from smanager.supervision.commands.logs import LogCommands
from smanager.supervision.commands.manager import ManagerCommands
from smanager.supervision.commands.own import OwnCommand, OwnCommands
from smanager.supervision.commands.runs import RunCommands
from smanager.supervision.commands.screens import ScreenCommands
from smanager.supervision.commands.services import ServiceCommands
from smanager.supervision.commands.sessions import JobCommands, SessionCommands
from smanager.supervision.commands.status import StatusCommands


def own_command(owner: type[OwnCommands], method: str) -> OwnCommand:
    signature = signature_of(owner, method)
    return OwnCommand(command_with(signature, owner, method), owner, signature)


OWN_COMMANDS = {
    method.removeprefix(PREFIX): own_command(owner, method)
    for owner in (
        ManagerCommands,
        ServiceCommands,
        ChangeCommands,
        StatusCommands,
        FigureCommands,
        LogCommands,
        ScreenCommands,
        JournalCommands,
        RunCommands,
        JobCommands,
        SessionCommands,
    )
    for method in command_methods(owner)
}
"""By name, in the order of the help page, which begins with `kill` and `restart` (the seed's page)."""
