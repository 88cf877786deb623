"""What a service has told by `self.metric`: the latest value of each of its series."""

from __future__ import annotations

from contextlib import suppress

from smanager.metrics.metric import Metric

MOST_SERIES = 200
"""Names with labels that a service may tell. Each is stored for months: labels are not for what always has new values,
such as addresses."""


class ToldMetrics:
    """The series of one life of a service, told from any thread."""

    def __init__(self) -> None:
        self._latest: dict[tuple[object, ...], Metric] = {}

    def tell(self, *facts: object) -> bool:
        """Take the facts of a Metric, whose help may have been told before; False for one series too many.

        Raises ValueError or TypeError for wrong ones.
        """
        metric = Metric.of(*facts)
        key = (metric.name, *metric.labels.items())
        known = self._latest.get(key)
        if known is None and len(self._latest) >= MOST_SERIES:
            return False
        self._latest[key] = metric._replace(help=metric.help or known.help) if known else metric
        return True

    def all(self) -> list[Metric]:
        return list(self._latest.copy().values())  # other threads may tell more meanwhile


def those_right(told: object) -> list[Metric]:
    """What is right of the metrics that a service's process has sent as JSON; it may have sent anything."""
    right = ToldMetrics()
    for one in told if isinstance(told, list) else ():
        with suppress(ValueError, TypeError, RecursionError):
            right.tell(*Metric(**one))
    return right.all()
