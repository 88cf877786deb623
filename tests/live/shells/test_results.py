"""What commands return, as text and as JSON, and Tab on their arguments."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conftest import Server
from tests.live.clients import Program

RETURNS = """
import enum, time
from collections import deque
from decimal import Decimal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple
from smanager import SService

@dataclass
class Disk:
    name: str
    free: int
    share: float

class Point(NamedTuple):
    x: int
    y: int

class Colour(enum.Enum):
    RED = 1
    GREEN = 2

class Each:
    def __iter__(self): yield from "ab"

class Returns(SService):
    def cmd_text(self): return "two\\nlines"
    def cmd_nothing(self): return None
    def cmd_number(self): return 1.5
    def cmd_truth(self): return True
    def cmd_record(self): return Disk("/", 5, 0.5)
    def cmd_point(self): return Point(1, 2)
    def cmd_table(self): return [Disk("/", 5, 0.5), Disk("/home with a name that is long", 12, 0.25)]
    def cmd_list(self): return [1, "b"]
    def cmd_range(self): return range(2)
    def cmd_views(self): return {"keys": {"a": 1}.keys(), "queue": deque([1]), "price": Decimal("1.5")}
    def cmd_infinite(self): return {"most": float("inf"), "least": float("-inf"), "none": float("nan")}
    def cmd_each(self): return Each()
    def cmd_empty(self): return []
    def cmd_stream(self): yield 1; yield {"a": 1}; yield "b"
    async def cmd_later(self):
        for number in range(2): yield number
    def cmd_fail(self): raise ValueError("no")
    def cmd_paint(self, colour: Colour, *, mode: Literal["fast", "slow"] = "fast", times: int = 1, very: bool = False):
        return f"{colour} {mode} {times} {very}"
    def cmd_send(self, *, to_all: Colour = Colour.RED, tags: list[str] = [], file: Path = Path("x")): return tags
    def cmd_case(self, size: Literal["XL", "xs"]): return size
    def cmd_sure(self, word, *, force: bool, try_hard: bool | None = None): return word
    def cmd_open(self, place: Path): return type(place).__name__
    def cmd_dash_ed(self, some_word): return some_word
    def cmd_huge(self): return {"x": "y" * 5_000_000}
"""


@pytest.fixture(scope="module")
def server(shared: Callable[..., Server]) -> Server:
    return shared(returns=RETURNS)


@pytest.mark.parametrize(
    ("command", "text", "data"),
    [
        ("text", "two\nlines\n", ["two\nlines"]),
        ("nothing", "", [None]),
        ("number", "1.5\n", [1.5]),
        ("truth", "True\n", [True]),
        ("record", "name   /\nfree   5\nshare  0.5\n", [{"name": "/", "free": 5, "share": 0.5}]),
        ("point", "x  1\ny  2\n", [{"x": 1, "y": 2}]),
        (
            "table",
            "name\tfree\tshare\n/\t5\t0.5\n/home with a name that is long\t12\t0.25\n",
            [
                [
                    {"name": "/", "free": 5, "share": 0.5},
                    {"name": "/home with a name that is long", "free": 12, "share": 0.25},
                ]
            ],
        ),
        ("list", "1\nb\n", [[1, "b"]]),
        ("range", "0\n1\n", [[0, 1]]),
        ("views", 'keys   ["a"]\nqueue  [1]\nprice  1.5\n', [{"keys": ["a"], "queue": [1], "price": 1.5}]),
        (
            "infinite",
            "most   inf\nleast  -inf\nnone   nan\n",
            [{"most": "inf", "least": "-inf", "none": "nan"}],
        ),
        ("each", "a\nb\n", ["a", "b"]),
        ("empty", "", [[]]),
        ("stream", '1\n{"a": 1}\nb\n', [1, {"a": 1}, "b"]),
        ("later", "0\n1\n", [0, 1]),
        ("fail", "*** returns fail: ValueError: no\n", [{"error": "returns fail: ValueError: no"}]),
        (
            "paint blue",
            "*** returns paint: colour: 'blue' should be one of red, green; usage: "
            "returns paint [--mode {fast,slow}] [--times TIMES] [--very] {red,green}\n",
            None,
        ),
        ("paint red --mode slow --very", "Colour.RED slow 1 True\n", ["Colour.RED slow 1 True"]),
        ("open /", "PosixPath\n", ["PosixPath"]),
        ("dash-ed a", "a\n", ["a"]),
        ("dash_ed -- --json", "--json\n", None),
    ],
)
def test_a_result_is_text_for_scripts_and_itself_with_json(
    server: Server, command: str, text: str, data: list[object] | None
) -> None:
    assert server.ask(f"returns {command}") == text
    if data is not None:
        lines = server.ask(f"returns {command} --json").splitlines()
        assert [json.loads(line) for line in lines] == data


def test_the_managers_own_commands_have_json_too(kept: Callable[..., Server]) -> None:
    server = kept(returns=RETURNS)
    (status,) = json.loads(server.ask("status --json"))
    assert (status["name"], status["state"], status["restarts"]) == ("returns", "running", 0)
    assert status["memory"] > 1_000_000
    (why,) = json.loads(server.ask("why returns --json"))
    assert [life["asked_by"] for life in why["lives"]] == ["the manager"]
    assert json.loads(server.ask("services --json")) == {"services": {"returns": "running"}, "problems": []}
    assert json.loads(server.ask("events -n 1 --json"))[0]["service"] == "returns"
    assert json.loads(server.ask("logs --json")) == []
    assert json.loads(server.ask("nonsense --json")).keys() == {"error"}
    assert json.loads(server.ask("help -s --json")).startswith("TOP:")


def test_a_result_that_is_too_large_is_refused_with_the_remedy(server: Server) -> None:
    assert json.loads(server.ask("returns huge --json")) == {
        "error": "returns huge: its result is larger than 4194304 characters; it should yield parts"
    }


def test_tab_offers_options_choices_and_paths(server: Server) -> None:
    directory = server.directory
    (directory / "a place").mkdir()
    completions = {
        "returns paint ": ["green", "red"],
        "returns paint R": ["red"],
        "returns paint red --": ["--json", "--mode", "--times", "--very"],
        "returns paint red --mode ": ["fast", "slow"],
        "returns paint --mode slow --m": [],
        "returns paint red -- --": [],
        "returns paint --times ": [],
        "returns case x": ["XL", "xs"],
        "returns sure --": ["--force", "--json", "--no-force", "--no-try-hard", "--try-hard"],
        "returns sure --no-force --": ["--json", "--no-try-hard", "--try-hard"],
        "returns sure --force ": [],
        f"returns open {directory}/serv": [f"{directory}/services/"],
        "returns open s": ["services/", "smanager.toml", "state/"],
        "returns open a": ["a place/"],
        "returns open 'a p": ["a place/"],
        'returns open "a p': ["a place/"],
        "returns open a\\ p": ["a place/"],
        "watch returns open 'a p": ["a place/"],
        "returns text --j": ["--json"],
        "returns dash": ["dash_ed"],
        "returns dash-": ["dash_ed"],
        "returns send --to_": ["--to-all"],
        "returns send --to-all=": ["--to-all=green", "--to-all=red"],
        "returns send --to-all=G": ["--to-all=green"],
        f"returns send --file={directory}/serv": [f"--file={directory}/services/"],
        "returns send --tags a --t": ["--tags", "--to-all"],
        "status --j": ["--json"],
        "status -- --j": [],
        "nonsense --j": [],
    }
    with server.connect() as connection:
        program = Program(connection)
        assert {line: program.call(line, "shell.complete")["matches"] for line in completions} == completions
