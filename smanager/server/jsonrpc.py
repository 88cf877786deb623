"""Programs as callers: JSON-RPC 2.0 (https://www.jsonrpc.org/specification), one request or batch to a line.

A line that begins with `{` or `[` is one, on any connection; no command begins so. Requests run side by side and
are answered as they end. What a command yields comes as notifications before the answer, `$/item` and `$/progress`
with the request's id; `$/cancelRequest` ends one, as in the Language Server Protocol.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from smanager.server.methods import Methods, RequestError

MOST_REQUESTS = 64
"""Requests of one connection that run at a time; further ones wait, and no more lines are read."""

PARSE_ERROR, INVALID_REQUEST, INTERNAL_ERROR = -32700, -32600, -32603
CANCELLED = -32800  # the Language Server Protocol's RequestCancelled

CANCEL = "$/cancelRequest"


class Request(NamedTuple):
    """One that may be carried out."""

    method: str
    params: object
    identity: object
    is_answered: bool
    """Whether it has an id; else it is a notification."""


class Programs:
    """The requests of one connection."""

    def __init__(self, methods: Methods, reply: Callable[[str], None], idle: Callable[[], None]) -> None:
        """Answer with lines, without their newline, given to `reply`; `idle` is told of each request's end."""
        self._methods = methods
        self._reply = reply
        self._idle = idle
        self._running: dict[asyncio.Task[Any], Request] = {}
        self._cancelled: set[asyncio.Task[Any]] = set()
        self._places = asyncio.Semaphore(MOST_REQUESTS)

    @property
    def busy(self) -> bool:
        return bool(self._running)

    @property
    def full(self) -> bool:
        """Whether no further request should come for now."""
        return len(self._running) >= MOST_REQUESTS or not self._methods.may_reply.is_set()

    def receive(self, line: str) -> None:
        """Carry out what a line asks for; the answer comes later."""
        try:
            found = decoded(line)
        except RequestError as error:
            self._send(failure(error, None))
            return
        if not isinstance(found, list):
            self._begin(found, self._send_if_any)
        elif not found:
            self._send(failure(RequestError(INVALID_REQUEST, "an empty batch"), None))
        else:
            batch = Batch(len(found), self._send)
            for one in found:
                self._begin(one, batch.add)

    def cancel(self) -> None:
        """End what runs: nobody waits for the answers."""
        for task in self._running:
            task.cancel()

    def pause(self) -> None:
        """The program does not read: what runs is held back, and answers wait."""
        self._methods.pause()

    def resume(self) -> None:
        self._methods.resume()
        self._idle()

    def _begin(self, found: object, answer: Callable[[object], None]) -> None:
        try:
            request = request_of(found)
        except RequestError as error:
            answer(failure(error, error.identity))
            return
        if request.method == CANCEL:
            self._cancel_one(request.params)
            answer(success(request, None))
            return
        task = asyncio.ensure_future(self._serve(request))
        self._running[task] = request
        task.add_done_callback(lambda task: self._ended(task, answer))

    async def _serve(self, request: Request) -> Any:
        async with self._places:
            return await self._methods.call(request.method, request.params, partial(self._notify, request))

    def _notify(self, request: Request, name: str, params: dict[str, Any]) -> None:
        if request.is_answered:
            self._send({"jsonrpc": "2.0", "method": name, "params": {"id": request.identity, **params}})

    def _ended(self, task: asyncio.Task[Any], answer: Callable[[object], None]) -> None:
        request = self._running.pop(task)
        if task.cancelled():
            if task not in self._cancelled:
                return  # the connection is gone
            self._cancelled.discard(task)
            error: BaseException | None = RequestError(CANCELLED, f"{request.method}: cancelled")
        else:
            error = task.exception()
        answer(failure_of(error, request) if error else success(request, task.result()))
        self._idle()

    def _cancel_one(self, params: object) -> None:
        wanted = params.get("id") if isinstance(params, dict) else None
        for task, request in self._running.items():
            if request.is_answered and request.identity == wanted and wanted is not None:
                self._cancelled.add(task)
                task.cancel()

    def _send_if_any(self, response: object) -> None:
        if response is not None:
            self._send(response)

    def _send(self, response: object) -> None:
        self._reply(json.dumps(response))


class Batch:
    """The answers of a batch, which go out together."""

    def __init__(self, count: int, send: Callable[[object], None]) -> None:
        self._left = count
        self._send = send
        self._responses: list[object] = []

    def add(self, response: object) -> None:
        """One is done; None where it wants no answer."""
        self._left -= 1
        if response is not None:
            self._responses.append(response)
        if not self._left and self._responses:
            self._send(self._responses)


def success(request: Request, result: object) -> dict[str, object] | None:
    return {"jsonrpc": "2.0", "id": request.identity, "result": result} if request.is_answered else None


def failure_of(error: BaseException, request: Request) -> dict[str, object] | None:
    if not request.is_answered:
        return None
    if not isinstance(error, RequestError):
        error = RequestError(INTERNAL_ERROR, f"SManager made a mistake: {error!r}")
    return failure(error, request.identity)


def failure(error: RequestError, identity: object) -> dict[str, object]:
    told: dict[str, object] = {"code": error.code, "message": str(error)}
    if error.data is not None:
        told["data"] = error.data
    return {"jsonrpc": "2.0", "id": identity, "error": told}


def decoded(line: str) -> Any:
    """A line's JSON. Raises RequestError where it is none."""
    try:
        return json.loads(line, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise RequestError(PARSE_ERROR, f"not JSON: {error}") from None


def request_of(found: object) -> Request:
    """The request that a JSON value is. Raises RequestError where it is none."""
    identity = found.get("id") if isinstance(found, dict) else None
    if isinstance(identity, dict | list | bool):
        raise RequestError(INVALID_REQUEST, "its `id` should be text or a number")
    if not isinstance(found, dict) or not isinstance(found.get("method"), str):
        raise RequestError(INVALID_REQUEST, "not a request: it has no `method` with a name", identity=identity)
    if found.get("jsonrpc") != "2.0":
        message = 'not a JSON-RPC 2.0 request: it has no "jsonrpc": "2.0"'
        raise RequestError(INVALID_REQUEST, message, identity=identity)
    return Request(found["method"], found.get("params"), identity, "id" in found)


def _refuse(constant: str) -> None:
    """Python would take NaN and Infinity, and send them back."""
    raise ValueError(f"{constant} is no JSON")


def _finite(number: str) -> float:
    if math.isinf(value := float(number)):
        raise ValueError(f"{number} is beyond all numbers here")
    return value
