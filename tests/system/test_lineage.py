"""Lineage: marks and their scopes, looks, and the end of processes that fork while they are ended."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from signal import SIGCONT, SIGKILL, SIGTERM

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.system import lineage
from smanager.system.lineage import KILL_SECONDS, Look, Process, covers, end_all, of_host, of_life
from tests.conftest import wait_for

MANAGER = lineage.new_manager()
HOST, OTHER_HOST = of_host(MANAGER, 0), of_host(MANAGER, 1)
LIFE, OTHER_LIFE = of_life(HOST, 0), of_life(HOST, 1)
OTHERS_LIFE = of_life(of_host(lineage.new_manager(), 0), 0)  # of another manager


def process(pid: int, parent: int = 1, *marks: int) -> Process:
    return Process(pid, parent, pid, f"process-{pid}", marks)


@pytest.mark.parametrize(
    ("mark", "covered"),
    [
        (MANAGER, {HOST, OTHER_HOST, LIFE, OTHER_LIFE}),
        (HOST, {HOST, LIFE, OTHER_LIFE}),
        (OTHER_HOST, {OTHER_HOST}),
        (LIFE, {LIFE}),
    ],
    ids=["a manager's", "a host's", "another host's", "a life's"],
)
def test_a_mark_covers_what_lies_within(mark: int, covered: set[int]) -> None:
    assert {other for other in (HOST, OTHER_HOST, LIFE, OTHER_LIFE, 200_000) if covers(mark, other)} == covered


@given(manager=st.integers(0, 2**64), number=st.integers(0, 10**9))
def test_marks_are_limits_that_the_system_takes(manager: int, number: int) -> None:
    digits = lineage.MANAGERS // 9 + manager % lineage.MANAGERS
    mark = of_life(of_host(digits * lineage.HOSTS * lineage.LIVES, number), number)
    assert 2**50 < mark < 2**63
    assert covers(digits * lineage.HOSTS * lineage.LIVES, mark)


def test_descendants_are_the_marked_and_their_unmarked_children() -> None:
    look = Look(
        [
            process(10, 1, HOST),
            process(11, 10, HOST, LIFE),
            process(12, 11),
            process(13, 12),
            process(14, 1, LIFE),
            process(15, 11, OTHER_LIFE),
            process(16, 11, lineage.new_manager()),
            process(17, 15),
            process(18),
        ]
    )
    assert sorted(found.pid for found in look.descendants(LIFE)) == [11, 12, 13, 14, 16]
    assert sorted(found.pid for found in look.descendants(OTHER_LIFE)) == [15, 17]
    assert sorted(found.pid for found in look.descendants(HOST)) == [*range(10, 18)]
    assert look.descendants(OTHER_HOST) == []


def test_a_cycle_of_parents_ends() -> None:
    assert len(Look([process(10, 11, LIFE), process(11, 10)]).descendants(LIFE)) == 2


class Family:
    """Processes that fork, resist or wait for a dead disk, and a clock."""

    def __init__(self, *pids: int) -> None:
        self.now = 0.0
        self.living = set(pids)
        self.sent: list[tuple[int, int]] = []
        self.on_signal: Callable[[int, int], None] = lambda pid, number: self.living.discard(pid)

    def send(self, target: int, number: int) -> None:
        if number != SIGCONT:
            self.sent.append((-target, number))
            self.on_signal(-target, number)

    def end(self, deadline: float) -> float:
        """End them; returns how long that took."""
        find = lambda: [process(pid) for pid in sorted(self.living)]  # noqa: E731 - reads as what it is
        for pause in end_all(find, SIGTERM, deadline, self.send, lambda: self.now):
            assert 0 < pause <= lineage.LONGEST_POLL
            self.now += pause
        return self.now


def test_each_is_told_once_and_killed_after_the_deadline() -> None:
    family = Family(10, 11)
    family.on_signal = lambda pid, number: family.living.discard(pid) if number == SIGKILL or pid == 10 else None
    assert 1 <= family.end(deadline=1.0) < 1.1
    assert sorted(family.sent[:2]) == [(10, SIGTERM), (11, SIGTERM)]
    assert family.sent[2:] == [(11, SIGKILL)]


def test_without_a_deadline_all_are_killed_at_once() -> None:
    family = Family(10, 11)
    assert family.end(deadline=0.0) < 0.1
    assert sorted(family.sent) == [(10, SIGKILL), (11, SIGKILL)]


def test_one_that_forks_whenever_it_is_told_loses_in_the_end() -> None:
    family = Family(10)

    def forks(pid: int, number: int) -> None:
        family.living = {pid + 1} if pid < 50 else set()

    family.on_signal = forks
    assert family.end(deadline=0.0) < KILL_SECONDS
    assert not family.living


def test_one_that_cannot_be_killed_is_left() -> None:
    family = Family(10)
    family.on_signal = lambda pid, number: None
    assert KILL_SECONDS <= family.end(deadline=1.0) - 1.0 < KILL_SECONDS + 0.1


@pytest.mark.parametrize("environment", [lineage.variables(LIFE), {}], ids=["both marks", "an empty environment"])
def test_a_real_process_is_found_and_ended_wherever_it_is(environment: dict[str, str]) -> None:
    daemon = "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(60)"
    code = (
        f"import os; from smanager.system import lineage; lineage.bear({LIFE}); "
        f"os.execve({sys.executable!r}, ['python', '-c', {daemon!r}], {environment!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    wait_for(lambda: len(lineage.look().descendants(LIFE)) == 1, "the one that is left of three")
    assert lineage.end_now(LIFE, SIGTERM, 1.0) == []
    assert lineage.look().descendants(MANAGER) == []


def test_a_look_finds_what_a_process_forks_that_ends_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [{10}, {11}, {12}, {12}]
    monkeypatch.setattr(lineage, "_pids", lambda: lists.pop(0))
    monkeypatch.setattr(lineage, "_process", lambda pid: process(pid, 1, LIFE) if pid == 12 else None)
    assert [found.pid for found in lineage.look().descendants(LIFE)] == [12]


@pytest.mark.parametrize(
    ("written", "limit", "marks"),
    [
        ([], HOST, (HOST,)),
        ([LIFE], HOST, (LIFE,)),
        ([OTHERS_LIFE], HOST, (OTHERS_LIFE, HOST)),  # a host of a manager that is itself a program of another
        ([OTHERS_LIFE, LIFE], HOST, (OTHERS_LIFE, LIFE)),
        ([LIFE], None, (LIFE,)),
    ],
    ids=["a host", "a life", "a host within a life of others", "a life within a life of others", "no limit"],
)
def test_a_life_in_the_environment_counts_more_than_the_limit_of_its_host(
    monkeypatch: pytest.MonkeyPatch, written: list[int], limit: int | None, marks: tuple[int, ...]
) -> None:
    files = {
        "environ": f"{lineage.VARIABLE}={' '.join(map(str, written))}\0".encode(),
        "limits": f"Max realtime timeout      {limit or 'unlimited'}      unlimited      us\n".encode(),
    }
    monkeypatch.setattr(lineage, "_read", lambda pid, name: files[name])
    assert lineage._marks(1) == marks


def test_a_message_names_the_first_few() -> None:
    assert lineage.text_of([process(10), process(11)]) == "process-10 (10), process-11 (11)"
    assert lineage.text_of(map(process, range(10, 99))).endswith("process-14 (14), …")
