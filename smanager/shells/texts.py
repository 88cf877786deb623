"""The text of what commands return. The manager's records have their own; every other value has its general form."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import chain, groupby
from typing import Any

from smanager.commands.jsonable import jsonable
from smanager.logs.history import EventLine, LifeRecord, LogLine
from smanager.supervision.commands.changes import PlannedStep
from smanager.supervision.commands.journal import JournalEntry
from smanager.supervision.commands.logs import LinesLeftOut
from smanager.supervision.commands.runs import RunFacts, RunOutput
from smanager.supervision.commands.screens import ServiceLoad
from smanager.supervision.commands.sessions import Identity, JobFacts, SessionFacts
from smanager.supervision.commands.status import Explanation, ServiceList, ServiceStatus
from smanager.supervision.reports import ChangeReport, Notice, ServiceReport
from smanager.supervision.states import State
from smanager.terminal.prose import wrapped
from smanager.terminal.tables import page, table
from smanager.terminal.text import GREEN, RED, YELLOW, coloured, in_colour, visible
from smanager.terminal.wording import clock_text, duration_text

COLOURS = {
    State.RUNNING: GREEN,
    State.DONE: GREEN,
    State.STARTING: YELLOW,
    State.STOPPING: YELLOW,
    State.BACKOFF: RED,
    State.FAILED: RED,
    State.HUNG: RED,
}

WHOLE = 3
"""The first columns of a table of services, which are never cut or left out: NAME, STATE, PID."""

FOLDED = 3  # lives in a row, that began and ended alike, from which on they are one line


def text_of(value: Any, columns: int) -> str:
    """A result as text, in a window of this width; 0 for none."""
    if isinstance(value, list):
        remark, empty = getattr(value, "remark", ""), getattr(value, "empty", "")
        text = _list(value, columns) or (f"{empty}\n" if empty and columns else "")
        return text + (f"*** {remark}\n" if remark else "")
    own = _text(value)
    if own is None:
        return page(jsonable(value) if dataclasses.is_dataclass(value) else value, columns)
    return in_window(value, own, columns)


def script_text(value: Any) -> str:
    """A result as text for a script."""
    if isinstance(value, str):
        return value if not value or value.endswith("\n") else f"{value}\n"
    return text_of(value, 0)


def _list(values: list[Any], columns: int) -> str:
    if not values:
        return ""
    own = [(value, text) for value in values if (text := _text(value)) is not None]
    texts = [in_window(value, text, columns) for value, text in own]
    if texts:
        return ("\n" if isinstance(values[0], Explanation) else "").join(texts)
    if not dataclasses.is_dataclass(values[0]):
        return page(values, columns)
    return table(list(map(_row, values)), columns, WHOLE if isinstance(values[0], ServiceStatus | ServiceLoad) else 0)


def in_window(record: object, text: str, columns: int) -> str:
    """A record's text in a window; what services and commands have printed stays as it is."""
    is_printed = isinstance(record, LogLine | RunOutput) and not isinstance(record, EventLine)
    return text if is_printed else wrapped(text, columns)


def painted(value: Any, columns: int) -> str:
    """A result as text that is safe for a terminal with colours; empty where nothing in it has a colour."""
    if not isinstance(value, list) or not value or not isinstance(value[0], ServiceStatus):
        return ""
    if isinstance(value[0], Explanation):
        return "\n".join(in_state_colour(visible(text_of(why, columns)), why.state) for why in value)
    lines = text_of(value, columns).splitlines(keepends=True)
    rows = [in_state_colour(line, status.state) for line, status in zip(lines[1:], value, strict=False)]
    return "".join([lines[0], *rows, *map(coloured, lines[len(value) + 1 :])])


def in_state_colour(text: str, state: State) -> str:
    """Text with the first mention of a state, after a blank, in the state's colour."""
    before, word, after = text.partition(f" {state.value}")
    colour = COLOURS.get(state)
    return f"{before} {in_colour(state.value, colour)}{after}" if word and colour else text


def _text(record: object) -> str | None:
    """A record by itself; None for one that has only the general form."""
    match record:
        case ServiceReport() | ChangeReport() | Notice() | PlannedStep() | LinesLeftOut():
            return f"{record}\n"
        case LogLine():
            return f"{clock_text(record.when)} {record.service or 'smanager'}: {record.shown}\n"
        case ServiceList(services, problems):
            width = max(map(len, services), default=0)
            lines = [f"{name:<{width}}  {condition}" for name, condition in services.items()]
            return "".join(f"{line}\n" for line in [*lines, *problems])
        case Explanation():
            return _explanation(record)
        case JournalEntry(when, event, user, from_, facts):
            who = f" {user or 'anonymous'} from {from_}:" if from_ else ""
            told = " ".join(f"{name}={value}" for name, value in facts.items())
            return f"{when}{who} {event} {told}".rstrip() + "\n"
        case RunOutput(output, error):
            line_end = "\n" if error and output and not output.endswith("\n") else ""
            return f"{output}{line_end}*** {error}\n" if error else output
        case Identity(user, from_, proof, for_, roles):
            proof, behalf = f", by {proof}" if proof else "", f", claims to act for {for_}" if for_ else ""
            return f"{user or 'anonymous'} from {from_}{proof}{behalf}; roles: {', '.join(roles) or 'none'}\n"
    return None


def _row(record: Any) -> dict[str, Any]:
    """A record in a table."""
    match record:
        case ServiceStatus():
            return _status(record)
        case JobFacts():
            since = duration_text(record.age)
            return {"ID": record.id, "COMMAND": record.command, "FROM": record.from_, "SINCE": since}
        case RunFacts():
            user = f"{record.user} (claims to act for {record.for_})" if record.for_ else record.user
            return {
                "ID": record.id,
                "COMMAND": record.command,
                "FROM": f"{user} from {record.from_}" if user else record.from_,
                "SINCE": clock_text(record.since),
                "TOOK": "-" if record.seconds is None else duration_text(record.seconds),
                "OUTCOME": record.failure or record.state,
            }
        case ServiceLoad():
            shared = " shared" if record.shared else ""
            return {
                "NAME": record.name,
                "STATE": record.state.value,
                "PID": str(record.pid or "-"),
                "CPU": "-" if record.cpu is None else f"{record.cpu:.1f}%{shared}",
                "MEMORY": _memory(record.memory, shared),
            }
        case SessionFacts():
            return {
                "ID": record.id,
                "USER": record.user or "-",
                "FROM": record.from_,
                "SINCE": duration_text(record.age),
                "KIND": record.kind,
                "DOING": record.doing or "-",
            }
    return dict(jsonable(record))


def _explanation(why: Explanation) -> str:
    reason = f" ({why.reason})" if why.reason else ""
    since = ""
    if why.since is not None and why.age is not None:
        since = f" since {clock_text(why.since)}, for {duration_text(why.age)}"
    lines = [f"{why.name} is {why.state.value}{reason}{since}"]
    if why.next_attempt is not None:
        lines.append(f"  the next attempt is made in {duration_text(why.next_attempt)}")
    for _, alike in groupby(why.lives[::-1], lambda life: (life.asked_by, life.end)):
        lives = list(alike)
        lines += [_lives(lives)] if len(lives) >= FOLDED else chain.from_iterable(map(_life, lives))
    if why.last_lines:
        lines.append("  the last lines before its end:")
        lines += [f"    {clock_text(line.when)} {line.text}" for line in why.last_lines]
    return "".join(f"{line}\n" for line in lines)


def _life(life: LifeRecord) -> list[str]:
    ready = "" if life.ready_after is None else f", ready after {duration_text(life.ready_after)}"
    begun = f"  {clock_text(life.when)}: started by {life.asked_by}{ready}"
    if life.end is None:
        return [begun]
    if life.ended_after is None:
        return [begun, f"    {life.end}"]
    ended = f"    {clock_text(life.when + life.ended_after)}: ended after {duration_text(life.ended_after)}"
    return [begun, f"{ended}: {_end(life)}"]


def _lives(lives: Sequence[LifeRecord]) -> str:
    """Lives that began and ended alike, the last first."""
    times = sorted(life.ended_after for life in lives if life.ended_after is not None)
    spans = [duration_text(seconds) for seconds in dict.fromkeys(times[:1] + times[-1:])]
    lasted = f", ended after {' to '.join(dict.fromkeys(spans))}" if spans else ""
    when = f"{clock_text(lives[-1].when)} to {clock_text(lives[0].when)}"
    return f"  {when}: {len(lives)} lives, started by {lives[0].asked_by}{lasted}: {_end(lives[0])}"


def _end(life: LifeRecord) -> str:
    return f"{life.end}; {life.decision}" if life.decision else f"{life.end}"


def _status(status: ServiceStatus) -> dict[str, Any]:
    shared = " shared" if status.shared else ""
    return {
        "NAME": status.name,
        "STATE": status.state.value,
        "PID": str(status.pid or "-"),
        "SINCE": "-" if status.age is None else duration_text(status.age),
        "RESTARTS": str(status.restarts),
        "CPU": "-" if status.cpu is None else f"{status.cpu:.1f} s{shared}",
        "MEMORY": _memory(status.memory, shared),
        "LAST END": status.last_end or "-",
    }


def _memory(memory: int | None, shared: str) -> str:
    return "-" if memory is None else f"{memory / 1024**2:.1f} MiB{shared}"
