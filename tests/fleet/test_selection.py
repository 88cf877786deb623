"""Which nodes are meant."""

from __future__ import annotations

import pytest

from smanager.fleet.known import NodeAbout
from smanager.fleet.selection import NodeSelection, SelectionError

NODES = [
    NodeAbout("kiosk1", {"site": "lab3", "role": "kiosk"}),
    NodeAbout("kiosk2", {"site": "lab4", "role": "kiosk"}),
    NodeAbout("build", {"site": "lab3"}),
]


@pytest.mark.parametrize(
    ("words", "labels", "names"),
    [
        ([], [], ["build", "kiosk1", "kiosk2"]),
        (["all"], [], ["build", "kiosk1", "kiosk2"]),
        (["kiosk*"], [], ["kiosk1", "kiosk2"]),
        (["@kiosk1,build"], [], ["build", "kiosk1"]),
        (["kiosk[2-9]", "build"], [], ["build", "kiosk2"]),
        (["all"], ["site=lab3"], ["build", "kiosk1"]),
        (["kiosk*"], ["site=lab3", "role=kiosk"], ["kiosk1"]),
    ],
)
def test_names_patterns_and_labels_choose_nodes(words: list[str], labels: list[str], names: list[str]) -> None:
    assert NodeSelection.of(words, labels).among(NODES) == names


@pytest.mark.parametrize(
    ("words", "labels", "message"),
    [
        (["kiosk9"], [], "no node kiosk9 is known; `nodes` lists them"),
        (["lab*"], [], "no node fits lab*; `nodes` lists them"),
        (["all"], ["site=lab9"], "no node fits all -l site=lab9; `nodes` lists them"),
    ],
)
def test_who_is_not_there_is_told(words: list[str], labels: list[str], message: str) -> None:
    with pytest.raises(SelectionError) as caught:
        NodeSelection.of(words, labels).among(NODES)
    assert str(caught.value) == message


def test_an_empty_fleet_is_told() -> None:
    with pytest.raises(SelectionError, match="no node is connected, and none was before"):
        NodeSelection().among([])


def test_only_a_selection_without_conditions_is_of_all() -> None:
    assert NodeSelection().is_all
    assert not NodeSelection(("kiosk*",)).is_all
    assert not NodeSelection(labels={"site": "lab3"}).is_all
