"""Lines of commands that a program runs, and what becomes of their output."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from smanager.access.callers import Caller
from smanager.server.rpc.errors import TOO_MUCH_OUTPUT, RequestError
from smanager.shells.interpreter import Interpreter
from smanager.shells.output import PlainOutput
from smanager.shells.root import Shells

OUTPUT_LIMIT = 16 * 1024 * 1024
"""Characters of output that one reply holds, since a reply is kept whole until its commands end; also the total of one
connection's requests above which only the oldest of them goes on."""

CANCEL_SECONDS = 1.0
"""Time for the last words of a cancelled line; a single command has a tenth of it."""

Notify = Callable[[str, dict[str, Any]], None]
"""Sends the caller a notification before the answer: its name, and its parameters but the id."""


class Streamed(PlainOutput):
    """Sends output to the program as it comes."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify

    def write(self, text: str) -> None:
        self._notify("$/item", {"value": text})


class Collected(PlainOutput):
    """Keeps the output of one request."""

    interpreter: Interpreter

    def __init__(self, grown: Callable[[], None]) -> None:
        """`grown` is called when there is more output."""
        self._pieces: list[str] = []
        self._grown = grown
        self._held = False
        self.length = 0

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
        """The output. Raises RequestError where a reply cannot hold it."""
        if self.length > OUTPUT_LIMIT:
            message = f"{self.length} characters of output; a reply holds {OUTPUT_LIMIT}: run it as a plain line"
            raise RequestError(TOO_MUCH_OUTPUT, message)
        return "".join(self._pieces)


class Lines:
    """The lines that one connection's requests run."""

    def __init__(self, shells: Shells, caller: Caller) -> None:
        self._shells = shells
        self._caller = caller
        self._is_read = asyncio.Event()  # set while the program reads
        self._is_read.set()
        self._streamed: set[Interpreter] = set()
        self._collected: list[Collected] = []  # the oldest first

    def pause(self) -> None:
        """The program does not read."""
        self._is_read.clear()
        for interpreter in self._streamed:
            interpreter.pause()

    def resume(self) -> None:
        self._is_read.set()
        for interpreter in list(self._streamed):
            interpreter.resume()

    async def collect(self, line: str, json: bool) -> dict[str, object]:
        """Run a line, and return its output and status. Raises RequestError where a reply cannot hold it."""
        done = asyncio.Event()
        output = Collected(self._share)
        interpreter = output.interpreter = Interpreter(self._shells, output, done.set, False, self._caller)
        interpreter.always_json = json
        self._collected.append(output)
        try:
            if not interpreter.feed(line):
                await done.wait()
            await self._is_read.wait()  # until then the output counts as held
        finally:
            interpreter.cancel()
            self._collected.remove(output)
            self._share()
        return {"output": output.text(), "status": interpreter.status.value}

    async def stream(self, line: str, json: bool, notify: Notify) -> dict[str, object]:
        """Run a line, send its output as it comes, and return its status."""
        done = asyncio.Event()
        interpreter = Interpreter(self._shells, Streamed(notify), done.set, False, self._caller)
        interpreter.always_json = json
        self._streamed.add(interpreter)
        if not self._is_read.is_set():
            interpreter.pause()
        try:
            if not interpreter.feed(line):
                await done.wait()
        except asyncio.CancelledError:
            done.clear()
            interpreter.cancel()
            if interpreter.busy:
                await asyncio.wait_for(done.wait(), CANCEL_SECONDS)  # the last words come before the answer
            raise
        finally:
            self._streamed.discard(interpreter)
        return {"output": "", "status": interpreter.status.value}

    async def complete(self, line: str) -> dict[str, object]:
        """Where the last word of a line begins, and its possible completions."""
        interpreter = Interpreter(self._shells, Collected(lambda: None), lambda: None, False, self._caller)
        start, matches = await interpreter.complete(line)
        return {"start": start, "matches": matches}

    def _share(self) -> None:
        """While the requests hold too much output, let only the oldest go on."""
        share(self._collected)


def share(outputs: Sequence[Collected]) -> None:
    crowded = sum(output.length for output in outputs) > OUTPUT_LIMIT
    for output in outputs:
        output.hold(crowded and output is not outputs[0])
