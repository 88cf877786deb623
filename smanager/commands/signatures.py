"""A method's signature, annotations and docstring, read once: its parameters, and how JSON becomes its arguments."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from smanager.commands.annotations import SERVICES as SERVICES
from smanager.commands.annotations import Annotations, Revive, Typed, schema_of
from smanager.commands.callables import doc_of, names_of, signature_on_object
from smanager.commands.docstrings import parameter_docs, without_parameters
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
from smanager.commands.words import spelled

DEFAULT_LIMIT = 1000  # characters of a default as JSON: no more would be read, and all is sent to the manager
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # in the text of an object that has no text of its own


class Signature(NamedTuple):
    """A method's parameters as callers meet them, and the way to its arguments."""

    parameters: tuple[Parameter, ...]
    revivers: Mapping[str, Revive]  # by the parameters' names
    returns: Mapping[str, Any]  # the result's JSON Schema
    problems: tuple[str, ...] = ()  # with annotations that say nothing known; their parameters are text

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
    signature = signature_on_object(owner, method)
    docs = parameter_docs(doc_of(owner, method))
    annotations = Annotations(owner, names_of(getattr(owner, method)))
    read = [
        _parameter(parameter, annotations, docs.get(parameter.name, ""))
        for parameter in signature.parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    parameters = tuple(parameter for parameter, _ in read)
    positions = [parameter for parameter in parameters if not parameter.option]
    lists = [parameter.name for parameter in positions if parameter.several or parameter.rest]
    if len(lists) > 1:
        raise CommandError(f"{lists[0]} and {lists[1]} are both lists; at most one parameter can take several words")
    if before := [parameter.name for parameter in positions[:-1] if parameter.kind == "line"]:
        raise CommandError(f"{before[0]} takes the rest of the line; nothing but options may follow")
    problems = tuple(annotations.problems)
    returned = annotations.resolve(signature.return_annotation)
    revivers = {parameter.name: revive for parameter, revive in read}
    return Signature(parameters, revivers, schema_of(returned), problems)


def describe(owner: type, method: str, name: str = "") -> Command:
    """The record of the command that `owner`'s function `method` implements.

    The command's name is `name`, or part of the method's. Raises CommandError as `signature_of` and `command_with`.
    """
    return command_with(signature_of(owner, method), owner, method, name)


def command_with(signature: Signature, owner: type, method: str, name: str = "") -> Command:
    """The same for a function whose signature is known.

    Raises CommandError for options whose names or short forms are taken.
    """
    name = name or command_name(method)
    function = getattr(owner, method)
    for parameter in signature.parameters if method.startswith((PREFIX, TOPLEVEL_PREFIX)) else ():
        if parameter.option and (option := f"--{spelled(parameter.name)}") in (JSON, PROGRESS):
            raise CommandError(f"{option} is an option of every command; choose another name")
    return Command(
        name,
        without_parameters(doc_of(owner, method)),
        _with_short_forms(signature.parameters, _told(function, "_short")),
        returns=signature.returns,
        toplevel=method.startswith(TOPLEVEL_PREFIX),
        completes=_has_completer(owner, name),
        **_told(function, "_command"),
    )


def _told(function: object, key: str) -> dict[str, Any]:
    """What `@command` has left on a function; other callable objects may make up attributes."""
    told = getattr(function, key, None)
    return told if isinstance(told, dict) else {}


def _has_completer(owner: type, name: str) -> bool:
    try:
        return callable(getattr(owner, COMPLETER_PREFIX + name, None))
    except Exception:  # a descriptor's
        return False


def _with_short_forms(parameters: Sequence[Parameter], short: Mapping[str, str]) -> tuple[Parameter, ...]:
    options = {parameter.name for parameter in parameters if parameter.option}
    if unknown := short.keys() - options:
        raise CommandError(f"short names {min(unknown)}, which is not an option; options are keyword-only parameters")
    if len(set(short.values())) < len(short):
        raise CommandError(f"short gives one letter to two options: {dict(short)}")
    return tuple(parameter._replace(short=short.get(parameter.name, "")) for parameter in parameters)


def _parameter(declared: inspect.Parameter, annotations: Annotations, doc: str) -> Typed:
    rest = declared.kind is declared.VAR_POSITIONAL
    if declared.annotation is declared.empty:
        typed = Typed(Parameter("", annotated=False), str)
    else:
        typed = _typed(declared.annotation, annotations)
        typed = typed.in_one_word() if rest else typed
    given = declared.default is not declared.empty
    described = typed.parameter._replace(
        name=declared.name,
        required=not given and not rest,
        rest=rest,
        option=declared.kind is declared.KEYWORD_ONLY,
        position_only=declared.kind is declared.POSITIONAL_ONLY,
        default=shown_default(declared.default) if given else None,
        doc=doc,
    )
    return Typed(described, typed.revive)


def _typed(annotation: object, annotations: Annotations) -> Typed:
    try:
        return annotations.read(annotation)
    except RecursionError:  # an alias that has itself in it
        return annotations.unsupported(annotation)


def shown_default(value: object) -> Any:
    """A default as JSON, for help: of a kind that JSON lacks, a word that is the same in each process."""
    try:
        plain = _plain(value)
        if len(json.dumps(plain)) <= DEFAULT_LIMIT:
            return plain
    except Exception:  # its own code raises, or it is too deep or too large for JSON
        pass
    return f"<{type(value).__name__}>"


def _plain(value: object) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list | tuple):
        return list(map(_plain, value))
    if isinstance(value, set | frozenset):
        return sorted(map(_plain, value), key=str)
    return jsonable(value, lambda other: _ADDRESS.sub("", str(other)))
