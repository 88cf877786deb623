"""The records of keys, and the checks that tables share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from smanager.config.checks import (
    SettingsError,
    boolean,
    checked,
    keys_of,
    list_of,
    octal,
    one_of,
    path,
    seconds,
    setting,
    some_seconds,
    table,
    text,
    whole,
    words,
)
from smanager.config.file import TABLES


@dataclass(frozen=True, slots=True)
class Example:
    name: str
    wait: float = setting(some_seconds, "seconds to wait", 5)
    where: str = setting(text, "a place", unset="")
    extras: dict[str, Any] = setting(table(), "anything", {})


def test_a_field_is_the_record_of_its_key() -> None:
    keys = keys_of(Example)
    assert list(keys) == ["wait", "where", "extras"]
    assert (keys["wait"].meaning, keys["wait"].default) == ("seconds to wait", 5)
    assert Example("x") == Example("x", 5.0, "", {})
    assert Example("x").extras is not Example("y").extras


def test_a_table_is_checked_key_by_key() -> None:
    assert checked({"wait": 2}, keys_of(Example)) == {"wait": 2.0}
    with pytest.raises(SettingsError, match=r"^wait is 0, and should be a number of seconds above 0$"):
        checked({"wait": 0}, keys_of(Example))
    with pytest.raises(SettingsError, match=r"^there is no setting 'wiat'; did you mean wait"):
        checked({"wiat": 0}, keys_of(Example))


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        (boolean, True, True),
        (text, "x", "x"),
        (seconds, 0, 0.0),
        (whole(0), 0, 0),
        (whole(1, 65535), 65535, 65535),
        (one_of({"yes": 1, "no": 0}), "no", 0),
        (octal, "0640", 0o640),
        (octal, "027", 0o27),
        (list_of(text, "a list"), ["a", "b"], ("a", "b")),
        (words, ["a"], ("a",)),
        (table(), {"a": 1}, {"a": 1}),
    ],
)
def test_what_is_right_is_taken(check: Callable[[object], object], value: object, expected: object) -> None:
    assert check(value) == expected


@pytest.mark.parametrize(
    ("check", "value", "right"),
    [
        (boolean, 1, "true or false"),
        (text, "", "text"),
        (path, "a\0b", "a path"),
        (path, "~nosuchuser/a", "a path; there is no user whose home directory its ~ could be"),
        (seconds, 1e9, "a number of seconds"),
        (seconds, float("nan"), "a number of seconds"),
        (some_seconds, None, "a number of seconds above 0"),
        (some_seconds, 0, "a number of seconds above 0"),
        (whole(0), -1, "a whole number from 0"),
        (whole(0), False, "a whole number from 0"),
        (whole(1, 65535), 65536, "a whole number from 1 to 65535"),
        (one_of({"yes": 1, "no": 0}), "maybe", 'one of "yes", "no"'),
        (one_of({"yes": 1, "no": 0}), ["yes"], 'one of "yes", "no"'),
        (octal, "888", 'octal digits in quotes, such as "0660"'),
        (octal, 660, 'octal digits in quotes, such as "0660"'),
        (list_of(text, "a list"), "ab", "a list"),
        (list_of(text, "a list"), [1], "a list"),
        (words, [], 'a list of words, such as ["sleep", "60"]'),
        (table(), [], "a table"),
    ],
)
def test_what_is_wrong_is_answered_with_what_would_be_right(
    check: Callable[[object], object], value: object, right: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(right)}$"):
        check(value)


def test_every_key_has_a_meaning_and_a_default_that_passes_its_check() -> None:
    for keys in TABLES.values():
        for name, key in keys.items():
            assert key.meaning, name
            assert key.meaning[-1] != ".", name
            assert key.values, name
            assert key.default is None or key.check(key.default) is not None, name
