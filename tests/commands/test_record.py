"""Commands: how a method is described, how a line becomes words, and words become arguments."""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Callable
from functools import wraps
from string import ascii_lowercase, digits
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smanager.commands.arguments import bind
from smanager.commands.jsonable import jsonable
from smanager.commands.line import (
    command_word,
    commands_of,
    first_word,
    last_word,
    split_commands,
    split_words,
    without_ampersand,
    without_options,
)
from smanager.commands.record import (
    Command,
    CommandError,
    Parameter,
    Status,
    command_methods,
)
from smanager.commands.signatures import describe
from smanager.commands.words import usage
from smanager.hosts.child.loader import described
from smanager.service import SService, command


def logged(method: Callable[..., str]) -> Callable[..., str]:
    """A decorator as authors write them."""

    @wraps(method)
    def wrapper(*args: object, **kwargs: object) -> str:
        return method(*args, **kwargs)

    return wrapper


class Power(SService):
    """Switches outlets."""

    outlets = ("a", "b")
    cmd_limit = 16
    cmd_largest = max  # has no signature

    def toplevel_cmd_outlets(self) -> str:
        """All outlets"""
        return "a b"

    def cmd_plain(self) -> str:
        return "plain"

    def cmd_switch(self, outlet: str, state: str = "on") -> str:
        """Switches an outlet

        It takes a second to settle.
        """
        return f"{outlet} {state}"

    def complete_switch(self, text: str, line: str, begidx: int, endidx: int) -> list[str]:
        return [outlet for outlet in self.outlets if outlet.startswith(text)]

    def cmd_label(self, outlet: str, *words: str) -> str:
        return f"{outlet} {words}"

    def cmd_all(self, *outlets: str) -> str:
        return " ".join(outlets)

    def cmd_cycle(self, outlet: str, /, *, seconds: int = 5, **more: object) -> str:
        return f"{outlet} {seconds} {more}"

    def cmd_keyword(self, outlet: str, *, seconds: int) -> str:
        return f"{outlet} {seconds}"

    @logged
    def cmd_logged(self, outlet: str) -> str:
        return outlet

    @staticmethod
    def cmd_static(outlet: str, state: str = "on") -> str:
        return f"{outlet} {state}"

    @classmethod
    def cmd_class(cls, outlet: str) -> str:
        return outlet

    async def cmd_later(self, outlet: str) -> str:
        return outlet

    def cmd_(self) -> str:
        return "has no name"


class MeteredPower(Power):
    cmd_all = None  # type: ignore[assignment]  # how a subclass takes a command back

    def cmd_meter(self) -> str:
        return "1 kWh"

    def cmd_plain(self) -> str:
        """Plainer"""
        return "plainer"


CALLABLE = ["plain", "switch", "label", "all", "cycle", "keyword", "logged", "static", "class", "later"]


# Methods, described


def parameters(method: str) -> tuple[Parameter, ...]:
    return describe(Power, method).parameters


def test_a_command_has_its_methods_name_doc_and_parameters() -> None:
    command = describe(Power, "cmd_switch")
    assert command == Command(
        name="switch",
        doc="Switches an outlet\n\nIt takes a second to settle.",
        parameters=(Parameter("outlet"), Parameter("state", required=False, default="on")),
        completes=True,
        returns={"type": "string"},
    )
    assert command.summary == "Switches an outlet"
    assert command.method == "cmd_switch"


def test_a_toplevel_command_is_marked_as_one() -> None:
    command = describe(Power, "toplevel_cmd_outlets")
    assert command == Command("outlets", "All outlets", toplevel=True, returns={"type": "string"})
    assert command.method == "toplevel_cmd_outlets"


def test_a_method_without_a_docstring_has_an_empty_summary() -> None:
    assert describe(Power, "cmd_plain").summary == ""


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("cmd_plain", ()),
        ("cmd_label", (Parameter("outlet"), Parameter("words", required=False, rest=True))),
        (
            "cmd_cycle",
            (
                Parameter("outlet", position_only=True),
                Parameter("seconds", kind="int", required=False, option=True, default=5),
            ),
        ),
        ("cmd_keyword", (Parameter("outlet"), Parameter("seconds", kind="int", option=True))),
        ("cmd_logged", (Parameter("outlet"),)),
        ("cmd_static", (Parameter("outlet"), Parameter("state", required=False, default="on"))),
        ("cmd_class", (Parameter("outlet"),)),
        ("cmd_later", (Parameter("outlet"),)),
    ],
)
def test_parameters_are_those_that_can_be_given(method: str, expected: tuple[Parameter, ...]) -> None:
    assert parameters(method) == expected


def test_commands_are_found_as_written_with_the_base_classes_first_and_the_toplevel_ones_last() -> None:
    power = [
        "cmd_largest", "cmd_plain", "cmd_switch", "cmd_label", "cmd_all", "cmd_cycle", "cmd_keyword",
        "cmd_logged", "cmd_static", "cmd_class", "cmd_later", "toplevel_cmd_outlets",
    ]  # fmt: skip
    assert list(command_methods(Power)) == power
    power.remove("cmd_all")
    power.insert(-1, "cmd_meter")
    assert list(command_methods(MeteredPower)) == power
    assert describe(MeteredPower, "cmd_plain").summary == "Plainer"
    assert list(command_methods(SService)) == []


def test_a_service_is_described_as_data_and_its_problems_with_their_lines() -> None:
    data, problems = described(Power)
    commands = data.pop("commands")
    assert data == {
        "name": "power",
        "title": "Power",
        "doc": "Switches outlets.",
        "line": inspect.getsourcelines(Power)[1],
        "is_program": False,
        "given": {},
    }
    assert [command["name"] for command in commands] == [*CALLABLE, "outlets"]
    assert len(problems) == 1
    assert "cmd_largest: no signature found" in problems[0]


def test_an_alias_that_is_another_commands_name_is_a_problem_and_no_alias() -> None:
    class Aliased(SService):
        @command(aliases=["help", "other", "spare", "free"])
        def cmd_one(self) -> None: ...

        @command(aliases=["spare"])
        def cmd_other(self) -> None: ...

    data, problems = described(Aliased)
    assert [record["aliases"] for record in data["commands"]] == [["spare", "free"], []]
    assert [problem.partition(": ")[2] for problem in problems] == [
        f"cmd_{method}: its alias {alias} is the name of another command; choose another alias"
        for method, alias in [("one", "help"), ("one", "other"), ("other", "spare")]
    ]


def test_a_service_without_a_docstring_has_no_other_classs() -> None:
    data, _ = described(MeteredPower)
    assert (data["name"], data["doc"]) == ("meteredpower", "")


def test_a_service_may_choose_its_name() -> None:
    data, _ = described(type("Renamed", (SService,), {"name": "ups-1"}))
    assert (data["name"], data["title"], data["line"]) == ("ups-1", "Renamed", 0)


letters = f"{ascii_lowercase}_"
names = st.builds(str.__add__, st.sampled_from(letters), st.text(f"{letters}{digits}", max_size=8))
descriptions: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": names,
        "annotated": st.booleans(),
        "option": st.booleans(),
        "choices": st.lists(st.text() | st.integers() | st.booleans(), max_size=3).map(tuple),
        "members": st.dictionaries(names, st.text(), max_size=3),
        "default": st.none() | st.text() | st.integers() | st.lists(st.text(), max_size=3),
        "doc": st.text(),
    }
)
command_data: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": names,
        "doc": st.text(),
        "parameters": st.lists(descriptions.map(lambda given: Parameter(**given)), max_size=3).map(tuple),
        "toplevel": st.booleans(),
        "completes": st.booleans(),
    }
)


@given(command_data.map(lambda given: Command(**given)))
def test_a_command_survives_its_way_to_the_manager(command: Command) -> None:
    data: dict[str, Any] = json.loads(json.dumps(jsonable(command)))
    assert Command.from_data(data) == command


# Words and arguments


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        ("cmd_plain", "power plain"),
        ("cmd_switch", "power switch outlet [state]"),
        ("cmd_label", "power label outlet [words ...]"),
        ("cmd_all", "power all [outlets ...]"),
        ("cmd_cycle", "power cycle [--seconds SECONDS] outlet"),
    ],
)
def test_usage_shows_what_is_required_and_what_may_be_left_out(method: str, shown: str) -> None:
    command = describe(Power, method)
    assert usage(f"power {command.name}", command.parameters) == shown


@pytest.mark.parametrize("words", [["a"], ["a", "off"], ["", "-"]])
def test_words_that_fit_are_the_arguments(words: list[str]) -> None:
    assert bind(describe(Power, "cmd_switch"), "power switch", shlex.join(words)) == (words, {})


@pytest.mark.parametrize(
    ("method", "words", "complaint"),
    [
        ("cmd_plain", "a", "plain: too many arguments: a; usage: plain"),
        ("cmd_switch", "", "switch: too few arguments: outlet missing; usage: switch outlet [state]"),
        ("cmd_switch", "a off now", "switch: too many arguments: now; usage: switch outlet [state]"),
        ("cmd_label", "", "label: too few arguments: outlet missing; usage: label outlet [words ...]"),
    ],
)
def test_words_that_do_not_fit_are_answered_with_the_usage(method: str, words: str, complaint: str) -> None:
    command = describe(Power, method)
    with pytest.raises(CommandError) as caught:
        bind(command, command.name, words)
    assert str(caught.value) == complaint
    assert caught.value.status is Status.UNUSABLE


@pytest.mark.parametrize("count", range(5))
@pytest.mark.parametrize("name", [name for name in CALLABLE if name != "keyword"])
def test_a_command_takes_as_many_words_as_its_method(name: str, count: int) -> None:
    words = ["word"] * count
    method = getattr(Power(), f"cmd_{name}")
    command = describe(Power, f"cmd_{name}")
    try:
        inspect.signature(method).bind(*words)
    except TypeError:
        with pytest.raises(CommandError):
            bind(command, name, shlex.join(words))
    else:
        assert bind(command, name, shlex.join(words)) == (words, {})


def test_a_command_that_fails_has_another_status_than_one_that_was_not_called() -> None:
    assert CommandError("no such outlet").status is Status.FAILED


# Lines


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ("", [""]),
        ("hostname", ["hostname"]),
        ("hostname;uptime", ["hostname", "uptime"]),
        ("hostname ; ; uptime;", ["hostname ", " ", " uptime", ""]),
        ("say 'a;b';say \"c;d\"", ["say 'a;b'", 'say "c;d"']),
        ("say a\\;b;say 'c\\';d", ["say a\\;b", "say 'c\\'", "d"]),
        ('say "a\\";b";c', ['say "a\\";b"', "c"]),
        ("say \"it's\";say 'a \"';c", ['say "it\'s"', "say 'a \"'", "c"]),
        ("say a;say 'b;c", ["say a", "say 'b;c"]),
        ('say a;say "b;c', ["say a", 'say "b;c']),
        ("say 'a;b\\", ["say 'a;b\\"]),
        ('say "a;b\\', ['say "a;b\\']),
        ("say a;\\", ["say a", "\\"]),
        ("say 'a\n;b';c", ["say 'a\n;b'", "c"]),
    ],
)
def test_a_line_is_split_at_each_semicolon_outside_quotes(line: str, pieces: list[str]) -> None:
    assert split_commands(line) == pieces


@pytest.mark.parametrize(
    ("line", "commands"),
    [
        ("a;;b", ["a", "b"]),
        ("  # a; b", []),
        ("#", []),
        ("a # b", ["a # b"]),
        ("a;# b", ["a", "# b"]),
        ("\ufeffa", ["a"]),
        ("\ufeff# a", []),
        (" \t", []),
    ],
)
def test_a_comment_has_no_commands_and_a_byte_order_mark_is_none(line: str, commands: list[str]) -> None:
    assert commands_of(line) == commands


@pytest.mark.parametrize("blank", [" ", "\t", " \r\n "])
@pytest.mark.parametrize("word", ["say", "'über", "a\u00a0b", "\u3000", "a\x0bb"])
def test_a_line_begins_with_a_word_that_ascii_blanks_end(word: str, blank: str) -> None:
    assert first_word(f"{blank}{word}{blank}b{blank}c ") == (word, f"b{blank}c ")
    assert first_word(word) == first_word(word + blank) == (word, "")
    assert first_word(blank) == ("", "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("say 'a b'", ("say", "'a b'")),
        (" 'über'  x ", ("über", "x ")),
        ("'a b'c\\ d\t\"e\"", ("a bc d", '"e"')),
        ("'c#'", ("c#", "")),
        ("'' x", ("", "x")),
        ("'\u3000' x", ("\u3000", "x")),
        ("\u3000x y", ("\u3000x", "y")),
        ("", ("", "")),
    ],
)
def test_a_command_in_quotes_is_the_word_in_them(line: str, expected: tuple[str, str]) -> None:
    assert command_word(line) == expected


@given(st.text() | st.text(";'\"\\ ab"))
def test_a_line_loses_nothing_but_its_semicolons(line: str) -> None:
    assert ";".join(split_commands(line)) == line


@given(st.lists(st.lists(st.text() | st.text(";'\"\\ ab"), min_size=1, max_size=4), min_size=1, max_size=3))
def test_quoted_words_arrive_as_they_were(sent: list[list[str]]) -> None:
    line = "; ".join(map(shlex.join, sent))
    assert [split_words(command) for command in split_commands(line)] == sent


@given(st.text() | st.text(";'\"\\ ab\t"))
@example("caf\u00e9\u00a0noir")
def test_words_are_split_as_a_shell_does_whether_or_not_a_line_holds_quotes(text: str) -> None:
    try:
        words = shlex.split(text)
    except ValueError:
        with pytest.raises(CommandError):
            split_words(text)
    else:
        assert split_words(text) == words


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("", (0, "")),
        ("say ", (4, "")),
        ("say caf\u00e9\u00a0noir", (4, "caf\u00e9\u00a0noir")),
        ("say 'two w", (4, "two w")),
        ('say x"two \\"w', (4, 'xtwo "w')),
        ("say 'a b'/c\\ d", (4, "a b/c d")),
        ("say 'a b' ", (10, "")),
        ("say a\\", (4, "a\\")),
        ('say "a\\', (4, "a\\")),
    ],
)
def test_the_last_word_is_found_also_in_an_open_quotation(line: str, word: tuple[int, str]) -> None:
    assert last_word(line) == word


@given(st.text() | st.text(";'\"\\ ab\t"))
def test_every_line_has_a_last_word(line: str) -> None:
    begin, word = last_word(line)
    assert split_words(line[:begin] + shlex.quote(word))[-1] == word
    assert len(split_words(line[:begin])) + 1 == len(split_words(line[:begin] + shlex.quote(word)))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (" say 'hello ", "no closing quotation in: say 'hello"),
        ('say "hello', 'no closing quotation in: say "hello'),
        ("say \\", "no escaped character in: say \\"),
    ],
)
def test_a_quotation_that_is_not_closed_is_named(text: str, complaint: str) -> None:
    with pytest.raises(CommandError) as caught:
        split_words(text)
    assert str(caught.value) == complaint
    assert caught.value.status is Status.UNUSABLE


@pytest.mark.parametrize(
    ("text", "rest", "options"),
    [
        ("a b", "a b", set()),
        ("a --json b", "a  b", {"--json"}),
        ("a --progress --json", "a  ", {"--json", "--progress"}),
        ("a '--json' x", "a '--json' x", set()),
        ("a -- --json", "a -- --json", set()),
        ("a --jsonx", "a --jsonx", set()),
    ],
)
def test_the_options_of_every_command_are_taken_from_its_words(text: str, rest: str, options: set[str]) -> None:
    assert without_options(text) == (rest, options)


@pytest.mark.parametrize(
    ("text", "split"), [("a &", ("a ", True)), ("a\t& ", ("a\t", True)), ("a&", ("a&", False)), ("a", ("a", False))]
)
def test_an_ampersand_behind_a_command_detaches_it(text: str, split: tuple[str, bool]) -> None:
    assert without_ampersand(text) == split


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("a b", (2, "b")),
        ("a ", (2, "")),
        ("a 'b c", (2, "b c")),
        ('a "b', (2, "b")),
        ("a b\\ c", (2, "b c")),
        ("a b\\", (2, "b\\")),
    ],
)
def test_the_last_word_of_a_line_is_read_though_its_quotation_is_open(line: str, word: tuple[int, str]) -> None:
    assert last_word(line) == word
