"""What commands return, as callers see it: text as it is, records and tables for people, the same for scripts, JSON."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from time import monotonic
from typing import Any, Protocol

from smanager.terminal.cells import CELL_LIMIT, cut, padded, text_width
from smanager.terminal.text import visible
from smanager.terminal.wording import duration_text

SHORTEST_CELL = 4
"""Characters to which a column may be cut; the last columns are left out where that is not enough."""

CUT = "…"

GAP = "  "

BAR_WIDTH = 20

PAGES_LIMIT = 4 * 1024 * 1024
"""Characters of the manager's own pages that one document holds; of more, the last."""


class Writer(Protocol):
    """Takes text."""

    def write(self, text: str, /) -> object: ...


class Output(Writer, Protocol):
    """Where a shell prints."""

    @property
    def columns(self) -> int:
        """How wide the window is; 0 where nobody looks at one."""

    def progress(self, text: str, /) -> object:
        """Show a line until something else is shown, where somebody looks."""

    def redraw(self, text: str, /) -> object:
        """Show a page in the place of the one before."""


class Printer:
    """Shows what commands return as text."""

    as_data = False
    """Whether values are wanted, and no text."""

    def __init__(self, stdout: Output, shows_progress: bool = False) -> None:
        """`shows_progress` where no window shows it, but somebody has asked for it: each report is a line then."""
        self._stdout = stdout
        self._shows_progress = shows_progress
        self._began = monotonic()

    def begin(self) -> None:
        """Another command runs."""
        self._began = monotonic()

    @property
    def columns(self) -> int:
        return self._stdout.columns

    def write(self, text: str) -> None:
        self._stdout.write(text)

    def value(self, value: Any) -> None:
        """A whole result that is no text."""
        self._stdout.write(page(value, self._stdout.columns))

    def page(self, text: str, data: Any) -> None:
        """A page of the manager's own, which is `data` for programs."""
        self.write(text)

    def table(self, rows: Sequence[dict[str, Any]], data: Any) -> None:
        """A table of the manager's own, which is `data` for programs."""
        if rows:
            self._stdout.write(table(rows, self._stdout.columns))

    def item(self, value: Any) -> None:
        """One of the things that a command yields."""
        self.value(value)

    def progress(self, done: float, total: float | None, text: str) -> None:
        """How far a command is."""
        shown = bar(done, total, text, monotonic() - self._began)
        if self._stdout.columns:
            self._stdout.progress(cut(visible(shown), self._stdout.columns - 1, CUT))
        elif self._shows_progress:
            self._stdout.write(f"{shown}\n")


class JsonPrinter(Printer):
    """Shows it as JSON: one document for a command, or a line for each item of a stream."""

    as_data = True

    def __init__(self, stdout: Output, shows_progress: bool = False) -> None:
        super().__init__(stdout, shows_progress)
        self._pages = ""
        self._has_shown = False

    def write(self, text: str) -> None:
        """A page of the manager's own, or a part of one; all of them are one document."""
        self._pages = (self._pages + text)[-PAGES_LIMIT:]

    def progress(self, done: float, total: float | None, text: str) -> None:
        if self._shows_progress:
            self._put({"progress": {"done": done, "total": total, "text": text}})
        else:
            super().progress(done, total, text)

    def fail(self, message: str) -> None:
        """The command has failed."""
        self.value({"error": message, **({"output": self._pages} if self._pages else {})})
        self._pages = ""

    def close(self) -> None:
        """The command has ended."""
        if self._pages or not self._has_shown:
            self.value(self._pages.removesuffix("\n") if self._pages else None)
        self._pages = ""

    def page(self, text: str, data: Any) -> None:
        self.value(data)

    def table(self, rows: Sequence[dict[str, Any]], data: Any) -> None:
        self.value(data)

    def value(self, value: Any) -> None:
        self._has_shown = True
        self._put(value)

    def _put(self, value: Any) -> None:
        self._stdout.write(json.dumps(value) + "\n")


def bar(done: float, total: float | None, text: str, seconds: float) -> str:
    """How far a command is after so many seconds, on one line: with its rate, and the time that is left."""
    rate = done / seconds if seconds > 0 else 0.0
    facts, text = [f"{rate:.3g}/s"], " ".join(text.split())
    if not total:
        return f"{done:g}  {facts[0]}  {text}".rstrip()
    share = min(max(done / total, 0.0), 1.0)
    if 0 < share < 1:
        facts.append(f"{duration_text(seconds / share - seconds)} left")
    drawn = ("#" * round(share * BAR_WIDTH)).ljust(BAR_WIDTH, ".")
    return f"[{drawn}] {share:4.0%} {done:g}/{total:g}  {', '.join(facts)}  {text}".rstrip()


def page(value: Any, columns: int) -> str:
    """A value as text, in a window so wide; tables are in one with tabs where `columns` is 0."""
    if isinstance(value, dict):
        return record(value)
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return table(value, columns)
    if isinstance(value, list):
        return "".join(f"{cell(item)}\n" for item in value)
    return f"{cell(value)}\n"


def record(values: dict[str, Any]) -> str:
    """A line for each key, its value in a column of its own."""
    width = max(map(text_width, values), default=0)
    return "".join(f"{padded(key, width)}{GAP}{cell(value)}".rstrip() + "\n" for key, value in values.items())


def table(rows: Sequence[dict[str, Any]], columns: int) -> str:
    """A heading and a line for each row: fitted into a window, or with a tab between all cells."""
    headings = list(dict.fromkeys(key for row in rows for key in row))
    lines: list[list[Any]] = [headings, *([row.get(heading) for heading in headings] for row in rows)]
    cells = [[cell(value).replace("\t", " ") for value in line] for line in lines]
    if not columns:
        return "".join("\t".join(line) + "\n" for line in cells)
    most = columns * CELL_LIMIT  # no more of a long text needs measuring
    cells = [[visible(text[:most]) for text in line] for line in cells]  # here already: what is escaped is wider
    numeric = [all(is_number(row.get(heading)) for row in rows) for heading in headings]
    widths = fitted([max(map(text_width, column)) for column in zip(*cells, strict=True)], columns)
    return "".join(_line(line, widths, numeric) for line in cells)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    """A row, with a mark at its end where there are fewer widths than cells."""
    placed = [
        padded(cut(text, width, CUT), width, is_right)
        for text, width, is_right in zip(cells, widths, numeric, strict=False)
    ]
    return GAP.join([*placed, CUT] if len(placed) < len(cells) else placed).rstrip() + "\n"


def fitted(widths: Sequence[int], columns: int) -> list[int]:
    """The widths of the columns that have room in a window: the widest cut alike, and the last left out."""
    needed = list(accumulate(min(width, SHORTEST_CELL) + len(GAP) for width in widths))  # with the gaps behind them
    count = len(widths)
    if needed[-1] - len(GAP) > columns:
        columns -= len(GAP + CUT)
        count = max(bisect_right(needed, columns + len(GAP)), 1)
    left = columns - len(GAP) * (count - 1)
    limit = more = 0
    for done, width in enumerate(sorted(widths[:count])):
        limit, more = divmod(left, count - done)
        if width > limit:
            break
        left -= width
    else:
        return list(widths[:count])
    limit = max(limit, SHORTEST_CELL)
    cut_ones = [index for index in range(count) if widths[index] > limit]
    wider = set(cut_ones[len(cut_ones) - more :])  # by what cannot be shared out
    return [min(width, limit + (index in wider)) for index, width in enumerate(widths[:count])]


def is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def cell(value: Any) -> str:
    """A value on one line."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return " ".join(str(value).splitlines())
