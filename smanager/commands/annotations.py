"""What annotations say: how a parameter's values are given, checked, and made into objects."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections import abc
from collections.abc import AsyncIterable, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from smanager.commands.arguments import checked, schema
from smanager.commands.callables import names_of
from smanager.commands.record import Parameter
from smanager.commands.shapes import conforms
from smanager.commands.types import TYPES, type_of
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

_LISTS: dict[object, Callable[[list[Any]], Any]] = {
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable), list),
    **dict.fromkeys((set, abc.Set, abc.MutableSet), set),
    frozenset: frozenset,
    tuple: tuple,
}
"""By annotation, what makes the object of a list of several words."""

_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)

SERVICES = "smanager: names of services"
"""`Annotated[..., SERVICES]` marks a parameter that names services, for the manager's own commands."""

Revive = Callable[[Any], Any]


class Typed(NamedTuple):
    """What an annotation says of a parameter, which has no name yet, and how its JSON values become objects."""

    parameter: Parameter
    revive: Revive

    def of(self, value: Any) -> Any:
        """The object that a value inside another one becomes. Raises ValueError for a wrong value."""
        return self.revive(checked(self.parameter, value))

    def called(self, name: str) -> Typed:
        return Typed(self.parameter._replace(name=name), self.revive)

    def in_one_word(self) -> Typed:
        """The same for an item of a list, which is one word: JSON, where that would take several, or may be null."""
        if self.parameter.several or self.parameter.nullable:
            return Typed(_as_json(schema(self.parameter)), self.of)
        return self


class Annotations:
    """Reads the annotations of one function, with the names of its module and of its class."""

    def __init__(self, owner: type, names: dict[str, Any]) -> None:
        self.problems: list[str] = []  # with annotations that say nothing known; their parameters are text
        self._globals = names
        self._locals = {name: value for base in reversed(owner.__mro__) for name, value in vars(base).items()}
        self._within: list[object] = []  # classes whose fields are being read

    def resolve(self, annotation: object) -> object:
        """The object that an annotation names, if the annotation is text; `str` for an unknown name."""
        if isinstance(annotation, typing.ForwardRef):
            annotation = annotation.__forward_arg__
        if not isinstance(annotation, str):
            return annotation
        try:
            # As typing.get_type_hints does, but that gives up on all annotations where one is unknown.
            return self.resolve(eval(annotation, self._globals, self._locals))
        except RecursionError:  # of an annotation that has itself inside, wherever it is met
            raise
        except Exception:
            self.problems.append(f"its annotation {annotation!r} is unknown")
            return str

    def read(self, annotation: object) -> Typed:
        """What an annotation says; text if it says nothing known."""
        annotation = self.resolve(annotation)
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            return self._annotated(*arguments)
        if alias := getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None):
            return self.read(alias)  # of a NewType, and of a `type` statement
        if origin in (typing.Union, types.UnionType):
            return self._union(arguments)
        if origin is typing.Literal:
            return self._literal(annotation, arguments)
        kind = origin or annotation
        if not isinstance(kind, Hashable):
            return self.unsupported(annotation)
        if kind is tuple and arguments and arguments[1:] != (...,):
            return self._tuple(arguments)
        if kind in _LISTS:
            return self._list(_LISTS[kind], arguments[0] if arguments else str)
        if kind in _MAPPINGS:
            return self._mapping(*arguments or (str, Any))
        if annotation in (Any, object):
            return Typed(Parameter("", kind="json"), lambda value: value)
        if annotation in _KINDS:
            kind = _KINDS[annotation]
            return Typed(Parameter("", kind=kind), TYPES[kind].revive)
        if isinstance(annotation, type):
            return self._class(annotation)
        return self.unsupported(annotation)

    def unsupported(self, annotation: object) -> Typed:
        written = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        self.problems.append(f"its annotation {written!r} is not a supported type")
        return Typed(Parameter(""), str)

    def _annotated(self, annotation: object, *marks: object) -> Typed:
        if SERVICES in marks:
            return Typed(Parameter("", kind="services", several=True), list)
        parameter, revive = self.read(annotation)
        if LINE in marks:
            parameter = parameter._replace(kind="line")
        return Typed(parameter._replace(secret=parameter.secret or SECRET in marks), revive)

    def _union(self, arguments: Sequence[object]) -> Typed:
        others = [argument for argument in arguments if argument is not type(None)]
        nullable = len(others) < len(arguments)
        if len(others) == 1:
            parameter, revive = self.read(others[0])
        else:
            parameter, revive = _any_of(sorted(map(self.read, others), key=_is_text))
        if not nullable:
            return Typed(parameter, revive)
        return Typed(parameter._replace(nullable=True), lambda value: None if value is None else revive(value))

    def _literal(self, annotation: object, arguments: Sequence[object]) -> Typed:
        choices = tuple(choice for choice in arguments if choice is not None)
        if not choices or not all(isinstance(choice, str | int) and not isinstance(choice, Enum) for choice in choices):
            return self.unsupported(annotation)
        return Typed(
            Parameter("", kind="choice", choices=choices, nullable=None in arguments),
            lambda value: value,
        )

    def _list(self, make: Callable[[list[Any]], Any], annotation: object) -> Typed:
        item = self.read(annotation).in_one_word()
        return Typed(item.parameter._replace(several=True), lambda values: make(list(map(item.revive, values))))

    def _tuple(self, arguments: Sequence[object]) -> Typed:
        items = [self.read(argument) for argument in arguments]
        described = {
            "type": "array",
            "prefixItems": [schema(item.parameter) for item in items],
            "minItems": len(items),
            "maxItems": len(items),
        }
        return Typed(
            _as_json(described),
            lambda values: tuple(item.of(value) for item, value in zip(items, values, strict=True)),
        )

    def _mapping(self, key: object, value: object) -> Typed:
        name, item = self.read(key), self.read(value)
        if name.parameter.several or name.parameter.kind == "json":
            return self.unsupported(dict[key, value])  # type: ignore[valid-type]  # read at run time
        read_name = type_of(name.parameter).read
        return Typed(
            _as_json({"type": "object", "additionalProperties": schema(item.parameter)}),
            lambda given: {name.revive(read_name(key)): item.of(value) for key, value in given.items()},
        )

    def _class(self, annotation: type) -> Typed:
        if issubclass(annotation, Enum) and annotation.__members__:
            members = {name: str(item.value) for name, item in annotation.__members__.items()}
            return Typed(Parameter("", kind="member", members=members), annotation.__members__.__getitem__)
        if dataclasses.is_dataclass(annotation):
            fields = [field for field in dataclasses.fields(annotation) if field.init]
            required = [
                field.name
                for field in fields
                if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            ]
            return self._record(annotation, {field.name: field.type for field in fields}, required)
        hints = {
            name: hint for base in reversed(annotation.__mro__) for name, hint in inspect.get_annotations(base).items()
        }
        if issubclass(annotation, tuple) and hasattr(annotation, "_field_defaults"):
            return self._record(annotation, hints, [name for name in hints if name not in annotation._field_defaults])
        if typing.is_typeddict(annotation):
            return self._record(annotation, inspect.get_annotations(annotation), annotation.__required_keys__)  # type: ignore[attr-defined]
        return self.unsupported(annotation)

    def _record(self, made: type, hints: Mapping[str, Any], required: typing.Iterable[str]) -> Typed:
        """A class whose objects are made of named fields, as a JSON object."""
        if made in self._within:  # it has itself in a field, and is described once
            return Typed(_as_json({"type": "object"}), lambda given: self._class(made).of(given))
        self._within.append(made)
        there = Annotations(made, {**self._globals, **names_of(made)})
        there._within = self._within
        hints = {name: there.resolve(hint) for name, hint in hints.items()}
        fields = {name: there.read(_unmarked(hint)).called(name) for name, hint in hints.items()}
        self._within.remove(made)
        self.problems += there.problems
        described = {
            "type": "object",
            "properties": {name: schema(field.parameter) for name, field in fields.items()},
            "required": [
                name for name in hints if name in required and not _is_marked(hints[name], typing.NotRequired)
            ],
            "additionalProperties": False,
        }
        return Typed(
            _as_json(described),
            lambda given: made(**{name: fields[name].of(value) for name, value in given.items()}),
        )


def _as_json(described: Mapping[str, Any]) -> Parameter:
    """A parameter whose words and values are JSON of this schema."""
    return Parameter("", kind="json", schema=described)


def _is_marked(annotation: object, *marks: object) -> bool:
    """Whether a TypedDict's field is marked `Required` or `NotRequired`."""
    return typing.get_origin(annotation) in marks


def _unmarked(annotation: object) -> object:
    is_marked = _is_marked(annotation, typing.Required, typing.NotRequired)
    return typing.get_args(annotation)[0] if is_marked else annotation


def _is_text(typed: Typed) -> bool:
    """Whether any text is a value: other types come first."""
    return typed.parameter.kind in ("text", "path", "line", "json") and not typed.parameter.schema


def _any_of(choices: Sequence[Typed]) -> Typed:
    """A value of the first of some types that has it."""

    def revive(value: Any) -> Any:
        for choice in choices:
            if conforms(value, schema(choice.parameter)):
                with suppress(ValueError):
                    return choice.of(value)
        raise ValueError(f"{value!r:.60} is of none of its types")

    return Typed(_as_json({"anyOf": [schema(choice.parameter) for choice in choices]}), revive)


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
