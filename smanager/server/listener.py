"""Listens, and keeps count of the sessions so that a flood of connections never locks out a person."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from collections.abc import Sequence
from functools import partial

from smanager.server.opening import Opening
from smanager.server.session import Session, peer_name
from smanager.shells.root import Shells

BACKLOG = 1024
"""Connections that may wait to be accepted; with a handful, clients meet the kernel's retry after a second."""

ACCEPTS_A_TURN = 32
"""Connections accepted before they are counted, and those too many closed: far fewer than there are descriptors
in reserve. asyncio would take as many as may wait."""

RESERVED_DESCRIPTORS = 128
"""Kept for hosts, their pipes, files, and connections on their way out."""

MOST_TURNED_AWAY = 64
"""Connections beyond the sessions that are told so; each holds a descriptor until it has read it."""

FAREWELL_SECONDS = 1.5
"""How long sessions have to take their last words when the server ends; a drain takes one second."""

log = logging.getLogger("smanager")


class Listener:
    """A listening port and its sessions."""

    shells: Shells

    def __init__(self, most_sessions: int) -> None:
        """Serve at most so many sessions, or fewer where descriptors are short."""
        self._most_sessions = max(1, min(most_sessions, _descriptors() - RESERVED_DESCRIPTORS))
        if self._most_sessions < most_sessions:
            log.warning(
                "--max-sessions %d is more than the limit on descriptors allows; it is %d here (see ulimit -n)",
                most_sessions,
                self._most_sessions,
            )
        self._sessions: set[Session] = set()
        self._silent: dict[Session, None] = {}  # in the order of their arrival
        self._turned_away: set[Session] = set()
        self._all_gone = asyncio.Event()
        self._servers: list[asyncio.Server] = []

    async def open(self, host: str, port: int, passed: Sequence[socket.socket] = ()) -> list[str]:
        """Take the port, or the sockets that were passed, and return the addresses.

        Raises OSError where it is not to be had.
        """
        loop = asyncio.get_running_loop()
        new_session = partial(Session, self, Opening)
        create = partial(loop.create_server, new_session, backlog=ACCEPTS_A_TURN, start_serving=False)
        self._servers = [await create(sock=connection) for connection in passed] or [await create(host, port)]
        return [peer_name(connection.getsockname()) for server in self._servers for connection in server.sockets]

    async def serve(self, shells: Shells) -> None:
        """Give everybody who connects from here on a shell; until then clients are refused, as if nobody listened."""
        self.shells = shells
        for server in self._servers:
            await server.start_serving()
            for connection in server.sockets:
                with socket.socket(fileno=os.dup(connection.fileno())) as listening:
                    listening.listen(BACKLOG)

    async def close(self, message: str) -> None:
        """Stop listening, tell everybody why, and see them off."""
        for server in self._servers:
            server.close()
        self._all_gone.clear()
        for session in list(self._sessions):
            session.farewell(message)
        if self._sessions:
            try:
                await asyncio.wait_for(self._all_gone.wait(), FAREWELL_SECONDS)
            except TimeoutError:
                for session in list(self._sessions):
                    session.abort()

    def arrived(self, session: Session) -> bool:
        """Take a session in; where all places are taken by sessions in use, turn it away and return False."""
        if len(self._sessions) >= self._most_sessions:
            if not self._silent:
                self._turn_away(session)
                return False
            oldest = next(iter(self._silent))
            oldest.abort()
            self.left(oldest)
        self._sessions.add(session)
        self._silent[session] = None
        return True

    def spoke(self, session: Session) -> None:
        """A session has sent its first bytes: it does not give way any more."""
        self._silent.pop(session, None)

    def _turn_away(self, session: Session) -> None:
        if len(self._turned_away) < MOST_TURNED_AWAY:
            self._turned_away.add(session)
            session.send(b"*** too many sessions, all of them in use; try again later\n")
            session.finish()
        else:
            session.abort()

    def left(self, session: Session) -> None:
        self._turned_away.discard(session)
        self._sessions.discard(session)
        self._silent.pop(session, None)
        if not self._sessions:
            self._all_gone.set()


def _descriptors() -> int:
    """Raise the limit on descriptors as far as it goes, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS: its hard limit is none, but that many are refused
            return soft
    return hard if hard != resource.RLIM_INFINITY else 1_000_000
