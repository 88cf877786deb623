"""The records of smanager.toml's keys, and the checks that its tables share.

A table is a frozen dataclass whose fields are made by `setting`. A check takes a value as TOML gives it and returns
what the program uses; the text of its ValueError ends the sentence "KEY is VALUE, and should be …". Settings, error
messages, the configuration reference and the man page follow from these records.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from smanager.terminal.text import resembling

T = TypeVar("T")

LONGEST = 366 * 24 * 3600.0  # seconds; anything longer than a year is a slip of the finger
HIGHEST_PORT = 65535
STRING_LIMIT = 128 * 1024 - 1  # bytes of one argument or variable: MAX_ARG_STRLEN of Linux, which counts a NUL as well
SHOWN = 200  # characters of a wrong value that a message shows


class SettingsError(Exception):
    """Settings that are wrong; the text of each problem names the key and the value, and says what would be right."""

    def __init__(self, *problems: str, rest: dict[str, Any] | None = None) -> None:
        """`rest` are the values of the table that are right."""
        super().__init__("; ".join(problems))
        self.problems = problems
        self.rest = rest or {}


class Key(NamedTuple):
    """One key of a table."""

    check: Callable[[object], Any]
    meaning: str  # one line of help, with the unit
    default: object  # as in the file; None if the key has no default of its own
    is_secret: bool = False  # whether no message may show the value

    @property
    def values(self) -> str:
        """What the key may be, as its check says."""
        try:
            self.check(None)  # TOML has no null
        except ValueError as error:
            return str(error)
        raise AssertionError("a check took None")


def setting(
    check: Callable[[object], Any], meaning: str, default: object = None, unset: object = None, is_secret: bool = False
) -> Any:
    """A field of a table's dataclass. Without a default in the file's terms, its value is `unset`."""
    metadata = {"key": Key(check, meaning, default, is_secret)}
    value = unset if default is None else check(default)
    return field(default_factory=value.copy if isinstance(value, dict) else lambda: value, metadata=metadata)


def keys_of(*tables: type) -> dict[str, Key]:
    """The records in dataclasses, by the keys' names."""
    return {one.name: one.metadata["key"] for table in tables for one in fields(table) if "key" in one.metadata}


def checked(given: Mapping[str, object], keys: Mapping[str, Key]) -> dict[str, Any]:
    """The values of a table, each checked. Raises SettingsError, with all that is wrong."""
    values, problems = {}, []
    for name, value in given.items():
        if name not in keys:
            problems.append(f"there is no setting {name!r}; {nearest(name, keys)}")
            continue
        try:
            values[name] = keys[name].check(value)
        except ValueError as error:
            found = f"{name}" if keys[name].is_secret else f"{name} is {shown(value)}, and"
            problems.append(f"{found} should be {error}")
    if problems:
        raise SettingsError(*problems, rest=values)
    return values


def shown(value: object) -> str:
    """A value as a message shows it: its beginning."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelled word: the known word that resembles it, or all known words."""
    known = list(known)
    similar = resembling(word, known, 1)
    return f"did you mean {similar[0]}?" if similar else f"there are: {', '.join(sorted(known))}"


@contextmanager
def expected(what: str) -> Iterator[None]:
    """Let any ValueError of the block, or of the function that this decorates, say only what would be right."""
    try:
        yield
    except ValueError:
        raise ValueError(what) from None


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def text(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("text")
    return value


def path(value: object) -> Path:
    """A path, whose `~` is the home directory of the manager's user, and `~NAME` that of another."""
    with expected("a path"):
        written = Path(text(value))
    try:
        return written.expanduser()
    except RuntimeError:
        raise ValueError("a path; there is no user whose home directory its ~ could be") from None


def written_path(value: object) -> str:
    """A path as text."""
    return str(path(value))


HIGHEST_ID = 2**32 - 2  # of a user or group; the next number means none (chown(2))


def account(value: object) -> str:
    """The name of a user or group, or a number, as text."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= HIGHEST_ID:
        return str(value)
    with expected("a name or a number"):
        name = text(value)
        if name.isdecimal() and not 0 <= int(name) <= HIGHEST_ID:
            raise ValueError
        return name


def seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        raise ValueError("a number of seconds")
    return float(value)


@expected("a number of seconds above 0")
def some_seconds(value: object) -> float:
    if span := seconds(value):
        return span
    raise ValueError


def whole(least: int, most: int | None = None) -> Callable[[object], int]:
    """A check for whole numbers from `least` to `most`."""

    def check(value: object) -> int:
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or value < least
            or (most is not None and value > most)
        ):
            raise ValueError(f"a whole number from {least}" + (f" to {most}" if most is not None else ""))
        return value

    return check


def one_of(choices: Mapping[str, T]) -> Callable[[object], T]:
    """A check for one of a few words, each with what it means to the program."""

    def check(value: object) -> T:
        if not isinstance(value, str) or value not in choices:
            raise ValueError("one of " + ", ".join(f'"{choice}"' for choice in choices))
        return choices[value]

    return check


def address(*examples: str) -> Callable[[object], tuple[str, int]]:
    """A check for addresses with a port; messages show the examples."""

    def check(value: object) -> tuple[str, int]:
        match = isinstance(value, str) and re.fullmatch(r"(?:\[([^\]\0]+)\]|([^:\[\]\0]*)):(\d{1,5})", value)
        if not match or int(match[3]) > HIGHEST_PORT:
            raise ValueError("an address such as " + " or ".join(f'"{example}"' for example in examples))
        return match[1] or match[2], int(match[3])

    return check


def octal(value: object) -> int:
    if not isinstance(value, str) or not re.fullmatch("0?[0-7]{3}", value):
        raise ValueError('octal digits in quotes, such as "0660"')
    return int(value, 8)


def list_of(check: Callable[[object], T], what: str) -> Callable[[object], tuple[T, ...]]:
    """A check for lists; `what` describes one, for the error message."""

    @expected(what)
    def check_list(value: object) -> tuple[T, ...]:
        if isinstance(value, list | tuple):
            return tuple(map(check, value))
        raise ValueError

    return check_list


def table(what: str = "a table", of: type = object) -> Callable[[object], dict[str, Any]]:
    """A check for tables with any keys and values of a type; `what` describes one, for the error message."""

    def check(value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(item, of) for item in value.values()):
            raise ValueError(what)
        return dict(value)

    return check


def fits(string: str) -> bool:
    """Whether a program may be given a string, as an argument or as NAME=VALUE."""
    return "\0" not in string and len(string.encode("utf-8", "surrogateescape")) <= STRING_LIMIT


@expected('a list of words, such as ["sleep", "60"]')
def words(value: object) -> tuple[str, ...]:
    """A command line: a program, and arguments, which may be empty."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError
    if not all(isinstance(word, str) and fits(word) for word in value):
        raise ValueError
    return (os.path.expanduser(text(value[0])), *value[1:])  # noqa: PTH111 - a Path would lose the ./ before a name
