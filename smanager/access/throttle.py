"""How failed logins are slowed down: each costs a wait, longer for the next, and after some there is none for a while.

They are counted for the address that they come from and for the user that they are about.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

FIRST_DELAY = 0.5
"""Seconds before the answer to a first failure; each further one doubles them."""

LONGEST_DELAY = 8.0

MOST_FAILURES = 10
"""After which there is a block."""

BLOCK_SECONDS = 300.0

FORGET_SECONDS = 3600.0
"""After which a failure does not count any more."""

MOST_KEYS = 10_000
"""Addresses and users that are remembered, the latest ones."""


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0
    blocked_until: float = 0.0


class Throttle:
    """The failures so far."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def blocked(self, keys: Sequence[str]) -> float:
        """For how many seconds these may not try; 0 where they may."""
        now = self._clock()
        ends = [record.blocked_until for key in keys if (record := self._records.get(key))]
        return max(0.0, max(ends, default=0.0) - now)

    def failed(self, keys: Sequence[str]) -> list[str]:
        """Count a failure; returns those of the keys that are blocked from here on."""
        now, blocked = self._clock(), []
        for key in keys:
            record = self._records.pop(key, None) or _Record()
            if now - record.last > FORGET_SECONDS:
                record = _Record()
            record.failures += 1
            record.last = now
            self._records[key] = record
            if record.failures >= MOST_FAILURES:
                record.failures, record.blocked_until = 0, now + BLOCK_SECONDS
                blocked.append(key)
        while len(self._records) > MOST_KEYS:
            self._records.popitem(last=False)
        return blocked

    def delay(self, keys: Sequence[str]) -> float:
        """Seconds to wait before a failure is answered."""
        if self.blocked(keys):
            return LONGEST_DELAY
        failures = max((record.failures for key in keys if (record := self._records.get(key))), default=0)
        return min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failures - 1, 10)) if failures else LONGEST_DELAY

    def succeeded(self, keys: Sequence[str]) -> None:
        """Forget the failures of somebody who has logged in."""
        for key in keys:
            self._records.pop(key, None)
