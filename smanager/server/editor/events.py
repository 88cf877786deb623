"""What the line editor tells its owner."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """Enter was pressed."""

    text: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Ctrl-C was pressed; the line being typed, if any, is dropped."""


@dataclass(frozen=True, slots=True)
class EndOfInput:
    """Ctrl-D was pressed on an empty line."""


@dataclass(frozen=True, slots=True)
class Complete:
    """Tab was pressed, with `line` left of the cursor; the editor waits for `LineEditor.complete`."""

    line: str


Event = Line | Interrupt | EndOfInput | Complete
