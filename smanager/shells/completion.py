"""What Tab offers for a command's arguments: options, choices, services and paths by its record, and its own words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from smanager.commands.record import COMPLETER_PREFIX, Command, Parameter
from smanager.commands.words import Words, given_as, words_of
from smanager.shells.base import Shell
from smanager.supervision.catalogue import Service
from smanager.supervision.commands.own import OwnCommand, Requester
from smanager.supervision.selection import permitted
from smanager.terminal.text import begins

Lookup = Callable[[Parameter, str], Awaitable[list[str]]]
"""Finds a parameter's values that a text could become."""


async def of_service(shell: Shell, service: Service, command: Command, text: str, line: str, begin: int) -> list[str]:
    """Completions of `text`, which begins at `begin` in `line`, a service's command."""
    keeper = shell.dispatcher.manager.keepers.get(service.name)

    async def look_up(parameter: Parameter, text: str) -> list[str]:
        if parameter.kind == "path" and keeper:  # looked up where the service runs
            return await keeper.complete("", text, text, 0, len(text))
        return matching(words_of(parameter), text)

    words = await arguments(command, text, line, begin, look_up)
    if command.completes and keeper:
        line = line[:begin] + text  # without quotes, as the stdlib's `cmd` passes lines
        words += await keeper.complete(command.name, text, line, begin, len(line))
    return words


async def of_own(shell: Shell, own: OwnCommand, text: str, line: str, begin: int) -> list[str]:
    """Completions of `text`, which begins at `begin` in `line`, one of the manager's own commands."""
    command, manager = own.command, shell.dispatcher.manager

    async def look_up(parameter: Parameter, text: str) -> list[str]:
        if parameter.kind == "services":
            return matching(list(permitted(manager.keepers, shell.caller, command)), text)
        if parameter.kind == "line":
            inner = Words(command.parameters, behind_command(line)).line
            if text and not inner:  # the text is an option's name
                return []
            _, words = await shell.completions(inner)
            return words
        return matching(words_of(parameter), text)

    words = await arguments(command, text, line, begin, look_up, may_omit_services=bool(shell.here))
    if command.completes:
        requester = Requester(shell.caller, shell.run_line, shell.here, shell.abbreviates)
        completer = getattr(own.owner(manager, requester, command), COMPLETER_PREFIX + command.name)
        words += completer(text, line, begin, len(line))
    return words


def matching(words: Sequence[str], text: str) -> list[str]:
    return [word for word in words if begins(word.lower(), text.lower())]


async def arguments(
    command: Command, text: str, line: str, begin: int, look_up: Lookup, may_omit_services: bool = False
) -> list[str]:
    """Completions of a command's last word by its record."""
    options, parameters = place_of(command.parameters, behind_command(line[:begin]), may_omit_services)
    name, has_value, value = text.partition("=")
    if has_value and (option := options.get(name)):
        return [f"{name}={word}" for word in await look_up(option, value)]
    shown = [name for option in options.values() for name in given_as(option)]
    words = [name for name in dict.fromkeys(shown) if text and begins(name, text)]
    for parameter in parameters:
        words += await look_up(parameter, text)
    return words


def behind_command(line: str) -> str:
    return "".join(line.split(None, 1)[1:])


def place_of(
    parameters: Sequence[Parameter], given: str, may_omit_services: bool = False
) -> tuple[dict[str, Parameter], list[Parameter]]:
    """The options and the parameters' values that may stand behind `given`, the text behind a command."""
    words = Words(parameters, given)
    if words.awaiting:
        return {}, [words.awaiting]
    used = {option.name for option, _, _ in words.options if not option.several}
    left = {name: option for name, option in words.by_name.items() if option.name not in used}
    positions = [parameter for parameter in parameters if not parameter.option]
    return left if words.takes_options else {}, next_positions(positions, len(words.positions), may_omit_services)


def next_positions(positions: Sequence[Parameter], count: int, may_omit_services: bool) -> list[Parameter]:
    """The parameters for which the word behind `count` others may be: several, behind a list in front of others."""
    for index, parameter in enumerate(positions):
        if parameter.several or parameter.rest or parameter.kind == "line":
            is_begun = count > index or (parameter.kind == "services" and may_omit_services)
            return [parameter, *(positions[index + 1 :][:1] if is_begun else [])]
        if index == count:
            return [parameter]
    return []
