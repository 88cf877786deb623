"""The results as rows of a table: SManager, its references, and whether SManager reaches its target."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

from benchmarks.servers import BenchmarkError

SMANAGER, ASYNCIO, CMD, THREADS, REDIS = "SManager", "asyncio echo", "asyncio Cmd", "thread server", "Redis"
COLUMNS = (SMANAGER, ASYNCIO, CMD, THREADS, REDIS)

Figures = dict[str, list[float]]
"""The figures of the rounds, by the servers\' names."""


class Target(NamedTuple):
    """Where SManager's median should be: at least or at most `limit`, in the row's unit or, with `beside`, as a
    multiple of that server's median."""

    sign: str  # "≥" or "≤"
    limit: float
    beside: str | None = None

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}" + (f" × {self.beside}" if self.beside else "")

    def compared(self, figures: Figures) -> float | None:
        """What to compare with the limit: SManager's median, or its ratio to the reference's if that was measured."""
        own = statistics.median(figures[SMANAGER])
        if self.beside is None:
            return own
        return own / statistics.median(figures[self.beside]) if figures.get(self.beside) else None

    def reached(self, figures: Figures) -> bool | None:
        """Whether the target is reached; None if the reference was not measured."""
        compared = self.compared(figures)
        if compared is None:
            return None
        return compared >= self.limit if self.sign == "≥" else compared <= self.limit


class Row:
    """One measure: for each server the figures of its rounds, which alternate with the other servers'."""

    def __init__(self, measure: str, figures: Figures, *targets: Target) -> None:
        self.measure = measure
        self.figures = figures
        self.targets = targets


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
        ratios = [_ratio(target, row.figures) for target in row.targets]
        reached = [{True: "yes", False: "**no**", None: "–"}[target.reached(row.figures)] for target in row.targets]
        verdicts = [", ".join(texts) or "–" for texts in (ratios, map(str, row.targets), reached)]
        lines.append(f"| {' | '.join([row.measure, *cells, *verdicts])} |")
    return "\n".join(lines)


def as_json(rows: Iterable[Row]) -> list[dict[str, object]]:
    """The rows with every round's figure, for programs."""
    return [
        {
            "measure": row.measure,
            "figures": row.figures,
            "targets": [
                {
                    "target": str(target),
                    "compared": target.compared(row.figures),
                    "reached": target.reached(row.figures),
                }
                for target in row.targets
            ],
        }
        for row in rows
    ]


def _ratio(target: Target, figures: Figures) -> str:
    compared = target.compared(figures)
    return "–" if target.beside is None or compared is None else f"{compared:.2f}"


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
