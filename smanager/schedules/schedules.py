"""The service that runs the lines of `[schedules.*]`; it is loaded where there are any."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from smanager import CallerError, ManagerError, SService, command
from smanager.schedules.schedule import DAMAGES, DONE, FAILED, LOST, RUNNING, Due, LastRun, Schedule
from smanager.service import VIEW
from smanager.system.memory import Memory, Saving
from smanager.terminal.text import one_spelling, resembling
from smanager.terminal.wording import listed

LOOK_SECONDS = 60.0  # between two looks at the clock, which may have been set
SCHEDULE_FAILED = "schedule failed"  # the kind of the event that is reported of failed runs
SETTLED_SECONDS = 5.0  # until what was due before the start runs, so that the services that it needs are up

ASK_SECONDS = 5.0  # in which the manager has to say which runs were ended; their IDs are left out otherwise


class ScheduleReport(NamedTuple):
    """A schedule as people see it, in a line that fits a window."""

    name: str
    state: str  # `waiting`, `running`, `paused` or `disabled`
    next: str | None  # in the machine's time zone
    last: str | None
    outcome: str | None
    run: str | None  # the ID of the run, or of each command's, by which the manager remembers it


class Activity:
    """What goes on of one schedule: at most one run, and at most one that waits for its end."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.work: asyncio.Task[str] | None = None
        self.is_awaited = False
        self.reason = ""
        """Why the run was ended."""

    def begin(self, work: Coroutine[Any, Any, str]) -> asyncio.Task[str]:
        self.reason = ""
        self.work = asyncio.create_task(work)
        self.work.add_done_callback(self._over)
        return self.work

    def _over(self, _: object) -> None:
        self.work = None

    def end(self, reason: str) -> None:
        if self.work:
            self.reason = reason
            self.work.cancel()


class Schedules(SService):
    """Runs lines of commands at certain times"""

    def start(self) -> None:
        self._memory = Memory(self.state_dir, "schedules")
        self._saving = Saving(self._save)
        kept = self._memory.read()
        self._salt = str(kept.get("salt") or secrets.token_hex(8))
        self._ahead = time.time() - time.monotonic()
        self._began = time.time()
        self._settled_at = time.monotonic() + SETTLED_SECONDS
        self._activities = {name: Activity(one) for name, one in self._made(kept.get("schedules"))}
        for activity in self._activities.values():
            self._tell_success(activity.schedule)
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_ending = False

    def _made(self, kept: object) -> Iterator[tuple[str, Schedule]]:
        """The schedules of the configuration, with what is remembered of them."""
        known = kept if isinstance(kept, dict) else {}
        for name, given in self.options["schedules"].items():
            now = time.time()
            try:
                yield name, Schedule(name, given, now, self._salt, known.get(name, {}))
            except DAMAGES:
                print(f"{name}: what is remembered of it is damaged, and forgotten")
                yield name, Schedule(name, given, now, self._salt, {})

    async def run(self) -> None:
        while not self._is_ending:
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._look())

    async def stop(self) -> None:
        self._is_ending = True
        self._changed.set()
        for activity in self._activities.values():
            activity.end(LOST)
        if works := [activity.work for activity in self._activities.values() if activity.work]:
            await asyncio.wait(works)
        for task in self._tasks:
            task.cancel()
        self._saving.end()

    # Commands.

    @command(role=VIEW, default=True)
    async def cmd_list(self) -> list[ScheduleReport]:
        """Shows when each schedule is due, and how its last run went"""
        tells_all = await self._may_run()
        return [self._report(activity.schedule, short, tells_all) for activity in self._activities.values()]

    @command(role=VIEW)
    async def cmd_show(self, name: str) -> dict[str, str | None]:
        """Shows all about a schedule, its times with the offset of its time zone"""
        schedule = self._find(name).schedule
        tells_all = await self._may_run()
        report = self._report(
            schedule, lambda at: datetime.fromtimestamp(round(at), schedule.zone).isoformat(" "), tells_all
        )
        return {"name": schedule.name, "when": schedule.when, **report._asdict()}

    async def cmd_run(self, name: str) -> str:
        """Runs a schedule's line now, with the schedule's permissions, and waits for its end

        Args:
            name: the schedule, also one that is paused or not enabled
        """
        activity = self._find(name)
        outcome = await self._carry_out(activity)
        text = f"{activity.schedule.name}: {outcome}"
        if outcome != DONE:
            raise CallerError(text)
        return text

    async def cmd_pause(self, name: str) -> str:
        """Runs a schedule no more by itself, also after a restart, until it is resumed"""
        schedule = self._find(name).schedule
        schedule.paused = True
        problem = self._save()
        return f"{schedule.name}: paused" + (f", until the service is restarted: {problem}" if problem else "")

    async def cmd_resume(self, name: str) -> str:
        """Runs a paused schedule by itself again"""
        schedule = self._find(name).schedule
        schedule.resume(self._now(schedule))
        self._changed.set()
        self._save()
        return f"{schedule.name}: resumed"

    def complete_run(self, text: str, *ignored: object) -> list[str]:
        return [name for name in self._activities if name.startswith(text)]

    complete_show = complete_pause = complete_resume = complete_run

    def _find(self, name: str) -> Activity:
        """The schedule of a name. Raises CallerError for an unknown one."""
        for known in (name, *self._activities):
            if known in self._activities and one_spelling(known) == one_spelling(name):
                return self._activities[known]
        similar = resembling(name, list(self._activities), 1)
        hint = f"did you mean {similar[0]}?" if similar else f"there are: {', '.join(sorted(self._activities))}"
        raise CallerError(f"there is no schedule {name}; {hint}")

    # Time.

    def _now(self, schedule: Schedule) -> float:
        """The time by a schedule's clock: that of the wall, or one that began with it and cannot be set."""
        return self._ahead + time.monotonic() if schedule.is_steady else time.time()

    def _look(self) -> float:
        """Begin what is due; return the seconds until the next look."""
        rest = LOOK_SECONDS
        for activity in self._activities.values():
            schedule = activity.schedule
            now, due_at = self._now(schedule), schedule.due
            due = schedule.look(now)
            if due is Due.RUN or (due is Due.MISSED and schedule.makes_up):
                self._begin(activity, self._settled_at - time.monotonic() if due_at < self._began else 0.0)
            elif due is Due.MISSED:
                print(f"{schedule.name}: its time has passed, and it is not made up for")
            if schedule.enabled and not schedule.paused:
                rest = min(rest, schedule.due - now)
        return max(0.0, rest)

    # Runs.

    def _begin(self, activity: Activity, delay: float) -> None:
        task = asyncio.create_task(self._carry_out_later(activity, delay))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out_later(self, activity: Activity, delay: float) -> None:
        await asyncio.sleep(delay)
        try:
            if not activity.schedule.paused:
                await self._carry_out(activity)
        except CallerError as error:
            print(error)

    async def _carry_out(self, activity: Activity) -> str:
        """Run a schedule's line to its end, and return the outcome. Raises CallerError if the run is left out."""
        await self._make_way(activity)
        work = activity.begin(self._work(activity))
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            activity.end("cancelled")
            raise
        return LOST if work.cancelled() else work.result()  # cancelled: before its first step

    async def _make_way(self, activity: Activity) -> None:
        """Wait until no other run goes on, as `overlap` says. Raises CallerError if it says to leave this one out."""
        schedule = activity.schedule
        if activity.work:
            if schedule.overlap == "skip" or activity.is_awaited:
                others = "another waits already" if activity.is_awaited else "the run before it goes on"
                raise CallerError(f"{schedule.name}: left out, because {others}")
            if schedule.overlap == "kill":
                activity.end("ended by the next run")
            activity.is_awaited = True
            try:
                while activity.work:
                    await asyncio.wait([activity.work])
            finally:
                activity.is_awaited = False
        if self._is_ending:
            raise CallerError(f"{schedule.name}: left out, because the service ends")

    async def _work(self, activity: Activity) -> str:
        """Run a schedule's line, remember how that goes, and return the outcome."""
        schedule = activity.schedule
        schedule.last = LastRun(time.time())
        try:
            await self._saving.done()  # first: if all falls now, the run is not due a second time
            schedule.last = await self._result(schedule, schedule.last)
        except asyncio.CancelledError:
            schedule.last = await self._with_runs(schedule, schedule.last._replace(outcome=activity.reason))
        else:
            self._conclude(schedule, schedule.last)
        if schedule.last.outcome == DONE:
            schedule.succeeded = time.time()
            self._tell_success(schedule)
        else:
            print(f"{schedule.name}: {schedule.last.text}")
        self._saving.soon()
        return schedule.last.text

    def _conclude(self, schedule: Schedule, last: LastRun) -> None:
        """Report what others should hear of: each failure, and the first success after one."""
        if last.outcome != LOST and schedule.concluded():
            self.event(SCHEDULE_FAILED, last.text, about=schedule.name, over=last.outcome == DONE)

    async def _result(self, schedule: Schedule, last: LastRun) -> LastRun:
        """Run a line as a script would, with the permissions of the schedule."""
        manager = self.manager.acting_as(schedule.name)
        try:
            async with asyncio.timeout(schedule.timeout):
                result = await manager.call_async("shell.execute", line=schedule.run, stream=True, keep=True)
        except TimeoutError:
            ended = last._replace(outcome=f"ended by its timeout, {schedule.timeout:g} s")
            return await self._with_runs(schedule, ended)
        except ManagerError as error:
            return last._replace(outcome=FAILED, problem=str(error)) if error.code else last._replace(outcome=LOST)
        runs = _ids(result.get("runs", ()))
        if not result["status"]:
            return last._replace(outcome=DONE, run=runs)
        return last._replace(outcome=FAILED, run=runs, problem=problem_of(result, schedule.roles))

    async def _with_runs(self, schedule: Schedule, last: LastRun) -> LastRun:
        """A run that was ended, and so has no result, with the IDs by which the manager remembers it.

        They are missing if the schedule's roles do not allow `runs`, or if the service ends.
        """
        manager = self.manager.acting_as(schedule.name)
        with suppress(ManagerError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(ASK_SECONDS):
                origin = (await manager.call_async("whoami"))["from"]
                since = datetime.fromtimestamp(last.began).astimezone().isoformat()
                runs = await manager.call_async("runs", since=since)
                own = [one["id"] for one in runs if one["from"] == origin and one["since"] >= last.began]
                return last._replace(run=_ids(own))
        return last

    def _save(self) -> str:
        """Remember all; return the problem, if there is one."""
        kept = {name: activity.schedule.kept() for name, activity in self._activities.items()}
        return self._memory.write({"salt": self._salt, "schedules": kept})

    # Reports.

    def _tell_success(self, schedule: Schedule) -> None:
        if schedule.succeeded:
            self.metric(
                "smanager_schedule_last_success_timestamp_seconds",
                schedule.succeeded,
                help="When the schedule's last run without a failure ended.",
                labels={"schedule": schedule.name},
            )

    async def _may_run(self) -> bool:
        """Whether the caller may run a schedule, and so may read what is wrong with its commands."""
        assert self.caller
        try:
            offered = await self.manager.as_caller(self.caller).call_async("shell.complete", f"{self.name} run")
        except ManagerError as error:
            raise CallerError(str(error)) from None
        return "run" in offered["matches"]

    def _report(self, schedule: Schedule, shown: Callable[[float], str], tells_all: bool) -> ScheduleReport:
        last = schedule.last
        state = "waiting" if schedule.enabled else "disabled"
        if schedule.paused:
            state = "paused"
        if last and last.outcome == RUNNING:
            state = RUNNING
        comes = schedule.enabled and not schedule.paused
        return ScheduleReport(
            schedule.name,
            state,
            shown(time.time() + schedule.due - self._now(schedule)) if comes else None,
            shown(last.began) if last else None,
            (last.text if tells_all else last.outcome) if last else None,
            last.run if last else None,
        )


def problem_of(result: Mapping[str, Any], roles: tuple[str, ...]) -> str:
    """What was wrong with a line that failed."""
    if result["status"] == 1:
        return str(result["error"])
    has = f"its roles are {listed(roles)}" if len(roles) > 1 else f"its role is {roles[0]}"
    return f"{result['error']} ({has})"  # which may be why the command does not exist for the schedule


def _ids(runs: Iterable[int]) -> str | None:
    return ", ".join(map(str, runs)) or None


def short(moment: float) -> str:
    """A moment in the machine's time zone, with its seconds if it has any."""
    return f"{datetime.fromtimestamp(round(moment)):%Y-%m-%d %H:%M:%S}".removesuffix(":00")
