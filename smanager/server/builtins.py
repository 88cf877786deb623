"""The manager's own methods for programs: services looked after, jobs, a shell's lines; and the document about all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from smanager import __version__
from smanager.binding import schema
from smanager.commands import Command, CommandError
from smanager.keeper import Keeper
from smanager.server.collected import Collected, TooMuchError
from smanager.server.requests import TOO_MUCH_OUTPUT, RequestError, accepted
from smanager.shells.interpreter import Interpreter
from smanager.shells.root import Shells
from smanager.shells.running import send_signal, until
from smanager.shells.statuspages import facts, job_facts, line_facts, reasons
from smanager.signatures import describe, signature_of
from smanager.states import State

OPENRPC = "1.3.2"
"""The version of the OpenRPC specification that `rpc.discover` keeps to."""


class BuiltIns:
    """What one connection's requests may ask of the manager itself.

    What its methods are called with is checked by their annotations, as with services' commands. `_` in a name parts
    the two that programs see.
    """

    def __init__(self, shells: Shells, caller: str) -> None:
        self.reading = asyncio.Event()
        """That the program reads."""
        self.reading.set()
        self._shells = shells
        self._manager = shells.manager
        self._caller = caller
        self._outputs: list[Collected] = []  # the oldest first

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

    async def service_why(self, names: list[str]) -> list[dict[str, object]]:
        """Why services are as they are: their last lives, how they ended, and what was printed before the last end

        Args:
            names: which ones; a name may be a pattern, or `all`
        """
        return list(map(reasons, self._manager.chosen(names)))

    async def service_wait(self, names: list[str], state: State, timeout: timedelta | None = None) -> None:
        """Returns when services are in a state, and fails where that takes too long

        Args:
            names: which ones; a name may be a pattern, or `all`
            state: which state
            timeout: how long at most
        """
        seconds = None if timeout is None else timeout.total_seconds()
        await until(self._manager, self._manager.chosen(names), state, seconds, lambda text: None)

    async def service_signal(self, names: list[str], signal: str) -> None:
        """Send a signal to services' programs, or else to the processes that they live in

        Args:
            names: which ones; a name may be a pattern, or `all`
            signal: its name, such as HUP
        """
        send_signal(self._manager.chosen(names), signal)

    async def service_logs(self, name: str, count: int = 20) -> list[dict[str, object]]:
        """The lines that a service printed last

        Args:
            name: which service
            count: how many lines at most
        """
        keepers = self._manager.chosen([name])
        return [line_facts(line) for keeper in keepers for line in keeper.service.history.lines.last(count)]

    async def manager_events(self, count: int = 20) -> list[dict[str, object]]:
        """What happened to services

        Args:
            count: how many events at most
        """
        return list(map(line_facts, self._manager.events.last(count)))

    async def jobs_list(self) -> list[dict[str, object]]:
        """The commands that run: from whom, and for how many seconds"""
        return list(map(job_facts, self._manager.jobs.all()))

    async def jobs_cancel(self, number: int) -> None:
        """End a command that runs

        Args:
            number: its `id` in jobs.list
        """
        self._manager.jobs.cancel(number)

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
            await self.reading.wait()  # meanwhile its output counts as held
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
        commands = {name: built_in.command for name, built_in in BUILT_INS.items()}
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


class BuiltIn:
    """One of them, with its record."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._signature = signature_of(BuiltIns, function.__name__)
        self.command = describe(BuiltIns, function.__name__, function.__name__.replace("_", ".", 1))

    async def call(self, built_ins: BuiltIns, params: object) -> Any:
        positions, options = accepted(self.command, self.command.name, params)
        positions, options = self._signature.revive(positions, options)
        return await self._function(built_ins, *positions, **options)


_METHODS = (function for name, function in vars(BuiltIns).items() if not name.startswith("_"))

BUILT_INS = {built_in.command.name: built_in for built_in in map(BuiltIn, _METHODS)}


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
