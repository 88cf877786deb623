"""Processes as the system sees them: signals, how one ended, what it uses (proc(5)), and limits (setrlimit(2))."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    cpu: float  # seconds of CPU time since the process started
    memory: int  # resident bytes


def usage(pid: int) -> Usage | None:
    """What a process uses; None if the process is gone or the system does not report it."""
    with suppress(OSError, ValueError, IndexError):
        # The second field, the name in parentheses, may itself hold blanks and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        return Usage((int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * page)
    return None


def open_descriptors(pid: int) -> int | None:
    """How many descriptors a process has open; None if that is not for this user to know."""
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - paths would take most of the time
    return None


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group, 0 to send nothing; False if the group is empty."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS: EPERM if only zombies are left
        return False
    return True


def exit_reason(status: int) -> str:
    """Say how a process ended, by its exit status or its negative signal: `exit status 3`, `killed by SIGKILL`."""
    if status >= 0:
        return f"exit status {status}"
    return f"killed by {signal_name(-status)}"


def signal_name(number: int) -> str:
    """A signal's name; `SIGRTMIN+3` for a real-time one (signal(7)), and `signal 99` for none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        is_realtime = signal.SIGRTMIN < number < signal.SIGRTMAX
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if is_realtime else f"signal {number}"


def set_limits(limits: Mapping[str, int]) -> None:
    """Limit this process and its children; names are in lower case without RLIMIT_. Raises ValueError if too high."""
    for name, limit in limits.items():
        try:
            resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (limit, limit))
        except (ValueError, OSError):
            raise ValueError(too_high(limits)) from None


def exceeded(limits: Mapping[str, int]) -> dict[str, int]:
    """This process's own hard limits that others are above; only root, and not in every container, may raise them."""
    own = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1] for name in limits}
    return {name: hard for name, hard in own.items() if hard >= 0 and not 0 <= limits[name] <= hard}


def too_high(limits: Mapping[str, int]) -> str:
    """Why limits cannot be set: which exceed this process's own, and what those are."""
    facts = [
        f"{name} is {'unlimited' if limits[name] < 0 else limits[name]}, and should be at most {hard}"
        for name, hard in exceeded(limits).items()
    ]
    return f"its limits cannot be set{': ' if facts else ''}{'; '.join(facts)}"
