"""Programs as callers: JSON-RPC requests on a real connection."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from referencing import Registry
from referencing.jsonschema import DRAFT7

from tests.conftest import SEED_SERVICE, Server, read_until, write_service

MORE = """
    def cmd_fail(self): raise ValueError("no")

    def cmd_wait(self):
        import time
        time.sleep(3600)

    def cmd_much(self):
        for _ in range(40):
            yield "x" * 500_000
"""


@pytest.fixture
def program_server(start: Callable[..., Server], services: Path) -> Server:
    write_service(services, SEED_SERVICE + MORE)
    return start("--services", services)


class Program:
    """A connection that carries requests."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def send(self, request: object) -> None:
        self._connection.sendall(json.dumps(request).encode() + b"\n")

    def answer(self) -> Any:
        return json.loads(self._lines.readline())

    def call(self, line: str, method: str = "shell.execute") -> Any:
        self.send({"jsonrpc": "2.0", "id": 7, "method": method, "params": {"line": line}})
        answer = self.answer()
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
        return answer.get("result", answer.get("error"))


def test_a_command_has_its_output_and_status(program_server: Server) -> None:
    with program_server.connect() as connection:
        program = Program(connection)
        assert program.call("hostname") == {"output": "mycomputerhostname\n", "status": 0}
        assert program.call("systemstatus fail") == {
            "output": "*** systemstatus fail: ValueError: no\n",
            "status": 1,
        }
        assert program.call("nonsense")["status"] == 2
        assert program.call("systemstatus uptime too many")["status"] == 2
        assert program.call("sys uptime")["status"] == 2
        assert program.call("") == {"output": "", "status": 0}


def test_completion_tells_where_the_word_begins(program_server: Server) -> None:
    with program_server.connect() as connection:
        program = Program(connection)
        assert program.call("systemstatus up", "shell.complete") == {"start": 13, "matches": ["uptime"]}
        assert program.call("hostname; sys", "shell.complete") == {"start": 10, "matches": ["systemstatus"]}


def test_requests_run_side_by_side(program_server: Server) -> None:
    with program_server.connect() as connection:
        program = Program(connection)
        program.send({"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": ["systemstatus wait"]})
        assert program.call("hostname")["status"] == 0


def test_a_program_may_be_silent_for_as_long_as_it_likes(program_server: Server) -> None:
    with program_server.connect() as connection:
        program = Program(connection)
        program.call("hostname")
        connection.settimeout(2.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(20)
        assert Program(connection).call("hostname")["status"] == 0


@pytest.mark.parametrize(
    ("line", "code", "identity"),
    [
        (b"{", -32700, None),
        (b"{}", -32600, None),
        (b'{"jsonrpc": "1.0", "id": 3, "method": "shell.execute"}', -32600, 3),
        (b'{"jsonrpc": "2.0", "id": 3, "method": 5}', -32600, 3),
        (b'{"jsonrpc": "2.0", "id": [3], "method": "shell.execute"}', -32600, None),
        (b'{"jsonrpc": "2.0", "id": 1e999, "method": "shell.execute"}', -32700, None),
        (b'{"jsonrpc": "2.0", "id": 3, "method": "nothing"}', -32601, 3),
        (b'{"jsonrpc": "2.0", "id": "a", "method": "shell.execute"}', -32602, "a"),
        (b'{"jsonrpc": "2.0", "id": 3, "method": "shell.execute", "params": {"line": 1}}', -32602, 3),
        (b"{" * 50_000, -32700, None),
    ],
)
def test_what_is_no_request_is_answered_with_its_error(
    program_server: Server, line: bytes, code: int, identity: object
) -> None:
    answer = json.loads(program_server.ask_bytes(line + b"\n"))
    assert (answer["error"]["code"], answer["id"]) == (code, identity)


# The specification's own examples (https://www.jsonrpc.org/specification#examples), with codes for error messages.

EXAMPLES = """
from smanager import SService


class Examples(SService):
    def toplevel_cmd_subtract(self, minuend: int, subtrahend: int): return minuend - subtrahend
    def toplevel_cmd_update(self, *numbers: int): pass
    def toplevel_cmd_foobar(self): pass
    def toplevel_cmd_sum(self, *numbers: int): return sum(numbers)
    def toplevel_cmd_notify_hello(self, *numbers: int): pass
    def toplevel_cmd_notify_sum(self, *numbers: int): pass
    def toplevel_cmd_get_data(self): return ["hello", 5]
"""

EXAMPLE_CALLS = json.loads((Path(__file__).parent / "data" / "jsonrpc-examples.json").read_text())


def without_messages(response: Any) -> Any:
    if isinstance(response, list):
        return sorted(map(without_messages, response), key=str)
    if "error" in response:
        response = {**response, "error": response["error"]["code"]}
    return dict(sorted(response.items()))


def test_a_batch_has_an_end(server: Server) -> None:
    assert "a batch of more than 1000 requests" in server.ask(f"[{','.join(['0'] * 1001)}]\n")


@pytest.mark.parametrize("example", EXAMPLE_CALLS, ids=lambda example: example["title"])
def test_the_specifications_examples_are_answered_as_it_says(kept: Callable[..., Server], example: Any) -> None:
    server = kept(examples=EXAMPLES)
    with server.connect() as connection:
        connection.sendall(example["sent"].encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)
        received = connection.makefile("rb").read()
    responses = [without_messages(json.loads(line)) for line in received.splitlines()]
    expected = [] if example["received"] is None else [without_messages(example["received"])]
    assert responses == expected


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
        for number in range(200_000): yield {"number": number, "filling": "x" * 100}
"""


@pytest.fixture
def typed(kept: Callable[..., Server]) -> Server:
    return kept(typed=TYPED)


def responses(server: Server, *requests: object) -> list[Any]:
    """All that comes back on one connection, in its order."""
    with server.connect() as connection:
        for request in requests:
            connection.sendall(json.dumps(request).encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)
        return [json.loads(line) for line in connection.makefile("rb").read().splitlines()]


def request(method: str, params: object = None, identity: object = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, **({} if params is None else {"params": params})}


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
        ("typed.nothing", None, (-32601, "there is no method typed.nothing; rpc.discover says what there is", None)),
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
        ("service.start", {"names": ["nobody"]}, (-32000, "no service is called nobody; there are: typed", ...)),
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


def test_services_are_looked_after_by_methods(typed: Server) -> None:
    (listed,) = responses(typed, request("services.list"))
    assert [(service["name"], service["state"]) for service in listed["result"]] == [("typed", "running")]
    (stopped,) = responses(typed, request("service.stop", [["typed"]]))
    assert stopped["result"][0]["state"] == "stopped"
    (refused,) = responses(typed, request("typed.load"))
    assert refused["error"]["code"] == -32000
    assert "typed is stopped" in refused["error"]["message"]
    (started,) = responses(typed, request("service.start", {"names": ["t*"]}))
    assert started["result"][0]["state"] == "running"
    (reloaded,) = responses(typed, request("manager.reload", {"dry_run": True}))
    assert reloaded["result"] == []
    (logs,) = responses(typed, request("service.logs", {"name": "typed", "count": 5}))
    assert isinstance(logs["result"], list)
    (why,) = responses(typed, request("service.why", [["typed"]]))
    (reasons,) = why["result"]
    assert [life["end"] for life in reasons["lives"]] == ["stopped, as asked", None]
    (waited,) = responses(typed, request("service.wait", [["typed"], "running", "1m"]))
    assert waited["result"] is None
    (late,) = responses(typed, request("service.wait", [["typed"], "failed", 0.1]))
    assert late["error"]["message"].startswith("not failed within 0.1 s: typed is running")
    (odd,) = responses(typed, request("service.signal", [["typed"], "NONE"]))
    assert "'NONE' is no signal" in odd["error"]["message"]
    (events,) = responses(typed, request("manager.events", [1]))
    assert events["result"][0]["service"] == "typed"
    (jobs,) = responses(typed, request("jobs.list"))
    assert jobs["result"] == []
    (none,) = responses(typed, request("jobs.cancel", [7]))
    assert "there is no job 7" in none["error"]["message"]


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


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60).map(lambda data: b"{" + data.replace(b"\n", b"").replace(b"\r", b"")))
def test_whatever_begins_like_a_request_is_answered_and_so_is_the_next(program_server: Server, line: bytes) -> None:
    with program_server.connect() as connection:
        connection.sendall(line + b"\n" + json.dumps(request("hostname", identity=5)).encode() + b"\n")
        lines = connection.makefile("rb")
        assert json.loads(lines.readline())["error"]["code"] in (-32700, -32600)
        assert json.loads(lines.readline())["id"] == 5


def test_a_stream_waits_for_who_does_not_read(typed: Server) -> None:
    with typed.connect() as connection:
        connection.sendall(json.dumps(request("typed.flood")).encode() + b"\n")
        for _ in range(3):
            assert responses(typed, request("typed.load"))[0]["result"] == {"minute": 0.5}
        lines = connection.makefile("rb")
        for number in range(200_000):
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
    assert {"services.list", "shell.execute", "rpc.discover", "typed.load"} <= methods.keys()
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


def test_notifications_are_not_answered(program_server: Server) -> None:
    line = b'{"jsonrpc": "2.0", "method": "shell.execute", "params": ["hostname"]}\n'
    assert program_server.ask_bytes(line) == b""


def test_output_beyond_what_a_reply_holds_is_an_error_that_says_so(program_server: Server) -> None:
    with program_server.connect() as connection:
        error = Program(connection).call("systemstatus much")
        assert error["code"] == -32001
        assert "a reply holds 16777216" in error["message"]


def test_a_person_may_paste_a_request(program_server: Server) -> None:
    with program_server.connect() as connection:
        connection.recv(100)
        connection.sendall(b"\xff\xfd\x01\xff\xfd\x03")
        shown = b""
        while b"\r\n>" not in shown:
            shown += connection.recv(1000)
        connection.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "shell.execute", "params": ["hostname"]}\r')
        while b"mycomputerhostname" not in shown:
            shown += connection.recv(1000)
