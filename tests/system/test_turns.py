"""Turns of the loop: one party after another, and the loop itself between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from smanager.system.turns import TURN_SECONDS, Turns

LOOP = "-"  # a turn of the loop, among the steps


class Steps:
    """What is done, in order, on a clock that only steps move; two of them are a turn."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns = Turns(lambda: self.now)
        self.done = ""

    def step(self, name: str) -> None:
        self.now += 0.6 * TURN_SECONDS
        self.done += name

    def work(self, party: str, name: str, left: int) -> None:
        """Do some steps as a session does its commands."""
        while left and not self.turns.is_over():
            self.step(name)
            left -= 1
        if left:
            self.turns.later(party, partial(self.work, party, name, left))

    async def ask(self, party: str, name: str) -> None:
        """Do a step as a task does."""
        await self.turns.come(party)
        self.step(name)

    def run(self, begin: Callable[[], None], count: int) -> str:
        """Begin, and let the loop turn until so many steps are done."""

        async def turn() -> None:
            begin()
            while len(self.done.replace(LOOP, "")) < count:
                self.done += LOOP
                await asyncio.sleep(0)

        asyncio.run(asyncio.wait_for(turn(), 10))
        return self.done


def test_however_many_sessions_there_are_the_loop_goes_on_after_a_turn() -> None:
    steps = Steps()

    def begin() -> None:
        for _ in range(50):
            steps.work("anna", "a", 4)

    assert max(map(len, steps.run(begin, 200).split(LOOP))) == 2


def test_parties_take_turns_however_many_sessions_each_has() -> None:
    steps = Steps()

    def begin() -> None:
        for _ in range(50):
            steps.work("flood", "f", 100)
        steps.work("anna", "a", 4)

    assert steps.run(begin, 12).replace(LOOP, "")[:12] == "fffafafafaff"


def test_within_a_party_who_has_waited_longest_is_next() -> None:
    steps = Steps()

    def begin() -> None:
        for name in "abc":
            steps.work("anna", name, 4)

    assert steps.run(begin, 12).replace(LOOP, "") == "aaabcabcbcbc"


def test_tasks_take_one_turn_after_another() -> None:
    steps = Steps()
    tasks: list[asyncio.Task[None]] = []

    def begin() -> None:
        tasks.extend(asyncio.ensure_future(steps.ask("anna", "a")) for _ in range(20))

    assert max(map(len, steps.run(begin, 20).split(LOOP))) == 2
    assert len(tasks) == 20


def test_a_task_that_is_cancelled_takes_no_turn() -> None:
    steps = Steps()
    tasks: list[asyncio.Task[None]] = []

    def begin() -> None:
        steps.work("anna", "a", 4)
        tasks.extend(asyncio.ensure_future(steps.ask("anna", name)) for name in "bc")
        asyncio.get_running_loop().call_soon(tasks[0].cancel)

    assert set(steps.run(begin, 5)) == {"a", "c", LOOP}


def test_a_turn_that_is_opened_ends_with_its_close_and_leaves_what_waits_to_the_next() -> None:
    steps = Steps()

    def begin() -> None:
        steps.turns.open()
        steps.work("anna", "a", 3)
        steps.work("bert", "b", 1)
        assert steps.done == "aa"
        steps.turns.close()

    assert steps.run(begin, 4) == f"aa{LOOP}ab"


def test_a_close_does_not_end_a_turn_that_had_begun_before() -> None:
    steps = Steps()

    def begin() -> None:
        steps.work("anna", "a", 3)
        steps.turns.open()
        steps.work("bert", "b", 1)
        steps.turns.close()
        steps.work("carl", "c", 1)
        assert steps.done == "aa"

    assert sorted(steps.run(begin, 5).replace(LOOP, "")) == [*"aaabc"]


def test_an_idle_loop_has_nothing_to_do() -> None:
    async def idle() -> bool:
        turns = Turns()
        assert not turns.is_over()
        for _ in range(3):
            await asyncio.sleep(0)
        return turns._has_begun

    assert not asyncio.run(idle())
