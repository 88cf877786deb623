"""Logs what a host's process prints past Python's own streams: its children's output, a fatal error's stacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from smanager.terminal.text import CUT

LINES_A_TURN = 64  # lines logged before sessions have their turn
LINE_LIMIT = 8 * 1024  # bytes of one line; a longer line is cut here, and continues as the next


class RawOutput(asyncio.Protocol):
    """The output of one process. A flood is read no faster than it is logged, and so waits in its own pipe."""

    def __init__(self, log_line: Callable[[str], object]) -> None:
        self._log_line = log_line
        self._rest = b""
        self._is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._pipe = cast("asyncio.ReadTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if not self._is_busy:
            self._log_some()

    def finish(self) -> None:
        """Log what is left, such as a last line without a newline."""
        for line in self._rest.splitlines():
            self._log(line)
        self._rest = b""

    def _log_some(self) -> None:
        *lines, self._rest = self._rest.split(b"\n", LINES_A_TURN)
        if not lines and len(self._rest) > LINE_LIMIT:
            lines, self._rest = [self._rest[:LINE_LIMIT]], self._rest[LINE_LIMIT:]
        for line in lines:
            self._log(line)
        self._is_busy = b"\n" in self._rest or len(self._rest) > LINE_LIMIT
        if self._is_busy:
            self._pipe.pause_reading()
            asyncio.get_running_loop().call_soon(self._log_some)
        else:
            self._pipe.resume_reading()

    def _log(self, line: bytes) -> None:
        for start in range(0, len(line) or 1, LINE_LIMIT):
            piece = line[start : start + LINE_LIMIT]
            self._log_line(piece.decode("utf-8", "backslashreplace") + CUT * (len(piece) == LINE_LIMIT))
