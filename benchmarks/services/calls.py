"""The service that `benchmarks/calls.py` calls."""

from __future__ import annotations

import time
from collections.abc import Iterator

from smanager import SService


class Calls(SService):
    def cmd_ping(self) -> str:
        return "pong"

    async def cmd_aping(self) -> str:
        return "pong"

    def cmd_stream(self, count: int) -> Iterator[str]:
        for number in range(count):
            yield f"line {number}"

    def cmd_ask(self, seconds: float) -> str:
        """Calls another service again and again; returns how many calls were answered in a second"""
        assert self.caller  # a command has one
        manager = self.manager.as_caller(self.caller)
        count, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            manager.call("bench.ping")
            count += 1
        return str(count / seconds)

    def cmd_silent(self) -> None:
        for _ in range(3600):
            time.sleep(0.01)
