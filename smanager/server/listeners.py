"""All places to connect to: opened, and closed, together, each with a budget of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from smanager.access.identities import Identities
from smanager.config.file import ConfigError
from smanager.config.listener import ListenerSettings, Tls, is_loopback, why_exposed, why_not_listening
from smanager.server.listener import ACCEPTS_A_TURN, MOST_TURNED_AWAY, Listener
from smanager.server.peers import peer_name
from smanager.server.session import Session
from smanager.server.unixsocket import UnixSocket
from smanager.shells.root import Shells

RESERVED_DESCRIPTORS = 96
"""Kept for hosts, their pipes, and files."""

FAREWELL_SECONDS = 1.5
"""How long sessions have to take their last words when the server ends; a drain takes one second."""

log = logging.getLogger("smanager")


class Listeners:
    """The listeners that are configured."""

    def __init__(self, settings: Sequence[ListenerSettings]) -> None:
        others = RESERVED_DESCRIPTORS + MOST_TURNED_AWAY + ACCEPTS_A_TURN * len(settings)
        shares = budgets(settings, descriptors() - others)
        turned_away: set[Session] = set()
        self._all = [Listener(one, share, turned_away) for one, share in zip(settings, shares, strict=True)]
        self._unix: list[UnixSocket] = []

    async def open(self, passed: Mapping[str, Sequence[socket.socket]]) -> list[str]:
        """Take all places, and return their addresses; `passed` are sockets that were open before, by name.

        Raises ConfigError, and has taken none then.
        """
        try:
            return [address for listener in self._all for address in await self._open(listener, passed)]
        except BaseException:
            self._close()
            raise

    async def serve(self, shells: Shells, identities: Identities) -> None:
        """Let clients in. Raises ConfigError where somebody else has begun to listen meanwhile."""
        for listener in self._all:
            try:
                await listener.serve(shells, identities)
            except OSError as error:
                raise no_place(listener.settings, error) from None

    async def close(self, message: str) -> None:
        """Stop listening, tell everybody why, and see them off."""
        sessions = self._close()
        for session in sessions:
            session.farewell(message)
        gone = [asyncio.ensure_future(listener.emptied()) for listener in self._all]
        for late in (await asyncio.wait(gone, timeout=FAREWELL_SECONDS))[1] if gone else ():
            late.cancel()
        for session in sessions:
            session.abort()

    def renew_certificates(self, tell: Callable[[str], object]) -> list[str]:
        """Read certificates' files again that have changed, for connections from here on.

        `tell` is told of each, and what is wrong is returned.
        """
        problems = []
        for listener in self._all:
            tls = listener.settings.tls
            if tls and fingerprint(tls) != listener.fingerprint:
                try:
                    self._encrypt(listener, tls)
                    tell(f"[listeners.{listener.settings.name}] has other certificates")
                except ConfigError as error:
                    problems.append(f"{error}; the one before stays in use")
        return problems

    @staticmethod
    def _encrypt(listener: Listener, tls: Tls) -> None:
        found = fingerprint(tls)  # before they are read, so that a change meanwhile is one the next time
        listener.tls = context_of(listener.settings.name, tls)
        listener.fingerprint = found

    async def _open(self, listener: Listener, passed: Mapping[str, Sequence[socket.socket]]) -> list[str]:
        settings = listener.settings
        if settings.tls:
            self._encrypt(listener, settings.tls)
        try:
            if settings.unix:
                unix = UnixSocket(settings)
                await listener.open([unix.socket])
                self._unix.append(unix)
                return [str(settings.unix)]
            if settings.systemd is not None and not passed.get(settings.systemd):
                known = ", ".join(passed) or "none"
                raise ConfigError(f"{settings.place}: systemd has passed no socket of that name; there are: {known}")
            opened = await listener.open(passed[settings.systemd] if settings.systemd is not None else ())
        except OSError as error:
            raise no_place(settings, error) from None
        names = [connection.getsockname() for connection in opened if connection.family != socket.AF_UNIX]
        require_care(settings, [str(name[0]) for name in names])
        return [peer_name(connection.getsockname()) for connection in opened]

    def _close(self) -> list[Session]:
        sessions = [session for listener in self._all for session in listener.close()]
        for unix in self._unix:
            unix.close()
        return sessions


def no_place(settings: ListenerSettings, error: OSError) -> ConfigError:
    return ConfigError(f"cannot listen on {settings.place}: {why_not_listening(error)}")


def require_care(settings: ListenerSettings, addresses: Sequence[str]) -> None:
    """Raise ConfigError where other machines reach a listener and it is open to more than it should be."""
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
    """What TLS needs. Raises ConfigError where its files are not what they should be."""
    key = tls.key or tls.certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if key.stat().st_mode & 0o007:
            raise ConfigError(f"[listeners.{name}] {key}: anybody may read this key; `chmod o= {key}` mends that")
        for path in filter(None, (tls.certificate, key, tls.client_ca)):
            require_ours(name, path)
        context.load_cert_chain(tls.certificate, key, password=lambda: "")  # else it would ask on the terminal
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else str(error)
        raise ConfigError(f"[listeners.{name}] {tls.certificate}, {key}: {reason}") from None
    return context


def fingerprint(tls: Tls) -> object:
    """What tells the files from others; None where one of them cannot be found."""
    try:
        found = [path.stat() for path in (tls.certificate, tls.key, tls.client_ca) if path]
    except OSError:
        return None
    return [(one.st_ino, one.st_mtime_ns, one.st_size, one.st_mode, one.st_uid) for one in found]


def require_ours(listener: str, path: Path) -> None:
    """Raise ConfigError where others can have written a file that says whom to trust."""
    found = path.stat()
    if found.st_mode & 0o022:
        raise ConfigError(f"[listeners.{listener}] {path}: others may write it; `chmod go-w {path}` mends that")
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"[listeners.{listener}] {path}: it belongs to user id {found.st_uid}, and should to {os.geteuid()}"
        )


def budgets(settings: Sequence[ListenerSettings], available: int) -> list[int]:
    """How many sessions each listener may have, of so many descriptors: as many as it wants, or an equal share."""
    shares: dict[int, int] = {}
    for index, one in sorted(enumerate(settings), key=lambda pair: pair[1].max_sessions):
        fair = (available - sum(shares.values())) // (len(settings) - len(shares))
        shares[index] = max(1, min(one.max_sessions, fair))
        if shares[index] < one.max_sessions:
            log.warning(
                "%s: max_sessions %d is more than the limit on descriptors allows; it is %d here (see ulimit -n)",
                one.place,
                one.max_sessions,
                shares[index],
            )
    return [shares[index] for index in range(len(settings))]


def descriptors() -> int:
    """Raise the limit on descriptors as far as it goes, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS: its hard limit is none, but that many are refused
            return soft
    return hard if hard != resource.RLIM_INFINITY else 1_000_000
