"""What a service may tell, and what is said about a mistake."""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan
from typing import Any

import pytest

from smanager.metrics.metric import MOST_LABELS, TEXT_LIMIT, Metric


def told(**changes: Any) -> Metric:
    facts = {"name": "queue_length", "value": 3, "help": "", "kind": "gauge", "labels": {}, **changes}
    return Metric.of(**facts)


@pytest.mark.parametrize(
    ("changes", "made"),
    [
        ({"name": "orders_total", "kind": "counter"}, {"name": "orders_total"}),
        ({"name": "orders", "kind": "counter"}, {"name": "orders_total"}),
        ({"help": " Orders\n that  wait "}, {"help": "Orders that wait"}),
        ({"help": "x" * 1000}, {"help": "x" * TEXT_LIMIT}),
        ({"labels": {"b": 1, "a": "ü\n\udc80"}}, {"labels": {"a": "ü\n?", "b": "1"}}),
        ({"labels": {"a": "x" * 1000}}, {"labels": {"a": "x" * TEXT_LIMIT}}),
        ({"value": True}, {"value": 1.0}),
        ({"value": Fraction(1, 4)}, {"value": 0.25}),
        ({"value": inf}, {"value": "inf"}),
        ({"value": -inf}, {"value": "-inf"}),
        ({"value": nan}, {"value": "nan"}),
        ({"value": "nan"}, {"value": "nan"}),
    ],
)
def test_what_is_told_is_brought_into_one_form(changes: dict[str, Any], made: dict[str, Any]) -> None:
    metric = told(**changes)
    assert metric._asdict() == {**told()._asdict(), "kind": changes.get("kind", "gauge"), **made}
    assert Metric.of(**metric._asdict()) == metric


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"name": ""}, "name is '', and should be letters, digits and _, such as 'queue_length'"),
        ({"name": "5x"}, "name is '5x', and should be letters"),
        ({"name": "a b"}, "name is 'a b', and should be letters"),
        ({"name": "a:b"}, "name is 'a:b', and should be letters"),
        ({"name": "a\n"}, r"name is 'a\n', and should be letters"),
        ({"name": "ä"}, "name is 'ä', and should be letters"),
        ({"name": "__a"}, "name is '__a', and should be letters"),
        ({"name": "x" * 101}, "and should be letters"),
        ({"name": 5}, "name is 5, and should be letters"),
        ({"name": "_total", "kind": "counter"}, "name is '_total', and should be letters"),
        ({"name": "orders_total"}, "name is 'orders_total', and should end in _total, once, only if kind is 'counter'"),
        ({"name": "a_total_total", "kind": "counter"}, "and should end in _total, once, only if kind is 'counter'"),
        ({"kind": "histogram"}, "kind is 'histogram', and should be 'gauge' or 'counter'"),
        ({"kind": []}, "kind is [], and should be 'gauge' or 'counter'"),
        ({"help": None}, "help is None, and should be text"),
        ({"value": None}, "value is None, and should be a number"),
        ({"value": "3"}, "value is '3', and should be a number"),
        ({"value": [3]}, "value is [3], and should be a number"),
        ({"value": 10**400}, "value is too large for a number"),
        ({"labels": None}, f"labels is None, and should be a table of at most {MOST_LABELS}"),
        ({"labels": {f"l{n}": "" for n in range(MOST_LABELS + 1)}}, f"and should be a table of at most {MOST_LABELS}"),
        ({"labels": {"service": "x"}}, "the label 'service' should be letters, digits and _, and none of service"),
        ({"labels": {"le": "x"}}, "the label 'le' should be"),
        ({"labels": {"__name__": "x"}}, "the label '__name__' should be"),
        ({"labels": {'a"} 1': "x"}}, "the label 'a\"} 1' should be"),
        ({"labels": {5: "x"}}, "the label 5 should be"),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(changes: dict[str, Any], wrong: str) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        told(**changes)
    assert wrong in str(caught.value)
