"""The states of a service, the transitions between them, and what the end of a life leads to; no I/O, no clock.

A service is `stopped` until a requester wants it. From then on it is `starting`: it may wait for services that
it needs, then it gets a process, in which its `start` runs. It is `running` once it is ready, and `hung` from the
moment that it stops answering until its process has ended. When a life ends without having been asked to, the
service's policy decides: the service is tried again, after a wait in `backoff` (no wait at all the first time);
or it has `failed`, if the policy gives up on it; or it is `done`, if it may end by itself and the end was a success. In
every state `stop` leads to `stopped`, by way of `stopping` if a process has to end first.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

from smanager.config.service import Policy, Restart


class State(Enum):
    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    FAILED = "failed"
    DONE = "done"
    HUNG = "hung"

    @property
    def alive(self) -> bool:
        """Whether the service may have a process."""
        return self in (State.STARTING, State.RUNNING, State.STOPPING, State.HUNG)

    @property
    def down(self) -> bool:
        """Whether the service has no process and will not get one by itself."""
        return self in (State.STOPPED, State.FAILED, State.DONE)

    @property
    def up(self) -> bool:
        """Whether the services that need this one may begin."""
        return self in (State.RUNNING, State.DONE)

    @property
    def coming(self) -> bool:
        """Whether the service is on its way to `running`."""
        return self in (State.STARTING, State.BACKOFF)

    @property
    def settled(self) -> bool:
        """Whether a requester who waits for a start need not wait for the next state."""
        return self is not State.STARTING

    @property
    def serious(self) -> bool:
        """Whether an administrator should read of it in the manager's log."""
        return self in (State.BACKOFF, State.FAILED, State.HUNG)


class Prospect(IntEnum):
    """Whether a service that is down will be up without another request; the lowest of several counts."""

    NONE = 0
    LATER = 1  # it is tried again after a failure
    SOON = 2  # it is on its way, and has not failed on the way


class Event(Enum):
    START = "start"  # a requester wants the service, or its backoff is over
    READY = "ready"  # its `start` has returned, or its probe has passed
    HANG = "hang"  # it has stopped answering
    FALL = "fall"  # its life has ended unasked, and it will be tried again
    GIVE_UP = "give up"  # its life has ended unasked, and its policy gives up
    FINISH = "finish"  # its life has ended unasked, and with success, as it may
    STOP = "stop"  # a requester wants it down
    END = "end"  # its life has ended as asked


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.STOPPED, Event.START): State.STARTING,
    (State.STARTING, Event.READY): State.RUNNING,
    (State.STARTING, Event.HANG): State.HUNG,
    (State.STARTING, Event.FALL): State.BACKOFF,
    (State.STARTING, Event.GIVE_UP): State.FAILED,
    (State.STARTING, Event.FINISH): State.DONE,
    (State.STARTING, Event.STOP): State.STOPPING,
    (State.RUNNING, Event.HANG): State.HUNG,
    (State.RUNNING, Event.FALL): State.BACKOFF,
    (State.RUNNING, Event.GIVE_UP): State.FAILED,
    (State.RUNNING, Event.FINISH): State.DONE,
    (State.RUNNING, Event.STOP): State.STOPPING,
    (State.HUNG, Event.FALL): State.BACKOFF,
    (State.HUNG, Event.GIVE_UP): State.FAILED,
    (State.HUNG, Event.STOP): State.STOPPING,
    (State.BACKOFF, Event.START): State.STARTING,
    (State.BACKOFF, Event.STOP): State.STOPPED,
    (State.STOPPING, Event.END): State.STOPPED,
    (State.FAILED, Event.START): State.STARTING,
    (State.FAILED, Event.STOP): State.STOPPED,
    (State.DONE, Event.START): State.STARTING,
    (State.DONE, Event.STOP): State.STOPPED,
}


def next_state(state: State, event: Event) -> State | None:
    """The state that `event` leads to; None if a service in this state does not take the event."""
    return TRANSITIONS.get((state, event))


FIRST_BACKOFF = 0.5
"""Seconds before the second attempt in a row; the first is made at once."""

JITTER = 0.2
"""The share by which a wait may be shorter, so that services that fell together do not come back together."""

MOST_DOUBLINGS = 32
"""More doublings reach every sensible `longest_backoff`, and in the end overflow a float."""


class Ending(NamedTuple):
    """How a life ended."""

    reason: str | None  # None if it ended as asked, or returned by itself
    clean: bool  # whether that is a success
    by_itself: bool = True
    """False if its process was ended because of another service: that is not counted against this one."""


class Decision(NamedTuple):
    """What the unasked end of a life leads to."""

    event: Event
    text: str
    delay: float = 0.0  # seconds until the next attempt, after a fall


class Ends:
    """Counts the early ends of one service's lives, and decides by the service's policy what each end leads to."""

    def __init__(self) -> None:
        self.early = 0  # in a row

    def decide(self, policy: Policy, lived: float, ending: Ending, chance: float) -> Decision:
        """Decide what the unasked end of a life leads to.

        `lived` is how many seconds the service was ready, 0 if it never was; `chance`, from 0 to 1, is the place of
        the next attempt within the jitter.
        """
        if not ending.by_itself:
            return Decision(Event.FALL, "started again at once")
        self.early = 0 if lived >= policy.stable_after else self.early + 1
        if policy.restart is Restart.NEVER or (policy.restart is Restart.ON_FAILURE and ending.clean):
            return Decision(Event.FINISH if ending.clean else Event.GIVE_UP, f"restart is {policy.restart.value!r}")
        if policy.give_up_after and self.early >= policy.give_up_after:
            in_a_row = "s in a row" if self.early > 1 else ""
            return Decision(Event.GIVE_UP, f"given up after {self.early} early end{in_a_row}")
        delay = self.backoff(policy, chance)
        return Decision(Event.FALL, f"started again {f'in {delay:.1f} s' if delay else 'at once'}", delay)

    def backoff(self, policy: Policy, chance: float) -> float:
        """Seconds until the next attempt; for `chance` see `decide`."""
        if self.early <= 1:
            return 0.0
        doublings = min(self.early - 2, MOST_DOUBLINGS)
        return min(policy.longest_backoff, FIRST_BACKOFF * 2.0**doublings) * (1 - JITTER * chance)

    def forget(self) -> None:
        """Start counting anew: a requester has started the service."""
        self.early = 0
