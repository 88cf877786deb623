"""Programs as callers: JSON-RPC 2.0 (https://www.jsonrpc.org/specification), one request or batch to a line.

A line that begins with `{` or `[` is one, on any connection; no command begins so. Requests run side by side and
are answered as they end. What a command yields comes as notifications before the answer, `$/item` and `$/progress`
with the request's id; `$/cancelRequest` ends one, as in the Language Server Protocol.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from smanager.server.rpc.errors import CANCELLED, INVALID_REQUEST, PARSE_ERROR, RequestError
from smanager.server.rpc.methods import Cancellable, Methods

MOST_REQUESTS = 64
"""Requests of one connection that run at a time; further ones wait."""

MOST_WAITING = 64
"""So many, before no more lines are read; until then one of those that run can be cancelled."""

MOST_IN_BATCH = 1000
"""Requests of one batch: a megabyte of them would be 400 once it is decoded."""

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
        self._running: dict[int, Carried] = {}
        self._number = 0
        self._waiting: deque[Carried] = deque()

    @property
    def busy(self) -> bool:
        return bool(self._running or self._waiting)

    @property
    def count(self) -> int:
        """Of the requests that are not answered yet."""
        return len(self._running) + len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether no further request should come for now."""
        return len(self._waiting) >= MOST_WAITING or self._methods.paused

    def receive(self, line: str) -> None:
        """Carry out what a line asks for; the answer comes later."""
        try:
            found = decoded(line)
        except RequestError as error:
            self._send(failure(error, None))
            return
        if not isinstance(found, list):
            self._take(found, self._send_if_any)
        elif not found:
            self._send(failure(RequestError(INVALID_REQUEST, "an empty batch"), None))
        elif len(found) > MOST_IN_BATCH:
            self._send(failure(RequestError(INVALID_REQUEST, f"a batch of more than {MOST_IN_BATCH} requests"), None))
        else:
            batch = Batch(len(found), self._send)
            for one in found:
                self._take(one, batch.add)

    def cancel(self) -> None:
        """End what runs: nobody waits for the answers."""
        self._waiting.clear()
        for carried in list(self._running.values()):
            carried.cancel()

    def pause(self) -> None:
        """The program does not read: what runs is held back, and answers wait."""
        self._methods.pause()

    def resume(self) -> None:
        self._methods.resume()
        self._idle()

    def _take(self, found: object, answer: Callable[[object], None]) -> None:
        try:
            request = request_of(found)
        except RequestError as error:
            answer(failure(error, error.identity))
            return
        if request.method == CANCEL:
            self._cancel_one(request.params)
            answer(success(request, None))
            return
        self._number += 1
        carried = Carried(self._number, request, answer)
        if len(self._running) < MOST_REQUESTS:
            self._begin(carried)
        else:
            self._waiting.append(carried)

    def _begin(self, carried: Carried) -> None:
        self._running[carried.number] = carried
        request = carried.request
        if carried.is_cancelled:
            self._ended(carried, None)
            return
        notify = partial(self._notify, request)
        carried.running = self._methods.begin(request.method, request.params, notify, partial(self._ended, carried))

    def _notify(self, request: Request, name: str, params: dict[str, Any]) -> None:
        if request.is_answered:
            self._send({"jsonrpc": "2.0", "method": name, "params": {"id": request.identity, **params}})

    def _ended(self, carried: Carried, result: object) -> None:
        """A request is done; an error is told, and all else is the result."""
        del self._running[carried.number]
        if carried.is_cancelled:
            said = str(result) if isinstance(result, RequestError) else f"{carried.request.method}: cancelled"
            result = RequestError(CANCELLED, said)
        if isinstance(result, RequestError):
            carried.answer(failure(result, carried.request.identity) if carried.request.is_answered else None)
        else:
            carried.answer(success(carried.request, result))
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._proceed)  # not from here: many may end at once
        self._idle()

    def _proceed(self) -> None:
        while self._waiting and len(self._running) < MOST_REQUESTS:
            self._begin(self._waiting.popleft())
        self._idle()

    def _cancel_one(self, params: object) -> None:
        wanted = params.get("id") if isinstance(params, dict) else None
        for carried in [*self._running.values(), *self._waiting]:
            if (
                wanted is not None
                and not isinstance(wanted, bool)
                and carried.request.is_answered
                and carried.request.identity == wanted
            ):
                carried.cancel()

    def _send_if_any(self, response: object) -> None:
        if response is not None:
            self._send(response)

    def _send(self, response: object) -> None:
        self._reply(json.dumps(response))


class Carried:
    """A request that is being carried out, or waits for that."""

    __slots__ = ("answer", "is_cancelled", "number", "request", "running")

    def __init__(self, number: int, request: Request, answer: Callable[[object], None]) -> None:
        self.number = number
        self.request = request
        self.answer = answer
        self.running: Cancellable | None = None
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True
        if self.running:
            self.running.cancel()


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


def is_request(line: str) -> bool:
    """Whether a line is for programs; no command begins so."""
    return line.startswith(("{", "["))


def success(request: Request, result: object) -> dict[str, object] | None:
    return {"jsonrpc": "2.0", "id": request.identity, "result": result} if request.is_answered else None


def failure(error: RequestError, identity: object) -> dict[str, object]:
    told: dict[str, object] = {"code": error.code, "message": str(error)}
    if error.data is not None:
        told["data"] = error.data
    return {"jsonrpc": "2.0", "id": identity, "error": told}


def decoded(line: str) -> Any:
    """A line's JSON. Raises RequestError where it is none."""
    try:
        return _decode(line)
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


_decode = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).decode  # `loads` would make one for each line
