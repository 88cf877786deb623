"""The states of a service, the only ways between them, and what its end leads to; no I/O and no clock of its own.

A service is `stopped` until somebody wants it. It is `starting` from then on: it may wait for services that
it needs, then a process is made for it and its `start` runs; `running` once it is ready. One that does not
answer any more is `hung` until its process has been ended. When its life ends unasked, its policy decides:
it is tried again, in `backoff` until its turn comes, at first for no time at all; or it has `failed`, where
the policy has had enough of it; or it is `stopped`, where it was meant to end by itself. From everywhere,
`stop` leads to `stopped`, by way of `stopping` where there is something to be ended first.
"""

from __future__ import annotations

from enum import Enum

from smanager.config.policy import Policy, Restart


class State(Enum):
    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    FAILED = "failed"
    HUNG = "hung"

    @property
    def alive(self) -> bool:
        """Whether there may be a process that has to be ended."""
        return self in (State.STARTING, State.RUNNING, State.STOPPING, State.HUNG)


class Event(Enum):
    START = "start"  # somebody wants it, or its backoff is over
    READY = "ready"  # its `start` has returned, or its probe has passed
    HANG = "hang"  # it does not answer any more
    FALL = "fall"  # its life has ended unasked, and it will be tried again
    GIVE_UP = "give up"  # its life has ended unasked, and that was enough
    FINISH = "finish"  # its life has ended unasked, as it was meant to
    STOP = "stop"  # somebody wants it down
    END = "end"  # its life has ended as asked


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.STOPPED, Event.START): State.STARTING,
    (State.STARTING, Event.READY): State.RUNNING,
    (State.STARTING, Event.HANG): State.HUNG,
    (State.STARTING, Event.FALL): State.BACKOFF,
    (State.STARTING, Event.GIVE_UP): State.FAILED,
    (State.STARTING, Event.FINISH): State.STOPPED,
    (State.STARTING, Event.STOP): State.STOPPING,
    (State.RUNNING, Event.HANG): State.HUNG,
    (State.RUNNING, Event.FALL): State.BACKOFF,
    (State.RUNNING, Event.GIVE_UP): State.FAILED,
    (State.RUNNING, Event.FINISH): State.STOPPED,
    (State.RUNNING, Event.STOP): State.STOPPING,
    (State.HUNG, Event.FALL): State.BACKOFF,
    (State.HUNG, Event.GIVE_UP): State.FAILED,
    (State.HUNG, Event.STOP): State.STOPPING,
    (State.BACKOFF, Event.START): State.STARTING,
    (State.BACKOFF, Event.STOP): State.STOPPED,
    (State.STOPPING, Event.END): State.STOPPED,
    (State.FAILED, Event.START): State.STARTING,
    (State.FAILED, Event.STOP): State.STOPPED,
}


def next_state(state: State, event: Event) -> State | None:
    """The state after `event`; None where a service in this state does not take it."""
    return TRANSITIONS.get((state, event))


FIRST_BACKOFF = 0.5
"""Seconds before the second attempt in a row; the first is made at once."""

JITTER = 0.2
"""The share by which a wait may be shorter, so that what fell together does not come back together."""


class Ends:
    """Counts a service's early ends, and decides by its policy what each leads to."""

    def __init__(self) -> None:
        self.early = 0
        """Early ends in a row."""

    def decide(self, policy: Policy, lived: float, clean: bool) -> tuple[Event, str]:
        """What a life's unasked end leads to, and why; `lived` seconds, and whether it ended as a success."""
        self.early = 0 if lived >= policy.stable_after else self.early + 1
        if policy.restart is Restart.NEVER or (policy.restart is Restart.ON_FAILURE and clean):
            reason = f"restart is {policy.restart.value!r}"
            return (Event.FINISH, reason) if clean else (Event.GIVE_UP, reason)
        if policy.give_up_after and self.early >= policy.give_up_after:
            return Event.GIVE_UP, f"given up after {self.early} early end{'s in a row' if self.early > 1 else ''}"
        return Event.FALL, ""

    def backoff(self, policy: Policy, chance: float) -> float:
        """Seconds until the next attempt; `chance`, from 0 to 1, is where within the jitter they are."""
        if self.early <= 1:
            return 0.0
        doublings = min(self.early - 2, 32)
        return min(policy.longest_backoff, FIRST_BACKOFF * 2.0**doublings) * (1 - JITTER * chance)

    def forget(self) -> None:
        """Somebody starts it anew."""
        self.early = 0
