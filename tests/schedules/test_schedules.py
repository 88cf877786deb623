"""The service of schedules, with a stand-in for the manager: what begins, waits, is left out and is ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from smanager.config.schedule import schedule_of
from smanager.hosts.child.life import make
from smanager.schedules.schedules import Schedules
from smanager.service import CallerError, CommandCaller, ManagerClient, ManagerError

DONE = {"output": "", "status": 0}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever changes is saved at once."""
    monkeypatch.setattr("smanager.system.memory.REST", 0.0)


class StandInManager(ManagerClient):
    """Takes lines, and answers them when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []
        self.under_way: list[asyncio.Future[Any]] = []
        self.name = ""
        self.offers = ["run"]
        self.runs: list[dict[str, Any]] = []

    @property
    def caller(self) -> CommandCaller:
        return CommandCaller("local", 1)

    def acting_as(self, name: str) -> StandInManager:
        self.name = name
        return self

    async def call_async(self, method: str, /, *arguments: object, **options: object) -> Any:
        if method == "shell.complete":
            assert arguments == ("schedules run",)
            return {"start": 10, "matches": self.offers}
        if method == "whoami":
            return {"from": "service schedules as night"}
        if method == "runs":
            return self.runs
        assert method == "shell.execute"
        self.asked.append((self.name, options["line"]))
        answer = asyncio.get_running_loop().create_future()
        self.under_way.append(answer)
        try:
            return await answer
        finally:
            self.under_way.remove(answer)

    def answer(self, result: object = DONE) -> None:
        if isinstance(result, Exception):
            self.under_way[0].set_exception(result)
        else:
            self.under_way[0].set_result(result)


class Stage:
    """The service with one schedule."""

    def __init__(self, state_dir: Path | None = None, **table: object) -> None:
        given = schedule_of("night", {"run": "backup full", "at": "02:30", **table})
        self.manager = StandInManager()
        settings = {"options": {"schedules": {"night": given}}}
        made = make(Schedules, "schedules", settings, self.manager, str(state_dir) if state_dir else None)
        assert isinstance(made, Schedules)
        self.service = made
        self.service.start()

    async def begin(self) -> asyncio.Task[str]:
        """Run the schedule by hand, up to where it waits."""
        task = asyncio.ensure_future(self.service.cmd_run("night"))
        await settle()
        return task

    async def report(self) -> tuple[str, str | None, str | None]:
        (report,) = await self.service.cmd_list()
        return report.state, report.outcome, report.run


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


def played(story: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def test() -> None:
        asyncio.run(asyncio.wait_for(story(), 20))

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test


async def failure_of(task: asyncio.Task[str]) -> str:
    with pytest.raises(CallerError) as caught:
        await task
    return str(caught.value)


@played
async def test_a_run_asks_for_its_line_under_its_own_name() -> None:
    stage = Stage()
    assert await stage.report() == ("waiting", None, None)
    task = await stage.begin()
    assert stage.manager.asked == [("night", "backup full")]
    assert await stage.report() == ("running", "running", None)
    stage.manager.answer({**DONE, "runs": [17, 18]})
    assert await task == "night: done"
    assert await stage.report() == ("waiting", "done", "17, 18")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"status": 1, "error": "backup full: OSError: no"}, "failed: backup full: OSError: no"),
        ({"status": 2, "error": "unknown command: backup"}, "failed: unknown command: backup (its role is operate)"),
        ({"status": 1, "error": ""}, "failed"),
        (ManagerError("shell.execute: no", -32000), "failed: shell.execute: no"),
        (ManagerError("not answered before the service was ended"), "ended with the service"),
    ],
)
def test_what_went_wrong_is_told(answer: object, outcome: str) -> None:
    @played
    async def story() -> None:
        stage = Stage()
        task = await stage.begin()
        stage.manager.answer(answer)
        assert await failure_of(task) == f"night: {outcome}"
        assert await stage.report() == ("waiting", outcome, None)

    story()


@played
async def test_a_second_run_is_left_out_by_default() -> None:
    stage = Stage()
    first, second = await stage.begin(), await stage.begin()
    assert await failure_of(second) == "night: left out, because the run before it goes on"
    stage.manager.answer()
    assert await first == "night: done"


@played
async def test_at_most_one_run_waits_in_the_queue() -> None:
    stage = Stage(overlap="queue")
    first, second, third = await stage.begin(), await stage.begin(), await stage.begin()
    assert await failure_of(third) == "night: left out, because another waits already"
    for task in (first, second):
        assert len(stage.manager.under_way) == 1
        stage.manager.answer()
        assert await task == "night: done"
        await settle()
    assert len(stage.manager.asked) == 2


@played
async def test_a_run_that_waits_may_be_given_up() -> None:
    stage = Stage(overlap="queue")
    first, second = await stage.begin(), await stage.begin()
    second.cancel()
    await settle()
    stage.manager.answer()
    assert await first == "night: done"
    third = await stage.begin()
    stage.manager.answer()
    assert await third == "night: done"


@played
async def test_a_run_may_end_the_one_before_it() -> None:
    stage = Stage(overlap="kill")
    first = await stage.begin()
    second = await stage.begin()
    assert await failure_of(first) == "night: ended by the next run"
    assert len(stage.manager.under_way) == 1
    stage.manager.answer()
    assert await second == "night: done"


@played
async def test_a_run_that_is_ended_before_its_first_step_leaves_the_way_free() -> None:
    stage = Stage(overlap="kill")
    first, second = (asyncio.ensure_future(stage.service.cmd_run("night")) for _ in range(2))
    await settle()
    assert await failure_of(first) == "night: ended with the service"
    stage.manager.answer()
    assert await second == "night: done"


@played
async def test_a_run_ends_with_its_caller_and_at_its_timeout() -> None:
    stage = Stage(timeout=1)
    first = await stage.begin()
    first.cancel()
    await settle()
    assert (stage.manager.under_way, await stage.report()) == ([], ("waiting", "cancelled", None))
    assert await failure_of(await stage.begin()) == "night: ended by its timeout, 1 s"


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_run_that_is_ended_has_its_ids(is_cancelled: bool) -> None:
    @played
    async def story() -> None:
        stage = Stage(timeout=1)
        first = await stage.begin()
        began = time.time()
        facts = [("night", began - 60), ("night", began), ("other", began), ("night", began)]
        stage.manager.runs = [
            {"id": number, "from": f"service schedules as {name}", "since": since}
            for number, (name, since) in enumerate(facts)
        ]
        if is_cancelled:
            first.cancel()
        await asyncio.wait([first])
        await settle()
        assert (await stage.report())[2] == "1, 3"

    story()


@played
async def test_what_was_wrong_is_told_to_those_who_may_run_the_schedule() -> None:
    stage = Stage()
    task = await stage.begin()
    stage.manager.answer({"status": 1, "error": "backup full: OSError: no", "runs": [7]})
    await failure_of(task)
    assert await stage.report() == ("waiting", "failed: backup full: OSError: no", "7")
    stage.manager.offers = []
    assert await stage.report() == ("waiting", "failed", "7")
    assert (await stage.service.cmd_show("night"))["outcome"] == "failed"


@played
async def test_the_service_s_end_ends_its_runs_and_those_that_wait() -> None:
    stage = Stage(overlap="queue")
    running = asyncio.ensure_future(stage.service.run())
    first, second = await stage.begin(), await stage.begin()
    await stage.service.stop()
    assert await failure_of(first) == "night: ended with the service"
    assert await failure_of(second) == "night: left out, because the service ends"
    await running
    assert stage.manager.under_way == []


@played
async def test_names_are_completed_and_may_have_dashes_for_underscores() -> None:
    stage = Stage()
    assert (stage.service.complete_pause("ni"), stage.service.complete_run("x")) == (["night"], [])
    with pytest.raises(CallerError, match=r"^there is no schedule nigth; did you mean night\?$"):
        await stage.service.cmd_pause("nigth")


def test_what_is_due_begins_by_itself_and_a_pause_is_kept(tmp_path: Path) -> None:
    @played
    async def story() -> None:
        stage = Stage(tmp_path, at="02:30")
        schedule = stage.service._activities["night"].schedule
        running = asyncio.ensure_future(stage.service.run())
        await settle()
        assert stage.manager.asked == []
        schedule.handle(schedule.handled - 86400)  # it was due within the day
        schedule.due = stage.service._now(schedule)
        stage.service._changed.set()
        await settle()
        assert stage.manager.asked == [("night", "backup full")]
        stage.manager.answer()
        await settle()
        assert await stage.service.cmd_pause("night") == "night: paused"
        await stage.service.stop()
        await running
        again = Stage(tmp_path)
        assert await again.report() == ("paused", "done", None)
        assert await again.service.cmd_resume("night") == "night: resumed"
        assert await again.report() == ("waiting", "done", None)

    story()


@played
async def test_without_a_state_directory_a_pause_says_how_long_it_lasts() -> None:
    paused = await Stage().service.cmd_pause("night")
    assert paused == "night: paused, until the service is restarted: the manager has no state directory"


def test_each_failure_is_an_event_and_so_is_the_first_success_after_one_also_in_the_next_life(tmp_path: Path) -> None:
    told: list[object] = []

    async def life(*answers: object) -> None:
        stage = Stage(state_dir=tmp_path)
        stage.service._tell = lambda what, value=None: told.append(value) if what == "event" else None
        for answer in answers:
            task = await stage.begin()
            stage.manager.answer(answer)
            await asyncio.wait([task])
            task.exception()

    failure = {"status": 1, "error": "no"}
    asyncio.run(life(DONE, failure, failure, ManagerError("not answered")))
    asyncio.run(life(DONE, DONE))
    assert told == [
        ("schedule failed", "failed: no", "night", False),
        ("schedule failed", "failed: no", "night", False),
        ("schedule failed", "done", "night", True),
    ]
