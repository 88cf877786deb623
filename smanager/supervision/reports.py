"""What a requester is told while services start, stop or are reloaded: facts, from which a shell makes its lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from smanager.supervision.states import State


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """How a service is, as far as the requester may know."""

    service: str
    state: State
    reason: str = ""
    still: bool = False  # whether the requester waits for another state, which is taking long

    @property
    def condition(self) -> str:
        """The state and its reason in words, such as `starting (waits for database)`."""
        return f"{self.state.value} ({self.reason})" if self.reason else self.state.value

    def __str__(self) -> str:
        return f"{self.service}: {'still ' if self.still else ''}{self.condition}"


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """One thing that a reload does, or would do."""

    verb: str  # `remove`, `stop`, `restart`, `change`, `start`, `load`, or `note` if there is nothing to do
    name: str  # the name of a service, of a file to load, or of a setting at the root of the configuration
    reason: str

    def __str__(self) -> str:
        return f"{self.verb} {self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence about something other than one service: a problem in a file, a setting that was not applied."""

    text: str

    def __str__(self) -> str:
        return self.text


Report = ServiceReport | ChangeReport | Notice

Tell = Callable[[Report], object]  # reports to the requester


def ignore_report(report: Report) -> None:
    """A `Tell` for changes that are not reported one by one."""
