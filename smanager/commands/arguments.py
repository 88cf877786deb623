"""From a caller's words, or a program's values, to the arguments of a method. argparse reads the words."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple, NoReturn

from smanager.commands.line import split_words, words_with_places
from smanager.commands.record import Command, CommandError, Parameter, Status
from smanager.commands.types import FALSE, TRUE, TYPES, chosen, member, member_words
from smanager.terminal.text import resembling

NUMBER = re.compile(r"-\.?\d")
"""How a negative number begins; options have names, so none begins so."""

NO_PREFIX = "\0"
"""A prefix for argparse that no word begins with: without options, `-x` is a word like any other."""

DASHES = "\ufdd0"
"""Stands for a `--` that is a word, since argparse removes each `--`; Unicode calls the code a noncharacter (23.7)."""

SHOWN_LIMIT = 60
"""Characters of a wrong value that an error message shows."""

_ENCODER = json.JSONEncoder()


class WordError(Exception):
    """A word that does not fit its parameter. argparse hides the text of a ValueError, but not of this class."""


class Arguments(NamedTuple):
    """What a method is called with, as JSON values."""

    positions: list[Any]
    options: dict[str, Any]

    def by_name(self, parameters: Sequence[Parameter]) -> dict[str, Any]:
        """All values by their parameters' names; the values of `*args` as one list."""
        positions = list(self.positions)
        values: dict[str, Any] = {}
        for parameter in parameters:
            if parameter.rest:
                values[parameter.name], positions = positions, []
            elif not parameter.option and positions:
                values[parameter.name] = positions.pop(0)
            elif parameter.name in self.options:
                values[parameter.name] = self.options[parameter.name]
        return values


class Binding:
    """How words become one command's arguments."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._line = next((parameter.name for parameter in command.parameters if parameter.kind == "line"), None)

    @cached_property
    def parser(self) -> WordParser:
        """Made at the first call, since it takes ten times as long as a call."""
        return WordParser(self.command.parameters)

    def usage(self, caption: str) -> str:
        """How to type the command, after `caption`: the words that lead to the command."""
        return Declared(self.command.parameters, for_usage=True).usage_after(caption)

    def bind_text(self, caption: str, text: str) -> Arguments:
        """The text behind a command as arguments. Raises CommandError as `bind`."""
        return self.bind(caption, split_before_line(self.command, text) if self._line else split_words(text))

    def bind(self, caption: str, words: Sequence[str]) -> Arguments:
        """Words as arguments.

        Raises CommandError, whose text names the parameter, the value, what would be right, and the usage.
        """
        if not words and not self.command.parameters:
            return Arguments([], {})
        try:
            return arrange(self.command.parameters, self.parser.parse(words))
        except (ValueError, WordError) as error:
            raise CommandError(f"{caption}: {error}; usage: {self.usage(caption)}", Status.UNUSABLE) from None


def split_before_line(command: Command, text: str) -> list[str]:
    """The words before a `Line` parameter, and the rest of the text as the last word."""
    options = {
        name: parameter for parameter in command.parameters if parameter.option for name in option_names(parameter)
    }
    before = sum(not parameter.option for parameter in command.parameters) - 1
    chosen_options: list[str] = []
    positions: list[str] = []
    awaits_value = False
    for place, word in words_with_places(text):
        option = options.get(word.partition("=")[0])
        if awaits_value or (option and not positions):
            chosen_options.append(word)
            awaits_value = not awaits_value and option is not None and "=" not in word and not is_flag(option)
        elif len(positions) < before:
            positions.append(word)
        else:
            return [*chosen_options, "--", *positions, text[place:].rstrip()]
    return [*chosen_options, "--", *positions]


def accept(command: Command, caption: str, given: object) -> Arguments:
    """A program's values, a list or an object, as arguments. Raises CommandError as `Binding.bind`."""
    parameters = command.parameters
    try:
        if given is None:
            values = {}
        elif isinstance(given, list):
            values = by_position(parameters, given)
        elif isinstance(given, dict):
            values = by_name(parameters, given)
        else:
            raise ValueError("params should be a list or an object")
        require_all(parameters, values, attrgetter("name"))
        return arrange(parameters, values)
    except ValueError as error:
        raise CommandError(f"{caption}: {error}", Status.UNUSABLE) from None


def by_position(parameters: Sequence[Parameter], given: list[Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.rest:
            values[parameter.name], given = checked(parameter, given), []
        elif given and not parameter.option:
            values[parameter.name], given = checked(parameter, given[0]), given[1:]
    if given:
        raise ValueError(f"too many arguments: {len(given)} more than parameters")
    return values


def by_name(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    known = {parameter.name: parameter for parameter in parameters}
    for name in given.keys() - known.keys():
        near = resembling(name, list(known), 1)
        raise ValueError(f"unknown parameter {name}; {f'did you mean {near[0]}?' if near else listed(known)}")
    return {name: checked(known[name], value) for name, value in given.items()}


def require_all(parameters: Sequence[Parameter], values: Mapping[str, Any], spell: Callable[[Parameter], str]) -> None:
    """Raise ValueError where a required parameter has no value; `spell` returns a parameter's name for the caller."""
    missing = [parameter for parameter in parameters if parameter.required and parameter.name not in values]
    if missing:
        raise ValueError(f"too few arguments: {', '.join(map(spell, missing))} missing")


def listed(names: Iterable[str]) -> str:
    return f"known: {', '.join(names) or 'none'}"


def arrange(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> Arguments:
    """Values by name as arguments, by position where possible.

    Raises ValueError where a value can only be given by position and an earlier one is missing.
    """
    positions: list[Any] = []
    options = {}
    skipped = ""
    for parameter in parameters:
        if parameter.name not in values:
            skipped = skipped or ("" if parameter.option or parameter.rest else parameter.name)
        elif parameter.option or (skipped and not parameter.rest and not parameter.position_only):
            options[parameter.name] = values[parameter.name]
        elif skipped and (values[parameter.name] or not parameter.rest):
            raise ValueError(f"{parameter.name} needs {skipped} before it")
        elif parameter.rest:
            positions += values[parameter.name]
        else:
            positions.append(values[parameter.name])
    return Arguments(positions, options)


def checked(parameter: Parameter, value: Any) -> Any:
    """A JSON value for a parameter. Raises ValueError for a wrong one."""
    if value is None and parameter.nullable:
        return None
    try:
        if parameter.several or parameter.rest:
            if not isinstance(value, list):
                raise ValueError("a list")
            return [acceptor(parameter)(item) for item in value]
        return acceptor(parameter)(value)
    except ValueError as error:
        # Encoded only as far as it is shown: a value that could be decoded may be nested too deeply to be encoded.
        shown = "".join(islice(_ENCODER.iterencode(value), SHOWN_LIMIT))
        raise ValueError(f"{parameter.name} is {shown:.{SHOWN_LIMIT}}, and should be {error}") from None


def acceptor(parameter: Parameter) -> Callable[[Any], Any]:
    if parameter.kind == "choice":
        return lambda value: chosen(value, parameter.choices)
    if parameter.kind == "member":
        return lambda value: member(value, parameter.members)
    return TYPES[parameter.kind].accept


def schema(parameter: Parameter) -> dict[str, Any]:
    """The JSON Schema of a parameter's values."""
    if parameter.kind == "choice":
        described: dict[str, Any] = {"enum": list(parameter.choices)}
    elif parameter.kind == "member":
        described = {"type": "string", "enum": list(parameter.members)}
    else:
        described = dict(TYPES[parameter.kind].schema)
    if parameter.several or parameter.rest:
        described = {"type": "array", "items": described}
    if parameter.nullable:
        described = {"anyOf": [described, {"type": "null"}]}
    if parameter.default is not None:
        described["default"] = parameter.default
    return described


def reader(parameter: Parameter) -> Callable[[str], Any]:
    """How argparse reads a word for a parameter."""
    read = acceptor(parameter) if parameter.kind in ("choice", "member") else TYPES[parameter.kind].read
    name = given_as(parameter)[-1]

    def read_word(word: str) -> Any:
        word = "--" if word == DASHES else word
        try:
            return read(word)
        except ValueError as error:
            raise WordError(f"{name}: {word!r:.{SHOWN_LIMIT}} should be {error}") from None

    return read_word


def words_of(parameter: Parameter) -> list[str]:
    """All words that a parameter may be, where they can be listed."""
    if parameter.kind == "choice":
        return list(map(str, parameter.choices))
    if parameter.kind == "member":
        return member_words(parameter.members)
    return [TRUE[0], FALSE[0]] if parameter.kind == "bool" else []


class WordParser:
    """Reads one command's words by argparse: first the options, wherever they stand up to a `--`, then the positions.

    In one go, argparse would take optional positions for omitted as soon as it meets an option.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = parameters
        options = [parameter for parameter in parameters if parameter.option]
        self._options = Declared(options) if options else None
        self._positions = Declared([parameter for parameter in parameters if not parameter.option])

    def parse(self, words: Sequence[str]) -> dict[str, Any]:
        """The values by their parameters' names. Raises ValueError and WordError."""
        before, after = list(words), []
        if "--" in words:
            end = before.index("--")
            before, after = before[:end], [DASHES if word == "--" else word for word in before[end + 1 :]]
        values: dict[str, Any] = {}
        if self._options:
            values, before = self._options.parse(before)
            for word in before:
                if word.startswith("-") and word != "-" and not NUMBER.match(word) and " " not in word:
                    self._options.refuse(word)
        positions, surplus = self._positions.parse([*before, *after])
        if surplus:
            raise ValueError(f"too many arguments: {' '.join(surplus)}")
        values |= positions
        values = {name: value for name, value in values.items() if value is not None and value != []}
        # A command may find services by itself, such as the one whose shell it is given in.
        needed = [parameter for parameter in self._parameters if parameter.kind != "services"]
        require_all(needed, values, lambda parameter: "/".join(given_as(parameter)))
        return values


class Declared(argparse.ArgumentParser):
    """argparse for parameters of one sort, options or positions. It neither exits nor prints."""

    def __init__(self, parameters: Sequence[Parameter], for_usage: bool = False) -> None:
        """`for_usage` shows choices and each option once; error messages have the name of a position instead."""
        has_options = any(parameter.option for parameter in parameters)
        super().__init__(
            add_help=False,
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
            exit_on_error=False,
            prefix_chars="-" if has_options else NO_PREFIX,
            prog="",
        )
        self._parameters = parameters
        self._negative_number_matcher = NUMBER  # argparse's own does not know -1e5
        for parameter in parameters:
            names = option_names(parameter) if not for_usage else given_as(parameter)
            if parameter.option:
                self._add_option(parameter, names, for_usage)
            else:
                self._add_position(parameter, for_usage)

    def _add_position(self, parameter: Parameter, for_usage: bool) -> None:
        several = parameter.several or parameter.rest
        is_needed = parameter.required and (for_usage or parameter.kind != "services")
        count = ("+" if several else None) if is_needed else ("*" if several else "?")
        self.add_argument(
            parameter.name,
            type=reader(parameter),
            nargs=count,
            default=[] if count == "*" else None,
            metavar=metavar(parameter, parameter.name) if for_usage else None,
        )

    def _add_option(self, parameter: Parameter, names: Sequence[str], for_usage: bool) -> None:
        common: dict[str, Any] = {"dest": parameter.name, "required": parameter.required and for_usage}
        if is_flag(parameter) and isinstance(parameter.default, bool):
            self.add_argument(*names, action="store_false" if parameter.default else "store_true", **common)
        elif is_flag(parameter):
            positive = [name for name in names if not name.startswith("--no-")]
            self.add_argument(*positive, action=argparse.BooleanOptionalAction, **common)
        else:
            action = "append" if parameter.several else "store"
            written = metavar(parameter, parameter.name.upper())
            self.add_argument(*names, type=reader(parameter), action=action, metavar=written, **common)

    def parse(self, words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
        """The values by name, and the words that are left. Raises ValueError and WordError."""
        try:
            values, surplus = self.parse_known_args(words)
        except argparse.ArgumentError as error:
            if error.argument_name is None:  # a required position is missing, the last ones of them
                missing = [parameter.name for parameter in self._parameters if parameter.required][len(words) :]
                raise ValueError(f"too few arguments: {', '.join(missing)} missing") from None
            raise ValueError(f"{error.argument_name}: {error.message}") from None
        return vars(values), surplus

    def refuse(self, word: str) -> NoReturn:
        """Raise ValueError about an unknown option."""
        given = word.partition("=")[0]
        near = resembling(given, [name for action in self._actions for name in action.option_strings], 1)
        raise ValueError(f"unknown option {given}{f'; did you mean {near[0]}?' if near else ''}")

    def usage_after(self, caption: str) -> str:
        formatted = " ".join(self.format_usage().split())
        return " ".join([caption, *formatted.removeprefix("usage:").split()])

    def error(self, message: str) -> NoReturn:
        """Before Python 3.13, argparse reports missing positions in this way."""
        raise argparse.ArgumentError(None, message)


def metavar(parameter: Parameter, name: str) -> str:
    if parameter.kind == "services":
        return "SERVICE"
    words = words_of(parameter) if parameter.kind in ("choice", "member") else []
    return f"{{{','.join(words)}}}" if words else name


def is_flag(parameter: Parameter) -> bool:
    """Whether the parameter is an option without a value."""
    return parameter.option and parameter.kind == "bool" and not parameter.several


def flags(parameter: Parameter) -> dict[str, bool]:
    """The words of a flag and what each says: only the opposite of the default, where it has one."""
    dashed = parameter.name.replace("_", "-")
    prefixes = {True: "--", False: "--no-"}
    prefixes.pop(parameter.default, None)
    words = {f"{prefix}{name}": value for value, prefix in prefixes.items() for name in (dashed, parameter.name)}
    return ({f"-{parameter.short}": parameter.default is not True} if parameter.short else {}) | words


def option_names(parameter: Parameter) -> list[str]:
    """All words for an option: the short form, the name with dashes, and the name as the method has it."""
    if is_flag(parameter):
        return list(flags(parameter))
    short = [f"-{parameter.short}"] if parameter.short else []
    return list(dict.fromkeys([*short, f"--{parameter.name.replace('_', '-')}", f"--{parameter.name}"]))


def given_as(parameter: Parameter) -> list[str]:
    """What people read for a parameter: a position's name, or an option's words with dashes."""
    if not parameter.option:
        return [parameter.name]
    return list(dict.fromkeys(name[:2] + name[2:].replace("_", "-") for name in option_names(parameter)))
