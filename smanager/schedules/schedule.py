"""One schedule: when its line is due, what was missed, and what is remembered of it. It is handed the time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from enum import Enum
from random import Random
from typing import Any, NamedTuple

from smanager.schedules.timing import Calendar, Every, MachineZone, timing_of
from smanager.system.moments import are_seconds

PROMPT_SECONDS = 60.0
"""How late a run may be without being one that was missed: the manager was restarted, or the machine is busy."""

RUNNING = "running"
DONE = "done"
FAILED = "failed"
LOST = "ended with the service"

DAMAGES = (AttributeError, LookupError, TypeError, ValueError)
"""What is raised where something else was kept than a schedule keeps."""


def moment(kept: Any) -> float:
    """A moment that was kept. Raises one of DAMAGES if it is not one."""
    if not are_seconds(kept):
        raise ValueError
    return float(kept)


class LastRun(NamedTuple):
    """The last run, with its times in seconds since 1970."""

    began: float
    outcome: str = RUNNING
    run: str | None = None  # the ID by which the manager remembers it
    problem: str = ""  # what was wrong, in the words of a command that failed

    @classmethod
    def of(cls, began: object, outcome: object, run: object, problem: object = "") -> LastRun:
        """From what was kept: what ran then was ended with the service."""
        known = LOST if outcome == RUNNING else str(outcome)
        return cls(moment(began), known, None if run is None else str(run), str(problem))

    @property
    def text(self) -> str:
        return f"{self.outcome}: {self.problem}" if self.problem else self.outcome


class Due(Enum):
    """What is due at a moment."""

    NOTHING = "nothing"
    RUN = "run"
    MISSED = "missed"  # the time of a run has passed unseen


class Schedule:
    """A schedule and its state."""

    def __init__(self, name: str, given: Mapping[str, Any], now: float, salt: str, kept: Mapping[str, Any]) -> None:
        """`given` is the checked table, `now` the time, `salt` differs from machine to machine, and `kept` is what an
        earlier `kept` has returned, if the schedule is known. Raises one of DAMAGES if that is something else.
        """
        self.name = name
        self.run: str = given["run"]
        self.when: str = given["when"]
        self.enabled: bool = given["enabled"]
        self.makes_up: bool = given["missed"] == "run"
        self.overlap: str = given["overlap"]
        self.timeout: float | None = given["timeout"] or None
        self.roles: tuple[str, ...] = tuple(given["roles"])
        self.timing = timing_of(given)
        self._jitter: float = given["jitter"]
        self._salt = salt
        self.paused = bool(kept.get("paused"))
        self.is_failing = bool(kept.get("failing"))  # whether the last run with an outcome of its own has failed
        self.last = LastRun.of(*kept["last"]) if kept.get("last") else None
        self.succeeded = moment(kept["succeeded"]) if kept.get("succeeded") else None  # when the last success ended
        is_known = self.enabled and kept.get("when") == self.when and kept.get("handled") is not None
        self.handle(moment(kept["handled"]) if is_known else now)

    @property
    def is_steady(self) -> bool:
        """Whether the schedule goes by a clock that cannot be set, rather than by that of the wall."""
        return isinstance(self.timing, Every)

    @property
    def zone(self) -> tzinfo:
        return self.timing.zone if isinstance(self.timing, Calendar) else MachineZone()

    def handle(self, until: float) -> None:
        """Count all up to a moment as done: what comes after it is due next."""
        self.handled = until
        self._nominal = self.timing.next_after(until)
        self.due = self._nominal
        if self._jitter:
            self.due += Random(f"{self._salt} {self.name} {self._nominal}").random() * self._jitter

    def look(self, now: float) -> Due:
        """What is due at a moment, which counts as handled then."""
        if self.timing.was_set_back(self.handled, now):
            self.handle(now)
        if self.paused or not self.enabled or now < self.due:
            return Due.NOTHING
        is_prompt = now - self.due <= PROMPT_SECONDS
        self.handle(self.timing.handled_by(self._nominal, now))
        return Due.RUN if is_prompt else Due.MISSED

    def resume(self, now: float) -> None:
        """Go on, from now: what was due in the pause was not missed."""
        if self.paused:
            self.paused = False
            self.handle(now)

    def concluded(self) -> bool:
        """Take in the outcome of a run that was not ended from outside; whether that is news: a failure, or the end
        of failures.
        """
        assert self.last
        was_failing, self.is_failing = self.is_failing, self.last.outcome != DONE
        return self.is_failing or was_failing

    def kept(self) -> dict[str, Any]:
        """What to remember, as JSON."""
        handled = self.handled if self.enabled else None  # what is due while it is not enabled is not missed
        return {
            "when": self.when,
            "handled": handled,
            "paused": self.paused,
            "failing": self.is_failing,
            "last": self.last,
            "succeeded": self.succeeded,
        }
