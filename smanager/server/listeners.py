"""All listeners: opened and closed together, each with a budget of sessions."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from smanager.access.identities import Identities
from smanager.config.file import ConfigError, collected
from smanager.config.listener import ListenerSettings
from smanager.server.listener import ACCEPTS_A_TURN, MOST_TURNED_AWAY, Listener, context_of
from smanager.server.session import Session
from smanager.shells.root import Shells

RESERVED_DESCRIPTORS = 96  # file descriptors kept for hosts, their pipes, and files
UNLIMITED = 1_000_000  # descriptors counted on if the system sets no limit

FAREWELL_SECONDS = 1.5
"""How long clients may take to read their last words when the server ends; a drain takes one second."""

log = logging.getLogger("smanager")


class Listeners:
    """The configured listeners."""

    def __init__(self, settings: Sequence[ListenerSettings]) -> None:
        others = RESERVED_DESCRIPTORS + MOST_TURNED_AWAY + ACCEPTS_A_TURN * len(settings)
        shares = budgets(settings, descriptors() - others)
        turned_away: set[Session] = set()
        self._all = [Listener(one, share, turned_away) for one, share in zip(settings, shares, strict=True)]

    async def open(self, passed: Mapping[str, Sequence[socket.socket]]) -> list[str]:
        """Bind all or none; returns their addresses. `passed` are systemd's sockets by name. Raises ConfigError."""
        try:
            return [address for listener in self._all for address in await listener.open(passed)]
        except BaseException:
            for listener in self._all:
                listener.close()
            raise

    async def serve(self, shells: Shells, identities: Identities) -> None:
        """Accept clients. Raises ConfigError if another process has begun to listen meanwhile."""
        for listener in self._all:
            await listener.serve(shells, identities)

    async def close(self, message: str) -> None:
        """Stop listening, and end all sessions with `message`."""
        sessions = [session for listener in self._all for session in listener.close()]
        for session in sessions:
            session.farewell(message)
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                for listener in self._all:
                    await listener.emptied()
        for session in sessions:
            session.connection.abort()

    def changed_certificates(self) -> tuple[dict[str, Callable[[], None]], list[str]]:
        """By listener, what puts its changed certificates into use; and what is wrong with those of others."""
        changed: dict[str, Callable[[], None]] = {}
        problems: list[str] = []
        for listener in self._all:
            try:
                if use := listener.changed_certificates():
                    changed[listener.settings.name] = use
            except ConfigError as error:
                problems += error.problems
        return changed, problems


def certificate_problems(settings: Sequence[ListenerSettings]) -> list[str]:
    """What is wrong with the certificates of listeners that are not open."""
    problems: list[str] = []
    for one in settings:
        if one.tls:
            with collected(problems):
                context_of(one.name, one.tls)
    return problems


def budgets(settings: Sequence[ListenerSettings], available: int) -> list[int]:
    """The sessions that each listener may have: as configured, or an equal share of the available descriptors."""
    shares: dict[int, int] = {}
    for index, one in sorted(enumerate(settings), key=lambda pair: pair[1].max_sessions):
        fair = (available - sum(shares.values())) // (len(settings) - len(shares))
        shares[index] = max(1, min(one.max_sessions, fair))
        if shares[index] < one.max_sessions:
            message = "%s: max_sessions is %d; the limit on open files allows %d here (see ulimit -n)"
            log.warning(message, one.place, one.max_sessions, shares[index])
    return [shares[index] for index in range(len(settings))]


def descriptors() -> int:
    """Raise this process's limit on open files as far as possible, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS: the hard limit is infinite, but cannot be set
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft if soft != resource.RLIM_INFINITY else UNLIMITED
