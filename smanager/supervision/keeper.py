"""Keeps one service up: follows it from state to state, and does what each state calls for."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from smanager.commands.record import Command, CommandError
from smanager.hosts.call import Call, Invocation
from smanager.hosts.handle import Host, HostError
from smanager.hosts.pool import Slot
from smanager.hosts.source import ReportError
from smanager.logs.history import LAST_LINES, LifeRecord
from smanager.supervision.catalogue import Service
from smanager.supervision.states import Decision, Ending, Ends, Event, State, next_state

PROGRAM_SECONDS = 10.0
"""How much longer than `stop_timeout` a host may take to stop a program, which the host kills by itself by then."""

COMPLETION_SECONDS = 1.0
"""How long a service may take to complete a word."""

Load = Callable[[Service, Host], Awaitable[None]]
"""Has a new host load a service's file, and takes in what is in it.

Raises HostError if the service is not in the file any more, and ReportError.
"""

log = logging.getLogger("smanager")


class Keeper:
    """Supervises one service. Everything that happens to the service arrives as a call; there is one timer."""

    def __init__(
        self,
        service: Service,
        slot: Slot,
        load: Load,
        changed: Callable[[Keeper, str], None],
        chance: Callable[[], float],
    ) -> None:
        """Keep a stopped service.

        `changed` is called after each change of state, with the event in words. Whoever is told that the service
        has begun to start has to call `wait_for` from then on, whenever other services change. `chance` returns a
        number from 0 to 1.
        """
        self.service = service
        self.slot = slot
        self.host: Host | None = None
        """The host that the service lives in, once it does."""
        self.program_pid = 0
        """The process id of a running program."""
        self.attempt_at = 0.0
        """When the next attempt is due, in backoff; by the monotonic clock."""
        self.down = asyncio.Event()
        """Set while the state is `down`."""
        self.down.set()
        self.is_waiting = False
        """Whether the service waits for `wait_for` to let it begin."""
        self._settled = asyncio.Event()
        self._retired = False
        self._load = load
        self._changed = changed
        self._chance = chance
        self._ends = Ends()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._over = asyncio.Event()  # the end of the life has been noticed
        self._life = LifeRecord(0.0, "", 0.0)  # the present life, or the last one
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
    def is_coming(self) -> bool:
        """Whether the service is on its way to `running`: not if it waits for others that are not."""
        return self.state.coming and not (self.service.waits_for and self._settled.is_set())

    # Requests.

    def start(self, asked_by: str) -> None:
        """Want the service up; does nothing if it is up or on its way."""
        if not self._retired and self._may_begin:
            self._ends.forget()
            self.service.history.restarts = 0
            self._begin_life(asked_by, f"started by {asked_by}")

    def stop(self, asked_by: str) -> None:
        """Want the service down; `down` is set once it is."""
        if not self._take(Event.STOP, f"stopped by {asked_by}", f"by {asked_by}"):
            return
        if self.state is State.STOPPED:
            self._spawn(self.slot.leave(self))
        elif not self._over.is_set():  # otherwise `_leave` is under way, and will find the service stopping
            if self.host:
                self._spawn(self._end_life())
            else:
                self._over.set()
                self._spawn(self._leave(Ending(None, clean=True)))

    def call(self, command: Command, invocation: Invocation) -> Call:
        """Run one of the service's commands. Raises CommandError if the service is not running."""
        if self.state is not State.RUNNING or self.host is None:
            raise CommandError(f"{invocation.caption}: {self.name} is {self.service.condition}")
        if self.host.gone or self.host.ending:  # a moment ago
            raise CommandError(f"{invocation.caption}: {self.name} is about to be started again")
        return self.host.call(self.name, command.method, invocation)

    async def complete(self, command: str, text: str, line: str, begin: int, end: int) -> list[str]:
        """The words that the service's completer for a command finds, or paths if `command` is empty.

        Returns no words if the service is not running, or takes more than COMPLETION_SECONDS.
        """
        if self.state is State.RUNNING and self.host and not self.host.gone:
            with suppress(TimeoutError):
                asking = self.host.complete(self.name, command, text, line, begin, end)
                return await asyncio.wait_for(asking, COMPLETION_SECONDS)
            log.warning("%s: no completions for %s within %g s", self.name, command or "a path", COMPLETION_SECONDS)
        return []

    def send_signal(self, number: signal.Signals) -> bool:
        """Send a signal to the program, or to the host that the service lives in; False if there is no process."""
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

    def wait_for(self, names: Sequence[str], are_coming: bool) -> None:
        """Begin the life that was asked for, unless other services have to be up first.

        `names` are those services, and `are_coming` says whether all of them are on their way.
        """
        self.service.wait_for(names)
        self._settled.clear() if are_coming else self._settled.set()
        if not names:
            self.is_waiting = False
            self._spawn(self._enter(self._life))

    # Reports from the host.

    def ready(self) -> None:
        if self._take(Event.READY, "running", ""):
            self._life.ready = self._loop.time()

    def spawned(self, pid: int) -> None:
        self.program_pid = pid

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
        if self.program_pid and self.host and self.host.gone:
            by_itself = False
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.program_pid, signal.SIGKILL)  # its host was killed, and could not end it
        self._spawn(self._leave(Ending(reason, clean, by_itself)))

    # One life.

    @property
    def _may_begin(self) -> bool:
        return not self.slot.shut and next_state(self.state, Event.START) is not None

    def _begin_life(self, asked_by: str, text: str) -> None:
        self._over.clear()
        self._life = LifeRecord(time.time(), asked_by, self._loop.time())
        self.service.history.lives.append(self._life)
        self.is_waiting = True
        self._take(Event.START, text, "")

    async def _enter(self, life: LifeRecord) -> None:
        """Get into the host and be started there, unless this life is over by then."""
        service = self.service
        problem = ""
        try:
            host = await self.slot.enter(self)
            if service.source is not None:
                await self._load(service, host)
        except OSError as error:
            problem = f"no process can be started for it: {error}"
        except (HostError, ReportError) as error:
            problem = str(error)
        except Exception as error:  # of any kind: no service may be left in a state that nothing will end
            log.exception("%s: internal error", self.name)
            problem = f"internal error: {error!r}"
        if life is not self._life or self._over.is_set():
            if not self.state.alive:
                await self.slot.leave(self)
        elif problem:
            self.ended(problem, clean=False)
        else:
            self.host = host
            host.start(service.name, service.source, service.title, service.given)
            seconds = service.settings.start_timeout
            self._set_timer(lambda: self.hangs(f"it was not ready within {seconds:g} s"), seconds)

    async def _end_life(self) -> None:
        """Have the service run its `stop`, then send SIGTERM, then SIGKILL; a program's host does that by itself."""
        assert self.host is not None  # without a host there is no life to end
        host, seconds = self.host, self.service.settings.stop_timeout
        alone = self.slot.residents == [self.name]
        host.end() if alone else host.stop(self.name)
        if await self._is_over(seconds + PROGRAM_SECONDS if self.service.is_program else seconds):
            return
        log.warning("%s: did not stop within %g s", self.name, seconds)
        self.slot.given_up_for = self.name  # the services that share the host are started again
        if not self.service.is_program:
            host.signal(signal.SIGTERM)
            if await self._is_over(seconds):
                return
        host.signal(signal.SIGKILL)

    async def _is_over(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)
        return self._over.is_set()

    async def _leave(self, ending: Ending) -> None:
        """Leave the host, and enter the state that the end of the life leads to.

        A program that will be started again needs no fresh host, and so stays in its slot.
        """
        if self.service.source is not None or self.state is State.STOPPING:
            await self.slot.leave(self)
        self.host, self.program_pid = None, 0
        self._conclude(ending)
        if self.state.down:
            await self.slot.leave(self)

    def _conclude(self, ending: Ending) -> None:
        """Record how the life ended, and enter the state that this leads to."""
        life, now = self._life, self._loop.time()
        life.ended = now
        life.last_lines = self.service.history.lines.last(LAST_LINES)
        if self.state is State.STOPPING:
            life.end = "stopped, as asked"
            self._take(Event.END, "stopped", self.service.reason)
            return
        if self.state is State.HUNG:
            ending = replace(ending, reason=f"hung: {self.service.reason}", clean=False)
        life.end = ending.reason or "it ended"
        lived = now - (life.begun if life.ready is None else life.ready)
        decision = self._ends.decide(self.service.settings.policy, lived, ending, self._chance())
        life.decision = decision.text
        self._follow(decision, f"{life.end}; {decision.text}")

    def _follow(self, decision: Decision, text: str) -> None:
        self.attempt_at = self._loop.time() + decision.delay
        if self._take(decision.event, text, text) and decision.event is Event.FALL:
            self._set_timer(self._try_again, decision.delay)

    def _try_again(self) -> None:
        if self._may_begin:
            self.service.history.restarts += 1
            self._begin_life("its supervision", "started again")

    # The machinery.

    def _take(self, event: Event, text: str, reason: str) -> bool:
        """Enter the state that `event` leads to; False if the present state does not take the event.

        `text` is the event in words, `reason` why the service then is in its state.
        """
        state = next_state(self.state, event)
        if state is None:
            return False
        self._set_timer(None)
        self.is_waiting = self.is_waiting and state is State.STARTING
        self.service.enter(state, reason, self._loop.time())
        at_once = state is State.BACKOFF and self.attempt_at <= self._loop.time()
        self._settled.set() if state.settled and not at_once else self._settled.clear()
        self.down.set() if state.down else self.down.clear()
        self._changed(self, text)
        return True

    def _set_timer(self, action: Callable[[], None] | None, seconds: float = 0.0) -> None:
        """Have `action` called in some seconds, in place of what the timer was set to; None: have nothing called."""
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, action) if action else None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop holds no reference that would keep it alive
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s: internal error", self.name, exc_info=error)
