"""What a service's end leads to, as its settings say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Restart(Enum):
    """After which ends a service is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a service's unasked end leads to. Times are seconds."""

    restart: Restart = Restart.ALWAYS
    give_up_after: int = 0
    """Early ends in a row after which it has failed; 0: never."""
    longest_backoff: float = 30.0
    """Each early end in a row doubles the wait before the next attempt, up to this."""
    stable_after: float = 10.0
    """A life as long as this makes up for the early ends before it."""
