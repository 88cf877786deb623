"""What happens after a service's life ends, as its settings say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from smanager.config.checks import one_of, setting, some_seconds, whole


class Restart(Enum):
    """After which ends a service is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Policy:
    """What follows the end of a life that was not asked to end."""

    restart: Restart = setting(
        one_of({known.value: known for known in Restart}),
        "after which ends the service is started again",
        "always",
    )
    give_up_after: int = setting(
        whole(0), "number of early ends in a row after which the service has failed; 0 means never", 0
    )
    longest_backoff: float = setting(
        some_seconds,
        "longest wait before a restart, in seconds; each early end in a row doubles the wait up to this",
        30,
    )
    stable_after: float = setting(
        some_seconds, "seconds after which the end of a life is no longer early, and the backoff starts anew", 10
    )
