"""From a caller's words, or a program's values, to the arguments of a method."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from smanager.commands.record import Command, CommandError, Parameter, Status
from smanager.commands.types import NONE, type_of
from smanager.commands.words import Words, flags, given_as, is_flag, usage
from smanager.terminal.text import resembling

SHOWN_LIMIT = 60  # characters of a wrong value that an error message shows

_ENCODER = json.JSONEncoder()


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


def bind(command: Command, caption: str, text: str) -> Arguments:
    """The text behind a command as arguments.

    Raises CommandError, whose text names the parameter, the value, what would be right, and the usage.
    """
    if not text and not command.parameters:
        return Arguments([], {})  # most calls
    try:
        return arrange(command.parameters, values_of(command.parameters, Words(command.parameters, text)))
    except ValueError as error:
        message = f"{caption}: {error}; usage: {usage(caption, command.parameters)}"
        raise CommandError(message, Status.UNUSABLE) from None


def values_of(parameters: Sequence[Parameter], words: Words) -> dict[str, Any]:
    """The values of words by their parameters' names. Raises ValueError."""
    values: dict[str, Any] = {}
    for option, name, text in words.options:
        if is_flag(option):
            given = True if text is None else read(option, text)
            values[option.name] = None if given is None else given is flags(option)[name]
        elif text is None:
            raise ValueError(f"{name}: expected one argument")
        elif option.several:
            values.setdefault(option.name, []).append(read(option, text))
        else:
            values[option.name] = read(option, text)
    for word in words.unknown:
        given = word.partition("=")[0]
        near = resembling(given, list(words.by_name), 1)
        raise ValueError(f"unknown option {given}{f'; did you mean {near[0]}?' if near else ''}")
    values |= placed([parameter for parameter in parameters if not parameter.option], words.positions)
    # A command may find services by itself, such as the one whose shell it is given in.
    if any(parameter.kind != "services" for parameter in missing(parameters, values)):
        raise too_few("/".join(given_as(parameter)) for parameter in missing(parameters, values))
    return values


def placed(positions: Sequence[Parameter], words: Sequence[str]) -> dict[str, Any]:
    """The values of words by position; a list leaves those behind it what they require. Raises ValueError."""
    values: dict[str, Any] = {}
    for index, parameter in enumerate(positions):
        if parameter.several or parameter.rest:
            required_behind = sum(other.required for other in positions[index + 1 :])
            fewest = int(parameter.required and parameter.kind != "services")
            end = max(len(words) - required_behind, fewest)
            if taken := words[:end]:
                values[parameter.name] = [read(parameter, word) for word in taken]
            words = words[end:]
        elif words:
            values[parameter.name], words = read(parameter, words[0]), words[1:]
    if words:
        raise ValueError(f"too many arguments: {' '.join(words)}")
    return values


def read(parameter: Parameter, word: str) -> Any:
    """The value that a word is for a parameter. Raises ValueError."""
    may_be_none = parameter.nullable and not parameter.several
    try:
        return type_of(parameter).read(word)
    except ValueError as error:
        if may_be_none and word.lower() in NONE:
            return None
        also = f", or {NONE[0]}" if may_be_none else ""
        raise ValueError(f"{given_as(parameter)[-1]}: {word!r:.{SHOWN_LIMIT}} should be {error}{also}") from None


def accept(command: Command, caption: str, given: object) -> Arguments:
    """A program's values, a list or an object, as arguments. Raises CommandError as `bind`."""
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
        if lacking := missing(parameters, values):
            raise too_few(parameter.name for parameter in lacking)
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
    given = {f"{name}_" if name not in known and f"{name}_" in known else name: given[name] for name in given}
    for name in given.keys() - known.keys():
        near = resembling(name, list(known), 1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}"
        raise ValueError(f"unknown parameter {name}; {hint}")
    return {name: checked(known[name], value) for name, value in given.items()}


def missing(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> list[Parameter]:
    """The required parameters without a value."""
    return [parameter for parameter in parameters if parameter.required and parameter.name not in values]


def too_few(missing: Iterable[str]) -> ValueError:
    return ValueError(f"too few arguments: {', '.join(missing)} missing")


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
    accept = type_of(parameter).accept
    try:
        if not (parameter.several or parameter.rest):
            return accept(value)
        if not isinstance(value, list):
            raise ValueError("a list")
        return [accept(item) for item in value]
    except ValueError as error:
        # Encoded only as far as it is shown: a value that could be decoded may be nested too deeply to be encoded.
        shown = "".join(islice(_ENCODER.iterencode(value), SHOWN_LIMIT))
        raise ValueError(f"{parameter.name} is {shown:.{SHOWN_LIMIT}}, and should be {error}") from None


def schema(parameter: Parameter) -> dict[str, Any]:
    """The JSON Schema of a parameter's values."""
    described: dict[str, Any] = dict(type_of(parameter).schema)
    if parameter.secret:
        described |= {"format": "password", "writeOnly": True}  # so that a form hides what is typed
    if parameter.several or parameter.rest:
        described = {"type": "array", "items": described}
    if parameter.nullable:
        described = {"anyOf": [described, {"type": "null"}]}
    if parameter.default is not None:
        described["default"] = parameter.default
    return described
