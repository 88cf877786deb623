"""From what a caller gives to what a method is called with: a line's words, or a program's values as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from smanager.commands import Command, CommandError, Parameter, Status
from smanager.text import resembling
from smanager.values import FALSE, KINDS, TRUE, chosen, member, member_words

_NUMBER = re.compile(r"-\.?\d")
"""How what is below zero begins; no option does, for they have names."""


class Arguments(NamedTuple):
    """What a method is called with, as JSON has it."""

    positions: list[Any]
    options: dict[str, Any]


class Binding:
    """How one command is called with words."""

    def __init__(self, command: Command) -> None:
        self.command = command

    @cached_property
    def parser(self) -> WordParser:
        """Made at the first call only: most commands are never called."""
        return WordParser(self.command.parameters)

    def usage(self, caption: str) -> str:
        """How the command is typed, after `caption`: the words that lead to it."""
        parameters = sorted(self.command.parameters, key=lambda parameter: not parameter.option)
        return " ".join([caption, *map(usage_of, parameters)])

    def bind(self, caption: str, words: Sequence[str]) -> Arguments:
        """Words as arguments.

        Raises CommandError, which names the parameter, what was given and what is allowed, with the usage.
        """
        if not words and not self.command.parameters:
            return Arguments([], {})
        try:
            return arrange(self.command.parameters, self.parser.parse(words))
        except ValueError as error:
            raise CommandError(f"{caption}: {error}; usage: {self.usage(caption)}", Status.UNUSABLE) from None


def accept(command: Command, caption: str, given: object) -> Arguments:
    """A program's values, a list or an object, as arguments. Raises CommandError as `bind` does."""
    parameters = command.parameters
    try:
        if given is None:
            found = {}
        elif isinstance(given, list):
            found = by_position(parameters, given)
        elif isinstance(given, dict):
            found = by_name(parameters, given)
        else:
            raise ValueError("its params should be a list or an object")
        missing = [parameter.name for parameter in parameters if parameter.required and parameter.name not in found]
        if missing:
            raise ValueError(f"too few arguments: {', '.join(missing)} missing")
        return arrange(parameters, found)
    except ValueError as error:
        raise CommandError(f"{caption}: {error}", Status.UNUSABLE) from None


def by_position(parameters: Sequence[Parameter], given: list[Any]) -> dict[str, Any]:
    names = [parameter for parameter in parameters if not parameter.option]
    found: dict[str, Any] = {}
    for parameter in names:
        if parameter.rest:
            found[parameter.name], given = checked(parameter, given), []
        elif given:
            found[parameter.name], given = checked(parameter, given[0]), given[1:]
    if given:
        raise ValueError(f"too many arguments: {len(given)} more than there are parameters")
    return found


def by_name(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    known = {parameter.name: parameter for parameter in parameters}
    for name in given.keys() - known.keys():
        near = resembling(name, list(known), 1)
        raise ValueError(f"there is no parameter {name}; {f'did you mean {near[0]}?' if near else listed(known)}")
    return {name: checked(known[name], value) for name, value in given.items()}


def listed(names: Iterable[str]) -> str:
    return f"there are: {', '.join(names) or 'none'}"


def arrange(parameters: Sequence[Parameter], found: Mapping[str, Any]) -> Arguments:
    """Values by name, each in its position as far as that can be. Raises ValueError where one is needed before."""
    positions: list[Any] = []
    options = {}
    skipped = ""
    for parameter in parameters:
        if parameter.name not in found:
            skipped = skipped or ("" if parameter.option or parameter.rest else parameter.name)
        elif parameter.option or (skipped and not parameter.rest and not parameter.position_only):
            options[parameter.name] = found[parameter.name]
        elif skipped and (found[parameter.name] or not parameter.rest):
            raise ValueError(f"{parameter.name} needs {skipped} before it")
        elif parameter.rest:
            positions += found[parameter.name]
        else:
            positions.append(found[parameter.name])
    return Arguments(positions, options)


def checked(parameter: Parameter, value: Any) -> Any:
    """A JSON value for a parameter. Raises ValueError where it cannot be."""
    if value is None and parameter.nullable:
        return None
    try:
        if parameter.several or parameter.rest:
            if not isinstance(value, list):
                raise ValueError("a list")
            return [acceptor(parameter)(item) for item in value]
        return acceptor(parameter)(value)
    except ValueError as error:
        raise ValueError(f"{parameter.name} is {json.dumps(value):.60}, and should be {error}") from None


def acceptor(parameter: Parameter) -> Callable[[Any], Any]:
    if parameter.kind == "choice":
        return lambda value: chosen(value, parameter.choices)
    if parameter.kind == "member":
        return lambda value: member(value, parameter.members)
    return KINDS[parameter.kind].accept


def schema(parameter: Parameter) -> dict[str, Any]:
    """What JSON Schema says of a parameter's values."""
    if parameter.kind == "choice":
        found: dict[str, Any] = {"enum": list(parameter.choices)}
    elif parameter.kind == "member":
        found = {"type": "string", "enum": list(parameter.members)}
    else:
        found = dict(KINDS[parameter.kind].schema)
    if parameter.several or parameter.rest:
        found = {"type": "array", "items": found}
    if parameter.nullable:
        found = {"anyOf": [found, {"type": "null"}]}
    if parameter.default is not None:
        found["default"] = parameter.default
    return found


def reader(parameter: Parameter) -> Callable[[str], Any]:
    """How a word for a parameter is read."""
    read = acceptor(parameter) if parameter.kind in ("choice", "member") else KINDS[parameter.kind].read
    if read is str:
        return str

    name = given_as(parameter)[0]

    def read_word(word: str) -> Any:
        try:
            return read(word)
        except ValueError as error:
            raise ValueError(f"{name}: {word!r} should be {error}") from None

    return read_word


def words_of(parameter: Parameter) -> list[str]:
    """The words that a parameter may be, where they can be counted."""
    if parameter.kind == "choice":
        return list(map(str, parameter.choices))
    if parameter.kind == "member":
        return member_words(parameter.members)
    return [TRUE[0], FALSE[0]] if parameter.kind == "bool" else []


class WordParser:
    """Tells one command's words apart: options, wherever they stand up to a `--`, and those that go by position.

    argparse does not: at the first option it takes all positions that may be left out for left out.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = parameters
        self._positions = [(parameter, reader(parameter)) for parameter in parameters if not parameter.option]
        self._options: dict[str, tuple[Parameter, Callable[[str], Any]]] = {}
        self._flags: dict[str, tuple[str, bool]] = {}
        for parameter in parameters:
            if is_flag(parameter):
                self._flags |= {name: (parameter.name, value) for name, value in flags(parameter).items()}
            elif parameter.option:
                self._options |= dict.fromkeys(option_names(parameter), (parameter, reader(parameter)))

    def parse(self, words: Sequence[str]) -> dict[str, Any]:
        """The values by their parameters' names. Raises ValueError."""
        found: dict[str, Any] = {}
        positions: list[str] = []
        left = list(reversed(words))
        while left:
            word = left.pop()
            if not word.startswith("-") or not self._is_option(word):
                positions.append(word)
            elif word == "--":
                positions += reversed(left)
                break
            elif word in self._flags:
                name, value = self._flags[word]
                found[name] = value
            else:
                self._take_option(word, left, found)
        self._take_positions(positions, found)
        missing = [given_as(each)[0] for each in self._parameters if each.required and each.name not in found]
        if missing:
            raise ValueError(f"too few arguments: {', '.join(missing)} missing")
        return found

    def _is_option(self, word: str) -> bool:
        """Whether it is one, or a `--`, or was meant for one; where there are none, a dash is as any character."""
        if word == "--":
            return True
        if not self._options and not self._flags:
            return False
        return word != "-" and not _NUMBER.match(word) and " " not in word.partition("=")[0]

    def _take_option(self, word: str, left: list[str], found: dict[str, Any]) -> None:
        """Read an option, and its value, which is behind its `=` or the next of the words that are left."""
        name, has_value, value = word.partition("=")
        if name in self._flags:
            raise ValueError(f"{name} takes no value")
        if name not in self._options:
            near = resembling(name, [*self._options, *self._flags], 1)
            raise ValueError(f"there is no option {name}{f'; did you mean {near[0]}?' if near else ''}")
        if not has_value:
            if not left or (left[-1].startswith("-") and self._is_option(left[-1])):
                raise ValueError(f"{name}: expected one argument")
            value = left.pop()
        parameter, read = self._options[name]
        if parameter.several:
            found.setdefault(parameter.name, []).append(read(value))
        else:
            found[parameter.name] = read(value)

    def _take_positions(self, words: list[str], found: dict[str, Any]) -> None:
        """Read the words that go by position: a list takes all that those behind it can do without."""
        needed = sum(parameter.required for parameter, _ in self._positions)
        for parameter, read in self._positions:
            needed -= parameter.required
            if not words:
                break
            if parameter.rest or parameter.several:
                count = max(len(words) - needed, int(parameter.required))
                if count > 0:
                    found[parameter.name] = list(map(read, words[:count]))
                    words = words[count:]
            else:
                found[parameter.name] = read(words[0])
                words = words[1:]
        if words:
            raise ValueError(f"too many arguments: {' '.join(words)}")


def usage_of(parameter: Parameter) -> str:
    """How a parameter is typed, in the manner of argparse."""
    words = words_of(parameter) if parameter.kind in ("choice", "member") else []
    value = f"{{{','.join(words)}}}" if words else parameter.name
    if is_flag(parameter):
        written = " | ".join(given_as(parameter))
        return f"({written})" if parameter.required else f"[{written}]"
    if parameter.option:
        written = f"{given_as(parameter)[0]} {value if words else value.upper()}"
    elif parameter.several or parameter.rest:
        return f"{value} [{value} ...]" if parameter.required else f"[{value} ...]"
    else:
        written = value
    return written if parameter.required else f"[{written}]"


def is_flag(parameter: Parameter) -> bool:
    """Whether it is an option without a value."""
    return parameter.option and parameter.kind == "bool" and not parameter.several


def flags(parameter: Parameter) -> dict[str, bool]:
    """How a flag is written, and what that says: only the opposite of its default, where it has one."""
    dashed = parameter.name.replace("_", "-")
    said = {True: "--", False: "--no-"}
    said.pop(parameter.default, None)
    return {f"{start}{name}": value for value, start in said.items() for name in (dashed, parameter.name)}


def option_names(parameter: Parameter) -> list[str]:
    """All that an option may be written as: with dashes, and as the method has it."""
    if is_flag(parameter):
        return list(flags(parameter))
    return list(dict.fromkeys([f"--{parameter.name.replace('_', '-')}", f"--{parameter.name}"]))


def given_as(parameter: Parameter) -> list[str]:
    """What people read for it: an option with dashes, both words of a flag that has no default, or its name."""
    if not parameter.option:
        return [parameter.name]
    return list(dict.fromkeys(name[:2] + name[2:].replace("_", "-") for name in option_names(parameter)))
