"""What a service has told."""

from __future__ import annotations

import pytest

from smanager.hosts.child.told_metrics import MOST_SERIES, ToldMetrics


def test_the_latest_value_of_each_series_counts() -> None:
    told = ToldMetrics()
    told.tell("queue", 1, "", "gauge", {"a": "1", "b": "2"})
    told.tell("queue", 2, "", "gauge", {"b": "2", "a": "1"})
    told.tell("queue", 3, "", "gauge", {})
    assert [(one["labels"], one["value"]) for one in told.all()] == [({"a": "1", "b": "2"}, 2.0), ({}, 3.0)]


def test_further_series_are_left_out_and_the_log_says_so_once(capsys: pytest.CaptureFixture[str]) -> None:
    told = ToldMetrics()
    for number in range(MOST_SERIES + 10):
        told.tell("queue", number, "", "gauge", {"user": str(number)})
    told.tell("queue", 5, "", "gauge", {"user": "0"})
    assert (len(told.all()), told.all()[0]["value"]) == (MOST_SERIES, 5.0)
    assert capsys.readouterr().out == (
        f"metric queue: this and further series are left out; a service may have {MOST_SERIES}\n"
    )
