"""Keeps one service up: follows it from state to state, and does what each state calls for."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from smanager.commands.record import CommandError
from smanager.hosts.call import Call
from smanager.hosts.handle import Host, HostError
from smanager.hosts.job import Invocation
from smanager.hosts.pool import Slot
from smanager.hosts.source import ReportError
from smanager.logs.history import LAST_LINES, Happening, LifeRecord
from smanager.supervision.catalogue import Service
from smanager.supervision.states import Ending, Ends, Event, Prospect, State, next_state
from smanager.system.moments import Moment, Ration
from smanager.system.patience import Patience

PROGRAM_SECONDS = 10.0
"""How much longer than `stop_timeout` a host may take to stop a program, which the host kills by itself by then."""

REPORTS_A_MINUTE = 100
"""Events that a service may report; any more are left out, or they would push the other services' out of the memory."""

COMPLETION_SECONDS = 1.0  # how long a service may take to complete a word

Load = Callable[[Service, Host], Awaitable[None]]
"""Has a new host load a service's file. Raises ReportError, and HostError if the file has no such service any more."""

log = logging.getLogger("smanager")


@dataclass(eq=False)
class Keeper:
    """Supervises one service. Everything that happens to the service arrives as a call; there is one timer.

    Once the service has begun to start, `wait_for` has to be called whenever other services change.
    """

    service: Service
    slot: Slot
    load: Load
    changed: Callable[[Keeper, Happening], None]  # called after each change of state, and what the service reports
    chance: Callable[[], float]  # returns a number from 0 to 1

    def __post_init__(self) -> None:
        self.host: Host | None = None
        self.program_pid = 0
        self.attempt_at = 0.0
        """When the next attempt is due, in backoff; by the monotonic clock."""
        self.down = asyncio.Event()
        self.down.set()
        self.is_waiting = False
        """Whether the service waits for `wait_for` to let it begin."""
        self._settled = asyncio.Event()
        self._prospect_of_others = Prospect.SOON  # of those that it waits for
        self._retired = False
        self._ends = Ends()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()  # the end of the life has been noticed
        self.life = LifeRecord(0.0, "")
        """The present or the last one."""
        self._begun = 0.0  # when it began, by the monotonic clock
        self._killed = ""  # why a stop became a kill, if it did
        self._reports = Ration(REPORTS_A_MINUTE, 60.0)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def watchdog(self) -> float:
        return self.service.settings.watchdog

    @property
    def state(self) -> State:
        return self.service.state

    @property
    def pid(self) -> int:
        """The process that does the service's work; 0 if there is none."""
        return self.program_pid or (self.slot.pid if self.host and not self.service.is_program else 0)

    @property
    def shares_process(self) -> bool:
        """Whether other services live in the service's process."""
        return len(self.slot.residents) > 1 and not self.service.is_program

    @property
    def prospect(self) -> Prospect:
        """Whether the service will be up, which depends on those that it waits for."""
        if not self.state.coming:
            return Prospect.NONE
        return min(self._prospect_of_others, Prospect.LATER if self._ends.early else Prospect.SOON)

    @property
    def stop_seconds(self) -> float:
        """How long a stop may take until the service is killed."""
        if not self.state.alive:
            return 0.0
        seconds = self.service.settings.stop_timeout
        return seconds if self.service.is_program else 2 * seconds  # between `stop` and SIGKILL there is SIGTERM

    # Requests.

    def start(self, asked_by: str) -> None:
        if not self._retired and self._may_begin():
            self._ends.forget()
            self.service.history.restarts = 0
            self._begin_life(asked_by, f"started by {asked_by}")

    def stop(self, asked_by: str) -> None:
        """Want the service down; `down` is set once it is."""
        self._killed = ""
        if not self._take(Event.STOP, f"stopped by {asked_by}", f"by {asked_by}"):
            return
        if self.state is State.STOPPED:
            self._spawn(self.slot.leave(self))
        elif self.host and not self._over.is_set():
            self._spawn(self._end_life(self.host))
        else:
            self.ended(None, clean=True)  # or else `_leave` is under way, and will find the service stopping

    def kill(self, why: str) -> None:
        """Kill a service that is being stopped, whatever its `stop_timeout`; `why` is a clause."""
        self._killed = f"killed, because {why}"
        if self.host and self.service.is_program:
            self.host.signal_program(self.name, signal.SIGKILL)
        elif self.host:
            self.slot.given_up_for = self.name
            self.host.signal(signal.SIGKILL)

    def call(self, invocation: Invocation) -> Call:
        """Run one of the service's commands. Raises CommandError if the service is not running."""
        if self.state is not State.RUNNING or self.host is None:
            remedy = f"; `start {self.name}` starts it" if self.state.down else ""
            raise CommandError(f"{invocation.bound.caption}: {self.name} is {self.service.condition}{remedy}")
        if self.host.gone or self.host.ending:  # a moment ago
            raise CommandError(f"{invocation.bound.caption}: {self.name} is about to be started again")
        return self.host.call(invocation)

    async def complete(self, caller: str, command: str, text: str, line: str, begin: int, end: int) -> list[str]:
        """The service's completions for a command, or of a path without one; none after COMPLETION_SECONDS."""
        if self.state is State.RUNNING and self.host and not self.host.gone:
            with suppress(TimeoutError):
                asking = self.host.complete(caller, self.name, command, text, line, begin, end)
                return await asyncio.wait_for(asking, COMPLETION_SECONDS)
            log.warning("%s: no completions for %s within %g s", self.name, command or "a path", COMPLETION_SECONDS)
        return []

    def send_signal(self, number: int) -> bool:
        """Send a signal to the program, or to the service's host; False if there is no process."""
        if self.host is None or self.host.gone:
            return False
        if self.service.is_program:
            self.host.signal_program(self.name, number)
        else:
            with suppress(ProcessLookupError):
                os.kill(self.host.pid, number)
        return True

    async def settled(self) -> None:
        """Return once the service is up, or will not be soon, or has used up its `start_timeout`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), self.service.settings.start_timeout)

    def retire(self) -> None:
        """Stop the service for good: its class or its program is gone."""
        self._retired = True
        self.stop("the loss of its class")

    def wait_for(self, names: Mapping[str, str], prospect: Prospect) -> None:
        """Wait for these services, which have this prospect together; without names, begin the life asked for.

        With each name comes why that service is not on its way to running; empty if it is.
        """
        self.service.waits_for = names
        self.service.reason = "waits for others" if names else ""
        self._prospect_of_others = prospect
        self._settled.set() if prospect is Prospect.NONE else self._settled.clear()
        if not names:
            self.is_waiting = False
            self._spawn(self._enter(self.life))

    # Reports from the host.

    def ready(self) -> None:
        if self.state is State.STARTING:
            self.life.ready_after = self._lasted()
            self._take(Event.READY, "running", "")

    def read(self, contents: object) -> None:
        self.service.contents = contents

    def spawned(self, pid: int) -> None:
        self.program_pid = pid

    def reported(self, kind: str, text: str, about: str, over: bool | None) -> None:
        if self._reports.has_room(self._loop.time()):
            self.changed(self, Happening.reported(kind, text, about, over))

    def hangs(self, reason: str) -> None:
        """End a service that does not answer, or does not get ready; its stacks go to the log first."""
        if not self._take(Event.HANG, f"hung: {reason}", reason):
            return
        if self.service.is_program and self.host:
            self.host.stop(self.name)
        else:
            self._spawn(self.slot.abort(self.name))

    def ended(self, reason: str | None, clean: bool, by_itself: bool = True) -> None:
        """The life in the host has ended; for the parameters see `Ending`."""
        if self._over.is_set():
            return
        self._over.set()
        self._set_timer(None)
        if self.program_pid and self.host and self.host.gone:  # the host was killed, and could not end the program
            by_itself = False
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.program_pid, signal.SIGKILL)
        self._spawn(self._leave(Ending(reason, clean, by_itself)))

    # One life.

    def _may_begin(self) -> bool:
        return not self.slot.shut and next_state(self.state, Event.START) is not None

    def _begin_life(self, asked_by: str, text: str, kind: str = "") -> None:
        self._over.clear()
        self.life, self._begun = LifeRecord(time.time(), asked_by), self._loop.time()
        self.service.history.lives.append(self.life)
        self.is_waiting = True
        self._take(Event.START, text, "", kind)

    async def _enter(self, life: LifeRecord) -> None:
        """Get into the host and be started there, unless this life is over by then."""
        service = self.service
        problem = ""
        try:
            host = await self.slot.enter(self)
            if service.source is not None:
                await self.load(service, host)
        except OSError as error:
            problem = f"no process can be started for it: {error}"
        except (HostError, ReportError) as error:
            problem = str(error)
        except Exception as error:  # of any kind: no service may be left in a state that nothing will end
            log.exception("%s: internal error", self.name)
            problem = f"internal error: {error!r}"
        if life is not self.life or self._over.is_set():
            if not self.state.alive:
                await self.slot.leave(self)
        elif problem:
            self.ended(problem, clean=False)
        else:
            self.host = host
            host.start(service.name, service.source, service.title, service.given)
            self._await_ready(Patience(service.settings.start_timeout, self._loop.time))

    def _await_ready(self, patience: Patience) -> None:
        def look() -> None:
            if patience.lasts():
                self._await_ready(patience)
            else:
                self.hangs(f"it was not ready within {self.service.settings.start_timeout:g} s")

        self._set_timer(look, patience.step)

    async def _end_life(self, host: Host) -> None:
        """Have the service run its `stop`, then send SIGTERM, then SIGKILL; a program's host does that by itself."""
        seconds = self.service.settings.stop_timeout
        alone = self.slot.residents == [self.name]
        host.end() if alone else host.stop(self.name)
        if await self._is_over(seconds + PROGRAM_SECONDS if self.service.is_program else seconds):
            return
        log.warning("%s: did not stop within %g s", self.name, seconds)
        self.slot.given_up_for = self.name  # the services that share the host are started again
        if not self.service.is_program:
            self._killed = f"ended by SIGTERM, because it did not stop within {seconds:g} s"
            host.signal(signal.SIGTERM)
            if await self._is_over(seconds):
                return
        self._killed = f"killed, because it did not stop within {seconds:g} s"
        host.signal(signal.SIGKILL)

    async def _is_over(self, seconds: float) -> bool:
        patience = Patience(seconds, self._loop.time)
        while not self._over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), patience.step)
            if not patience.lasts():
                break
        return self._over.is_set()

    async def _leave(self, ending: Ending) -> None:
        """Leave the host, and enter the state that the end of the life leads to."""
        # A program that will be started again needs no fresh host, and stays in its slot.
        if self.state is State.STOPPING:
            await self.slot.leave(self)
        elif self.service.source is not None:
            leaving = self.slot.leave(self)
            # What is left of a dead host holds up the next life, not the report of this one's end.
            self._spawn(leaving) if self.host and self.host.gone else await leaving
        self.host, self.program_pid = None, 0
        self._conclude(ending)
        if self.state.down:
            await self.slot.leave(self)

    def _conclude(self, ending: Ending) -> None:
        life, history = self.life, self.service.history
        life.ended_after = self._lasted()
        history.last_lines = history.lines.last(LAST_LINES)
        if self.state is State.STOPPING:
            killed = self._killed or ("" if ending.clean else ending.reason)
            reason = "; ".join(filter(None, [self.service.reason, killed]))
            life.end = f"stopped {reason}"
            self._take(Event.END, f"stopped; {killed}" if killed else "stopped", reason)
            return
        if self.state is State.HUNG:
            ending = ending._replace(reason=f"hung: {self.service.reason}", clean=False)
        life.end = ending.reason or "it ended"
        lived = 0.0 if life.ready_after is None else life.ended_after - life.ready_after
        decision = self._ends.decide(self.service.settings.policy, lived, ending, self.chance())
        life.decision = decision.text
        text = f"{life.end}; {decision.text}"
        self.attempt_at = self._loop.time() + decision.delay
        if self._take(decision.event, text, text) and decision.event is Event.FALL:
            self._set_timer(self._try_again, decision.delay)

    def _lasted(self) -> float:
        """How many seconds the present life has lasted."""
        return round(self._loop.time() - self._begun, 3)

    def _try_again(self) -> None:
        if self._may_begin():
            self.service.history.restarts += 1
            self.service.history.all_restarts += 1
            self._begin_life("its supervision", "started again", "restarted")

    # The machinery.

    def _take(self, event: Event, text: str, reason: str, kind: str = "") -> bool:
        """Enter the state that `event` leads to; False if the present state does not take the event.

        `text` is the event in words, `reason` why the service then is in its state, and `kind` what the event counts
        as, if not as that state.
        """
        state = next_state(self.state, event)
        if state is None:
            return False
        self._set_timer(None)
        self.is_waiting = self.is_waiting and state is State.STARTING
        service = self.service
        service.state, service.reason, service.since = state, reason, Moment()
        service.waits_for, self._prospect_of_others = {}, Prospect.SOON
        at_once = state is State.BACKOFF and self.attempt_at <= self._loop.time()
        self._settled.set() if state.settled and not at_once else self._settled.clear()
        self.down.set() if state.down else self.down.clear()
        self.changed(self, Happening(kind or state.value, text))
        return True

    def _set_timer(self, action: Callable[[], None] | None, seconds: float = 0.0) -> None:
        """Have `action`, if there is one, called in some seconds, in place of what the timer was set to before."""
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, action) if action else None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=self.name)
        self._tasks.add(task)  # the loop holds no reference that would keep it alive
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(log_error)


def log_error(task: asyncio.Task[None]) -> None:
    """Log the error of a task that nothing awaits."""
    if not task.cancelled() and (error := task.exception()):
        log.error("%s: internal error", task.get_name(), exc_info=error)
