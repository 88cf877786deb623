"""What the command `figures` tells, as families of metrics. Names follow Prometheus' conventions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from smanager.metrics.exposition import Family, Sample
from smanager.metrics.metric import COUNTER, GAUGE, TOTAL, Metric

HISTOGRAM = "histogram"

Figures = Mapping[str, Any]

SESSIONS = ("person", "script", "program")
"""Kinds of sessions, which are shown also where there is none."""

STATES = ("stopped", "starting", "running", "stopping", "backoff", "failed", "hung", "done")
SUFFIXES = {
    GAUGE: ("",),
    COUNTER: ("", "_total", "_created"),
    HISTOGRAM: ("", "_bucket", "_count", "_sum", "_created"),
}
"""What may follow the name of a family of each kind in those of its samples."""


class ProcessFigures(NamedTuple):
    """What a process uses."""

    cpu: float  # seconds
    memory: int  # bytes
    descriptors: int | None


UsageOf = Callable[[int], ProcessFigures | None]
"""What a process uses; None if that cannot be known."""


def families_of(figures: Iterable[Figures] | None, usage_of: UsageOf) -> list[Family]:
    """All families; what only says that the manager is not up, if there are no figures."""
    up = Family("smanager_up", GAUGE, "Whether the manager answers.", [Sample(int(figures is not None))])
    if figures is None:
        return [up]
    manager, *services = figures
    own = [up, *_of_manager(manager, usage_of), *_of_services(services, usage_of), *_of_commands(manager, services)]
    return [*own, *_told(services, own)]


def _of_manager(manager: Figures, usage_of: UsageOf) -> Iterator[Family]:
    yield Family("smanager_info", GAUGE, "The manager's version.", [Sample(1, {"version": manager["version"]})])
    yield Family("smanager_start_time_seconds", GAUGE, "When the manager started.", [Sample(manager["since"])])
    yield from _processes("smanager", "the manager", [({}, usage_of(manager["pid"]))])
    sessions = {**dict.fromkeys(SESSIONS, 0), **manager["sessions"]}
    yield Family(
        "smanager_sessions",
        GAUGE,
        "Sessions of clients.",
        [Sample(number, {"kind": kind}) for kind, number in sessions.items()],
    )
    yield Family(
        "smanager_loop_lag_seconds",
        HISTOGRAM,
        "How late the manager's event loop was.",
        list(_histogram(manager["loop_lag"], {})),
    )
    yield Family(
        "smanager_audit_lines_lost",
        COUNTER,
        "Lines of the audit journal that could not be written.",
        [Sample(manager["audit_lines_lost"])],
    )


def _of_services(services: list[Figures], usage_of: UsageOf) -> Iterator[Family]:
    def family(name: str, kind: str, meaning: str, value: Callable[[Figures], float | None]) -> Family:
        values = ((one["service"], value(one)) for one in services)
        samples = [Sample(number, {"service": name}) for name, number in values if number is not None]
        return Family(f"smanager_service_{name}", kind, meaning, samples)

    yield family("up", GAUGE, "Whether the service runs.", lambda one: int(one["state"] == "running"))
    yield Family(
        "smanager_service_state",
        GAUGE,
        "The service's state: 1 for the present one.",
        [
            Sample(int(one["state"] == state), {"service": one["service"], "state": state})
            for one in services
            for state in STATES
        ],
    )
    yield family("restarts", COUNTER, "Starts by the supervision.", lambda one: one["restarts"])
    yield family("start_time_seconds", GAUGE, "When the service's present life began.", lambda one: one["since"])
    used = [
        ({"service": one["service"], "shared": str(one["shared"]).lower()}, usage_of(one["pid"]))
        for one in services
        if one["pid"]
    ]
    yield from _processes("smanager_service", "the service", used)
    yield Family(
        "smanager_log_lines_lost",
        COUNTER,
        "Lines that could not be written to the service's log file.",
        [Sample(one["log_lines_lost"], {"service": one["service"]}) for one in services],
    )


def _processes(
    prefix: str, whose: str, used: Iterable[tuple[dict[str, str], ProcessFigures | None]]
) -> Iterator[Family]:
    known = [(labels, usage) for labels, usage in used if usage]
    for name, kind, meaning, values in (
        ("cpu_seconds", COUNTER, "CPU time", [usage.cpu for _, usage in known]),
        ("resident_memory_bytes", GAUGE, "Resident memory", [usage.memory for _, usage in known]),
        ("open_fds", GAUGE, "Open file descriptors", [usage.descriptors for _, usage in known]),
    ):
        samples = [Sample(value, labels) for (labels, _), value in zip(known, values, strict=True) if value is not None]
        yield Family(f"{prefix}_{name}", kind, f"{meaning} of the process of {whose}.", samples)


def _of_commands(manager: Figures, services: list[Figures]) -> Iterator[Family]:
    commands = [
        ({"service": one.get("service", ""), "command": command["command"]}, command)
        for one in (manager, *services)
        for command in one["commands"]
    ]
    yield Family(
        "smanager_commands",
        COUNTER,
        "Commands that have ended. Those of the manager's own have no service.",
        [
            Sample(command[outcome], {**labels, "outcome": outcome})
            for labels, command in commands
            for outcome in ("done", "failed")
        ],
    )
    yield Family(
        "smanager_command_duration_seconds",
        HISTOGRAM,
        "How long commands took.",
        [sample for labels, command in commands for sample in _histogram(command["took"], labels)],
    )
    yield Family(
        "smanager_commands_refused",
        COUNTER,
        "Commands that did not run.",
        [Sample(number, {"reason": reason}) for reason, number in manager["refused"].items()],
    )


def _histogram(durations: Figures, labels: Mapping[str, str]) -> Iterator[Sample]:
    for bound, number in (*durations["buckets"].items(), ("+Inf", durations["count"])):
        yield Sample(number, {**labels, "le": bound}, "_bucket")
    yield Sample(durations["seconds"], labels, "_sum")
    yield Sample(durations["count"], labels, "_count")


def _told(services: list[Figures], own: list[Family]) -> list[Family]:
    """What services have told: one family of each name, of the kind that it was first told with."""
    taken = {name for family in own for name in _names(family)}
    families: dict[str, Family] = {}
    for service, metric in ((one["service"], Metric(**told)) for one in services for told in one["metrics"]):
        name = metric.name.removesuffix(TOTAL)
        family = families.get(name) or Family(name, metric.kind, metric.help, [])
        if name not in families:
            if not taken.isdisjoint(names := _names(family)):
                continue
            taken |= names
        if metric.kind == family.kind:
            family.samples.append(Sample(float(metric.value), {"service": service, **metric.labels}))
            families[name] = family._replace(help=family.help or metric.help)
    return list(families.values())


def _names(family: Family) -> set[str]:
    """All names of a family's samples, in any format."""
    return {family.name + suffix for suffix in SUFFIXES[family.kind]}
