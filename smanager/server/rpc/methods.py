"""What programs may call: the services' commands and the manager's own; how results and errors are told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from smanager.access.audit import NO_COMMAND, NOT_ALLOWED, WRONG_ARGUMENTS, Entry
from smanager.access.callers import Caller
from smanager.commands.record import Command, CommandError, Failure
from smanager.config.file import ConfigError
from smanager.hosts.call import Call
from smanager.server.rpc.builtins import BUILT_INS, NOTIFY, BuiltIn, BuiltIns, Notify
from smanager.server.rpc.errors import FAILED, INTERNAL_ERROR, METHOD_NOT_FOUND, RequestError, accepted
from smanager.shells.root import Shells
from smanager.supervision.catalogue import Service

Done = Callable[[object], None]
"""Is given a method's result, or its RequestError."""

log = logging.getLogger("smanager")


class Cancellable(Protocol):
    """Something that runs."""

    def cancel(self) -> object: ...


class Methods:
    """The methods that one connection's requests may call."""

    def __init__(self, shells: Shells, caller: Caller) -> None:
        self.paused = False
        """Whether the program does not read."""
        self._built_ins = BuiltIns(shells, caller)
        self._shells = shells
        self._manager = shells.manager
        self._caller = caller
        self._calls: set[Call] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._held: list[Callable[[], None]] = []  # answers that wait to be read

    def pause(self) -> None:
        """The program does not read: answers wait, and what runs is held back."""
        self.paused = True
        self._built_ins.pause()
        for call in self._calls:
            call.pause()

    def resume(self) -> None:
        self.paused = False
        self._built_ins.resume()
        for call in self._calls:
            call.resume()
        held, self._held = self._held, []
        for answer in held:
            answer()

    def begin(self, name: str, params: object, notify: Notify, done: Done) -> Cancellable | None:
        """Call a method; `done` is given its result or its RequestError, here already where nothing is to run."""
        try:
            if (built_in := BUILT_INS.get(name)) and built_in.is_shown_to(self._caller):
                return self._begin_built_in(built_in, params, notify, done)
            return self._begin_command(name, *self._found(name), params, notify, done)
        except (RequestError, CommandError) as error:
            if isinstance(error, RequestError):
                self._refused(name, error.code)
            done(refusal(error))
            return None

    def _refused(self, name: str, code: int) -> None:
        """Have a refusal written down."""
        if code != METHOD_NOT_FOUND:
            reason = WRONG_ARGUMENTS
        elif name in BUILT_INS or self._manager.catalogue.has_command(*name.split(".", 1)):
            reason = NOT_ALLOWED
        else:
            reason = NO_COMMAND
        self._manager.audit.refused(self._caller, name, reason)

    def _begin_built_in(self, built_in: BuiltIn, params: object, notify: Notify, done: Done) -> Cancellable:
        NOTIFY.set(notify)  # for the task, which takes it along
        arguments = built_in.accepted(params)
        entry = self._manager.audit.begin(self._caller, built_in.command.name, params) if built_in.is_one else None
        task = asyncio.ensure_future(built_in.call(self._built_ins, arguments))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._end_built_in(task, built_in, entry, done))
        return task

    def _end_built_in(self, task: asyncio.Task[Any], built_in: BuiltIn, entry: Entry | None, done: Done) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if entry:
            entry.end("cancelled" if task.cancelled() else str(error) if error else None)
        if task.cancelled():
            self._answer(done, RequestError(FAILED, f"{built_in.command.name}: cancelled"))
        elif error:
            self._answer(done, refusal(error))
        else:
            self._answer(done, task.result())

    def _answer(self, done: Done, result: object) -> None:
        if self.paused:
            self._held.append(lambda: done(result))
        else:
            done(result)

    def _found(self, name: str) -> tuple[Service, Command]:
        """The command that a method is: `service.command`, or a toplevel one's name."""
        view = self._shells.view(self._caller.permissions)
        service_name, _, command_name = name.rpartition(".")
        if service := view.services.get(service_name):
            if command := view.called(service_name).get(command_name):
                return service, command
        elif name in view.called_toplevel:
            return view.called_toplevel[name]
        raise RequestError(METHOD_NOT_FOUND, f"there is no method {name}; rpc.discover says what there is")

    def _begin_command(
        self, name: str, service: Service, command: Command, params: object, notify: Notify, done: Done
    ) -> Cancellable:
        sink = Results(notify)
        arguments = accepted(command, name, params)
        call = self._manager.call(service, command, arguments, name, self._caller, sink, as_data=True)

        def ended(failure: Failure | None) -> None:
            self._calls.discard(call)
            if failure is None:
                self._answer(done, sink.result)
            else:
                data = {"type": failure.type or "HostError", "message": failure.message}
                self._answer(done, RequestError(FAILED, f"{name}: {failure}", data))

        call.ended = ended
        self._calls.add(call)
        if self.paused:
            call.pause()
        return call


class Results:
    """Takes what a command returns: the value is kept, and what it yields is told at once."""

    def __init__(self, notify: Notify) -> None:
        self.result: Any = None
        self._notify = notify

    def write(self, text: str) -> None:
        """Nothing comes as text."""

    def value(self, value: Any) -> None:
        self.result = value

    def item(self, value: Any) -> None:
        self._notify("$/item", {"value": value})

    def progress(self, done: float, total: float | None, text: str) -> None:
        self._notify("$/progress", {"done": done, "total": total, "text": text})


def refusal(error: BaseException) -> RequestError:
    """What a caller is told of an error."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, CommandError | ConfigError):
        return RequestError(FAILED, str(error), {"type": type(error).__name__, "message": str(error)})
    log.error("a mistake in SManager, met by a program's request", exc_info=error)
    return RequestError(INTERNAL_ERROR, "SManager made a mistake; its log says more")
