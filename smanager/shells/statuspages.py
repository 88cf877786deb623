"""The pages on how services are and were: the table, the reasons, lines of logs and events."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from smanager.history import Life, Line, clock_text, duration_text
from smanager.keeper import Keeper
from smanager.procfs import usage
from smanager.states import State

HEADING = ("NAME", "STATE", "PID", "SINCE", "RESTARTS", "CPU", "MEMORY", "LAST END")


def table(keepers: Sequence[Keeper]) -> str:
    """How services are, one to a line, in columns; `shared` are figures of a process of several services."""
    rows = [HEADING, *map(_row, keepers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def _row(keeper: Keeper) -> tuple[str, ...]:
    service = keeper.service
    used = usage(keeper.pid) if keeper.pid else None
    shared = " shared" if len(keeper.slot.residents) > 1 and not keeper.service.is_program else ""
    ends = [life.end for life in service.history.lives if life.end]
    now = monotonic()
    return (
        service.name,
        service.state.value,
        str(keeper.pid or "-"),
        duration_text(now - service.since) if service.since else "-",
        str(service.history.restarts),
        f"{used.cpu:.1f} s{shared}" if used else "-",
        f"{used.memory / 1024**2:.1f} MiB{shared}" if used else "-",
        ends[-1] if ends else "-",
    )


def why(keeper: Keeper) -> str:
    """Why a service is as it is, and what became of its lives."""
    service = keeper.service
    lines = [f"{service.name} is {service.condition}"]
    if service.since:
        lines[0] += f", for {duration_text(monotonic() - service.since)}"
    if service.state is State.BACKOFF:
        lines.append(f"  the next attempt is made in {duration_text(max(0.0, keeper.attempt_at - monotonic()))}")
    lives = list(service.history.lives)[::-1]
    for life in lives:
        lines += _life(life)
    last = next((life for life in lives if life.ended is not None), None)
    if last and last.last_lines:
        lines += [f"  the last lines before its end at {clock_text(last.last_lines[-1].when)}:"]
        lines += [f"    {line.text}" for line in last.last_lines]
    return "".join(f"{line}\n" for line in lines)


def _life(life: Life) -> list[str]:
    begun = f"  {clock_text(life.when)}: started by {life.asked_by}"
    if life.ready is not None:
        begun += f", ready after {duration_text(life.ready - life.begun)}"
    if life.ended is None:
        return [begun]
    end = f"    ended after {duration_text(life.ended - life.begun)}: {life.end}"
    return [begun, f"{end}; {life.decision}" if life.decision else end]


def dated(line: Line) -> str:
    return f"{clock_text(line.when)} {line.service}: {line.text}\n"
