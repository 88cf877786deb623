"""Orphans: processes that services started and did not wait for. The manager adopts and reaps them."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Collection
from contextlib import suppress

PR_SET_CHILD_SUBREAPER = 36  # prctl(2); PID 1 adopts orphans without it
REAP_SECONDS = 0.1  # how long orphans stay zombies: meanwhile asyncio notices the ends of its own children


def adopt(known: Callable[[], Collection[int]]) -> None:
    """Become the parent of orphans (Linux). `known` returns the ids of the children that other code waits for."""
    if sys.version_info < (3, 12) and hasattr(os, "pidfd_open"):
        watcher = asyncio.PidfdChildWatcher()  # the default since 3.12; the older one needs a thread per child
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCHLD, loop.call_later, REAP_SECONDS, _reap, loop, known)


def _reap(loop: asyncio.AbstractEventLoop, known: Callable[[], Collection[int]]) -> None:
    """Reap the orphans that have ended. Other children are left to the code that waits for their exit status."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in known():
                loop.call_later(REAP_SECONDS, _reap, loop, known)
                return
            os.waitpid(ended.si_pid, os.WNOHANG)
