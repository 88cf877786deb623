"""What many use at a time, so that none of them can take all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from smanager.web.door import RefusedError


class Quotas:
    """So many places, of which each party has at most half of what the others leave."""

    def __init__(self, most: int, what: str) -> None:
        """`what` names what takes a place, in the plural."""
        self._most = most
        self._what = what
        self._taken: Counter[object] = Counter()

    @contextmanager
    def place(self, party: object) -> Iterator[None]:
        """Take a place during the `with` block. Raises RefusedError if there is none."""
        left_by_others = self._most - self._taken.total() + self._taken[party]
        if 2 * (self._taken[party] + 1) > left_by_others:
            raise RefusedError(503, f"too many {self._what} are open; close some, or try again later")
        self._taken[party] += 1
        try:
            yield
        finally:
            self._taken[party] -= 1
            self._taken += Counter()  # forgets who has none
