"""`watch`: a command that is run again and again, and its output shown in the place of the last one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from smanager.commands.record import Failure
from smanager.shells.printer import Output

PAGE_LIMIT = 64 * 1024
"""Characters of output that are shown: more than a window holds."""

NOTES_LIMIT = 1024
"""Characters of messages that are shown with it, the latest ones."""


class Runner(Protocol):
    """Runs a line, and tells when that is done."""

    @property
    def busy(self) -> bool: ...

    def feed(self, line: str) -> bool: ...

    def cancel(self) -> None: ...


class Watching:
    """One `watch`, until somebody has seen enough."""

    def __init__(
        self, line: str, seconds: float, stdout: Output, runner: Callable[[Output, Callable[[], None]], Runner]
    ) -> None:
        """Run `line` every so many seconds with a runner that prints to what it is given."""
        self.ended: Callable[[Failure | None], object] = lambda failure: None
        self._line = line
        self._seconds = seconds
        self._stdout = stdout
        self._runner = runner(self, self._show)
        self._output = ""
        self._notes = ""
        self._paused = False
        self._over = False
        self._timer = asyncio.get_running_loop().call_soon(self._run)

    @property
    def columns(self) -> int:
        return self._stdout.columns

    def note(self, text: str) -> None:
        """Show a message, and on each page from here on, or the next one would wipe it out."""
        self._notes = (self._notes + text)[-NOTES_LIMIT:]
        self._stdout.write(text)

    def write(self, text: str) -> None:
        """What the command prints."""
        self._output = (self._output + text)[:PAGE_LIMIT]

    def progress(self, text: str) -> None:
        """There is no place for it."""

    def redraw(self, text: str) -> None:
        """It shows nothing in this way itself."""

    def cancel(self) -> None:
        self._over = True
        self._timer.cancel()
        self._output = ""
        if self._runner.busy:  # the command that runs ends a moment later, and may have a last word
            self._runner.cancel()
        else:
            self._end()

    def pause(self) -> None:
        """Nobody reads: what comes next is not shown."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def _run(self) -> None:
        self._output = ""
        if self._runner.feed(self._line):
            self._show()

    def _end(self) -> None:
        self._stdout.write(self._output)
        ended, self.ended = self.ended, lambda failure: None
        ended(None)

    def _show(self) -> None:
        if self._over:
            self._end()
            return
        if not self._paused:
            heading = f"every {self._seconds:g} s: {self._line}\n\n" if self._stdout.columns else ""
            self._stdout.redraw(heading + self._output + (self._notes if self._stdout.columns else ""))
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._run)
