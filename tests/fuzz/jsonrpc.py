"""JSON-RPC lines: whatever a program sends, each line is answered as the specification says."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from smanager.server.rpc.errors import RequestError
from smanager.server.rpc.methods import Methods
from smanager.server.rpc.requests import Programs, decoded
from smanager.system.turns import Turns


class Unhurried:
    """Methods that are done when it is said, so that requests wait for each other and can be cancelled."""

    paused = False

    def __init__(self) -> None:
        self.running: list[Callable[[object], None]] = []

    def begin(self, name: str, params: object, notify: object, done: Callable[[object], None]) -> None:
        self.running.append(done)


def target(data: bytes) -> None:
    asyncio.run(serve(data.decode("utf-8", "surrogateescape").split("\n")))


async def serve(lines: list[str]) -> None:
    replies: list[str] = []
    wanted: list[object] = []
    methods = Unhurried()
    programs = Programs(cast("Methods", methods), Turns(), "anna", replies.append, lambda: None)
    for line in lines:
        is_rest = programs.awaits(line)  # of a request that goes over several lines, which was answered with its first
        programs.receive(line)
        if not is_rest:
            wanted += expected(line)  # from the same depth, on which the decoder's limit depends
    while programs.busy:
        if methods.running:
            methods.running.pop()(None)
        await asyncio.sleep(0)  # the next that waits is begun, if this turn had no time left for it
    assert not any("\n" in reply for reply in replies)
    found = [one for reply in map(json.loads, replies) for one in (reply if isinstance(reply, list) else [reply])]
    assert all(one["jsonrpc"] == "2.0" and ("result" in one) != ("error" in one) for one in found)
    assert Counter(json.dumps(one["id"]) for one in found) == Counter(map(json.dumps, wanted))


def expected(line: str) -> list[object]:
    """The ids of a line's answers."""
    try:
        found = decoded(line)
    except RequestError:
        return [None]
    requests = found if isinstance(found, list) and found else [found]
    return [identity(one) for one in requests if not is_notification(one)]


def identity(found: Any) -> object:
    """What an answer bears, which is none where none can be read."""
    given = found.get("id") if isinstance(found, dict) else None
    return given if isinstance(given, str | int | float) and not isinstance(given, bool) else None


def is_notification(found: Any) -> bool:
    is_request = isinstance(found, dict) and found.get("jsonrpc") == "2.0" and isinstance(found.get("method"), str)
    return is_request and "id" not in found
