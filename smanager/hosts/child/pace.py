"""Which commands are short: known by how long their methods took before."""

from __future__ import annotations

from smanager.hosts.child.execution import Execution
from smanager.hosts.child.reading import PATIENCE

RUNS = 8  # in a row that must be short, until a method that was long counts as short again


class Pace:
    """How many short runs each method owes that was long; one that is not known counts as short."""

    def __init__(self) -> None:
        self._owed: dict[tuple[str, str], int] = {}  # by service and method: no more than there are methods

    def is_short(self, execution: Execution) -> bool:
        return (execution.service, execution.name) not in self._owed

    def took(self, execution: Execution, seconds: float) -> None:
        """Learn how long a run took."""
        key = (execution.service, execution.name)
        if seconds > PATIENCE:
            self._owed[key] = RUNS
        elif (owed := self._owed.pop(key, 0)) > 1:
            self._owed[key] = owed - 1
