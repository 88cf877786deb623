"""What the texts in `on` say, and which events they match."""

from __future__ import annotations

import pytest

from smanager.alerts.rules import AlertEvent, Rule, is_about
from smanager.service import OWN_KINDS
from smanager.supervision.states import State


def event(kind: str, service: str = "web") -> AlertEvent:
    return AlertEvent(1.0, service, kind, "")


@pytest.mark.parametrize(
    ("text", "matching", "others"),
    [
        ("failed", ["failed"], ["hung", "schedule failed"]),
        ("schedule failed", ["schedule failed"], ["failed"]),
        ("restarted more than 3 times in 10m", ["restarted"], ["starting", "backoff"]),
        ("  restarted  more than 1 time in 1h30m ", ["restarted"], []),
        ("reported queue*", ["queue full", "queue"], ["a queue", "failed"]),
        ("reported *", ["anything"], ["failed", "login blocked", "schedule failed", "alert failed"]),
    ],
)
def test_a_text_matches_events_of_its_kind(text: str, matching: list[str], others: list[str]) -> None:
    rule = Rule.of(text)
    assert all(rule.matches(event(kind)) for kind in matching)
    assert not any(rule.matches(event(kind)) for kind in others)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("faild", "'faild'; did you mean 'failed'?"),
        ("recoverd", "'recoverd'; did you mean 'recovered'?"),
        ("restarted more than 0 times in 10m", "restarted"),
        ("restarted more than 3 times in 0s", "restarted"),
        ("restarted more than 3 times in soon", "in soon'"),
        ("restarted more than 5000 times in 1d", "restarted"),
        ("restarted more than 99999 times in 1d", "restarted"),
        ("reported", "did you mean"),
        ("", "''"),
    ],
)
def test_what_is_no_kind_of_events_is_told_with_what_would_be(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        Rule.of(text)


@pytest.mark.parametrize(
    ("service", "patterns", "counts"),
    [("web", ["*"], True), ("web1", ["web?"], True), ("db", ["web*", "mail"], False), ("", ["web"], True)],
)
def test_patterns_name_services_and_the_managers_own_events_always_count(
    service: str, patterns: list[str], counts: bool
) -> None:
    assert is_about(event("failed", service), patterns) is counts


def test_the_kinds_of_the_managers_own_events_are_its_states_and_a_few_more() -> None:
    assert {state.value for state in State} | {"restarted", "removed", "login blocked"} == OWN_KINDS
