"""The dashboard for Grafana asks for metrics that there are."""

from __future__ import annotations

import json
import re
from typing import Any

from smanager.metrics.exposition import classic
from smanager.metrics.families import families_of
from tests.conftest import ROOT
from tests.metrics.test_families import MANAGER, USED, WEB

DASHBOARD = json.loads((ROOT / "examples" / "grafana-dashboard.json").read_text())

OF_SCHEDULES = "smanager_schedule_last_success_timestamp_seconds"  # which their service tells


def queries() -> list[str]:
    variables = [one["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query"]
    return [*variables, *(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])]


def shown() -> dict[str, set[str]]:
    """The labels of each metric that there is, with those that Prometheus adds."""
    service: dict[str, Any] = {**WEB, "pid": MANAGER["pid"]}
    text = classic(families_of([MANAGER, service], USED.get))
    labels: dict[str, set[str]] = {OF_SCHEDULES: {"schedule", "instance"}}
    for name, pairs in re.findall(r"^(\w+)(?:{(.*)})? ", text, re.MULTILINE):
        labels.setdefault(name, {"instance"}).update(re.findall(r'(\w+)="', pairs))
    return labels


def test_each_metric_that_it_names_exists() -> None:
    named = {name for query in queries() for name in re.findall(r"smanager_\w+", query)}
    assert named <= {*shown()}, named - {*shown()}
    assert len(named) > 10


def test_each_label_that_it_names_exists() -> None:
    for target in (target for panel in DASHBOARD["panels"] for target in panel["targets"]):
        query = target["expr"]
        there = set[str]().union(*(shown()[name] for name in re.findall(r"smanager_\w+", query)))
        groups = " ".join(re.findall(r"\b(?:by|on) \(([^)]*)\)", query))
        named = {*re.findall(r"\w+", groups), *re.findall(r"(\w+)=~?\"", query)}
        named |= {*re.findall(r"{{(\w+)}}", target["legendFormat"])}
        assert named <= there, (query, named - there)


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    taken = set[tuple[int, int]]()
    for place in (panel["gridPos"] for panel in panels):
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + 8)}
        assert taken.isdisjoint(cells)
        assert place["x"] + place["w"] <= 24
        taken |= cells
