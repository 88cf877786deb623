"""The manager's own methods for programs: services looked after, jobs, a shell's lines; and the document about all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from smanager import __version__
from smanager.access.callers import Caller
from smanager.commands.arguments import Arguments, schema
from smanager.commands.record import Command, CommandError, Status
from smanager.commands.signatures import describe, signature_of
from smanager.server.rpc.errors import TOO_MUCH_OUTPUT, RequestError, accepted
from smanager.server.rpc.outputs import Collected, Streamed, TooMuchError
from smanager.shells.interpreter import Interpreter
from smanager.shells.operations import NOT_ALL, is_known
from smanager.shells.people import broadcast, kick, sessions, whoami
from smanager.shells.root import Shells
from smanager.shells.running import send_signal, until
from smanager.shells.statuspages import facts, job_facts, line_facts, reasons
from smanager.supervision.keeper import Keeper
from smanager.supervision.selection import chosen
from smanager.supervision.states import State

Notify = Callable[[str, dict[str, Any]], None]
"""Tells the caller something before the answer: a notification's name, and its parameters but the id."""

NOTIFY: ContextVar[Notify] = ContextVar("notify")
"""That of the request that is carried out."""

CANCEL_SECONDS = 1.0
"""How long the last words of a command may take that is cancelled; a call has a tenth of it."""

OPENRPC = "1.3.2"
"""The version of the OpenRPC specification that `rpc.discover` keeps to."""


class BuiltIns:
    """What one connection's requests may ask of the manager itself.

    What its methods are called with is checked by their annotations, as with services' commands. `_` in a name parts
    the two that programs see.
    """

    def __init__(self, shells: Shells, caller: Caller) -> None:
        self._reading = asyncio.Event()  # that the program reads
        self._reading.set()
        self._streamed: set[Interpreter] = set()
        self._shells = shells
        self._manager = shells.manager
        self._caller = caller
        self._outputs: list[Collected] = []  # the oldest first

    async def services_list(self) -> list[dict[str, object]]:
        """The services and how they are: times in seconds, memory in bytes"""
        return self._facts(self._manager.permitted(self._caller, "status").values())

    async def service_start(self, names: list[str]) -> list[dict[str, object]]:
        """Start services, and what they need; returns how they are then

        Args:
            names: which ones; a name may be a pattern, or `all`
        """
        return await self._changed("start", names, self._manager.start, State.RUNNING)

    async def service_stop(self, names: list[str]) -> list[dict[str, object]]:
        """Stop services, and before them those that need them; returns how they are then

        Args:
            names: which ones; a name may be a pattern, or `all`
        """
        return await self._changed("stop", names, self._manager.stop, None)

    async def service_restart(self, names: list[str]) -> list[dict[str, object]]:
        """Restart services, with those that need them or share their processes; returns how they are then

        Args:
            names: which ones; a name may be a pattern, or `all`
        """
        return await self._changed("restart", names, self._manager.restart, State.RUNNING)

    async def service_why(self, names: list[str]) -> list[dict[str, object]]:
        """Why services are as they are: their last lives, how they ended, and what was printed before the last end

        Args:
            names: which ones; a name may be a pattern, or `all`
        """
        return [reasons(keeper, self._caller.permissions.know) for keeper in self._meant("why", names)]

    async def service_wait(self, names: list[str], state: State, timeout: timedelta | None = None) -> None:
        """Returns when services are in a state, and fails where that takes too long

        Args:
            names: which ones; a name may be a pattern, or `all`
            state: which state
            timeout: how long at most
        """
        seconds = None if timeout is None else timeout.total_seconds()
        await until(self._manager, self._meant("wait", names), state, seconds, lambda text: None)

    async def service_signal(self, names: list[str], signal: str) -> None:
        """Send a signal to services' programs, or else to the processes that they live in

        Args:
            names: which ones; a name may be a pattern, or `all`
            signal: its name, such as HUP
        """
        send_signal(self._meant("signal", names), signal)

    async def service_logs(self, name: str, count: int = 20) -> list[dict[str, object]]:
        """The lines that a service printed last

        Args:
            name: which service
            count: how many lines at most
        """
        keepers = self._meant("logs", [name])
        return [line_facts(line) for keeper in keepers for line in keeper.service.history.lines.last(count)]

    async def manager_events(self, count: int = 20) -> list[dict[str, object]]:
        """What happened to services

        Args:
            count: how many events at most
        """
        allow = self._caller.permissions.allow_on
        return list(map(line_facts, self._manager.events.last(count, lambda event: allow("events", event.service))))

    async def jobs_list(self) -> list[dict[str, object]]:
        """The commands that run: from whom, and for how many seconds"""
        return list(map(job_facts, self._manager.jobs.shown_to(self._caller)))

    async def jobs_cancel(self, number: int) -> None:
        """End a command that runs

        Args:
            number: its `id` in jobs.list
        """
        self._manager.jobs.cancel(number, self._caller)

    async def manager_reload(self, *, dry_run: bool = False) -> list[str]:
        """Apply changed files and configuration; returns what that does

        Args:
            dry_run: only say it
        """
        if dry_run:
            return list(map(str, (await self._manager.plan()).changes))
        told: list[str] = []
        await asyncio.shield(
            asyncio.ensure_future(self._manager.reload(self._caller, lambda one: told.append(str(one))))
        )
        return told

    async def sessions_list(self) -> list[dict[str, object]]:
        """Who is connected: from where, for how many seconds, and what runs"""
        return sessions(self._manager, self._caller)

    async def sessions_kick(self, number: int) -> None:
        """End a session

        Args:
            number: its `id` in sessions.list
        """
        kick(self._manager, number, self._caller)

    async def sessions_broadcast(self, text: str) -> None:
        """Show people at a prompt a message"""
        broadcast(self._manager, text, self._caller)

    async def sessions_whoami(self) -> dict[str, object]:
        """Who the caller is here"""
        return whoami(self._caller)

    async def shell_execute(self, line: str, *, stream: bool = False, json: bool = False) -> dict[str, object]:
        """Run a line of commands as a script's; returns their output, and the worst of their statuses

        Args:
            line: the commands
            stream: send the output as `$/item` notifications, as it comes
            json: have each command answer in JSON
        """
        if stream:
            return await self._stream(line, json)
        done = asyncio.Event()
        output = Collected(self._share)
        interpreter = output.interpreter = Interpreter(self._shells, output, done.set, False, self._caller)
        interpreter.always_json = json
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

    async def _stream(self, line: str, json: bool) -> dict[str, object]:
        done = asyncio.Event()
        output = Streamed(NOTIFY.get())
        interpreter = Interpreter(self._shells, output, done.set, False, self._caller)
        interpreter.always_json = json
        self._streamed.add(interpreter)
        if not self._reading.is_set():
            interpreter.pause()
        try:
            if not interpreter.feed(line):
                await done.wait()
        except asyncio.CancelledError:
            done.clear()
            interpreter.cancel()
            if interpreter.busy:
                await asyncio.wait_for(done.wait(), CANCEL_SECONDS)  # its last words come before the answer
            raise
        finally:
            self._streamed.discard(interpreter)
        return {"output": "", "status": interpreter.status.value}

    async def shell_complete(self, line: str) -> dict[str, object]:
        """What the last word of a line could be, and where it begins"""
        interpreter = Interpreter(self._shells, Collected(lambda: None), lambda: None, False, self._caller)
        start, matches = await interpreter.complete(line)
        return {"start": start, "matches": matches}

    async def rpc_discover(self) -> dict[str, object]:
        """All that may be called, as an OpenRPC document"""
        shown = {name: found for name, found in BUILT_INS.items() if found.is_shown_to(self._caller)}
        commands = {name: built_in.command for name, built_in in shown.items()}
        view = self._shells.view(self._caller.permissions)
        commands |= {name: command for name, (_, command) in view.toplevel.items()}
        for service in view.services:
            commands |= {f"{service}.{name}": command for name, command in view.commands(service).items()}
        commands = {name: command for name, command in commands.items() if not command.hidden}
        return {
            "openrpc": OPENRPC,
            "info": {"title": "SManager", "version": __version__},
            "methods": [method_object(name, command) for name, command in commands.items()],
        }

    def pause(self) -> None:
        """The program does not read."""
        self._reading.clear()
        for interpreter in self._streamed:
            interpreter.pause()

    def resume(self) -> None:
        self._reading.set()
        for interpreter in list(self._streamed):
            interpreter.resume()

    def _meant(self, verb: str, names: Sequence[str]) -> list[Keeper]:
        """The services that names mean, of those on which the caller may do this."""
        if verb == "restart" and "all" in names and not self._caller.permissions.allow("restart all"):
            raise CommandError(NOT_ALL, Status.UNUSABLE)
        return chosen(names, self._manager.permitted(self._caller, verb))

    async def _changed(
        self, verb: str, names: Sequence[str], change: Callable[..., Any], wanted: State | None
    ) -> list[dict[str, object]]:
        keepers = self._meant(verb, names)
        told: list[str] = []
        await asyncio.shield(
            asyncio.ensure_future(change(keepers, self._caller, lambda one: told.append(str(one))))
        )  # never half done
        if wanted and any(keeper.state is not wanted for keeper in keepers):
            known = self._manager.permitted(self._caller, verb)
            told = [line for line in told if is_known(line, known, self._manager.keepers)]
            raise CommandError(f"not everything is running: {'; '.join(told)}")
        return self._facts(keepers)

    def _facts(self, keepers: Iterable[Keeper]) -> list[dict[str, object]]:
        return [facts(keeper, self._caller.permissions.know) for keeper in keepers]

    def _share(self) -> None:
        """While too much output is held, let only the oldest request go on."""
        Collected.share(self._outputs)


_SHELL_NAMES = {"services.list": "status", "jobs.list": "jobs", "sessions.list": "who"}
"""Where a method is called otherwise than the shells' command."""

_FOR_ALL = ("execute", "complete", "discover")
"""What asks for each command itself."""


class BuiltIn:
    """One of them, with its record."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._signature = signature_of(BuiltIns, function.__name__)
        self.command = describe(BuiltIns, function.__name__, function.__name__.replace("_", ".", 1))
        self.is_one = self.command.name.partition(".")[2] not in _FOR_ALL
        """Whether it is a command itself; else it runs others, each of which is asked for and written down."""
        self._shell_name = _SHELL_NAMES.get(self.command.name, self.command.name.partition(".")[2])

    def is_shown_to(self, caller: Caller) -> bool:
        """Whether a caller may call it, as the shells' command that does the same."""
        return self._shell_name in _FOR_ALL or caller.permissions.show(self._shell_name)

    def accepted(self, params: object) -> Arguments:
        """A request's params as what it is called with. Raises RequestError where they are wrong."""
        return Arguments(*self._signature.revive(*accepted(self.command, self.command.name, params)))

    async def call(self, built_ins: BuiltIns, arguments: Arguments) -> Any:
        return await self._function(built_ins, *arguments.positions, **arguments.options)


_METHODS = (function for name, function in vars(BuiltIns).items() if not name.startswith("_") and "_" in name)

BUILT_INS = {built_in.command.name: built_in for built_in in map(BuiltIn, _METHODS)}


def method_object(name: str, command: Command) -> dict[str, object]:
    """What OpenRPC says of a method."""
    return {
        "name": name,
        "summary": command.summary,
        "description": command.doc,
        "paramStructure": "by-name" if any(one.option or one.rest for one in command.parameters) else "either",
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
