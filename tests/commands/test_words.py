"""The words of a command, told apart: short options, the rest of a line, services, and what `--` ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.commands.arguments import accept, bind
from smanager.commands.record import Command, CommandError
from smanager.commands.signatures import SERVICES, describe
from smanager.commands.words import Words, given_as, option_names, typed, usage
from smanager.service import Line, Secret, SService, command
from smanager.supervision.commands.own import ALL_SERVICES, OwnCommands, Services


class Box(SService):
    @command(short={"follow": "f", "count": "n", "sure": "s", "quiet": "q"})
    def cmd_show(
        self,
        name: str = "",
        *,
        follow: bool = False,
        count: int = 3,
        sure: bool | None = None,
        quiet: bool = True,
    ) -> None: ...

    @command(short={"loud_voice": "l"})
    def cmd_say(self, who: str, text: Line, *, loud_voice: bool = False, times: int = 1) -> None: ...

    def cmd_note(self, text: Line) -> None: ...

    def cmd_hide(self, text: Secret[Line]) -> None: ...

    @command(short={"tags": "t"})
    def cmd_tag(self, *, tags: list[str]) -> None: ...


class Own(OwnCommands):
    def cmd_status(self, services: Services = ALL_SERVICES) -> None: ...

    def cmd_wait(self, services: Services, state: str, *, timeout: float = 0.0) -> None: ...


def record(method: str) -> Command:
    owner = Box if hasattr(Box, f"cmd_{method}") else Own
    return describe(owner, f"cmd_{method}")


def bound(method: str, text: str) -> dict[str, Any]:
    """The arguments in a text by their names."""
    described = record(method)
    return bind(described, method, text).by_name(described.parameters)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("-f", {"follow": True}),
        ("-n 5", {"count": 5}),
        ("-n5", {"count": 5}),
        ("-n=5", {"count": 5}),
        ("-n -5", {"count": -5}),
        ("-fn5 x", {"name": "x", "follow": True, "count": 5}),
        ("-fsn 5", {"follow": True, "sure": True, "count": 5}),
        ("-q", {"quiet": False}),
        ("-s --no-sure", {"sure": False}),
        ("-n 5 -n 6", {"count": 6}),
        ("-- -f", {"name": "-f"}),
        ("-", {"name": "-"}),
        ("-5", {"name": "-5"}),
        ("'-x y'", {"name": "-x y"}),
    ],
)
def test_short_options_are_read_alone_and_together(text: str, values: dict[str, object]) -> None:
    assert bound("show", text) == values


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("-n", "-n: expected one argument"),
        ("-n -f", "-n: expected one argument"),
        ("-n --", "-n: expected one argument"),
        ("-n x", "--count: 'x' should be a whole number"),
        ("-f=x", "--follow: 'x' should be one of true, yes, on, 1, false, no, off, 0"),
        ("-fx", "unknown option -fx"),
        ("-x", "unknown option -x"),
        ("--follwo", "unknown option --follwo; did you mean --follow?"),
        ("'a", "no closing quotation in: 'a"),
    ],
)
def test_options_that_are_wrong_are_named(text: str, complaint: str) -> None:
    with pytest.raises(CommandError) as caught:
        bound("show", text)
    assert str(caught.value).removeprefix("show: ").startswith(complaint)


def test_a_short_option_of_a_list_may_come_again_and_again() -> None:
    assert bound("tag", "-t a --tags b -tc") == {"tags": ["a", "b", "c"]}
    with pytest.raises(CommandError, match="too few arguments: -t/--tags missing"):
        bound("tag", "")


def test_people_read_the_short_form_and_programs_do_not_use_it() -> None:
    follow = record("show").parameters[1]
    assert given_as(follow) == ["-f", "--follow"]
    loud = record("say").parameters[2]
    assert option_names(loud) == ["-l", "--loud-voice", "--loud_voice"]
    assert usage("show", record("show").parameters) == (
        "show [-f] [-n COUNT] [-s | --sure | --no-sure] [-q] [name]"
    )  # fmt: skip
    assert usage("say", record("say").parameters) == "say [-l] [--times TIMES] who text"
    with pytest.raises(CommandError, match="unknown parameter f"):
        accept(record("show"), "show", {"f": True})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("anna hello", {"who": "anna", "text": "hello"}),
        ("anna  it's  'two  words' ; \"x\" ", {"who": "anna", "text": "it's  'two  words' ; \"x\""}),
        ("--times 2 -l anna hello", {"who": "anna", "text": "hello", "times": 2, "loud_voice": True}),
        ("-l 'anna b' hello", {"who": "anna b", "text": "hello", "loud_voice": True}),
        ("anna hello -l --times 2", {"who": "anna", "text": "hello -l --times 2"}),
        ("anna -l hello", {"who": "anna", "text": "-l hello"}),
        ("anna -- hello", {"who": "anna", "text": "-- hello"}),
        ("-- -l hello -- there", {"who": "-l", "text": "hello -- there"}),
        ("-x --y z", {"who": "-x", "text": "--y z"}),
    ],
)
def test_a_line_begins_behind_the_options_and_is_kept_as_typed(text: str, values: dict[str, object]) -> None:
    assert bound("say", text) == values


def test_a_line_without_options_before_it_keeps_its_dashes() -> None:
    assert bound("note", "-- back at 12") == {"text": "-- back at 12"}
    assert bound("note", "--loud") == {"text": "--loud"}
    assert bound("hide", "--x 'y") == {"text": "--x 'y"}


@pytest.mark.parametrize("text", ["", "  ", "anna", "-l", "--times 2 anna"])
def test_a_line_is_required(text: str) -> None:
    with pytest.raises(CommandError, match=r"too few arguments: (who, )?text missing; usage: say "):
        bound("say", text)


@given(st.text("ab -'\"\\;").map(str.strip).filter(lambda text: text and not text.startswith("-")))
def test_every_line_arrives_as_typed(text: str) -> None:
    assert bound("note", text) == {"text": text}
    assert bound("say", f"-l anna {text}") == {"who": "anna", "text": text, "loud_voice": True}


def test_a_word_before_the_line_has_to_close_its_quotation() -> None:
    with pytest.raises(CommandError, match="no closing quotation in: 'anna hello"):
        bound("say", "'anna hello")


def test_services_may_be_omitted_where_the_command_finds_them() -> None:
    assert record("status").about_services == record("status").parameters[0]
    assert bound("status", "") == {}
    assert bound("status", "web 'd*' all") == {"services": ["web", "d*", "all"]}
    assert bound("wait", "web db running --timeout 5") == {
        "services": ["web", "db"],
        "state": "running",
        "timeout": 5.0,
    }
    assert bound("wait", "running") == {"state": "running"}
    with pytest.raises(CommandError) as caught:
        bound("wait", "")
    assert str(caught.value) == (
        "wait: too few arguments: services, state missing; usage: wait [--timeout TIMEOUT] SERVICE [SERVICE ...] state"
    )


def test_a_program_has_to_name_services() -> None:
    assert accept(record("wait"), "wait", {"services": ["web"], "state": "running"}) == ([["web"], "running"], {})
    assert accept(record("status"), "status", None) == ([], {})
    with pytest.raises(CommandError, match="wait: too few arguments: services missing"):
        accept(record("wait"), "wait", {"state": "running"})
    with pytest.raises(CommandError, match='services is "web", and should be a list'):
        accept(record("wait"), "wait", {"services": "web", "state": "running"})


def test_services_are_marked_by_their_annotation() -> None:
    class Marked(OwnCommands):
        def cmd_one(self, those: Services) -> None: ...

    (parameter,) = describe(Marked, "cmd_one").parameters
    assert (parameter.kind, parameter.several, parameter.required) == ("services", True, True)
    assert SERVICES in Services.__metadata__  # type: ignore[attr-defined]  # of Annotated


def test_words_know_the_option_that_awaits_its_value() -> None:
    parameters = record("show").parameters
    assert Words(parameters, "-n").awaiting == Words(parameters, "-f --count").awaiting == parameters[2]
    assert Words(parameters, "-n 5").awaiting is None
    assert Words(parameters, "-n5").awaiting is None
    assert not Words(parameters, "-f --").takes_options
    assert Words(record("say").parameters, "-l anna hi  there ").line == "hi  there "


# A call as a caller types it


@pytest.mark.parametrize(
    ("method", "typing"),
    [
        ("show", "-f --count 5 web"),
        ("show", "-n 5"),
        ("say", "-l anna hi  there"),
        ("wait", "web 'data base' running --timeout 3"),
        ("status", ""),
    ],
)
def test_a_call_can_be_typed_again(method: str, typing: str) -> None:
    command = record(method)
    arguments = bind(command, method, typing)
    again = typed(method, command.parameters, arguments.by_name(command.parameters))
    assert bind(command, method, again.removeprefix(method).strip()) == arguments


class Again(SService):
    def cmd_text(
        self, first: str, *others: str, option: Sequence[str] = (), flag: bool = False, number: int | None = 3
    ) -> None: ...


TYPED = st.text("ab5 -'\"\\;,=")


@given(TYPED, st.lists(TYPED), st.lists(TYPED.map("x".__add__)), st.booleans(), st.none() | st.integers())
def test_any_values_can_be_typed_again(
    first: str, others: list[str], option: list[str], flag: bool, number: int | None
) -> None:
    command = describe(Again, "cmd_text")
    values = {
        "first": first,
        "others": others,
        "flag": flag,
        "number": number,
        **({"option": option} if option else {}),
    }
    line = typed("text", command.parameters, values)
    assert bind(command, "text", line.removeprefix("text")).by_name(command.parameters) == values


# What an author writes


def refused(**methods: Any) -> str:
    owner = type("Refused", (SService,), methods)
    with pytest.raises(CommandError) as caught:
        describe(owner, next(iter(methods)))
    return str(caught.value)


def test_short_forms_are_for_options_and_each_letter_for_one() -> None:
    @command(short={"name": "n"})
    def position(self: object, name: str) -> None: ...

    @command(short={"one": "x", "other": "x"})
    def twice(self: object, *, one: int = 0, other: int = 0) -> None: ...

    assert refused(cmd_x=position) == "short names name, which is not an option; options are keyword-only parameters"
    assert refused(cmd_x=twice) == "short gives one letter to two options: {'one': 'x', 'other': 'x'}"


def test_nothing_but_options_follows_a_line() -> None:
    def early(self: object, text: Line, who: str) -> None: ...

    def lists(self: object, some: list[str], *others: str) -> None: ...

    assert refused(cmd_x=early) == "text takes the rest of the line; nothing but options may follow"
    assert refused(cmd_x=lists) == "some and others are both lists; at most one parameter can take several words"
