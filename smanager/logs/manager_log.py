"""The manager's log, written by a thread of its own, so that a stalled terminal or pipe cannot hold up the manager."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

WAITING_LINES = 10_000  # lines that may wait for a slow descriptor; later ones are dropped and counted

OWN_LINES = 1_000
"""The part of WAITING_LINES reserved for the manager's own lines: services' output must not crowd out why one fell."""

LAST_SECONDS = 1.0
"""How long the manager's end waits, first for room in the queue, then for the last lines to be written."""

SERVICES = "smanager.services"  # the name of the logger for services' output


class LogQueue(logging.Handler):
    """Writes lines to a descriptor in a thread of its own.

    The bytes bypass Python's streams: at exit the interpreter would wait for the lock of a stalled stream.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.descriptor = descriptor
        self.place: Callable[[str], str] = "{}\n".format
        """Turns a line into what is written to the terminal or file."""
        self._waiting: queue.Queue[str | None] = queue.Queue(WAITING_LINES)
        self._dropped = 0
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()
        atexit.register(self._finish)

    def emit(self, record: logging.LogRecord) -> None:
        room = WAITING_LINES - (OWN_LINES if record.name == SERVICES else 0)
        if self._waiting.qsize() < room:
            self.say(self.format(record))
        else:
            self._dropped += 1

    def say(self, line: str) -> None:
        """Write a line as given, unless too many wait."""
        with suppress(queue.Full):
            self._waiting.put_nowait(line)

    def _write(self) -> None:
        while (line := self._waiting.get()) is not None:
            with suppress(OSError):  # closed, or a full disk
                write_all(self.descriptor, self.place(line).encode("utf-8", "backslashreplace"))
            if self._dropped and self._waiting.empty():
                dropped, self._dropped = self._dropped, 0
                text = f"{dropped} lines of the log were dropped: they came faster than they could be written"
                self.emit(logging.makeLogRecord({"name": "smanager", "msg": text, "levelno": logging.WARNING}))

    def _finish(self) -> None:
        with suppress(queue.Full):
            self._waiting.put(None, timeout=LAST_SECONDS)
            self._writer.join(LAST_SECONDS)
        if self._writer.is_alive():  # stalled; the interpreter's own last output must not wait for the descriptor
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, however long that takes. Raises OSError."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # another program has made the terminal non-blocking
            select.select([], [descriptor], [])


def log_to_stderr(verbose: bool) -> LogQueue:
    """Write the manager's log to stderr; `verbose` includes debug messages."""
    handler = LogQueue(sys.stderr.fileno())
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    return handler
