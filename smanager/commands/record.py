"""A command described once: its name, its documentation and its parameters.

`signatures.describe` makes a `Command` from a `cmd_` or `toplevel_cmd_` method: a service's in its host, from where the
record travels to the manager as data; the manager's own in the manager itself. Help, completion, argument checking
(`arguments`), permissions, the audit journal and every protocol read the same record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from smanager.service import OPERATE

PREFIX = "cmd_"
TOPLEVEL_PREFIX = "toplevel_cmd_"
COMPLETER_PREFIX = "complete_"

SHELLS_OWN = ("help", "exit", "quit")
"""Commands of every shell. No service's command may have such a name: its callers could not leave its shell."""


class Status(IntEnum):
    """How a command ended; also the exit status of a program that ran it."""

    DONE = 0
    FAILED = 1
    UNUSABLE = 2  # the command is unknown or its arguments are wrong: no method was called


class CommandError(Exception):
    """A command that did not succeed; the text is the one line that the caller reads."""

    def __init__(self, message: str, status: Status = Status.FAILED) -> None:
        super().__init__(message)
        self.status = status


class Failure(NamedTuple):
    """Why a command that ran did not succeed."""

    message: str  # one line, without the command's name
    type: str = ""  # the class of the exception that the command's method raised; empty where it raised none

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.type, self.message)))


class Parameter(NamedTuple):
    """One parameter of a command."""

    name: str
    kind: str = "text"  # one of `types.TYPES`, or `choice`, `member` or `json`
    annotated: bool = True  # whether the method states the type; an unannotated parameter is text
    required: bool = True
    rest: bool = False  # whether the parameter takes all remaining words (`*args`)
    several: bool = False  # whether the parameter is a list
    option: bool = False  # whether callers give it as `--name`
    short: str = ""  # the letter of an option's short form, `-x`
    position_only: bool = False
    nullable: bool = False
    secret: bool = False  # whether the audit journal leaves out the value
    choices: tuple[Any, ...] = ()  # the values of a `choice`
    members: Mapping[str, str] = MappingProxyType({})
    """The names of an enum's members, with their values as text."""
    schema: Mapping[str, Any] = MappingProxyType({})  # the JSON Schema of a `json`'s values
    default: Any = None
    """As JSON, for help and schemas; an omitted argument is not passed, so the method's own default counts."""
    doc: str = ""


class Command(NamedTuple):
    """What callers may know of a method: everything but its code."""

    name: str
    doc: str
    parameters: tuple[Parameter, ...] = ()
    toplevel: bool = False
    completes: bool = False  # whether the class has a `complete_NAME` method for the command's words
    returns: Mapping[str, Any] = MappingProxyType({})  # the result's JSON Schema
    # From `service.command`, which says what they mean:
    timeout: float | None = None
    exclusive: bool = False
    hidden: bool = False
    aliases: tuple[str, ...] = ()
    role: str = OPERATE
    abbreviated: bool = True
    default: bool = False
    without_journal: bool = False
    journaled: bool = True
    root_only: bool = False
    kept: bool | None = None

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return self.doc.partition("\n")[0]

    @property
    def method(self) -> str:
        return (TOPLEVEL_PREFIX if self.toplevel else PREFIX) + self.name

    @property
    def about_services(self) -> Parameter | None:
        """The parameter that names services, if there is one: permissions may then be for some services only."""
        return next((parameter for parameter in self.parameters if parameter.kind == "services"), None)

    @property
    def has_secrets(self) -> bool:
        return any(parameter.secret for parameter in self.parameters)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Command:
        """The record from the data that `jsonable` made of it."""
        parameters = tuple(Parameter(**{**given, "choices": tuple(given["choices"])}) for given in data["parameters"])
        return cls(**{**data, "parameters": parameters, "aliases": tuple(data["aliases"])})


def command_name(method: str) -> str:
    """The name of the command that a method implements. Raises CommandError for a reserved name."""
    name = method.removeprefix(TOPLEVEL_PREFIX if method.startswith(TOPLEVEL_PREFIX) else PREFIX)
    if name in SHELLS_OWN:
        raise CommandError(f"{name} is a command of every shell; choose another name")
    return name


def command_methods(owner: type) -> Iterator[str]:
    """The names of `owner`'s command methods in order of definition: base classes first, toplevel ones last."""
    names: dict[str, None] = {}
    for base in reversed(owner.__mro__):
        names.update(dict.fromkeys(vars(base)))
    yield from (name for name in names if _is_command(owner, name, PREFIX))
    yield from (name for name in names if _is_command(owner, name, TOPLEVEL_PREFIX))


def _is_command(owner: type, name: str, prefix: str) -> bool:
    if not name.startswith(prefix) or name == prefix:
        return False
    try:
        return callable(getattr(owner, name, None))
    except Exception:  # a descriptor's, which `describe` meets as well
        return True
