"""What went wrong in a service's code: in one line for callers, and as a traceback for the log."""

from __future__ import annotations

import traceback
from pathlib import Path

from smanager.commands.record import Failure
from smanager.service import CallerError

MESSAGE_LIMIT = 4096  # characters of an exception's message that callers get; the log has all of it

TRACEBACK_LIMIT = 100  # frames of an exception that are logged, outermost first; a RecursionError may have 100,000


class LoadError(Exception):
    """A services file that cannot be used; the text says why, and which of its lines is wrong."""


def at_line(line: int, problem: object) -> str:
    """A problem with its place; `line` is 0 if the fault is not in a line of the file."""
    return f"line {line}: {problem}" if line else str(problem)


def print_traceback(error: BaseException) -> None:
    """Print an exception's traceback from the service's own code on, without how the host came to call that code."""
    ours = str(Path(__file__).parent)
    trace = error.__traceback__
    while trace and trace.tb_frame.f_code.co_filename.startswith((ours, "<frozen importlib")):
        trace = trace.tb_next
    print("".join(traceback.format_exception(type(error), error, trace, limit=TRACEBACK_LIMIT)).rstrip())


def failure_of(error: BaseException) -> Failure:
    """An exception as callers get it."""
    try:
        message = _one_line(str(error))
    except BaseException:  # whatever its `__str__` raises: the caller waits for this
        message = "its message cannot be shown"
    return Failure(message, "" if isinstance(error, CallerError) else _one_line(type(error).__name__))


def in_one_line(error: BaseException) -> str:
    """An exception as people read it: `ZeroDivisionError: division by zero`."""
    return str(failure_of(error))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:MESSAGE_LIMIT]
