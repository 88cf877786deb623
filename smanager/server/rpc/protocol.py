"""The protocol's own methods: a shell's lines for programs, and the document about all methods."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from smanager import __version__
from smanager.access.callers import Caller
from smanager.access.roles import EVERYONE
from smanager.commands.arguments import Arguments, schema
from smanager.commands.record import Command
from smanager.commands.signatures import command_with, signature_of
from smanager.server.rpc.errors import INVALID_PARAMS, TOO_MUCH_OUTPUT, RequestError
from smanager.service import command
from smanager.shells.interpreter import Interpreter, finished
from smanager.shells.output import PlainOutput
from smanager.shells.root import Shells
from smanager.supervision.running import Running

READ_ONLY = "x-read-only"  # true of methods that change nothing; OpenRPC keeps names with `x-` free for extensions

OPENRPC = "1.3.2"  # the version of the OpenRPC specification that `rpc.discover` follows

OUTPUT_LIMIT = 16 * 1024 * 1024
"""Characters of output that one reply holds, since a reply is kept whole until its commands end; also the total of one
connection's requests above which only the oldest of them goes on."""

COMMANDS = "Commands"  # the group of the commands that have no other

WIDEST = 1000  # columns: no terminal has more, and wider tables would only cost time

LINE_LIMIT = 64 * 1024  # characters of a line of commands, as many as a session may send

Notify = Callable[[str, dict[str, Any]], None]
"""Sends the caller a notification before the answer: its name, and its parameters except the id."""


@dataclass
class Streamed(PlainOutput):
    """Sends output to the program as it comes."""

    _notify: Notify
    _columns: int

    @property
    def columns(self) -> int:
        return self._columns

    def write(self, text: str) -> None:
        self._notify("$/item", {"value": text})


class LineOptions(NamedTuple):
    """How a line runs."""

    json: bool  # whether each command answers in JSON
    shell: str | None  # the service in whose shell the line begins, "" for none; None if the answer need not say more
    columns: int  # the width of the window that tables are fitted to; 0 for tabs
    kept: list[int] | None  # takes the numbers of the commands' runs, which are all kept then

    def prepare(self, interpreter: Interpreter) -> None:
        interpreter.always_json = self.json
        if self.shell:
            interpreter.go_to(self.shell)

    def answer(self, output: str, interpreter: Interpreter) -> dict[str, object]:
        runs = {} if self.kept is None else {"runs": self.kept}
        shell = {} if self.shell is None else {"shell": None if interpreter.ended else interpreter.service or ""}
        return {"output": output, "status": interpreter.status.value, **runs, **shell}


@dataclass(eq=False)
class Collected(PlainOutput):
    """Keeps the output of one request."""

    _grown: Callable[[], None]  # is called when there is more output
    _columns: int = 0
    interpreter: Interpreter = field(init=False)
    length: int = 0
    _pieces: list[str] = field(default_factory=list)
    _held: bool = False

    @property
    def columns(self) -> int:
        return self._columns

    def write(self, text: str) -> None:
        self.length += len(text)
        if self.length <= OUTPUT_LIMIT:
            self._pieces.append(text)
        self._grown()

    def hold(self, hold: bool) -> None:
        """Hold back the request's commands, or let them go on."""
        if hold is not self._held:
            self._held = hold
            self.interpreter.pause() if hold else self.interpreter.resume()

    def text(self) -> str:
        """The output. Raises RequestError if a reply cannot hold it."""
        if self.length > OUTPUT_LIMIT:
            message = f"{self.length} characters of output; a reply holds {OUTPUT_LIMIT}: run it as a plain line"
            raise RequestError(TOO_MUCH_OUTPUT, message)
        return "".join(self._pieces)


@dataclass
class Lines:
    """The lines that one connection's requests run."""

    shells: Shells
    caller: Caller
    is_read: asyncio.Event  # set while the program reads
    running: set[Running | Interpreter]  # what is paused while the program does not read
    _collected: list[Collected] = field(default_factory=list)  # the oldest first

    async def turn(self) -> None:
        """Wait for a turn of the loop that has time for a request."""
        await self.shells.turns.come(self.caller.party)

    async def collect(self, line: str, options: LineOptions) -> dict[str, object]:
        """Run a line, and return its output and status. Raises RequestError if a reply cannot hold the output."""
        done = asyncio.Event()
        output = Collected(self._share, options.columns)
        interpreter = output.interpreter = Interpreter(self.shells, output, done.set, False, self.caller, options.kept)
        options.prepare(interpreter)
        self._collected.append(output)
        try:
            if not interpreter.feed(line):
                await done.wait()
            await self.is_read.wait()  # until then the output counts as held
        finally:
            interpreter.cancel()
            self._collected.remove(output)
            self._share()
        return options.answer(output.text(), interpreter)

    async def stream(self, line: str, options: LineOptions, notify: Notify) -> dict[str, object]:
        """Run a line, send its output as it comes, and return its status, and its last error if there was one."""
        done = asyncio.Event()
        output = Streamed(notify, options.columns)
        interpreter = Interpreter(self.shells, output, done.set, False, self.caller, options.kept)
        options.prepare(interpreter)
        self.running.add(interpreter)
        if not self.is_read.is_set():
            interpreter.pause()
        try:
            await finished(interpreter, line, done)
        finally:
            self.running.discard(interpreter)
        error = {"error": interpreter.error} if interpreter.error else {}
        return {**options.answer("", interpreter), **error}

    def _share(self) -> None:
        """While the requests hold too much output, let only the oldest go on."""
        crowded = sum(output.length for output in self._collected) > OUTPUT_LIMIT
        for output in self._collected:
            output.hold(crowded and output is not self._collected[0])


@dataclass
class ProtocolMethods:
    """One request for one of these methods; `_` in a method's name is the dot that programs see."""

    lines: Lines
    _notify: Notify

    @command(role=EVERYONE)
    async def shell_execute(
        self,
        line: str,
        *,
        stream: bool = False,
        json: bool = False,
        keep: bool = False,
        shell: str | None = None,
        columns: int = 0,
    ) -> dict[str, object]:
        """Run a line of commands as a script's; returns the output, and the worst exit status

        Args:
            line: the commands
            stream: send the output as `$/item` notifications as it comes
            json: have each command answer in JSON
            keep: keep the run of each command, and return their numbers for `output` as `runs`
            shell: the service in whose shell the line begins, or an empty text; return where it ends as `shell`
            columns: the width of the window that tables are fitted to; 0 for tabs
        """
        if len(line) > LINE_LIMIT:
            raise RequestError(INVALID_PARAMS, f"a line of {len(line)} characters; at most {LINE_LIMIT}")
        if not 0 <= columns <= WIDEST:
            raise RequestError(INVALID_PARAMS, f"columns is {columns}, and should be at most {WIDEST}")
        options = LineOptions(json, shell, columns, [] if keep else None)
        if stream:
            return await self.lines.stream(line, options, self._notify)
        return await self.lines.collect(line, options)

    @command(role=EVERYONE)
    async def shell_complete(self, line: str, shell: str = "") -> dict[str, object]:
        """Complete the last word of a line; returns the possible words, and where the word begins

        Args:
            shell: the service in whose shell the line is typed; empty for none
        """
        interpreter = Interpreter(self.lines.shells, Collected(lambda: None), lambda: None, False, self.lines.caller)
        interpreter.go_to(shell or None)
        start, matches = await interpreter.complete(line)
        return {"start": start, "matches": matches}

    @command(role=EVERYONE)
    async def rpc_discover(self) -> dict[str, object]:
        """Describe all methods that the caller may call, as an OpenRPC document"""
        view = self.lines.shells.view(self.lines.caller.permissions)
        commands = {name: (method.command, "") for name, method in METHODS.items()}
        commands |= {name: (own.command, own.owner.heading or COMMANDS) for name, own in view.own.items()}
        commands |= {name: (command, COMMANDS) for name, (_, command) in view.toplevel.items()}
        for service in view.services:
            commands |= {f"{service}.{name}": (command, service) for name, command in view.commands[service].items()}
        return {
            "openrpc": OPENRPC,
            "info": {"title": "SManager", "version": __version__},
            "methods": [method_object(name, *one) for name, one in commands.items() if not one[0].hidden],
        }


class ProtocolMethod:
    """One of the methods, with its record."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._signature = signature_of(ProtocolMethods, function)
        name = function.replace("_", ".", 1)
        self.command = command_with(self._signature, ProtocolMethods, function, name)

    async def call(self, methods: ProtocolMethods, arguments: Arguments) -> Any:
        positions, options = self._signature.revive(*arguments)
        await methods.lines.turn()
        return await getattr(methods, self._function)(*positions, **options)


METHODS: Mapping[str, ProtocolMethod] = {
    method.command.name: method
    for method in map(ProtocolMethod, (name for name in vars(ProtocolMethods) if not name.startswith("_")))
}


def method_object(name: str, command: Command, group: str) -> dict[str, object]:
    """OpenRPC's description of a method; `group` is what people find it under, if it is for people."""
    by_name = any(parameter.option or parameter.rest for parameter in command.parameters)
    return {
        "name": name,
        "summary": command.summary,
        "description": command.doc,
        **({"tags": [{"name": group}]} if group else {}),
        **({READ_ONLY: True} if command.changes_nothing else {}),
        "paramStructure": "by-name" if by_name else "either",
        "params": [
            {"name": one.name, "description": one.doc, "required": one.required, "schema": schema(one)}
            for one in command.parameters
        ],
        "result": {"name": "result", "schema": command.returns},
    }
