"""The results as rows of a table: SManager, its references, and whether SManager reaches its target."""

from __future__ import annotations

import dataclasses
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

from benchmarks.servers import BenchmarkError

SMANAGER, ASYNCIO, THREADS = "SManager", "asyncio echo", "thread server"
COLUMNS = (SMANAGER, ASYNCIO, THREADS)


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Where SManager's median should be: at least or at most `limit`, in the row's unit or, with `beside`, as a
    multiple of that server's median."""

    sign: str  # "≥" or "≤"
    limit: float
    beside: str | None = None

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}" + (f" × {self.beside}" if self.beside else "")


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One measure: for each server the figures of its rounds, which alternate with the other servers'."""

    measure: str
    figures: dict[str, list[float]]
    target: Target | None = None

    def compared(self) -> float:
        """The figure to compare with the target's limit: SManager's median, or its ratio to the reference's."""
        own = statistics.median(self.figures[SMANAGER])
        if self.target is None or self.target.beside is None:
            return own
        return own / statistics.median(self.figures[self.target.beside])

    def reached(self) -> bool | None:
        """Whether the target is reached; None without a target."""
        if self.target is None:
            return None
        if self.target.sign == "≥":
            return self.compared() >= self.target.limit
        return self.compared() <= self.target.limit


def machine() -> str:
    """The machine and its load, in one line."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    cores = len(os.sched_getaffinity(0))
    return (
        f"{models[0] if models else platform.machine()}, {cores} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load average {os.getloadavg()[0]:.2f} at the start"
    )


def print_table(measures: Iterable[Callable[[], list[Row]]], columns: Sequence[str]) -> int:
    """Take the measures in turn and print the table; return the exit status, 1 if a measure failed."""
    description = machine()
    rows: list[Row] = []
    status = 0
    for measure in measures:
        print(f"measuring: {measure.__name__.replace('_', ' ')}", file=sys.stderr)
        try:
            rows += measure()
        except (BenchmarkError, OSError) as error:
            print(f"not measured: {error}", file=sys.stderr)
            status = 1
    print(markdown(rows, columns), f"\nMeasured on {description}.", sep="\n")
    return status


def markdown(rows: Iterable[Row], columns: Sequence[str] = COLUMNS) -> str:
    """The rows as a Markdown table; a cell holds the median and, for several rounds, the minimum and maximum."""
    lines = [
        f"| median (min–max of the rounds) | {' | '.join(columns)} | ratio | target | reached |",
        "| --- |" + " ---: |" * (len(columns) + 1) + " --- | --- |",
    ]
    for row in rows:
        cells = [_cell(row.figures.get(column, [])) for column in columns]
        ratio = f"{row.compared():.2f}" if row.target and row.target.beside else "–"
        reached = {True: "yes", False: "**no**", None: "–"}[row.reached()]
        lines.append(f"| {' | '.join([row.measure, *cells, ratio, str(row.target or '–'), reached])} |")
    return "\n".join(lines)


def as_json(rows: Iterable[Row]) -> list[dict[str, object]]:
    """The rows with every round's figure, for programs."""
    return [
        {
            "measure": row.measure,
            "figures": row.figures,
            "target": str(row.target) if row.target else None,
            "compared": row.compared(),
            "reached": row.reached(),
        }
        for row in rows
    ]


def _cell(figures: list[float]) -> str:
    if not figures:
        return "–"
    median = _number(statistics.median(figures))
    if len(figures) == 1:
        return median
    return f"**{median}** ({_number(min(figures))}–{_number(max(figures))})"


def _number(figure: float) -> str:
    """Format with three digits, which is more than the figures' precision."""
    if figure >= 1000:
        return f"{figure / 1000:.3g}k"
    return f"{figure:.3g}"
