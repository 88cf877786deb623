"""Programs as callers: JSON-RPC requests on a real connection."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import SEED_SERVICE, Server
from tests.live.clients import Program, request

MORE = """
    def cmd_fail(self): raise ValueError("no")

    def cmd_wait(self):
        import time
        time.sleep(3600)

    def cmd_much(self):
        for _ in range(40):
            yield "x" * 500_000
"""


@pytest.fixture(scope="module")
def program_server(shared: Callable[..., Server]) -> Server:
    return shared(systemstatus=SEED_SERVICE + MORE)


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


@pytest.fixture(scope="module")
def examples(shared: Callable[..., Server]) -> Server:
    return shared(examples=EXAMPLES)


def without_messages(response: Any) -> Any:
    if isinstance(response, list):
        return sorted(map(without_messages, response), key=str)
    if "error" in response:
        response = {**response, "error": response["error"]["code"]}
    return dict(sorted(response.items()))


def test_a_batch_has_an_end(program_server: Server) -> None:
    assert "a batch of more than 1000 requests" in program_server.ask(f"[{','.join(['0'] * 1001)}]\n")


@pytest.mark.parametrize("example", EXAMPLE_CALLS, ids=lambda example: example["title"])
def test_the_specifications_examples_are_answered_as_it_says(examples: Server, example: Any) -> None:
    with examples.connect() as connection:
        connection.sendall(example["sent"].encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)
        received = connection.makefile("rb").read()
    responses = [without_messages(json.loads(line)) for line in received.splitlines()]
    expected = [] if example["received"] is None else [without_messages(example["received"])]
    assert responses == expected


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60).map(lambda data: b"{" + data.replace(b"\n", b"").replace(b"\r", b"")))
def test_whatever_begins_like_a_request_is_answered_and_so_is_the_next(program_server: Server, line: bytes) -> None:
    with program_server.connect() as connection:
        connection.sendall(line + b"\n" + json.dumps(request("hostname", identity=5)).encode() + b"\n")
        lines = connection.makefile("rb")
        assert json.loads(lines.readline())["error"]["code"] in (-32700, -32600)
        assert json.loads(lines.readline())["id"] == 5


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
