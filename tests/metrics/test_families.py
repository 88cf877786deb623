"""The families of metrics that are made of figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import Metric as ReadFamily
from prometheus_client import parser as classic_parser
from prometheus_client.openmetrics import parser as open_parser

from smanager.metrics.exposition import classic, openmetrics
from smanager.metrics.families import STATES, ProcessFigures, families_of
from smanager.supervision.states import State

open_families: Callable[[str], Iterator[ReadFamily]] = open_parser.text_string_to_metric_families

TOOK = {"count": 3, "seconds": 0.75, "buckets": {"0.1": 1, "10.0": 2}}

MANAGER: dict[str, Any] = {
    "version": "1.2",
    "pid": 10,
    "since": 1000.5,
    "sessions": {"person": 2},
    "refused": {"not allowed": 4},
    "audit_lines_lost": 5,
    "loop_lag": TOOK,
    "commands": [{"command": "status", "done": 2, "failed": 1, "took": TOOK}],
}

WEB: dict[str, Any] = {
    "service": "web",
    "state": "running",
    "pid": 20,
    "since": 2000.5,
    "restarts": 6,
    "shared": False,
    "log_lines_lost": 7,
    "commands": [{"command": "visitors", "done": 3, "failed": 0, "took": TOOK}],
    "metrics": [],
}

DOWN = {**WEB, "service": "down", "state": "stopped", "pid": None, "since": None, "commands": []}

USED = {10: ProcessFigures(1.5, 1024, 8), 20: ProcessFigures(2.5, 2048, None)}


def told(name: str, value: object = 1, kind: str = "gauge", **labels: str) -> dict[str, Any]:
    return {"name": name, "value": value, "help": f"of {kind}", "kind": kind, "labels": labels}


def read(*services: dict[str, Any], manager: dict[str, Any] = MANAGER) -> dict[str, ReadFamily]:
    """The families as a parser reads them, which refuses what clashes, is told twice, or is not in order."""
    families = families_of([manager, *services], USED.get)
    found = {family.name: family for family in open_families(openmetrics(families))}
    other = [family.name for family in classic_parser.text_string_to_metric_families(classic(families))]
    assert list(found) == other
    return found


def samples(families: dict[str, ReadFamily]) -> Iterator[tuple[str, float]]:
    for family in families.values():
        for name, labels, value, *_ in family.samples:
            yield f"{name}{{{','.join(f'{key}={text}' for key, text in labels.items() if text)}}}", value


def test_all_that_is_known_of_the_manager_and_of_services() -> None:
    found = dict(samples(read(WEB, DOWN)))
    expected = {
        "smanager_up{}": 1,
        "smanager_info{version=1.2}": 1,
        "smanager_start_time_seconds{}": 1000.5,
        "smanager_cpu_seconds_total{}": 1.5,
        "smanager_resident_memory_bytes{}": 1024,
        "smanager_open_fds{}": 8,
        "smanager_sessions{kind=person}": 2,
        "smanager_sessions{kind=program}": 0,
        "smanager_loop_lag_seconds_bucket{le=0.1}": 1,
        "smanager_loop_lag_seconds_bucket{le=10.0}": 2,
        "smanager_loop_lag_seconds_bucket{le=+Inf}": 3,
        "smanager_loop_lag_seconds_sum{}": 0.75,
        "smanager_loop_lag_seconds_count{}": 3,
        "smanager_audit_lines_lost_total{}": 5,
        "smanager_service_up{service=web}": 1,
        "smanager_service_up{service=down}": 0,
        "smanager_service_state{service=web,state=running}": 1,
        "smanager_service_state{service=web,state=stopped}": 0,
        "smanager_service_state{service=down,state=stopped}": 1,
        "smanager_service_restarts_total{service=web}": 6,
        "smanager_service_start_time_seconds{service=web}": 2000.5,
        "smanager_service_cpu_seconds_total{service=web,shared=false}": 2.5,
        "smanager_service_resident_memory_bytes{service=web,shared=false}": 2048,
        "smanager_log_lines_lost_total{service=web}": 7,
        "smanager_commands_total{command=status,outcome=done}": 2,
        "smanager_commands_total{command=status,outcome=failed}": 1,
        "smanager_commands_total{service=web,command=visitors,outcome=done}": 3,
        "smanager_command_duration_seconds_count{service=web,command=visitors}": 3,
        "smanager_commands_refused_total{reason=not allowed}": 4,
    }
    assert {name: found.get(name) for name in expected} == expected
    for missing in ("start_time_seconds{service=down", "cpu_seconds_total{service=down", "open_fds{service"):
        assert not [name for name in found if name.startswith(f"smanager_service_{missing}")]


def test_without_figures_the_manager_is_not_up() -> None:
    assert classic(families_of(None, USED.get)).endswith("\nsmanager_up 0\n")


def test_a_service_is_in_one_of_all_states() -> None:
    assert set(STATES) == {state.value for state in State}


def test_what_services_tell_has_their_names_as_a_label() -> None:
    shop = {
        **WEB,
        "metrics": [{**told("queue", 3, queue="a"), "help": ""}, told("queue", 4, queue="b"), told("odd", "nan")],
    }
    bank = {**DOWN, "metrics": [told("queue", 5), told("orders", 6, "counter")]}
    found = read(shop, bank)
    assert found["queue"].documentation == "of gauge"
    assert dict(samples({"queue": found["queue"], "orders": found["orders"]})) == {
        "queue{service=web,queue=a}": 3,
        "queue{service=web,queue=b}": 4,
        "queue{service=down}": 5,
        "orders_total{service=down}": 6,
    }


def test_a_name_that_is_taken_is_left_out() -> None:
    clashing = [
        told("smanager_up"),
        told("smanager_commands", kind="counter"),
        told("smanager_loop_lag_seconds_bucket"),
        told("queue", kind="counter"),
        told("orders_created"),
    ]
    found = read(
        {**WEB, "metrics": [told("queue"), told("orders", kind="counter"), *clashing]}, {**DOWN, "metrics": clashing}
    )
    assert set(found) - set(read(WEB, DOWN)) == {"queue", "orders"}
    assert list(samples({"queue": found["queue"]})) == [("queue{service=web}", 1)]
