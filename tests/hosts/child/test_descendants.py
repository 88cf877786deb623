"""What programs leave is looked for once for all that end together."""

from __future__ import annotations

from contextlib import suppress
from signal import SIGTERM

import pytest

from smanager.hosts.child.descendants import end_life
from smanager.system import lineage
from smanager.system.lineage import Look, Process


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Look]:
    """The looks that are made; each finds nothing."""
    made: list[Look] = []

    def look() -> Look:
        made.append(Look([]))
        return made[-1]

    monkeypatch.setattr(lineage, "look", look)
    monkeypatch.setattr(lineage, "HAS_PROC", True)
    return made


def test_programs_that_end_together_share_a_look_and_later_ones_do_not(looks: list[Look]) -> None:
    found: list[list[Process]] = []
    for number in (1, 2):
        ends = [end_life(mark, 2**30, SIGTERM, 0.0, found.append) for mark in (1, 2, 3)]
        for end in ends:
            next(end)
        for end in ends:
            with suppress(StopIteration):
                next(end)
                pytest.fail("nothing is left to wait for")
        assert len(looks) == number
    assert found == [[]] * 6


def test_without_descriptors_the_group_is_all_that_is_seen(looks: list[Look], monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> Look:
        raise OSError("too many open files")

    monkeypatch.setattr(lineage, "look", look)
    found: list[list[Process]] = []
    for _ in end_life(1, 2**30, SIGTERM, 0.0, found.append):
        pass
    assert found == [[]]
