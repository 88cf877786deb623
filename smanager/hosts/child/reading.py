"""Which of a host's threads reads the manager's frames; no I/O, no threads.

The thread that reads may run a command itself: handing each command to another thread would cost more than a short
command does. Meanwhile nothing is read, so another thread takes the reading over as soon as the command turns out to
be long, or begins to wait for the manager. The one that ran the command then goes on as a worker.

| state | begin | end | let_go | take_over |
| --- | --- | --- | --- | --- |
| READS: the reader reads | RUNS | – | – | – |
| RUNS: the reader runs a command | – | READS | FREE | READS, with a new reader, once the command is long |
| FREE: nobody reads | – | – | – | READS, with a new reader |

What a thread says that is not the reader changes nothing, so that a hand-over can neither be lost nor made twice. What
is FREE has no reader, and its next one may be anybody.
"""

from __future__ import annotations

from enum import Enum, auto

PATIENCE = 0.005  # seconds that a command may take before it counts as long: less costs more than it saves


class ReadingState(Enum):
    READS = auto()
    RUNS = auto()
    FREE = auto()


class Reading:
    """The right to read, which one thread has at a time. Its user holds a lock."""

    def __init__(self) -> None:
        self.state = ReadingState.FREE
        self._reader = 0  # the thread that reads; 0 if none does
        self._since = 0.0  # when the reader's command began
        self._is_busy = False  # whether the reader has run a command since the last look

    def is_by(self, thread: int) -> bool:
        return self._reader == thread

    def begin(self, thread: int, now: float) -> None:
        """The reader begins a command."""
        if self.state is ReadingState.READS and self._reader == thread:
            self.state, self._since, self._is_busy = ReadingState.RUNS, now, True

    def end(self, thread: int) -> None:
        """The reader's command has ended."""
        if self._reader == thread:
            self.state = ReadingState.READS

    def let_go(self, thread: int) -> bool:
        """If the reader's command begins to wait, make the reading free; returns whether that is now so."""
        if self.state is not ReadingState.RUNS or self._reader != thread:
            return False
        self.state, self._reader = ReadingState.FREE, 0
        return True

    def take_over(self, thread: int, now: float) -> bool:
        """Make an idle thread the reader, if there is none or its command is long; returns whether that is now so."""
        is_long = self.state is ReadingState.RUNS and now >= self._since + PATIENCE
        if is_long or self.state is ReadingState.FREE:
            self.state, self._reader = ReadingState.READS, thread
            return True
        return False

    def next_look(self, now: float) -> float | None:
        """Seconds after which an idle thread should try to take over; None if none has to before the next `begin`.

        After a command, there is one more look: in a busy host the next commands then need not wake anyone.
        """
        was_busy, self._is_busy = self._is_busy, self.state is ReadingState.RUNS
        if self.state is ReadingState.RUNS:
            return max(0.0, self._since + PATIENCE - now)
        return PATIENCE if was_busy or self.state is ReadingState.FREE else None
