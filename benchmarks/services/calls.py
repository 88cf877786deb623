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

    def cmd_silent(self) -> None:
        for _ in range(3600):
            time.sleep(0.01)
