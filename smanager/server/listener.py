"""Listens at one address, and counts its sessions so that a flood of connections never locks people out."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from smanager.access.callers import Caller
from smanager.access.identities import Identities
from smanager.access.origin import OriginKind, address_text
from smanager.config.file import ConfigError
from smanager.config.listener import ListenerSettings, Tls, is_loopback, why_exposed, why_not_listening
from smanager.server.acceptor import Acceptor, bound
from smanager.server.handshakes import Handshakes
from smanager.server.modes.detection import Detection
from smanager.server.peers import is_own, names_in
from smanager.server.session import Session
from smanager.server.unixsocket import UnixSocket, ids_of
from smanager.shells.root import Shells

MOST_TURNED_AWAY = 32
"""Connections at all listeners that are told there are too many sessions; each holds a descriptor until it has read
that. Further ones are closed without a word."""

log = logging.getLogger("smanager")


@dataclass(eq=False)
class Listener:
    """An address to connect to, and its sessions."""

    settings: ListenerSettings
    _turned_away: set[Session]  # connections beyond the limits of all listeners
    shells: Shells = field(init=False)
    identities: Identities = field(init=False)
    most_sessions: int = field(init=False)  # as configured, or fewer where there are few descriptors
    tls: Handshakes | None = None  # None for plain text
    _fingerprint: object = None  # of the files that `tls` was read from
    _sessions: set[Session] = field(default_factory=set)
    _giving_way: dict[Session, str] = field(default_factory=dict)  # and their networks, the oldest first
    _all_gone: asyncio.Event = field(default_factory=asyncio.Event)
    _acceptors: list[Acceptor] = field(default_factory=list)
    _unix: UnixSocket | None = None

    async def open(self, passed: Mapping[str, Sequence[socket.socket]]) -> None:
        """Bind the address, or take systemd's sockets. Raises ConfigError."""
        settings = self.settings
        if use := self.prepare(settings):
            use()
        try:
            if settings.unix:
                self._unix = UnixSocket(settings)
                sockets: Sequence[socket.socket] = [self._unix.socket]
            elif settings.tcp:
                sockets = await bound(*settings.tcp)
            else:
                sockets = passed.get(settings.systemd or "", ())
            self._acceptors = [Acceptor(one, self._accepted) for one in sockets]
        except OSError as error:
            raise cannot_listen(settings, error) from None
        if not self._acceptors:
            known = ", ".join(passed) or "none"
            raise ConfigError(f"{settings.place}: systemd has passed no socket of this name; it passed: {known}")
        require_safe(settings, self._hosts)

    async def check(self) -> None:
        """Find what would be wrong with an address that cannot be bound yet. Raises ConfigError."""
        assert self.settings.tcp
        host, port = self.settings.tcp
        self.prepare(self.settings)
        try:
            loop, kind, flags = asyncio.get_running_loop(), socket.SOCK_STREAM, socket.AI_PASSIVE
            found = await loop.getaddrinfo(host or None, port, type=kind, flags=flags)
        except OSError as error:
            raise cannot_listen(self.settings, error) from None
        require_safe(self.settings, [str(address[0]) for *_, address in found])

    @property
    def addresses(self) -> list[str]:
        """The addresses that it listens on, for people."""
        if self.settings.unix:
            return [str(self.settings.unix)]
        return [address_text(*name[:2]) if isinstance(name, tuple) else str(name) for name in self._names]

    @property
    def _names(self) -> list[object]:
        """The addresses of its sockets, as the system gives them."""
        return [acceptor.socket.getsockname() for acceptor in self._acceptors]

    @property
    def _hosts(self) -> list[str]:
        return [name[0] for name in self._names if isinstance(name, tuple)]

    @property
    def is_reachable(self) -> bool:
        """Whether it is open, and its unix socket's file has not been deleted or replaced."""
        return bool(self._acceptors) and (self._unix is None or self._unix.is_there())

    def serve(self, shells: Shells, identities: Identities) -> None:
        """Accept clients, which the kernel refused so far. Raises ConfigError if another process listens now."""
        self.shells = shells
        self.identities = identities
        try:
            for acceptor in self._acceptors:
                acceptor.begin(shells.manager.sockets)
        except OSError as error:
            raise cannot_listen(self.settings, error) from None

    def prepare(self, settings: ListenerSettings) -> Callable[[], None] | None:
        """What puts other settings for the same place, and changed certificates, into use; None without a change.

        Raises ConfigError.
        """
        tls = settings.tls
        current = tls and fingerprint(tls)  # taken first, so that the next look notices a change during the read
        is_known = tls == self.settings.tls and (not tls or (self.tls is not None and current == self._fingerprint))
        if is_known and settings == self.settings:
            return None
        require_safe(settings, self._hosts)
        context = None if is_known or not tls else context_of(settings.name, tls)
        ids = ids_of(settings)

        def use() -> None:
            if not tls:
                self.tls = None
            elif context and self.tls:
                self.tls.context = context
            elif context:
                self.tls = Handshakes(context)
            self._fingerprint = current
            if self._unix and settings != self.settings:
                self._unix.open_to(settings.permissions, *ids)
            self.settings = settings

        return use

    def unwanted(self) -> list[Session]:
        """The sessions that were let in by earlier settings, and would not be, or not so, by the present ones."""
        return [one for one in self._sessions if one.settings != self.settings and not self._lets_in(one)]

    def _lets_in(self, session: Session) -> bool:
        """Whether a session has what the present settings give, and no more; one that is yet to log in has not."""
        before, now, caller = session.settings, self.settings, session.caller
        return (
            caller is not None
            and self._allows(session)
            and (before.tls is None) == (now.tls is None)
            and {*before.given_roles} <= {*now.given_roles}
            and (caller.known_as is not None or not now.login)
            and (not caller.behalf or caller.origin.user in now.relays)
        )

    async def emptied(self) -> None:
        if self._sessions:
            self._all_gone.clear()
            await self._all_gone.wait()

    @property
    def sessions(self) -> list[Session]:
        return list(self._sessions)

    def close(self) -> list[Session]:
        """Stop listening; returns the sessions that are left."""
        for acceptor in self._acceptors:
            acceptor.close()
        if self._unix:
            self._unix.close()
        return self.sessions

    def _accepted(self, connection: socket.socket, address: object) -> None:
        begin = Session(self).connection.begin
        if len(self._sessions) < self.most_sessions:
            begin(connection, address)
        else:  # the end of another may be among what this turn brings, and makes room
            asyncio.get_running_loop().call_soon(begin, connection, address)

    def arrived(self, session: Session) -> bool:
        """Take a session in, unless its network is not allowed or all places are taken by sessions in use."""
        if not self._allows(session):
            log.info("%s: not allowed at %s", session.peer, self.settings.place)
            session.connection.abort()
            return False
        if len(self._sessions) >= self.most_sessions:
            if not self._giving_way:
                self._turn_away(session)
                return False
            [(crowd, _)] = Counter(self._giving_way.values()).most_common(1)  # a flood displaces itself first
            oldest = next(one for one, network in self._giving_way.items() if network == crowd)
            oldest.connection.abort()
            self.left(oldest)
        self._sessions.add(session)
        self._giving_way[session] = session.peer.network
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
            if not settings.is_own and (caller := self.identities.named([origin.user], origin, roles, "peer")):
                return caller
            permissions = self.identities.roles.permissions(roles)
            return None if settings.login else Caller(origin, origin.user, permissions, "peer")
        if certificate := session.connection.certificate:
            names = names_in(certificate)
            if caller := self.identities.named(names, origin, roles, "certificate"):
                return caller
            if settings.login:
                self.identities.unknown(origin, names[0] if names else "")
        return None if settings.login else self.identities.anonymous(origin, roles)

    def settled(self, session: Session) -> None:
        """The session no longer gives way to others."""
        self._giving_way.pop(session, None)

    def left(self, session: Session) -> None:
        self._turned_away.discard(session)
        self._sessions.discard(session)
        self.settled(session)
        self.shells.manager.sessions.remove(session.number)
        if not self._sessions:
            self._all_gone.set()

    def _allows(self, session: Session) -> bool:
        if self.settings.is_own and not is_own(session.peer):
            return False
        if not self.settings.allow or session.peer.kind is OriginKind.UNIX:
            return True
        address = session.peer.address
        return address is not None and any(address in network for network in self.settings.allow)

    def _turn_away(self, session: Session) -> None:
        if len(self._turned_away) < MOST_TURNED_AWAY and not self.tls:
            self._turned_away.add(session)
            session.connection.send(b"*** too many sessions, all of them in use; try again later\n")
            session.connection.finish()
        else:
            session.connection.abort()


def cannot_listen(settings: ListenerSettings, error: OSError) -> ConfigError:
    return ConfigError(f"cannot listen on {settings.place}: {why_not_listening(error)}")


def require_safe(settings: ListenerSettings, addresses: Sequence[str]) -> None:
    """Raise ConfigError if other machines can reach a listener without a login or without TLS."""
    danger = why_exposed(settings)
    exposed = [address for address in addresses if not is_loopback(address)]
    if not exposed or not danger:
        return
    if not settings.insecure:
        raise ConfigError(
            f"{settings.place} can be reached from other machines, and {danger}; use 127.0.0.1 with ssh, or tls with "
            'login = "required", or say insecure if you mean it'
        )
    log.warning("%s can be reached from other machines, and %s", settings.place, danger)


def context_of(name: str, tls: Tls) -> ssl.SSLContext:
    """The context for a listener's TLS. Raises ConfigError for files that are unusable or unsafe."""
    key = tls.key or tls.certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # in the midst of which nothing can be sent
    try:
        if key.stat().st_mode & 0o007:
            raise ConfigError(f"[listeners.{name}] {key}: every user may read this key; `chmod o= {key}` fixes that")
        for path in filter(None, (tls.certificate, key, tls.client_ca)):
            require_own(name, path)
        context.load_cert_chain(tls.certificate, key, password=lambda: "")  # else it would ask on the terminal
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else str(error)
        raise ConfigError(f"[listeners.{name}] {tls.certificate}, {key}: {reason}") from None
    return context


def fingerprint(tls: Tls) -> object:
    """A value that changes with the contents of the files, and with who may use them; None if one cannot be read."""
    try:
        files = [(path.stat(), path.read_bytes()) for path in (tls.certificate, tls.key, tls.client_ca) if path]
    except OSError:
        return None
    return [(zlib.crc32(data), status.st_mode, status.st_uid) for status, data in files]


def require_own(listener: str, path: Path) -> None:
    """Raise ConfigError if another user could have written a file that decides whom to trust."""
    status = path.stat()
    if status.st_mode & 0o022:
        raise ConfigError(f"[listeners.{listener}] {path}: other users may write it; `chmod go-w {path}` fixes that")
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"[listeners.{listener}] {path}: belongs to user id {status.st_uid}, and should belong to {os.geteuid()}"
        )
