"""The services' log files, written by a thread of their own, so that a slow or full disk holds up nothing else."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import Counter
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from smanager.logs.history import LogLine
from smanager.logs.manager_log import LAST_SECONDS
from smanager.system.errors import in_words
from smanager.system.private import make_directory, opened
from smanager.terminal.wording import clock_text

WAITING_LINES = 10_000  # lines that may wait for a slow disk; later ones are dropped and counted

MOST_OPEN = 32  # files open at a time; opening one costs far less than a descriptor for each service that ever printed

DIRECTORY = "logs"

log = logging.getLogger("smanager")


class LogFiles:
    """A log file for each service, with its older, rotated ones."""

    def __init__(self, directory: Path) -> None:
        """Write to `logs` in the state directory."""
        self._directory = directory / DIRECTORY
        self._files: dict[str, _File] = {}  # the open ones, the least recently written first
        self._waiting: queue.Queue[tuple[LogLine, int, int] | None] = queue.Queue(WAITING_LINES)
        self.lost: Counter[str] = Counter()
        """By service, the number of lines that were dropped or could not be written."""
        self._thread = threading.Thread(target=self._write, name="log files", daemon=True)
        self._thread.start()

    def add(self, line: LogLine, most_bytes: int, most_files: int) -> None:
        """Write a line to its service's file, which is rotated at `most_bytes`; keep `most_files` rotated ones."""
        try:
            self._waiting.put_nowait((line, most_bytes, most_files))
        except queue.Full:
            self.lost[line.service] += 1

    def close(self) -> None:
        """Write the waiting lines. Blocks for at most twice LAST_SECONDS."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=LAST_SECONDS)
            self._thread.join(LAST_SECONDS)

    def _write(self) -> None:
        while item := self._waiting.get():
            line, most_bytes, most_files = item
            try:
                file = self._file(line.service)
                file.maxBytes, file.backupCount = most_bytes, most_files
                file.emit(logging.makeLogRecord({"msg": f"{clock_text(line.when)} {line.text}"}))
            except OSError as error:  # no directory, no descriptor, no room
                if not self.lost[line.service]:
                    log.error("%s.log: lines are lost: %s", self._directory / line.service, in_words(error))
                self.lost[line.service] += 1

    def _file(self, service: str) -> _File:
        file = self._files.pop(service, None) or _File(self._directory / f"{service}.log")
        self._files[service] = file  # the last to be closed
        if len(self._files) > MOST_OPEN:
            self._files.pop(next(iter(self._files))).close()
        return file


class _File(RotatingFileHandler):
    """The stdlib's rotation; errors are left to the writer, which counts them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace", delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        if self.stream and not self._is_in_place(self.stream):  # another program has rotated the file, or removed it
            self.stream.close()
            self.stream = self._open()
        super().emit(record)

    def _is_in_place(self, stream: TextIOWrapper) -> bool:
        """Whether the file of this name is the one that is open: logrotate's `create` makes a new one."""
        try:
            return os.path.samestat(Path(self.baseFilename).lstat(), os.fstat(stream.fileno()))
        except FileNotFoundError:
            return False

    def _open(self) -> TextIOWrapper:
        """Open the file as one of the manager's own."""
        path = Path(self.baseFilename)
        make_directory(path.parent)
        descriptor = opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return open(descriptor, "a", encoding=self.encoding, errors=self.errors)  # noqa: PTH123 - kept open

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        raise
