"""All commands of the manager's own. A new one is a method of one of these classes."""

from __future__ import annotations

from smanager.commands.record import PREFIX, command_methods
from smanager.commands.signatures import describe, signature_of
from smanager.supervision.commands.changes import ChangeCommands
from smanager.supervision.commands.figures import FigureCommands
from smanager.supervision.commands.journal import JournalCommands
from smanager.supervision.commands.logs import LogCommands
from smanager.supervision.commands.manager import ManagerCommands
from smanager.supervision.commands.own import OwnCommand
from smanager.supervision.commands.runs import RunCommands
from smanager.supervision.commands.screens import ScreenCommands
from smanager.supervision.commands.services import ServiceCommands
from smanager.supervision.commands.sessions import JobCommands, SessionCommands
from smanager.supervision.commands.status import StatusCommands

OWN_COMMANDS = {
    method.removeprefix(PREFIX): OwnCommand(describe(owner, method), owner, signature_of(owner, method))
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
