"""A method's signature, annotations and docstring, read once: its parameters, and how JSON becomes its arguments."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import AsyncIterable, Callable, Hashable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from smanager.commands.jsonable import jsonable
from smanager.commands.line import JSON, PROGRESS
from smanager.commands.record import (
    COMPLETER_PREFIX,
    PREFIX,
    TOPLEVEL_PREFIX,
    Command,
    CommandError,
    Parameter,
    command_name,
)
from smanager.commands.types import TYPES
from smanager.service import LINE, SECRET

_KINDS: dict[object, str] = {
    int: "int",
    float: "float",
    bool: "bool",
    str: "text",
    Path: "path",
    datetime: "datetime",
    date: "date",
    time: "time",
    timedelta: "timedelta",
}
"""By annotation."""

SERVICES = "smanager: names of services"
"""`Annotated[..., SERVICES]` marks a parameter that names services, for the manager's own commands."""

Revive = Callable[[Any], Any]


class Signature(NamedTuple):
    """A method's parameters as callers meet them, and the way to its arguments."""

    parameters: tuple[Parameter, ...]
    revivers: Mapping[str, Revive]  # by the parameters' names
    returns: Mapping[str, Any]  # the result's JSON Schema
    unknown: tuple[str, ...] = ()  # annotations that name nothing known; their parameters are text

    def revive(self, arguments: Sequence[Any], options: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The objects to call the method with, from JSON values by position and by name."""
        by_position = [self.revivers[parameter.name] for parameter in self.parameters if not parameter.option]
        # The last one may take all remaining values.
        revived = [by_position[min(number, len(by_position) - 1)](value) for number, value in enumerate(arguments)]
        return revived, {name: self.revivers[name](value) for name, value in options.items()}


def signature_of(owner: type, method: str) -> Signature:
    """The signature of the command that `owner`'s function `method` implements.

    Raises CommandError where no caller could ever call it.
    """
    function: Callable[..., object] = getattr(owner, method)
    declared = list(inspect.signature(function).parameters.values())
    if not isinstance(inspect.getattr_static(owner, method), staticmethod | classmethod):
        if not declared:
            raise CommandError("the method has no parameter for `self`")
        del declared[0]
    docs = parameter_docs(inspect.getdoc(function) or "")
    names = _Names(owner, function)
    read = [
        _parameter(parameter, names, docs.get(parameter.name, ""))
        for parameter in declared
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    parameters = tuple(parameter for parameter, _ in read)
    positions = [parameter for parameter in parameters if not parameter.option]
    lists = [parameter.name for parameter in positions if parameter.several or parameter.rest]
    if len(lists) > 1:
        raise CommandError(f"{lists[0]} and {lists[1]} are both lists; at most one parameter can take several words")
    if before := [parameter.name for parameter in positions[:-1] if parameter.kind == "line"]:
        raise CommandError(f"{before[0]} takes the rest of the line; nothing but options may follow")
    unknown = tuple(names.unknown)
    returned = names.resolve(inspect.signature(function).return_annotation)
    revivers = {parameter.name: revive for parameter, revive in read}
    return Signature(parameters, revivers, schema_of(returned), unknown)


def describe(owner: type, method: str, name: str = "") -> Command:
    """The record of the command that `owner`'s function `method` implements.

    The command's name is `name`, or part of the method's. Raises CommandError as `signature_of`, and for options whose
    names or short forms are taken.
    """
    name = name or command_name(method)
    function = getattr(owner, method)
    signature = signature_of(owner, method)
    for parameter in signature.parameters if method.startswith((PREFIX, TOPLEVEL_PREFIX)) else ():
        if parameter.option and f"--{parameter.name}" in (JSON, PROGRESS):
            raise CommandError(f"--{parameter.name} is an option of every command; choose another name")
    return Command(
        name,
        without_parameters(inspect.getdoc(function) or ""),
        _with_short_forms(signature.parameters, getattr(function, "_short", {})),
        returns=signature.returns,
        toplevel=method.startswith(TOPLEVEL_PREFIX),
        completes=callable(getattr(owner, COMPLETER_PREFIX + name, None)),
        **getattr(function, "_command", {}),
    )


def _with_short_forms(parameters: Sequence[Parameter], short: Mapping[str, str]) -> tuple[Parameter, ...]:
    options = {parameter.name for parameter in parameters if parameter.option}
    if unknown := short.keys() - options:
        raise CommandError(f"short names {min(unknown)}, which is not an option; options are keyword-only parameters")
    if len(set(short.values())) < len(short):
        raise CommandError(f"short gives one letter to two options: {dict(short)}")
    return tuple(parameter._replace(short=short.get(parameter.name, "")) for parameter in parameters)


class _Names:
    """What the names in textual annotations mean: those of the function's module, and those in the class."""

    def __init__(self, owner: type, function: Callable[..., object]) -> None:
        self.unknown: list[str] = []
        self._globals = getattr(inspect.unwrap(function), "__globals__", {})
        self._locals = {name: value for base in reversed(owner.__mro__) for name, value in vars(base).items()}

    def resolve(self, annotation: object) -> object:
        """The object that an annotation names, if the annotation is text; `str` for an unknown name."""
        if isinstance(annotation, typing.ForwardRef):
            annotation = annotation.__forward_arg__
        if not isinstance(annotation, str):
            return annotation
        try:
            # As typing.get_type_hints does, but that gives up on all annotations where one is unknown.
            return self.resolve(eval(annotation, self._globals, self._locals))
        except Exception:
            self.unknown.append(annotation)
            return str


def _parameter(declared: inspect.Parameter, names: _Names, doc: str) -> tuple[Parameter, Revive]:
    typed, revive = _typed(declared.annotation, names)
    rest = declared.kind is declared.VAR_POSITIONAL
    given = declared.default is not declared.empty
    return typed._replace(
        name=declared.name,
        required=not given and not rest,
        rest=rest,
        option=declared.kind is declared.KEYWORD_ONLY,
        position_only=declared.kind is declared.POSITIONAL_ONLY,
        default=_default(declared.default) if given else None,
        doc=doc,
    ), revive


def _default(value: object) -> Any:
    if isinstance(value, list):
        return list(map(_default, value))
    return value.name if isinstance(value, Enum) else jsonable(value)


def _typed(annotation: object, names: _Names) -> tuple[Parameter, Revive]:
    """A parameter with this annotation, still without a name, and the reviver of its values."""
    annotation = names.resolve(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        if SERVICES in arguments[1:]:
            return Parameter("", kind="services", several=True), list
        typed, revive = _typed(arguments[0], names)
        if LINE in arguments[1:]:
            typed = typed._replace(kind="line")
        return typed._replace(secret=typed.secret or SECRET in arguments[1:]), revive
    if origin in (typing.Union, types.UnionType):
        others = [argument for argument in arguments if argument is not type(None)]
        if len(others) < len(arguments) and len(others) == 1:
            typed, revive = _typed(others[0], names)
            return typed._replace(nullable=True), lambda value: None if value is None else revive(value)
    if annotation is list or origin is list:
        typed, revive = _typed(arguments[0] if arguments else str, names)
        if not typed.several:
            return typed._replace(several=True), lambda values: list(map(revive, values))
    choices = tuple(choice for choice in arguments if choice is not None)
    if origin is typing.Literal and choices and all(isinstance(choice, str | int | bool) for choice in choices):
        return Parameter("", kind="choice", choices=choices, nullable=None in arguments), lambda value: value
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        members = {name: str(item.value) for name, item in annotation.__members__.items()}
        return Parameter("", kind="member", members=members), annotation.__members__.__getitem__
    kind = _KINDS.get(annotation, "text") if isinstance(annotation, Hashable) else "text"
    return Parameter("", kind=kind, annotated=annotation is not inspect.Parameter.empty), TYPES[kind].revive


def schema_of(annotation: object) -> dict[str, Any]:
    """The JSON Schema of values with this annotation; an empty one where the annotation says too little."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is None or annotation is type(None) or is_stream(origin or annotation):
        return {"type": "null"}  # a stream's items are notifications
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": list(map(schema_of, arguments))}
    if annotation in (list, tuple, set) or origin in (list, tuple, set):
        items = schema_of(arguments[0]) if arguments else {}
        return {"type": "array", "items": items}
    if annotation is dict or origin is dict or dataclasses.is_dataclass(annotation) or hasattr(annotation, "_fields"):
        fields = {} if annotation is dict or origin is dict else inspect.get_annotations(annotation)  # type: ignore[arg-type]  # a class
        properties = {name: schema_of(field) for name, field in fields.items() if not isinstance(field, str)}
        return {"type": "object", **({"properties": properties} if properties else {})}
    kind = _KINDS.get(annotation) if isinstance(annotation, Hashable) else None
    return dict(TYPES[kind].schema) if kind else {}


def is_stream(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, AsyncIterable | Iterator)


# Docstrings.

_GOOGLE = re.compile(r"^(?:Args|Arguments|Parameters):\n((?:[ \t]+.*\n?|\n)*)", re.MULTILINE)
_NUMPY = re.compile(r"^Parameters\n-{3,}\n((?:(?!\S.*\n-{3,}).*\n)*)", re.MULTILINE)
_ENTRY_NAMES = r"^(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*"
_GOOGLE_ENTRY = re.compile(_ENTRY_NAMES + r"(?:\(.*?\))?:\s*(.*)$")
_NUMPY_ENTRY = re.compile(_ENTRY_NAMES + r"(?::.*)?$")


def without_parameters(doc: str) -> str:
    """A docstring without its section on parameters: help shows them from the record."""
    return re.sub(r"\n{3,}", "\n\n", _NUMPY.sub("", _GOOGLE.sub("", doc + "\n"))).strip()


def parameter_docs(doc: str) -> dict[str, str]:
    """A docstring's text on each parameter as one line, from Google's or NumPy's style."""
    texts: dict[str, list[str]] = {}
    section = _GOOGLE.search(doc + "\n") or _NUMPY.search(doc + "\n")
    if not section:
        return {}
    entry_pattern = _GOOGLE_ENTRY if section.re is _GOOGLE else _NUMPY_ENTRY
    current: list[str] = []
    for line in inspect.cleandoc("\n" + section.group(1)).splitlines():
        if entry := entry_pattern.match(line):
            current = [*entry.groups()[1:]]
            texts |= dict.fromkeys(re.findall(r"\w+", entry[1]), current)
        else:
            current.append(line.strip())
    return {name: " ".join(" ".join(pieces).split()) for name, pieces in texts.items()}
