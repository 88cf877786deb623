"""What is read of a line that asks nodes."""

from __future__ import annotations

from typing import Any

import pytest

from smanager.fleet.selection import SelectionError
from smanager.fleet.wishes import Wish, changes_nothing, nodes_wish_of, split_word, wish_of, words_of


@pytest.mark.parametrize(
    ("line", "word", "rest"),
    [
        ("kiosk* web restart", "kiosk*", "web restart"),
        ("  'two words'  web say  'a  b' ", "two words", "web say  'a  b'"),
        ('"a\\"b" c', 'a"b', "c"),
        ("", "", ""),
        ("'open", "", "'open"),
    ],
)
def test_a_word_is_taken_off_a_line(line: str, word: str, rest: str) -> None:
    assert split_word(line) == (word, rest)


@pytest.mark.parametrize(
    ("line", "wish"),
    [
        ("kiosk* web restart", {"patterns": ("kiosk*",), "line": "web restart"}),
        ("all -l site=lab3 status -f", {"patterns": ("all",), "labels": ("site=lab3",), "line": "status -f"}),
        (
            "a --label=x=1 -l y=2 --json why",
            {"patterns": ("a",), "labels": ("x=1", "y=2"), "json": True, "line": "why"},
        ),
        (
            "all --batch 10 --pause 30s --stop-after=2 --deadline 1m -y restart",
            {"patterns": ("all",), "batch": 10, "pause": 30.0, "stop_after": 2, "deadline": 60.0, "yes": True}
            | {"line": "restart"},
        ),
        ("a @b web say  'x  y'", {"patterns": ("a", "@b"), "line": "web say  'x  y'"}),
    ],
)  # fmt: skip
def test_nodes_and_options_come_before_a_command(line: str, wish: dict[str, Any]) -> None:
    read = wish_of(line, names_first=True)
    assert (read, read.line) == (Wish(**wish), wish["line"])


def test_without_a_mark_the_first_word_is_the_commands_own() -> None:
    wish = wish_of("web -n 5")
    assert (wish.patterns, wish.line) == ((), "web -n 5")
    assert wish_of("@kiosk* web -n 5").selection.patterns == ("kiosk*",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("all --batch 0 x", "--batch is 0, and should be a number from 1"),
        ("all --batch", "--batch is missing, and should be a number from 1"),
        (
            "all --pause later x",
            "--pause is later, and should be a time span such as 90s, 1h30m, or a number of seconds",
        ),
        ("all --deadline=-3 x", "--deadline is -3, and should be a time span such as 30s"),
    ],
)
def test_a_wrong_option_is_told_with_what_would_be_right(line: str, message: str) -> None:
    with pytest.raises(SelectionError) as caught:
        wish_of(line, names_first=True)
    assert str(caught.value) == message


def test_a_wrong_label_is_told() -> None:
    with pytest.raises(SelectionError, match="the label is site=a b, and should be KEY=VALUE"):
        _ = wish_of("all -l 'site=a b' status", names_first=True).selection


METHODS: list[dict[str, Any]] = [
    {"name": "status", "x-read-only": True},
    {"name": "restart"},
    {"name": "web.show", "x-read-only": True},
    {"name": "web.add"},
]


@pytest.mark.parametrize(
    ("line", "is_harmless"),
    [
        ("status", True),
        ("status web", True),
        ("help", True),
        ("web show", True),
        ("'web' show --all", True),
        ("restart", False),
        ("web add", False),
        ("web", False),
        ("unknown", False),
        ("status; restart", False),
        ("status\nrestart", False),
        ("", False),
    ],
)
def test_a_line_changes_nothing_if_its_one_command_does_not(line: str, is_harmless: bool) -> None:
    assert changes_nothing(line, METHODS) is is_harmless


@pytest.mark.parametrize("text", ["kiosk* -l site=lab3", "-l site=lab3 kiosk*", "-l site=lab3 @kiosk*"])
def test_nodes_and_options_stand_in_any_order_where_no_command_follows(text: str) -> None:
    selection = nodes_wish_of(text).selection
    assert selection.patterns == ("kiosk*",)
    assert selection.labels == {"site": "lab3"}


@pytest.mark.parametrize("text", ["--forgt kiosk7", "kiosk7 --jsn", '"kiosk7'])
def test_what_is_no_node_and_no_option_is_refused(text: str) -> None:
    with pytest.raises(SelectionError, match="is not a node or an option"):
        nodes_wish_of(text)


def test_an_open_quote_is_named() -> None:
    with pytest.raises(SelectionError, match="no closing quotation"):
        words_of('web "x')
