"""Errors of system calls and exit statuses, in words."""

from __future__ import annotations

import signal


def in_words(error: OSError) -> str:
    """Say why a system call failed, for the middle of a sentence: `permission denied`."""
    return (error.strerror or str(error)).lower()


def exit_reason(status: int) -> str:
    """Say how a process ended, by its exit status or its negative signal: `exit status 3`, `killed by SIGKILL`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
