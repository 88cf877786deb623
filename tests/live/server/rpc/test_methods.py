"""Methods that programs call: values, errors, streams, cancellation and descriptions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import ANY

import jsonschema
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT7

from tests.conftest import Server, is_in, read_until, wait_for
from tests.live.clients import request, responses

TYPED = """
import asyncio, enum, time
from typing import Literal
from smanager import Progress, SService


class Colour(enum.Enum):
    RED = 1


class Typed(SService):
    def cmd_load(self, *, per: Literal["minute", "hour"] = "minute") -> dict[str, float]:
        "The load\\n\\nArgs:\\n    per: over how long"
        return {per: 0.5}
    def cmd_paint(self, colour: Colour, times: int = 1): return f"{colour.name} {times}"
    def cmd_stream(self):
        yield Progress(0, 2, "begun")
        yield {"number": 1}
        yield "two"
    def cmd_fail(self): raise KeyError("gone")
    def cmd_die(self):
        import os
        os._exit(3)
    def cmd_wait(self): time.sleep(3600)
    async def cmd_wait_later(self): await asyncio.sleep(3600)
    async def cmd_nap(self): await asyncio.sleep(0.2)
    def cmd_flood(self):
        for number in range(10_000):
            self.flooded = number
            yield {"number": number, "filling": "x" * 2000}
    flooded = 0
    def cmd_flooded(self): return self.flooded
"""


@pytest.fixture(scope="module")
def typed(shared: Callable[..., Server]) -> Server:
    return shared(typed=TYPED)


def test_a_method_returns_the_value_itself(typed: Server) -> None:
    assert responses(typed, request("typed.load")) == [{"jsonrpc": "2.0", "result": {"minute": 0.5}, "id": 1}]
    (answer,) = responses(typed, request("typed.load", {"per": "hour"}))
    assert answer["result"] == {"hour": 0.5}
    (answer,) = responses(typed, request("typed.paint", ["red", 2]))
    assert answer["result"] == "RED 2"


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("typed.paint", ["blue"], (-32602, 'typed.paint: colour is "blue", and should be one of red', None)),
        ("typed.paint", {}, (-32602, "typed.paint: too few arguments: colour missing", None)),
        ("typed.nothing", None, (-32601, "unknown method typed.nothing; rpc.discover lists the methods", None)),
        ("typed.fail", [], (-32000, "typed.fail: KeyError: 'gone'", {"type": "KeyError", "message": "'gone'"})),
        (
            "typed.die",
            None,
            (
                -32000,
                "typed.die: its host died: exit status 3",
                {"type": "HostError", "message": "its host died: exit status 3"},
            ),
        ),
        ("start", {"services": ["nobody"]}, (-32000, "unknown service nobody; known: typed", ...)),
        ("shell.execute", {"line": 5}, (-32602, "shell.execute: line is 5, and should be text", None)),
    ],
)
def test_errors_have_the_specifications_codes_and_say_what_they_are(
    typed: Server, method: str, params: object, error: tuple[int, str, object]
) -> None:
    (answer,) = responses(typed, request(method, params))
    code, message, data = error
    assert (answer["error"]["code"], answer["error"]["message"]) == (code, message)
    assert data is ... or answer["error"].get("data") == data
    is_in(typed, "typed", "running")  # again, after the end of its host


def test_a_stream_comes_as_notifications_before_the_answer(typed: Server) -> None:
    assert responses(typed, request("typed.stream", identity="a")) == [
        {"jsonrpc": "2.0", "method": "$/progress", "params": {"id": "a", "done": 0, "total": 2, "text": "begun"}},
        {"jsonrpc": "2.0", "method": "$/item", "params": {"id": "a", "value": {"number": 1}}},
        {"jsonrpc": "2.0", "method": "$/item", "params": {"id": "a", "value": "two"}},
        {"jsonrpc": "2.0", "result": None, "id": "a"},
    ]


@pytest.mark.parametrize("method", ["typed.wait", "typed.wait_later", "shell.execute"])
def test_a_request_can_be_cancelled(typed: Server, method: str) -> None:
    params = ["typed wait"] if method == "shell.execute" else None
    cancel = {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 1}}
    (answer,) = responses(typed, request(method, params), cancel)
    assert (answer["id"], answer["error"]["code"]) == (1, -32800)


def test_those_that_run_and_those_that_wait_can_be_cancelled(typed: Server) -> None:
    asked = [request("typed.wait_later", identity=number) for number in range(70)]
    ids = [*range(64, 70), *range(64)]  # those that wait first
    cancels = [{"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": number}} for number in ids]
    answers = responses(typed, *asked, *cancels)
    assert {answer["id"]: answer["error"]["code"] for answer in answers} == dict.fromkeys(range(70), -32800)


def test_a_batch_of_more_than_may_run_at_a_time_is_answered_whole(typed: Server) -> None:
    naps = [request("typed.nap", identity=number) for number in range(64)]
    unknown = [request("nothing", identity=number) for number in range(1000, 1700)]
    (batch,) = responses(typed, [*naps, *unknown])
    assert {answer["id"] for answer in batch} == {*range(64), *range(1000, 1700)}


def test_services_are_looked_after_by_methods(kept: Callable[..., Server]) -> None:
    typed = kept(typed=TYPED)
    (listed,) = responses(typed, request("status"))
    assert [(service["name"], service["state"]) for service in listed["result"]] == [("typed", "running")]
    stopped, answer = responses(typed, request("stop", [["typed"]]))
    assert stopped["params"]["value"] == {"service": "typed", "state": "stopped", "reason": ANY, "still": False}
    assert answer["result"] is None
    (refused,) = responses(typed, request("typed.load"))
    assert refused["error"]["code"] == -32000
    assert "typed is stopped" in refused["error"]["message"]
    started, _ = responses(typed, request("start", {"services": ["t*"]}))
    assert started["params"]["value"]["state"] == "running"
    reloaded, _ = responses(typed, request("reload", {"dry_run": True}))
    assert reloaded["params"]["value"] == {"text": "nothing has changed"}
    (logs,) = responses(typed, request("logs", {"services": ["typed"], "count": 5}))
    assert isinstance(logs["result"], list)
    (why,) = responses(typed, request("why", [["typed"]]))
    (reasons,) = why["result"]
    assert [(life["end"] or "").rpartition(":")[0] for life in reasons["lives"]] == ["stopped by 127.0.0.1", ""]
    (waited,) = responses(typed, request("wait", {"services": ["typed"], "state": "running", "timeout": "1m"}))
    assert waited["result"] is None
    (late,) = responses(typed, request("wait", {"services": ["typed"], "state": "failed", "timeout": 0.1}))
    assert late["error"]["message"].startswith("wait: not failed within 0.1 s: typed is running")
    (odd,) = responses(typed, request("signal", [["typed"], "NONE"]))
    assert "signal is 'NONE', and should be" in odd["error"]["message"]
    (events,) = responses(typed, request("events", {"count": 1}))
    assert events["result"][0]["service"] == "typed"
    (jobs,) = responses(typed, request("jobs"))
    assert jobs["result"] == []
    (none,) = responses(typed, request("cancel", [7]))
    assert "unknown job 7" in none["error"]["message"]


def test_a_line_of_commands_can_be_streamed_and_cancelled(typed: Server) -> None:
    params = {"line": "typed load; nonsense; wait typed stopped", "stream": True, "json": True}
    with typed.connect() as connection:
        connection.sendall(json.dumps(request("shell.execute", params, identity=7)).encode() + b"\n")
        lines = connection.makefile("rb")
        load, nonsense = (json.loads(lines.readline())["params"] for _ in range(2))
        assert (load["id"], json.loads(load["value"])) == (7, {"minute": 0.5})
        assert "unknown command" in json.loads(nonsense["value"])["error"]
        cancel = {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 7}}
        connection.sendall(json.dumps(cancel).encode() + b"\n")
        assert json.loads(json.loads(lines.readline())["params"]["value"]) == {"error": "wait: cancelled"}
        assert json.loads(lines.readline())["error"]["code"] == -32800


def test_a_streamed_line_returns_the_last_error(typed: Server) -> None:
    failed = responses(typed, request("shell.execute", {"line": "nonsense; typed fail; typed load", "stream": True}))
    assert failed[-1]["result"] == {"output": "", "status": 2, "error": "typed fail: KeyError: 'gone'"}
    fine = responses(typed, request("shell.execute", {"line": "typed load", "stream": True}))
    assert fine[-1]["result"] == {"output": "", "status": 0}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("line", "begin", "end"),
    [
        ("typed", "", "typed"),
        ("load", "typed", "typed"),
        ("exit", "typed", ""),
        ("quit", "typed", None),
        ("load", "no", ""),
    ],
)
def test_a_line_may_begin_in_the_shell_of_a_service(
    typed: Server, stream: bool, line: str, begin: str, end: str | None
) -> None:
    *_, answer = responses(typed, request("shell.execute", {"line": line, "shell": begin, "stream": stream}))
    assert answer["result"]["shell"] == end


def test_a_word_is_completed_as_in_the_shell_of_a_service(typed: Server) -> None:
    (answer,) = responses(typed, request("shell.complete", {"line": "loa", "shell": "typed"}))
    assert answer["result"] == {"start": 0, "matches": ["load"]}


def test_a_line_may_be_for_a_window(typed: Server) -> None:
    (answer,) = responses(typed, request("shell.execute", {"line": "status", "columns": 200}))
    assert "\t" not in answer["result"]["output"]
    (answer,) = responses(typed, request("shell.execute", {"line": "status", "columns": -1}))
    assert answer["error"]["message"] == "columns is -1, and should be at most 1000"


def test_a_request_may_come_in_pieces_however_slowly(typed: Server) -> None:
    line = json.dumps(request("typed.load"))
    with typed.connect() as connection:
        connection.sendall(line[:20].encode())
        assert "not stopped" in typed.ask(
            "wait typed stopped --timeout 0.6"
        )  # longer than a line may be left unfinished
        connection.sendall(f"{line[20:]}\n".encode())
        assert json.loads(read_until(connection, b"\n"))["result"] == {"minute": 0.5}
    with typed.connect() as connection:
        connection.sendall(line.encode())  # whole, though no newline says so
        assert json.loads(read_until(connection, b"\n"))["result"] == {"minute": 0.5}


def test_a_request_that_is_too_long_is_refused_and_the_next_one_answered(typed: Server) -> None:
    long = json.dumps(request("typed.load", ["x" * 500_000]))
    too_long = json.dumps(request("typed.load", ["x" * 1_500_000]))
    with typed.connect() as connection:
        lines = connection.makefile("rb")
        for line, code in ((long, -32602), (too_long, -32600), (json.dumps(request("nothing")), -32601)):
            connection.sendall(line.encode() + b"\n")
            assert json.loads(lines.readline())["error"]["code"] == code


def test_a_slow_programs_replies_have_lines_of_their_own(typed: Server) -> None:
    with typed.connect() as connection:
        read_until(connection, b">")  # it was taken for a person
        for _ in range(2):
            connection.sendall(json.dumps(request("typed.load")).encode() + b"\n")
        received = b""
        while received.count(b"\n") < 3:
            received += connection.recv(65536)
        assert [json.loads(line)["result"] for line in received.splitlines()[1:]] == [{"minute": 0.5}] * 2


def is_held(typed: Server) -> bool:
    """Whether the flood has begun and does not go on."""
    looks = {responses(typed, request("typed.flooded"))[0]["result"] for _ in range(5)}
    return len(looks) == 1 and looks != {0}


def test_a_stream_waits_for_who_does_not_read(typed: Server) -> None:
    with typed.connect() as connection:
        connection.sendall(json.dumps(request("typed.flood")).encode() + b"\n")
        wait_for(lambda: is_held(typed), "the stream to wait")
        lines = connection.makefile("rb")
        for number in range(10_000):
            item = json.loads(lines.readline())
            assert item["params"]["value"]["number"] == number
        assert json.loads(lines.readline())["result"] is None


def test_all_that_may_be_called_is_described_by_openrpc(typed: Server) -> None:
    (answer,) = responses(typed, request("rpc.discover"))
    document = answer["result"]
    schema = json.loads((Path(__file__).parent / "data" / "openrpc-meta-schema.json").read_text())
    json_schema = DRAFT7.create_resource(jsonschema.Draft7Validator.META_SCHEMA)
    registry = Registry().with_resource("https://meta.json-schema.tools", json_schema)
    jsonschema.Draft7Validator(schema, registry=registry).validate(document)
    methods = {method["name"]: method for method in document["methods"]}
    assert {"status", "shell.execute", "rpc.discover", "typed.load"} <= methods.keys()
    read_only = {name for name, method in methods.items() if method.get("x-read-only")}
    assert {"status", "logs", "audit", "who", "whoami"} <= read_only
    assert not read_only & {"stop", "kill", "rerun", "watch", "shell.execute", "typed.load"}
    load = methods["typed.load"]
    assert (load["summary"], load["result"]["schema"]["type"]) == ("The load", "object")
    assert load["params"] == [
        {
            "name": "per",
            "description": "over how long",
            "required": False,
            "schema": {"enum": ["minute", "hour"], "default": "minute"},
        }
    ]
    assert methods["status"]["params"][0]["schema"]["items"] == {"type": "string", "format": "service"}
    groups = {name: [tag["name"] for tag in method.get("tags", ())] for name, method in methods.items()}
    assert (groups["typed.load"], groups["status"], groups["kill"]) == (["typed"], ["Looking"], ["Commands"])
    assert groups["shell.execute"] == []  # for programs
