"""What the kernel says of a process (Linux: proc(5)); nothing where there is no /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    cpu: float
    """Seconds of CPU time, since it started."""
    memory: int
    """Bytes that are resident."""


def usage(pid: int) -> Usage | None:
    """What a process uses; None where it is gone, or nobody tells."""
    with suppress(OSError, ValueError, IndexError):
        # A name may hold blanks and parentheses; behind it stands the third field.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
        return Usage((int(fields[11]) + int(fields[12])) / ticks, int(fields[21]) * page)
    return None
