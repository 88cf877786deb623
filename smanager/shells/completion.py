"""What Tab offers for a command's arguments: options, choices and paths by its record, and what its service adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smanager.binding import given_as, is_flag, option_names, words_of
from smanager.catalogue import Service
from smanager.commands import JSON, Command, Parameter, split_words
from smanager.manager import Manager


@dataclass(frozen=True)
class Place:
    """Where the word that is being typed stands."""

    options: list[str]
    """The options that may stand there."""
    parameter: Parameter | None
    """The one whose value may stand there."""


async def arguments(
    manager: Manager, service: Service, command: Command, text: str, line: str, begin: int, end: int
) -> list[str]:
    """The words that `text` could become; `line` begins with the command. Raises CommandError at an open quotation."""
    place = place_of(command.parameters, split_words(line[:begin])[1:])
    found = [option for option in place.options if text and option.startswith(text)]
    if place.parameter:
        found += [word for word in words_of(place.parameter) if word.lower().startswith(text.lower())]
        if place.parameter.kind == "path":
            found += await manager.complete(service, "", text, line, begin, end)
    if command.completes:
        found += await manager.complete(service, command.name, text, line, begin, end)
    return found


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
        return Place([], awaiting)
    last = positions[-1] if positions and (positions[-1].rest or positions[-1].several) else None
    left = [name for parameter in options.values() if parameter.name not in used for name in given_as(parameter)]
    return Place(
        list(dict.fromkeys([*left, JSON])) if open_ended else [], positions[count] if count < len(positions) else last
    )
