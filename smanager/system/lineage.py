"""Lineage: which processes descend from a manager, a host or a service's life, whatever they have made of themselves.

A process can leave its group and its session (`setsid`, `set -m`) and lose its parent (a double fork), but two marks
stay with it. One is a variable in its environment, which /proc/PID/environ shows. `env -i` loses that one, and so does
a program that writes its title over it, as nginx and redis do. The other is the soft limit on the time that a realtime
process may run without sleeping (RLIMIT_RTTIME, in /proc/PID/limits), which fork(2) and execve(2) keep. Taken as a
limit, a mark means thousands of years. A process that has lost both belongs to its parent's line, as long as it has
that parent.

A mark is a number: the manager's digits, then the host's, then the life's. Zeros in place of the last make it the mark
of a whole host, zeros in place of the last two that of a whole manager. Without /proc, nothing is found.
"""

from __future__ import annotations

import errno
import os
import re
import resource
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from signal import SIGCONT, SIGKILL
from time import monotonic, sleep
from typing import NamedTuple

from smanager.system.processes import signal_group

VARIABLE = "SMANAGER_LIFE"
"""The environment variable. It holds several marks where a manager is itself a program of another one."""

LIVES = 10**5  # marks in a host; after so many lives, the numbers come again
HOSTS = 10**4  # hosts' marks in a manager, likewise
MANAGERS = 9 * 10**8  # so many that no two managers of a machine draw the same; the largest mark is below 2^63

KILL_SECONDS = 5.0  # for killed processes to disappear; one that waits for a dead disk never does, and is left
FIRST_POLL, LONGEST_POLL = 0.002, 0.05  # seconds between two looks: most processes end at once, some never do

NAMED = 5  # processes named in a message

LIMIT = re.compile(rb"^Max realtime timeout +(\d+)", re.MULTILINE)
HAS_PROC = Path("/proc/self/environ").exists()  # elsewhere, only a process's own group can be told

KERNEL_THREAD = 0x00200000  # PF_KTHREAD, in the flags in /proc/PID/stat
LISTINGS = 10  # lists of processes in a look: each but the first is of the few that are new, and takes a moment
READ_SIZE = 32 * 1024  # bytes read of a file in /proc; where an environment is longer, the limit still tells


class Process(NamedTuple):
    """A process that has not ended."""

    pid: int
    parent: int
    group: int
    name: str
    marks: tuple[int, ...]

    @property
    def target(self) -> int:
        """What to give kill(2): if possible the group, none of whose members can fork while it is signalled."""
        # The group of this process holds others too; group 0 is one that another PID namespace has made.
        return self.pid if self.group in (0, os.getpgrp()) else -self.group


def send(target: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it has just ended, or has become another user's
        os.kill(target, number)


def text_of(processes: Iterable[Process]) -> str:
    """Processes by their names and ids, as in `sleep (1234), sh (1235)`; of many, the first few."""
    first = [f"{process.name} ({process.pid})" for process in islice(processes, NAMED + 1)]
    return ", ".join([*first[:NAMED], *(["…"] if len(first) > NAMED else [])])


def new_manager() -> int:
    """A mark for a manager."""
    return (MANAGERS // 9 + int.from_bytes(os.urandom(8), "big") % MANAGERS) * HOSTS * LIVES


def of_host(manager: int, number: int) -> int:
    return manager + (number % (HOSTS - 1) + 1) * LIVES


def of_life(host: int, number: int) -> int:
    return host + number % (LIVES - 1) + 1


def manager_of(mark: int) -> int:
    return mark - mark % (HOSTS * LIVES)


def covers(mark: int, other: int) -> bool:
    """Whether `other` is `mark`, or lies within the host or the manager whose mark that is."""
    return mark == other or any(mark % size == 0 and other - other % size == mark for size in (LIVES, HOSTS * LIVES))


def bear(mark: int) -> None:
    """Mark the processes that this one forks from now on, as far as the limit does that."""
    with suppress(AttributeError, ValueError, OSError):  # this is not Linux, or the hard limit is lower
        resource.setrlimit(resource.RLIMIT_RTTIME, (mark, resource.getrlimit(resource.RLIMIT_RTTIME)[1]))


def variables(mark: int) -> dict[str, str]:
    """What the environment of a process with this mark has besides this process's own."""
    return {VARIABLE: f"{os.environ.get(VARIABLE, '')} {mark}".strip()}


def own() -> int:
    """The mark in this process's own environment; 0 without one."""
    mark = os.environ.get(VARIABLE, "").rpartition(" ")[2]
    return int(mark) if mark.isdecimal() else 0


class Look:
    """The processes of the machine at one moment."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self._by_mark: defaultdict[int, list[Process]] = defaultdict(list)
        self._children: defaultdict[int, list[Process]] = defaultdict(list)
        for process in processes:
            self._children[process.parent].append(process)
            for mark in process.marks:
                self._by_mark[mark].append(process)

    def descendants(self, mark: int) -> list[Process]:
        """The processes with this mark, or one that it covers, and their children without one; not this process."""
        marks = [mark] if mark % LIVES else [other for other in self._by_mark if covers(mark, other)]
        waiting = [process for mark in marks for process in self._by_mark.get(mark, ())]
        found: dict[int, Process] = {}
        while waiting:
            process = waiting.pop()
            if process.pid not in found:
                found[process.pid] = process
                waiting += [child for child in self._children.get(process.pid, ()) if not has_own_place(child, mark)]
        found.pop(os.getpid(), None)
        return list(found.values())


def has_own_place(process: Process, mark: int) -> bool:
    """Whether a process says itself where it belongs, to a host or a life of the same manager as `mark`."""
    return any(manager_of(own) == manager_of(mark) for own in process.marks)


def group(pid: int) -> list[Process]:
    """A stand-in for what is in a program's group, where nothing else can be found."""
    return [Process(pid, 0, pid, "its process group", ())] if signal_group(pid, 0) else []


def look() -> Look:
    """Look at all processes; this takes some 20 µs for each. Raises OSError if this process has no descriptors left."""
    processes: list[Process] = []
    known: set[int] = set()
    for _ in range(LISTINGS):
        # A process may end before it is looked at, and leave a child that the list does not have.
        if not (new := _pids() - known):
            break
        known |= new
        # The youngest first: those are the likeliest to be gone in a moment.
        processes += filter(None, map(_process, sorted(new, reverse=True)))
    return Look(processes)


def end_all(
    find: Callable[[], list[Process]],
    number: int = SIGKILL,
    deadline: float = 0.0,
    send: Callable[[int, int], None] = send,
    clock: Callable[[], float] = monotonic,
) -> Iterator[float]:
    """End the processes that `find` finds, until it finds none: they may fork others meanwhile.

    Each is sent the signal `number` once, and SIGKILL from the `deadline` on. Yields seconds to wait before the next
    look, and gives up KILL_SECONDS after the deadline.
    """
    deadline = max(deadline, clock())
    told: set[int] = set()
    pause = FIRST_POLL
    while left := find():
        now = clock()
        if now >= deadline + KILL_SECONDS:
            return
        targets = {process.target for process in left}
        for target in targets if now >= deadline else targets - told:
            send(target, SIGKILL if now >= deadline else number)
            send(target, SIGCONT)  # a stopped process would not notice
        told |= targets
        yield min(pause, deadline - now) if now < deadline else pause
        pause = min(2 * pause, LONGEST_POLL)


def end_now(mark: int, number: int = SIGKILL, seconds: float = 0.0) -> list[Process]:
    """End what is left of a mark's line as `end_all` does, in `seconds` or a moment; returns what does not end.

    Raises OSError as `look` does.
    """
    left: list[Process] = []

    def find() -> list[Process]:
        nonlocal left
        left = look().descendants(mark)
        return left

    for pause in end_all(find, number, monotonic() + seconds):
        sleep(pause)
    return left


def _pids() -> set[int]:
    names = os.listdir("/proc") if HAS_PROC else []  # noqa: PTH208 - there may be thousands, and none is used as a path
    return {int(name) for name in names if name.isdecimal()}


def _process(pid: int) -> Process | None:
    """A process as proc(5) shows it; None if it has ended."""
    # The second field, the name in parentheses, may itself hold blanks and parentheses.
    start, _, rest = _read(pid, "stat").rpartition(b")")
    fields = rest.split()
    if len(fields) < 18:
        return None
    parent, group, flags, threads = (int(fields[index]) for index in (1, 2, 6, 17))
    if fields[0] in (b"Z", b"X") and threads <= 1:  # a zombie that has threads is a process whose first has ended
        return None
    name = start.partition(b"(")[2].decode(errors="replace")
    return Process(pid, parent, group, name, () if flags & KERNEL_THREAD else _marks(pid))


def _marks(pid: int) -> tuple[int, ...]:
    """A process's marks. A life's in the environment counts more than the limit, which all threads of a host share.

    But only a life of the same manager: a host has its mark in the limit alone, and where its manager is itself a
    program of another one, the environment has that one's.
    """
    start = f"{VARIABLE}=".encode()
    written = [line.removeprefix(start) for line in _read(pid, "environ").split(b"\0") if line.startswith(start)]
    marks = [int(mark) for line in written for mark in line.split() if mark.isdigit() and len(mark) < 20]
    lives = {manager_of(mark) for mark in marks if mark % LIVES}
    if (limit := LIMIT.search(_read(pid, "limits"))) and manager_of(int(limit[1])) not in lives:
        marks.append(int(limit[1]))
    return tuple(marks)


def _read(pid: int, name: str) -> bytes:
    """A file of a process; empty if it may not be read, or the process is gone. Raises OSError as `look` does."""
    try:
        descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return b""
    try:
        return os.read(descriptor, READ_SIZE)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
