"""The service that the benchmark calls: as little work as a command can do."""

from __future__ import annotations

from smanager import SService


class Bench(SService):
    """Answers, so that what is measured is the way to it and back"""

    def cmd_ping(self) -> str:
        """Returns pong"""
        return "pong"
