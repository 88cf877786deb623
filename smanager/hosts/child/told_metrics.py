"""What a service has told by `self.metric`: the latest value of each of its series."""

from __future__ import annotations

from typing import Any

from smanager.metrics.metric import Metric

MOST_SERIES = 200
"""Names with labels that a service may tell. Each is stored for months: labels are not for what always has new values,
such as addresses."""


class ToldMetrics:
    """The series of one life of a service, told from any thread."""

    def __init__(self) -> None:
        self._latest: dict[tuple[object, ...], Metric] = {}
        self._is_full = False

    def tell(self, *facts: object) -> None:
        """Take the facts of a Metric. Raises ValueError or TypeError for wrong ones.

        Further series are left out, and the log says so.
        """
        metric = Metric.of(*facts)
        key = (metric.name, *metric.labels.items())
        if key in self._latest or len(self._latest) < MOST_SERIES:
            self._latest[key] = metric
        elif not self._is_full:
            self._is_full = True
            print(f"metric {metric.name}: this and further series are left out; a service may have {MOST_SERIES}")

    def all(self) -> list[dict[str, Any]]:
        """The metrics, as JSON."""
        return [metric._asdict() for metric in self._latest.copy().values()]  # other threads may add some meanwhile
