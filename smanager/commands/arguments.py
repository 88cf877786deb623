"""From what a caller gives to what a method is called with: words through argparse, a program's values as they are."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple, NoReturn

from smanager.commands.record import Command, CommandError, Parameter, Status
from smanager.commands.types import FALSE, KINDS, TRUE, chosen, member, member_words
from smanager.terminal.text import resembling

NUMBER = re.compile(r"-\.?\d")
"""How what is below zero begins; no option does, for they have names."""

NO_PREFIX = "\0"
"""For argparse, where a command has no options and `-x` is a word like any other; only one that begins so is not."""

DASHES = "\ufdd0"
"""Stands for a `--` that is a word (argparse takes each of them away); a character that is none (Unicode, 23.7)."""

LONGEST_SHOWN = 60
"""Characters of a wrong value that are told."""

_ENCODER = json.JSONEncoder()


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
        return Declared(self.command.parameters, for_usage=True).usage_after(caption)

    def bind(self, caption: str, words: Sequence[str]) -> Arguments:
        """Words as arguments.

        Raises CommandError, which names the parameter, what was given and what is allowed, with the usage.
        """
        if not words and not self.command.parameters:
            return Arguments([], {})
        try:
            return arrange(self.command.parameters, self.parser.parse(words))
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
        # No further than it is shown: what could just be decoded may be nested too deeply to be encoded.
        shown = "".join(islice(_ENCODER.iterencode(value), LONGEST_SHOWN))
        raise ValueError(f"{parameter.name} is {shown:.{LONGEST_SHOWN}}, and should be {error}") from None


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
    name = given_as(parameter)[0]

    def read_word(word: str) -> Any:
        word = "--" if word == DASHES else word
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


class WordParser:
    """Reads one command's words by argparse: the options first, wherever they stand up to a `--`, then what is left by
    position. In one go it would take all positions for left out that may be, at the first option that it meets."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        options = [parameter for parameter in parameters if parameter.option]
        self._options = Declared(options) if options else None
        self._positions = Declared([parameter for parameter in parameters if not parameter.option])

    def parse(self, words: Sequence[str]) -> dict[str, Any]:
        """The values by their parameters' names. Raises ValueError and WordError."""
        before, after = list(words), []
        if "--" in words:
            end = before.index("--")
            before, after = before[:end], [DASHES if word == "--" else word for word in before[end + 1 :]]
        found: dict[str, Any] = {}
        if self._options:
            options, before = self._options.parse_known_args(before)
            found = vars(options)
            for word in before:
                if word.startswith("-") and word != "-" and not NUMBER.match(word) and " " not in word:
                    self._options.refuse(word)
        found |= vars(self._positions.parse_args([*before, *after]))
        return {name: value for name, value in found.items() if value is not None and value != []}


class Declared(argparse.ArgumentParser):
    """argparse for parameters of one kind, options or positions; it neither exits nor prints."""

    def __init__(self, parameters: Sequence[Parameter], for_usage: bool = False) -> None:
        """`for_usage` shows what may be chosen, and each option once; messages have a position's name instead."""
        has_options = any(parameter.option for parameter in parameters)
        super().__init__(
            add_help=False,
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            prefix_chars="-" if has_options else NO_PREFIX,
            prog="",
        )
        self._negative_number_matcher = NUMBER  # argparse's own knows no -1e5, and no option begins so
        for parameter in parameters:
            names = option_names(parameter) if not for_usage else given_as(parameter)
            self._add_option(parameter, names) if parameter.option else self._add_position(parameter, for_usage)

    def _add_position(self, parameter: Parameter, for_usage: bool) -> None:
        several = parameter.several or parameter.rest
        count = ("+" if several else None) if parameter.required else ("*" if several else "?")
        self.add_argument(
            parameter.name,
            type=reader(parameter),
            nargs=count,
            default=[] if count == "*" else None,
            metavar=metavar(parameter, parameter.name) if for_usage else None,
        )

    def _add_option(self, parameter: Parameter, names: Sequence[str]) -> None:
        common: dict[str, Any] = {"dest": parameter.name, "required": parameter.required}
        if is_flag(parameter) and isinstance(parameter.default, bool):
            self.add_argument(*names, action="store_false" if parameter.default else "store_true", **common)
        elif is_flag(parameter):
            positive = [name for name in names if not name.startswith("--no-")]
            self.add_argument(*positive, action=argparse.BooleanOptionalAction, **common)
        else:
            action = "append" if parameter.several else "store"
            written = metavar(parameter, parameter.name.upper())
            self.add_argument(*names, type=reader(parameter), action=action, metavar=written, **common)

    def refuse(self, word: str) -> NoReturn:
        """Raise ValueError about an option that there is not."""
        given = word.partition("=")[0]
        near = resembling(given, [name for action in self._actions for name in action.option_strings], 1)
        raise ValueError(f"there is no option {given}{f'; did you mean {near[0]}?' if near else ''}")

    def usage_after(self, caption: str) -> str:
        formatted = " ".join(self.format_usage().split())
        return " ".join([caption, *formatted.removeprefix("usage:").split()])

    def error(self, message: str) -> NoReturn:
        """Raise ValueError with argparse's complaint, in the manner of the other messages."""
        start, _, words = message.partition(": ")
        if start == "the following arguments are required":
            raise ValueError(f"too few arguments: {words} missing")
        if start == "unrecognized arguments":
            raise ValueError(f"too many arguments: {words}")
        raise ValueError(message.removeprefix("argument "))


def metavar(parameter: Parameter, name: str) -> str:
    words = words_of(parameter) if parameter.kind in ("choice", "member") else []
    return f"{{{','.join(words)}}}" if words else name


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
