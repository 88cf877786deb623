"""What Linux reports about a process (proc(5)); systems without /proc report nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    cpu: float
    """Seconds of CPU time since the process started."""
    memory: int
    """Resident bytes."""


def usage(pid: int) -> Usage | None:
    """What a process uses; None if the process is gone or the system does not report it."""
    with suppress(OSError, ValueError, IndexError):
        # The second field, the name in parentheses, may itself hold blanks and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        return Usage((int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * page)
    return None
