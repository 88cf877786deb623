"""The kernel's figures about a process and its children, from /proc (Linux only)."""

from __future__ import annotations

import os
import time
from pathlib import Path

CPUCLOCK_SCHED = 2  # from linux/posix-timers.h
TEMPLATE = "smanager:templa"  # the system keeps 15 letters of a name
TEMPLATE_SECONDS = 10.0  # three times as long as the template stays without work
PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")

# A field of /proc/PID/stat after the name in parentheses, which may contain spaces (proc(5) counts from 1).
PARENT = 4 - 3


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def family(pid: int) -> list[int]:
    """The process and all its descendants, parents first."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int(_stat(int(entry.name))[PARENT])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended after /proc was listed
    members = [pid]
    for member in members:  # the loop itself appends to the list
        members += [child for child, parent in parents.items() if parent == member]
    return members


def lasting_family(pid: int) -> list[int]:
    """The process and its descendants, once SManager's template has ended, which only the first hosts need."""
    deadline = time.monotonic() + TEMPLATE_SECONDS
    while TEMPLATE in map(_name, members := family(pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return members


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def resident_bytes(pid: int) -> int:
    """The resident memory of one process, without its children."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_SIZE


def proportional_bytes(pid: int) -> int:
    """The memory of one process, with its share of what it has in common with others."""
    fields = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return next(int(size) * 1024 for name, size, _ in fields if name == "Pss:")


def footprint_bytes(pids: list[int]) -> int:
    """The resident memory of one program's processes together; memory that they share counts once."""
    private, shared = 0, [0]
    for pid in pids:
        fields = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
        sizes = {name: int(size) * 1024 for name, size, _ in fields}
        private += sizes["Private_Clean:"] + sizes["Private_Dirty:"]
        shared.append(sizes["Shared_Clean:"] + sizes["Shared_Dirty:"])
    return private + max(shared)


def cpu_seconds(pids: list[int]) -> float:
    """The CPU time that these processes have used, in all their threads."""
    return sum(time.clock_gettime(_cpu_clock(pid)) for pid in pids)


def _cpu_clock(pid: int) -> int:
    """A process's clock, as clock_getcpuclockid(3) makes it: /proc has only ticks of 10 ms."""
    return ~pid << 3 | CPUCLOCK_SCHED


def context_switches(pids: list[int]) -> int:
    """How often a thread of these processes got or lost a CPU; never if nothing polls."""
    return sum(
        int(line.split()[1])
        for pid in pids
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if "ctxt_switches:" in line
    )
