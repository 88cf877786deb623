"""From what a caller gives to what a method is called with: words through argparse, a program's values as they are."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, NoReturn

from smanager.commands import Command, CommandError, Parameter, Status
from smanager.text import resembling
from smanager.values import FALSE, KINDS, TRUE, chosen, member, member_words

NO_PREFIX = "\0"
"""For argparse, where a command has no options and `-x` is a word like any other; only one that begins so is not."""


class WordError(Exception):
    """A word that cannot be for its parameter; argparse lets it through, unlike a ValueError, and so as it is."""


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
        """Made at the first call only: that takes ten times as long as a call."""
        return WordParser(self.command.parameters)

    def usage(self, caption: str) -> str:
        """How the command is typed, after `caption`: the words that lead to it."""
        return self.parser.usage_after(caption)

    def bind(self, caption: str, words: Sequence[str]) -> Arguments:
        """Words as arguments.

        Raises CommandError, which names the parameter, what was given and what is allowed, with the usage.
        """
        if not words and not self.command.parameters:
            return Arguments([], {})
        if not self.parser.has_options and "--" in words:
            words = list(words)
            words.remove("--")
        try:
            found = vars(self.parser.parse_args(words))
            given = {name: value for name, value in found.items() if value is not None and value != []}
            return arrange(self.command.parameters, given)
        except (ValueError, WordError) as error:
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
    """How a word for a parameter is read, for argparse."""
    read = acceptor(parameter) if parameter.kind in ("choice", "member") else KINDS[parameter.kind].read
    if read is str:
        return str

    name = option_names(parameter)[0] if parameter.option else parameter.name

    def read_word(word: str) -> Any:
        try:
            return read(word)
        except ValueError as error:
            raise WordError(f"{name}: {word!r} should be {error}") from None

    return read_word


def words_of(parameter: Parameter) -> list[str]:
    """The words that a parameter may be, where they can be counted."""
    if parameter.kind == "choice":
        return list(map(str, parameter.choices))
    if parameter.kind == "member":
        return member_words(parameter.members)
    return [TRUE[0], FALSE[0]] if parameter.kind == "bool" else []


class WordParser(argparse.ArgumentParser):
    """argparse for one command: it neither exits nor prints."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.has_options = any(parameter.option for parameter in parameters)
        super().__init__(
            add_help=False, allow_abbrev=False, prefix_chars="-" if self.has_options else NO_PREFIX, prog=""
        )
        for parameter in parameters:
            self._add_option(parameter) if parameter.option else self._add_position(parameter)

    def _add_position(self, parameter: Parameter) -> None:
        several = parameter.several or parameter.rest
        count = ("+" if several else None) if parameter.required else ("*" if several else "?")
        self.add_argument(
            parameter.name,
            type=reader(parameter),
            nargs=count,
            default=[] if count == "*" else None,
            metavar=metavar(parameter, parameter.name),
        )

    def _add_option(self, parameter: Parameter) -> None:
        names = option_names(parameter)
        common: dict[str, Any] = {"dest": parameter.name, "default": None, "required": parameter.required}
        if is_flag(parameter):
            self.add_argument(*names, action="store_false" if parameter.default is True else "store_true", **common)
        elif parameter.kind == "bool" and not parameter.several:
            self.add_argument(*names, action=argparse.BooleanOptionalAction, **common)
        else:
            action = "append" if parameter.several else "store"
            written = metavar(parameter, parameter.name.upper())
            self.add_argument(*names, type=reader(parameter), action=action, metavar=written, **common)

    def usage_after(self, caption: str) -> str:
        formatted = " ".join(self.format_usage().split())
        return " ".join([caption, *formatted.removeprefix("usage:").split()])

    def error(self, message: str) -> NoReturn:
        """Raise ValueError with argparse's complaint, in the manner of the other messages."""
        start, _, words = message.partition(": ")
        if start == "the following arguments are required":
            raise ValueError(f"too few arguments: {words} missing")
        if start == "unrecognized arguments":
            if self.has_options and words.startswith("-"):
                given = words.split()[0].partition("=")[0]
                near = resembling(given, [name for action in self._actions for name in action.option_strings], 1)
                raise ValueError(f"there is no option {given}{f'; did you mean {near[0]}?' if near else ''}")
            raise ValueError(f"too many arguments: {words}")
        raise ValueError(message.removeprefix("argument "))


def metavar(parameter: Parameter, name: str) -> str:
    words = words_of(parameter) if parameter.kind in ("choice", "member") else []
    return f"{{{','.join(words)}}}" if words else name


def is_flag(parameter: Parameter) -> bool:
    return parameter.kind == "bool" and isinstance(parameter.default, bool) and not parameter.several


def option_names(parameter: Parameter) -> list[str]:
    """How an option is written: with dashes, and as the method has it."""
    no = "no-" if is_flag(parameter) and parameter.default is True else ""
    return list(dict.fromkeys([f"--{no}{parameter.name.replace('_', '-')}", f"--{no}{parameter.name}"]))
