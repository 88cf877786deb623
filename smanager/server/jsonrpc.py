"""Programs as callers: JSON-RPC 2.0 (https://www.jsonrpc.org/specification), one request to a line.

A line that begins with `{` is a request on any connection; no command begins so. Requests run side by
side, each in a root shell of its own, and are answered as they end.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

from smanager.shells.interpreter import Interpreter
from smanager.shells.results import Output
from smanager.shells.root import Shells

MOST_REQUESTS = 64
"""Requests of one connection that run at a time; further ones are not read until one of them is done."""

OUTPUT_LIMIT = 16 * 1024 * 1024
"""Characters of output that one reply holds, for it is kept whole until the command ends; and that all the
requests of one connection hold together before only the oldest of them goes on."""

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
TOO_MUCH_OUTPUT = -32001  # of the range that the specification leaves to servers


class RequestError(Exception):
    """A request that gets an error instead of a result."""

    def __init__(self, code: int, message: str, identity: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.identity = identity
        """The request's id, where it could be read."""


class Programs:
    """The requests of one connection."""

    def __init__(self, shells: Shells, reply: Callable[[str], None], idle: Callable[[], None], caller: str) -> None:
        """Answer with lines, without their newline, given to `reply`; `idle` is told of each request's end."""
        self._shells = shells
        self._caller = caller
        self._reply = reply
        self._idle = idle
        self._running: set[asyncio.Task[None]] = set()
        self._outputs: list[Collected] = []  # the oldest first
        self._may_reply = asyncio.Event()
        self._may_reply.set()

    @property
    def busy(self) -> bool:
        return bool(self._running)

    @property
    def full(self) -> bool:
        """Whether no further request should come for now."""
        return len(self._running) >= MOST_REQUESTS or not self._may_reply.is_set()

    def receive(self, line: str) -> None:
        """Carry out one request; its answer comes later."""
        try:
            request = parse(line)
        except RequestError as error:
            self._answer(error.identity, error)
            return
        task = asyncio.ensure_future(self._serve(request))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """End what runs: nobody waits for the answers."""
        for task in self._running:
            task.cancel()

    def pause(self) -> None:
        """The program does not read: answers wait."""
        self._may_reply.clear()

    def resume(self) -> None:
        self._may_reply.set()
        self._idle()

    async def _serve(self, request: dict[str, Any]) -> None:
        answer: object
        try:
            answer = await self._method(request["method"])(line_of(request.get("params")))
        except RequestError as error:
            answer = error
        if "id" in request:  # else it is a notification, which is not answered
            self._answer(request["id"], answer)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._idle()

    def _method(self, name: str) -> Callable[[str], Awaitable[object]]:
        methods = {"shell.execute": self._execute, "shell.complete": self._complete}
        try:
            return methods[name]
        except KeyError:
            message = f"no method {name}; there are: {', '.join(methods)}"
            raise RequestError(METHOD_NOT_FOUND, message) from None

    async def _execute(self, line: str) -> object:
        """Run a line of commands; `status` is the last one's."""
        done = asyncio.Event()
        output = Collected(self._share)
        interpreter = output.interpreter = Interpreter(
            self._shells, output, done.set, person=False, caller=self._caller
        )
        self._outputs.append(output)
        try:
            if not interpreter.feed(line):
                await done.wait()
            while not self._may_reply.is_set():  # meanwhile its output counts as held
                await self._may_reply.wait()
        finally:
            interpreter.cancel()
            self._outputs.remove(output)
            self._share()
        return {"output": output.text(), "status": interpreter.status.value}

    def _interpreter(self, output: Output, idle: Callable[[], None]) -> Interpreter:
        return Interpreter(self._shells, output, idle, person=False, caller=self._caller)

    def _share(self) -> None:
        """While too much is held, let only the oldest request go on."""
        crowded = sum(output.length for output in self._outputs) > OUTPUT_LIMIT
        for output in self._outputs:
            output.hold(crowded and output is not self._outputs[0])

    async def _complete(self, line: str) -> object:
        """What the last word of a line could be, and where it begins."""
        start, matches = await Interpreter(
            self._shells, NOWHERE, lambda: None, person=False, caller=self._caller
        ).complete(line)
        return {"start": start, "matches": matches}

    def _answer(self, identity: object, answer: object) -> None:
        response: dict[str, object] = {"jsonrpc": "2.0", "id": identity}
        if isinstance(answer, RequestError):
            response["error"] = {"code": answer.code, "message": str(answer)}
        else:
            response["result"] = answer
        self._reply(json.dumps(response))


class Collected:
    """What a request's commands print."""

    interpreter: Interpreter
    columns = 0

    def __init__(self, grown: Callable[[], None]) -> None:
        """`grown` is told when it has become more."""
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
        """Have its commands print no more for now."""
        if hold is not self._held:
            self._held = hold
            self.interpreter.pause() if hold else self.interpreter.resume()

    def text(self) -> str:
        """All of it. Raises RequestError where it is more than a reply may hold."""
        if self.length > OUTPUT_LIMIT:
            message = f"{self.length} characters of output; a reply holds {OUTPUT_LIMIT}: run it as a plain line"
            raise RequestError(TOO_MUCH_OUTPUT, message)
        return "".join(self._pieces)


class _Nowhere:
    """For an interpreter that only completes."""

    columns = 0

    def write(self, text: str) -> None: ...


NOWHERE = _Nowhere()


def parse(line: str) -> dict[str, Any]:
    """The request that a line holds. Raises RequestError where it holds none."""
    try:
        request = json.loads(line, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise RequestError(PARSE_ERROR, f"not JSON: {error}") from None
    identity = request.get("id") if isinstance(request, dict) else None
    if isinstance(identity, dict | list | bool):
        raise RequestError(INVALID_REQUEST, "its `id` should be text or a number")
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise RequestError(INVALID_REQUEST, "not a request: it has no `method` with a name", identity)
    if request.get("jsonrpc") != "2.0":
        raise RequestError(INVALID_REQUEST, 'not a JSON-RPC 2.0 request: it has no "jsonrpc": "2.0"', identity)
    return request


def _refuse(constant: str) -> None:
    """Python would take NaN and Infinity, and send them back."""
    raise ValueError(f"{constant} is no JSON")


def _finite(number: str) -> float:
    if math.isinf(value := float(number)):
        raise ValueError(f"{number} is beyond all numbers here")
    return value


def line_of(params: object) -> str:
    """The one parameter that there is, by name or position."""
    match params:
        case {"line": str(line)} | [str(line)]:
            return line
        case _:
            raise RequestError(INVALID_PARAMS, 'params should be {"line": "..."}')
