"""Divides places between callers, so that none takes all of them.

A caller may take a place while it has fewer than are free: the first one gets half of all places, the next one half of
what is left, and a few always stay free for who comes next. (Switches divide their buffers so: Choudhury and Hahne,
"Dynamic queue length thresholds", 1998.)
"""

from __future__ import annotations

from collections import Counter


class Shares:
    """So many places, and how many of them each caller has. Its user holds a lock."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._taken: Counter[str] = Counter()

    @property
    def is_full(self) -> bool:
        return self._free <= 0

    def may_take(self, caller: str) -> bool:
        return self._taken[caller] < self._free

    def take(self, caller: str) -> None:
        self._taken[caller] += 1
        self._free -= 1

    def give_back(self, caller: str) -> None:
        self._taken[caller] -= 1
        self._free += 1
        if not self._taken[caller]:
            del self._taken[caller]
