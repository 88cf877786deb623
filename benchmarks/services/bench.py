"""The service that the benchmarks call; its command does as little as possible."""

from __future__ import annotations

from smanager import SService


class Bench(SService):
    """Answers at once, so that the benchmark measures the way there and back"""

    def cmd_ping(self) -> str:
        """Returns pong"""
        return "pong"
