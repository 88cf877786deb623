"""The protocol's own methods: a shell's lines for programs, and the document about all methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smanager import __version__
from smanager.access.callers import Caller
from smanager.access.roles import EVERYONE
from smanager.commands.arguments import Arguments, schema
from smanager.commands.record import Command
from smanager.commands.signatures import Signature, describe, signature_of
from smanager.server.rpc.outputs import Lines, Notify
from smanager.service import command
from smanager.shells.root import Shells

OPENRPC = "1.3.2"
"""The version of the OpenRPC specification that `rpc.discover` follows."""


class ProtocolMethods:
    """One request for one of these methods; `_` in a method's name is the dot that programs see."""

    def __init__(self, shells: Shells, caller: Caller, lines: Lines, notify: Notify) -> None:
        self._shells = shells
        self._caller = caller
        self._lines = lines
        self._notify = notify

    @command(role=EVERYONE)
    async def shell_execute(self, line: str, *, stream: bool = False, json: bool = False) -> dict[str, object]:
        """Run a line of commands as a script's; returns the output, and the worst exit status

        Args:
            line: the commands
            stream: send the output as `$/item` notifications as it comes
            json: have each command answer in JSON
        """
        if stream:
            return await self._lines.stream(line, json, self._notify)
        return await self._lines.collect(line, json)

    @command(role=EVERYONE)
    async def shell_complete(self, line: str) -> dict[str, object]:
        """Complete the last word of a line; returns the possible words, and where the word begins"""
        return await self._lines.complete(line)

    @command(role=EVERYONE)
    async def rpc_discover(self) -> dict[str, object]:
        """Describe all methods that the caller may call, as an OpenRPC document"""
        view = self._shells.view(self._caller.permissions)
        commands = {name: method.command for name, method in METHODS.items()}
        commands |= {name: own.command for name, own in view.own.items()}
        commands |= {name: command for name, (_, command) in view.toplevel.items()}
        for service in view.services:
            commands |= {f"{service}.{name}": command for name, command in view.commands[service].items()}
        return {
            "openrpc": OPENRPC,
            "info": {"title": "SManager", "version": __version__},
            "methods": [method_object(name, command) for name, command in commands.items() if not command.hidden],
        }


class ProtocolMethod:
    """One of the methods, with its record."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._signature: Signature = signature_of(ProtocolMethods, function)
        self.command: Command = describe(ProtocolMethods, function, function.replace("_", ".", 1))

    async def call(self, methods: ProtocolMethods, arguments: Arguments) -> Any:
        positions, options = self._signature.revive(*arguments)
        return await getattr(methods, self._function)(*positions, **options)


METHODS: Mapping[str, ProtocolMethod] = {
    method.command.name: method
    for method in map(ProtocolMethod, (name for name in vars(ProtocolMethods) if not name.startswith("_")))
}


def method_object(name: str, command: Command) -> dict[str, object]:
    """OpenRPC's description of a method."""
    by_name = any(parameter.option or parameter.rest for parameter in command.parameters)
    return {
        "name": name,
        "summary": command.summary,
        "description": command.doc,
        "paramStructure": "by-name" if by_name else "either",
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
