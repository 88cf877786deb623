"""A command described once: its name, its documentation and its parameters; and how a line becomes words.

A `Command` is made from a `cmd_` or `toplevel_cmd_` method in the service's host (`signatures`) and travels to the
manager as data, so that help, completion, argument checking (`binding`) and every protocol read the same record.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

PREFIX = "cmd_"
TOPLEVEL_PREFIX = "toplevel_cmd_"
COMPLETER_PREFIX = "complete_"

SHELLS_OWN = frozenset({"help", "exit", "quit"})
"""Names that no service's command may have: nobody could find the way out of its shell."""

_QUOTED_OR_SEMICOLON = re.compile(r"""\\.|'[^']*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\\?\Z)|;""", re.DOTALL)
JSON, PROGRESS = "--json", "--progress"
_OPTION = re.compile(rf"^(?:(?!\s--\s).)*?\s({JSON}|{PROGRESS})(?!\S)", re.DOTALL)  # `--` ends all options
_WORD = re.compile(r"""(?:\\.|'[^']*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\\?\Z)|\\\Z|[^ \t\r\n'"\\])+""", re.DOTALL)
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
class Failure:
    """Why a command that ran did not succeed."""

    message: str
    """One line, without the command's name."""
    type: str = ""
    """The class of the exception that the command's method raised; empty where it raised none."""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.type, self.message)))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a command."""

    name: str
    kind: str = "text"
    """One of `values.KINDS`, or `choice` or `member`."""
    annotated: bool = True
    """Whether its method says what it is; else it is text for people, and for programs."""
    required: bool = True
    rest: bool = False
    """Whether it takes all words that are left (`*args`)."""
    several: bool = False
    """Whether it is a list."""
    option: bool = False
    """Whether it is given by `--name`."""
    position_only: bool = False
    nullable: bool = False
    secret: bool = False
    """Whether it is written down nowhere."""
    choices: tuple[Any, ...] = ()
    """The values that a `choice` may be."""
    members: Mapping[str, str] = field(default_factory=dict)
    """An enum's: their names, with their values as text."""
    default: Any = None
    """As JSON has it; what is left out is not passed to the method, which has its own."""
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """What callers may know of a method: everything but its code."""

    name: str
    doc: str
    parameters: tuple[Parameter, ...] = ()
    toplevel: bool = False
    completes: bool = False
    """Whether the service has a `complete_NAME` method for the command's words."""
    returns: Mapping[str, Any] = field(default_factory=dict)
    """What JSON Schema says of its result."""
    timeout: float | None = None
    """Seconds after which it is ended."""
    exclusive: bool = False
    """Whether it never runs twice at a time."""
    hidden: bool = False
    """Whether it is listed nowhere."""
    aliases: tuple[str, ...] = ()
    """Other names for it."""
    role: str = ""
    """The role that it asks of its callers, where it asks for one."""

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return self.doc.partition("\n")[0]

    @property
    def method(self) -> str:
        return (TOPLEVEL_PREFIX if self.toplevel else PREFIX) + self.name

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Command:
        """The record that `dataclasses.asdict` took apart to travel."""
        parameters = tuple(
            Parameter(**{**parameter, "choices": tuple(parameter["choices"])}) for parameter in data["parameters"]
        )
        return cls(**{**data, "parameters": parameters, "aliases": tuple(data["aliases"])})


def command_name(method: str) -> str:
    """The name of the command that a method implements. Raises CommandError where it cannot have it."""
    name = method.removeprefix(TOPLEVEL_PREFIX if method.startswith(TOPLEVEL_PREFIX) else PREFIX)
    if name in SHELLS_OWN:
        raise CommandError(f"{name} is a command of every shell; call it something else")
    return name


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


def without_options(text: str) -> tuple[str, set[str]]:
    """A command without the options `--json` and `--progress`, which every one of them takes, and those that it has."""
    options: set[str] = set()
    while JSON in text or PROGRESS in text:
        shown = _QUOTED_OR_SEMICOLON.sub(lambda match: "." * len(match.group()), text)
        if (found := _OPTION.search(shown)) is None:
            break
        options.add(found[1])
        text = text[: found.start(1)] + text[found.end(1) :]
    return text, options


def without_ampersand(text: str) -> tuple[str, bool]:
    """A command without the `&` that stands behind it, and whether it was there."""
    rest = text.rstrip()
    if rest.endswith(("\t&", " &")):
        return rest[:-1], True
    return text, False


def last_word(line: str) -> tuple[int, str]:
    """Where the word begins that ends a line, and the word without its quotes, of which the last may be open."""
    begin = next((found.start() for found in _WORD.finditer(line) if found.end() == len(line)), len(line))
    for end in ("", "\\", '\\"', "'", '"'):  # what may be missing from it, a backslash's own first
        with suppress(ValueError):
            return begin, "".join(shlex.split(line[begin:] + end))
    return begin, line[begin:]


def split_words(text: str) -> list[str]:
    """Split words as a shell does. Raises CommandError where a quotation is not closed."""
    if not _NEEDS_SHELL_SPLITTING.search(text):
        return text.split()  # what nearly every line is; shlex takes twenty times as long
    try:
        return shlex.split(text)
    except ValueError as error:
        reason = str(error).lower()
        raise CommandError(f"{reason} in: {text.strip()}", Status.UNUSABLE) from None
