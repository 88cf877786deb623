"""Workers: commands run side by side, are refused when their turn would not come, and end when they are cancelled."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from time import sleep

import pytest

from smanager.hosts.child import crew as crew_module
from smanager.hosts.child import places as places_module
from smanager.hosts.child import workers as workers_module
from smanager.hosts.child.event_loop import give_to_loop
from smanager.hosts.child.execution import Execution
from smanager.hosts.child.places import MOST_WORKERS
from smanager.hosts.child.reading import PATIENCE
from smanager.hosts.child.workers import Workers
from smanager.hosts.frames import WINDOW, FrameKind
from tests.conftest import SECONDS, wait_for
from tests.hosts.child.recorder import Desk

CANCELLED = (FrameKind.ERROR, '["","cancelled"]')
DONE = (FrameKind.RESULT, "")


class Commands:
    """Workers, and what they have sent."""

    def __init__(self) -> None:
        self.channel = Desk()
        self.workers = Workers(self.channel, self.channel.carry_out, self.serve)
        self._numbers = itertools.count(1)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        self.workers.work()

    def begin(
        self, method: Callable[..., object], *arguments: object, caller: str = "ann", as_data: bool = False
    ) -> int:
        number = next(self._numbers)
        execution = Execution(self.channel, number, "web", method, arguments, caller=caller, as_data=as_data)
        self.channel.deliver(lambda: self.workers.put(execution))
        return number

    def cancel(self, number: int) -> None:
        self.channel.deliver(lambda: self.workers.cancel(number))

    def run(
        self, method: Callable[..., object], *arguments: object, caller: str = "ann"
    ) -> list[tuple[FrameKind, str]]:
        number = self.begin(method, *arguments, caller=caller)
        self.channel.wait_for_end(number)
        return self.channel.sent(number)


@pytest.fixture
def commands() -> Iterator[Commands]:
    commands = Commands()
    yield commands
    commands.channel.close()


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Commands]]:
    """Makes workers that have lower limits."""
    made: list[Commands] = []

    def make(**limits: int) -> Commands:
        for name, most in limits.items():
            monkeypatch.setattr(places_module, name, most)
        monkeypatch.setattr(crew_module, "MOST_WORKERS", places_module.MOST_WORKERS)
        made.append(Commands())
        return made[-1]

    yield make
    for commands in made:
        commands.channel.close()


class Gate:
    """A method that runs until it is let go; a cancelled one ends by itself."""

    def __init__(self) -> None:
        self.entered = 0
        self.is_open = False

    def __call__(self) -> str:
        self.entered += 1
        while not self.is_open:
            sleep(0.001)
        return "let go"


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.is_open = True


def endless() -> Iterator[str]:
    while True:
        yield "x" * 1000


async def endless_in_loop() -> AsyncIterator[str]:
    while True:
        yield "x" * 1000


async def wait_in_loop() -> None:
    await asyncio.sleep(3600)


def fail(error: BaseException) -> None:
    raise error


async def fail_in_loop(error: BaseException) -> None:
    raise error


async def double(number: int) -> int:
    return 2 * number


def test_results_are_sent(commands: Commands) -> None:
    assert commands.run(len, "four") == [(FrameKind.RESULT, "4\n")]
    assert commands.run(double, 4) == [(FrameKind.RESULT, "8\n")]
    assert commands.run(iter, ["a", "b"]) == [(FrameKind.TEXT, "a\n"), (FrameKind.TEXT, "b\n"), DONE]
    assert commands.channel.wait_for_end(commands.begin(len, "four", as_data=True)) == (FrameKind.VALUE, "4")


def rows(number: int) -> list[dict[str, int]]:
    return [{"row": row, "square": row * row} for row in range(number)]


def test_a_table_is_made_where_its_records_are_in_pieces_if_it_is_large(commands: Commands) -> None:
    assert commands.run(rows, 2) == [(FrameKind.RESULT, "row\tsquare\n0\t0\n1\t1\n")]
    pieces = commands.run(rows, 8000)
    assert {kind for kind, _ in pieces} == {FrameKind.TEXT, FrameKind.RESULT}
    assert "".join(text for _, text in pieces).endswith("\n7999\t63984001\n")


@pytest.mark.parametrize("method", [fail, fail_in_loop])
@pytest.mark.parametrize("error", [ValueError("no"), SystemExit("no"), KeyboardInterrupt("no")])
def test_any_exception_ends_only_its_command(
    commands: Commands, method: Callable[..., object], error: BaseException
) -> None:
    assert commands.run(method, error) == [(FrameKind.ERROR, f'["{type(error).__name__}","no"]')]
    assert commands.run(len, "four") == [(FrameKind.RESULT, "4\n")]
    assert commands.run(double, 4) == [(FrameKind.RESULT, "8\n")]


def test_a_worker_is_added_once_a_command_has_waited(commands: Commands, gate: Gate) -> None:
    numbers = [commands.begin(gate) for _ in range(3)]
    assert commands.run(len, "four") == [(FrameKind.RESULT, "4\n")]
    assert gate.entered == 3
    gate.is_open = True
    for number in numbers:
        assert commands.channel.wait_for_end(number) == (FrameKind.RESULT, "let go\n")


def test_no_worker_is_added_beyond_the_most(limited: Callable[..., Commands]) -> None:
    commands, gates = limited(MOST_WORKERS=2), [Gate(), Gate()]
    numbers = [commands.begin(gate, caller=caller) for gate, caller in zip(gates, ["ann", "ben"], strict=True)]
    wait_for(lambda: [gate.entered for gate in gates] == [1, 1], "both to run")
    waiting = commands.begin(len, "four", caller="cid")
    sleep(10 * PATIENCE)
    assert not commands.channel.sent(waiting)
    assert commands.workers._crew._count == 3  # with the one that reads, which still does
    commands.cancel(numbers[0])
    assert commands.channel.wait_for_end(waiting) == (FrameKind.RESULT, "4\n")
    gates[1].is_open = True


def test_a_command_beyond_those_that_may_wait_is_refused(gate: Gate, limited: Callable[..., Commands]) -> None:
    commands = limited(MOST_WORKERS=1, MOST_WAITING=4)
    commands.begin(gate)
    wait_for(lambda: gate.entered == 1, "the first to run")
    waiting = [commands.begin(len, "four") for _ in range(2)]
    refused = commands.begin(len, "four")
    assert commands.channel.wait_for_end(refused) == (
        FrameKind.ERROR,
        '["","busy: 2 of your commands wait already; try again later"]',
    )
    gate.is_open = True
    for number in waiting:
        assert commands.channel.wait_for_end(number) == (FrameKind.RESULT, "4\n")


def test_commands_that_ignore_their_end_are_counted_and_said(limited: Callable[..., Commands]) -> None:
    released, entered = threading.Event(), threading.Event()

    def stuck() -> None:
        entered.set()
        released.wait(SECONDS)  # in C, where no exception arrives

    commands = limited(MOST_WORKERS=1)
    first = commands.begin(stuck)
    assert entered.wait(SECONDS)
    waiting = commands.begin(len, "four")
    commands.cancel(first)
    assert commands.channel.wait_for_end(commands.begin(len, "four")) == (
        FrameKind.ERROR,
        '["","busy: 1 of your commands were cancelled and have not ended; `restart` ends them"]',
    )
    released.set()
    assert commands.channel.wait_for_end(first) == CANCELLED
    assert commands.channel.wait_for_end(waiting) == (FrameKind.RESULT, "4\n")


def test_a_running_method_is_cancelled(commands: Commands, gate: Gate) -> None:
    number = commands.begin(gate)
    wait_for(lambda: gate.entered == 1, "it to run")
    commands.cancel(number)
    assert commands.channel.wait_for_end(number) == CANCELLED
    commands.cancel(number)  # does nothing
    assert commands.run(len, "four") == [(FrameKind.RESULT, "4\n")]


def test_a_command_that_was_cancelled_before_its_turn_never_runs(commands: Commands, gate: Gate) -> None:
    commands.begin(gate)
    wait_for(lambda: gate.entered == 1, "the first to run")
    second = commands.begin(gate)
    commands.cancel(second)
    gate.is_open = True
    assert commands.channel.wait_for_end(second) == CANCELLED
    assert gate.entered == 1


def test_a_method_in_the_event_loop_is_cancelled(commands: Commands) -> None:
    number = commands.begin(wait_in_loop)
    wait_for(lambda: commands.workers._executions and commands.workers._executions[number].task, "it to run there")
    commands.cancel(number)
    assert commands.channel.wait_for_end(number) == CANCELLED


def test_a_command_that_is_cancelled_while_the_event_loop_is_made_leaves_the_loop_whole(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Cancelled in the import of asyncio would leave half of it, and no `async` command would run again."""
    begun: list[bool] = []
    made: list[bool] = []

    def give_slowly(deed: Callable[[asyncio.AbstractEventLoop], object]) -> None:
        if not begun:
            begun.append(True)
            commands.workers.cancel(1)
            for _ in range(1000):
                pass  # a Cancelled would be raised here
            made.append(True)
        give_to_loop(deed)

    monkeypatch.setattr(workers_module, "give_to_loop", give_slowly)
    coroutine = wait_in_loop()
    assert commands.run(lambda: coroutine) == [CANCELLED]
    assert made
    assert inspect.getcoroutinestate(coroutine) == "CORO_CLOSED"  # or it would be warned of in the service's log


remembered: ContextVar[str] = ContextVar("remembered", default="nothing")


def remember() -> str:
    before = remembered.get()
    remembered.set("the last command")
    return before


async def remember_in_loop() -> str:
    return remember()


@pytest.mark.parametrize("method", [remember, remember_in_loop])
def test_context_variables_that_a_command_sets_are_not_the_next_ones(
    commands: Commands, method: Callable[..., object]
) -> None:
    assert [commands.run(method) for _ in range(3)] == [[(FrameKind.RESULT, "nothing\n")]] * 3


@pytest.mark.parametrize("method", [endless, endless_in_loop])
def test_output_that_is_not_read_stops_at_the_window_and_holds_up_no_other(
    method: Callable[..., object], limited: Callable[..., Commands]
) -> None:
    def sent() -> int:
        return sum(len(text) for _, text in commands.channel.sent(number))

    commands = limited(MOST_WORKERS=1)
    number = commands.begin(method)
    wait_for(lambda: sent() >= WINDOW, "a window's worth")
    assert commands.run(len, "four") == [(FrameKind.RESULT, "4\n")]
    before = sent()
    assert before <= WINDOW + 1001
    commands.workers.more(number, 5000)
    wait_for(lambda: sent() >= before + 4000, "more")
    commands.cancel(number)
    assert commands.channel.wait_for_end(number) == CANCELLED


def test_a_caller_has_a_share_of_the_workers_and_others_go_on(commands: Commands, gate: Gate) -> None:
    numbers = [commands.begin(gate) for _ in range(200)]
    share = MOST_WORKERS // 2
    wait_for(lambda: gate.entered == share, "the caller's share")
    assert commands.run(len, "four", caller="ben") == [(FrameKind.RESULT, "4\n")]
    assert commands.run(double, 4, caller="ben") == [(FrameKind.RESULT, "8\n")]
    more = [commands.begin(gate, caller="ben") for _ in range(200)]
    wait_for(lambda: gate.entered == share + share // 2, "the other caller's share")
    assert commands.run(len, "four", caller="cid") == [(FrameKind.RESULT, "4\n")]
    gate.is_open = True
    for number in numbers + more:
        assert commands.channel.wait_for_end(number) == (FrameKind.RESULT, "let go\n")
    assert not commands.workers._places._placed
    assert not commands.workers._places._beyond


def test_cancelled_commands_that_have_not_ended_are_their_callers_alone(commands: Commands) -> None:
    released = threading.Event()
    stuck = [commands.begin(released.wait, SECONDS) for _ in range(MOST_WORKERS)]
    wait_for(lambda: sum(e.thread != 0 for e in commands.workers._executions.values()) == MOST_WORKERS // 2, "them")
    for number in stuck:
        commands.cancel(number)
    (refused,) = commands.run(len, "four")
    assert refused == (
        FrameKind.ERROR,
        '["","busy: 32 of your commands were cancelled and have not ended; `restart` ends them"]',
    )
    assert commands.run(len, "four", caller="ben") == [(FrameKind.RESULT, "4\n")]
    released.set()
    for number in stuck:
        assert commands.channel.wait_for_end(number) == CANCELLED
    assert commands.run(len, "four") == [(FrameKind.RESULT, "4\n")]


def test_plain_iterators_of_async_commands_do_not_wait_for_each_other(commands: Commands, gate: Gate) -> None:
    async def slow() -> Iterator[str]:
        return (gate() for _ in range(1))

    numbers = [commands.begin(slow) for _ in range(40)]
    wait_for(lambda: gate.entered == 40, "all of them")
    gate.is_open = True
    for number in numbers:
        assert commands.channel.wait_for_end(number) == DONE


def test_unread_output_takes_threads_up_to_a_limit(limited: Callable[..., Commands]) -> None:
    commands = limited(MOST_HELD=4, MOST_WORKERS=4)
    numbers = [commands.begin(endless) for _ in range(10)]

    def held() -> int:
        return sum(sum(len(text) for _, text in commands.channel.sent(number)) >= WINDOW for number in numbers)

    wait_for(lambda: held() == 4, "two that are held, and two that keep their places")
    assert commands.run(len, "four", caller="ben") == [(FrameKind.RESULT, "4\n")]
    for number in numbers:
        commands.cancel(number)
    for number in numbers:
        assert commands.channel.wait_for_end(number) == CANCELLED
    assert commands.run(len, "four") == [(FrameKind.RESULT, "4\n")]
