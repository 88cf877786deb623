"""The states of a service and the only ways between them.

A service is `stopped` until it is told to start. It is `starting` from the moment that a host is made
for it until its `start` method has returned, then `running`. When its host dies it is in `backoff`: it
waits, at first for no time at all, for the next attempt. `failed` is where trying again would not help:
its own `start` refused. From everywhere, `stop` leads to `stopped` by way of `stopping`.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    FAILED = "failed"


class Event(Enum):
    START = "start"  # a host has been made for it
    READY = "ready"  # its `start` has returned
    REFUSED = "refused"  # its `start` has raised
    DIED = "died"  # its host's process is gone, unasked
    STOP = "stop"  # somebody wants it down
    ENDED = "ended"  # its host's process is gone, as asked


class TransitionError(Exception):
    """An event that cannot happen in this state: a mistake in the manager."""


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.STOPPED, Event.START): State.STARTING,
    (State.STOPPED, Event.STOP): State.STOPPING,  # its file is still being imported
    (State.STARTING, Event.READY): State.RUNNING,
    (State.STARTING, Event.REFUSED): State.FAILED,
    (State.STARTING, Event.DIED): State.BACKOFF,
    (State.STARTING, Event.STOP): State.STOPPING,
    (State.RUNNING, Event.DIED): State.BACKOFF,
    (State.RUNNING, Event.STOP): State.STOPPING,
    (State.BACKOFF, Event.START): State.STARTING,
    (State.BACKOFF, Event.DIED): State.BACKOFF,  # not even a process could be started
    (State.BACKOFF, Event.STOP): State.STOPPING,
    (State.STOPPING, Event.ENDED): State.STOPPED,
    (State.FAILED, Event.START): State.STARTING,
    (State.FAILED, Event.DIED): State.FAILED,
    (State.FAILED, Event.STOP): State.STOPPING,
}


def next_state(state: State, event: Event) -> State:
    """The state after `event`. Raises TransitionError where the table has no such way."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TransitionError(f"a service that is {state.value} cannot take {event.value!r}") from None
