"""Answers an administrator's first questions about a machine; also an example to copy for your own service."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from smanager import SService, command

PROGRAM_SECONDS = 5  # `uptime` and `who` take milliseconds; a hanging one must not block its caller
LOGIND_SESSIONS = Path("/run/systemd/sessions")  # one file per session, and the FIFO that holds the session open


class SystemStatus(SService):
    """Simple example SService implementation"""

    @command(read_only=True)
    def cmd_uptime(self) -> str:
        """Returns uptime of system"""
        if not Path("/proc/uptime").exists():
            return output_of("uptime")
        seconds = float(read_proc("uptime").split()[0])
        return uptime_line(time.strftime("%H:%M:%S"), int(seconds), count_logins(), os.getloadavg())

    @command(read_only=True)
    def cmd_load(self) -> str:
        """Returns load averages and number of processors"""
        one, five, fifteen = os.getloadavg()
        return f"{one:.2f}, {five:.2f}, {fifteen:.2f} over 1, 5, 15 minutes; processors: {os.cpu_count()}"

    @command(read_only=True)
    def cmd_memory(self) -> str:
        """Returns available memory and swap"""
        fields = (line.split() for line in read_proc("meminfo").splitlines())
        size = {name.rstrip(":"): int(kibibytes) * 1024 for name, kibibytes, *_ in fields}
        return (
            f"memory: {human(size['MemAvailable'])} of {human(size['MemTotal'])} available\n"
            f"swap: {human(size['SwapFree'])} of {human(size['SwapTotal'])} free"
        )

    @command(read_only=True)
    def cmd_disk(self, path: Path | None = None) -> list[Disk]:
        """Returns space on all disks, or on the disk that holds a path"""
        disks = []
        for place in [str(path)] if path else mounted_disks():
            total, used, free = shutil.disk_usage(place)
            share = used / max(used + free, 1)  # as df calculates it: space reserved for root is not free
            disks.append(Disk(human(total), human(used), human(free), f"{share:.0%}", place))
        return disks

    @command(read_only=True)
    def cmd_who(self) -> str:
        """Returns who is logged in"""
        return output_of("who")

    @command(read_only=True)
    def cmd_processes(self, count: int = 10, by: Literal["memory", "cpu"] = "memory") -> list[dict[str, object]]:
        """Returns the largest processes, by memory or cpu

        Args:
            count: how many to list
            by: resident memory, or seconds of CPU time since they started
        """
        largest = sorted(running_processes(), key=lambda process: getattr(process, by), reverse=True)
        return [
            {"pid": pid, "memory": human(rss), "cpu": round(cpu, 1), "name": name}
            for pid, name, rss, cpu in largest[: max(count, 0)]
        ]

    @command(read_only=True)
    def toplevel_cmd_hostname(self) -> str:
        """Returns hostname of system"""
        return os.uname().nodename


class Disk(NamedTuple):
    size: str
    used: str
    free: str
    share: str
    path: str


class Process(NamedTuple):
    pid: int
    name: str
    memory: int  # resident bytes
    cpu: float  # seconds since it started


def running_processes() -> Iterator[Process]:
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    read_proc("stat")  # raises without /proc: an empty list would look like an answer
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = read_proc(f"{entry.name}/stat")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended after /proc was listed
        name, _, rest = stat.partition("(")[2].rpartition(")")  # a name may contain blanks and parentheses
        fields = rest.split()  # starts with field 3 of proc(5)
        yield Process(int(entry.name), name, int(fields[21]) * page, (int(fields[11]) + int(fields[12])) / ticks)


def mounted_disks() -> list[str]:
    """The mount points of the root and of every disk, one per disk even if it is also bound elsewhere."""
    if not Path("/proc/mounts").exists():
        return ["/"]
    kinds = read_proc("filesystems").splitlines()
    disk_kinds = {kind.strip() for kind in kinds if not kind.startswith("nodev")} | {"zfs"}  # zfs is listed as nodev
    mounts = [line.split() for line in reversed(read_proc("mounts").splitlines())]  # a disk's first mount wins
    places = {device: place for device, place, kind, *_ in mounts if place == "/" or kind in disk_kinds}
    return sorted(place.replace(r"\040", " ") for place in places.values())  # the kernel writes a blank as \040


def count_logins() -> int:
    """The number of logins as `uptime` counts them; 0 on a system that does not record them."""
    if LOGIND_SESSIONS.exists():
        return count_sessions(LOGIND_SESSIONS)
    return len(output_of("who").splitlines()) if Path("/run/utmp").exists() else 0


def count_sessions(directory: Path) -> int:
    """The number of logind's sessions that belong to people, not to greeters or background services."""
    users = 0
    for session in directory.iterdir():
        with suppress(FileNotFoundError):  # the session ended after it was listed
            users += session.is_file() and "\nCLASS=user" in session.read_text()
    return users


def uptime_line(clock: str, seconds: int, users: int, loads: tuple[float, float, float]) -> str:
    """The line that procps' `uptime` prints at the time `clock`, `seconds` after boot."""
    days, minutes = divmod(seconds // 60, 24 * 60)
    hours, minutes = divmod(minutes, 60)
    up = f"{days} day{'s' if days != 1 else ''}, " if days else ""
    up += f"{hours:2}:{minutes:02}" if hours else f"{minutes} min"
    load = ", ".join(f"{average:.2f}" for average in loads)
    return f" {clock} up {up}, {users:2} user{'s' if users != 1 else ''},  load average: {load}"


def read_proc(name: str) -> str:
    try:
        return Path("/proc", name).read_text(errors="replace")  # a process name may be any bytes
    except FileNotFoundError:
        raise FileNotFoundError(f"this system has no /proc/{name}") from None


def output_of(program: str) -> str:
    try:
        return subprocess.run(program, capture_output=True, check=True, text=True, timeout=PROGRAM_SECONDS).stdout
    except FileNotFoundError:
        raise FileNotFoundError(f"this system has no program {program!r}") from None


def human(size: float) -> str:
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"
