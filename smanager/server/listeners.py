"""All listeners: opened and closed together, each with a budget of sessions."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from smanager.access.identities import Identities
from smanager.config.file import ConfigError, collected
from smanager.config.listener import ListenerSettings
from smanager.server.listener import ACCEPTS_A_TURN, MOST_TURNED_AWAY, Listener, context_of
from smanager.server.session import Session
from smanager.shells.root import Shells
from smanager.system.open_files import raise_limit

RESERVED_DESCRIPTORS = 96  # file descriptors kept for files, and for the first hosts
DESCRIPTORS_A_HOST = 4  # its socket pair, its output and its end, and one more while it is started

FAREWELL_SECONDS = 1.5
"""How long clients may take to read their last words when the server ends; a drain takes one second."""

log = logging.getLogger("smanager")


class Listeners:
    """The configured listeners."""

    def __init__(self, settings: Sequence[ListenerSettings]) -> None:
        self._settings = settings
        self._descriptors = raise_limit()
        turned_away: set[Session] = set()
        self._all = [Listener(one, turned_away) for one in settings]
        self.share_out(hosts=0)

    def share_out(self, hosts: int) -> None:
        """Let each listener have as many sessions as the limit on open files allows beside so many hosts."""
        others = RESERVED_DESCRIPTORS + DESCRIPTORS_A_HOST * hosts + MOST_TURNED_AWAY + ACCEPTS_A_TURN * len(self._all)
        shares = budgets(self._settings, self._descriptors - others)
        for listener, share in zip(self._all, shares, strict=True):
            listener.most_sessions = share

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
            if listener.most_sessions < (wanted := listener.settings.max_sessions):
                message = "%s: max_sessions is %d; the limit on open files allows %d here (see ulimit -n)"
                log.warning(message, listener.settings.place, wanted, listener.most_sessions)
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
    return [shares[index] for index in range(len(settings))]
