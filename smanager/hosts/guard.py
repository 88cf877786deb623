"""A process that outlives the manager and ends the hosts that cannot end themselves: stopped ones, or ones stuck in C.

A host ends when its socket pair closes, unless its control thread cannot run. The guard notices the manager's end
in the same way, wakes the stopped hosts, and a moment later kills what is left.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

GRACE_SECONDS = 1.7  # for hosts to end by themselves: a moment longer than they give their services (ORPHAN_SECONDS)

# A shell, because it is the smallest process available. It reads `+ PID` when a host begins, `- PID` when it has ended.
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
    """The manager's side: tells the process which hosts run. Without a shell there is no guard; all else works."""

    def __init__(self) -> None:
        self._pipe = -1
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start the process; this blocks for a moment."""
        reader, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        program, null = ["/bin/sh", "-c", SCRIPT], subprocess.DEVNULL
        with suppress(OSError):
            self._process = subprocess.Popen(program, stdin=reader, stdout=null, stderr=null, start_new_session=True)
        os.close(reader)

    def watch(self, pid: int) -> None:
        self._tell(f"+ {pid}\n")

    def forget(self, pid: int) -> None:
        self._tell(f"- {pid}\n")

    def end(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _tell(self, line: str) -> None:
        with suppress(OSError):  # it was killed, or never started
            os.write(self._pipe, line.encode())
