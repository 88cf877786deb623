"""A metric that a service tells by `self.metric`: a name, labels and a number, checked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

GAUGE, COUNTER = "gauge", "counter"

TOTAL = "_total"
"""How the names of counters end, and no others."""

NAME = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,99}")
RESERVED_LABELS = ("service", "le", "quantile")  # which service tells it; and the parts of histograms and summaries

NOT_FINITE = ("inf", "-inf", "nan")
"""Numbers for which JSON has none: they travel as text."""

MOST_LABELS = 10  # of one metric: each makes a series of its own of each of its values
TEXT_LIMIT = 200  # characters of a label's value and of a help text; the rest is cut


class Metric(NamedTuple):
    """Such a number, and what it means."""

    name: str  # of a counter, with `_total`
    value: float | str  # text for what is NOT_FINITE
    help: str
    kind: str
    labels: Mapping[str, str]  # in the order of their names

    @classmethod
    def of(cls, name: object, value: object, help: object, kind: object, labels: object) -> Metric:  # noqa: A002
        """Check a metric. Raises ValueError or TypeError."""
        if kind not in (GAUGE, COUNTER):
            raise ValueError(f"kind is {kind!r}, and should be {GAUGE!r} or {COUNTER!r}")
        if not isinstance(help, str):
            raise TypeError(f"help is {help!r}, and should be text")
        named = _name(name, str(kind))
        return cls(named, _number(value), _text(" ".join(help.split())), str(kind), _labels(labels))


def _name(name: object, kind: str) -> str:
    own = name.removesuffix(TOTAL) if isinstance(name, str) and kind == COUNTER else name
    if not isinstance(own, str) or not NAME.fullmatch(own):
        raise ValueError(f"name is {name!r}, and should be letters, digits and _, such as 'queue_length'")
    if own.endswith(TOTAL):
        raise ValueError(f"name is {name!r}, and should end in {TOTAL}, once, only if kind is {COUNTER!r}")
    return own + TOTAL if kind == COUNTER else own


def _labels(labels: object) -> dict[str, str]:
    if not isinstance(labels, Mapping) or len(labels) > MOST_LABELS:
        raise ValueError(f"labels is {labels!r}, and should be a table of at most {MOST_LABELS}")
    for label in labels:
        if not isinstance(label, str) or not NAME.fullmatch(label) or label in RESERVED_LABELS:
            reserved = ", ".join(RESERVED_LABELS)
            raise ValueError(f"the label {label!r} should be letters, digits and _, and none of {reserved}")
    return {label: _text(value) for label, value in sorted(labels.items())}


def _text(value: object) -> str:
    return str(value)[:TEXT_LIMIT].encode("utf-8", "replace").decode()


def _number(value: object) -> float | str:
    if value in NOT_FINITE:
        return str(value)
    if isinstance(value, str) or not hasattr(value, "__float__"):
        raise TypeError(f"value is {value!r}, and should be a number")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("value is too large for a number") from None
    return number if math.isfinite(number) else str(number)
