"""The types of parameters: how each reads a word, and its JSON Schema.

A type turns a word into a JSON value, which travels to the service's host and becomes an object of the annotated
class there. A program sends such a value itself, and the same rules check it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from smanager.commands.jsonable import from_json
from smanager.commands.record import Parameter
from smanager.commands.shapes import Schema, conforms, equal, is_integer, wording

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")
NONE = ("none", "null")

_SPAN = re.compile(r"(?:([\d.]+)d)?(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", re.IGNORECASE)
_SPAN_UNITS = (86400.0, 3600.0, 60.0, 1.0)


class ParameterType(NamedTuple):
    """One type. `read` and `accept` raise ValueError, whose text says what would be right."""

    read: Callable[[str], Any]  # from a word to a JSON value
    accept: Callable[[Any], Any]  # from a program's JSON value to the one that travels
    revive: Callable[[Any], Any]  # from that value to the object that the method receives
    schema: Mapping[str, object]  # JSON Schema


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number") from None


def _accept_number(value: object) -> int:
    if not is_integer(value):
        raise ValueError("a whole number")
    return int(value)  # type: ignore[call-overload, no-any-return]  # 5.0 is one too


def _real(text: str) -> float:
    try:
        return _accept_real(float(text))
    except ValueError:
        raise ValueError("a number") from None


def _accept_real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a number")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("a number of at most 1.8e308") from None
    if not math.isfinite(number):
        raise ValueError("a number")
    return number


def _truth(text: str) -> bool:
    if text.lower() in TRUE + FALSE:
        return text.lower() in TRUE
    raise ValueError(f"one of {', '.join(TRUE + FALSE)}")


def _only(cls: type, what: str) -> Callable[[object], Any]:
    def accept(value: object) -> Any:
        if isinstance(value, cls):
            return value
        raise ValueError(what)

    return accept


_accept_text = _only(str, "text")


def _moment(cls: type[datetime] | type[date] | type[time], example: str) -> ParameterType:
    what = f"a {cls.__name__} such as {example}"

    def accept(value: object) -> str:
        try:
            return cls.fromisoformat(value).isoformat()  # type: ignore[arg-type]  # else a TypeError
        except (TypeError, ValueError):
            raise ValueError(what) from None

    json_format = {"datetime": "date-time"}.get(cls.__name__, cls.__name__)
    return ParameterType(accept, accept, cls.fromisoformat, {"type": "string", "format": json_format})


def seconds_of(value: object) -> float:
    """The seconds of a time span such as `90s`, `1h30m`, `90`, or a number. Raises ValueError."""
    try:
        if isinstance(value, str):
            match = _SPAN.fullmatch(value)
            if match and any(match.groups()):
                numbers = zip(match.groups(), _SPAN_UNITS, strict=True)
                value = sum(float(number) * unit for number, unit in numbers if number)
            else:
                value = float(value)
        seconds = _accept_real(value)
        timedelta(seconds=seconds)  # raises OverflowError
        return seconds
    except (ValueError, OverflowError):
        raise ValueError("a time span such as 90s, 1h30m, or a number of seconds") from None


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # `~` before an unknown user's name, which shells leave alone too
        return Path(text)


TYPES: Mapping[str, ParameterType] = MappingProxyType(
    {
        "text": ParameterType(str, _accept_text, str, {"type": "string"}),
        "line": ParameterType(str.rstrip, _accept_text, str, {"type": "string"}),
        "services": ParameterType(str, _accept_text, str, {"type": "string", "format": "service"}),
        "int": ParameterType(_number, _accept_number, int, {"type": "integer"}),
        "float": ParameterType(_real, _accept_real, float, {"type": "number"}),
        "bool": ParameterType(_truth, _only(bool, "true or false"), bool, {"type": "boolean"}),
        "path": ParameterType(str, _accept_text, _path, {"type": "string"}),
        "datetime": _moment(datetime, "2026-11-25T13:45"),
        "date": _moment(date, "2026-11-25"),
        "time": _moment(time, "13:45"),
        "timedelta": ParameterType(
            seconds_of, seconds_of, lambda seconds: timedelta(seconds=seconds), {"type": ["number", "string"]}
        ),
    }
)
"""All types but choices and enums, whose values are in the parameter's record."""


def type_of(parameter: Parameter) -> ParameterType:
    if parameter.kind == "choice":
        accept = partial(chosen, choices=parameter.choices)
        return ParameterType(accept, accept, lambda value: value, {"enum": list(parameter.choices)})
    if parameter.kind == "member":
        accept = partial(member, members=parameter.members)
        return ParameterType(accept, accept, str, {"type": "string", "enum": list(parameter.members)})
    if parameter.kind == "json":
        described = parameter.schema
        return ParameterType(
            partial(_read_json, schema=described),
            partial(_conforming, schema=described),
            lambda value: value,
            described,
        )
    return TYPES[parameter.kind]


def _conforming(value: Any, schema: Schema) -> Any:
    try:
        if conforms(value, schema):
            return value
    except RecursionError:
        pass  # it is nested more deeply than any type says
    raise ValueError(wording(schema))


def _read_json(text: str, schema: Schema) -> Any:
    """A word as JSON, or as text where that is a value as well and JSON is not."""
    with suppress(ValueError, RecursionError):
        return _conforming(from_json(text), schema)
    with suppress(ValueError):
        return _conforming(text, schema)
    raise ValueError(f"JSON such as {wording(schema)}")


def chosen(value: object, choices: Sequence[object]) -> Any:
    """The value of a Literal that equals `value`, or whose text does. Raises ValueError."""
    for choice in choices:
        if equal(value, choice) or (isinstance(value, str) and value in (str(choice), choice_word(choice))):
            return choice
    raise ValueError(f"one of {', '.join(map(choice_word, choices))}")


def choice_word(choice: object) -> str:
    """A Literal's value as callers type it."""
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def member(value: object, members: Mapping[str, str]) -> str:
    """The enum member with this name or value, in any case. Raises ValueError."""
    wanted = str(int(value) if isinstance(value, float) and is_integer(value) else value)
    for texts in (members, members.values()):  # one member's value may be another's name
        for same in (str, str.lower, lambda text: text.lower().replace("-", "_")):  # two may differ only in case
            for name, text in zip(members, texts, strict=True):
                if same(wanted) == same(text):
                    return name
    raise ValueError(f"one of {', '.join(member_words(members))}")


def member_words(members: Mapping[str, str]) -> list[str]:
    """The members as callers type them."""
    return [name.lower() for name in members]
