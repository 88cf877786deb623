"""Listens at one address, and counts its sessions so that a flood of connections never locks people out."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from functools import partial

from smanager.access.callers import Caller
from smanager.access.identities import Identities
from smanager.access.origin import OriginKind
from smanager.config.listener import ListenerSettings
from smanager.server.modes.detection import Detection
from smanager.server.peers import names_in
from smanager.server.session import Session
from smanager.shells.root import Shells

BACKLOG = 1024
"""Connections that may wait to be accepted; with only a handful, some clients would have to retry after a second."""

ACCEPTS_A_TURN = 16
"""Connections accepted in one turn of the event loop, before the surplus is counted and closed: far fewer than the
descriptors in reserve. By default asyncio would accept a whole backlog."""

MOST_TURNED_AWAY = 32
"""Connections at all listeners that are told there are too many sessions; each holds a descriptor until it has read
that. Further ones are closed without a word."""

log = logging.getLogger("smanager")


class Listener:
    """An address to connect to, and its sessions."""

    shells: Shells
    identities: Identities

    def __init__(self, settings: ListenerSettings, most_sessions: int, turned_away: set[Session]) -> None:
        """Serve at most `most_sessions`; all listeners share `turned_away`, the connections beyond their limits."""
        self.settings = settings
        self.tls: ssl.SSLContext | None = None
        """The context for new connections; None for plain text."""
        self.fingerprint: object = None
        """Identifies the versions of the files that `tls` was read from."""
        self._most_sessions = most_sessions
        self._sessions: set[Session] = set()
        self._giving_way: dict[str, dict[Session, None]] = {}  # by network, the oldest first
        self._turned_away = turned_away
        self._all_gone = asyncio.Event()
        self._servers: list[asyncio.Server] = []

    async def open(self, taken: Sequence[socket.socket]) -> list[socket.socket]:
        """Bind the address, unless sockets are passed in `taken`; returns the sockets, which accept no clients yet.

        Raises OSError if the address cannot be bound.
        """
        create = partial(
            asyncio.get_running_loop().create_server,
            lambda: Session(self).connection,
            backlog=ACCEPTS_A_TURN,
            start_serving=False,
        )
        self._servers = [await create(sock=connection) for connection in taken]
        if not taken and self.settings.tcp:
            host, port = self.settings.tcp
            # SO_REUSEADDR lets a configured port be bound while old connections are in TIME_WAIT. A picked port has to
            # be unused, and with SO_REUSEADDR the kernel may pick one that is bound already and does not listen yet.
            self._servers = [await create(host or None, port, reuse_address=port != 0)]
        return [connection for server in self._servers for connection in server.sockets]

    async def serve(self, shells: Shells, identities: Identities) -> None:
        """Accept clients from here on; until then the kernel refuses them.

        Raises OSError if another process has begun to listen at the address meanwhile.
        """
        self.shells = shells
        self.identities = identities
        for server in self._servers:
            await server.start_serving()
            for connection in server.sockets:
                with connection.dup() as listening:
                    listening.listen(BACKLOG)

    async def emptied(self) -> None:
        """Return once all sessions are over."""
        if self._sessions:
            self._all_gone.clear()
            await self._all_gone.wait()

    def close(self) -> list[Session]:
        """Stop listening; returns the sessions that are left."""
        for server in self._servers:
            server.close()
        return list(self._sessions)

    def arrived(self, session: Session) -> bool:
        """Take a session in, unless its network is not allowed or all places are taken by sessions in use."""
        if not self._allows(session):
            log.info("%s: not allowed at %s", session.peer, self.settings.place)
            session.connection.abort()
            return False
        if len(self._sessions) >= self._most_sessions:
            if not self._giving_way:
                self._turn_away(session)
                return False
            most = max(self._giving_way.values(), key=len)  # of one network: a flood displaces itself first
            oldest = next(iter(most))
            oldest.connection.abort()
            self.left(oldest)
        self._sessions.add(session)
        self._giving_way.setdefault(session.peer.network, {})[session] = None
        session.number = self.shells.manager.sessions.add(session)
        return True

    def opened(self, session: Session) -> None:
        session.caller = self._caller_of(session)
        session.mode = detection = Detection(session)
        detection.begin()

    def _caller_of(self, session: Session) -> Caller | None:
        """The caller, if the connection itself shows it; None if the client has to log in."""
        settings, roles, origin = self.settings, self.settings.given_roles, session.peer
        if origin.kind is OriginKind.UNIX:
            if caller := self.identities.named([origin.user], origin, roles, "peer"):
                return caller
            permissions = self.identities.roles.permissions(roles)
            return None if settings.login else Caller(origin, origin.user, permissions, "peer")
        names = names_in(session.connection.transport.get_extra_info("peercert") or {})
        if caller := self.identities.named(names, origin, roles, "certificate"):
            return caller
        if not settings.login:
            return self.identities.anonymous(origin, roles)
        if names:
            self.identities.unknown(origin, names[0])
        return None

    def settled(self, session: Session) -> None:
        """The session no longer gives way to others."""
        network = session.peer.network
        if waiting := self._giving_way.get(network):
            waiting.pop(session, None)
            if not waiting:
                del self._giving_way[network]

    def left(self, session: Session) -> None:
        self._turned_away.discard(session)
        self._sessions.discard(session)
        self.settled(session)
        self.shells.manager.sessions.remove(session.number)
        if not self._sessions:
            self._all_gone.set()

    def _allows(self, session: Session) -> bool:
        allow, address = self.settings.allow, session.peer.address
        if not allow or session.peer.kind is OriginKind.UNIX:
            return True
        return address is not None and any(address in network for network in allow)

    def _turn_away(self, session: Session) -> None:
        if len(self._turned_away) < MOST_TURNED_AWAY and not self.tls:
            self._turned_away.add(session)
            session.connection.send(b"*** too many sessions, all of them in use; try again later\n")
            session.connection.finish()
        else:
            session.connection.abort()
