"""Messages as people and programs read them, and templates that nothing in them can break."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smanager.alerts.incidents import Message
from smanager.alerts.message import NAMES, TEST, WHY_LIMIT, Note, is_json, note_of


def note(why: str = "web is failed\n", ends: float = 100.0, **facts: Any) -> Note:
    given = {"kind": "failed", "service": "web", "about": "", "text": "exit status 3", "count": 1}
    return note_of(Message(**{**given, "since": 10.0, "when": 20.0, **facts}), "oncall", "box", why, ends)


@pytest.mark.parametrize(
    ("facts", "summary"),
    [
        ({}, "web failed: exit status 3"),
        ({"kind": "hung", "text": "hung: no sign of life"}, "web hung: no sign of life"),
        ({"count": 4}, "web failed (4 times): exit status 3"),
        ({"service": "", "about": "address 10.0.0.1", "kind": "login blocked", "text": "no logins"}, "smanager login"),
        (
            {"about": "nightly", "service": "schedules", "kind": "schedule failed"},
            "schedules nightly schedule failed: ",
        ),
        ({"kind": "recovered", "count": 3, "state": "running"}, "web recovered, after 3 events"),
        ({"kind": "recovered", "state": "done"}, "web recovered, after 1 event"),
        ({"kind": "recovered", "state": "stopped"}, "web is stopped"),
        ({"kind": "recovered", "state": "removed"}, "web is removed"),
        ({"kind": TEST, "service": "", "text": "a test"}, "a test"),
        ({"left_out": 2}, "web failed: exit status 3; 2 more came and went untold"),
        ({"is_last": True}, "web failed: exit status 3; others wait, for too many messages were sent"),
        (
            {"is_last": True, "waiting": 2},
            "web failed: exit status 3; 2 others wait, for too many messages were sent",
        ),
    ],
)
def test_a_sentence_says_what_has_happened_and_where(facts: dict[str, Any], summary: str) -> None:
    assert note(**facts).summary.startswith(f"[box] {summary}")


def test_the_text_has_what_why_says_and_no_more_than_people_read() -> None:
    assert note().text == "[box] web failed: exit status 3\n\nweb is failed\n"
    assert note(why="").text == "[box] web failed: exit status 3"
    assert len(note(why=5000 * "x").text) < WHY_LIMIT + 100


def test_moments_are_what_other_programs_read() -> None:
    made = note(is_over=True)
    assert (made.status, made.since, made.when, made.ends) == (
        "resolved",
        "1970-01-01T00:00:10Z",
        "1970-01-01T00:00:20Z",
        "1970-01-01T00:01:40Z",
    )
    assert note().status == "firing"
    assert json.loads(made.as_json())["count"] == 1


def test_variables_can_be_given_to_any_program() -> None:
    variables = note(about="a\0b\udc80\ud800").as_variables()
    assert variables["SMANAGER_ABOUT"] == "ab\udc80?"
    assert all("\0" not in text and os.fsencode(text) for text in variables.values() if text)
    assert set(variables) == {f"SMANAGER_{name.upper()}" for name in NAMES}


TEMPLATE = '{"text": "$text", "fields": ["$service", {"n": $count}], "price": "$$5"}'


@given(st.text(), st.text())
def test_nothing_in_a_text_breaks_a_templates_json(service: str, text: str) -> None:
    made = note(service=service, text=text, why=text)
    filled = json.loads(made.filled(TEMPLATE, is_json=True))
    assert filled == {"text": made.text, "fields": [service, {"n": 1}], "price": "$5"}


def test_what_a_terminal_would_act_on_and_what_is_not_utf_8_is_escaped() -> None:
    made = note(why="\x1b[31mred\udcff", text="\x07")
    assert made.text == "[box] web failed: \\x07\n\n\\x1b[31mred\\xff"


def test_a_template_of_something_else_gets_the_text_as_it_is() -> None:
    assert note(text='say "hi"').filled("$service: $text", is_json=False).startswith('web: [box] web failed: say "hi"')


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("Application/Problem+JSON", True),
        ("text/plain", False),
        ("text/json-lines", False),
    ],
)
def test_a_header_says_whether_the_body_is_json(header: str, expected: bool) -> None:
    assert is_json(header) is expected
