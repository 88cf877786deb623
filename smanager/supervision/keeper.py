"""Keeps one service up: follows it from state to state, and does what each asks for."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from smanager.commands.arguments import Arguments
from smanager.commands.record import Command, CommandError
from smanager.hosts.call import Call, Invocation, Sink
from smanager.hosts.handle import Host, HostError
from smanager.hosts.pool import Slot
from smanager.logs.history import LAST_LINES, Life
from smanager.supervision.catalogue import Service
from smanager.supervision.states import Ends, Event, State, next_state

PROGRAM_SECONDS = 10.0
"""How much longer than `stop_timeout` a host may take over a program, which it kills itself by then."""

COMPLETION_SECONDS = 1.0
"""How long a service may think about a Tab."""

log = logging.getLogger("smanager")


class Order(Protocol):
    """Who comes before whom."""

    def lacking(self, service: Service) -> list[str]:
        """The services that have to be up before this one may begin, and are not."""

    def is_to_come(self, name: str) -> bool:
        """Whether a service that is not up is on its way there."""


class Household(Protocol):
    """Where a keeper's service lives together with others."""

    @property
    def dependencies(self) -> Order: ...

    def loaded(self, service: Service, report: dict[str, Any]) -> None:
        """A new process has found this in the service's file. Raises HostError where the service is not in it."""

    def changed(self, keeper: Keeper, text: str) -> None:
        """The service is in another state; `text` says why."""


class Keeper:
    """One service's supervision. All that it waits for comes as a call; it has one timer."""

    def __init__(self, service: Service, slot: Slot, household: Household) -> None:
        self.service = service
        self.slot = slot
        self.host: Host | None = None
        """Where it lives, while it does."""
        self.program_pid = 0
        """Its program's process, where it is one and runs."""
        self.attempt_at = 0.0
        """When the next attempt is made, in backoff; of the monotonic clock."""
        self.down = asyncio.Event()
        """Set while nothing of it runs, or is about to."""
        self.down.set()
        self._settled = asyncio.Event()
        self._retired = False
        self._household = household
        self._ends = Ends()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()  # its end has been noticed
        self._life = Life(0.0, "", 0.0)  # the one that goes on, or went on last
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
        """The process that its work is done in; 0 where there is none."""
        return self.program_pid or (self.slot.pid if self.host and not self.service.is_program else 0)

    @property
    def is_stuck(self) -> bool:
        """Whether it waits for others, of which not all are on their way."""
        return bool(self.service.waits_for) and self._settled.is_set()

    # What people ask for.

    def start(self, asked_by: str) -> None:
        """Have it up from here on; nothing happens where it is, or is on its way."""
        if not self._retired and not self.slot.shut and self._take(Event.START, f"started by {asked_by}", ""):
            self._ends.forget()
            self.service.history.restarts = 0
            self._begin_life(asked_by)

    def stop(self, asked_by: str) -> None:
        """Have it down from here on; `down` is set once that is so."""
        if not self._take(Event.STOP, f"stopped by {asked_by}", f"by {asked_by}"):
            return
        if self.state is State.STOPPED:
            self._spawn(self.slot.leave(self))
        elif not self._over.is_set():  # else it is leaving already, and will find itself stopped
            if self.host:
                self._spawn(self._end_life())
            else:
                self._over.set()
                self._spawn(self._leave(None, clean=True, by_itself=True))

    def call(self, command: Command, arguments: Arguments, caption: str, sink: Sink, as_data: bool) -> Call:
        """Run one of its commands. Raises CommandError where it is not running."""
        if self.state is not State.RUNNING or self.host is None:
            raise CommandError(f"{caption}: {self.name} is {self.service.condition}")
        if self.host.gone or self.host.ending:  # a moment ago
            raise CommandError(f"{caption}: {self.name} is about to be started again")
        return self.host.call(self.name, command.method, Invocation(arguments, caption, sink, as_data))

    async def complete(self, command: str, text: str, line: str, begin: int, end: int) -> list[str]:
        """The words that its own completer for a command finds, or without a command, paths.

        None where that takes too long.
        """
        if self.state is State.RUNNING and self.host and not self.host.gone:
            with suppress(TimeoutError):
                asking = self.host.complete(self.name, command, text, line, begin, end)
                return await asyncio.wait_for(asking, COMPLETION_SECONDS)
            log.warning("%s: no completions for %s within %g s", self.name, command or "a path", COMPLETION_SECONDS)
        return []

    def send_signal(self, number: signal.Signals) -> bool:
        """Send a signal to its program, or to the process that it lives in; False where there is none."""
        if self.host is None or self.host.gone:
            return False
        if self.service.is_program:
            self.host.signal_program(self.name, number)
        else:
            with suppress(ProcessLookupError):
                os.kill(self.host.pid, number)
        return True

    async def settled(self) -> None:
        """Return when it is up, or will not be at once; or when it has taken as long as it may for that."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), self.service.settings.start_timeout)

    def retire(self) -> None:
        """Have it down for good: its service is not there any more."""
        self._retired = True
        self.stop("the loss of its class")

    def proceed(self) -> None:
        """What it waits for may have come."""
        if self.state is State.STARTING and self.service.waits_for:
            self._go_on()

    # What its host reports.

    def ready(self) -> None:
        if self._take(Event.READY, "running", ""):
            self._life.ready = self._loop.time()

    def spawned(self, pid: int) -> None:
        self.program_pid = pid

    def hangs(self, reason: str) -> None:
        """It does not answer, or does not get ready: have it ended; its stacks go to the log before."""
        if not self._take(Event.HANG, f"hung: {reason}", reason):
            return
        if self.service.is_program and self.host:
            self.host.stop(self.name)
        else:
            self._spawn(self.slot.abort(self.name))

    def ended(self, reason: str | None, clean: bool, by_itself: bool = True) -> None:
        """Its life in the host has ended; `reason` is None where that was asked for.

        Where it did not end by itself, but with its process, that is no early end of its own.
        """
        if self._over.is_set():
            return
        self._over.set()
        self._set_timer(0, None)
        if self.program_pid and self.host and self.host.gone:
            by_itself = False
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.program_pid, signal.SIGKILL)  # its host was killed, and could not end it
        self._spawn(self._leave(reason, clean, by_itself))

    # One life.

    def _begin_life(self, asked_by: str) -> None:
        self._over.clear()
        self._life = Life(time.time(), asked_by, self._loop.time())
        self.service.history.lives.append(self._life)
        self._go_on()

    def _go_on(self) -> None:
        """Begin, unless others have to be up before."""
        order = self._household.dependencies
        lacking = order.lacking(self.service)
        self.service.wait_for(lacking)
        if all(map(order.is_to_come, lacking)):
            self._settled.clear()
        else:
            self._settled.set()
        if not lacking:
            self._spawn(self._enter(self._life))

    async def _enter(self, life: Life) -> None:
        """Get into the host, and be started there, unless this life is over by then."""
        service = self.service
        problem = ""
        try:
            host = await self.slot.enter(self)
            if service.source is not None:
                report = await host.load(service.source)
                service.fingerprint = report["fingerprint"]
                self._household.loaded(service, report)
        except OSError as error:
            problem = f"no process can be started for it: {error}"
        except HostError as error:
            problem = str(error)
        except Exception as error:  # whatever it is: no service is left where nothing would ever happen to it
            log.exception("%s: a mistake in SManager", self.name)
            problem = f"a mistake in SManager: {error!r}"
        if life is not self._life or self._over.is_set():
            if not self.state.alive:
                await self.slot.leave(self)
        elif problem:
            self.ended(problem, clean=False)
        else:
            self.host = host
            host.start(service.name, service.source, service.title, service.given)
            seconds = service.settings.start_timeout
            self._set_timer(seconds, lambda: self.hangs(f"it was not ready within {seconds:g} s"))

    async def _end_life(self) -> None:
        """Its `stop`, then SIGTERM, then SIGKILL; a program's host sees to those itself."""
        assert self.host is not None  # else there is no life to be ended
        host, seconds = self.host, self.service.settings.stop_timeout
        alone = self.slot.residents == [self.name]
        host.end() if alone else host.stop(self.name)
        if await self._is_over(seconds + PROGRAM_SECONDS if self.service.is_program else seconds):
            return
        log.warning("%s: did not stop within %g s", self.name, seconds)
        self.slot.given_up_for = self.name  # those who share it are started again
        if not self.service.is_program:
            host.signal(signal.SIGTERM)
            if await self._is_over(seconds):
                return
        host.signal(signal.SIGKILL)

    async def _is_over(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)
        return self._over.is_set()

    async def _leave(self, reason: str | None, clean: bool, by_itself: bool) -> None:
        """Leave the host, and go where the end of the life leads.

        A program that will be started again needs no fresh host, and so stays in the one that it has.
        """
        self._over.set()
        if self.service.source is not None or self.state is State.STOPPING:
            await self.slot.leave(self)
        self.host, self.program_pid = None, 0
        self._conclude(reason, clean, by_itself)
        if not self.state.alive and self.state is not State.BACKOFF:
            await self.slot.leave(self)

    def _conclude(self, reason: str | None, clean: bool, by_itself: bool) -> None:
        """Write down how the life has ended, and go where that leads."""
        now = self._loop.time()
        life = self._life
        life.ended = now
        life.last_lines = self.service.history.lines.last(LAST_LINES)
        if self.state is State.STOPPING:
            life.end = "stopped, as asked"
            self._take(Event.END, "stopped", self.service.reason)
            return
        if self.state is State.HUNG:
            reason, clean = f"hung: {self.service.reason}", False
        life.end = reason or "it ended"
        lived = now - (life.begun if life.ready is None else life.ready)
        policy = self.service.settings.policy
        event, life.decision = self._ends.decide(policy, lived, clean) if by_itself else (Event.FALL, "")
        delay = self._ends.backoff(policy, random.random()) if by_itself else 0.0
        if event is Event.FALL:
            self.attempt_at = now + delay
            life.decision = f"started again {f'in {delay:.1f} s' if delay else 'at once'}"
        text = f"{life.end}; {life.decision}"
        if self._take(event, text, text) and event is Event.FALL:
            self._set_timer(delay, self._try_again)

    def _try_again(self) -> None:
        if not self.slot.shut and self._take(Event.START, "started again", ""):
            self.service.history.restarts += 1
            self._begin_life("its supervision")

    # What those are made of.

    def _take(self, event: Event, text: str, reason: str) -> bool:
        """Go to the state that follows `event`, if one does; `text` tells it, `reason` is why it then is so."""
        state = next_state(self.state, event)
        if state is None:
            return False
        self._set_timer(0, None)
        self.service.enter(state, reason, self._loop.time())
        at_once = state is State.BACKOFF and self.attempt_at <= self._loop.time()
        self._settled.clear() if state is State.STARTING or at_once else self._settled.set()
        self.down.clear() if state.alive or state is State.BACKOFF else self.down.set()
        self._household.changed(self, text)
        return True

    def _set_timer(self, seconds: float, action: Callable[[], None] | None) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, action) if action else None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop itself would let it be collected
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s: a mistake in SManager", self.name, exc_info=error)
