"""Children of services that have lost their parents: they come to the manager, which sees them off when they end."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Collection
from contextlib import suppress

PR_SET_CHILD_SUBREAPER = 36
"""prctl(2); PID 1 gets the orphans without it."""

REAP_SECONDS = 0.1
"""After which orphans are seen off: until then asyncio has taken notice of the ends of its own children."""


def adopt(known: Callable[[], Collection[int]]) -> None:
    """Take the place of init for what the services start (Linux); `known` are the children that others wait for."""
    if sys.version_info < (3, 12) and hasattr(os, "pidfd_open"):
        watcher = asyncio.PidfdChildWatcher()  # the default from 3.12 on; the older one takes a thread a child
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, loop.call_later, REAP_SECONDS, _reap, loop, known)


def _reap(loop: asyncio.AbstractEventLoop, known: Callable[[], Collection[int]]) -> None:
    """See off the orphans that have ended. The same is done for nobody else's child: its status is theirs."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in known():
                loop.call_later(REAP_SECONDS, _reap, loop, known)
                return
            os.waitpid(ended.si_pid, os.WNOHANG)
