"""Which runs are kept, and what is known of them: by histories of commands, without a manager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from smanager.access.audit import Audit, Need
from smanager.access.callers import Caller
from smanager.access.origin import CONSOLE
from smanager.commands.arguments import Arguments
from smanager.commands.record import Command, CommandError, Failure, Parameter, Status
from smanager.config.runs import RunSettings
from smanager.hosts.call import Call
from smanager.hosts.job import BoundCommand, Invocation
from smanager.logs.runs import Limits, Run, Runs
from smanager.supervision import jobs as module
from smanager.supervision.jobs import Jobs
from smanager.system.moments import Moment
from smanager.system.outbox import Outbox

ANN = Caller(CONSOLE, "ann")


class Desk:
    """A manager's jobs and runs, and a face that takes what commands return."""

    as_data = False
    columns = 0

    def __init__(self, directory: Path | None, audit: Audit | None = None, **settings: Any) -> None:
        self.settings = RunSettings(**settings)
        self.runs = Runs(directory, lambda: Limits(100, 10**9))
        self.audit = audit or Audit(Outbox(), None)
        self.jobs = Jobs(self.runs, self.audit, lambda: self.settings)

    def write(self, text: str) -> None: ...
    def value(self, value: Any) -> None: ...
    def item(self, value: Any) -> None: ...
    def progress(self, done: float, total: float | None, text: str) -> None: ...

    def text(self, value: Any) -> str:
        return f"{value}\n"

    def invocation(self, kept: bool | None = None, wanted_by: list[int] | None = None) -> Invocation:
        command = Command("check", "", kept=kept)
        return Invocation(BoundCommand(command, "", Arguments([], {}), "check"), ANN, self, kept=wanted_by)

    def begin(self, kept: bool | None = None, wanted_by: list[int] | None = None) -> Call:
        call = Call(1, self.invocation(kept, wanted_by), lambda data: None)
        self.jobs.add(call, 0)
        return call

    async def kept(self) -> list[tuple[Run, str]]:
        await self.runs.close()
        return [(run, await self.runs.output(run.id)) for run in self.runs.all()]


def in_loop(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    def run(tmp_path: Path) -> None:
        asyncio.run(test(tmp_path))

    run.__name__ = test.__name__
    return run


@pytest.mark.parametrize(
    ("settings", "kept", "failure", "wanted", "is_kept"),
    [
        ({}, None, None, False, False),
        ({}, None, Failure("no"), False, True),
        ({}, None, None, True, True),
        ({}, True, None, False, True),
        ({}, False, Failure("no"), True, False),
        ({"longer_than": 0}, None, None, False, None),  # a moment takes more than 0 s or not
        ({"always": ["check"]}, False, None, False, False),
        ({"always": ["check"]}, None, None, False, True),
        ({"never": ["ch*"]}, True, Failure("no"), True, False),
        ({"always": ["check"], "never": ["check"]}, None, Failure("no"), False, False),
    ],
)
def test_a_run_is_kept_by_the_settings_then_the_command_then_its_end(
    tmp_path: Path, settings: dict[str, Any], kept: bool | None, failure: Failure | None, wanted: bool, is_kept: object
) -> None:
    async def test() -> None:
        desk = Desk(tmp_path, **settings)
        numbers: list[int] | None = [] if wanted else None
        desk.begin(kept, numbers).end(failure)
        found = await desk.kept()
        if is_kept is not None:
            assert bool(found) is is_kept
            assert not numbers or numbers == [run.id for run, _ in found]

    asyncio.run(test())


@pytest.mark.parametrize(
    ("result", "is_kept", "text"),
    [
        ("fine", True, "fine\n"),
        (None, True, ""),
        (CommandError("check: not now"), True, ""),
        (CommandError("check: what?", Status.UNUSABLE), False, ""),
    ],
)
def test_a_command_that_ends_at_once_is_a_run_unless_no_method_ran(
    tmp_path: Path, result: object, is_kept: bool, text: str
) -> None:
    async def test() -> None:
        desk = Desk(tmp_path)
        desk.jobs.end_at_once(desk.invocation(wanted_by=[]), 0, Moment(), result)
        found = await desk.kept()
        assert [(run.failure, output) for run, output in found] == (
            [("not now" if isinstance(result, CommandError) else None, text)] if is_kept else []
        )

    asyncio.run(test())


@in_loop
async def test_a_failure_that_repeats_a_secret_is_masked_in_the_journal_and_the_run(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Audit(Outbox(), tmp_path / "audit.jsonl", Need.ON))
    login = Command("login", "", (Parameter("pin", secret=True),))
    given = Invocation(BoundCommand(login, "", Arguments(["hunter2"], {}), "login"), ANN, desk)
    number = desk.audit.begin(ANN, "login", "")
    error = CommandError(f"login: {'no ' * 165}hunter2 is wrong")  # cut within the secret
    desk.jobs.end_at_once(given, number, Moment(), error)
    ((run, _),) = await desk.kept()
    desk.audit.close()
    journal = (tmp_path / "audit.jsonl").read_text()
    assert '"event":"end"' in journal
    assert "hunt" not in journal + str(run.failure)


@in_loop
async def test_a_short_success_leaves_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    call = desk.begin()
    call.hold("half", 4)
    call.end(None)
    assert (await desk.kept(), [*desk.jobs], desk.runs.next_id()) == ([], [], 1)


@in_loop
async def test_where_nothing_is_kept_nothing_is_held(tmp_path: Path) -> None:
    for desk, kept in ((Desk(None), None), (Desk(tmp_path), False), (Desk(tmp_path, never=["check"]), None)):
        call = desk.begin(kept)
        call.hold("half", 4)
        assert call.held is None
        call.end(Failure("no"))
        assert await desk.kept() == []


@in_loop
async def test_a_run_under_way_is_saved_once_it_is_long_and_again_when_there_is_more(tmp_path: Path) -> None:
    desk = Desk(tmp_path, longer_than=0)
    call = desk.begin()
    call.hold("one ", 4)
    desk.jobs._save_those_due()
    ((run, text),) = await desk.kept()
    assert (run.seconds, text) == (None, "one ")
    call.hold("two ", 4)
    for job in desk.jobs:
        job.due = 0.0
    desk.jobs._save_those_due()
    ((run, text),) = await desk.kept()
    assert (run.seconds, text) == (None, "one two ")
    call.end(Failure("no"))
    ((run, text),) = await desk.kept()
    assert (run.failure, text) == ("no", "one two ")
    assert run.seconds is not None


@in_loop
async def test_no_timer_outlives_the_commands(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.jobs._saving is None
    call = desk.begin()
    assert desk.jobs._saving is not None
    call.end(None)
    desk.jobs._saving.cancel()
    desk.jobs._save_those_due()
    assert desk.jobs._saving is None


def test_a_run_is_saved_soon_after_it_is_long() -> None:
    assert module.SAVE_SECONDS <= RunSettings().longer_than <= module.LONGEST_SAVE
