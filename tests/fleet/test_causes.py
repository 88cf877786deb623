"""What is wrong in a fleet, by its causes."""

from __future__ import annotations

from typing import Any

from smanager.fleet.causes import causes_of, state_summary


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
