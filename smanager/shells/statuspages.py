"""The pages on how services are and were: the table, the reasons, lines of logs and events."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from smanager.logs.history import LifeRecord, LogLine
from smanager.supervision.jobs import Job
from smanager.supervision.keeper import Keeper
from smanager.supervision.states import State
from smanager.system.procfs import usage
from smanager.terminal.wording import clock_text, duration_text

Knows = Callable[[str], bool]
"""Whether somebody may know a service of this name."""


def facts(keeper: Keeper, knows: Knows) -> dict[str, Any]:
    """How a service is, as far as somebody may know: times in seconds, memory in bytes."""
    service = keeper.service
    used = usage(keeper.pid) if keeper.pid else None
    ends = [life.end for life in service.history.lives if life.end]
    return {
        "name": service.name,
        "state": service.state.value,
        "reason": service.reason_for(knows),
        "pid": keeper.pid or None,
        "since": round(monotonic() - service.since, 3) if service.since else None,
        "restarts": service.history.restarts,
        "cpu": used.cpu if used else None,
        "memory": used.memory if used else None,
        "shared": len(keeper.slot.residents) > 1 and not service.is_program,
        "last_end": ends[-1] if ends else None,
    }


def row(known: dict[str, Any]) -> dict[str, str]:
    """The same facts for people; `shared` are figures of a process of several services."""
    shared = " shared" if known["shared"] else ""
    return {
        "NAME": known["name"],
        "STATE": known["state"],
        "PID": str(known["pid"] or "-"),
        "SINCE": "-" if known["since"] is None else duration_text(known["since"]),
        "RESTARTS": str(known["restarts"]),
        "CPU": "-" if known["cpu"] is None else f"{known['cpu']:.1f} s{shared}",
        "MEMORY": "-" if known["memory"] is None else f"{known['memory'] / 1024**2:.1f} MiB{shared}",
        "LAST END": known["last_end"] or "-",
    }


def why(keeper: Keeper, knows: Knows) -> str:
    """Why a service is as it is, and what became of its lives."""
    service = keeper.service
    lines = [f"{service.name} is {service.condition_for(knows)}"]
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


def reasons(keeper: Keeper, knows: Knows) -> dict[str, Any]:
    """The same for programs."""
    lives = list(keeper.service.history.lives)
    ended = [life for life in lives if life.ended is not None]
    return {
        **facts(keeper, knows),
        "next_attempt": max(0.0, keeper.attempt_at - monotonic()) if keeper.state is State.BACKOFF else None,
        "lives": [
            {
                "when": life.when,
                "asked_by": life.asked_by,
                "ready_after": life.ready - life.begun if life.ready is not None else None,
                "ended_after": life.ended - life.begun if life.ended is not None else None,
                "end": life.end or None,
                "decision": life.decision or None,
            }
            for life in lives
        ],
        "last_lines": [line.text for line in ended[-1].last_lines] if ended else [],
    }


def _life(life: LifeRecord) -> list[str]:
    begun = f"  {clock_text(life.when)}: started by {life.asked_by}"
    if life.ready is not None:
        begun += f", ready after {duration_text(life.ready - life.begun)}"
    if life.ended is None:
        return [begun]
    end = f"    ended after {duration_text(life.ended - life.begun)}: {life.end}"
    return [begun, f"{end}; {life.decision}" if life.decision else end]


def line_facts(line: LogLine) -> dict[str, Any]:
    """A line of a log, or an event."""
    return {"when": line.when, "service": line.service, "text": line.text}


def job_row(job: Job) -> dict[str, Any]:
    running = duration_text(monotonic() - job.since)
    return {"ID": job.number, "COMMAND": job.caption, "FROM": str(job.caller), "SINCE": running}


def job_facts(job: Job) -> dict[str, Any]:
    """A command that runs, and for how many seconds."""
    running = round(monotonic() - job.since, 3)
    return {"id": job.number, "command": job.caption, "from": str(job.caller), "since": running}


def dated(line: LogLine) -> str:
    return f"{clock_text(line.when)} {line.service}: {line.text}\n"
