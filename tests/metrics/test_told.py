"""What a service has told."""

from __future__ import annotations

from typing import Any

import pytest

from smanager.metrics.told import MOST_SERIES, ToldMetrics, those_right

RIGHT = {"name": "queue", "labels": {"a": "1"}, "kind": "gauge", "help": "", "value": 3.0}


def test_the_latest_value_of_each_series_counts() -> None:
    told = ToldMetrics()
    told.tell("queue", 1, "", "gauge", {"a": "1", "b": "2"})
    told.tell("queue", 2, "", "gauge", {"b": "2", "a": "1"})
    told.tell("queue", 3, "", "gauge", {})
    assert [(one.labels, one.value) for one in told.all()] == [({"a": "1", "b": "2"}, 2.0), ({}, 3.0)]


def test_what_a_number_means_is_told_once() -> None:
    told = ToldMetrics()
    for meaning in ("", "Orders that wait", "", "Orders", ""):
        told.tell("queue", 1, meaning, "gauge", {})
    assert [metric.help for metric in told.all()] == ["Orders"]


def test_further_series_are_left_out() -> None:
    told = ToldMetrics()
    taken = [told.tell("queue", number, "", "gauge", {"user": str(number)}) for number in range(MOST_SERIES + 10)]
    assert taken == [True] * MOST_SERIES + [False] * 10
    assert told.tell("queue", 5, "", "gauge", {"user": "0"})
    assert (len(told.all()), told.all()[0].value) == (MOST_SERIES, 5.0)


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        None,
        5,
        {},
        {**RIGHT, "more": 1},
        {**RIGHT, "name": "x 1\n# EOF"},
        {**RIGHT, "value": "1\n# EOF"},
        {**RIGHT, "labels": {'a="b"} 1\nz{c': "d"}},
        {**RIGHT, "labels": {"service": "smanager"}},
        {**RIGHT, "labels": nested(500)},
        {**RIGHT, "value": nested(500)},
        {**RIGHT, "kind": "histogram"},
    ],
)
def test_of_what_a_process_sends_only_what_is_right_counts(wrong: object) -> None:
    assert [metric._asdict() for metric in those_right([wrong, RIGHT, wrong, RIGHT])] == [RIGHT]
    assert those_right(wrong) == []


def test_a_process_may_send_no_more_than_a_service_may_tell() -> None:
    assert len(those_right([{**RIGHT, "name": f"n{number}"} for number in range(MOST_SERIES * 2)])) == MOST_SERIES
