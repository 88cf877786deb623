"""Programs as callers: JSON-RPC 2.0 (https://www.jsonrpc.org/specification), one request to a line.

A line that begins with `{` is a request on any connection; no command begins so. Requests run side by
side, each in a root shell of its own, and are answered as they end.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from smanager.shells.interpreter import Interpreter
from smanager.shells.root import Shells

MOST_REQUESTS = 64
"""Requests of one connection that may run at a time."""

OUTPUT_LIMIT = 16 * 1024 * 1024
"""Characters of output that one reply holds: it is kept whole until the command ends."""

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
BUSY, TOO_MUCH_OUTPUT = -32000, -32001  # of the range that the specification leaves to servers


class RequestError(Exception):
    """A request that gets an error instead of a result."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Programs:
    """The requests of one connection."""

    def __init__(self, shells: Shells, reply: Callable[[str], None], idle: Callable[[], None]) -> None:
        """Answer with lines, without their newline, given to `reply`; `idle` is told of each request's end."""
        self._shells = shells
        self._reply = reply
        self._idle = idle
        self._running: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        return bool(self._running)

    def receive(self, line: str) -> None:
        """Carry out one request; its answer comes later."""
        try:
            request = parse(line)
        except RequestError as error:
            self._answer(None, error)
            return
        task = asyncio.ensure_future(self._serve(request))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """End what runs: nobody waits for the answers."""
        for task in self._running:
            task.cancel()

    async def _serve(self, request: dict[str, Any]) -> None:
        answer: object
        try:
            if len(self._running) > MOST_REQUESTS:
                raise RequestError(BUSY, f"{MOST_REQUESTS} requests are running on this connection already")
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
        output = Collected()
        interpreter = Interpreter(self._shells, output, done.set, person=False)
        try:
            if not interpreter.feed(line):
                await done.wait()
        finally:
            interpreter.cancel()
        return {"output": output.text(), "status": interpreter.status.value}

    async def _complete(self, line: str) -> object:
        """What the last word of a line could be, and where it begins."""
        start, matches = await Interpreter(self._shells, Collected(), lambda: None, person=False).complete(line)
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

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0

    def write(self, text: str) -> None:
        self._length += len(text)
        if self._length <= OUTPUT_LIMIT:
            self._pieces.append(text)

    def text(self) -> str:
        """All of it. Raises RequestError where it is more than a reply may hold."""
        if self._length > OUTPUT_LIMIT:
            message = f"{self._length} characters of output; a reply holds {OUTPUT_LIMIT}: run it as a plain line"
            raise RequestError(TOO_MUCH_OUTPUT, message)
        return "".join(self._pieces)


def parse(line: str) -> dict[str, Any]:
    """The request that a line holds. Raises RequestError where it holds none."""
    try:
        request = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RequestError(PARSE_ERROR, f"not JSON: {error}") from None
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise RequestError(INVALID_REQUEST, "not a request: it has no `method` with a name")
    if request.get("jsonrpc") != "2.0":
        raise RequestError(INVALID_REQUEST, 'not a JSON-RPC 2.0 request: it has no "jsonrpc": "2.0"')
    return request


def _refuse(constant: str) -> None:
    """Python would take NaN and Infinity, and send them back."""
    raise ValueError(f"{constant} is no JSON")


def line_of(params: object) -> str:
    """The one parameter that there is, by name or position."""
    match params:
        case {"line": str(line)} | [str(line)]:
            return line
        case _:
            raise RequestError(INVALID_PARAMS, 'params should be {"line": "..."}')
