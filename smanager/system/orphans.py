"""Orphans: processes that services started and did not wait for. The manager adopts and reaps them."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable, Collection
from contextlib import suppress

PR_SET_CHILD_SUBREAPER = 36  # prctl(2); PID 1 adopts orphans without it
REAP_SECONDS = 0.1  # how long orphans stay zombies: meanwhile other code notices the ends of its children


def adopt() -> None:
    """Become the parent of orphans (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_soon(loop: asyncio.AbstractEventLoop, known: Callable[[], Collection[int]]) -> None:
    """Reap the orphans that have ended; for each SIGCHLD. `known` returns the children that other code waits for."""
    loop.call_later(REAP_SECONDS, _reap, loop, known)


def _reap(loop: asyncio.AbstractEventLoop, known: Callable[[], Collection[int]]) -> None:
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in known():
                loop.call_later(REAP_SECONDS, _reap, loop, known)
                return
            os.waitpid(ended.si_pid, os.WNOHANG)
