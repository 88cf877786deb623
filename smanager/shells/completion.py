"""What Tab offers for a command's last word by its record: options, choices, services, paths and inner commands."""

from __future__ import annotations

from collections.abc import Sequence

from smanager.commands.line import command_word
from smanager.commands.record import Command, Parameter
from smanager.commands.words import Words, given_as, words_of
from smanager.shells.base import Shell
from smanager.supervision.commands.own import permitted
from smanager.supervision.keeper import Keeper
from smanager.terminal.text import begins


async def by_record(
    shell: Shell, command: Command, keeper: Keeper | None, text: str, line: str, begin: int
) -> list[str]:
    """Completions of `text`, which begins at `begin` in `line`; `keeper` is that of the command's service, if any."""

    async def look_up(parameter: Parameter, text: str) -> list[str]:
        """A parameter's values that the text could become."""
        words = words_of(parameter)
        if parameter.kind == "services":
            words = list(permitted(shell.dispatcher.manager.keepers, shell.requester.caller, command))
        elif parameter.kind == "path" and keeper:
            return await keeper.complete(
                shell.requester.caller.party, "", text, text, 0, len(text)
            )  # looked up where the service runs
        elif parameter.kind == "line" and keeper is None:  # a command inside one of the manager's own
            inner = Words(command.parameters, behind_command(line)).line
            if inner or not text:  # else the text is an option's name
                _, words = await shell.completions(inner)
            return words
        return [word for word in words if begins(word.lower(), text.lower())]

    given = behind_command(line[:begin])
    options, parameters = place_of(command.parameters, given, bool(shell.here))
    name, has_value, value = text.partition("=")
    if has_value and (option := options.get(name)):
        return [f"{name}={word}" for word in await look_up(option, value)]
    shown = [name for option in options.values() for name in given_as(option)]
    words = [name for name in dict.fromkeys(shown) if text and begins(name, text)]
    for parameter in parameters:
        words += await look_up(parameter, text)
    return words


def behind_command(line: str) -> str:
    """A line without its first word."""
    return command_word(line)[1]


def place_of(
    parameters: Sequence[Parameter], given: str, may_omit_services: bool = False
) -> tuple[dict[str, Parameter], list[Parameter]]:
    """The options and the parameters whose values may stand behind `given`, the text behind a command."""
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
