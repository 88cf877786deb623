"""One turn of the event loop, one write: what comes to pass in a turn leaves at its end, together and in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import IntEnum

Leave = Callable[[], object]

log = logging.getLogger("smanager")


class Stage(IntEnum):
    """What leaves, the first first: nothing is done that is not in the journal, and nothing told that is not done."""

    JOURNAL = 0
    FRAMES = 1
    OUTPUT = 2


class Outbox:
    """What leaves at the end of a turn of the event loop."""

    def __init__(self, call_soon: Callable[[Leave], object] | None = None) -> None:
        """`call_soon` is the event loop's; by default that of the running one."""
        self._call_soon = call_soon
        self._stages: tuple[list[Leave], ...] = tuple([] for _ in Stage)
        self._is_due = False

    def at_end(self, stage: Stage, leave: Leave) -> None:
        """Call `leave` at the end of this turn, in its stage."""
        self._stages[stage].append(leave)
        if not self._is_due:
            self._is_due = True
            (self._call_soon or asyncio.get_running_loop().call_soon)(self.empty)

    def hold(self) -> None:
        """Let nothing leave until `empty` is called: the caller knows when the turn ends."""
        self._is_due = True

    def empty(self) -> None:
        """Let all leave now, and what comes to pass meanwhile."""
        self._is_due = False
        while waiting := next(filter(None, self._stages), None):
            leaving = waiting[:]
            waiting.clear()
            for leave in leaving:
                try:
                    leave()
                except Exception:  # the others leave all the same
                    log.exception("internal error at the end of a turn")
