"""The commands as tools of an assistant: what the adapter answers, message by message, and the pipes around it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import smanager
import tshell
from smanager.server import line_reader
from smanager.server.rpc import requests
from tests.conftest import SECONDS, Server, wait_for
from tests.tshell.conftest import CLIENT

STATELESS = {"_meta": {f"{tshell.META}protocolVersion": "2026-07-28", f"{tshell.META}clientCapabilities": {}}}

METHODS = [
    {
        "name": "web-1.open",
        "description": "Opens a door",
        "params": [
            {"name": "door", "description": "which one", "required": True, "schema": {"type": "integer"}},
            {"name": "pin", "description": "", "required": False, "schema": {"type": "string", "writeOnly": True}},
        ],
    },
    {"name": "status", "description": "", "x-read-only": True, "params": []},
    {"name": "shell.execute", "description": "", "params": []},
    {"name": "watch", "description": "", "params": []},
]


class Conversation:
    """An adapter between a client and an SManager that are both the test."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.begun: list[tuple[str, object]] = []
        self.cancelled: list[int] = []
        self.now = 1000.0
        self.trouble = ""
        self.adapter = tshell.Adapter("box", self.sent.append, self._begin, self.cancelled.append, lambda: self.now)

    def _begin(self, method: str, params: object) -> int:
        if self.trouble:
            raise ConnectionError(self.trouble)
        self.begun.append((method, params))
        return len(self.begun)

    def say(self, method: str, identity: object = None, **params: Any) -> list[dict[str, Any]]:
        """What the client is sent when it says this."""
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        return self.say_line(json.dumps(message if identity is None else message | {"id": identity}).encode())

    def say_line(self, line: bytes) -> list[dict[str, Any]]:
        self.adapter.receive(line)
        return self.heard()

    def call(self, identity: object, tool: str = "box-run", **params: Any) -> int:
        """Call a tool; returns the number of the request to SManager."""
        assert self.say("tools/call", identity, name=tool, **params) == []
        return len(self.begun)

    def tell(self, number: int, **message: Any) -> list[dict[str, Any]]:
        """What the client is sent when SManager says this."""
        self.adapter.take(number, message)
        return self.heard()

    def items(self, number: int, *values: object) -> list[dict[str, Any]]:
        for value in values:
            self.adapter.take(number, {"method": "$/item", "params": {"value": value}})
        return self.heard()

    def pass_time(self, seconds: float) -> list[dict[str, Any]]:
        self.now += seconds
        self.adapter.tick(connected=True)
        return self.heard()

    def heard(self) -> list[dict[str, Any]]:
        heard, self.sent[:] = list(self.sent), []
        return heard


@pytest.fixture
def talk() -> Conversation:
    return Conversation()


# Lines and versions


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (b"nonsense", -32700, "not JSON"),
        (b"[" * 100_000, -32700, "not JSON"),
        (b'{"a": NaN}', -32700, "NaN is not a finite number"),
        (b'{"a": [-1e999]}', -32700, "-1e999 is not a finite number"),
        (b"\xff", -32700, "not JSON"),
        (b"[]", -32600, "not a request"),
        (b"5", -32600, "not a request"),
        (b'{"id": 1, "method": "ping"}', -32600, "not a request"),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600, "not a request"),
        (b'{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600, "not a request"),
        (b'{"jsonrpc": "2.0", "id": 1.0, "method": "ping"}', -32600, "not a request"),
        (b'{"jsonrpc": "2.0", "id": [1], "method": "ping"}', -32600, "not a request"),
        (b'{"jsonrpc": "2.0", "id": "caf\\udce9", "method": "ping"}', -32600, "not a request"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}', -32602, "params should be an object"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "prompts/list"}', -32601, "unknown method prompts/list"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen"}', -32601, "unknown method"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"cursor": "x"}}', -32602, "unknown cursor"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}', -32602, "name should be a tool's"),
        (
            b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a", "arguments": [1]}}',
            -32602,
            "arguments an object",
        ),
    ],
)
def test_what_is_not_a_request_of_the_protocol_is_an_error_of_the_protocol(
    talk: Conversation, line: bytes, code: int, message: str
) -> None:
    (answer,) = talk.say_line(line)
    assert answer["error"]["code"] == code
    assert message in answer["error"]["message"]
    assert not talk.begun


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc": "2.0", "method": "notifications/unknown"}',
        b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}',
        b'{"jsonrpc": "2.0", "id": 1, "result": {}}',
        b'{"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": ""}}',
    ],
)
def test_notifications_and_answers_are_not_answered(talk: Conversation, line: bytes) -> None:
    assert talk.say_line(line) == []


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [("2025-06-18", "2025-06-18"), ("2024-11-05", "2024-11-05"), ("2031-01-01", "2025-11-25"), (None, "2025-11-25")],
)
def test_a_handshake_agrees_on_the_clients_revision_or_offers_the_newest(
    talk: Conversation, offered: str | None, agreed: str
) -> None:
    (answer,) = talk.say("initialize", 1, protocolVersion=offered, capabilities={})
    result = answer["result"]
    assert (result["protocolVersion"], result["capabilities"]) == (agreed, {"tools": {"listChanged": True}})
    assert talk.say("ping", "a") == [{"jsonrpc": "2.0", "id": "a", "result": {}}]


@pytest.mark.parametrize("identity", ["caf\xe9", "\U0001f600", "", 10**30])
def test_an_id_is_sent_back_as_it_came(server: Server, identity: object) -> None:
    (pong,) = run_mcp(server, json.dumps({"jsonrpc": "2.0", "id": identity, "method": "ping"}).encode() + b"\n")
    assert pong["id"] == identity


@pytest.mark.parametrize("token", ["\udce9", None, True, [1], {}])
def test_a_token_that_cannot_be_sent_back_asks_for_no_progress(talk: Conversation, token: object) -> None:
    talk.say("tools/call", 1, name="web-uptime", _meta={"progressToken": token})
    assert talk.tell(1, method="$/item", params={"value": "x"}) == []


def test_the_version_is_that_of_the_program(talk: Conversation) -> None:
    (answer,) = talk.say("initialize", 1, protocolVersion="2025-06-18", capabilities={})
    assert answer["result"]["serverInfo"]["version"] == tshell.__version__ == smanager.__version__


def test_a_stateless_client_needs_no_handshake_and_is_told_which_revisions_there_are(talk: Conversation) -> None:
    (answer,) = talk.say("server/discover", 1, **STATELESS)
    assert answer["result"]["supportedVersions"][0] == "2026-07-28"
    assert answer["result"]["resultType"] == "complete"
    (refused,) = talk.say("tools/list", 2, _meta={f"{tshell.META}protocolVersion": "2031-01-01"})
    assert refused["error"]["code"] == -32022
    assert "2026-07-28" in refused["error"]["data"]["supported"]


def test_null_is_taken_for_what_may_be_left_out(talk: Conversation) -> None:
    assert talk.say_line(b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": null}')[0]["result"] == {}
    assert talk.say("tools/call", 2, name="box-run", arguments=None, _meta=None) == []
    assert talk.begun == [("box.run", {})]


def test_the_messages_of_a_batch_are_taken_one_by_one(talk: Conversation) -> None:
    pings = [{"jsonrpc": "2.0", "id": number, "method": "ping"} for number in (1, 2)]
    assert [answer["id"] for answer in talk.say_line(json.dumps(pings).encode())] == [1, 2]


# Tools


def test_tools_are_made_from_the_records_of_methods(talk: Conversation) -> None:
    assert talk.say("tools/list", 1) == []
    assert talk.begun == [("rpc.discover", [])]
    (answer,) = talk.tell(1, result={"methods": METHODS})
    opening, status = answer["result"]["tools"]
    assert opening == {
        "name": "web_1-open",
        "title": "web-1.open",
        "description": "Opens a door",
        "inputSchema": {
            "type": "object",
            "properties": {
                "door": {"type": "integer", "description": "which one"},
                "pin": {"type": "string", "writeOnly": True},
            },
            "required": ["door"],
            "additionalProperties": False,
        },
        "annotations": {"readOnlyHint": False, "destructiveHint": True},
    }
    assert (status["name"], status["annotations"]) == ("status", {"readOnlyHint": True, "destructiveHint": False})
    jsonschema.Draft202012Validator.check_schema(opening["inputSchema"])


@given(st.from_regex(r"(\w[\w@+-]*\.)?\w+", fullmatch=True))
def test_names_of_tools_are_letters_that_all_clients_take_and_lead_back_to_the_method(method: str) -> None:
    tool = tshell.tool_name(method)
    assert set(tool) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    assert tshell.method_name(tool) == method.replace("-", "_")


@pytest.mark.parametrize(
    "tool", ["shell-execute", "watch", "rpc-discover", "web.open", "web open", "--ffffff-", "--00e4-"]
)
def test_a_name_that_no_tool_has_is_unknown(talk: Conversation, tool: str) -> None:
    (answer,) = talk.say("tools/call", 1, name=tool)
    assert answer["error"] == {"code": -32602, "message": f"unknown tool {tool}; tools/list lists the tools"}
    assert not talk.begun


def test_a_command_that_does_not_exist_for_the_caller_is_an_unknown_tool(talk: Conversation) -> None:
    number = talk.call(1, "web-close")
    assert talk.begun == [("web.close", {})]  # so that the journal has the refusal
    (answer,) = talk.tell(number, error={"code": -32601, "message": "unknown method web.close; rpc.discover …"})
    assert answer["error"] == {"code": -32602, "message": "unknown tool web-close; tools/list lists the tools"}


def nested(levels: int) -> object:
    return [nested(levels - 1)] if levels else 0


@pytest.mark.parametrize(
    ("tool", "value", "error"),
    [
        ("box-run", nested(101), "arguments nested more than 100 levels deep"),
        ("box-run", nested(900), "arguments nested more than 100 levels deep"),
        ("box-run", [1] * 400_000, "a call of 1200020 bytes; at most 1047552"),
        ("box-run", "ö" * 200_000, "a call of 1200022 bytes; at most 1047552"),
        ("--f6-" * 200_000, 0, "a call of 1200014 bytes; at most 1047552"),
        ("box-run", [[]] * 49_999, "a call with 50002 of `[` and `{`; at most 50000"),
        ("box-run", "[" * 49_999, "a call with 50001 of `[` and `{`; at most 50000"),
    ],
    ids=["deep", "deeper than JSON is decoded", "blanks", "escapes", "tool", "lists", "brackets in text"],
)
def test_a_call_that_smanager_would_refuse_without_its_id_is_refused_before(
    talk: Conversation, tool: str, value: object, error: str
) -> None:
    params = {"name": tool, "arguments": {"x": value}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    (answer,) = talk.say_line(json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode())
    assert (answer["result"]["content"][0]["text"], answer["result"]["isError"]) == (error, True)
    assert not talk.begun


def test_the_limits_of_a_call_are_those_of_smanager() -> None:
    assert (tshell.CLIENT_LINE_LIMIT, tshell.BRACKETS_LIMIT) == (line_reader.REQUEST_LIMIT, requests.BRACKETS_LIMIT)


def test_the_largest_call_is_taken(server: Server) -> None:
    for value in ("x" * (tshell.CALL_LIMIT - 40), [[]] * 49_990, "{" * 49_990, nested(tshell.NESTING_LIMIT - 1)):
        assert not tshell.excess("systemstatus.args", {"what": value})
        (answer,) = run_mcp(server, request("tools/call", name="systemstatus-args", arguments={"what": value}))
        assert "unknown parameter what" in answer["result"]["content"][0]["text"]


# Results


@pytest.mark.parametrize(
    ("items", "value", "text", "structured"),
    [
        ((), "up 12 days\n", "up 12 days\n", {"result": "up 12 days\n"}),
        ((), {"größe": 1}, '{"größe": 1}', {"result": {"größe": 1}}),
        ((), None, "", {"result": None}),
        (("mail", {"n": 2}), None, 'mail\n{"n": 2}', {"items": ["mail", {"n": 2}], "result": None}),
        (("mail",), 7, "mail\n7", {"items": ["mail"], "result": 7}),
    ],
)
def test_a_result_is_text_and_data(
    talk: Conversation, items: tuple[object, ...], value: object, text: str, structured: object
) -> None:
    number = talk.call(1)
    assert talk.items(number, *items) == []
    (answer,) = talk.tell(number, result=value)
    assert answer["result"] == {"content": [{"type": "text", "text": text}], "structuredContent": structured}
    assert not talk.adapter.busy


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"code": -32000, "message": "box.run: ValueError: no"}, "box.run: ValueError: no"),
        ({"code": -32602, "message": "box.run: upto is 'x'"}, "box.run: upto is 'x'"),
        ({"code": -32002, "message": "log in first"}, "SManager at box requires a login; give a token in"),
    ],
)
def test_a_commands_error_is_a_result_that_says_why(talk: Conversation, error: dict[str, Any], text: str) -> None:
    number = talk.call(1)
    talk.items(number, "before")
    (answer,) = talk.tell(number, error=error)
    before, why = answer["result"]["content"]
    assert (before["text"], answer["result"]["isError"]) == ("before", True)
    assert why["text"].startswith(text)


def test_a_result_is_cut_at_a_limit_and_the_command_goes_on(talk: Conversation) -> None:
    number = talk.call(1)
    talk.items(number, *["x" * 999] * 200)
    assert not talk.cancelled
    (answer,) = talk.tell(number, result=None)
    text, note = (content["text"] for content in answer["result"]["content"])
    assert len(text) <= tshell.RESULT_LIMIT
    assert note.startswith("this is the beginning: a result has at most 100000 characters")
    assert "structuredContent" not in answer["result"]
    (answer,) = talk.tell(talk.call(2), result="x" * 100_001)
    assert len(answer["result"]["content"][0]["text"]) == 100_000


# Progress, cancelling, deadlines


def progress(token: object, done: float, text: str, **more: Any) -> dict[str, Any]:
    params = {"progressToken": token, "progress": done, **more, "message": text}
    return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def test_progress_and_items_are_told_to_a_client_that_asks_for_them(talk: Conversation) -> None:
    reports, silent = talk.call(1, _meta={"progressToken": "p"}), talk.call(2)
    assert talk.items(reports, "mail") == [progress("p", 1, "mail")]
    assert talk.items(silent, "mail") == []
    talk.now += 1
    report = {"done": 2, "total": 3, "text": "photos"}
    assert talk.tell(reports, method="$/progress", params=report) == [progress("p", 2, "photos", total=3)]
    talk.now += 1
    assert talk.items(reports, "photos", "music", "films") == []  # the command's own progress says more
    assert talk.tell(reports, method="$/progress", params=report) == []  # progress has to increase


def test_progress_is_told_no_more_often_than_a_person_sees(talk: Conversation) -> None:
    number = talk.call(1, _meta={"progressToken": 0})
    assert len(talk.items(number, *range(100))) == 1
    talk.now += tshell.PROGRESS_SECONDS
    assert talk.items(number, "x" * 5000) == [progress(0, 101, "x" * tshell.NOTICE_LIMIT)]


def test_a_cancelled_call_is_ended_and_not_answered(talk: Conversation) -> None:
    first, second = talk.call("a", _meta={"progressToken": 1}), talk.call("b")
    talk.say("notifications/cancelled", requestId="a", reason="enough")
    assert talk.cancelled == [first]
    assert talk.items(first, "late") == []
    assert talk.tell(first, error={"code": -32800, "message": "cancelled"}) == []
    assert len(talk.tell(second, result=None)) == 1


@pytest.mark.parametrize("identity", [True, 1.0, None, [1], {}, "1", 2])
def test_cancelling_what_does_not_run_cancels_nothing(talk: Conversation, identity: object) -> None:
    talk.call(1)
    assert talk.say("notifications/cancelled", requestId=identity) == []
    assert not talk.cancelled


def test_the_end_of_the_client_ends_all_calls(talk: Conversation) -> None:
    numbers = [talk.call("a"), talk.call("b")]
    talk.adapter.end()
    assert talk.cancelled == numbers
    (answer,) = talk.tell(numbers[0], error={"code": -32800, "message": "box.run: cancelled"})
    assert answer["result"]["isError"]


def test_a_cancelled_list_is_not_answered(talk: Conversation) -> None:
    talk.say("tools/list", 1)
    talk.say("notifications/cancelled", requestId=1)
    assert talk.tell(1, result={"methods": METHODS}) == []


def test_an_endless_stream_is_ended_at_its_deadline_with_what_has_come(talk: Conversation) -> None:
    number = talk.call(1, "logs", arguments={"follow": True})
    assert talk.begun == [("logs", {"follow": True})]
    assert talk.adapter.wait(connected=True) is None
    talk.tell(number, method="$/endless", params={})
    talk.items(number, "a line")
    assert talk.adapter.wait(connected=True) == tshell.ENDLESS_SECONDS
    assert talk.pass_time(tshell.ENDLESS_SECONDS) == []
    talk.pass_time(1)
    assert talk.cancelled == [number]
    (answer,) = talk.tell(number, error={"code": -32800, "message": "logs: cancelled"})
    texts = [content["text"] for content in answer["result"]["content"]]
    assert texts == ["a line", "ended after 30 s; the command by itself would go on"]
    assert (answer["result"]["structuredContent"]["items"], answer["result"].get("isError")) == (["a line"], None)


def test_too_many_calls_at_a_time_are_refused(talk: Conversation) -> None:
    for identity in range(tshell.CALLS_LIMIT):
        talk.call(identity)
    (answer,) = talk.say("tools/call", 99, name="box-run")
    assert answer["result"]["isError"]
    assert answer["result"]["content"][0]["text"].startswith("64 requests are running")
    (answer,) = talk.say("tools/list", 99)
    assert answer["error"]["message"].startswith("64 requests are running")
    talk.tell(1, result=None)
    assert talk.say("tools/list", 99) == []
    assert len(talk.say("tools/list", 100)) == 1


def test_too_many_subscriptions_are_refused(talk: Conversation) -> None:
    wanted = {"toolsListChanged": True}
    for identity in range(tshell.SUBSCRIPTIONS_LIMIT):
        talk.say("subscriptions/listen", identity, notifications=wanted, **STATELESS)
    (answer,) = talk.say("subscriptions/listen", 99, notifications=wanted, **STATELESS)
    assert answer["error"]["message"].startswith("64 subscriptions are open")


# A lost SManager, and news of tools


def test_a_lost_connection_answers_all_requests_and_the_next_call_begins_anew(talk: Conversation) -> None:
    talk.call(1)
    talk.say("tools/list", 2)
    talk.adapter.lost("lost SManager at box (it closed the connection)")
    call, listing = talk.heard()
    assert call["result"]["content"][0]["text"] == "lost SManager at box (it closed the connection)"
    assert call["result"]["isError"]
    assert listing["error"] == {"code": -32603, "message": "lost SManager at box (it closed the connection)"}
    talk.trouble = "no SManager answers at box"
    (answer,) = talk.say("tools/call", 3, name="box-run")
    assert answer["result"]["content"][0]["text"] == "no SManager answers at box"
    (answer,) = talk.say("tools/list", 4)
    assert answer["error"]["message"] == "no SManager answers at box"
    talk.trouble = ""
    assert len(talk.tell(talk.call(5), result="up")) == 1


def changed(**params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": params}


def test_a_client_that_listens_is_told_when_tools_come_and_go(talk: Conversation) -> None:
    talk.say("notifications/initialized")
    assert talk.adapter.wait(connected=True) is None  # it has not asked which tools there are
    talk.say("tools/list", 1)
    talk.tell(1, result={"methods": METHODS})
    assert talk.adapter.wait(connected=True) == tshell.LOOK_SECONDS
    assert talk.adapter.wait(connected=False) is None
    talk.pass_time(tshell.LOOK_SECONDS)
    assert talk.tell(2, result={"methods": METHODS}) == []
    talk.pass_time(tshell.LOOK_SECONDS)
    assert talk.tell(3, result={"methods": METHODS[:1]}) == [changed()]


def test_a_manager_that_does_not_answer_is_not_asked_for_news_again(talk: Conversation) -> None:
    talk.say("notifications/initialized")
    talk.say("tools/list", 1)
    talk.tell(1, result={"methods": METHODS})
    for _ in range(3):
        talk.pass_time(tshell.LOOK_SECONDS)
        assert talk.adapter.wait(connected=True) is None
    assert len(talk.begun) == 2
    talk.tell(2, result={"methods": METHODS})
    talk.pass_time(tshell.LOOK_SECONDS)
    assert len(talk.begun) == 3


def test_a_stateless_client_is_told_what_it_has_subscribed_to(talk: Conversation) -> None:
    (told,) = talk.say("subscriptions/listen", "s", notifications={"toolsListChanged": True}, **STATELESS)
    meta = {f"{tshell.META}subscriptionId": "s"}
    assert told["params"] == {"notifications": {"toolsListChanged": True}, "_meta": meta}
    talk.say("tools/list", 1, **STATELESS)
    (listed,) = talk.tell(1, result={"methods": METHODS})
    assert (listed["result"]["ttlMs"], listed["result"]["resultType"]) == (0, "complete")
    talk.pass_time(tshell.LOOK_SECONDS)
    assert talk.tell(2, result={"methods": []}) == [changed(_meta=meta)]
    talk.say("notifications/cancelled", requestId="s")
    assert talk.pass_time(tshell.LOOK_SECONDS) == []
    assert len(talk.begun) == 2


# The pipes


def run_mcp(server: Server, text: bytes, *options: str) -> list[dict[str, Any]]:
    """All that the program writes to stdout for these lines."""
    command = [*CLIENT, "-p", str(server.port), "--mcp", *options]
    done = subprocess.run(command, input=text, capture_output=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


def request(method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n"


def test_calls_are_answered_after_the_end_of_input(server: Server) -> None:
    (answer,) = run_mcp(server, request("tools/call", name="systemstatus-args", arguments={"words": ["a", "b"]}))
    assert answer["result"]["content"] == [{"type": "text", "text": "a|b"}]


def test_the_last_line_may_lack_its_newline(server: Server) -> None:
    (pong,) = run_mcp(server, request("ping").rstrip())
    assert pong["result"] == {}


def test_a_surrogate_is_replaced_since_clients_refuse_it(server: Server) -> None:
    (answer,) = run_mcp(server, request("tools/call", name="systemstatus-choose", arguments={"what": "caf\udce9"}))
    assert answer["result"]["structuredContent"] == {"result": "caf?"}


def test_a_line_beyond_the_limit_is_an_error_and_the_next_is_answered(server: Server) -> None:
    long = b'{"x": "' + b"x" * tshell.CLIENT_LINE_LIMIT + b'"}\n'
    refused, pong = run_mcp(server, long + request("ping"))
    assert refused["error"]["message"] == f"a message of more than {tshell.CLIENT_LINE_LIMIT} bytes"
    assert pong["result"] == {}


def test_a_stream_without_an_end_says_so_at_its_beginning(server: Server) -> None:
    with tshell.Client(port=server.port) as client:
        assert client.next_message(client.begin("events", {"follow": True}))["method"] == "$/endless"
        assert "result" in client.next_message(client.begin("events", {}))


def test_a_command_beside_the_option_is_refused() -> None:
    done = subprocess.run([*CLIENT, "--mcp", "status"], capture_output=True, timeout=SECONDS, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith(b"--mcp takes no command\n")


def test_the_end_of_input_ends_a_call_that_goes_on(server: Server) -> None:
    (answer,) = run_mcp(server, request("tools/call", name="systemstatus-wait"))
    assert answer["result"]["content"][0]["text"] == "systemstatus.wait: cancelled"
    wait_for(lambda: "systemstatus" not in server.ask("jobs"), "the end of the call")


def test_a_signal_ends_the_program_though_the_client_does_not_read(server: Server) -> None:
    command = [*CLIENT, "-p", str(server.port), "--mcp"]
    with subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdin
        program.stdin.write(request("tools/call", name="systemstatus-wait"))
        wait_for(lambda: "systemstatus" in server.ask("jobs"), "the call")
        os.set_blocking(program.stdin.fileno(), False)
        while program.stdin.write(request("ping")):
            pass  # until the program waits for its client to read the answers
        program.terminate()
        assert program.wait(SECONDS) == 128 + signal.SIGTERM
    wait_for(lambda: "systemstatus" not in server.ask("jobs"), "the end of the call")


def test_a_cancellation_that_cannot_be_sent_loses_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(tshell, "send_message", sent.append)
    here, there = socket.socketpair()

    class Connected(tshell.Client):
        def connect(self) -> socket.socket:
            return here

    pipes = tshell.AssistantPipes(Connected())
    for identity in (1, 2, 3):
        call = {"jsonrpc": "2.0", "id": identity, "method": "tools/call", "params": {"name": "box-run"}}
        pipes.adapter.receive(json.dumps(call).encode())
    there.close()
    pipes.adapter.end()
    assert [message["id"] for message in sent] == [1, 2, 3]
    assert all(message["result"]["content"][0]["text"].startswith("lost SManager at ") for message in sent)
    assert not pipes.adapter.busy
