"""Results that cannot be sent, or cannot be read by who gets them: each face has one line, and the command ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Server
from tests.live.clients import request, responses

ODD = """
import sys
from smanager import Progress, SService

sys.set_int_max_str_digits(0)
sys.setrecursionlimit(20_000)

def nested(depth):
    value = []
    for _ in range(depth): value = [value]
    return value

class Rude(Exception):
    def __str__(self): raise SystemExit

class Odd(SService):
    def cmd_digits(self): return {"n": 10 ** 5000}
    def cmd_deep(self, depth: int): return {"n": nested(depth)}
    def cmd_items(self): yield {"n": 1}; yield {"n": 10 ** 5000}; yield {"n": 2}
    async def cmd_later(self): return {"n": 10 ** 5000}
    async def cmd_later_items(self): yield {"n": 10 ** 5000}
    def cmd_circle(self):
        circle = []
        circle.append(circle)
        return {"n": circle}
    def cmd_rude(self): raise Rude
    def cmd_mute(self):
        stdout, sys.stdout = sys.stdout, None
        try: raise ValueError("said")
        finally: sys.stdout = stdout
    def cmd_closed(self):
        class Closed:
            def write(self, text): raise SystemExit
        stdout, sys.stdout = sys.stdout, Closed()
        def back(): sys.stdout = stdout
        import threading
        threading.Timer(1, back).start()
        raise ValueError("said")
    def cmd_surrogates(self): return "\\ud800 \\udcff"
    def cmd_surrogate_error(self): raise ValueError("\\ud800 \\udcff")
    def cmd_talk(self): yield Progress(1, text="x" * 5_000_000); yield "done"
    def cmd_returns(self): yield 1; return {"n": 2}
    async def cmd_returns_later(self):
        def items(): yield 1; return {"n": 2}
        return items()
    def cmd_returns_much(self): yield 1; return "x" * 200_000
    def cmd_fine(self): return "fine"
"""

DIGITS = (
    "its result cannot be read: {} frame without JSON: Exceeds the limit (4300 digits) for integer string conversion"
)


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    return shared(odd=ODD)


@pytest.fixture(autouse=True)
def nothing_is_left_running(server: Server) -> Iterator[None]:
    pid = json.loads(server.ask("status --json"))[0]["pid"]
    yield
    assert json.loads(server.ask("jobs --json")) == []
    assert server.ask("odd fine") == "fine\n"
    assert json.loads(server.ask("status --json"))[0]["pid"] == pid


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("digits", DIGITS.format("VALUE")),
        ("later", DIGITS.format("VALUE")),
        ("items", DIGITS.format("ITEM")),
        ("later_items", DIGITS.format("ITEM")),
        ("deep 3000", ""),
        ("deep 40000", ""),
        ("circle", "RecursionError: "),
        ("rude", "Rude: its message cannot be shown"),
        ("mute", "ValueError: said"),
        ("closed", "ValueError: said"),
        ("surrogate_error", "ValueError: "),
    ],
)
def test_what_cannot_be_read_is_one_line_at_every_face(server: Server, line: str, error: str) -> None:
    *_, last = server.ask(f"odd {line} --json").splitlines()
    if error:
        assert json.loads(last)["error"].startswith(f"odd {line.split()[0]}: {error}")
    assert server.ask_bytes(f"odd {line}".encode()).endswith(b"\n")
    method, *arguments = line.split()
    answer = responses(server, request(f"odd.{method}", list(map(int, arguments))))[-1]
    assert answer["id"] == 1
    assert "error" in answer or not error


@pytest.mark.parametrize("command", ["returns", "returns_later"])
def test_what_a_generator_returns_is_its_result(server: Server, command: str) -> None:
    assert server.ask(f"odd {command}") == "1\nn  2\n"
    assert server.ask(f"odd {command} --json") == '1\n{"n": 2}\n'
    item, answer = responses(server, request(f"odd.{command}"))
    assert (item["params"]["value"], answer["result"]) == (1, {"n": 2})


def test_what_a_generator_returns_may_be_large(server: Server) -> None:
    assert server.ask("odd returns_much") == "1\n" + "x" * 200_000 + "\n"
    assert json.loads(server.ask("odd returns_much --json").splitlines()[1]) == "x" * 200_000


def test_text_that_is_not_unicode_and_long_reports_of_progress_arrive(server: Server) -> None:
    assert server.ask_bytes(b"odd surrogates") == b"? \xff\n"
    assert server.ask("odd talk") == "done\n"
