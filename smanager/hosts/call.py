"""A command that runs in a host, as the manager sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol

from smanager.commands.record import Failure
from smanager.hosts import frames
from smanager.hosts.frames import WINDOW, Kind

GRACE_SECONDS = 0.1
"""How long a method may take to end after it was cancelled, before its caller has the prompt back without that."""

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

    def cancel(self, number: int) -> None: ...


class Call:
    """A command that runs in a host: who takes what it returns, who is told of its end, and how to end it.

    `ended` is given once the line that says what went wrong, or None.
    """

    __slots__ = (
        "_cancelled",
        "_data",
        "_host",
        "_number",
        "_owed",
        "_paused",
        "_sink",
        "caption",
        "ended",
        "gone",
        "is_quiet",
    )

    def __init__(self, host: Connection, number: int, caption: str, sink: Sink) -> None:
        self._host = host
        self._number = number
        self._paused = False
        self._owed = 0
        self._data: list[str] = []
        self._sink = sink
        self._cancelled = ""
        self.caption = caption
        self.is_quiet = False
        """Whether nobody looks how far it is."""
        self.gone: Callable[[Failure | None], None] = lambda error: None
        """Told when the method itself has ended, and how, which may be later than its caller is told."""
        self.ended: Callable[[Failure | None], None] = lambda error: None

    def cancel(self, reason: str = "cancelled") -> None:
        """Have it ended; a caller does not wait longer than GRACE_SECONDS for a method that cannot be."""
        self._host.cancel(self._number)  # once more where it has not helped before
        if not self._cancelled:
            self._cancelled = reason
            asyncio.get_running_loop().call_later(GRACE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._tell_end(f"{self._cancelled}, but it still runs; `jobs` lists it until it ends")

    def pause(self) -> None:
        """Nobody can take more output now: the host holds the command back once a window's worth is under way."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._acknowledge()

    def output(self, text: str) -> None:
        if self._cancelled:
            return
        self._sink.write(text)
        self._took(text)

    def item(self, text: str) -> None:
        if self._cancelled:
            return
        self._sink.item(json.loads(text))
        self._took(text)

    def data(self, text: str) -> None:
        self._data.append(text)
        self._took(text)
        if len(self._data) * len(self._data[0]) > VALUE_LIMIT:
            self.cancel(f"its result is larger than {VALUE_LIMIT} characters; it should yield parts")

    def progress(self, done: float, total: float | None, text: str) -> None:
        if not self._cancelled and not self.is_quiet:
            self._sink.progress(done, total, text)

    def finish(self, text: str) -> None:
        """The rest of its output has come."""
        if self._cancelled:
            self._data, text = [], ""
        if self._data:
            self._sink.value(json.loads("".join(self._data)))
        if text:
            self._sink.write(text)
        self.end(None)

    def whole(self, text: str) -> None:
        """All of its result has come at once, as JSON."""
        if not self._cancelled:
            self._sink.value(json.loads(text))
        self.end(None)

    def end(self, error: str | None) -> None:
        """The method has ended, or its host has; `error` says what went wrong, if anything did."""
        failure = self._cancelled or error
        self.gone(None if failure is None else Failure(failure))
        self._tell_end(failure)

    def _tell_end(self, error: str | None) -> None:
        ended, self.ended = self.ended, lambda error: None
        ended(Failure(error) if error is not None else None)

    def _took(self, text: str) -> None:
        self._owed += len(text)
        self._acknowledge()

    def _acknowledge(self) -> None:
        if not self._paused and self._owed >= WINDOW // 4:
            self._host.send(frames.encode_data(Kind.MORE, self._number, self._owed))
            self._owed = 0
