"""What is wrong in a fleet, by its causes."""

from __future__ import annotations

from typing import Any

import pytest

from smanager.fleet.causes import are_services, causes_of, state_summary


def service(name: str, state: str, reason: str = "", last_end: str | None = None) -> dict[str, Any]:
    return {"name": name, "state": state, "reason": reason, "last_end": last_end}


def test_what_most_nodes_have_comes_first() -> None:
    assert causes_of(
        {
            "b": [service("web", "backoff", "started again in 3 s", "exit status 1"), service("db", "running")],
            "a": [service("web", "backoff", "started again in 9 s", "exit status 1")],
            "c": [service("db", "failed", "killed by SIGSEGV"), service("done", "done"), service("off", "stopped")],
        }
    ) == [("web backoff: exit status 1", ["a", "b"]), ("db failed: killed by SIGSEGV", ["c"])]


def test_a_cause_may_have_no_reason() -> None:
    assert causes_of({"a": [service("web", "hung")]}) == [("web hung", ["a"])]


def test_a_summary_says_first_what_is_wrong() -> None:
    states = [service("a", "running"), service("b", "running"), service("c", "failed"), service("d", "stopped")]
    assert state_summary(states) == "1 failed, 2 running, 1 stopped"
    assert state_summary([]) == "no services"


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ([], True),
        ([service("web", "running") | {"restarts": 0}], True),
        ([service("web", "running") | {"restarts": 0, "age": 1.5}], True),
        (None, False),
        ({"web": "running"}, False),
        (["web"], False),
        ([{"name": "web"}], False),
        ([service("web", "running") | {"name": ["web"], "restarts": 0}], False),
        ([service("web", "running") | {"restarts": "many"}], False),
        ([service("web", "running") | {"restarts": 0, "reason": {"a": 1}}], False),
        ([service("web", "running") | {"restarts": 0, "age": "old"}], False),
        ([service("web", "running") | {"restarts": 0, "age": float("inf")}], False),
        ([service("web", "running") | {"restarts": 0, "age": float("nan")}], False),
        ([service("web", "running") | {"restarts": 0, "age": -(10**400)}], False),
    ],
)
def test_an_answer_of_an_odd_shape_is_not_about_services(answer: object, is_right: bool) -> None:
    assert are_services(answer) is is_right
