"""Slows down failed logins: each failure doubles the wait for the answer, and many block further logins for a while.

Failures are counted per address and per user; a key names either.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

FIRST_DELAY = 0.5  # seconds before the answer to the first failure; each further failure doubles them
LONGEST_DELAY = 8.0  # seconds; also the wait during a block
MOST_FAILURES = 10  # failures that block a key
BLOCK_SECONDS = 300.0
FORGET_SECONDS = 3600.0  # seconds after which a failure no longer counts
MOST_KEYS = 10_000  # addresses and users remembered, the latest ones


@dataclass(slots=True)
class _Record:
    failures: int = 0
    last: float = 0.0
    blocked_until: float = 0.0


class Throttle:
    """The failures so far, by key."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def blocked(self, keys: Sequence[str]) -> float:
        """Seconds until these keys may try again; 0 if they may now."""
        now = self._clock()
        ends = [record.blocked_until for key in keys if (record := self._records.get(key))]
        return max(0.0, max(ends, default=0.0) - now)

    def failed(self, keys: Sequence[str]) -> list[str]:
        """Count a failure for each key; returns the keys that this blocks."""
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
        """Seconds to wait before answering a failure."""
        if self.blocked(keys):
            return LONGEST_DELAY
        failures = max((record.failures for key in keys if (record := self._records.get(key))), default=0)
        return min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failures - 1, 10)) if failures else LONGEST_DELAY

    def succeeded(self, keys: Sequence[str]) -> None:
        """Forget the failures of these keys."""
        for key in keys:
            self._records.pop(key, None)
