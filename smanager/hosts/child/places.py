"""Which of the commands that were given to a host may run, and which wait for their callers' others.

Each caller has a share of the places. What is beyond a caller's share waits for the caller's own commands to end,
while those of others go on.
"""

from __future__ import annotations

from collections import deque

from smanager.hosts.child.execution import Execution
from smanager.hosts.child.shares import Shares

MOST_WORKERS = 64  # plain commands that one host runs at a time, not counting those whose output is left unread
MOST_HELD = 512  # commands whose output is left unread, and that do not count for that; each takes a thread
MOST_WAITING = 4096  # commands that may wait for their callers' others; further ones are refused


class Places:
    """The commands that have a place, and those that wait for one. Its user holds a lock."""

    def __init__(self) -> None:
        self._running = Shares(MOST_WORKERS)
        self._unread = Shares(MOST_HELD)
        self._later = Shares(MOST_WAITING)
        self._placed: dict[str, set[Execution]] = {}  # what runs, or waits for no more than a worker
        self._beyond: dict[str, deque[Execution]] = {}  # what is beyond the callers' shares; who is next comes first

    def refusal(self, caller: str) -> str:
        """Why a caller's next command would not come to its turn; empty if it would."""
        if self._has_place(caller):
            return ""
        if not self._later.may_take(caller):
            waiting = len(self._beyond.get(caller, ()))
            return f"busy: {f'{waiting} of your' if waiting else 'too many'} commands wait already; try again later"
        mine = self._placed.get(caller, ())
        if mine and all(execution.cancelled and execution.thread for execution in mine):
            return f"busy: {len(mine)} of your commands were cancelled and have not ended; `restart` ends them"
        return ""

    def enter(self, execution: Execution) -> bool:
        """Give a command a place, or let it wait for one; returns whether it may begin."""
        caller = execution.caller
        if has_place := self._has_place(caller):
            self._take(execution)
        else:
            self._later.take(caller)
            self._beyond.setdefault(caller, deque()).append(execution)
        return has_place

    def leave(self, execution: Execution) -> list[Execution]:
        """Take a command's place back, if it has one; returns what may begin now, one of each caller in turn."""
        mine = self._placed.get(execution.caller, set())
        if execution not in mine:
            return []
        mine.remove(execution)
        if not mine:
            del self._placed[execution.caller]
        self._running.give_back(execution.caller)
        begin = []
        for caller in list(self._beyond):
            if self._running.is_full:  # as soon as one has begun, usually: there may be thousands of callers
                break
            if self._running.may_take(caller):
                begin.append(self._enter_next(caller))
        return begin

    def hold(self, execution: Execution) -> list[Execution]:
        """Let a command that waits for its caller to read give up its place, if there is room; returns the same."""
        if not self._unread.may_take(execution.caller):
            return []
        self._unread.take(execution.caller)
        execution.held = True
        return self.leave(execution)

    def resume(self, execution: Execution) -> None:
        """Give the place back to a command that was held, even beyond its caller's share."""
        if execution.held:
            self._unread.give_back(execution.caller)
            execution.held = False
            self._take(execution)

    def _has_place(self, caller: str) -> bool:
        return self._running.may_take(caller) and caller not in self._beyond

    def _take(self, execution: Execution) -> None:
        self._running.take(execution.caller)
        self._placed.setdefault(execution.caller, set()).add(execution)

    def _enter_next(self, caller: str) -> Execution:
        waiting = self._beyond.pop(caller)
        self._later.give_back(caller)
        execution = waiting.popleft()
        self._take(execution)
        if waiting:
            self._beyond[caller] = waiting  # behind the others
        return execution
