"""The methods that a program may call, which are all commands, and how results and errors reach the program."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from smanager.access.audit import WRONG_ARGUMENTS
from smanager.access.callers import Caller
from smanager.commands.record import CommandError, Failure
from smanager.config.file import ConfigError
from smanager.hosts import job
from smanager.server.rpc.errors import FAILED, INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, RequestError, accepted
from smanager.server.rpc.protocol import METHODS, Lines, Notify, ProtocolMethod, ProtocolMethods
from smanager.shells.base import PLANNED_LINE, remember
from smanager.shells.interpreter import Interpreter, captured
from smanager.shells.root import Shells
from smanager.shells.texts import script_text
from smanager.supervision.commands.own import Requester
from smanager.supervision.dispatch import Plan, bound_own, bound_to_service
from smanager.supervision.running import OwnCall, Running

Done = Callable[[object], None]  # takes a method's result, or its RequestError
RunningMethod = Running | asyncio.Task[Any]  # a method that runs, and can be cancelled

log = logging.getLogger("smanager")


class Methods:
    """The methods that one connection's requests may call."""

    def __init__(self, shells: Shells, caller: Caller) -> None:
        self._shells = shells
        self._dispatcher = shells.dispatcher
        self._caller = caller
        self._requester = Requester(caller, partial(captured, shells, caller, path=None, as_data=False))
        self._is_read = asyncio.Event()  # set while the program reads
        self._is_read.set()
        self._running: set[Running | Interpreter] = set()
        self._held: list[Callable[[], None]] = []  # answers that wait for the program to read
        self._lines = Lines(shells, caller, self._is_read, self._running)

    @property
    def paused(self) -> bool:
        return not self._is_read.is_set()

    def pause(self) -> None:
        """The program does not read: hold back answers, and the output of what runs."""
        self._is_read.clear()
        for one in self._running:
            one.pause()

    def resume(self) -> None:
        self._is_read.set()
        for one in list(self._running):
            one.resume()
        held, self._held = self._held, []
        for answer in held:
            answer()

    def begin(self, name: str, params: object, notify: Notify, done: Done) -> RunningMethod | None:
        """Call a method. `done` is given its result or its RequestError, at once where nothing needs to run."""
        try:
            return self._begin(name, params, notify, done)
        except (RequestError, CommandError, ConfigError) as error:
            if isinstance(error, RequestError) and error.code == METHOD_NOT_FOUND:
                self._dispatcher.unknown(self._caller, name, name.split(".", 1))
            elif isinstance(error, RequestError):
                self._dispatcher.manager.audit.refused(self._caller, name, WRONG_ARGUMENTS)
            done(refusal(error))
            return None

    def _begin(self, name: str, params: object, notify: Notify, done: Done) -> RunningMethod | None:
        if method := METHODS.get(name):
            return self._begin_protocol(method, params, notify, done)
        sink = Results(notify)
        running = self._plan(name, params)(self._requester, sink)
        if running is None:
            self._answer(done, sink.result)
        else:
            self._follow(running, sink, done)
        return running

    def _plan(self, name: str, params: object) -> Plan:
        """What a request means; what it has meant before is remembered. Raises RequestError or CommandError."""
        view = self._shells.view(self._caller.permissions)
        try:
            key = name, repr(params)
        except RecursionError:  # it has just been decoded, with a little more room
            raise RequestError(INVALID_PARAMS, f"{name}: its params are nested too deeply") from None
        if plan := view.plans.get(key):
            return plan
        if own := view.own.get(name):
            command = own.command
            plan = partial(self._dispatcher.run, own, bound_own(command, accepted(command, name, params)))
        elif called := view.method(name):
            service, command = called
            bound = bound_to_service(service.name, command, accepted(command, name, params), name)
            plan = partial(self._dispatcher.call, bound)
        else:
            raise RequestError(METHOD_NOT_FOUND, f"unknown method {name}; rpc.discover lists the methods")
        if not command.has_secrets and sum(map(len, key)) <= PLANNED_LINE:
            remember(view.plans, key, plan)
        return plan

    def _follow(self, running: Running, sink: Results, done: Done) -> None:
        """Answer when the command ends."""

        def ended(failure: Failure | None) -> None:
            self._running.discard(running)
            if failure is None:
                self._answer(done, sink.result)
                return
            failure_type = failure.type or ("HostError" if running.service else "CommandError")
            data = {"type": failure_type, "message": failure.message}
            self._answer(done, RequestError(FAILED, f"{running.caption}: {failure}", data))

        running.ended = ended
        self._running.add(running)
        if isinstance(running, OwnCall) and running.is_endless:
            sink.endless()
        if self.paused:
            running.pause()

    def _begin_protocol(self, method: ProtocolMethod, params: object, notify: Notify, done: Done) -> RunningMethod:
        arguments = accepted(method.command, method.command.name, params)
        methods = ProtocolMethods(self._lines, notify)
        task = asyncio.ensure_future(method.call(methods, arguments))

        def ended(task: asyncio.Task[Any]) -> None:
            if task.cancelled():
                self._answer(done, RequestError(FAILED, f"{method.command.name}: cancelled"))
            elif error := task.exception():
                self._answer(done, refusal(error))
            else:
                self._answer(done, task.result())

        task.add_done_callback(ended)
        return task

    def _answer(self, done: Done, result: object) -> None:
        if self.paused:
            self._held.append(lambda: done(result))
        else:
            done(result)


@dataclass
class Results:
    """Keeps what a command returns, and sends what it yields at once."""

    _notify: Notify
    result: Any = None
    as_data = True
    columns = 0

    def text(self, value: Any) -> str:
        return script_text(value)

    def write(self, text: str) -> None:
        """Do nothing: a command that is asked for values prints no text."""

    def value(self, value: Any) -> None:
        self.result = value

    def item(self, value: Any) -> None:
        self._notify("$/item", {"value": value})

    def endless(self) -> None:
        """Say that the command goes on until the program has seen enough."""
        self._notify("$/endless", {})

    def progress(self, done: float, total: float | None, text: str) -> None:
        self._notify("$/progress", {"done": done, "total": total, "text": text})


def refusal(error: BaseException) -> RequestError:
    """The error of a method that raised one."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, CommandError | ConfigError):
        return RequestError(FAILED, str(error), {"type": type(error).__name__, "message": str(error)})
    log.error("internal error in a program's request", exc_info=error)
    return RequestError(INTERNAL_ERROR, job.INTERNAL_ERROR)
