"""A command described once: its name, documentation and parameters, and how typed words become its arguments.

A `Command` is made from a `cmd_` or `toplevel_cmd_` method in the service's host and travels to the
manager as data, so that help, completion, argument checking and every protocol read the same record.
"""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

PREFIX = "cmd_"
TOPLEVEL_PREFIX = "toplevel_cmd_"
COMPLETER_PREFIX = "complete_"

SHELLS_OWN = frozenset({"help", "exit", "quit"})
"""Names that no service's command may have: nobody could find the way out of its shell."""

_QUOTED_OR_SEMICOLON = re.compile(r"""\\.|'[^']*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\\?\Z)|;""", re.DOTALL)
_NEEDS_SHELL_SPLITTING = re.compile(r"""['"\\]|[^\S \t\r\n]""")  # other blanks than these part no words


class Status(IntEnum):
    """How a command ended; also the exit status that a program is given."""

    DONE = 0
    FAILED = 1
    UNUSABLE = 2  # unknown, or its arguments are wrong: nothing was called


class CommandError(Exception):
    """A command that did not succeed; its text is the one line that the caller reads."""

    def __init__(self, message: str, status: Status = Status.FAILED) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Parameter:
    """One positional parameter of a command; `many` for `*args`."""

    name: str
    required: bool = True
    many: bool = False

    @property
    def usage(self) -> str:
        if self.many:
            return f"[{self.name} ...]"
        return self.name if self.required else f"[{self.name}]"


@dataclass(frozen=True, slots=True)
class Command:
    """What callers may know of a method: everything but its code."""

    name: str
    doc: str
    parameters: tuple[Parameter, ...] = ()
    toplevel: bool = False
    completes: bool = False
    """Whether the service has a `complete_NAME` method for the command's words."""

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return self.doc.partition("\n")[0]

    @property
    def method(self) -> str:
        return (TOPLEVEL_PREFIX if self.toplevel else PREFIX) + self.name

    def usage(self, caption: str) -> str:
        """How the command is typed, after `caption`: the words that lead to it."""
        return " ".join([caption, *(parameter.usage for parameter in self.parameters)])

    def bind(self, caption: str, words: Sequence[str]) -> list[str]:
        """Return the words as the method's positional arguments.

        Raises CommandError with the usage where there are too few words or too many.
        """
        required = sum(parameter.required for parameter in self.parameters)
        unbounded = any(parameter.many for parameter in self.parameters)
        if required <= len(words) and (unbounded or len(words) <= len(self.parameters)):
            return list(words)
        complaint = "too few arguments" if len(words) < required else "too many arguments"
        raise CommandError(f"{caption}: {complaint}; usage: {self.usage(caption)}", Status.UNUSABLE)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Command:
        """The record that `dataclasses.asdict` took apart to travel."""
        parameters = tuple(Parameter(**parameter) for parameter in data["parameters"])
        return cls(**{**data, "parameters": parameters})


def describe(owner: type, method: str) -> Command:
    """Make the record of the command that `owner`'s function `method` implements.

    Raises CommandError where it could never be called with words, such as with a required keyword.
    """
    toplevel = method.startswith(TOPLEVEL_PREFIX)
    name = method.removeprefix(TOPLEVEL_PREFIX if toplevel else PREFIX)
    if name in SHELLS_OWN:
        raise CommandError(f"{name} is a command of every shell; call it something else")
    function: Callable[..., object] = getattr(owner, method)
    completes = callable(getattr(owner, COMPLETER_PREFIX + name, None))
    declared = list(inspect.signature(function).parameters.values())
    if not isinstance(inspect.getattr_static(owner, method), staticmethod | classmethod):
        if not declared:
            raise CommandError("it has no parameter for `self`")
        del declared[0]
    return Command(name, inspect.getdoc(function) or "", _parameters(declared), toplevel, completes)


def _parameters(declared: Iterable[inspect.Parameter]) -> tuple[Parameter, ...]:
    parameters = []
    for parameter in declared:
        required = parameter.default is parameter.empty
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            parameters.append(Parameter(parameter.name, required))
        elif parameter.kind is parameter.VAR_POSITIONAL:
            parameters.append(Parameter(parameter.name, required=False, many=True))
        elif parameter.kind is parameter.KEYWORD_ONLY and required:
            raise CommandError(
                f"parameter {parameter.name} can only be given by keyword, and callers have words; "
                "give it a default or make it positional"
            )
    return tuple(parameters)


def command_methods(owner: type) -> Iterator[str]:
    """The names of `owner`'s command methods as they were written: base classes first, toplevel ones last."""
    names: dict[str, None] = {}
    for base in reversed(owner.__mro__):
        names.update(dict.fromkeys(vars(base)))
    callables = [name for name in names if callable(getattr(owner, name, None))]
    yield from (name for name in callables if name.startswith(PREFIX) and name != PREFIX)
    yield from (name for name in callables if name.startswith(TOPLEVEL_PREFIX) and name != TOPLEVEL_PREFIX)


def split_commands(line: str) -> list[str]:
    """Split a line at each `;` outside quotes, which is how several commands stand on one line."""
    pieces, start = [], 0
    for match in _QUOTED_OR_SEMICOLON.finditer(line):
        if match.group() == ";":
            pieces.append(line[start : match.start()])
            start = match.end()
    return [*pieces, line[start:]]


def split_words(text: str) -> list[str]:
    """Split words as a shell does. Raises CommandError where a quotation is not closed."""
    if not _NEEDS_SHELL_SPLITTING.search(text):
        return text.split()  # what nearly every line is; shlex takes twenty times as long
    try:
        return shlex.split(text)
    except ValueError as error:
        reason = str(error).lower()
        raise CommandError(f"{reason} in: {text.strip()}", Status.UNUSABLE) from None
