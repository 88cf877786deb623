"""Programs as callers: JSON-RPC 2.0 (https://www.jsonrpc.org/specification), one request or batch to a line.

On any connection, a line that begins with `{` or `[` is a request; no command begins like that. Requests run side by
side and are answered as they end. Before the answer, a command's items and progress are notifications with the
request's id, `$/item` and `$/progress`. `$/cancelRequest` ends a request, as in the Language Server Protocol.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from smanager.commands.jsonable import from_json, jsonable
from smanager.server.rpc.errors import CANCELLED, FAILED, INVALID_REQUEST, PARSE_ERROR, TOO_MUCH_OUTPUT, RequestError
from smanager.server.rpc.methods import Methods, RunningMethod
from smanager.server.rpc.protocol import OUTPUT_LIMIT
from smanager.system.turns import Turns

RUNNING_LIMIT = 64  # requests of one connection that run at a time; further ones wait

WAITING_LIMIT = 64
"""Requests that wait before no more lines are read; until then a running request can still be cancelled."""

BATCH_LIMIT = 1000  # requests of one batch: decoded, a megabyte of requests takes 400 megabytes

BRACKETS_LIMIT = 50_000  # lists and objects in one line: as many take 30 ms to decode

BATCH_REPLY_LIMIT = OUTPUT_LIMIT
"""Characters of the responses of one batch, which are kept until the last; further results become errors."""

CANCEL = "$/cancelRequest"

Response = dict[str, object] | None
"""A response's members; None is the response to a notification."""

BEFORE_A_REQUEST = " \t\ufeff"
"""What may stand before a request and changes nothing: blanks, and the byte order mark of some editors and shells."""

_BEGINNINGS = frozenset(f"{BEFORE_A_REQUEST}{{[")  # a line of commands is told by its first character
_REQUEST = re.compile("[ \t\ufeff]*[{[]")
_REQUEST_BYTES = re.compile(_REQUEST.pattern.replace("\ufeff", "\xef\xbb\xbf").encode("latin-1"))

_JSON_LINE = re.compile(r'\s*(["{}\[\],:]|-?\d|(true|false|null)\b|\Z)')  # how a line of JSON begins
_JSON_STRING = re.compile(r'"(?:\\.|[^"\\])*"')


class UnfinishedError(RequestError):
    """A line that ends in the middle of a request."""


class Request(NamedTuple):
    """A valid request."""

    method: str
    params: object
    identity: object
    is_answered: bool  # whether the request has an id; a notification has none


@dataclass(eq=False)
class Programs:
    """The requests of one connection."""

    _methods: Methods
    _turns: Turns
    _party: str  # whose turn it is when the requests begin
    _reply: Callable[[str], None]  # takes the answers as lines without their newline
    _idle: Callable[[], None]  # is called at each request's end
    _running: dict[Carried, None] = field(default_factory=dict)  # the oldest first
    _waiting: deque[Carried] = field(default_factory=deque)
    _open: int = 0  # brackets that the lines of an unfinished request have opened and not closed
    _in_batch: bool = False  # whether the unfinished request is a batch
    _is_due: bool = False  # whether the waiting requests go on in a later turn

    @property
    def busy(self) -> bool:
        return self.count > 0

    @property
    def count(self) -> int:
        return len(self._running) + len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether no further line should be read for now."""
        return len(self._waiting) >= WAITING_LIMIT or self._methods.paused

    def receive(self, line: str) -> None:
        """Begin a line's requests; the answers come later."""
        if self.awaits(line):
            self._open += _depth(line)
            return
        self._open = 0
        try:
            value = decoded(line)
        except RequestError as error:
            if isinstance(error, UnfinishedError):
                self._open, self._in_batch = _depth(line), line.lstrip(BEFORE_A_REQUEST).startswith("[")
            self._send(failure(error, None))
            return
        if not isinstance(value, list):
            self._take(value, self._send)
        elif not value:
            self._send(failure(RequestError(INVALID_REQUEST, "an empty batch"), None))
        elif len(value) > BATCH_LIMIT:
            self._send(failure(RequestError(INVALID_REQUEST, f"a batch of more than {BATCH_LIMIT} requests"), None))
        else:
            self._take_batch(value)

    def awaits(self, line: str) -> bool:
        """Whether a line belongs to an unfinished request, as pretty-printed JSON has it.

        A command ends such a request, and so does another request, for which the program awaits an answer.
        """
        if self._open <= 0 or not _JSON_LINE.match(line):
            return False
        return self._in_batch or not is_request(line) or not _is_whole(line)

    def cancel(self) -> None:
        """End all requests; the program no longer waits."""
        self._waiting.clear()
        for carried in list(self._running):
            carried.cancel()

    def pause(self) -> None:
        """The program does not read: hold back output and answers."""
        self._methods.pause()

    def resume(self) -> None:
        self._methods.resume()
        self._idle()

    def _take_batch(self, values: list[object]) -> None:
        """Begin the requests of a batch, and send their responses together."""
        responses: list[str] = []
        left, room = len(values), BATCH_REPLY_LIMIT

        def answer(one: Response) -> None:
            nonlocal left, room
            left -= 1
            if one is not None:
                encoded = encoded_answer(one)
                if len(encoded) > room:
                    message = f"the responses of a batch have at most {BATCH_REPLY_LIMIT} characters"
                    encoded = encode(failure(RequestError(TOO_MUCH_OUTPUT, message), one["id"]))
                room -= len(encoded)
                responses.append(encoded)
            if not left and responses:
                self._reply(f"[{', '.join(responses)}]")

        for value in values:
            self._take(value, answer)

    def _take(self, value: object, answer: Callable[[Response], None]) -> None:
        try:
            request = request_of(value)
        except RequestError as error:
            answer(failure(error, error.identity))
            return
        if request.method == CANCEL:
            self._cancel_one(request.params)
            answer(response(request, None))
            return
        self._waiting.append(Carried(request, answer))
        if not self._is_due:
            self._begin_some()

    def _begin_some(self) -> None:
        """Begin requests that wait, up to those that are too many or that this turn has no time for."""
        while self._waiting and len(self._running) < RUNNING_LIMIT:
            if self._turns.is_over():
                self._proceed_later()
                return
            self._begin(self._waiting.popleft())

    def _begin(self, carried: Carried) -> None:
        self._running[carried] = None
        request = carried.request
        if carried.is_cancelled:
            self._ended(carried, None)
            return
        notify = partial(self._notify, request)
        carried.running = self._methods.begin(request.method, request.params, notify, partial(self._ended, carried))

    def _notify(self, request: Request, name: str, params: dict[str, Any]) -> None:
        if request.is_answered:
            self._reply(encode({"jsonrpc": "2.0", "method": name, "params": {"id": request.identity, **params}}))

    def _ended(self, carried: Carried, result: object) -> None:
        del self._running[carried]
        if carried.is_cancelled:
            message = str(result) if isinstance(result, RequestError) else f"{carried.request.method}: cancelled"
            result = RequestError(CANCELLED, message)
        carried.answer(response(carried.request, result))
        self._proceed_later()
        self._idle()

    def _proceed_later(self) -> None:
        """Go on in a later turn: many may end at once."""
        if self._waiting and not self._is_due:
            self._is_due = True
            self._turns.later(self._party, self._proceed)

    def _proceed(self) -> None:
        self._is_due = False
        self._begin_some()
        self._idle()

    def _cancel_one(self, params: object) -> None:
        wanted = params.get("id") if isinstance(params, dict) else None
        if wanted is None or isinstance(wanted, bool):  # True would equal 1
            return
        for carried in [*self._running, *self._waiting]:
            if carried.request.is_answered and carried.request.identity == wanted:
                carried.cancel()

    def _send(self, response: Response) -> None:
        """Send a response; None is the response to a notification."""
        if response is not None:
            self._reply(encoded_answer(response))


@dataclass(slots=True, eq=False)
class Carried:
    """A request that runs, or waits to run."""

    request: Request
    answer: Callable[[Response], None]
    running: RunningMethod | None = None
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True
        if self.running:
            self.running.cancel()


def is_request(line: str) -> bool:
    """Whether a line is a program's; no command begins like that."""
    return line[:1] in _BEGINNINGS and _REQUEST.match(line) is not None


def begins_request(line: bytes) -> bool:
    """The same for bytes that may be a line's beginning."""
    return _REQUEST_BYTES.match(line) is not None


def response(request: Request, result: object) -> Response:
    """The response with a result or a RequestError; None for a notification."""
    if not request.is_answered:
        return None
    if isinstance(result, RequestError):
        return failure(result, request.identity)
    return {"jsonrpc": "2.0", "id": request.identity, "result": result}


def failure(error: RequestError, identity: object) -> dict[str, object]:
    data = {} if error.data is None else {"data": error.data}
    return {"jsonrpc": "2.0", "id": identity, "error": {"code": error.code, "message": str(error), **data}}


encode = json.JSONEncoder(default=jsonable).encode  # `dumps` would make an encoder for each response


def encoded_answer(response: Mapping[str, object]) -> str:
    """A response as JSON; one that has no JSON is an error, because each request has an answer."""
    try:
        if "result" in response:  # nearly every one; encoding a dictionary takes longer than its texts
            return f'{{"jsonrpc": "2.0", "id": {encode(response["id"])}, "result": {encode(response["result"])}}}'
        return encode(response)
    except (ValueError, RecursionError) as error:
        return encode(failure(RequestError(FAILED, f"its result cannot be sent as JSON: {error}"), response["id"]))


def decoded(line: str) -> Any:
    """A line's JSON value. Raises RequestError for anything else."""
    line = line.lstrip(BEFORE_A_REQUEST).rstrip()
    if line.count("[") + line.count("{") > BRACKETS_LIMIT:
        raise RequestError(INVALID_REQUEST, f"a request of more than {BRACKETS_LIMIT} lists and objects")
    try:
        return from_json(line)
    except json.JSONDecodeError as error:
        if error.pos >= len(line) and _depth(line) > 0:
            raise UnfinishedError(PARSE_ERROR, "not JSON: a request should be one line, and this one goes on") from None
        raise RequestError(PARSE_ERROR, f"not JSON: {error}") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(PARSE_ERROR, f"not JSON: {error}") from None


def request_of(value: object) -> Request:
    """The request in a JSON value. Raises RequestError for an invalid one."""
    identity = value.get("id") if isinstance(value, dict) else None
    if isinstance(identity, dict | list | bool):
        raise RequestError(INVALID_REQUEST, "id should be text or a number")
    if not isinstance(value, dict) or not isinstance(value.get("method"), str):
        raise RequestError(INVALID_REQUEST, "not a request: method is missing, and should be a name", identity=identity)
    if value.get("jsonrpc") != "2.0":
        message = 'not a JSON-RPC 2.0 request: jsonrpc should be "2.0"'
        raise RequestError(INVALID_REQUEST, message, identity=identity)
    return Request(value["method"], value.get("params"), identity, "id" in value)


def _is_whole(line: str) -> bool:
    try:
        request_of(decoded(line))
    except RequestError:
        return False
    return True


def _depth(line: str) -> int:
    """How many brackets a line opens, less those that it closes."""
    line = _JSON_STRING.sub("", line)
    return line.count("{") + line.count("[") - line.count("}") - line.count("]")
