"""The ends of children that neither asyncio nor `subprocess` has started."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

POLL_SECONDS = 0.05  # between two looks at a child where there is no pidfd_open(2): Linux before 5.3
LOST = -signal.SIGKILL
"""The status of a child that was reaped as an orphan before its id was known here: only a kill comes so early."""


def when_ended(pid: int, tell: Callable[[int], object]) -> None:
    """Call `tell` in the running loop once a child has ended, with its exit status, or a signal's number below 0."""
    loop = asyncio.get_running_loop()
    try:
        end = os.pidfd_open(pid)  # readable once the process has ended
    except (AttributeError, OSError):  # an old kernel, or no descriptors are left
        _poll(loop, pid, tell)
        return

    def ended() -> None:
        loop.remove_reader(end)
        os.close(end)
        _poll(loop, pid, tell)

    loop.add_reader(end, ended)


def _poll(loop: asyncio.AbstractEventLoop, pid: int, tell: Callable[[int], object]) -> None:
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        tell(LOST)
        return
    if ended:
        tell(os.waitstatus_to_exitcode(status))
    else:
        loop.call_later(POLL_SECONDS, _poll, loop, pid, tell)
