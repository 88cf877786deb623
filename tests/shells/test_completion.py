"""Where the next word of a command stands, by the command's record alone."""

from __future__ import annotations

from typing import Literal

import pytest

from smanager.commands.signatures import describe
from smanager.service import Line, SService, command
from smanager.shells.completion import behind_command, place_of
from smanager.supervision.commands.own import ALL_SERVICES, OwnCommands, Services


class Box(SService):
    @command(short={"follow": "f", "count": "n"})
    def cmd_show(self, *, follow: bool = False, count: int = 3, tags: list[str] | None = None) -> None: ...

    def cmd_move(self, sources: list[str], target: str, *, mode: Literal["slow", "fast"] = "slow") -> None: ...

    def cmd_paint(self, colour: str, *layers: str) -> None: ...

    def cmd_say(self, who: str, text: Line, *, loud: bool = False) -> None: ...


class Own(OwnCommands):
    def cmd_wait(self, services: Services, state: str) -> None: ...

    def cmd_look(self, services: Services = ALL_SERVICES) -> None: ...


def place(owner: type, method: str, given: str, may_omit_services: bool = False) -> tuple[set[str], list[str]]:
    """The names of the options and of the parameters that may stand behind `given`."""
    options, parameters = place_of(describe(owner, f"cmd_{method}").parameters, given, may_omit_services)
    return {option.name for option in options.values()}, [parameter.name for parameter in parameters]


@pytest.mark.parametrize(
    ("method", "given", "options", "parameters"),
    [
        ("show", "", {"follow", "count", "tags"}, []),
        ("show", "-f", {"count", "tags"}, []),
        ("show", "--count", set(), ["count"]),
        ("show", "-n", set(), ["count"]),
        ("show", "-n5 -f", {"tags"}, []),
        ("show", "-fn", set(), ["count"]),
        ("show", "--count=5", {"follow", "tags"}, []),
        ("show", "--tags a", {"follow", "count", "tags"}, []),
        ("show", "--", set(), []),
        ("move", "", {"mode"}, ["sources"]),
        ("move", "a", {"mode"}, ["sources", "target"]),
        ("move", "a b --mode fast", set(), ["sources", "target"]),
        ("move", "-- --mode", set(), ["sources", "target"]),
        ("paint", "", set(), ["colour"]),
        ("paint", "red", set(), ["layers"]),
        ("paint", "red 'two words'", set(), ["layers"]),
        ("say", "", {"loud"}, ["who"]),
        ("say", "--loud anna", set(), ["text"]),
        ("say", "anna it's late --lo", set(), ["text"]),
    ],
)
def test_the_next_word_is_an_option_or_a_parameters_value(
    method: str, given: str, options: set[str], parameters: list[str]
) -> None:
    assert place(Box, method, given) == (options, parameters)


def test_services_may_be_omitted_inside_a_service() -> None:
    assert place(Own, "wait", "") == (set(), ["services"])
    assert place(Own, "wait", "", may_omit_services=True) == (set(), ["services", "state"])
    assert place(Own, "wait", "web") == (set(), ["services", "state"])
    assert place(Own, "look", "web db") == (set(), ["services"])


@pytest.mark.parametrize(
    ("line", "rest"), [("", ""), ("look", ""), ("look ", ""), ("  look  a b ", "a b "), ("look\ta", "a")]
)
def test_a_commands_own_name_is_no_argument(line: str, rest: str) -> None:
    assert behind_command(line) == rest
