"""The manager's log, written where it cannot hold up the manager."""

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

WAITING_LINES = 10_000
"""Lines kept for a sink that is slow; later ones are dropped and counted."""

OWN_LINES = 1_000
"""Of these, so many are kept for the manager's own: what services print may not crowd out why one fell."""

LAST_SECONDS = 1.0
"""How long the end of the program waits for the last lines to be written."""

SERVICES = "smanager.services"
"""The logger of what services print."""


class LogQueue(logging.Handler):
    """Writes lines to a descriptor in a thread of its own, so that a stalled sink stalls nobody.

    The bytes go past Python's streams: at its end the interpreter would wait for a lock that such a
    thread holds for as long as the sink is stalled.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.descriptor = descriptor
        self.place: Callable[[str], str] = "{}\n".format
        """How a line is put onto the terminal or into the file."""
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
        """Write a line as it is."""
        with suppress(queue.Full):
            self._waiting.put_nowait(line)

    def _write(self) -> None:
        while (line := self._waiting.get()) is not None:
            with suppress(OSError):  # it is closed, or its disk full
                write_all(self.descriptor, self.place(line).encode("utf-8", "backslashreplace"))
            if self._dropped and self._waiting.empty():
                dropped, self._dropped = self._dropped, 0
                text = f"{dropped} lines of the log were dropped, for they came faster than they could be written"
                self.emit(logging.makeLogRecord({"name": "smanager", "msg": text, "levelno": logging.WARNING}))

    def _finish(self) -> None:
        with suppress(queue.Full):
            self._waiting.put(None, timeout=LAST_SECONDS)
            self._writer.join(LAST_SECONDS)
        if self._writer.is_alive():  # the sink is stalled, and what the interpreter still says must not wait for it
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write it all, however long that takes. Raises OSError where it cannot be."""
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # a terminal that another program has made so
            select.select([], [descriptor], [])


def log_to_stderr(verbose: bool) -> LogQueue:
    """Have all that is logged written to stderr."""
    handler = LogQueue(sys.stderr.fileno())
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    return handler
