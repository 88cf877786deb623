"""A program's request: what is one, and what is said of a line that is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.server.rpc import requests as requests_module
from smanager.server.rpc.errors import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    TOO_MUCH_OUTPUT,
    RequestError,
)
from smanager.server.rpc.methods import Methods
from smanager.server.rpc.requests import (
    BRACKETS_LIMIT,
    Programs,
    Request,
    decoded,
    encoded_answer,
    is_request,
    request_of,
)
from smanager.system.turns import TURN_SECONDS, Turns


def parse(line: str) -> Request:
    return request_of(decoded(line))


@pytest.mark.parametrize(
    "line",
    [
        '{"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": {"line": "help"}}',
        '{"jsonrpc":"2.0","id":"a","method":"shell.execute","params":["help"]}',
        '{"jsonrpc": "2.0", "method": "shell.execute"}',
        '\ufeff{"jsonrpc": "2.0", "method": "x"}',
        ' {"jsonrpc": "2.0", "id": null, "method": "", "more": []} \r\n',
    ],
)
def test_a_request_is_given_as_it_stands(line: str) -> None:
    written = json.loads(line.removeprefix("\ufeff"))
    expected = (written["method"], written.get("params"), written.get("id"), "id" in written)
    assert parse(line) == expected


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("{", PARSE_ERROR, "not JSON: a request should be one line, and this one goes on"),
        ('[{"id": 1,', PARSE_ERROR, "not JSON: a request should be one line, and this one goes on"),
        ("{hostname}", PARSE_ERROR, "not JSON: "),
        ("", PARSE_ERROR, "not JSON: "),
        ('{"jsonrpc": "2.0", "method": "x"} y', PARSE_ERROR, "not JSON: "),
        ('{"a":' * 10_000, PARSE_ERROR, "not JSON: "),
        ("[" + "[],{}," * (BRACKETS_LIMIT // 2) + "0]", INVALID_REQUEST, "a request of more than 50000 lists"),
        ('{"id": ' + "1" * 100_000 + "}", PARSE_ERROR, "not JSON: "),
        ("{}", INVALID_REQUEST, "not a request: method is missing"),
        ('{"jsonrpc": "2.0", "method": 1}', INVALID_REQUEST, "not a request: method is missing"),
        ('[{"jsonrpc": "2.0", "method": "x"}]', INVALID_REQUEST, "not a request: method is missing"),
        ('{"method": "x"}', INVALID_REQUEST, 'not a JSON-RPC 2.0 request: jsonrpc should be "2.0"'),
        ('{"jsonrpc": 2.0, "method": "x"}', INVALID_REQUEST, "not a JSON-RPC 2.0 request"),
        ('{"jsonrpc": "1.0", "method": "x"}', INVALID_REQUEST, "not a JSON-RPC 2.0 request"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_line_that_is_no_request_is_refused_with_the_specifications_code(line: str, code: int, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(line)
    assert caught.value.code == code
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@given(st.text() | st.text('{}[]":,012e.jsonrpcmethod \\"'))
def test_any_line_is_a_request_or_an_error(line: str) -> None:
    try:
        request = parse(line)
    except RequestError:
        return
    assert isinstance(request.method, str)


class NoMethods:
    """There are none to be called."""

    paused = False

    def begin(self, name: str, params: object, notify: object, done: Callable[[object], None]) -> None:
        done(RequestError(METHOD_NOT_FOUND, f"there is no method {name}"))


async def replies_to(line: str, methods: object, turns: Turns | None = None) -> list[Any]:
    """All replies to a line, once nothing more is to be done for it."""
    replies: list[str] = []
    programs = Programs(cast("Methods", methods), turns or Turns(), "anna", replies.append, lambda: None)
    programs.receive(line)
    while programs.busy:
        await asyncio.sleep(0)
    return [json.loads(reply) for reply in replies]


texts = st.text(max_size=5) | st.sampled_from(["2.0", "jsonrpc", "method", "id", "params"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
requests = st.fixed_dictionaries(
    {}, optional={"jsonrpc": st.just("2.0") | json_values, "method": texts, "id": json_values, "params": json_values}
)


@given(st.one_of(requests, st.lists(requests | json_values, max_size=3)), st.integers(0, 5))
def test_whatever_comes_is_answered_with_its_id_where_one_can_be_read(found: object, cut: int) -> None:
    line = json.dumps(found)
    line = line[: len(line) - cut] if cut > 3 else line
    found_replies = asyncio.run(replies_to(line, NoMethods()))
    responses = [one for reply in found_replies for one in ([reply] if isinstance(reply, dict) else reply)]
    assert all(response["jsonrpc"] == "2.0" and "error" in response for response in responses)
    if cut <= 3:
        asked = found if isinstance(found, list) else [found]
        identities = [one["id"] for one in asked if isinstance(one, dict) and "id" in one]
        readable = [one for one in identities if isinstance(one, str | int | float) and not isinstance(one, bool)]
        assert [response["id"] for response in responses if response["id"] is not None] == readable


class Replies(list[str]):
    """The replies to lines, of which those that are commands are kept."""

    def __init__(self, *lines: str) -> None:
        super().__init__()
        self.commands: list[str] = []
        asyncio.run(self._take(lines))

    async def _take(self, lines: Iterable[str]) -> None:
        programs = Programs(cast("Methods", NoMethods()), Turns(), "anna", self.append, lambda: None)
        for line in lines:
            if is_request(line) or programs.awaits(line):
                programs.receive(line)
            elif line.strip():
                self.commands.append(line)


@given(requests | st.lists(requests, min_size=1, max_size=3), st.none() | st.integers(0, 4) | st.just("\t"))
def test_pretty_printed_json_has_one_error_and_none_of_its_lines_is_run(
    found: object, indent: int | str | None
) -> None:
    lines = json.dumps(found, indent=indent).splitlines()
    replies = Replies(*lines, "hostname")
    assert replies.commands == ["hostname"]
    if len(lines) > 1:
        assert [json.loads(reply)["error"]["code"] for reply in replies] == [PARSE_ERROR]


@pytest.mark.parametrize(
    ("lines", "replies", "commands"),
    [
        (["{", '"method": "stop"', "}", '"hostname"'], 1, ['"hostname"']),
        (["{", '"a": "}"', '"stop"'], 1, []),
        (["[", "{}", "]", "hostname"], 1, ["hostname"]),
        (['{"jsonrpc": "2.0", "method": "x", "id": 1', '{"jsonrpc": "2.0", "method": "x", "id": 2}'], 2, []),
        (["{", "hostname", '"hostname"'], 1, ["hostname"]),
        (["{", "", "  null,", "hostname"], 1, ["hostname"]),
        (["{wrong", '"hostname"'], 1, ['"hostname"']),
    ],
)
def test_an_unfinished_request_ends_with_its_brackets_or_what_cannot_be_its_rest(
    lines: list[str], replies: int, commands: list[str]
) -> None:
    found = Replies(*lines)
    assert (len(found), found.commands) == (replies, commands)


def batch(count: int) -> str:
    return json.dumps([{"jsonrpc": "2.0", "id": number, "method": "x"} for number in range(count)])


class Echo(NoMethods):
    """Every method returns 100 characters at once, and takes as long as the clock is told."""

    def __init__(self, tick: Callable[[], None] = lambda: None) -> None:
        self.tick = tick

    def begin(self, name: str, params: object, notify: object, done: Callable[[object], None]) -> None:
        self.tick()
        done("x" * 100)


def test_the_responses_of_a_batch_are_kept_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests_module, "BATCH_REPLY_LIMIT", 1000)
    (replies,) = asyncio.run(replies_to(batch(100), Echo()))
    assert [one["id"] for one in replies] == [*range(100)]
    assert {one["result"] for one in replies[:5]} == {"x" * 100}
    assert {one["error"]["code"] for one in replies[10:]} == {TOO_MUCH_OUTPUT}


@pytest.mark.parametrize("connections", [1, 5])
def test_others_have_their_turn_between_the_requests_of_batches(connections: int) -> None:
    now = 0.0
    begun: list[int] = []  # how many requests, at each turn of the loop

    def tick() -> None:
        nonlocal now
        now += TURN_SECONDS
        begun[-1] += 1

    async def run() -> None:
        watching = asyncio.ensure_future(count_turns())
        turns = Turns(lambda: now)
        await asyncio.gather(*(replies_to(batch(20), Echo(tick), turns) for _ in range(connections)))
        watching.cancel()

    async def count_turns() -> None:
        while True:
            begun.append(0)
            await asyncio.sleep(0)

    begun.append(0)
    asyncio.run(run())
    assert sum(begun) == 20 * connections
    assert max(begun) <= 2


@pytest.mark.parametrize("depth", [100_000, 0])
def test_a_result_that_cannot_be_encoded_is_an_error_for_its_request(depth: int) -> None:
    result: object = 10**5000
    for _ in range(depth):
        result = [result]
    answer = json.loads(encoded_answer({"jsonrpc": "2.0", "id": 7, "result": result}))
    assert answer["id"] == 7
    assert answer["error"]["message"].startswith("its result cannot be sent as JSON: ")
