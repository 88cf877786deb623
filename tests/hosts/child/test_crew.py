"""The crew: the thread that reads runs commands, and is overtaken by another when they are long or wait."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from time import sleep

import pytest

from smanager.hosts.child import crew as crew_module
from smanager.hosts.child.crew import Crew
from smanager.hosts.child.execution import Execution
from smanager.hosts.child.reading import PATIENCE
from tests.conftest import SECONDS, wait_for
from tests.hosts.child.recorder import Desk


class Ship:
    """A crew whose commands are plain functions, and what its threads have done."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.crew = Crew(self.desk, self.desk.carry_out, self._run, self._serve)
        self.ran: list[tuple[str, int]] = []  # commands that have ended, and the threads that ran them
        threading.Thread(target=self._serve, daemon=True).start()

    def order(self, *commands: Execution) -> None:
        """Have commands arrive together."""
        self.desk.deliver(*(lambda command=command: self._begin(command) for command in commands))

    def command(self, name: str, method: object = int) -> Execution:
        return Execution(self.desk, 1, "web", method, [], name=name)  # type: ignore[arg-type]

    def names(self) -> list[str]:
        return [name for name, _ in self.ran]

    def warm_up(self) -> None:
        """Have the crew make the thread that stands by."""
        self.order(self.command("first"))
        wait_for(lambda: self.crew._idle == 1, "a thread to stand by")

    def _begin(self, command: Execution) -> None:
        with self.crew.lock:
            self.crew.begin(command)
        if self.crew.is_new:
            self.crew.grow()

    def _run(self, command: Execution) -> None:
        command.method()
        self.ran.append((command.name, threading.get_ident()))

    def _serve(self) -> None:
        self.crew.work()


@pytest.fixture
def ship() -> Iterator[Ship]:
    ship = Ship()
    yield ship
    ship.desk.close()


def test_the_thread_that_reads_runs_short_commands_one_after_the_other(ship: Ship) -> None:
    ship.warm_up()
    reader: list[int] = []
    ship.desk.deliver(lambda: reader.append(threading.get_ident()))
    for _ in range(50):
        ship.order(*[ship.command("short")] * 4)
    wait_for(lambda: len(ship.ran) == 201, "all")
    assert {thread for name, thread in ship.ran if name == "short"} == set(reader)
    assert ship.crew._count == 2


def test_a_command_that_is_long_is_overtaken_by_what_has_come_with_it_and_after_it(ship: Ship) -> None:
    ship.warm_up()
    end = threading.Event()
    ship.order(ship.command("long", end.wait), ship.command("beside"))
    ship.order(ship.command("after"))
    wait_for(lambda: ship.names() == ["first", "beside", "after"], "the others")
    end.set()
    wait_for(lambda: ship.names()[3:] == ["long"], "the long one")
    ship.order(ship.command("last"))
    wait_for(lambda: ship.names()[4:] == ["last"], "the next one: nothing was lost")


def test_a_command_that_begins_to_wait_is_overtaken_at_once(ship: Ship, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smanager.hosts.child.reading.PATIENCE", 10 * SECONDS)
    ship.warm_up()
    asked, answered = threading.Event(), threading.Event()

    def ask() -> None:
        asked.set()
        ship.crew.relieve()
        answered.wait()

    ship.order(ship.command("asks", ask))
    assert asked.wait(SECONDS)
    ship.desk.deliver(answered.set)
    wait_for(lambda: ship.names() == ["first", "asks"], "the answer to be read")
    assert ship.crew._count == 2


def test_the_last_idle_thread_does_not_leave_a_reader_that_runs_a_command(
    ship: Ship, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smanager.hosts.child.reading.PATIENCE", 0.1)
    ship.warm_up()
    begun, end = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        end.wait()

    ship.order(ship.command("holds", hold))
    assert begun.wait(SECONDS)
    with ship.crew.lock:
        ship.crew.begin(ship.command("also holds", end.wait))  # as when another command's end makes room for it
    ship.order(ship.command("after"))
    wait_for(lambda: ship.names() == ["first", "after"], "somebody to read")
    end.set()
    wait_for(lambda: len(ship.ran) == 4, "all")


def test_each_reply_leaves_before_the_next_command_begins(ship: Ship) -> None:
    ship.warm_up()
    end = threading.Event()
    ship.order(ship.command("short"), ship.command("long", end.wait))
    wait_for(lambda: "short" in ship.names(), "the short one")
    end.set()


def test_a_method_that_was_long_is_not_run_by_the_reader(ship: Ship, monkeypatch: pytest.MonkeyPatch) -> None:
    ship.order(ship.command("long", lambda: sleep(2 * PATIENCE)))
    wait_for(lambda: ship.names() == ["long"], "it to be known")
    monkeypatch.setattr("smanager.hosts.child.reading.PATIENCE", 10 * SECONDS)  # nobody overtakes
    end = threading.Event()
    ship.order(ship.command("long", end.wait), ship.command("beside"))
    ship.order(ship.command("after"))
    wait_for(lambda: ship.names() == ["long", "beside", "after"], "the others")
    end.set()
    wait_for(lambda: len(ship.ran) == 4, "the long one")


def test_threads_that_are_idle_end_except_two(ship: Ship, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "IDLE_SECONDS", 0.05)
    end = threading.Event()
    ship.order(*[ship.command("long", end.wait) for _ in range(5)])
    wait_for(lambda: ship.crew._count == 6, "one for each, and the one that reads")
    end.set()
    wait_for(lambda: ship.crew._count == 2, "the others to leave")
    ship.order(ship.command("last"))
    wait_for(lambda: ship.names()[5:] == ["last"], "a command of the two that are left")


@pytest.mark.parametrize("seed", range(4))
def test_whatever_commands_do_each_one_ends_and_one_thread_reads(ship: Ship, seed: int) -> None:
    """The desk asserts that no two threads read; a hand-over that was lost would leave commands unread."""
    chance = random.Random(seed)
    deeds = [int, int, int, lambda: sleep(2 * PATIENCE), lambda: sleep(PATIENCE), ship.crew.relieve, fidget(ship)]
    count = 0
    while count < 300:
        batch = [ship.command(str(chance.randrange(5)), chance.choice(deeds)) for _ in range(chance.randrange(1, 12))]
        ship.order(*batch)
        count += len(batch)
        if chance.random() < 0.3:
            sleep(chance.random() * 2 * PATIENCE)
    wait_for(lambda: len(ship.ran) == count, "all of them")
    assert ship.desk.readers == 1


def fidget(ship: Ship) -> object:
    def wait_at_just_the_moment_of_being_overtaken() -> None:
        sleep(PATIENCE)
        ship.crew.relieve()
        ship.crew.relieve()

    return wait_at_just_the_moment_of_being_overtaken
