"""A message as people and programs read it: its sentence, its text, its values, and templates that they fill."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from string import Template

from smanager.alerts.incidents import Message
from smanager.alerts.rules import RECOVERED
from smanager.terminal.text import visible

SUMMARY_LIMIT, WHY_LIMIT = 800, 2000
"""Characters of a message's sentence, and of what `why` says: Slack takes 3000 together, and ntfy 4096 bytes."""

TEST = "test"

FIRING, RESOLVED = "firing", "resolved"  # as Alertmanager has it

SAMPLE_TEXT = 'x"\\\n{}'  # what would break a template's JSON, were it not escaped


@dataclass(frozen=True, slots=True)
class Note:
    """All that is told: the values for programs, by the names of the fields."""

    alert: str
    status: str  # `firing`, or `resolved` once it is over
    kind: str
    service: str
    about: str
    summary: str
    text: str  # the summary, and what `why` says
    why: str
    count: int
    since: str  # ISO 8601, as all times
    when: str
    ends: str  # when it was over; before that, when it counts as over unless it is told again
    host: str
    left_out: int

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_variables(self) -> dict[str, str]:
        """The values as variables of the environment."""
        return {f"SMANAGER_{name.upper()}": _as_variable(str(value)) for name, value in asdict(self).items()}

    def filled(self, template: str, is_json: bool) -> str:
        """A template with the values in it; with `is_json` as the inside of JSON's strings.

        Raises ValueError or KeyError for a template that is wrong.
        """
        values = {name: str(value) for name, value in asdict(self).items()}
        if is_json:
            values = {name: json.dumps(value)[1:-1] for name, value in values.items()}
        return Template(template).substitute(values)


NAMES = tuple(field.name for field in fields(Note))
"""Of the values, as templates have them."""

SAMPLE = Note(**dict.fromkeys(NAMES, SAMPLE_TEXT) | {"count": 1, "left_out": 0})  # type: ignore[arg-type]  # all texts


def note_of(message: Message, alert: str, host: str, why: str, ends: float) -> Note:
    """A message in full; `why` is what the manager says of the service, `ends` when it counts as over."""
    summary = f"[{host}] {_sentence(message)}"
    if message.left_out:
        summary += f"; {message.left_out} more came and went untold"
    if message.is_last:
        others = f"{message.waiting} others" if message.waiting else "others"
        summary += f"; {others} wait, for too many messages were sent"
    summary, why = _cut(visible(summary), SUMMARY_LIMIT), _cut(visible(why), WHY_LIMIT)
    return Note(
        alert=alert,
        status=RESOLVED if message.is_over else FIRING,
        kind=message.kind,
        service=message.service,
        about=message.about,
        summary=summary,
        text=f"{summary}\n\n{why}" if why else summary,
        why=why,
        count=message.count,
        since=_iso(message.since),
        when=_iso(message.when),
        ends=_iso(ends),
        host=host,
        left_out=message.left_out,
    )


def _sentence(message: Message) -> str:
    subject = message.service or "smanager"
    if message.about and message.service:
        subject = f"{subject} {message.about}"
    if message.kind == TEST:
        return message.text
    if message.kind == RECOVERED and message.state in ("stopped", "removed"):
        return f"{subject} is {message.state}"
    if message.kind == RECOVERED:
        return f"{subject} recovered, after {message.count} event{'s' * (message.count > 1)}"
    times = f" ({message.count} times)" if message.count > 1 else ""
    text = message.text.removeprefix(f"{message.kind}: ")  # as that of `hung` begins
    return f"{subject} {message.kind}{times}: {text}"


def _as_variable(text: str) -> str:
    """A text without what no variable can have: NUL, and surrogates that do not stand for a byte."""
    return re.sub("[\ud800-\udc7f\udd00-\udfff]", "?", text.replace("\0", ""))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def is_json(content_type: str) -> bool:
    """Whether a header names JSON, or a kind of it."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
