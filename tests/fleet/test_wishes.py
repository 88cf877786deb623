"""What is read of a line that asks nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from smanager.fleet.selection import SelectionError
from smanager.fleet.wishes import (
    LONGEST_DAYS,
    MOST_COUNTED,
    Wish,
    changes_nothing,
    nodes_wish_of,
    plain_words_of,
    scattered_wish_of,
    split_word,
    wish_of,
    wish_on_nodes,
    words_of,
)


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
        ("-y all status", {"patterns": ("all",), "yes": True, "line": "status"}),
        ("-l site=x kiosk1 --json status -f", {"patterns": ("kiosk1",), "labels": ("site=x",), "json": True}
            | {"line": "status -f"}),
        ("-y @kiosk1 status all", {"patterns": ("@kiosk1",), "yes": True, "line": "status all"}),
    ],
)  # fmt: skip
def test_nodes_and_options_come_before_a_command(line: str, wish: dict[str, Any]) -> None:
    read = wish_on_nodes(line)
    assert (read, read.line) == (Wish(**wish), wish["line"])


def test_without_a_mark_the_first_word_is_the_commands_own() -> None:
    wish = wish_of("web -n 5")
    assert (wish.patterns, wish.line) == ((), "web -n 5")
    assert wish_of("@kiosk* web -n 5").selection.patterns == ("kiosk*",)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("all --batch 0 x", f"--batch is 0, and should be a number from 1 to {MOST_COUNTED}"),
        ("all --batch", f"--batch is missing, and should be a number from 1 to {MOST_COUNTED}"),
        ("all --batch 1000001 x", f"--batch is 1000001, and should be a number from 1 to {MOST_COUNTED}"),
        (f"all --batch {'9' * 5000} x", f"--batch is {'9' * 39}…, and should be a number from 1 to {MOST_COUNTED}"),
        ("all --batch 1e3 x", f"--batch is 1e3, and should be a number from 1 to {MOST_COUNTED}"),
        (
            "all --pause later x",
            "--pause is later, and should be a time span such as 90s, 1h30m, or a number of seconds",
        ),
        ("all --deadline=-3 x", f"--deadline is -3, and should be a time span such as 30s, of at most {LONGEST_DAYS}d"),
        ("all --pause 31d x", f"--pause is 31d, and should be a time span such as 30s, of at most {LONGEST_DAYS}d"),
        ("--forgt all status", "--forgt is not a node or an option; options are -l, --label, --batch, --pause, "
            "--stop-after, --deadline, -y, --yes, --json"),
        ("all --fast status", "--fast is not a command or an option; options are -l, --label, --batch, --pause, "
            "--stop-after, --deadline, -y, --yes, --json"),
        ("", "the nodes are missing; usage: on NODES [OPTIONS] COMMAND"),
        ("-y", "the nodes are missing; usage: on NODES [OPTIONS] COMMAND"),
        ("-l site=x status", "the command is missing; usage: on NODES [OPTIONS] COMMAND"),
        ("all -y", "the command is missing; usage: on NODES [OPTIONS] COMMAND"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_told_with_what_would_be_right(line: str, message: str) -> None:
    with pytest.raises(SelectionError) as caught:
        wish_on_nodes(line)
    assert str(caught.value) == message


@pytest.mark.parametrize("option", ["--pause", "--deadline", "--batch", "--stop-after"])
@pytest.mark.parametrize("value", ["1e30", "1e13", "1e308", "1" + "0" * 400, "inf", "-inf", "nan", "9" * 6000 + "d"])
def test_a_number_beyond_all_measure_is_told_in_a_short_line(option: str, value: str) -> None:
    with pytest.raises(SelectionError) as caught:
        wish_on_nodes(f"all {option} {value} status")
    assert str(caught.value).startswith(f"{option} is {value[:30]}")
    assert len(str(caught.value)) < 150


def test_a_wrong_label_is_told() -> None:
    with pytest.raises(SelectionError, match="the label is site=a b, and should be KEY=VALUE"):
        _ = wish_on_nodes("all -l 'site=a b' status").selection


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


@pytest.mark.parametrize("text", ["--forgt kiosk7", "kiosk7 --jsn"])
def test_what_is_no_node_and_no_option_is_refused(text: str) -> None:
    with pytest.raises(SelectionError, match="is not a node or an option"):
        nodes_wish_of(text)


@pytest.mark.parametrize(
    ("text", "wish", "line"),
    [
        ("-f @kiosk1", {"patterns": ("@kiosk1",)}, "-f"),
        ("web -n 5 -l site=x --grep 'a  b' @k", {"patterns": ("@k",), "labels": ("site=x",)}, "web -n 5 --grep 'a  b'"),
        ("web --json '@kiosk*' ''", {"patterns": ("@kiosk*",), "json": True}, "web ''"),
        ("a a", {}, "a a"),
        ("", {}, ""),
    ],
)  # fmt: skip
def test_nodes_and_options_stand_among_the_words_of_a_command_without_such(
    text: str, wish: dict[str, Any], line: str
) -> None:
    read = scattered_wish_of(text)
    assert (read, read.line) == (Wish(**wish), line)


def test_an_option_is_not_a_service() -> None:
    assert plain_words_of("web 'two words'", "a service") == ["web", "two words"]
    with pytest.raises(SelectionError, match=r"^--jsn is not a service or an option; options are -l, "):
        plain_words_of("web --jsn", "a service")


@pytest.mark.parametrize("read", [scattered_wish_of, nodes_wish_of, words_of])
def test_an_open_quote_is_named(read: Callable[[str], object]) -> None:
    with pytest.raises(SelectionError, match="no closing quotation"):
        read('web "x')
