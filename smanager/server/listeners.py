"""All listeners: opened and closed together, each with a budget of sessions."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from smanager.access.identities import Identities
from smanager.access.origin import address_text
from smanager.config.file import ConfigError
from smanager.config.listener import ListenerSettings, Tls, is_loopback, why_exposed, why_not_listening
from smanager.server.listener import ACCEPTS_A_TURN, MOST_TURNED_AWAY, Listener
from smanager.server.session import Session
from smanager.server.unixsocket import UnixSocket
from smanager.shells.root import Shells

RESERVED_DESCRIPTORS = 96
"""File descriptors kept for hosts, their pipes, and files."""

UNLIMITED = 1_000_000
"""Descriptors counted on if the system sets no limit."""

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
        self._unix: list[UnixSocket] = []

    async def open(self, passed: Mapping[str, Sequence[socket.socket]]) -> list[str]:
        """Bind all listeners, or none; returns their addresses. `passed` are systemd's open sockets, by name.

        Raises ConfigError.
        """
        try:
            return [address for listener in self._all for address in await self._open(listener, passed)]
        except BaseException:
            self._close()
            raise

    async def serve(self, shells: Shells, identities: Identities) -> None:
        """Accept clients. Raises ConfigError if another process has begun to listen meanwhile."""
        for listener in self._all:
            try:
                await listener.serve(shells, identities)
            except OSError as error:
                raise cannot_listen(listener.settings, error) from None

    async def close(self, message: str) -> None:
        """Stop listening, and end all sessions with `message`."""
        sessions = self._close()
        for session in sessions:
            session.farewell(message)
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                for listener in self._all:
                    await listener.emptied()
        for session in sessions:
            session.connection.abort()

    def renew_certificates(self, tell: Callable[[str], object]) -> list[str]:
        """Read changed certificates again for new connections; reports renewals to `tell`, and returns the problems."""
        problems = []
        for listener in self._all:
            tls = listener.settings.tls
            if tls and fingerprint(tls) != listener.fingerprint:
                try:
                    encrypt(listener, tls)
                    tell(f"[listeners.{listener.settings.name}] has new certificates")
                except ConfigError as error:
                    problems.append(f"{error}; the previous certificates stay in use")
        return problems

    async def _open(self, listener: Listener, passed: Mapping[str, Sequence[socket.socket]]) -> list[str]:
        settings = listener.settings
        if settings.tls:
            encrypt(listener, settings.tls)
        try:
            if settings.unix:
                unix = UnixSocket(settings)
                await listener.open([unix.socket])
                self._unix.append(unix)
                return [str(settings.unix)]
            taken = passed.get(settings.systemd, ()) if settings.systemd is not None else ()
            if settings.systemd is not None and not taken:
                known = ", ".join(passed) or "none"
                raise ConfigError(f"{settings.place}: systemd has passed no socket of this name; it passed: {known}")
            opened = await listener.open(taken)
        except OSError as error:
            raise cannot_listen(settings, error) from None
        names = [connection.getsockname() for connection in opened]
        require_safe(settings, [name[0] for name in names if isinstance(name, tuple)])
        return [address_text(*name[:2]) if isinstance(name, tuple) else str(name) for name in names]

    def _close(self) -> list[Session]:
        sessions = [session for listener in self._all for session in listener.close()]
        for unix in self._unix:
            unix.close()
        return sessions


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


def encrypt(listener: Listener, tls: Tls) -> None:
    before = fingerprint(tls)  # taken first, so that the next renewal notices a change during the read
    listener.tls = context_of(listener.settings.name, tls)
    listener.fingerprint = before


def context_of(name: str, tls: Tls) -> ssl.SSLContext:
    """The context for a listener's TLS. Raises ConfigError for files that are unusable or unsafe."""
    key = tls.key or tls.certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
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
    """A value that changes when the files do; None if one of them is missing."""
    try:
        states = [path.stat() for path in (tls.certificate, tls.key, tls.client_ca) if path]
    except OSError:
        return None
    return [(one.st_ino, one.st_mtime_ns, one.st_size, one.st_mode, one.st_uid) for one in states]


def require_own(listener: str, path: Path) -> None:
    """Raise ConfigError if another user could have written a file that decides whom to trust."""
    status = path.stat()
    if status.st_mode & 0o022:
        raise ConfigError(f"[listeners.{listener}] {path}: other users may write it; `chmod go-w {path}` fixes that")
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"[listeners.{listener}] {path}: belongs to user id {status.st_uid}, and should belong to {os.geteuid()}"
        )


def budgets(settings: Sequence[ListenerSettings], available: int) -> list[int]:
    """The sessions that each listener may have: as configured, or an equal share of the available descriptors."""
    shares: dict[int, int] = {}
    for index, one in sorted(enumerate(settings), key=lambda pair: pair[1].max_sessions):
        fair = (available - sum(shares.values())) // (len(settings) - len(shares))
        shares[index] = max(1, min(one.max_sessions, fair))
        if shares[index] < one.max_sessions:
            log.warning(
                "%s: max_sessions is %d; the limit on open files allows %d here (see ulimit -n)",
                one.place,
                one.max_sessions,
                shares[index],
            )
    return [shares[index] for index in range(len(settings))]


def descriptors() -> int:
    """Raise this process's limit on open files as far as possible, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS: the hard limit is infinite, but cannot be set
            return soft
    return hard if hard != resource.RLIM_INFINITY else UNLIMITED
