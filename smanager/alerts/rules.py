"""The events that an alert is about: what the texts in its `on` say, and which events they match."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from smanager.commands.globs import globbed
from smanager.commands.types import seconds_of
from smanager.service import OWN_KINDS
from smanager.terminal.text import resembling

RECOVERED = "recovered"
RESTARTED = "restarted"
ALERT_FAILED = "alert failed"

KINDS = (*sorted(OWN_KINDS), "schedule failed", ALERT_FAILED)
"""The kinds of events that can be named."""

TROUBLE = frozenset({"failed", "hung", "backoff", RESTARTED})
"""The kinds that say that a service is not well, until it has been calm for a while."""

CALM = frozenset({"running", "done", "stopped", "removed"})
"""The kinds that say that a service is well, or that nobody wants it."""

EXAMPLE = '"failed", "hung", "restarted more than 3 times in 10m", "reported queue*" or "recovered"'

MOST_RESTARTS = 1000  # in a rule: their times are kept

_OFTEN = re.compile(r"restarted more than (\d{1,4}) times? in (\S+)", re.ASCII)


class AlertEvent(NamedTuple):
    """An event as the manager tells of it; see `logs.history.Happening`."""

    when: float
    service: str
    kind: str
    text: str
    about: str = ""
    over: bool | None = None


class Rule(NamedTuple):
    """One of the texts in `on`."""

    text: str
    kind: str  # of the events; with `is_reported` a pattern of kinds
    is_reported: bool = False
    more_than: int = 0  # how many such events of a service have to be exceeded
    span: float = 0.0  # seconds within which they count

    @classmethod
    def of(cls, text: str) -> Rule:
        """Read a text. Raises ValueError, which has the text, and one that it resembles."""
        text = " ".join(text.split())
        if match := _OFTEN.fullmatch(text):
            with suppress(ValueError):
                span = seconds_of(match[2])
                if 0 < int(match[1]) <= MOST_RESTARTS and span > 0:
                    return cls(text, RESTARTED, more_than=int(match[1]), span=span)
        elif text in KINDS:
            return cls(text, text)
        elif text.startswith("reported ") and (pattern := text.removeprefix("reported ")):
            return cls(text, pattern, is_reported=True)
        similar = resembling(text, [*KINDS, RECOVERED], 1)
        raise ValueError(f"{text!r}; did you mean {similar[0]!r}?" if similar else repr(text))

    @property
    def is_trouble(self) -> bool:
        """Whether what it tells of ends when the service is well again."""
        return not self.is_reported and self.kind in TROUBLE

    def matches(self, event: AlertEvent) -> bool:
        if self.is_reported:
            return event.kind not in KINDS and globbed(event.kind, self.kind)
        return event.kind == self.kind

    def label(self, event: AlertEvent) -> str:
        """What the events that it matches are counted and told as."""
        return self.text if self.more_than else event.kind

    def gives(self, label: str) -> bool:
        return label == self.text or (self.is_reported and globbed(label, self.kind))


def is_about(event: AlertEvent, services: Iterable[str]) -> bool:
    """Whether an event is of a service that one of the patterns matches; the manager's own events always count."""
    return not event.service or any(globbed(event.service, pattern) for pattern in services)
