"""What a service's author may write of a command."""

from __future__ import annotations

import pytest

from smanager import SService, command
from smanager.commands.signatures import describe


@pytest.mark.parametrize(
    "given",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"aliases": "ls"},
        {"aliases": ["a b"]},
        {"aliases": [1]},
        {"role": ""},
        {"role": None},
        {"short": {"count": "nn"}},
        {"short": {"count": ""}},
        {"short": {"count": "5"}},
        {"short": {"count": "é"}},
    ],
)
def test_what_a_command_cannot_be_is_said_where_it_is_written(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^(timeout|aliases|role|short) is .*, and should be "):
        command(**given)  # type: ignore[arg-type]  # as an author may write it


def test_a_timeout_that_is_not_a_number_is_an_error() -> None:
    with pytest.raises(TypeError):
        command(timeout="5")  # type: ignore[arg-type]  # as an author may write it


def test_what_an_author_says_is_in_the_record() -> None:
    class Box(SService):
        @command(timeout=5, exclusive=True, hidden=True, aliases=["shut"], role="keeper", short={"hard": "h"})
        def cmd_close(self, *, hard: bool = False) -> None: ...

        @command()
        def cmd_open(self) -> None: ...

    close, opened = describe(Box, "cmd_close"), describe(Box, "cmd_open")
    assert (close.timeout, close.exclusive, close.hidden, close.aliases, close.role) == (
        5,
        True,
        True,
        ("shut",),
        "keeper",
    )
    assert close.parameters[0].short == "h"
    assert (opened.timeout, opened.aliases, opened.role) == (None, (), "operate")
    assert opened.abbreviated
    assert not any((opened.exclusive, opened.hidden, opened.without_journal, opened.root_only))
