"""What went wrong in a service's code: in one line for callers, and as a traceback for the log."""

from __future__ import annotations

import traceback
from pathlib import Path

MESSAGE_LIMIT = 4096
"""Characters of an exception's message that are passed on; the log has all of it."""


class LoadError(Exception):
    """A services file that cannot be used; the text says where in it and why."""


def print_traceback(error: BaseException) -> None:
    """Print an exception's traceback from the service's own code on: how the host came to call that helps nobody."""
    ours = str(Path(__file__).parent)
    trace = error.__traceback__
    while trace and (trace.tb_frame.f_code.co_filename.startswith((ours, "<frozen importlib"))):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    print("".join(lines).rstrip())


def one_line(text: str) -> str:
    return " ".join(text.split())[:MESSAGE_LIMIT]


def in_one_line(error: BaseException) -> str:
    """An exception as callers read it: `ZeroDivisionError: division by zero`."""
    try:
        message = one_line(str(error))
    except Exception:
        message = "its message cannot be shown"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
