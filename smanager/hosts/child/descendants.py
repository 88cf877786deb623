"""What a life has started: marked as it is spawned, and ended with the life."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterator, Set
from contextlib import contextmanager
from math import inf
from time import monotonic

from smanager.hosts.child.channel import current_service
from smanager.hosts.child.scheduler import WaitFor
from smanager.system import lineage
from smanager.system.lineage import Look, Process

LOOK_SHARE = 0.2  # the share of its time that the scheduler may spend on looks when many programs end together

SPAWNS = {"subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.system"}
"""The audit events before a process is forked."""

_marking = threading.Lock()
_marks: dict[str, int] = {}  # by service, of the present or last life


@contextmanager
def marked(mark: int) -> Iterator[None]:
    """Let what is spawned meanwhile bear a life's mark: the limit that is the mark belongs to the whole process."""
    with _marking:
        lineage.bear(mark)
        try:
            yield
        finally:
            lineage.bear(lineage.own())


def mark_what_services_start() -> None:
    """Have the processes that services start by themselves bear the mark of their service's life, from now on."""
    sys.addaudithook(_about_to_spawn)


def begins(service: str, mark: int) -> None:
    """A service's life begins, with this mark."""
    _marks[service] = mark


def _about_to_spawn(event: str, arguments: object) -> None:
    # Two services of one host that spawn in the same moment may get each other's mark; a lock cannot span the fork.
    if event in SPAWNS and not _marking.locked():
        lineage.bear(_marks.get(current_service.get() or "", lineage.own()))


class _Looks:
    """Looks that all programs which end at about the same time share."""

    def __init__(self) -> None:
        self.next = -inf  # when the next may begin, by the monotonic clock
        self._begun = -inf
        self._look = Look([])

    def since(self, moment: float) -> Look:
        """A look that was begun after this moment."""
        if self._begun <= moment:
            self._begun = monotonic()
            self._look = lineage.look()
            now = monotonic()
            self.next = now + (now - self._begun) / LOOK_SHARE
        return self._look


_looks = _Looks()


def end_life(
    mark: int, group: int, number: int, deadline: float, found: Callable[[list[Process]], object]
) -> Generator[WaitFor, Set[int], None]:
    """End all that is left of a program's life; only the scheduler may run this.

    `group` is the program's; `number` and `deadline` are those of `lineage.end_all`. `found` is given what each look
    finds, at last nothing.
    """
    since = monotonic()

    def find() -> list[Process]:
        try:
            left = _looks.since(since).descendants(mark) if lineage.HAS_PROC else lineage.group(group)
        except OSError:  # no descriptors are left
            left = lineage.group(group)
        found(left)
        return left

    yield WaitFor(until=_looks.next)
    for pause in lineage.end_all(find, number, deadline):
        since = monotonic()
        yield WaitFor(until=max(since + pause, _looks.next))
