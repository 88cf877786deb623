"""How long to wait before others are judged: only time in which this process itself ran on time counts.

After a SIGSTOP, a `docker pause` or a pause of the whole machine, and where so much runs that nobody is scheduled, all
deadlines seem to have passed, although those who should have answered could not run either. So a wait is cut into
steps. A step that took much longer than planned counts as one step, and then there is always some time left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

STEPS = 4  # steps of a short wait
STEP_SECONDS = 1.0  # length of a step of a long wait, which costs a wake-up each
SHORTEST_STEP = 0.01
LATE_SECONDS = 0.1  # how late any timer may go off on a healthy machine
SECOND_LOOK_SECONDS = 5.0  # what is left, if the wait is as long, after this process was late: for others to wake up


def is_late(planned: float, passed: float) -> bool:
    """Whether a wait of `planned` seconds that took `passed` ones shows that this process could not run."""
    return passed > planned + max(LATE_SECONDS, min(planned, STEP_SECONDS))


class Patience:
    """One wait: its user waits for `step` seconds, then asks whether it `lasts`, and if so waits again."""

    def __init__(self, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self.step = max(SHORTEST_STEP, min(STEP_SECONDS, seconds / STEPS))
        self.was_late = False
        """Whether this process could not run at some time of the wait."""
        self.left = seconds
        """Seconds of the wait that are left, as of the last look."""
        self._seconds = seconds
        self._clock = clock
        self._looked = clock()

    def lasts(self) -> bool:
        """Whether to wait for another step."""
        now = self._clock()
        passed, self._looked = now - self._looked, now
        self.left -= min(passed, self.step)
        if is_late(self.step, passed):
            self.was_late = True
            self.left = max(self.left, min(self._seconds, SECOND_LOOK_SECONDS))
            return True
        return self.left > self.step / 10  # a timer may go off a little early


async def any_done(patience: Patience, *futures: asyncio.Future[Any]) -> bool:
    """Wait until one of the futures is done; False if patience ends before."""
    while True:
        await asyncio.wait(futures, timeout=patience.step, return_when=asyncio.FIRST_COMPLETED)
        if any(future.done() for future in futures):
            return True
        if not patience.lasts():
            return False
