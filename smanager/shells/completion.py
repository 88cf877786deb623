"""What Tab offers for a command's arguments: options, choices, services and paths by its record, and its own words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from smanager.commands.arguments import given_as, is_flag, option_names, words_of
from smanager.commands.line import split_words, words_with_places
from smanager.commands.record import COMPLETER_PREFIX, Command, Parameter
from smanager.shells.base import Shell
from smanager.supervision.catalogue import Service
from smanager.supervision.commands.own import OwnCommand, Requester, permitted
from smanager.terminal.text import begins

Lookup = Callable[[Parameter, str], Awaitable[list[str]]]
"""Finds a parameter's values that a text could become."""


@dataclass(frozen=True)
class Place:
    """Where the word being typed stands."""

    options: dict[str, Parameter]
    """The options that may stand there."""
    parameters: Sequence[Parameter]
    """The parameters whose values may stand there."""


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
            _, words = await shell.completions(line[line_begin(command, line) :])
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
    place = place_of(command.parameters, split_words(line[:begin])[1:], may_omit_services)
    name, has_value, value = text.partition("=")
    if has_value and (option := place.options.get(name)):
        return [f"{name}={word}" for word in await look_up(option, value)]
    shown = [name for option in place.options.values() for name in given_as(option)]
    words = [name for name in dict.fromkeys(shown) if text and begins(name, text)]
    for parameter in place.parameters:
        words += await look_up(parameter, text)
    return words


def place_of(parameters: Sequence[Parameter], given: Sequence[str], may_omit_services: bool = False) -> Place:
    """Where the next word stands, after those that are given."""
    options = options_by_word(parameters)
    positions = [parameter for parameter in parameters if not parameter.option]
    awaiting: Parameter | None = None
    used, count, open_ended = set(), 0, True
    for word in given:
        if awaiting:
            awaiting = None
        elif open_ended and word == "--":
            open_ended = False
        elif open_ended and (parameter := options.get(word.partition("=")[0])):
            used.add(parameter.name)
            awaiting = None if "=" in word or is_flag(parameter) else parameter
        else:
            count += 1
    if awaiting:
        return Place({}, [awaiting])
    left = {name: option for name, option in options.items() if option.several or option.name not in used}
    return Place(left if open_ended else {}, next_positions(positions, count, may_omit_services))


def options_by_word(parameters: Sequence[Parameter]) -> dict[str, Parameter]:
    return {word: parameter for parameter in parameters if parameter.option for word in option_names(parameter)}


def next_positions(positions: Sequence[Parameter], count: int, may_omit_services: bool) -> list[Parameter]:
    """The parameters for which the word behind `count` others may be: several, behind a list in front of others."""
    for index, parameter in enumerate(positions):
        if parameter.several or parameter.rest or parameter.kind == "line":
            is_begun = count > index or (parameter.kind == "services" and may_omit_services)
            return [parameter, *(positions[index + 1 :][:1] if is_begun else [])]
        if index == count:
            return [parameter]
    return []


def line_begin(command: Command, line: str) -> int:
    """Where a `Line` parameter begins in a line that begins with the command: behind the options."""
    options = options_by_word(command.parameters)
    place, awaits_value = len(line), False
    for index, (begin, word) in enumerate(words_with_places(line)):
        option = options.get(word.partition("=")[0])
        if index and not awaits_value and option is None:
            return begin
        awaits_value = not awaits_value and option is not None and "=" not in word and not is_flag(option)
    return place
