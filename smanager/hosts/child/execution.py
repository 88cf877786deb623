"""One command that runs in a host: its method, what it has sent of its output, and what it may still send."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from smanager.commands.record import Failure
from smanager.hosts.child.channel import Channel
from smanager.hosts.child.errors import failure_of, print_traceback
from smanager.hosts.frames import WINDOW, FrameKind, encode_data, encode_failure, encode_text
from smanager.service import CallerError

if TYPE_CHECKING:
    import asyncio

MOST_COMPLETIONS = 1000  # words that a completer may offer; no user reads as many
COMPLETION_LIMIT = 500  # characters of such a word; all fit one frame, in which a character may take six bytes
PROGRESS_SECONDS = 0.1  # between two reports of a command's progress: faster ones could not be seen


class Cancelled(BaseException):
    """Raised inside a plain method whose call was cancelled."""


@dataclass(eq=False)
class Execution:
    """A command that waits for its turn or runs."""

    channel: Channel
    number: int
    service: str
    method: Callable[..., object]
    arguments: Sequence[Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    caller: str = ""  # whose share of the workers it takes
    as_data: bool = False  # whether the caller wants the returned value instead of text
    columns: int = 0  # the width of the caller's window; 0 without one
    completes: bool = False  # whether the caller wants words for Tab
    name: str = ""  # the method's, as the manager knows it

    def __post_init__(self) -> None:
        self.cancelled = False
        self.held = False  # it waits for its caller to read
        self.thread = 0  # the worker that runs it; 0 if none does
        self.is_handed_over = False  # it runs in the event loop
        self.task: asyncio.Task[None] | None = None  # there
        self._room = WINDOW
        self._progress_sent = 0.0
        self._late_progress: str | None = None
        self._wake: Callable[[], object] | None = None  # wakes what waits for room

    def grant(self, characters: int) -> None:
        """Make room: the manager has passed on this many characters."""
        self._room += characters
        self._notify()

    def cancel(self) -> None:
        self.cancelled = True
        self._notify()

    def take(self, characters: int, waiting: AbstractContextManager[object]) -> None:
        """Take room for output, waiting inside `waiting` until there is some. Raises Cancelled if it was cancelled."""
        if self._room <= 0 and not self.cancelled:
            changed = threading.Event()
            self._wake = changed.set  # before the room is looked at: what makes room wakes after it
            with waiting:
                while self._room <= 0 and not self.cancelled:
                    changed.wait()
                    changed.clear()
            self._wake = None
        self._room -= characters
        if self.cancelled:
            raise Cancelled

    async def take_in_loop(self, characters: int) -> None:
        """Take room in the event loop, without blocking it; cancelling the task ends the wait."""
        import asyncio

        changed = asyncio.Event()
        self._wake = partial(asyncio.get_running_loop().call_soon_threadsafe, changed.set)
        while self._room <= 0:
            await changed.wait()
            changed.clear()
        self._wake = None
        self._room -= characters
        if self.cancelled:
            raise asyncio.CancelledError

    def _notify(self) -> None:
        if wake := self._wake:
            wake()

    def send(self, kind: FrameKind, text: str) -> None:
        """Send a piece of its result; of its progress only what is due, and the latest before anything else."""
        if kind is FrameKind.PROGRESS:
            if monotonic() < self._progress_sent + PROGRESS_SECONDS:
                self._late_progress = text
                return
            self._late_progress, self._progress_sent = None, monotonic()
        elif self._late_progress is not None:
            self.channel.send(encode_text(FrameKind.PROGRESS, self.number, self._late_progress))
            self._late_progress = None
        self.channel.send(encode_text(kind, self.number, text))

    def send_words(self, result: object) -> None:
        """Send what a completer has returned."""
        words = map(str, itertools.islice(result if isinstance(result, Iterable) else [], MOST_COMPLETIONS))
        short = [word for word in words if len(word) <= COMPLETION_LIMIT]
        self.channel.send(encode_data(FrameKind.COMPLETIONS, self.number, short))

    def fail(self, error: BaseException) -> None:
        """Send the exception that its method has raised, and log its traceback unless the fault is the caller's."""
        with suppress(BaseException):  # the service may have put anything in the place of stdout
            if not isinstance(error, CallerError):
                print(f"{getattr(self.method, '__name__', 'a command')} failed:")
                print_traceback(error)
        self.channel.send(encode_failure(self.number, failure_of(error)))

    def give_up(self, reason: str) -> None:
        """Say that its method did not run, or did not run to its end."""
        self.channel.send(encode_failure(self.number, Failure(reason)))
