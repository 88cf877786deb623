"""The seed's transcripts, character for character. The golden files hold what the seed shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smanager.supervision.commands.registry import OWN_COMMANDS
from tests.conftest import ROOT, Server
from tests.live.clients import SEPARATOR, Person

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> str:
    return (GOLDEN / name).read_text()


@pytest.fixture
def person(seed_server: Server) -> Iterator[Person]:
    with seed_server.connect() as connection:
        yield Person(connection)


def test_the_banner_greets_a_person(person: Person) -> None:
    assert person.greeting.partition("\x1b[K")[2] == golden("banner.txt")


@pytest.mark.parametrize(
    ("line", "page"),
    [
        ("systemstatus uptime", "uptime.txt"),
        ("hostname", "hostname.txt"),
        ("systemstatus hostname", "hostname.txt"),
        ("systemstatus help", "systemstatus-help.txt"),
        ("help systemstatus", "systemstatus-help.txt"),
    ],
)
def test_a_person_reads_what_the_seed_shows(person: Person, line: str, page: str) -> None:
    assert person.type(line) == golden(page)


def test_help_lists_the_seeds_commands_first_and_ends_as_the_seeds(person: Person) -> None:
    page = person.type("help")
    assert page.startswith(golden("help.txt"))
    *more, blank, separator = page.removeprefix(golden("help.txt")).splitlines()
    assert (blank, separator) == ("", SEPARATOR.strip())
    groups: dict[str, list[str]] = {}
    heading = ""
    for line in more:
        if line.startswith(" "):
            groups[heading].append(line.split(":")[0].strip())
        else:
            heading = line
            groups[heading] = []
    assert list(groups) == ["Supervision:", "Looking:", "Sessions:", "Shell:"]
    assert sorted(name for group in groups.values() for name in group) == sorted(
        {*OWN_COMMANDS, "exit", "quit"} - {"kill", "restart"}
    )
    assert groups["Supervision:"] == ["start", "stop", "wait", "signal", "reload", "plan"]
    assert groups["Shell:"] == ["exit", "quit"]


def test_a_script_reads_the_same_without_banner_prompt_and_separator(seed_server: Server) -> None:
    assert seed_server.ask("systemstatus uptime") == golden("uptime.txt").removesuffix(SEPARATOR)
    assert seed_server.ask("systemstatus help") == golden("systemstatus-help.txt").removesuffix(SEPARATOR)


def test_simplified_help_with_the_examples_prints_the_seeds_three_lines(start: Callable[..., Server]) -> None:
    server = start("--services", ROOT / "services", "--services", ROOT / "examples" / "services")
    lines = server.ask("help -s").splitlines()
    assert lines[:2] == golden("help-s.txt").splitlines()[:2]
    assert lines[2].startswith(golden("help-s.txt").splitlines()[2] + " ")
    assert len(lines) == 3


def test_the_shipped_service_keeps_the_seeds_lines_in_their_order(start: Callable[..., Server]) -> None:
    page = iter(start("--services", ROOT / "services").ask("systemstatus help").splitlines())
    assert all(line in page for line in golden("systemstatus-help.txt").splitlines()[:-2])
