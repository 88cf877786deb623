"""A process that outlives the manager, to end what cannot end itself then: hosts that are stopped, or stuck in C.

A host ends when its socket pair does, but for one whose control thread cannot run. The guard learns of the
manager's end as they do, wakes those that were stopped, and kills what is left after a moment.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

GRACE_SECONDS = 1.7
"""How long hosts have to end by themselves: a moment longer than they give their services (`ORPHAN_SECONDS`)."""

SHELL = "/bin/sh"

# A shell, for it is the smallest process at hand. Words: `+ PID` and `- PID` for each host that begins and has ended.
SCRIPT = f"""
trap '' HUP INT TERM
hosts=
while read -r verb pid; do
    case $verb in
    +) hosts="$hosts $pid" ;;
    -)
        left=
        for host in $hosts; do [ "$host" = "$pid" ] || left="$left $host"; done
        hosts=$left
        ;;
    esac
done
for host in $hosts; do kill -s CONT -- "-$host"; done
[ -z "$hosts" ] || sleep {GRACE_SECONDS}
for host in $hosts; do kill -s KILL -- "-$host"; done
"""


class Guard:
    """The manager's side: tells it of the hosts. Without a shell there is none, and nothing else is missing."""

    def __init__(self) -> None:
        self._pipe = -1
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start the process. Blocks for a moment, as any start of a process does."""
        reader, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        null = subprocess.DEVNULL
        with suppress(OSError):
            self._process = subprocess.Popen(
                [SHELL, "-c", SCRIPT], stdin=reader, stdout=null, stderr=null, start_new_session=True
            )
        os.close(reader)

    def watch(self, pid: int) -> None:
        self._tell(f"+ {pid}\n")

    def forget(self, pid: int) -> None:
        self._tell(f"- {pid}\n")

    def end(self) -> None:
        """All hosts have ended: so does the guard."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _tell(self, line: str) -> None:
        with suppress(OSError):  # it was killed, or was never there
            os.write(self._pipe, line.encode())
