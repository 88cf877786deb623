"""The limit on open files. The manager raises its own; services and programs start with the one that it was given."""

from __future__ import annotations

import resource
from collections.abc import Callable
from contextlib import suppress
from functools import partial

GIVEN = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
"""The soft limit that this process was started with. A program with a higher one may be slow, as one is that closes all
descriptors that there may be, or wrong, as one is that uses select(2)."""

UNLIMITED = 1_000_000  # descriptors counted on if the system sets no limit
ROOM = 64  # free descriptors below the limit that are enough for what a process does in one moment


def raise_limit() -> int:
    """Raise this process's limit as far as possible, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS: the hard limit is infinite, but cannot be set
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft if soft != resource.RLIM_INFINITY else UNLIMITED


def limit_to(soft: int) -> None:
    """Set this process's soft limit, as far as its hard limit allows; what is open stays open."""
    with suppress(ValueError, OSError):  # the hard limit is lower
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def lowering() -> Callable[[], None] | None:
    """What gives a child process, between fork and exec, the limit that this one was given; None if it has that."""
    return partial(limit_to, GIVEN) if resource.getrlimit(resource.RLIMIT_NOFILE)[0] != GIVEN else None


def keep_room(newest: int) -> None:
    """Raise this process's limit if it is near; `newest` is a new descriptor, and as such the lowest that was free."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and newest + ROOM > soft:
        limit_to(newest + 2 * ROOM if hard == resource.RLIM_INFINITY else min(newest + 2 * ROOM, hard))
