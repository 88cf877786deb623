"""Listens in one place, and keeps count of its sessions so that a flood of connections never locks out a person."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import Sequence
from functools import partial

from smanager.access.callers import Caller
from smanager.access.identities import Identities
from smanager.config.listener import ListenerSettings
from smanager.server.modes.detection import Opening
from smanager.server.peers import names_in, unix_peer, user_name
from smanager.server.session import Session
from smanager.shells.root import Shells

BACKLOG = 1024
"""Connections that may wait to be accepted; with a handful, clients meet the kernel's retry after a second."""

ACCEPTS_A_TURN = 16
"""Connections accepted before they are counted, and those too many closed: far fewer than there are descriptors
in reserve. asyncio would take as many as may wait."""

MOST_TURNED_AWAY = 32
"""Connections beyond the sessions, at all listeners, that are told so; each holds a descriptor until it has read it."""

log = logging.getLogger("smanager")


class Listener:
    """A place to connect to, and its sessions."""

    shells: Shells
    identities: Identities

    def __init__(self, settings: ListenerSettings, most_sessions: int, turned_away: set[Session]) -> None:
        """Serve at most so many sessions; `turned_away` are those of all listeners that are none."""
        self.settings = settings
        self.tls: ssl.SSLContext | None = None
        """What new connections are encrypted with."""
        self.fingerprint: object = None
        """Of the files that it was read from."""
        self._most_sessions = most_sessions
        self._sessions: set[Session] = set()
        self._giving_way: dict[str, dict[Session, None]] = {}  # by where they come from, in the order of their arrival
        self._turned_away = turned_away
        self._all_gone = asyncio.Event()
        self._servers: list[asyncio.Server] = []

    async def open(self, taken: Sequence[socket.socket]) -> list[socket.socket]:
        """Take these sockets, or else the address, and return what is listened on, which is nobody's yet.

        Raises OSError where it is not to be had.
        """
        new_session = partial(Session, self, begin)
        create = partial(
            asyncio.get_running_loop().create_server, new_session, backlog=ACCEPTS_A_TURN, start_serving=False
        )
        self._servers = [await create(sock=connection) for connection in taken]
        if not taken and self.settings.tcp:
            host, port = self.settings.tcp
            # Only a port that was asked for may be in TIME_WAIT; one that is picked must be nobody's, and a socket that
            # is bound with SO_REUSEADDR and does not listen yet may be picked as well.
            self._servers = [await create(host or None, port, reuse_address=port != 0)]
        return [connection for server in self._servers for connection in server.sockets]

    async def serve(self, shells: Shells, identities: Identities) -> None:
        """Give everybody who connects from here on a shell; until then clients are refused, as if nobody listened.

        Raises OSError where another process has begun to listen there meanwhile.
        """
        self.shells = shells
        self.identities = identities
        for server in self._servers:
            await server.start_serving()
            for connection in server.sockets:
                with connection.dup() as listening:
                    listening.listen(BACKLOG)

    async def emptied(self) -> None:
        """Return when all sessions are gone."""
        if self._sessions:
            self._all_gone.clear()
            await self._all_gone.wait()

    def close(self) -> list[Session]:
        """Stop listening; returns the sessions that there still are."""
        for server in self._servers:
            server.close()
        return list(self._sessions)

    # What sessions ask for and report.

    def arrived(self, session: Session) -> bool:
        """Take a session in, unless it comes from elsewhere, or all places are taken by sessions in use."""
        if not self._allows(session):
            log.info("%s: not allowed at %s", session.peer, self.settings.place)
            session.abort()
            return False
        if len(self._sessions) >= self._most_sessions:
            if not self._giving_way:
                self._turn_away(session)
                return False
            oldest = self._first_to_go()
            oldest.abort()
            self.left(oldest)
        self._sessions.add(session)
        self._giving_way.setdefault(session.place, {})[session] = None
        session.number = self.shells.manager.sessions.add(session)
        return True

    def caller_of(self, session: Session) -> Caller | None:
        """Who it is, as far as the connection itself shows; None where somebody has to log in first."""
        settings, roles = self.settings, self.settings.given_roles
        connection: socket.socket = session.transport.get_extra_info("socket")
        if connection.family == socket.AF_UNIX:
            name = user_name(unix_peer(connection)[1])
            if found := self.identities.named([name], session.peer, roles, "peer"):
                return found
            permissions = self.identities.roles.permissions(roles)
            return None if settings.login else Caller(session.peer, name, permissions, "peer")
        names = names_in(session.transport.get_extra_info("peercert") or {})
        if found := self.identities.named(names, session.peer, roles, "certificate"):
            return found
        if not settings.login:
            return self.identities.anybody(session.peer, roles)
        if names:
            self.identities.unknown(session.peer, names[0])
        return None

    def settled(self, session: Session) -> None:
        """A session has said something, and who it is where that is asked: it does not give way any more."""
        if waiting := self._giving_way.get(session.place):
            waiting.pop(session, None)
            if not waiting:
                del self._giving_way[session.place]

    def left(self, session: Session) -> None:
        self._turned_away.discard(session)
        self._sessions.discard(session)
        self.settled(session)
        self.shells.manager.sessions.remove(session.number)
        if not self._sessions:
            self._all_gone.set()

    def _allows(self, session: Session) -> bool:
        address = session.transport.get_extra_info("peername")
        if not self.settings.allow or not isinstance(address, tuple):
            return True
        found = ipaddress.ip_address(str(address[0]).partition("%")[0])
        mapped = getattr(found, "ipv4_mapped", None)  # an IPv4 client on a socket for both
        return any((mapped or found) in network for network in self.settings.allow)

    def _first_to_go(self) -> Session:
        """Of those that give way, the oldest from where most of them come: a flood displaces itself first."""
        most: dict[Session, None] = max(self._giving_way.values(), key=len)
        return next(iter(most))

    def _turn_away(self, session: Session) -> None:
        if len(self._turned_away) < MOST_TURNED_AWAY and not self.tls:
            self._turned_away.add(session)
            session.send(b"*** too many sessions, all of them in use; try again later\n")
            session.finish()
        else:
            session.abort()


def begin(session: Session) -> None:
    """Give a session its first mode."""
    session.mode = opening = Opening(session)
    opening.begin()
