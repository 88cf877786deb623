"""The output of a program's `shell.execute`, kept whole until its commands have ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from smanager.shells.interpreter import Interpreter

OUTPUT_LIMIT = 16 * 1024 * 1024
"""Characters of output that one reply holds, for it is kept whole until the command ends; and that all the
requests of one connection hold together before only the oldest of them goes on."""


class TooMuchError(Exception):
    """More output than a reply holds."""


class Streamed:
    """What one request's commands print, told to its program at once."""

    columns = 0

    def __init__(self, notify: Callable[[str, dict[str, Any]], None]) -> None:
        self._notify = notify

    def write(self, text: str) -> None:
        self._notify("$/item", {"value": text})

    def progress(self, text: str) -> None:
        """There is no window for it."""

    def redraw(self, text: str) -> None:
        self.write(text)


class Collected:
    """What one request's commands print."""

    interpreter: Interpreter
    columns = 0

    def __init__(self, grown: Callable[[], None]) -> None:
        """`grown` is told when it has become more."""
        self._pieces: list[str] = []
        self._grown = grown
        self._held = False
        self.length = 0

    def write(self, text: str) -> None:
        self.length += len(text)
        if self.length <= OUTPUT_LIMIT:
            self._pieces.append(text)
        self._grown()

    def progress(self, text: str) -> None:
        """Nobody would see it."""

    def redraw(self, text: str) -> None:
        self.write(text)

    def hold(self, hold: bool) -> None:
        """Have its commands print no more for now."""
        if hold is not self._held:
            self._held = hold
            self.interpreter.pause() if hold else self.interpreter.resume()

    def text(self) -> str:
        """All of it. Raises TooMuchError where it is more than a reply may hold."""
        if self.length > OUTPUT_LIMIT:
            message = f"{self.length} characters of output; a reply holds {OUTPUT_LIMIT}: run it as a plain line"
            raise TooMuchError(message)
        return "".join(self._pieces)

    @staticmethod
    def share(outputs: Sequence[Collected]) -> None:
        """While too much is held, let only the first go on."""
        crowded = sum(output.length for output in outputs) > OUTPUT_LIMIT
        for output in outputs:
            output.hold(crowded and output is not outputs[0])
