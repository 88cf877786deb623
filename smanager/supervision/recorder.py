"""What services print and what happens to them, kept: in memory, in their files, and in the manager's own log."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from smanager.logs.history import EVENTS_KEPT, Feed, Line
from smanager.logs.logfiles import LogFiles
from smanager.logs.manager_log import SERVICES
from smanager.supervision.catalogue import Service
from smanager.terminal.text import visible

log = logging.getLogger("smanager")
printed = logging.getLogger(SERVICES)


class Journal:
    """All services' lines and events."""

    def __init__(self, directory: Path | None) -> None:
        """Write the services' files below the state directory, if there is one."""
        self.events: Feed[Line] = Feed(EVENTS_KEPT)
        self._files = LogFiles(directory) if directory else None

    def happened(self, service: str, text: str, level: int) -> None:
        """Something has happened to a service; the manager's log has it from its own level on."""
        self.events.add(Line(time.time(), service, text))
        log.log(level, "%s: %s", service, text)

    def line(self, caption: str, services: Sequence[Service], text: str) -> None:
        """A service, or the process of these services, has printed a line."""
        now = time.time()
        for service in services:
            service.history.lines.add(line := Line(now, service.name, text))
            if self._files:
                self._files.add(line, service.settings.log_bytes, service.settings.log_files)
        printed.info("%s: %s", caption, visible(text))

    def lost(self, service: str) -> int:
        """Lines that a service's file lacks, for they could not be written as fast, or at all."""
        return self._files.lost[service] if self._files else 0

    def close(self) -> None:
        """Write what waits. Blocks for a moment."""
        if self._files:
            self._files.close()
