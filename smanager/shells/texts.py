"""The text of what commands return. The manager's records have their own; every other value has its general form.

Each function here is for one type: `text` for a record by itself, `row` for a record in a table.
"""

from __future__ import annotations

import dataclasses
from functools import singledispatch
from typing import Any

from smanager.commands.jsonable import jsonable
from smanager.logs.history import LogLine
from smanager.supervision.commands.jobs import JobFacts
from smanager.supervision.commands.logs import LinesLeftOut
from smanager.supervision.commands.manager import PlannedStep
from smanager.supervision.commands.services import Explanation, PastLife, ServiceList, ServiceStatus
from smanager.supervision.commands.sessions import Identity, SessionFacts
from smanager.supervision.reports import ChangeReport, Notice, ServiceReport
from smanager.terminal.tables import page, table
from smanager.terminal.wording import clock_text, duration_text


def text_of(value: Any, columns: int) -> str:
    """A result as text, in a window of this width; 0 for none."""
    if isinstance(value, list):
        remark = getattr(value, "remark", "")
        return _list(value, columns) + (f"*** {remark}\n" if remark else "")
    return text(value) if dataclasses.is_dataclass(value) else page(value, columns)


def _list(values: list[Any], columns: int) -> str:
    if not values:
        return ""
    kind = type(values[0])
    if text.dispatch(kind) is not text.dispatch(object):
        return ("\n" if kind is Explanation else "").join(map(text, values))
    return table(list(map(row, values)), columns) if dataclasses.is_dataclass(kind) else page(values, columns)


@singledispatch
def text(record: Any) -> str:
    return page(jsonable(record), 0)


@text.register(ServiceReport)
@text.register(ChangeReport)
@text.register(Notice)
@text.register(PlannedStep)
@text.register(LinesLeftOut)
def _line(record: object) -> str:
    return f"{record}\n"


@text.register
def _log_line(line: LogLine) -> str:
    return f"{clock_text(line.when)} {line.service}: {line.text}\n"


@text.register
def _services(listed: ServiceList) -> str:
    width = max(map(len, listed.services), default=0)
    lines = [f"{name:<{width}}  {condition}" for name, condition in listed.services.items()]
    return "".join(f"{line}\n" for line in [*lines, *listed.problems])


@text.register
def _explanation(why: Explanation) -> str:
    reason = f" ({why.reason})" if why.reason else ""
    since = "" if why.since is None else f", for {duration_text(why.since)}"
    lines = [f"{why.name} is {why.state.value}{reason}{since}"]
    if why.next_attempt is not None:
        lines.append(f"  the next attempt is made in {duration_text(why.next_attempt)}")
    for life in why.lives[::-1]:
        lines += _life(life)
    if why.last_printed is not None:
        lines.append(f"  the last lines before its end at {clock_text(why.last_printed)}:")
        lines += [f"    {line}" for line in why.last_lines]
    return "".join(f"{line}\n" for line in lines)


def _life(life: PastLife) -> list[str]:
    ready = "" if life.ready_after is None else f", ready after {duration_text(life.ready_after)}"
    begun = f"  {clock_text(life.when)}: started by {life.asked_by}{ready}"
    if life.ended_after is None:
        return [begun]
    end = f"    ended after {duration_text(life.ended_after)}: {life.end}"
    return [begun, f"{end}; {life.decision}" if life.decision else end]


@text.register
def _identity(who: Identity) -> str:
    proof = f", by {who.proof}" if who.proof else ""
    behalf = f", for {who.for_}" if who.for_ else ""
    return f"{who.user or 'anonymous'} from {who.from_}{proof}{behalf}; roles: {', '.join(who.roles) or 'none'}\n"


@singledispatch
def row(record: Any) -> dict[str, Any]:
    return dict(jsonable(record))


@row.register
def _status(status: ServiceStatus) -> dict[str, Any]:
    shared = " shared" if status.shared else ""
    return {
        "NAME": status.name,
        "STATE": status.state.value,
        "PID": str(status.pid or "-"),
        "SINCE": "-" if status.since is None else duration_text(status.since),
        "RESTARTS": str(status.restarts),
        "CPU": "-" if status.cpu is None else f"{status.cpu:.1f} s{shared}",
        "MEMORY": "-" if status.memory is None else f"{status.memory / 1024**2:.1f} MiB{shared}",
        "LAST END": status.last_end or "-",
    }


@row.register
def _job(job: JobFacts) -> dict[str, Any]:
    return {"ID": job.id, "COMMAND": job.command, "FROM": job.from_, "SINCE": duration_text(job.since)}


@row.register
def _session(session: SessionFacts) -> dict[str, Any]:
    return {
        "ID": session.id,
        "USER": session.user or "-",
        "FROM": session.from_,
        "SINCE": duration_text(session.since),
        "KIND": session.kind,
        "DOING": session.doing or "-",
    }
