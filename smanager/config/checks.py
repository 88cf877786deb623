"""The records of smanager.toml's keys, and the checks that its tables share.

A table is a frozen dataclass whose fields are made by `setting`. A check takes a value as TOML gives it and returns
what the program uses; the text of its ValueError ends the sentence "KEY is VALUE, and should be …". Settings, error
messages, the configuration reference and the man page follow from these records.
"""

from __future__ import annotations

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


class SettingsError(Exception):
    """A setting that is wrong; the text names the key and the value, and says what would be right."""


class Key(NamedTuple):
    """One key of a table."""

    check: Callable[[object], Any]
    meaning: str  # one line of help, with the unit
    default: object  # as in the file; None if the key has no default of its own

    @property
    def values(self) -> str:
        """What the key may be, as its check says."""
        try:
            self.check(None)  # TOML has no null
        except ValueError as error:
            return str(error)
        raise AssertionError("a check took None")


def setting(check: Callable[[object], Any], meaning: str, default: object = None, unset: object = None) -> Any:
    """A field of a table's dataclass. Without a default in the file's terms, its value is `unset`."""
    metadata = {"key": Key(check, meaning, default)}
    value = unset if default is None else check(default)
    return field(default_factory=value.copy if isinstance(value, dict) else lambda: value, metadata=metadata)


def keys_of(*tables: type) -> dict[str, Key]:
    """The records in dataclasses, by the keys' names."""
    return {one.name: one.metadata["key"] for table in tables for one in fields(table) if "key" in one.metadata}


def checked(given: Mapping[str, object], keys: Mapping[str, Key]) -> dict[str, Any]:
    """The values of a table, each checked. Raises SettingsError for the first that is wrong."""
    values = {}
    for name, value in given.items():
        if name not in keys:
            raise SettingsError(f"there is no setting {name!r}; {nearest(name, keys)}")
        try:
            values[name] = keys[name].check(value)
        except ValueError as error:
            raise SettingsError(f"{name} is {value!r}, and should be {error}") from None
    return values


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
    with expected("a path"):
        name = text(value)
    try:
        return Path(name).expanduser()
    except RuntimeError:  # the system does not know the user, or no home of the user
        raise ValueError("a path without ~, for that user has no home directory") from None


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
        if isinstance(value, bool) or not isinstance(value, int) or value < least or (most and value > most):
            raise ValueError(f"a whole number from {least}" + (f" to {most}" if most else ""))
        return value

    return check


def one_of(choices: Mapping[str, T]) -> Callable[[object], T]:
    """A check for one of a few words, each with what it means to the program."""

    def check(value: object) -> T:
        if not isinstance(value, str) or value not in choices:
            raise ValueError("one of " + ", ".join(f'"{choice}"' for choice in choices))
        return choices[value]

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


@expected('a list of words, such as ["sleep", "60"]')
def words(value: object) -> tuple[str, ...]:
    """A command line: at least one word."""
    if command := list_of(text, "words")(value):
        return command
    raise ValueError
