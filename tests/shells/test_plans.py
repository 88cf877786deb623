"""What a script's line means is found out once; what it may do is asked each time."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, cast

import pytest

from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE
from smanager.commands.record import CommandError
from smanager.shells.base import PLANNED_LINE, PLANS_KEPT, Outcome, Shell
from smanager.supervision.commands.own import Requester


@dataclass
class Saying:
    """A plan that keeps what it has said."""

    text: str
    said: list[str]

    def run(self, shell: Shell) -> Outcome:
        if self.text == "fail":
            raise CommandError("refused")
        self.said.append(self.text)
        return None


class Parrot(Shell):
    """Counts how often a line is read."""

    read: list[str]
    said: list[str]

    def do_say(self, arg: str) -> Outcome:
        self.read.append(arg)
        return self.follow(Saying(arg, self.said), has_secrets="secret" in arg)


def parrot(is_person: bool = False) -> Parrot:
    """A shell of a class of its own."""
    kind = type("Parrot", (Parrot,), {"plans": {}, "read": [], "said": []})
    requester = Requester(Caller(CONSOLE), cast("Any", None), abbreviates=is_person)
    return cast("Parrot", kind(cast("Any", None), cast("Any", io.StringIO()), requester))


@pytest.mark.parametrize(
    ("line", "is_person", "times"),
    [
        ("say hello", False, 1),
        ("say hello", True, 3),
        ("say my secret", False, 3),
        (f"say {PLANNED_LINE * 'x'}", False, 3),
    ],
)
def test_a_scripts_line_is_read_once_unless_it_must_not_be_kept(line: str, is_person: bool, times: int) -> None:
    shell = parrot(is_person)
    for _ in range(3):
        shell.onecmd(line)
    assert len(shell.read) == times
    assert shell.said == 3 * [line.removeprefix("say ")]


def test_a_command_that_was_refused_is_read_again() -> None:
    shell = parrot()
    for _ in range(2):
        with pytest.raises(CommandError):
            shell.onecmd("say fail")
    assert len(shell.read) == 2


def test_a_persons_abbreviation_means_nothing_to_scripts() -> None:
    person = parrot(is_person=True)
    person.onecmd("sa hello")
    assert type(person).plans == {}


def test_many_different_lines_take_bounded_memory() -> None:
    shell = parrot()
    for number in range(3 * PLANS_KEPT):
        shell.onecmd(f"say {number}")
        assert len(type(shell).plans) <= PLANS_KEPT
    assert len(shell.said) == 3 * PLANS_KEPT
