"""Keeps what services print and their events: in memory, in the services' log files, and in the manager's own log."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from smanager.logs.history import EVENTS_KEPT, Feed, LogLine, ServiceHistory
from smanager.logs.logfiles import LogFiles
from smanager.logs.manager_log import SERVICES
from smanager.terminal.text import visible

log = logging.getLogger("smanager")
printed = logging.getLogger(SERVICES)


class Recorder:
    """Takes the lines and events of all services."""

    def __init__(self, directory: Path | None) -> None:
        """Write log files below the state directory, unless there is none."""
        self.events: Feed[LogLine] = Feed(EVENTS_KEPT)
        self._files = LogFiles(directory) if directory else None

    def event(self, service: str, text: str, level: int) -> None:
        """Record an event of a service; `level` is its level in the manager's log."""
        self.events.add(LogLine(time.time(), service, text))
        log.log(level, "%s: %s", service, text)

    def line(self, service: str, history: ServiceHistory, text: str, most_bytes: int, most_files: int) -> None:
        """Record a line that a service printed; for the limits of its log file see `LogFiles.add`."""
        line = LogLine(time.time(), service, text)
        history.lines.add(line)
        if self._files:
            self._files.add(line, most_bytes, most_files)

    def echo(self, origin: str, text: str) -> None:
        """Show a printed line in the manager's log; `origin` names the services whose process printed it."""
        printed.info("%s: %s", origin, visible(text))

    def lost(self, service: str) -> int:
        """The number of lines missing from a service's log file, which could not take them, or not fast enough."""
        return self._files.lost[service] if self._files else 0

    def close(self) -> None:
        """Write the waiting lines. Blocks for at most a few seconds."""
        if self._files:
            self._files.close()
