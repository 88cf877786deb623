"""A command that runs in a host, as the manager sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from smanager.hosts import frames
from smanager.hosts.frames import WINDOW, Kind

VALUE_LIMIT = 4 * 1024 * 1024
"""Characters of JSON that one result may take, for it is kept whole; what is more has to be yielded."""


class Sink(Protocol):
    """Who takes what a command returns."""

    def write(self, text: str) -> object:
        """A piece of its output."""

    def value(self, value: Any) -> object:
        """A result that is no text, whole."""

    def item(self, value: Any) -> object:
        """One of the things that it yields."""

    def progress(self, done: float, total: float | None, text: str) -> object:
        """How far it is."""


class Connection(Protocol):
    """The way to the host."""

    def send(self, frame: bytes) -> None: ...

    def cancel(self, number: int, reason: str = ...) -> None: ...


class Call:
    """A command that runs in a host: who takes what it returns, who is told of its end, and how to end it.

    `ended` is given once the line that says what went wrong, or None.
    """

    __slots__ = ("_data", "_host", "_number", "_owed", "_paused", "_sink", "caption", "ended")

    def __init__(self, host: Connection, number: int, caption: str, sink: Sink) -> None:
        self._host = host
        self._number = number
        self._paused = False
        self._owed = 0
        self._data: list[str] = []
        self._sink = sink
        self.caption = caption
        self.ended: Callable[[str | None], None] = lambda error: None

    def cancel(self) -> None:
        """End it at once for the caller; the method itself ends when it can."""
        self._host.cancel(self._number)

    def pause(self) -> None:
        """Nobody can take more output now: the host holds the command back once a window's worth is under way."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._acknowledge()

    def output(self, text: str) -> None:
        self._sink.write(text)
        self._took(text)

    def item(self, text: str) -> None:
        self._sink.item(json.loads(text))
        self._took(text)

    def data(self, text: str) -> None:
        self._data.append(text)
        self._took(text)
        if len(self._data) * len(self._data[0]) > VALUE_LIMIT:
            self._host.cancel(
                self._number, f"its result is larger than {VALUE_LIMIT} characters; it should yield parts"
            )

    def progress(self, done: float, total: float | None, text: str) -> None:
        self._sink.progress(done, total, text)

    def finish(self, text: str) -> None:
        """The rest of its output has come."""
        if self._data:
            self._sink.value(json.loads("".join(self._data)))
        if text:
            self._sink.write(text)
        self.end(None)

    def end(self, error: str | None) -> None:
        self.ended(f"{self.caption}: {error}" if error is not None else None)

    def _took(self, text: str) -> None:
        self._owed += len(text)
        self._acknowledge()

    def _acknowledge(self) -> None:
        if not self._paused and self._owed >= WINDOW // 4:
            self._host.send(frames.encode_data(Kind.MORE, self._number, self._owed))
            self._owed = 0
