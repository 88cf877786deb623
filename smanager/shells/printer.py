"""Shows what commands return: as text for people and scripts, or as JSON."""

from __future__ import annotations

import json
from time import monotonic
from typing import Any

from smanager.commands.jsonable import jsonable
from smanager.shells.output import Output
from smanager.shells.texts import painted, script_text, text_of
from smanager.supervision.commands.screens import Screen
from smanager.terminal.cells import cut
from smanager.terminal.prose import wrapped
from smanager.terminal.tables import CUT
from smanager.terminal.text import red, visible
from smanager.terminal.wording import duration_text

BAR_WIDTH = 20

TEXT_LIMIT = 4 * 1024 * 1024  # characters of text that one JSON document holds; of more, the last
NOTES_LIMIT = 1024  # characters of announcements repeated below a page that is drawn in place


class Printer:
    """Shows results as text."""

    as_data = False  # whether the caller wants values in place of text

    def __init__(self, stdout: Output, shows_progress: bool = False) -> None:
        """`shows_progress` prints each report of progress as a line on outputs without a window."""
        self._stdout = stdout
        self._shows_progress = shows_progress
        self._began = monotonic()
        self._notes: str | None = None  # while pages are drawn in place

    @property
    def columns(self) -> int:
        """The width of the window; 0 without one."""
        return self._stdout.columns

    def text(self, value: Any) -> str:
        """What a script reads of a value."""
        return script_text(value)

    def begin(self) -> None:
        """Another command runs."""
        self._began = monotonic()
        self._notes = None

    def write(self, text: str) -> None:
        self._stdout.write(text)

    def prose(self, text: str) -> None:
        """Show text that is wrapped to the window."""
        self._stdout.write(wrapped(text, self._stdout.columns))

    def complain(self, message: str) -> None:
        """Show an error."""
        text = wrapped(f"*** {message}", self._stdout.columns)
        self._stdout.paint(f"{red(text)}\n") if self._stdout.has_colours else self._stdout.write(f"{text}\n")

    def announce(self, text: str) -> None:
        """Show a message that is not a result; the next page would overwrite it, and so repeats it."""
        text = wrapped(text, self._stdout.columns)
        if self._notes is not None:
            self._notes = (self._notes + text)[-NOTES_LIMIT:]
        self._stdout.write(text)

    def value(self, value: Any) -> None:
        """A whole result."""
        if self._stdout.has_colours and (text := painted(value, self._stdout.columns)):
            self._stdout.paint(text)
        else:
            self._stdout.write(text_of(value, self._stdout.columns))

    def item(self, value: Any) -> None:
        """One item of a stream."""
        if not isinstance(value, Screen):
            self.value(value)
            return
        self._notes = self._notes or ""
        heading = f"every {value.interval:g} s: {value.command}\n\n" if self._stdout.columns else ""
        output = value.output if isinstance(value.output, str) else text_of(value.output, self._stdout.columns)
        self._stdout.redraw(f"{heading}{output}{self._notes if heading else ''}")

    @property
    def draws(self) -> bool:
        """Whether pages are being drawn in place."""
        return self._notes is not None

    def progress(self, done: float, total: float | None, text: str) -> None:
        """How far a command is."""
        shown = bar(done, total, text, monotonic() - self._began)
        if self._stdout.columns:
            self._stdout.progress(cut(visible(shown), self._stdout.columns - 1, CUT))
        elif self._shows_progress:
            self._stdout.write(f"{shown}\n")


class JsonPrinter(Printer):
    """Shows results as JSON: one document for a command, or a line for each item of a stream."""

    as_data = True

    def __init__(self, stdout: Output, shows_progress: bool = False) -> None:
        super().__init__(stdout, shows_progress)
        self._text = ""
        self._has_shown = False

    def write(self, text: str) -> None:
        """Text, all of which becomes one document."""
        self._text = (self._text + text)[-TEXT_LIMIT:]

    prose = write

    def text(self, value: Any) -> str:
        return json.dumps(value, default=jsonable) + "\n"

    def progress(self, done: float, total: float | None, text: str) -> None:
        if self._shows_progress:
            self._put({"progress": {"done": done, "total": total, "text": text}})
        else:
            super().progress(done, total, text)

    def complain(self, message: str) -> None:
        self.value({"error": message, **({"output": self._text} if self._text else {})})
        self._text = ""

    def close(self) -> None:
        """The command has ended."""
        if self._text or not self._has_shown:
            self.value(self._text.removesuffix("\n") if self._text else None)
        self._text = ""

    def value(self, value: Any) -> None:
        self._has_shown = True
        self._put(value)

    def item(self, value: Any) -> None:
        self.value(value.output if isinstance(value, Screen) else value)

    def _put(self, value: Any) -> None:
        self._stdout.write(self.text(value))


def bar(done: float, total: float | None, text: str, seconds: float) -> str:
    """A command's progress after so many seconds on one line: a bar, the rate, and the time left."""
    rate = done / seconds if seconds > 0 else 0.0
    facts, text = [f"{rate:.3g}/s"], " ".join(text.split())
    if not total:
        return f"{done:g}  {facts[0]}  {text}".rstrip()
    share = min(max(done / total, 0.0), 1.0)
    if 0 < share < 1:
        facts.append(f"{duration_text(seconds / share - seconds)} left")
    drawn = ("#" * round(share * BAR_WIDTH)).ljust(BAR_WIDTH, ".")
    return f"[{drawn}] {share:4.0%} {done:g}/{total:g}  {', '.join(facts)}  {text}".rstrip()
