"""A page's requests to the manager: JSON-RPC, answered whole or as a stream of events."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, NamedTuple

from smanager.commands.jsonable import from_json
from smanager.service import ManagerClient, ManagerError
from smanager.web import responses
from smanager.web.door import RefusedError
from smanager.web.outlet import SLOW_SECONDS, Outlet

INVALID_REQUEST, STOPPED = -32600, -32000  # as JSON-RPC and the manager have them
LOGGED_OUT = -32002  # the manager's code for a caller who is not, or no longer, logged in


class PageCall(NamedTuple):
    """A request in JSON-RPC."""

    method: str
    params: Mapping[str, Any] | list[Any]
    identity: object


def json_of(body: bytes) -> Any:
    """The value of a request's body. Raises RefusedError."""
    try:
        return from_json(body.decode())
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"the body is not JSON: {error}") from None


def call_of(body: bytes) -> PageCall:
    """The request in a body. Raises RefusedError."""
    match json_of(body):
        case {"jsonrpc": "2.0", "method": str(method), "id": str() | int() | float() | None as identity, **rest}:
            params = rest.get("params", {})
            if isinstance(params, Mapping | list) and not isinstance(identity, bool):
                return PageCall(method, params, identity)
    raise RefusedError(400, 'not a request: it should be {"jsonrpc": "2.0", "id": 1, "method": "NAME", "params": {…}}')


async def answer_whole(manager: ManagerClient, call: PageCall, outlet: Outlet) -> None:
    """Answer once the command has ended."""
    result: dict[str, object] = {"error": stopped(call)}
    try:
        async with aclosing(manager.follow_async(call.method, call.params)) as parts:
            async for kind, value in parts:
                if kind == "result":
                    result = {"result": value}
    except ManagerError as error:
        result = {"error": error_object(error)}
    outlet.write(responses.answer(200, {"jsonrpc": "2.0", "id": call.identity, **result}))


async def answer_in_events(manager: ManagerClient, call: PageCall, outlet: Outlet) -> None:
    """Pass on all that comes of the command, as fast as the browser reads."""
    outlet.write(responses.stream_head())
    kind = ""
    try:
        async with aclosing(manager.follow_async(call.method, call.params)) as parts:
            async for kind, value in parts:
                outlet.write(responses.event(kind, value))
                if not await outlet.drain():
                    reason = f"{call.method}: cancelled, because nothing was read for {SLOW_SECONDS:g} s"
                    raise ManagerError(reason)
    except ManagerError as error:
        outlet.write(responses.event("error", error_object(error)))
    else:
        if kind != "result":
            outlet.write(responses.event("error", stopped(call)))


def error_object(error: ManagerError) -> dict[str, object]:
    data = {} if error.data is None else {"data": error.data}
    return {"code": error.code or STOPPED, "message": str(error), **data}


def stopped(call: PageCall) -> dict[str, object]:
    return {"code": STOPPED, "message": f"{call.method}: not answered before the page's service was stopped"}
