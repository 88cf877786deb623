"""All commands of the manager's own. A new one is a method of one of these classes."""

from __future__ import annotations

from smanager.supervision.commands.jobs import JobCommands
from smanager.supervision.commands.logs import LogCommands
from smanager.supervision.commands.manager import ManagerCommands
from smanager.supervision.commands.own import own_commands
from smanager.supervision.commands.services import ServiceCommands
from smanager.supervision.commands.sessions import SessionCommands

OWN_COMMANDS = own_commands((ManagerCommands, ServiceCommands, LogCommands, JobCommands, SessionCommands))
"""By name, in the order of the help page, which begins with `kill` and `restart` (the seed's page)."""

ABOUT_SERVICES = tuple(own.command for own in OWN_COMMANDS.values() if own.command.about_services)
