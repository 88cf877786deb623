"""What leaves at the end of a turn: the journal's lines, then frames, then output, whatever came first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.system.outbox import Outbox, Stage


class Loop:
    """An event loop whose turns the test makes."""

    def __init__(self) -> None:
        self.due: list[Callable[[], object]] = []

    def go_on(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()


@given(st.lists(st.sampled_from(Stage), max_size=20))
def test_stages_leave_in_order_and_each_in_the_order_of_its_members(stages: list[Stage]) -> None:
    loop, left = Loop(), list[tuple[Stage, int]]()
    outbox = Outbox(loop.due.append)
    for number, stage in enumerate(stages):
        outbox.at_end(stage, partial(left.append, (stage, number)))
    assert len(loop.due) == bool(stages)
    assert left == []
    loop.go_on()
    assert left == sorted(zip(stages, range(len(stages)), strict=True))
    assert loop.due == []


def test_what_comes_to_pass_meanwhile_leaves_too_the_journal_first() -> None:
    loop, left = Loop(), list[str]()
    outbox = Outbox(loop.due.append)

    def frames() -> None:
        left.append("frames")
        outbox.at_end(Stage.OUTPUT, lambda: left.append("output"))
        outbox.at_end(Stage.JOURNAL, lambda: left.append("journal"))

    outbox.at_end(Stage.FRAMES, frames)
    loop.go_on()
    assert left == ["frames", "journal", "output"]
    loop.go_on()
    assert left == ["frames", "journal", "output"]


def test_the_end_may_come_early_and_the_next_turn_ends_again() -> None:
    loop, left = Loop(), list[int]()
    outbox = Outbox(loop.due.append)
    outbox.at_end(Stage.OUTPUT, lambda: left.append(1))
    outbox.empty()
    assert left == [1]
    outbox.at_end(Stage.OUTPUT, lambda: left.append(2))
    loop.go_on()
    loop.go_on()
    assert left == [1, 2]


def test_a_fault_keeps_nothing_else_back(caplog: pytest.LogCaptureFixture) -> None:
    loop, left = Loop(), list[str]()
    outbox = Outbox(loop.due.append)
    outbox.at_end(Stage.JOURNAL, lambda: 1 / 0)
    outbox.at_end(Stage.OUTPUT, lambda: left.append("output"))
    loop.go_on()
    assert left == ["output"]
    assert "ZeroDivisionError" in caplog.text
