"""The text of metrics, in both formats, as others' parsers read it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric as ReadFamily
from prometheus_client import parser as classic_parser
from prometheus_client.openmetrics import parser as open_parser

from smanager.metrics.exposition import Family, Sample, classic, openmetrics, wants_openmetrics

open_families: Callable[[str], Iterator[ReadFamily]] = open_parser.text_string_to_metric_families

TOLD = [
    Family("up", "gauge", "", [Sample(1)]),
    Family("orders", "counter", 'Orders\\, "all"\nof them', [Sample(7, {"kind": 'a"b\\c\nd', "x": "ü"}), Sample(1)]),
    Family("nothing_seconds", "gauge", "left out", []),
    Family(
        "took_seconds",
        "histogram",
        "How long",
        [
            Sample(1, {"le": "0.5"}, "_bucket"),
            Sample(2, {"le": "+Inf"}, "_bucket"),
            Sample(1.75, {}, "_sum"),
            Sample(2, {}, "_count"),
        ],
    ),
    Family("odd", "gauge", "", [Sample(math.nan), Sample(math.inf, {"a": "1"}), Sample(-math.inf, {"a": "2"})]),
]


def test_the_texts_to_the_letter() -> None:
    assert openmetrics(TOLD) == (
        "# TYPE up gauge\n"
        "up 1\n"
        "# TYPE orders counter\n"
        '# HELP orders Orders\\\\, \\"all\\"\\nof them\n'
        'orders_total{kind="a\\"b\\\\c\\nd",x="ü"} 7\n'
        "orders_total 1\n"
        "# TYPE took_seconds histogram\n"
        "# UNIT took_seconds seconds\n"
        "# HELP took_seconds How long\n"
        'took_seconds_bucket{le="0.5"} 1\n'
        'took_seconds_bucket{le="+Inf"} 2\n'
        "took_seconds_sum 1.75\n"
        "took_seconds_count 2\n"
        "# TYPE odd gauge\n"
        'odd NaN\nodd{a="1"} +Inf\nodd{a="2"} -Inf\n'
        "# EOF\n"
    )
    assert classic(TOLD) == (
        "# TYPE up gauge\n"
        "up 1\n"
        '# HELP orders_total Orders\\\\, "all"\\nof them\n'
        "# TYPE orders_total counter\n"
        'orders_total{kind="a\\"b\\\\c\\nd",x="ü"} 7\n'
        "orders_total 1\n"
        "# HELP took_seconds How long\n"
        "# TYPE took_seconds histogram\n"
        'took_seconds_bucket{le="0.5"} 1\n'
        'took_seconds_bucket{le="+Inf"} 2\n'
        "took_seconds_sum 1.75\n"
        "took_seconds_count 2\n"
        "# TYPE odd gauge\n"
        'odd NaN\nodd{a="1"} +Inf\nodd{a="2"} -Inf\n'
    )
    assert (openmetrics([]), classic([])) == ("# EOF\n", "")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats(allow_nan=False) | st.integers(-(2**53), 2**53)


@given(st.sampled_from(["gauge", "counter"]), texts, st.dictionaries(st.sampled_from("abc"), texts), numbers)
def test_others_read_what_was_written(kind: str, meaning: str, labels: dict[str, str], value: float) -> None:
    value = abs(value) if kind == "counter" else value
    family = Family("x", kind, meaning.strip(), [Sample(value, labels)])
    (read,) = open_families(openmetrics([family]))
    assert (read.name, read.type, read.documentation) == ("x", kind, meaning.strip())
    assert [(one.labels, one.value) for one in read.samples] == [(labels, float(value))]
    (read,) = classic_parser.text_string_to_metric_families(classic([family]))
    assert (read.type, [(one.labels, one.value) for one in read.samples]) == (kind, [(labels, float(value))])


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", False),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", True),
        # Prometheus 2.42:
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
        ),
        # Prometheus 3:
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
            "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            True,
        ),
        # Prometheus 2.42 without OpenMetrics, and a client that prefers the older format:
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", False),
        ("application/openmetrics-text;q=0.4,text/plain;q=0.5", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text; q=what", False),
        ("application/openmetrics-text ; q = 0.3", True),
        (";;;,,,q=", False),
    ],
)
def test_a_client_is_given_the_format_that_it_prefers(accept: str, wanted: bool) -> None:
    assert wants_openmetrics(accept) is wanted
