"""A process that outlives the manager and ends what cannot end itself: hosts that are stopped or stuck in C, programs.

A host ends when its socket pair closes, and its programs with it, unless its control thread cannot run, or the host was
killed together with the manager. The guard notices the manager's end in the same way, wakes the stopped hosts, and a
moment later kills what is left: the hosts that it has been told of, and every process with the manager's mark (see
`system.lineage`), that is all programs and all else that services have started. A guard that ends is started again.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from smanager.system import lineage

GRACE_SECONDS = 1.7  # for hosts to end by themselves: a moment longer than they give their services (ORPHAN_SECONDS)
ROUNDS = 50  # looks for what is left: processes may fork meanwhile, and one that waits for a dead disk never ends
ROUNDS_WITHOUT = 3
"""The last looks, which find nothing: a process may fork after one has listed all, and end before its turn comes."""

AGAIN_SECONDS = 0.5  # between two starts of a guard, if it ends again and again

SHELL = "/bin/sh"

# A shell, because it is the smallest process available. It reads `+ PID` when a host begins, `- PID` when it has ended.
# Its command line does not hold the package's name, by which `pkill -9 -f` finds the manager and its hosts.
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
[ -n "$hosts" ] || exit 0
for host in $hosts; do kill -s CONT -- "-$host"; done
sleep {GRACE_SECONDS}
for host in $hosts; do kill -s KILL -- "-$host"; done
round=0
without=0
while [ $round -lt {ROUNDS} ] && [ $without -lt {ROUNDS_WITHOUT} ]; do
    without=$((without + 1))
    for file in $(grep -lE "$1" /proc/[0-9]*/environ /proc/[0-9]*/limits); do
        pid=${{file#/proc/}}
        kill -s KILL "${{pid%%/*}}"
        without=0
    done
    round=$((round + 1))
    sleep 0.01
done
"""


class Guard:
    """The manager's side: tells the process which hosts run. Without a shell there is no guard; all else works."""

    def __init__(self, mark: int) -> None:
        """`mark` is the manager's, which covers those of all its descendants."""
        size = lineage.HOSTS * lineage.LIVES
        marks = f"{mark // size}[0-9]{{{len(str(size - 1))}}}"
        self._pattern = f"{lineage.VARIABLE}=[0-9 ]*{marks}|^Max realtime timeout +{marks} "
        self._hosts: set[int] = set()
        self._pair: socket.socket | None = None
        self._again: asyncio.TimerHandle | None = None
        self._begun = 0.0  # by the loop's clock

    def begin(self) -> None:
        """Start the process; this blocks for a moment."""
        if not Path(SHELL).exists():
            return
        loop = asyncio.get_running_loop()
        self._begun = loop.time()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        program, null = [SHELL, "-c", SCRIPT, "guard", self._pattern], subprocess.DEVNULL
        with theirs, suppress(OSError):
            stdin = theirs.fileno()
            self._process = subprocess.Popen(program, stdin=stdin, stdout=null, stderr=null, start_new_session=True)
        self._pair = ours
        loop.add_reader(ours, self._lost)
        for pid in self._hosts:
            self._tell(f"+ {pid}\n")

    def watch(self, pid: int) -> None:
        self._hosts.add(pid)
        self._tell(f"+ {pid}\n")

    def forget(self, pid: int) -> None:
        self._hosts.discard(pid)
        self._tell(f"- {pid}\n")

    def end(self) -> None:
        if self._again:
            self._again.cancel()
        self._close()

    def _close(self) -> None:
        if self._pair:
            asyncio.get_running_loop().remove_reader(self._pair)
            self._pair.close()
            self._pair = None

    def _lost(self) -> None:
        """The process has ended or could not be started: it never writes, so this is the end of what it might."""
        self._close()
        loop = asyncio.get_running_loop()
        self._again = loop.call_at(max(loop.time(), self._begun + AGAIN_SECONDS), self._begin_again)

    def _begin_again(self) -> None:
        try:
            self.begin()
        except OSError:  # no descriptors are left, for now
            self._again = asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._begin_again)

    def _tell(self, line: str) -> None:
        if self._pair:
            with suppress(OSError):  # it has just ended
                self._pair.send(line.encode())
