"""The manager's log, written where it cannot hold up the manager."""

from __future__ import annotations

import atexit
import logging
import queue
import threading

WAITING_LINES = 10_000
"""Lines kept for a sink that is slow; later ones are dropped and counted."""

LAST_SECONDS = 1.0
"""How long the end of the program waits for the last lines to be written."""


class LogQueue(logging.Handler):
    """Hands records to another handler in a thread, so that a stalled sink stalls nobody."""

    def __init__(self, sink: logging.Handler) -> None:
        super().__init__()
        self.sink = sink
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(WAITING_LINES)
        self._dropped = 0
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()
        atexit.register(self._finish)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def _write(self) -> None:
        while record := self._waiting.get():
            self.sink.handle(record)
            if self._dropped and self._waiting.empty():
                dropped, self._dropped = self._dropped, 0
                text = f"{dropped} lines of the log were dropped, for they came faster than they could be written"
                self.sink.handle(logging.makeLogRecord({"msg": text, "levelno": logging.WARNING}))

    def _finish(self) -> None:
        try:
            self._waiting.put(None, timeout=LAST_SECONDS)
        except queue.Full:
            return
        self._writer.join(LAST_SECONDS)
