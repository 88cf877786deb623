"""How the answers of many nodes are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from smanager.fleet import answers
from smanager.fleet.answers import PATIENCE_SECONDS, WAITING_LIMIT, Answers, JsonAnswers, answer_of
from smanager.fleet.asking import Heard
from smanager.fleet.known import KnownNodes, NodeAbout


class Stage:
    """Answers on a clock that stands until it is moved."""

    def __init__(self, path: Path, kind: type[Answers] = Answers, for_person: bool = True) -> None:
        self.now = 100.0
        self.shown = ""
        known = KnownNodes(path / "known.json")
        known.learn(NodeAbout("old", seen=1.0))
        self.answers = kind(self._write, self._write, known, lambda: self.now, for_person)

    def _write(self, text: str) -> None:
        self.shown += text

    def take(self, *heard: Sequence[Any]) -> None:
        for one in heard:
            self.answers.take(Heard(*one))
        self.answers.show()

    def pass_time(self, seconds: float = 2 * PATIENCE_SECONDS) -> None:
        self.now += seconds
        self.answers.show()


def done(node: str, status: int = 0) -> tuple[str, str, dict[str, int]]:
    return node, "result", {"status": status}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_equal_answers_that_come_together_are_shown_once(stage: Stage) -> None:
    for number in range(37):
        stage.take((f"kiosk{number}", "item", "ok\n"), done(f"kiosk{number}"))
    stage.take(("build", "item", "two\nlines\n"), done("build"))
    assert stage.shown == ""
    stage.pass_time()
    assert stage.shown == "37 nodes: ok\nbuild: two\nbuild: lines\n"


def test_a_few_nodes_are_named(stage: Stage) -> None:
    stage.take(("b", "item", "ok\n"), done("b"), ("a", "item", "ok\n"), done("a"))
    stage.pass_time()
    assert stage.shown == "a, b: ok\n"


def test_a_command_without_output_is_done(stage: Stage) -> None:
    stage.take(done("a"), done("b"))
    stage.pass_time()
    assert stage.shown == "a, b: done\n"


def test_lines_of_a_long_command_are_shown_before_its_end(stage: Stage) -> None:
    stage.take(("a", "item", "one\ntw"))
    stage.pass_time()
    assert stage.shown == "a: one\n"
    stage.take(("a", "item", "o\n"), done("a"))
    stage.pass_time()
    assert stage.shown == "a: one\na: two\n"


def test_equal_text_with_another_status_is_another_answer(stage: Stage) -> None:
    stage.take(("a", "item", "x\n"), done("a"), ("b", "item", "x\n"), done("b", 2))
    stage.pass_time()
    assert stage.shown == "a: x\nb: x\n"
    assert (stage.answers.status, stage.answers.failures) == (2, 1)


def test_who_does_not_answer_is_named(stage: Stage) -> None:
    stage.take(("a", "silent"), ("b", "gone"), ("c", "error", [-32000, "no role", None]))
    stage.pass_time()
    assert stage.shown == (
        "a: *** not connected; never seen\nb: *** gone before the command was done\nc: *** no role\n"
    )
    assert (stage.answers.status, stage.answers.failures) == (3, 3)


def test_who_was_there_before_is_named_with_when(stage: Stage) -> None:
    stage.take(("old", "silent"))
    stage.pass_time()
    assert stage.shown.startswith("old: *** not connected; last seen ")
    assert stage.shown.endswith(" ago\n")


def test_who_is_late_is_named(stage: Stage) -> None:
    stage.take(("a", "item", "half\n"), done("b"))
    stage.answers.late(["a", "b", "c"], 30.0)
    stage.answers.show(everything=True)
    assert stage.shown == "a: half\na: *** not done within 30 s\nb: done\nc: *** not done within 30 s\n"
    assert stage.answers.failures == 2


def test_a_line_without_an_end_is_shown_in_pieces(stage: Stage) -> None:
    stage.take(("a", "item", "x" * WAITING_LIMIT), ("b", "item", "y"))
    assert stage.shown == f"a: {'x' * WAITING_LIMIT}\n"
    stage.take(("a", "item", "z\n"), done("a"), done("b"))
    stage.pass_time()
    assert stage.shown == f"a: {'x' * WAITING_LIMIT}\na: z\nb: y\n"


@pytest.mark.parametrize(("text", "most"), [("x", 100), ("x\n", 0), ("x\ny", 1)])
def test_of_a_node_that_never_ends_little_waits_to_be_shown(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, text: str, most: int
) -> None:
    monkeypatch.setattr(answers, "WAITING_LIMIT", 100)
    for _ in range(50):
        stage.take(("a", "item", text * 100))
    before = stage.shown.count("x")
    stage.answers.show(everything=True)
    assert stage.shown.count("x") - before <= most


def test_json_of_a_node_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "ANSWER_LIMIT", 10)
    stage = Stage(tmp_path, JsonAnswers)
    stage.take(("a", "item", "12345"), ("a", "item", "67890"))
    assert not stage.answers.are_over(["a"])
    stage.take(("a", "item", "1"), ("a", "item", "2"), done("a"))
    assert stage.answers.are_over(["a"])
    answer = "1234567890\n*** an answer of more than 10 characters"
    assert json.loads(stage.shown) == {"node": "a", "status": 1, "answer": answer}


def test_a_problem_stands_in_a_line_of_its_own(stage: Stage) -> None:
    stage.take(("a", "item", "half"))
    stage.answers.late(["a"], 30.0)
    stage.answers.show(everything=True)
    assert stage.shown == "a: half\na: *** not done within 30 s\n"


def test_what_comes_after_the_end_counts_for_nothing(stage: Stage) -> None:
    stage.take(("a", "item", 5), ("a", "item", "more"), ("a", "result", None), done("a"))
    stage.pass_time()
    assert stage.shown == "a: *** its answer is not right\n"
    assert (stage.answers.status, stage.answers.failures) == (1, 1)


def test_a_person_is_shown_nothing_that_a_terminal_obeys(stage: Stage) -> None:
    stage.take(("a", "item", "\x1b[2Jgone\n"), done("a"))
    stage.pass_time()
    assert stage.shown == "a: \\x1b[2Jgone\n"


def test_a_script_gets_each_line_with_its_node_at_once(tmp_path: Path) -> None:
    stage = Stage(tmp_path, for_person=False)
    stage.take(("a", "item", "ok\n"), done("a"), ("b", "item", "ok\nmore\n"))
    assert stage.shown == "a: ok\nb: ok\nb: more\n"


def test_json_has_an_object_for_each_node(tmp_path: Path) -> None:
    stage = Stage(tmp_path, JsonAnswers)
    stage.take(("a", "item", '{"x": 1}\n'), done("a"), ("b", "item", "1\n2\n"), done("b"), ("c", "silent"))
    assert [json.loads(line) for line in stage.shown.splitlines()] == [
        {"node": "a", "status": 0, "answer": {"x": 1}},
        {"node": "b", "status": 0, "answer": [1, 2]},
        {"node": "c", "status": 3, "answer": "*** not connected; never seen"},
    ]


@pytest.mark.parametrize(
    "odd",
    [
        ("item", 5),
        ("result", None),
        ("result", {}),
        ("result", {"status": "0"}),
        ("result", {"status": -1}),
        ("result", {"status": 10**9}),
    ],
)
@pytest.mark.parametrize("kind", [Answers, JsonAnswers])
def test_an_answer_of_an_odd_shape_is_a_failure(tmp_path: Path, kind: type[Answers], odd: tuple[str, Any]) -> None:
    stage = Stage(tmp_path, kind)
    stage.take(("a", *odd))
    stage.pass_time()
    assert "*** its answer is not right" in stage.shown
    assert (stage.answers.status, stage.answers.failures) == (1, 1)


def test_a_problem_is_safe_to_show_also_where_output_goes_to_a_file(tmp_path: Path) -> None:
    stage = Stage(tmp_path, for_person=False)
    stage.take(("a", "error", [0, "\x1b[2Jgone", None]))
    assert stage.shown == "a: *** \\x1b[2Jgone\n"


def test_json_that_is_too_deep_is_text() -> None:
    assert answer_of("[" * 100_000) == "[" * 100_000
