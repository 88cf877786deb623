"""Metrics as text: OpenMetrics 1.0, and the older text format of Prometheus, which node_exporter reads from files.

The formats differ in the names of counters' families and in what is escaped in help texts. Only OpenMetrics has units,
and an end, by which a text that was cut is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from smanager.metrics.metric import COUNTER, TOTAL

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
CLASSIC = "text/plain; version=0.0.4; charset=utf-8"
"""The content types of the formats."""

UNITS = ("seconds", "bytes")


class Sample(NamedTuple):
    """One number; of a histogram, one of several."""

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""  # to the family's name


class Family(NamedTuple):
    """All numbers of one name."""

    name: str  # of counters, without `_total`
    kind: str  # `gauge`, `counter` or `histogram`
    help: str
    samples: list[Sample]


def openmetrics(families: Iterable[Family]) -> str:
    """The families as OpenMetrics."""
    lines = [line for family in families if family.samples for line in _open_lines(family)]
    return "\n".join([*lines, "# EOF", ""])


def classic(families: Iterable[Family]) -> str:
    """The families in the older format."""
    return "".join(f"{line}\n" for family in families if family.samples for line in _classic_lines(family))


def _open_lines(family: Family) -> Iterator[str]:
    yield f"# TYPE {family.name} {family.kind}"
    unit = family.name.rpartition("_")[2]
    if unit in UNITS and unit != family.name:
        yield f"# UNIT {family.name} {unit}"
    if family.help:
        yield f"# HELP {family.name} {_escaped(family.help)}"
    yield from _samples(family)


def _classic_lines(family: Family) -> Iterator[str]:
    name = f"{family.name}{TOTAL}" if family.kind == COUNTER else family.name
    if family.help:
        yield f"# HELP {name} {_escaped(family.help, quotes=False)}"
    yield f"# TYPE {name} {family.kind}"
    yield from _samples(family)


def _samples(family: Family) -> Iterator[str]:
    name = f"{family.name}{TOTAL}" if family.kind == COUNTER else family.name
    for value, labels, suffix in family.samples:
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{suffix}{pairs and f'{{{pairs}}}'} {_number(value)}"


def _escaped(text: str, quotes: bool = True) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def _number(value: float) -> str:
    text = repr(value).removesuffix(".0")
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(text, text)


def wants_openmetrics(accept: str) -> bool:
    """Whether an Accept header (RFC 9110, 12.5.1) names OpenMetrics, and does not prefer the older format."""
    weights: dict[str, float] = {}
    for item in accept.lower().split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        weights[media] = max(weights.get(media, 0.0), _weight(parameters))
    wanted = weights.get("application/openmetrics-text", 0.0)
    return wanted > 0 and wanted >= weights.get("text/plain", 0.0)


def _weight(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
