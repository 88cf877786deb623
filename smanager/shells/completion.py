"""What Tab offers for a command's arguments: options, choices and paths by its record, and what its service adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smanager.commands.arguments import given_as, is_flag, option_names, words_of
from smanager.commands.record import Command, Parameter, split_words
from smanager.supervision.catalogue import Service
from smanager.supervision.manager import Manager
from smanager.terminal.text import begins


@dataclass(frozen=True)
class Place:
    """Where the word that is being typed stands."""

    options: dict[str, Parameter]
    """The options that may stand there."""
    parameter: Parameter | None
    """The one whose value may stand there."""


async def arguments(
    manager: Manager, service: Service, command: Command, text: str, line: str, begin: int
) -> list[str]:
    """The words that `text` could become, which begins there in `line`; that begins with the command."""
    place = place_of(command.parameters, split_words(line[:begin])[1:])
    name, has_value, value = text.partition("=")
    if has_value and (option := place.options.get(name)):
        found = [f"{name}={word}" for word in await values(manager, service, option, value)]
    else:
        shown = [name for option in place.options.values() for name in given_as(option)]
        found = [name for name in dict.fromkeys(shown) if text and begins(name, text)]
        found += await values(manager, service, place.parameter, text) if place.parameter else []
    if command.completes:
        line = line[:begin] + text  # as if nothing were quoted: that is how the stdlib's `cmd` has it
        found += await manager.complete(service, command.name, text, line, begin, len(line))
    return found


async def values(manager: Manager, service: Service, parameter: Parameter, text: str) -> list[str]:
    """The values of a parameter that `text` could become, where its record says what they may be."""
    if parameter.kind == "path":
        return await manager.complete(service, "", text, text, 0, len(text))
    return [word for word in words_of(parameter) if begins(word.lower(), text.lower())]


def place_of(parameters: Sequence[Parameter], given: Sequence[str]) -> Place:
    """Where the next word stands, after those that are given."""
    options = {name: parameter for parameter in parameters if parameter.option for name in option_names(parameter)}
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
        return Place({}, awaiting)
    last = positions[-1] if positions and (positions[-1].rest or positions[-1].several) else None
    left = {name: option for name, option in options.items() if option.several or option.name not in used}
    return Place(left if open_ended else {}, positions[count] if count < len(positions) else last)
