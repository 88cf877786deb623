"""The `do_` and `complete_` methods of shells, made from commands' records."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from smanager.access.audit import WRONG_ARGUMENTS
from smanager.commands.arguments import Arguments, bind
from smanager.commands.line import BLANKS
from smanager.commands.record import COMPLETER_PREFIX, Command, CommandError
from smanager.commands.words import Words
from smanager.hosts.job import BoundCommand
from smanager.shells.base import Ask, Outcome, Shell
from smanager.shells.completion import by_record
from smanager.shells.pages import command_help
from smanager.supervision.catalogue import Service
from smanager.supervision.commands.own import OwnCommand
from smanager.supervision.dispatch import bound_own, bound_to_service


def arguments_for(shell: Shell, command: Command, caption: str, arg: str) -> Arguments:
    """The arguments in the text behind a command; wrong ones are journaled. Raises CommandError."""
    try:
        return bind(command, caption, arg)
    except CommandError:
        shell.dispatcher.manager.audit.refused(shell.requester.caller, caption, WRONG_ARGUMENTS)
        raise


def shows_help(shell: Shell, command: Command, caption: str, arg: str) -> bool:
    """Show a command's page if the text behind the command asks for help; returns whether it does."""
    if "-h" not in arg or not Words(command.parameters, arg).asks_help:
        return False
    shell.results.prose(command_help(caption, command, shell.results.columns))
    return True


class OwnPlan(NamedTuple):
    """One of the manager's own commands, with arguments."""

    own: OwnCommand
    bound: BoundCommand

    def run(self, shell: Shell) -> Outcome:
        return shell.dispatcher.run(self.own, self.bound, shell.requester, shell.results)


class ServicePlan(NamedTuple):
    """A service's command, with arguments."""

    bound: BoundCommand

    def run(self, shell: Shell) -> Outcome:
        return shell.dispatcher.call(self.bound, shell.requester, shell.results)


def own_methods(own: OwnCommand) -> dict[str, object]:
    """The `do_` and the `complete_` method of one of the manager's own commands."""
    command = own.command

    def run(shell: Shell, arg: str) -> Outcome:
        if shows_help(shell, command, command.name, arg):
            return None
        arguments = arguments_for(shell, command, command.name, arg)
        plan = OwnPlan(own, bound_own(command, arguments, shell.here))
        if question := own.question(shell.dispatcher.manager, shell.requester, arguments):
            return Ask(question, partial(plan.run, shell))
        return shell.follow(plan, command.has_secrets)

    async def complete(shell: Shell, text: str, line: str, begin: int, end: int) -> list[str]:
        words = await by_record(shell, command, None, text, line, begin)
        if command.completes:
            owner = own.owner(shell.dispatcher.manager, shell.requester, command)
            words += getattr(owner, COMPLETER_PREFIX + command.name)(text, line, begin, end)
        return words

    run.__doc__ = command.doc
    return {f"do_{command.name}": run, f"complete_{command.name}": complete}


def command_methods(service: Service, command: Command, name: str, caption: str) -> dict[str, object]:
    """The `do_` and the `complete_` method of a service's command; `caption` is what messages call the command."""

    def run(shell: Shell, arg: str) -> Outcome:
        if shows_help(shell, command, caption, arg):
            return None
        bound = bound_to_service(service.name, command, arguments_for(shell, command, caption, arg), caption)
        return shell.follow(ServicePlan(bound), command.has_secrets)

    async def complete(shell: Shell, text: str, line: str, begin: int, end: int) -> list[str]:
        keeper = shell.dispatcher.manager.keepers.get(service.name)
        words = await by_record(shell, command, keeper, text, line, begin)
        if command.completes and keeper:
            # As the stdlib's `cmd` has it: the line begins with the command and has no quotes, and the words found may
            # end with the blank that is to follow them.
            typed = line[:begin] + text
            line = typed.lstrip(BLANKS)
            begin -= len(typed) - len(line)
            found = await keeper.complete(shell.requester.caller.party, command.name, text, line, begin, len(line))
            words += [word.rstrip(" ") for word in found]
        return words

    run.__doc__ = command.doc
    return {f"do_{name}": run, f"complete_{name}": complete}


def adapted(base: type[Shell], called: Mapping[str, tuple[Service, Command]], before: str = "") -> dict[str, object]:
    """The attributes of a shell class below `base`, made from services' commands by their names and aliases.

    `before` stands before the commands' names in messages.
    """
    attributes: dict[str, object] = {
        "unlisted": frozenset(name for name, (_, command) in called.items() if command.hidden or name != command.name),
        "in_full": base.in_full | {name for name, (_, command) in called.items() if not command.abbreviated},
        "forbidden": base.forbidden - called.keys(),
    }
    for name, (service, command) in called.items():
        attributes |= command_methods(service, command, name, before + name)
    return attributes
