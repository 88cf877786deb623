"""What a service's author may write of a command."""

from __future__ import annotations

import pytest

from smanager import command


@pytest.mark.parametrize("given", [{"timeout": 0}, {"timeout": -1}, {"aliases": "ls"}, {"aliases": ["a b"]}])
def test_what_a_command_cannot_be_is_said_where_it_is_written(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^(timeout|aliases) is .*, and should be "):
        command(**given)  # type: ignore[arg-type]  # as somebody may write it
