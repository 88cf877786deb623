"""What programs may call: the services' commands, the manager's own, and shells' lines; and the document about them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from smanager import __version__
from smanager.binding import Arguments, accept, schema
from smanager.catalogue import Service
from smanager.commands import Command, CommandError, Status
from smanager.config import ConfigError
from smanager.hosts.remotecall import Call
from smanager.keeper import Keeper
from smanager.server.collected import Collected, TooMuchError
from smanager.shells.interpreter import Interpreter
from smanager.shells.root import Shells
from smanager.shells.statuspages import facts
from smanager.signatures import signature_of, without_parameters
from smanager.states import State

METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32601, -32602, -32603
FAILED, TOO_MUCH_OUTPUT = -32000, -32001  # of the range that the specification leaves to servers

Done = Callable[[object], None]
"""Is given a method's result, or its RequestError."""

Notify = Callable[[str, dict[str, Any]], None]
"""Tells the caller something before the answer: a notification's name, and its parameters but the id."""

OPENRPC = "1.3.2"

log = logging.getLogger("smanager")

_EXCEPTION = re.compile(r"([A-Z]\w*)(?:: (.*))?", re.DOTALL)


class RequestError(Exception):
    """A request that gets an error instead of a result."""

    def __init__(self, code: int, message: str, data: object = None, identity: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data
        self.identity = identity
        """The request's id, where it could be read and nothing more."""


class Cancellable(Protocol):
    """Something that runs."""

    def cancel(self) -> object: ...


class Methods:
    """The methods that one connection's requests may call."""

    def __init__(self, shells: Shells, caller: str) -> None:
        self.paused = False
        """Whether the program does not read."""
        self._reading = asyncio.Event()  # that it does
        self._reading.set()
        self._shells = shells
        self._manager = shells.manager
        self._caller = caller
        self._calls: set[Call] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._held: list[Callable[[], None]] = []  # answers that wait to be read
        self._outputs: list[Collected] = []  # the oldest first

    def pause(self) -> None:
        """The program does not read: answers wait, and what runs is held back."""
        self.paused = True
        self._reading.clear()
        for call in self._calls:
            call.pause()

    def resume(self) -> None:
        self.paused = False
        self._reading.set()
        for call in self._calls:
            call.resume()
        held, self._held = self._held, []
        for answer in held:
            answer()

    def begin(self, name: str, params: object, notify: Notify, done: Done) -> Cancellable | None:
        """Call a method; `done` is given its result or its RequestError, here already where nothing is to run."""
        try:
            if own := OWN.get(name):
                return self._begin_own(own, params, done)
            return self._begin_command(name, *self._found(name), params, notify, done)
        except (RequestError, CommandError) as error:
            done(refusal(error))
            return None

    def _begin_own(self, own: Own, params: object, done: Done) -> Cancellable:
        task = asyncio.ensure_future(own.call(self, params))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._end_own(task, own, done))
        return task

    def _end_own(self, task: asyncio.Task[Any], own: Own, done: Done) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            self._answer(done, RequestError(FAILED, f"{own.command.name}: cancelled"))
        elif error := task.exception():
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
        catalogue = self._manager.catalogue
        service_name, _, command_name = name.rpartition(".")
        if service := catalogue.services.get(service_name):
            if command := service.commands.get(command_name):
                return service, command
        elif name in catalogue.toplevel:
            return catalogue.toplevel[name]
        raise RequestError(METHOD_NOT_FOUND, f"there is no method {name}; rpc.discover says what there is")

    def _begin_command(
        self, name: str, service: Service, command: Command, params: object, notify: Notify, done: Done
    ) -> Cancellable:
        sink = Results(notify)
        arguments = accepted(command, name, params)
        call = self._manager.call(service, command, arguments, name, self._caller, sink, as_data=True).call

        def ended(error: str | None) -> None:
            self._calls.discard(call)
            if error is None:
                self._answer(done, sink.result)
            else:
                self._answer(done, RequestError(FAILED, error, described(error.removeprefix(f"{name}: "))))

        call.ended = ended
        self._calls.add(call)
        if self.paused:
            call.pause()
        return call

    # The manager's own. What these are called with is checked by their annotations, as with services' commands.

    async def services_list(self) -> list[dict[str, object]]:
        """The services and how they are: times in seconds, memory in bytes"""
        return [facts(keeper) for keeper in self._manager.all()]

    async def service_start(self, names: list[str]) -> list[dict[str, object]]:
        """Start services, and what they need; returns how they are then

        Args:
            names: which ones; a name may be a pattern, or `all`
        """
        return await self._changed(names, self._manager.start, State.RUNNING)

    async def service_stop(self, names: list[str]) -> list[dict[str, object]]:
        """Stop services, and before them those that need them; returns how they are then

        Args:
            names: which ones; a name may be a pattern, or `all`
        """
        return await self._changed(names, self._manager.stop, None)

    async def service_restart(self, names: list[str]) -> list[dict[str, object]]:
        """Restart services, with those that need them or share their processes; returns how they are then

        Args:
            names: which ones; a name may be a pattern, or `all`
        """
        return await self._changed(names, self._manager.restart, State.RUNNING)

    async def service_logs(self, name: str, count: int = 20) -> list[dict[str, object]]:
        """The lines that a service printed last

        Args:
            name: which service
            count: how many lines at most
        """
        keepers = self._manager.chosen([name])
        lines = [line for keeper in keepers for line in keeper.service.history.lines.last(count)]
        return [{"when": line.when, "service": line.service, "text": line.text} for line in lines]

    async def manager_reload(self, *, dry_run: bool = False) -> list[str]:
        """Apply changed files and configuration; returns what that does

        Args:
            dry_run: only say it
        """
        if dry_run:
            return list(map(str, (await self._manager.plan()).changes))
        told: list[str] = []
        await asyncio.shield(asyncio.ensure_future(self._manager.reload(self._caller, told.append)))
        return told

    async def shell_execute(self, line: str) -> dict[str, object]:
        """Run a line of commands as a script's; returns their output, and the worst of their statuses"""
        done = asyncio.Event()
        output = Collected(self._share)
        interpreter = output.interpreter = Interpreter(self._shells, output, done.set, False, self._caller)
        self._outputs.append(output)
        try:
            if not interpreter.feed(line):
                await done.wait()
            await self._reading.wait()  # meanwhile its output counts as held
        finally:
            interpreter.cancel()
            self._outputs.remove(output)
            self._share()
        try:
            return {"output": output.text(), "status": interpreter.status.value}
        except TooMuchError as error:
            raise RequestError(TOO_MUCH_OUTPUT, str(error)) from None

    async def shell_complete(self, line: str) -> dict[str, object]:
        """What the last word of a line could be, and where it begins"""
        interpreter = Interpreter(self._shells, Collected(lambda: None), lambda: None, False, self._caller)
        start, matches = await interpreter.complete(line)
        return {"start": start, "matches": matches}

    async def rpc_discover(self) -> dict[str, object]:
        """All that may be called, as an OpenRPC document"""
        commands = {name: own.command for name, own in OWN.items()}
        catalogue = self._manager.catalogue
        commands |= {name: command for name, (_, command) in catalogue.toplevel.items()}
        for service in catalogue.services.values():
            commands |= {f"{service.name}.{name}": command for name, command in service.commands.items()}
        commands = {name: command for name, command in commands.items() if not command.hidden}
        return {
            "openrpc": OPENRPC,
            "info": {"title": "SManager", "version": __version__},
            "methods": [method_object(name, command) for name, command in commands.items()],
        }

    async def _changed(
        self, names: Sequence[str], change: Callable[..., Any], wanted: State | None
    ) -> list[dict[str, object]]:
        keepers: list[Keeper] = self._manager.chosen(names)
        told: list[str] = []
        await asyncio.shield(asyncio.ensure_future(change(keepers, self._caller, told.append)))  # never half done
        if wanted and any(keeper.state is not wanted for keeper in keepers):
            raise CommandError(f"not everything is running: {'; '.join(told)}")
        return list(map(facts, keepers))

    def _share(self) -> None:
        """While too much output is held, let only the oldest request go on."""
        Collected.share(self._outputs)


class Own:
    """One of the manager's own methods; `_` in its name parts the two that programs see."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._signature = signature_of(Methods, function.__name__)
        doc = without_parameters(inspect.getdoc(function) or "")
        returns = self._signature.returns
        name = function.__name__.replace("_", ".", 1)
        self.command = Command(name, doc, self._signature.parameters, returns=returns)

    async def call(self, methods: Methods, params: object) -> Any:
        positions, options = accepted(self.command, self.command.name, params)
        positions, options = self._signature.revive(positions, options)
        return await self._function(methods, *positions, **options)


_OWN = (
    Methods.services_list,
    Methods.service_start,
    Methods.service_stop,
    Methods.service_restart,
    Methods.service_logs,
    Methods.manager_reload,
    Methods.shell_execute,
    Methods.shell_complete,
    Methods.rpc_discover,
)

OWN = {own.command.name: own for own in (Own(function) for function in _OWN)}


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


def accepted(command: Command, name: str, params: object) -> Arguments:
    try:
        return accept(command, name, params)
    except CommandError as error:
        if error.status is not Status.UNUSABLE:
            raise
        raise RequestError(INVALID_PARAMS, str(error)) from None


def refusal(error: BaseException) -> RequestError:
    """What a caller is told of an error."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, CommandError | ConfigError):
        return RequestError(FAILED, str(error), {"type": type(error).__name__, "message": str(error)})
    log.error("a mistake in SManager, met by a program's request", exc_info=error)
    return RequestError(INTERNAL_ERROR, "SManager made a mistake; its log says more")


def described(error: str) -> dict[str, str]:
    """An error as its type and its message."""
    match = _EXCEPTION.fullmatch(error)
    return {"type": match[1], "message": match[2] or ""} if match else {"type": "HostError", "message": error}


def method_object(name: str, command: Command) -> dict[str, object]:
    """What OpenRPC says of a method."""
    return {
        "name": name,
        "summary": command.summary,
        "description": command.doc,
        "paramStructure": "either",
        "params": [
            {
                "name": parameter.name,
                "description": parameter.doc,
                "required": parameter.required,
                "schema": schema(parameter),
            }
            for parameter in command.parameters
        ],
        "result": {"name": "result", "schema": command.returns},
    }
