"""Records and tables as text: fitted to a window for people, with tabs for scripts."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from smanager.terminal.cells import CELL_LIMIT, cut, padded, text_width
from smanager.terminal.text import visible

SHORTEST_CELL = 4
"""Characters to which a column may be cut; the last columns are left out where that is not enough."""

SHORTEST_LAST = 10
"""Characters to which the last column of a table is cut whose other columns are not cut."""

CUT = "…"

GAP = "  "


def page(value: Any, columns: int) -> str:
    """A JSON value as text, in a window of this width; 0 for none, where tables have tabs."""
    if isinstance(value, dict):
        return record(value)
    if not isinstance(value, list):
        return f"{cell(value)}\n"
    if value and all(isinstance(row, dict) for row in value):
        return table(value, columns)
    return "".join(f"{cell(item)}\n" for item in value)


def record(values: dict[str, Any]) -> str:
    """A line for each key, with the values in a column."""
    width = max(map(text_width, values), default=0)
    return "".join(f"{padded(key, width)}{GAP}{cell(value)}".rstrip() + "\n" for key, value in values.items())


def table(rows: Sequence[dict[str, Any]], columns: int, whole: int = 0) -> str:
    """A heading and a line for each row: fitted to a window, or with a tab between all cells.

    The first `whole` columns are never cut. If there are any, the others are left out before they are cut, but for the
    last.
    """
    headings = list(dict.fromkeys(key for row in rows for key in row))
    lines: list[list[Any]] = [headings, *([row.get(heading) for heading in headings] for row in rows)]
    cells = [[cell(value).replace("\t", " ") for value in line] for line in lines]
    if not columns:
        return "".join("\t".join(line) + "\n" for line in cells)
    most = columns * CELL_LIMIT  # more of a long text need not be measured
    cells = [[visible(text[:most]) for text in line] for line in cells]  # before measuring: escapes are wider
    numeric = [all(is_number(row.get(heading)) for row in rows) for heading in headings]
    widest = [max(map(text_width, column)) for column in zip(*cells, strict=True)]
    widths = left_whole(widest, columns, whole) if whole else fitted(widest, columns)
    return "".join(_line(line, widths, numeric) for line in cells)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    """A row, with a mark at its end where cells are left out."""
    columns = zip(cells, widths, numeric, strict=False)
    placed = [padded(cut(text, width, CUT), width, is_right) for text, width, is_right in columns]
    return GAP.join([*placed, CUT] if len(placed) < len(cells) else placed).rstrip() + "\n"


def fitted(widths: Sequence[int], columns: int) -> list[int]:
    """The widths of columns in a window: the widest are cut alike, and the last left out, where they do not fit."""
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
    wider = set(cut_ones[len(cut_ones) - more :])  # by the remainder
    return [min(width, limit + (index in wider)) for index, width in enumerate(widths[:count])]


def left_whole(widths: Sequence[int], columns: int, least: int) -> list[int]:
    """The widths of columns in a window where only the last may be cut, and `least` columns are always shown."""
    if sum(widths) + len(GAP) * (len(widths) - 1) <= columns:
        return list(widths)
    room = columns - sum(widths[:-1]) - len(GAP) * (len(widths) - 1)
    if len(widths) > least and room >= SHORTEST_LAST:
        return [*widths[:-1], room]
    ends = list(accumulate(width + len(GAP) for width in widths))  # with the gaps behind them
    return list(widths[: max(least, bisect_right(ends, columns - len(CUT)))])


def is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def cell(value: Any) -> str:
    """A value on one line."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return " ".join(str(value).splitlines())
